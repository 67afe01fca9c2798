package local

import (
	"encoding/json"
	"errors"
	"os"
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

// reserveExit keeps disk blocks for the exit record, so that a task can end on
// a disk that has filled up since.
func (d taskDir) reserveExit() error {
	f, err := os.OpenFile(d.path(filePart), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), 0, 0, reserved); err != nil && isFull(err) {
		return err // other errors: a file system that cannot reserve
	}
	return nil
}

// writeExit makes the outcome durable: into the reserved blocks, to the disk,
// and only then under its name.
func (d taskDir) writeExit(o outcome) error {
	if len(o.Exit.Detail) > maxDetail {
		o.Exit.Detail = o.Exit.Detail[:maxDetail]
	}
	data, err := json.Marshal(o)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(d.path(filePart), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(padded(data, reserved), 0)
	if err == nil {
		err = f.Sync()
	}
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err == nil {
		err = os.Rename(d.path(filePart), d.path(fileExit))
	}
	if err == nil {
		err = syncDir(string(d))
	}
	return err
}

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
