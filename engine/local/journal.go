package local

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"tianfu/engine"
	"tianfu/unit"
)

// A task's journal is what its shim did, one JSON object a line: it took the
// task, the process exists, the task has ended. The file is also the lock that
// the shim holds for as long as it lives. A line counts when it is whole and
// says what it should; what a shim that was killed left half written does not.
type journal struct {
	shim    int // process number; 0: the task was never begun
	started *started
	ended   *outcome
}

type entry struct {
	Shim    int      `json:"shim,omitempty"`
	Started *started `json:"started,omitempty"`
	Ended   *outcome `json:"ended,omitempty"`
}

// started says which processes are the task.
type started struct {
	PID   int          `json:"pid"`             // child of the shim
	Inner int          `json:"inner,omitempty"` // process 1 of the sandbox
	At    unit.Instant `json:"at"`
}

// outcome is how a task ended.
type outcome struct {
	Exit    engine.Exit  `json:"exit"`
	Usage   engine.Usage `json:"usage"`
	Started unit.Instant `json:"started"`
	Ended   unit.Instant `json:"ended"`
	// What of each stream was dropped on a disk that was full to the end: the
	// journal has room of its own.
	LostOut *dropped `json:"lost_stdout,omitempty"`
	LostErr *dropped `json:"lost_stderr,omitempty"`
}

// maxJournal bounds the journal: three lines, of which details are bounded too.
// So many bytes of disk are reserved when a task is begun, so that it can end on
// a disk that has filled up since.
const maxJournal = 8192

// tryLock takes the lock of the directory for as long as the file stays open.
// It returns nil without error when somebody else has it.
func (d taskDir) tryLock() (*os.File, error) {
	f, err := os.OpenFile(d.path(fileShim), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if err == syscall.EWOULDBLOCK {
		return nil, nil
	}
	return nil, err
}

// journal reads what is known; a directory without one has the zero journal.
func (d taskDir) journal() (journal, error) {
	f, err := os.Open(d.path(fileShim))
	if os.IsNotExist(err) {
		return journal{}, nil
	}
	if err != nil {
		return journal{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxJournal))
	if err != nil {
		return journal{}, err
	}
	var j journal
	for {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			return j, nil
		}
		text = rest
		var e entry
		if json.Unmarshal(line, &e) != nil {
			continue
		}
		switch {
		case e.Shim != 0:
			j.shim = e.Shim
		case e.Started != nil:
			j.started = e.Started
		case e.Ended != nil:
			j.ended = e.Ended
		}
	}
}

// begin takes a task whose lock is held: at most once, because it writes while
// the lock is held and refuses where anything is written.
func begin(lock *os.File) error {
	info, err := lock.Stat()
	if err != nil {
		return err
	}
	if info.Size() > 0 {
		return os.ErrExist
	}
	err = unix.Fallocate(int(lock.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, maxJournal)
	if err != nil && isFull(err) {
		return err // other errors: a file system that cannot reserve
	}
	return note(lock, entry{Shim: os.Getpid()})
}

// note appends a line to the journal. It begins with a line end where the last
// line has none, and the whole is one write.
func note(lock *os.File, e entry) error {
	if e.Ended != nil && len(e.Ended.Exit.Detail) > maxDetail {
		e.Ended.Exit.Detail = e.Ended.Exit.Detail[:maxDetail]
	}
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	data = append(data, '\n')
	info, err := lock.Stat()
	if err != nil {
		return err
	}
	if size := info.Size(); size > 0 {
		var last [1]byte
		if _, err := lock.ReadAt(last[:], size-1); err == nil && last[0] != '\n' {
			data = append([]byte{'\n'}, data...)
		}
	}
	_, err = lock.Write(data)
	return err
}

// noteEnd appends the end and waits until the disk has it.
func noteEnd(lock *os.File, o outcome) error {
	if err := note(lock, entry{Ended: &o}); err != nil {
		return err
	}
	return lock.Sync()
}
