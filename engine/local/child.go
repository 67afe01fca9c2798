package local

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// child is the process that the shim started, and all that descends from it.
type child struct {
	pid     int
	inner   int  // process 1 of the sandbox as seen from outside; 0 without one
	running bool // the command was let go

	exited chan unix.WaitStatus // of pid
	empty  chan struct{}        // closed when no descendant is left
	usage  func() unix.Rusage   // of all that has ended
}

// start runs the spec's argv with its output into the logs. The thread that
// forks lives as long as the task: the kernel ends the task when it ends
// (PR_SET_PDEATHSIG goes by thread), so a shim that is killed takes its task
// along even when no server is there to see it.
func (c *child) start(s *shim, logs *logs) error {
	info, gate, files, err := s.childFiles(logs)
	if err != nil {
		return err
	}
	c.exited, c.empty = make(chan unix.WaitStatus, 1), make(chan struct{})
	c.usage = func() (ru unix.Rusage) {
		_ = unix.Getrusage(unix.RUSAGE_CHILDREN, &ru)
		return ru
	}
	pid := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: it ends with this function
		pid <- c.fork(s, files)
		if c.pid != 0 {
			c.reap()
		}
	}()
	err = <-pid
	for _, f := range files {
		_ = unix.Close(int(f))
	}
	if err == nil && s.spec.Gated {
		c.open(s, info, gate)
	} else {
		c.running = err == nil
	}
	if info != nil {
		info.Close()
		gate.Close()
	}
	return err
}

func (s *shim) childFiles(logs *logs) (info, gate *os.File, files []uintptr, err error) {
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, nil, err
	}
	files = []uintptr{uintptr(null), logs.stdout.end, logs.stderr.end}
	if !s.spec.Gated {
		return nil, nil, files, nil
	}
	var in, out [2]int
	if err := unix.Pipe2(in[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, nil, err
	}
	if err := unix.Pipe2(out[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, nil, err
	}
	return os.NewFile(uintptr(in[0]), "info"), os.NewFile(uintptr(out[1]), "gate"), append(files, uintptr(in[1]), uintptr(out[0])), nil
}

func (c *child) fork(s *shim, files []uintptr) error {
	sys := &syscall.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL, Cloneflags: s.spec.Clone}
	if s.cg != nil {
		leave, err := s.cg.enter(sys)
		if err != nil {
			return fmt.Errorf("enter the task's cgroup: %w", err)
		}
		defer leave()
	}
	path, err := exec.LookPath(s.spec.Argv[0])
	if err != nil {
		return err
	}
	c.pid, err = syscall.ForkExec(path, s.spec.Argv, &syscall.ProcAttr{Dir: "/", Env: s.spec.launchEnv(), Files: files, Sys: sys})
	if err != nil {
		return fmt.Errorf("start %s: %w", path, err)
	}
	return nil
}

// open waits until bubblewrap has made the sandbox, sets the limits that a
// process carries, and lets the command go.
func (c *child) open(s *shim, info, gate *os.File) {
	var at struct {
		PID int `json:"child-pid"`
	}
	if json.NewDecoder(info).Decode(&at) != nil || at.PID == 0 {
		return // it has failed; its exit says how
	}
	c.inner = at.PID
	for _, r := range s.spec.rlimits() {
		_ = unix.Prlimit(c.inner, r.resource, &unix.Rlimit{Cur: r.value, Max: r.value}, nil)
	}
	_, err := gate.Write([]byte{1})
	c.running = err == nil
}

// reap collects every descendant: orphans come to the shim, which is their
// subreaper.
func (c *child) reap() {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			close(c.empty)
			return
		case pid == c.pid:
			// Most tasks leave nothing behind; what is known at once need not be
			// looked for.
			none := reapNow()
			if none {
				close(c.empty)
			}
			c.exited <- ws
			if none {
				return
			}
		}
	}
}

// reapNow collects the descendants that have ended and tells whether none is
// left.
func reapNow() (none bool) {
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR || pid > 0:
		default:
			return err == unix.ECHILD
		}
	}
}

// gone tells whether no descendant is left.
func (c *child) gone() bool {
	select {
	case <-c.empty:
		return true
	default:
		return false
	}
}

// signal sends to every process of the task's group. In a sandbox the group is
// led by process 1, which the kernel shields from all but SIGKILL; the process
// outside the sandbox is left alone, or the grace would end with it.
func (c *child) signal(sig unix.Signal) {
	if c.inner == 0 {
		if c.pid > 0 {
			_ = unix.Kill(-c.pid, sig)
		}
		return
	}
	if sig == unix.SIGKILL {
		_ = unix.Kill(c.inner, sig)
		return
	}
	// The group exists a moment after the gate has opened, and the command in it a
	// moment after that: a signal to process 1 alone would be heeded by nobody.
	for range 500 {
		if c.forked() && unix.Kill(-c.inner, sig) == nil || unix.Kill(c.inner, 0) != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
	_ = unix.Kill(-c.inner, sig)
}

// forked tells whether process 1 of the sandbox has a child; a kernel that does
// not tell is believed that it has.
func (c *child) forked() bool {
	name := strconv.Itoa(c.inner)
	text, err := os.ReadFile("/proc/" + name + "/task/" + name + "/children")
	return err != nil || len(text) > 0
}

// killChildren ends the children of pid, and theirs: those that left the group
// and, without a cgroup, cannot be named otherwise.
func killChildren(pid int) {
	tasks, _ := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	for _, t := range tasks {
		text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/task/" + t.Name() + "/children")
		for _, f := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(f); err == nil && n > 1 {
				killChildren(n)
				_ = unix.Kill(n, unix.SIGKILL)
			}
		}
	}
}

type rlimit struct {
	resource int
	value    uint64
}

// rlimits are the limits that go with a process: no core files, a bound of open
// files, and in place of missing cgroup controllers the nearest there is.
func (s *spec) rlimits() []rlimit {
	out := []rlimit{{unix.RLIMIT_CORE, 0}, {unix.RLIMIT_NOFILE, openFiles()}}
	if s.NoCell && s.Order.Memory > 0 {
		out = append(out, rlimit{unix.RLIMIT_AS, uint64(s.Order.Memory) << 20})
	}
	if !s.Cgroup.has("pids") && s.UID >= 0 {
		out = append(out, rlimit{unix.RLIMIT_NPROC, uint64(s.Order.Processes)})
	}
	return out
}

const maxOpenFiles = 65536

// openFiles is the bound of open files of a task: ours, where that is lower.
func openFiles() uint64 {
	var have unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &have) == nil {
		return min(maxOpenFiles, have.Max)
	}
	return maxOpenFiles
}
