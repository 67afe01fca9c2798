package local

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"tianfu/engine"
	"tianfu/fault"
)

// plan turns an order into what its shim does. A Denied error names what this
// machine cannot do.
func (s *site) plan(o engine.Order, dir taskDir) (spec, error) {
	where := "start " + o.Key.String()
	if o.Processes == 0 {
		o.Processes = 4096
	}
	if o.LogBytes == 0 {
		o.LogBytes = engine.DefaultLogBytes
	}
	sp := spec{Order: o, Boot: s.boot, Level: s.level, UID: -1, Cgroup: s.cgroups, Quota: s.quota, NoCell: !s.cgroups.has("memory")}
	if s.uids != nil {
		uid, err := s.uids.of(o.Tenant)
		if err != nil {
			return spec{}, err
		}
		sp.UID = uid
	}
	devices, err := deviceVariables(&o)
	if err != nil {
		return spec{}, err
	}
	switch {
	case o.Image != "":
		err = s.planImage(&sp, dir)
	case s.level == engine.LevelSandbox:
		err = s.planSandbox(&sp, dir)
	default:
		err = s.planConfined(&sp, dir)
	}
	if err != nil {
		return spec{}, fault.Wrap(err, where, "this machine cannot run it")
	}
	sp.Env = environment(&sp, devices)
	if sp.Gated {
		loader, err := s.loaderStep(&sp)
		if err != nil {
			return spec{}, fault.Wrap(err, where, "this machine cannot run it")
		}
		sp.Argv = append(append(sp.Argv, loader...), o.Command...)
	}
	return sp, nil
}

func (s *site) planSandbox(sp *spec, dir taskDir) error {
	sp.Dir, sp.Home, sp.Wraps, sp.Gated = "/work", "/work", true, true
	sp.Argv = append(s.sandbox(&sp.Order, dir), "--info-fd", "3", "--block-fd", "4")
	sp.Argv = append(sp.Argv, s.asUser(sp.UID)...)
	return nil
}

// sandbox returns bubblewrap's arguments for an order, up to what runs inside.
// What is not named here does not exist inside: no home, no /var, no /run, no
// data directory.
func (s *site) sandbox(o *engine.Order, dir taskDir) []string {
	a := []string{s.bwrap, "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--new-session", "--die-with-parent", "--hostname", "task"}
	if !o.Network {
		a = append(a, "--unshare-net")
	}
	if os.Geteuid() == 0 && s.uids != nil {
		// For setpriv, which gives them up; the last to enter the working directory,
		// which is the tenant's.
		a = append(a, "--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_DAC_READ_SEARCH")
	}
	for _, p := range append(system[:], s.show...) {
		info, err := os.Lstat(p)
		if err != nil {
			continue
		}
		if info.Mode()&os.ModeSymlink != 0 {
			if to, err := os.Readlink(p); err == nil {
				a = append(a, "--symlink", to, p)
			}
			continue
		}
		a = append(a, "--ro-bind", p, p)
	}
	a = append(a, "--proc", "/proc", "--dev", "/dev", "--perms", "0755", "--dir", "/run", "--perms", "0755", "--dir", "/var",
		"--bind", dir.path(dirTmp), "/tmp", "--symlink", "../tmp", "/var/tmp",
		"--bind", dir.path(dirWork), "/work", "--chdir", "/work",
		"--ro-bind-try", "/sys/devices/system", "/sys/devices/system")
	if o.Network {
		a = append(a, "--ro-bind-try", "/run/systemd/resolve", "/run/systemd/resolve")
	}
	a = append(a, deviceNodes(o)...)
	a = append(a, s.hidden()...)
	for _, m := range o.Mounts {
		how := "--ro-bind"
		if m.Writable {
			how = "--bind"
		}
		a = append(append(a, parents(m.Target)...), how, m.Source, m.Target)
	}
	return a
}

// parents makes the directories above a mount; by itself bubblewrap makes them
// for root only. Those in the task's own directories are made by makeTask.
func parents(target string) []string {
	var a []string
	for i, c := range target {
		if c != '/' || i == 0 {
			continue
		}
		if p := target[:i]; p == "/tmp" || p == "/work" || slices.Contains(system[:], p) {
			return nil
		} else if p != "/run" && p != "/var" {
			a = append(a, "--perms", "0755", "--dir", p)
		}
	}
	return a
}

