package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"tianfu/fault"
)

// Small files that commands keep for their user: logins and contexts. They lie in
// the user's configuration directory, and only their owner may read them.

// keptFile names such a file; what says what it is for.
func keptFile(base, what string) (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", &fault.Error{Kind: fault.Unavailable, Where: what, What: "find your configuration directory", Err: err, Fix: "set HOME"}
	}
	return filepath.Join(dir, "tianfu", base), nil
}

// readKept reads a file into a value, which stays as it is where there is none.
func readKept(name, fix string, into any) error {
	if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	text, err := readBounded(name, 1<<20)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fault.New(fault.Invalid, name, "cannot be read: "+err.Error(), "remove it, and "+fix)
	}
	return nil
}

// changeKept reads, changes and keeps a file, alone: what change leaves in the
// value is written.
func changeKept(name, fix string, value any, change func() error) error {
	fail := func(err error) error {
		return &fault.Error{Kind: fault.Unavailable, Where: name, What: "keep the file", Err: err}
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fail(err)
	}
	lock, err := os.OpenFile(name+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fail(err)
	}
	defer lock.Close() // which gives the lock back
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fail(err)
	}
	if err := readKept(name, fix, value); err != nil {
		return err
	}
	if err := change(); err != nil {
		return err
	}
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fail(err)
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".kept-*") // 0600
	if err != nil {
		return fail(err)
	}
	_, err = f.Write(append(text, '\n'))
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
		return fail(err)
	}
	return nil
}
