package main

import (
	"bufio"
	"io"
	"os"
	"path/filepath"

	"tianfu/fault"
)

type writer = io.Writer

// writeFile writes a file whole or not at all: into a temporary file beside
// it, which then takes its name.
func writeFile(name string, write func(io.Writer) error) (err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return &fault.Error{Kind: fault.Unavailable, Where: name, What: "make the directory", Err: err}
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".tianfu-*")
	if err != nil {
		return &fault.Error{Kind: fault.Unavailable, Where: name, What: "write", Err: err}
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	b := bufio.NewWriterSize(f, 1<<16)
	if err = write(b); err != nil {
		return err
	}
	if err = b.Flush(); err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return &fault.Error{Kind: fault.Unavailable, Where: name, What: "write", Err: err}
	}
	return nil
}