// hidden covers what must not be seen and lies below something that is shown.
func (s *site) hidden() []string {
	var a []string
	for _, h := range s.hide {
		for _, p := range append(system[:], s.show...) {
			if h != p && !below(p, h) {
				continue
			}
			if info, err := os.Stat(h); err == nil && info.IsDir() {
				a = append(a, "--tmpfs", h)
			} else if err == nil {
				a = append(a, "--ro-bind", os.DevNull, h)
			}
			break
		}
	}
	return a
}

// asUser returns the step that drops from root to a user; without one it still
// gives a missing program the exit codes that every shell gives it.
func (s *site) asUser(uid int) []string {
	if uid < 0 {
		return []string{"--", s.setpriv, "--no-new-privs", "--"}
	}
	n := strconv.Itoa(uid)
	return []string{"--", s.setpriv, "--reuid=" + n, "--regid=" + n, "--clear-groups", "--inh-caps=-all", "--no-new-privs", "--"}
}

// planConfined runs the command through `tianfu shim confine`.
func (s *site) planConfined(sp *spec, dir taskDir) error {
	for _, m := range sp.Order.Mounts {
		if m.Source != m.Target {
			return fault.New(fault.Denied, "", fmt.Sprintf("mount of %s at %s needs a sandbox", m.Source, m.Target), "install bubblewrap, or mount it under its own path")
		}
	}
	sp.Argv = []string{s.binary, "shim", "confine", string(dir)}
	sp.Dir, sp.Home = dir.path(dirWork), dir.path(dirWork)
	if s.clone != 0 {
		sp.Dir, sp.Home = "/tmp/work", "/tmp/work"
		sp.Clone = s.clone
		if sp.Order.Network {
			sp.Clone &^= unix.CLONE_NEWNET
		}
	}
	for _, p := range append(system[:], s.show...) {
		sp.Show = append(sp.Show, s.around(p)...)
	}
	return nil
}

// around returns what may be shown of a file or directory: itself, or what it
// holds beside the hidden, for Landlock can give a tree but take nothing out of
// it.
func (s *site) around(p string) []string {
	if real, err := filepath.EvalSymlinks(p); err != nil {
		return nil
	} else if slices.ContainsFunc(s.hide, func(h string) bool { return h == real || below(h, real) }) {
		return nil
	} else if !slices.ContainsFunc(s.hide, func(h string) bool { return below(real, h) }) {
		return []string{p}
	}
	entries, _ := os.ReadDir(p)
	var out []string
	for _, e := range entries {
		if e.Type()&os.ModeSymlink == 0 { // to follow one takes no right but to what it names
			out = append(out, s.around(filepath.Join(p, e.Name()))...)
		}
	}
	return out
}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment is all the task gets: what we set, then what the order lists, then
// what nobody may override.
func environment(sp *spec, devices []string) []string {
	o := &sp.Order
	tmp := "/tmp"
	if sp.Level != engine.LevelSandbox && sp.Clone == 0 && o.Image == "" {
		tmp = filepath.Join(filepath.Dir(sp.Home), dirTmp)
	}
	set := map[string]string{
		"PATH": defaultPath,
		"LANG": "C.UTF-8",
	}
	for k, v := range o.Env {
		set[k] = v
	}
	set["HOME"], set["TMPDIR"] = sp.Home, tmp
	set["TIANFU_JOB"], set["TIANFU_TASK"] = o.Key.Job.String(), strconv.Itoa(o.Key.Task)
	set["TIANFU_GENERATION"] = strconv.FormatUint(uint64(o.Key.Generation), 10)
	if o.Keep != "" {
		set["TIANFU_CHECKPOINT"] = filepath.Join(sp.Home, o.Keep)
	}
	out := make([]string, 0, len(set)+len(devices))
	for k, v := range set {
		if !slices.ContainsFunc(devices, func(d string) bool { return strings.HasPrefix(d, k+"=") }) {
			out = append(out, k+"="+v)
		}
	}
	out = append(out, devices...)
	slices.Sort(out)
	return out
}
