package local

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tianfu/engine"
	"tianfu/fault"
)

// attempt is something that a task must not be able to do. The script exits 0
// when it succeeds; run by the server's user outside, it does.
type attempt struct {
	name   string
	script string
	from   engine.Level // the weakest level that must hold
	root   bool         // held at any level by a server that is root
	inside bool         // outside, it succeeds for root only
}

// TestEscapes tries to leave the sandbox, at every level this machine has.
func TestEscapes(t *testing.T) {
	for i, level := range []engine.Level{engine.LevelSandbox, engine.LevelLandlock, engine.LevelProcess} {
		t.Run(string(level), func(t *testing.T) {
			dir := stateDir(t)
			token := filepath.Join(t.TempDir(), "token")
			if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			e := open(t, Options{Dir: dir, AtMost: level, Hide: []string{token}})
			if e.site.level != level {
				t.Skipf("this machine has no level %s: %v", level, e.site.whyNotSandbox)
			}
			victim := shell(0, "echo $PPID; echo mine > $HOME/own; echo ready; while :; do sleep 0.1%d; done # VICTIM%d", os.Getpid(), i)
			victim.Tenant = "blue"
			if err := e.Start(t.Context(), victim); err != nil {
				t.Fatal(err)
			}
			waitLine(t, e, victim.Key, "ready")
			j, err := e.dirIn(dirTasks, victim.Key).journal()
			for n := 0; n < 2000 && err == nil && j.started == nil; n++ { // the task may be faster than its shim's note
				time.Sleep(5 * time.Millisecond)
				j, err = e.dirIn(dirTasks, victim.Key).journal()
			}
			if err != nil || j.started == nil {
				t.Fatal(j, err)
			}
			pid := max(j.started.PID, j.started.Inner)
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			_, port, _ := net.SplitHostPort(listener.Addr().String())
			for n, a := range attempts(e, victim.Key, token, port, pid, i) {
				t.Run(a.name, func(t *testing.T) { try(t, e, a, n+1) })
			}
			if unix.Kill(pid, 0) != nil {
				t.Error("the other task was killed")
			}
			if err := e.Stop(t.Context(), victim.Key, 0); err != nil {
				t.Fatal(err)
			}
			await(t, e, victim.Key)
		})
	}
}

func attempts(e *Engine, victim engine.Key, token, port string, pid, i int) []attempt {
	other := string(e.dirIn(dirTasks, victim))
	written := "/etc/tianfu-escape-" + strconv.Itoa(os.Getpid())
	return []attempt{
		{name: "read the data directory", script: "cat " + other + "/spec.json", from: engine.LevelLandlock, root: true},
		{name: "list the data directory", script: "ls " + e.opts.Dir, from: engine.LevelLandlock, root: true},
		{name: "read a token", script: "cat " + token, from: engine.LevelLandlock, root: true},
		{name: "read another task's files", script: "cat " + other + "/work/own", from: engine.LevelLandlock, root: true},
		{name: "write another task's log", script: "echo x >> " + other + "/stdout.00000000000000000000", from: engine.LevelLandlock, root: true},
		{name: "write /etc", script: "touch " + written + " && rm " + written, from: engine.LevelLandlock, root: true, inside: true},
		{name: "write /usr", script: "touch /usr/bin/tianfu-escape && rm /usr/bin/tianfu-escape", from: engine.LevelLandlock, root: true, inside: true},
		{name: "open the network", script: "exec bash -c 'echo > /dev/tcp/127.0.0.1/" + port + "'", from: engine.LevelLandlock, root: true},
		{name: "listen on the network", script: "command -v python3 && python3 -c 'import socket; s=socket.socket(); s.bind((\"127.0.0.1\", 0)); s.listen(); c=socket.create_connection((\"127.0.0.1\", " + port + "))'", from: engine.LevelLandlock, root: true},
		{name: "see other processes", script: fmt.Sprintf("grep -qs '[V]ICTIM%d' /proc/[0-9]*/cmdline || grep -qs '[V]ICTIM%d' /proc/%d/cmdline", i, i, pid), from: engine.LevelLandlock},
		{name: "read another's environment", script: fmt.Sprintf("grep -qs TIANFU_JOB /proc/%d/environ", pid), from: engine.LevelLandlock, root: true},
		{name: "signal another task", script: fmt.Sprintf("kill -0 %d", pid), from: engine.LevelLandlock, root: true},
		{name: "leave the cgroup", script: "echo $$ > /sys/fs/cgroup/memory/cgroup.procs || echo $$ > /sys/fs/cgroup/cgroup.procs", from: engine.LevelLandlock, root: true, inside: true},
		{name: "mount", script: "mount -t tmpfs none /mnt && umount /mnt", from: engine.LevelProcess, inside: true},
		{name: "become root", script: "setpriv --reuid=0 --clear-groups true", from: engine.LevelProcess, inside: true},
		{name: "make a device", script: "d=$(mktemp -d) && mknod $d/x b 8 0 && rm -r $d", from: engine.LevelProcess, inside: true},
		{name: "load settings of the kernel", script: "cat /proc/sys/kernel/hostname > /proc/sys/kernel/hostname", from: engine.LevelProcess, inside: true},
		{name: "read the password file", script: "cat /etc/shadow", from: engine.LevelProcess, inside: true},
	}
}

