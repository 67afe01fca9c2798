package local

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tianfu/engine"
)

// recover reads the directory and takes up every task in it.
func (e *Engine) recover() error {
	done, err := os.ReadDir(filepath.Join(e.opts.Dir, dirDone))
	if err != nil {
		return disk(err, e.opts.Dir)
	}
	ready := make(chan struct{})
	close(ready)
	for _, d := range done {
		if k, ok := keyOf(d.Name()); ok {
			e.tasks[k] = &task{key: k, ready: ready, state: engine.Acked}
		}
	}
	present, err := os.ReadDir(filepath.Join(e.opts.Dir, dirTasks))
	if err != nil {
		return disk(err, e.opts.Dir)
	}
	for _, d := range present {
		k, ok := keyOf(d.Name())
		if !ok {
			if strings.HasPrefix(d.Name(), newTask) { // its Start never returned
				_ = os.RemoveAll(filepath.Join(e.opts.Dir, dirTasks, d.Name()))
			}
			continue
		}
		t := &task{key: k, ready: ready, state: engine.Starting}
		t.control, _ = openControl(e.dirIn(dirTasks, k)) // without it the task runs on and cannot be stopped
		e.tasks[k] = t
		e.wg.Go(func() { e.attach(t) })
	}
	return nil
}

// attach finds out where a task stands and sees it to its end.
func (e *Engine) attach(t *task) {
	if e.settle(t) || e.ctx.Err() != nil {
		return
	}
	e.carryOut(t) // prepared, and no shim ever took it
}

// settle looks at the directory until the task's end is known and reported. It
// returns false when nobody has the task and nobody ever began it, or when the
// engine closes.
//
// Who holds the lock decides. A shim that lives holds it; when it can be taken,
// whatever there is to know of the task is on the disk, and while we hold it no
// shim can begin.
func (e *Engine) settle(t *task) bool {
	dir := e.dirIn(dirTasks, t.key)
	for e.ctx.Err() == nil {
		lock, err := dir.tryLock()
		if err != nil {
			e.finish(t, lost("its directory cannot be read: "+err.Error(), outcome{}))
			return true
		}
		if lock == nil {
			e.awaitShim(t, dir)
			continue
		}
		o, known := e.read(dir)
		if known && o.Exit.Cause == engine.CauseLost && !o.written {
			e.clear(t, dir)
			_ = noteEnd(lock, o.outcome) // a disk that refuses: it is found lost again next time
		}
		lock.Close()
		if known {
			e.finish(t, o.outcome)
		}
		return known
	}
	return false
}

// verdict is an outcome, and whether the journal has it already.
type verdict struct {
	outcome
	written bool
}

// read tells a task's end from its directory, whose lock is held.
func (e *Engine) read(dir taskDir) (verdict, bool) {
	j, err := dir.journal()
	if err == nil && j.ended != nil {
		return verdict{*j.ended, true}, true
	}
	var last outcome
	if j.started != nil {
		last.Started = j.started.At
	}
	_ = dir.read(fileUsage, &last.Usage)
	var sp spec
	damage := dir.read(fileSpec, &sp)
	switch {
	case err != nil:
		return verdict{lost("its journal cannot be read: "+err.Error(), last), false}, true
	case damage != nil:
		return verdict{lost("its order is damaged: "+damage.Error(), last), false}, true
	case sp.Boot != e.site.boot:
		return verdict{lost("the machine was restarted while it ran", last), false}, true
	case j.shim != 0:
		return verdict{lost("its shim was killed", last), false}, true
	}
	return verdict{}, false
}

func lost(why string, o outcome) outcome {
	o.Exit = engine.Exit{Cause: engine.CauseLost, Code: -1, Detail: why}
	o.Ended = now()
	return o
}

