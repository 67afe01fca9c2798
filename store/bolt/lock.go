package bolt

import (
	"os"
	"path/filepath"
	"syscall"
	"time"

	"tianfu/fault"
)

// lockDir takes the directory for this process until the file is closed or the
// process ends. The lock is a file of its own, for the records must not be
// looked at before it is held. A process that was killed this instant may leave
// the lock to a child that has not yet become another program.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Where: dir, What: "lock the data directory", Err: err}
	}
	for end := time.Now().Add(lockTimeout); ; time.Sleep(50 * time.Millisecond) {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if time.Now().After(end) {
			f.Close()
			return nil, fault.New(fault.Conflict, dir, "another process has this data directory", "stop it, or choose another with --data")
		}
	}
}