func try(t *testing.T, e *Engine, a attempt, n int) {
	if !e.site.level.AtLeast(a.from) && !(a.root && os.Geteuid() == 0) {
		t.Skip("not covered at this level, as Probe says")
	}
	if !a.inside || os.Geteuid() == 0 {
		if out, err := exec.Command("sh", "-c", a.script).CombinedOutput(); err != nil {
			t.Skipf("proves nothing here: it fails outside too: %v %s", err, out)
		}
	}
	r, out, errs := run(t, e, shell(n, "%s", a.script))
	if r.Exit.Cause != engine.CauseExit || r.Exit.Code == 0 {
		t.Errorf("%+v\nstdout: %s\nstderr: %s", r.Exit, out, errs)
	}
	if strings.Contains(out, "secret") || strings.Contains(out, "TIANFU_JOB") {
		t.Errorf("it read %q", out)
	}
}

func TestTenantsHaveUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := stateDir(t)
	e := open(t, Options{Dir: dir})
	user := func(n int, o engine.Order) string {
		t.Helper()
		_, out, errs := run(t, e, o)
		if out == "" {
			t.Fatal(errs)
		}
		return out
	}
	red, blue := shell(1, "id -u; id -G"), shell(2, "id -u; id -G")
	blue.Tenant = "blue"
	a, b := user(1, red), user(2, blue)
	if a == b || a == "0\n0\n" || b == "0\n0\n" {
		t.Errorf("red is %q, blue is %q", a, b)
	}
	e.Close()
	e = open(t, Options{Dir: dir})
	again := shell(3, "id -u; id -G")
	if got := user(3, again); got != a {
		t.Errorf("red was %q and is %q after a restart", a, got)
	}
}

