package local

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"tianfu/engine"
)

// site is what this machine and this user allow, found out by trying when the
// engine opens. Orders are turned into specs by it alone.
type site struct {
	level    engine.Level
	by       string // what isolates
	binary   string // of tianfu, for the shim
	bwrap    string
	setpriv  string
	env      string
	runtime  string  // for images: runc under cgroups of version 1, crun otherwise
	landlock int     // version of the kernel's interface; 0 = none
	clone    uintptr // namespaces the shim makes below LevelSandbox
	cgroups  cgroupSite
	uids     *uids // nil: tasks run as the server's user
	hide     []string
	show     []string
	images   []string // where unpacked images lie
	quota    bool
	boot     string

	whyNotSandbox, whyNotCgroups, whyNotUIDs error
}

// system is what a task sees of the machine, read-only, where it exists.
var system = [...]string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix"}

func findSite(o Options) (*site, error) {
	s := &site{binary: o.Binary, show: o.Show, quota: o.Quota, boot: bootID(), landlock: landlockVersion()}
	for _, p := range o.Images {
		s.images = append(s.images, filepath.Clean(p))
	}
	for _, p := range append([]string{o.Dir}, o.Hide...) {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			p = real
		}
		s.hide = append(s.hide, p)
	}
	if s.binary == "" {
		exe, err := os.Executable()
		if err != nil {
			return nil, err
		}
		s.binary = exe
	}
	s.setpriv, _ = exec.LookPath("setpriv")
	s.env, _ = exec.LookPath("env")
	var err error
	if s.cgroups, err = findCgroups(o.CgroupParent); err != nil {
		s.cgroups, s.whyNotCgroups = cgroupSite{}, err
	}
	s.findUIDs(o)
	s.runtime, _ = exec.LookPath(s.runtimeName())
	s.level, s.by = engine.LevelProcess, "process groups"
	s.whyNotSandbox = s.trySandbox(o)
	switch {
	case s.whyNotSandbox == nil:
		s.level = engine.LevelSandbox
	case s.landlock > 0 && o.AtMost.AtLeast(engine.LevelLandlock):
		s.level, s.by = engine.LevelLandlock, fmt.Sprintf("Landlock, interface %d", s.landlock)
	}
	if s.level != engine.LevelSandbox {
		s.findClone()
	}
	return s, nil
}

// trySandbox runs /bin/true as a task would be run.
func (s *site) trySandbox(o Options) error {
	if !o.AtMost.AtLeast(engine.LevelSandbox) {
		return errors.New("switched off")
	}
	var err error
	if s.bwrap, err = exec.LookPath("bwrap"); err != nil {
		return errors.New("bubblewrap (bwrap) is not installed")
	}
	if s.setpriv == "" {
		return errors.New("setpriv (util-linux) is not installed")
	}
	version, err := exec.Command(s.bwrap, "--version").Output()
	if err != nil {
		return fmt.Errorf("%s --version: %w", s.bwrap, err)
	}
	uid := -1
	if s.uids != nil {
		uid = s.uids.base
	}
	work, err := os.MkdirTemp(o.Dir, ".try-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	_ = os.Mkdir(filepath.Join(work, dirWork), 0o700)
	_ = os.Mkdir(filepath.Join(work, dirTmp), 0o700)
	argv := append(s.sandbox(&engine.Order{}, taskDir(work)), s.asUser(uid)...)
	cmd := exec.Command(argv[0], append(argv[1:], "true")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		line, _, _ := strings.Cut(string(out), "\n")
		return fmt.Errorf("bubblewrap does not work here: %w: %s", err, line)
	}
	s.by = strings.TrimSpace(string(version))
	return nil
}

// findUIDs decides whether tenants get users of their own: that takes root, and
// a user namespace that has so many users.
func (s *site) findUIDs(o Options) {
	switch {
	case os.Geteuid() != 0:
		s.whyNotUIDs = errors.New("the server is not root")
	case o.UIDBase < 0:
		s.whyNotUIDs = errors.New("switched off")
	case !uidMapped(o.UIDBase):
		s.whyNotUIDs = fmt.Errorf("uid %d does not exist in this user namespace", o.UIDBase)
	default:
		s.uids = openUIDs(o.Dir, o.UIDBase)
	}
}

// findClone finds the namespaces that the shim can make without a sandbox. As
// root these take the network and other tasks' files away; an ordinary user who
// could make them could also run bubblewrap.
func (s *site) findClone() {
	flags := uintptr(unix.CLONE_NEWNS | unix.CLONE_NEWIPC | unix.CLONE_NEWNET)
	cmd := exec.Command("/bin/true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	if os.Geteuid() == 0 && cmd.Run() == nil {
		s.clone = flags
		return
	}
	// Without a mount namespace a task with a user of its own could not reach
	// its working directory below the closed data directory.
	if s.uids != nil {
		s.uids, s.whyNotUIDs = nil, errors.New("namespaces cannot be made")
	}
}

// uidMapped tells whether a uid exists in the present user namespace.
func uidMapped(uid int) bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return true // no user namespaces: all exist
	}
	for line := range strings.Lines(string(text)) {
		var inside, outside, count int64
		if n, _ := fmt.Sscan(line, &inside, &outside, &count); n == 3 && int64(uid) >= inside && int64(uid)+maxTenants <= inside+count {
			return true
		}
	}
	return false
}

func landlockVersion() int {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(v)
}
