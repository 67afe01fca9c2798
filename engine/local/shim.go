package local

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tianfu/engine"
	"tianfu/unit"
)

// Exit codes of the shim process itself. Nobody decides by them: what happened
// is in the task's directory.
const (
	shimDone   = 0
	shimUsage  = 2
	shimFailed = 70
	shimSecond = 75 // another shim has the task, or had it
)

// Shim is the whole of `tianfu shim DIRECTORY`: it runs the task described there
// and returns the exit code of its own process. `tianfu shim confine DIRECTORY`
// is the step between the shim and a command that Landlock confines. Start-up
// time is paid by every task, so a program calls Shim before anything else.
func Shim(args []string) int {
	keepToOurselves()
	switch {
	case len(args) == 1:
		return superviseTasks(taskDir(args[0]))
	case len(args) == 2 && args[0] == "confine":
		return confine(taskDir(args[1]))
	}
	fmt.Fprintln(os.Stderr, "tianfu shim: started by the server only")
	return shimUsage
}

// keepToOurselves lets no file but the standard three and the server's pipes reach
// a task: whatever the server was started with would come all the way down, a
// listening socket or the secrets of the shell that started it.
func keepToOurselves() {
	if unix.CloseRange(fdNext+1, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	entries, _ := os.ReadDir("/proc/self/fd") // a kernel before 5.11
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > fdNext {
			unix.CloseOnExec(fd)
		}
	}
}

// message is what the server writes into a task's control FIFO, one a line.
type message struct {
	GraceMillis int64 `json:"grace_ms"`
}

type shim struct {
	dir    taskDir
	lock   *os.File // of the directory: the journal
	spec   spec
	cg     *cgroup // nil without cgroups
	served bool    // a server listens, or did
	child  child
	began  unit.Instant

	meter    meter
	asked    engine.Cause // why the stop signal was sent
	deadline time.Time    // when SIGKILL follows
	kill     *time.Timer
}

// Descriptors that the server leaves to a shim.
const (
	fdSay  = 3 // the shim says "started" and "done", one a line
	fdNext = 4 // the server names the directory of the next task
)

// superviseTasks runs one task after another for as long as the server that
// started it has work: starting a shim costs more than all it does for a short
// task. One at a time, so that whatever descends from a shim is one task's; and
// the server's end is the end of the row, never of the task at hand.
func superviseTasks(dir taskDir) int {
	served := isPipe(fdSay) && isPipe(fdNext)
	if served {
		unix.CloseOnExec(fdSay)
		unix.CloseOnExec(fdNext)
	}
	// A signal that is caught here is at its default in the task; one that were
	// ignored here would be ignored there too.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	if !served { // somebody tries it by hand
		code, _ := superviseTask(dir, signals, served)
		return code
	}
	next := make(chan taskDir)
	go func() {
		defer close(next)
		sc := bufio.NewScanner(os.NewFile(fdNext, "next"))
		sc.Buffer(nil, 64<<10)
		for sc.Scan() {
			next <- taskDir(sc.Text())
		}
	}()
	for {
		code, again := superviseTask(dir, signals, served)
		if !again {
			return code
		}
		if n, _ := unix.Write(fdSay, []byte("done\n")); n == 0 {
			return code // nobody listens after the server has died
		}
		var more bool
		select {
		case dir, more = <-next:
		case sig := <-signals:
			more = sig == syscall.SIGHUP
		}
		if !more {
			return code
		}
	}
}

func isPipe(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO
}

// superviseTask takes the task if nobody has it or ever had it. Its first steps
// are the whole of "never started twice": the lock keeps out a shim that lives,
// the line written under the lock one that has died. Again tells whether the
// process can take another: nothing of this task is left in it, and the use of
// the next one is counted by its cgroup alone.
func superviseTask(dir taskDir, signals <-chan os.Signal, served bool) (code int, again bool) {
	complain := func(what string, err error) { fmt.Fprintln(os.Stderr, "tianfu: shim:", dir, what, err) }
	lock, err := dir.tryLock()
	if err != nil {
		complain("cannot be taken:", err)
		return shimFailed, false
	}
	if lock == nil {
		complain("has a shim already", nil)
		return shimSecond, false
	}
	defer lock.Close()
	s := &shim{dir: dir, lock: lock, served: served}
	if err := dir.read(fileSpec, &s.spec); err != nil || s.spec.Boot != bootID() {
		complain("the order is unreadable or of an earlier boot:", err)
		return shimFailed, false
	}
	if err := begin(lock); err != nil {
		complain("was begun before, or cannot be:", err)
		return shimSecond, false
	}
	code = s.finish(s.run(signals))
	return code, code == shimDone && s.child.gone() && s.spec.Gated && s.spec.Cgroup.has("cpu") && s.spec.Cgroup.has("memory")
}