// awaitShim waits for the shim that has the lock.
func (e *Engine) awaitShim(t *task, dir taskDir) {
	j, err := dir.journal()
	if err != nil || j.shim == 0 {
		e.pause() // it has just taken the lock
		return
	}
	for !e.reportStart(t) {
		if lock, err := dir.tryLock(); lock != nil || err != nil {
			lock.Close()
			return
		}
		if e.pause(); e.ctx.Err() != nil {
			return
		}
	}
	if err := e.awaitExit(j.shim); err != nil && e.ctx.Err() == nil {
		e.pause() // its end is near: it is gone, but the lock was not free yet
	}
}

func (e *Engine) pause() {
	select {
	case <-e.ctx.Done():
	case <-time.After(2 * time.Millisecond):
	}
}

// awaitExit waits for a process to end, without a thread of its own: a pidfd
// becomes readable then. The number cannot have passed to another process
// unseen: the lock is looked at again afterwards.
func (e *Engine) awaitExit(pid int) error {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	defer f.Close()
	stop := context.AfterFunc(e.ctx, func() { f.Close() })
	defer stop()
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return c.Read(func(fd uintptr) bool {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(p, 0)
		return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
}

// finish records the end in memory and reports it.
func (e *Engine) finish(t *task, o outcome) {
	e.mu.Lock()
	if t.state == engine.Ended || t.state == engine.Acked {
		e.mu.Unlock()
		return
	}
	unseen := t.state == engine.Starting
	t.state, t.outcome = engine.Ended, o
	if t.control != nil {
		t.control.Close()
		t.control = nil
	}
	e.mu.Unlock()
	dir := e.dirIn(dirTasks, t.key)
	if j, err := dir.journal(); unseen && err == nil && j.started != nil {
		e.send(engine.Report{Key: t.key, Kind: engine.Started, At: j.started.At})
	}
	kind := engine.Exited
	if o.Exit.Cause == engine.CauseLost {
		kind = engine.Lost
	}
	e.send(engine.Report{Key: t.key, Kind: kind, At: o.Ended, Exit: o.Exit, Usage: o.Usage})
}

// giveUp ends a task that no shim would take.
func (e *Engine) giveUp(t *task) {
	at := now()
	o := outcome{Exit: engine.Exit{Cause: engine.CauseNotStarted, Code: -1, Detail: "no shim took the task; " + fileShims + " in the engine's directory says why"}, Started: at, Ended: at}
	if e.full() {
		o.Exit.Cause, o.Exit.Detail = engine.CauseNoRoom, "no shim took the task: the disk is full"
	}
	lock, err := e.dirIn(dirTasks, t.key).tryLock()
	if err != nil || lock == nil {
		return // a shim took it after all; the next engine attaches it
	}
	_ = noteEnd(lock, o)
	lock.Close()
	e.finish(t, o)
}

// roomToStart is what must be free on the engine's disk for a task to be started:
// its directory, journal and reports.
const roomToStart = 1 << 20

// full tells whether the disk has too little room for a task to start. One that
// does not say is taken at its word when it writes.
func (e *Engine) full() bool {
	var st unix.Statfs_t
	return unix.Statfs(e.opts.Dir, &st) == nil && st.Bavail*uint64(st.Bsize) < roomToStart
}

// clear ends what a killed shim left behind: all of its cgroup, or, where there
// is none, the processes of its session that carry the task's name.
func (e *Engine) clear(t *task, dir taskDir) {
	var sp spec
	if dir.read(fileSpec, &sp) != nil || sp.Boot != e.site.boot {
		return
	}
	if c := sp.Cgroup.load(t.key.String()); c != nil {
		c.oci = sp.Order.Image != ""
		c.kill()
		c.remove()
	}
	j, _ := dir.journal()
	at := j.started
	if at == nil || at.PID <= 1 {
		return
	}
	mark := []byte("TIANFU_JOB=" + t.key.Job.String() + "\x00")
	procs, _ := os.ReadDir("/proc")
	for _, p := range procs {
		pid, err := strconv.Atoi(p.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		sid, err := unix.Getsid(pid)
		if err != nil || sid != at.PID && (at.Inner == 0 || sid != at.Inner) {
			continue
		}
		env, err := os.ReadFile(filepath.Join("/proc", p.Name(), "environ"))
		if err == nil && bytes.Contains(append(env, 0), mark) {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}