// TestNothingInherited starts the server, as some shell does, with a file open that
// it knows nothing of: no task has it.
func TestNothingInherited(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(secret)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const fd = 200
	if err := unix.Dup3(int(f.Fd()), fd, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, level := range []engine.Level{engine.LevelSandbox, engine.LevelLandlock, engine.LevelProcess} {
		e := open(t, Options{Dir: stateDir(t), AtMost: level})
		if r, out, errs := run(t, e, shell(1, "exec readlink /proc/self/fd/%d", fd)); r.Exit.OK() || out != "" {
			t.Errorf("%s: the task read %q from what the server was started with: %s", level, out, errs)
		}
	}
	if out, err := exec.Command("sh", "-c", fmt.Sprintf("exec readlink /proc/self/fd/%d", fd)).Output(); err != nil || string(out) != secret+"\n" {
		t.Errorf("outside it is %q: %v", out, err) // so it was refused for the right reason
	}
}

// TestFewestPrivileges lets the step that makes a task its tenant's user no more
// than that takes.
func TestFewestPrivileges(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	e := open(t, Options{Dir: stateDir(t), AtMost: engine.LevelSandbox})
	if e.site.level != engine.LevelSandbox {
		t.Skip("needs a sandbox")
	}
	tools := t.TempDir()
	openUp(t, tools)
	if err := os.WriteFile(filepath.Join(tools, "setpriv"), []byte("#!/bin/sh\ngrep CapEff /proc/self/status\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	e.site.setpriv = "/data/setpriv"
	o := shell(1, "true")
	o.Mounts = []engine.Mount{{Source: tools, Target: "/data"}}
	_, out, errs := run(t, e, o)
	if want := fmt.Sprintf("CapEff:\t%016x\n", 1<<unix.CAP_SETUID|1<<unix.CAP_SETGID|1<<unix.CAP_DAC_READ_SEARCH); out != want {
		t.Errorf("it has %q, want %q: %s", out, want, errs)
	}
}

// TestPlacesThatCannotBe refuses what can never be put into a task's directory,
// instead of trying it for ever.
func TestPlacesThatCannotBe(t *testing.T) {
	e := open(t, Options{Dir: stateDir(t)})
	if e.site.level != engine.LevelSandbox {
		t.Skip("needs a sandbox")
	}
	o := shell(1, "true")
	o.Keep, o.Files = "checkpoint", []engine.File{{Path: "d/f"}, {Path: "checkpoint", Data: []byte("x")}, {Path: strings.Repeat("a/", 400) + "f"}}
	o.Mounts = []engine.Mount{{Source: "/usr", Target: "/work/" + strings.Repeat("long-directory/", 270) + "x"}}
	if err := e.Start(t.Context(), o); fault.KindOf(err) != fault.Invalid {
		t.Errorf("it is %v", err)
	}
}

// TestHiddenAmongShown keeps one file of a shown tree from tasks, such as the key
// of the server's certificate below /etc: what lies beside it stays there.
func TestHiddenAmongShown(t *testing.T) {
	top, err := os.MkdirTemp("/opt", "tianfu-test-")
	if err != nil {
		t.Skip("needs to write below what every task sees:", err)
	}
	t.Cleanup(func() { os.RemoveAll(top) })
	if err := os.Chmod(top, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tls/key", "tls/cert", "fonts/a"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(top, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(top, name), []byte(name+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, level := range []engine.Level{engine.LevelSandbox, engine.LevelLandlock} {
		t.Run(string(level), func(t *testing.T) {
			e := open(t, Options{Dir: stateDir(t), AtMost: level, Hide: []string{filepath.Join(top, "tls/key")}})
			if e.site.level != level {
				t.Skipf("this machine has no level %s: %v", level, e.site.whyNotSandbox)
			}
			_, out, errs := run(t, e, shell(1, "cd %s; cat fonts/a tls/cert tls/key", top))
			if out != "fonts/a\ntls/cert\n" {
				t.Errorf("it read %q: %s", out, errs)
			}
		})
	}
}

func TestNetworkWhenAsked(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	for _, level := range []engine.Level{engine.LevelSandbox, engine.LevelLandlock, engine.LevelProcess} {
		e := open(t, Options{Dir: stateDir(t), AtMost: level})
		o := shell(1, "exec bash -c 'echo > /dev/tcp/127.0.0.1/%s'", port)
		o.Network = true
		if r, _, errs := run(t, e, o); !r.Exit.OK() {
			t.Errorf("%s: %+v %s", level, r.Exit, errs)
		}
	}
}

func TestMounts(t *testing.T) {
	data := t.TempDir()
	openUp(t, data)
	if err := os.Chmod(data, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "set"), []byte("data\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	e := open(t, Options{Dir: stateDir(t)})
	o := shell(1, "cat /data/set; touch /data/new")
	o.Mounts = []engine.Mount{{Source: data, Target: "/data"}}
	r, out, _ := run(t, e, o)
	if e.site.level != engine.LevelSandbox {
		t.Skip("needs a sandbox")
	}
	if out != "data\n" || r.Exit.Code == 0 {
		t.Errorf("read-only: %+v %q", r.Exit, out)
	}
	o.Key.Task, o.Mounts[0].Writable = 2, true
	if r, _, errs := run(t, e, o); !r.Exit.OK() {
		t.Errorf("writable: %+v %s", r.Exit, errs)
	}
	if _, err := os.Stat(filepath.Join(data, "new")); err != nil {
		t.Error(err)
	}
}

func TestRequiredLevel(t *testing.T) {
	e := open(t, Options{Dir: stateDir(t), AtMost: engine.LevelProcess, Require: engine.LevelSandbox})
	if err := e.Start(t.Context(), shell(1, "exit 0")); err == nil || !strings.Contains(err.Error(), "required") {
		t.Errorf("started below the required level: %v", err)
	}
	p, err := e.Probe(t.Context())
	if err != nil || p.Level != engine.LevelProcess || len(p.Gaps) < 4 || p.Findings[0].OK || p.Findings[0].Fix == "" {
		t.Errorf("%+v, %v", p, err)
	}
}
