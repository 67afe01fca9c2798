package local

import (
	"io"
	"os"
	"path/filepath"

	"tianfu/engine"
)

// keeps tells whether the task of a directory has a part of its working
// directory that outlives it.
func (d taskDir) keeps() bool {
	var sp spec
	return d.read(fileSpec, &sp) == nil && sp.Order.Keep != ""
}

// lastKept returns what the latest earlier attempt of a task left; empty for
// none.
func (e *Engine) lastKept(o engine.Order) string {
	if o.Keep == "" {
		return ""
	}
	for g := o.Key.Generation - 1; g >= 1; g-- {
		k := o.Key
		k.Generation = g
		for _, where := range []string{dirTasks, dirDone} {
			name := filepath.Join(e.dirIn(where, k).path(dirWork), o.Keep)
			if info, err := os.Lstat(name); err == nil && info.IsDir() {
				return name
			}
		}
	}
	return ""
}

// dropKept removes what acknowledged earlier attempts left: the new one has it.
func (e *Engine) dropKept(o engine.Order) {
	if o.Keep == "" {
		return
	}
	for g := o.Key.Generation - 1; g >= 1; g-- {
		k := o.Key
		k.Generation = g
		_ = os.RemoveAll(e.dirIn(dirDone, k).path(dirWork)) // Forget removes what is left
	}
}

// takeOver makes a directory with what another holds; what an order puts there by
// the same name gives way. Files are linked, not copied: checkpoints are large, and
// the attempt that wrote them is over. What is neither file, directory nor link
// stays behind.
func takeOver(from, to string) error {
	if info, err := os.Lstat(to); err == nil && !info.IsDir() {
		if err := os.Remove(to); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(to, 0o700); err != nil || from == "" {
		return err
	}
	list, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, d := range list {
		a, b := filepath.Join(from, d.Name()), filepath.Join(to, d.Name())
		if !d.IsDir() {
			if err := os.RemoveAll(b); err != nil {
				return err
			}
		}
		switch {
		case d.IsDir():
			err = takeOver(a, b)
		case d.Type()&os.ModeSymlink != 0:
			var target string
			if target, err = os.Readlink(a); err == nil {
				err = os.Symlink(target, b)
			}
		case d.Type().IsRegular():
			if err = os.Link(a, b); err != nil {
				err = copyFile(a, b)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	if _, err = io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
