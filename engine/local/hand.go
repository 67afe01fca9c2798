package local

import (
	"bufio"
	"context"
	"os"
	"sync"
	"syscall"
	"time"
)

// hand is a shim as the server that started it sees it: a process that runs one
// task after another.
type hand struct {
	proc *os.Process
	say  *os.File // what it says
	said *bufio.Reader
	next *os.File // where it is told of the next task
}

const (
	maxIdle  = 16               // shims kept for the next task
	idleTime = 20 * time.Second // and for so long
)

// carryOut gives the task to a shim, reports its start and sees it to its end. A
// shim that dies before it took the task is followed by another: the lock and
// the exclusive file see to it that only one ever starts anything.
func (e *Engine) carryOut(t *task) {
	for range 3 {
		over, ok := e.turn()
		if !ok {
			return // the next engine finds it
		}
		h, err := e.hand(t)
		if err == nil {
			done := e.follow(t, h, over)
			if e.ctx.Err() != nil {
				h.letGo() // the shim goes on with its task; the next engine finds it
				return
			}
			if done {
				e.keep(h)
			} else {
				e.bury(h)
			}
		}
		over()
		if e.settle(t) || e.ctx.Err() != nil {
			return
		}
	}
	e.giveUp(t)
}

// slowStart is after how long a start no longer keeps others waiting.
const slowStart = 10 * time.Second

// turn waits until few enough tasks are starting: thousands of processes that
// begin at one instant would take the machine from those that run. over, called
// once or more, ends the turn; false when the engine closes.
func (e *Engine) turn() (over func(), ok bool) {
	select {
	case e.turns <- struct{}{}:
		end := sync.OnceFunc(func() { <-e.turns })
		late := time.AfterFunc(slowStart, end)
		return func() { late.Stop(); end() }, true
	case <-e.ctx.Done():
		return nil, false
	}
}

// hand finds a shim for a task: one that waits, or a new one.
func (e *Engine) hand(t *task) (*hand, error) {
	dir := e.dirIn(dirTasks, t.key)
	for {
		e.mu.Lock()
		n := len(e.idle)
		if n == 0 {
			e.mu.Unlock()
			return e.startShim(dir)
		}
		h := e.idle[n-1]
		e.idle = e.idle[:n-1]
		e.mu.Unlock()
		if _, err := h.next.WriteString(string(dir) + "\n"); err == nil {
			return h, nil
		}
		e.wg.Go(func() { e.bury(h) })
	}
}

// keep has a shim wait for another task.
func (e *Engine) keep(h *hand) {
	e.mu.Lock()
	if e.closed || len(e.idle) >= maxIdle {
		e.mu.Unlock()
		e.wg.Go(func() { e.bury(h) })
		return
	}
	e.idle = append(e.idle, h)
	e.mu.Unlock()
	time.AfterFunc(idleTime, func() { e.dismiss(h) })
}

// dismiss ends a shim that still waits.
func (e *Engine) dismiss(h *hand) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, other := range e.idle {
		if other == h && !e.closed {
			e.idle = append(e.idle[:i], e.idle[i+1:]...)
			e.wg.Go(func() { e.bury(h) })
			return
		}
	}
}

// letGo closes what joins the server with a shim: it ends when its task has.
func (h *hand) letGo() {
	h.say.Close()
	h.next.Close()
}

// bury waits for the end of a shim that has no task any more.
func (e *Engine) bury(h *hand) {
	h.letGo()
	if e.awaitExit(h.proc.Pid) == nil && e.ctx.Err() == nil {
		_, _ = h.proc.Wait()
	}
}

// startShim runs `tianfu shim DIRECTORY` in a session of its own. The server's
// descriptors close on exec; the shim gets the log that shims share and the ends
// of two pipes: on one it says that a task has started and that it is done, on
// the other it is told of the next.
func (e *Engine) startShim(dir taskDir) (*hand, error) {
	say, sayEnd, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer sayEnd.Close()
	nextEnd, next, err := os.Pipe()
	if err != nil {
		say.Close()
		return nil, err
	}
	defer nextEnd.Close()
	h := &hand{say: say, said: bufio.NewReaderSize(say, 64), next: next}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err == nil {
		defer null.Close()
		h.proc, err = os.StartProcess(e.site.binary, []string{e.site.binary, "shim", string(dir)}, &os.ProcAttr{
			Dir: "/", Env: []string{"PATH=" + os.Getenv("PATH"), "GOMAXPROCS=1"},
			Files: []*os.File{null, e.shims, e.shims, sayEnd, nextEnd},
			Sys:   &syscall.SysProcAttr{Setsid: true},
		})
	}
	if err != nil {
		h.letGo()
		return nil, err
	}
	return h, nil
}

// follow reads what the shim says of a task, calls started when it has, and goes
// on until the shim is done with it; false when the shim has ended, or the engine
// closes.
func (e *Engine) follow(t *task, h *hand, started func()) (done bool) {
	stop := context.AfterFunc(e.ctx, func() { h.say.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for {
		switch line, err := h.said.ReadString('\n'); {
		case err != nil:
			return false
		case line == "started\n":
			started()
			e.reportStart(t)
		case line == "done\n":
			return true
		}
	}
}