// run starts the task, sees it through and returns how it ended.
func (s *shim) run(signals <-chan os.Signal) outcome {
	s.began = now()
	fail := func(err error) outcome {
		if s.cg != nil {
			s.cg.remove()
		}
		cause := engine.CauseNotStarted
		if isFull(err) {
			cause = engine.CauseNoRoom
		}
		return outcome{Exit: engine.Exit{Cause: cause, Code: -1, Detail: err.Error()}, Started: s.began, Ended: now()}
	}
	if site := s.spec.Cgroup; site.Version != 0 {
		o := &s.spec.Order
		l := limits{milliCPU: int64(o.CPU), quota: s.spec.Quota, memory: int64(o.Memory) << 20, processes: int64(o.Processes)}
		cg, err := site.create(o.Key.String(), l)
		if err != nil {
			return fail(err)
		}
		cg.oci = o.Image != ""
		s.cg = cg
	}
	logs, err := openLogs(s.dir, s.spec.Order.LogBytes)
	if err != nil {
		return fail(err)
	}
	defer logs.close()
	control, err := os.OpenFile(s.dir.path(fileControl), os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return fail(err)
	}
	defer control.Close()
	if err := s.child.start(s, logs); err != nil {
		return fail(err)
	}
	s.meter.start(s.cg)
	if s.child.running {
		s.tell()
	}
	over := make(chan struct{})
	defer close(over)
	status := s.wait(signals, readMessages(control, over))
	s.endRest()
	logs.drain()
	u := s.meter.end(s.began, s.child.usage)
	if s.cg != nil {
		s.cg.remove()
	}
	e := ending{status: status, wraps: s.spec.Wraps, asked: s.asked, ooms: u.OOMKills}
	o := outcome{Exit: e.exit(), Usage: u, Started: s.began, Ended: now()}
	if !s.child.running && s.asked == "" {
		o.Exit = engine.Exit{Cause: engine.CauseNotStarted, Code: -1, Detail: "the sandbox failed: " + logs.head()}
	}
	o.LostOut, o.LostErr = logs.end()
	return o
}

// tell says that the process exists: first to the directory, for a server that
// comes later, then to the one that waits.
func (s *shim) tell() {
	_ = note(s.lock, entry{Started: &started{PID: s.child.pid, Inner: s.child.inner, At: s.began}})
	if s.served {
		_, _ = unix.Write(fdSay, []byte("started\n"))
	}
}

func (s *shim) wait(signals <-chan os.Signal, messages <-chan message) unix.WaitStatus {
	s.kill = time.NewTimer(time.Hour)
	s.kill.Stop()
	defer s.kill.Stop()
	var limit <-chan time.Time
	if l := s.spec.Order.TimeLimit; l > 0 {
		t := time.NewTimer(l)
		defer t.Stop()
		limit = t.C
	}
	sample := time.NewTicker(sampleEvery)
	defer sample.Stop()
	for {
		select {
		case status := <-s.child.exited:
			return status
		case m := <-messages:
			s.stop(engine.CauseStopped, time.Duration(m.GraceMillis)*time.Millisecond)
		case <-limit:
			s.stop(engine.CauseTimeLimit, s.spec.Order.Grace)
		case <-s.kill.C:
			s.child.signal(unix.SIGKILL)
			if s.cg != nil {
				s.cg.kill()
			}
		case sig := <-signals:
			if sig != syscall.SIGHUP { // the machine goes down
				s.stop(engine.CauseStopped, s.spec.Order.Grace)
			}
		case <-sample.C:
			u := s.meter.sample(s.began)
			_ = s.dir.writeUsage(u)
		}
	}
}

// stop sends the stop signal once and lets SIGKILL follow after grace; asked
// again it can only come sooner.
func (s *shim) stop(why engine.Cause, grace time.Duration) {
	at := time.Now().Add(max(0, min(grace, engine.MaxGrace)))
	if s.asked == "" {
		s.asked = why
		n, _ := engine.SignalNumber(s.spec.Order.StopSignal)
		s.child.signal(unix.Signal(n))
	} else if !at.Before(s.deadline) {
		return
	}
	s.deadline = at
	s.kill.Reset(time.Until(at))
}

// endRest ends what the task left behind: a task is over when its first process
// is. It waits until all of it is gone, so that the devices are free. Mostly
// that is the sandbox's own first process, which is on its way; looking for
// others costs more than waiting for it.
func (s *shim) endRest() {
	limit := time.After(10 * time.Second)
	wait := 10 * time.Millisecond
	if s.child.inner != 0 { // the kernel ends what is in its namespace along with it
		wait = 500 * time.Millisecond
	}
	for ; !s.child.gone(); wait = 5 * time.Millisecond {
		s.child.signal(unix.SIGKILL)
		select {
		case <-s.child.empty:
			return
		case <-limit: // a process that the kernel cannot end, e.g. one waiting for a dead disk
			return
		case <-time.After(wait):
		}
		killChildren(os.Getpid())
		if s.cg != nil {
			s.cg.kill()
		}
	}
}

// finish writes the outcome. A disk that refuses is tried again for as long as
// it takes: the shim has nothing else to do, and its lock says that the task is
// still in its hands.
func (s *shim) finish(o outcome) int {
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		err := noteEnd(s.lock, o)
		if err == nil {
			return shimDone
		}
		if !s.dir.has(fileSpec) {
			return shimFailed // the directory was taken away
		}
		fmt.Fprintln(os.Stderr, "shim:", s.dir, "the end of the task cannot be written:", err)
		time.Sleep(wait)
	}
}

func readMessages(control *os.File, over <-chan struct{}) <-chan message {
	out := make(chan message)
	go func() {
		sc := bufio.NewScanner(control)
		for sc.Scan() {
			var m message
			if json.Unmarshal(sc.Bytes(), &m) != nil {
				continue
			}
			select {
			case out <- m:
			case <-over:
				return
			}
		}
	}()
	return out
}
