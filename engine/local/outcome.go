package local

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tianfu/engine"
	"tianfu/unit"
)

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func now() unit.Instant { return unit.Instant(time.Now().UnixNano()) }

// padded fills a record with spaces up to size, so that writing it again never
// needs another block and leaves nothing of a longer one behind.
func padded(data []byte, size int) []byte {
	for len(data) < size-1 {
		data = append(data, ' ')
	}
	return append(data, '\n')
}

// ending is what the shim saw, from which the exit is read.
type ending struct {
	status unix.WaitStatus
	wraps  bool         // the child says 128+n for a signal n inside
	asked  engine.Cause // the shim had sent the stop signal for this; or empty
	ooms   int64
}

// exit names how a task ended; the order of causes is the port's.
func (e ending) exit() engine.Exit {
	x := engine.Exit{Cause: engine.CauseExit, Code: -1}
	switch {
	case e.status.Signaled():
		x.Signal = signalName(e.status.Signal())
	default:
		x.Code = e.status.ExitStatus()
		if n := x.Code - 128; e.wraps && n > 0 && unix.SignalName(syscall.Signal(n)) != "" {
			x.Code, x.Signal = -1, signalName(syscall.Signal(n))
		}
	}
	switch {
	case e.ooms > 0 && (x.Signal == "SIGKILL" || x.Code > 0):
		x.Cause, x.Detail = engine.CauseMemory, "the kernel killed a process of the task at its memory limit"
	case e.asked != "":
		x.Cause = e.asked
	case x.Signal != "":
		x.Cause = engine.CauseSignal
	}
	return x
}

func signalName(s syscall.Signal) string {
	if n := unix.SignalName(s); n != "" {
		return n
	}
	return "SIG" + s.String()
}
