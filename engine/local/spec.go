package local

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"tianfu/engine"
	"tianfu/fault"
)

// Files of a task's directory. All but work and tmp are the shim's and the
// server's alone; the task sees none of them. There are few: making files is a
// good part of what a short task costs.
const (
	fileSpec    = "spec.json" // the order and how it is to be carried out
	fileShim    = "shim"      // journal of the shim, and its lock; see journal.go
	fileUsage   = "usage"     // last sample
	fileControl = "control"   // FIFO from the server to the shim
	dirWork     = "work"      // the task's working directory
	dirTmp      = "tmp"       // the task's /tmp
	dirBundle   = "bundle"    // for an OCI runtime
	maxRecord   = 64 << 20    // bytes of a record that is read back
	maxDetail   = 1000        // bytes of an exit's detail
	bootFile    = "/proc/sys/kernel/random/boot_id"
)

// spec is everything a shim needs: it decides nothing by itself.
type spec struct {
	Order  engine.Order `json:"order"`
	Boot   string       `json:"boot"` // boot of the machine that the order was taken in
	Level  engine.Level `json:"level"`
	Argv   []string     `json:"argv"` // sandbox, command and all
	Env    []string     `json:"env"`
	Dir    string       `json:"dir"` // working directory as the task sees it
	Home   string       `json:"home"`
	UID    int          `json:"uid"`     // -1: the server's own
	Clone  uintptr      `json:"clone"`   // namespaces that the shim makes itself
	Show   []string     `json:"show"`    // readable under Landlock
	Cgroup cgroupSite   `json:"cgroup"`  // where the task's cgroup is made
	Quota  bool         `json:"quota"`   // hold the task to its CPU
	Wraps  bool         `json:"wraps"`   // argv[0] says 128+n for signal n
	Gated  bool         `json:"gated"`   // argv[0] is bubblewrap: pid on fd 3, go on fd 4
	NoCell bool         `json:"no_cell"` // no memory cgroup: limits by rlimit
}

// taskDir is the directory of one key.
type taskDir string

func (d taskDir) path(name string) string { return filepath.Join(string(d), name) }

func (d taskDir) has(name string) bool {
	_, err := os.Lstat(d.path(name))
	return err == nil
}

// read decodes a record. It fails for one that is absent, cut or too large.
func (d taskDir) read(name string, into any) error {
	info, err := os.Lstat(d.path(name))
	if err != nil {
		return err
	}
	if info.Size() > maxRecord {
		return fault.Invalidf(d.path(name), "is larger than %d bytes", maxRecord)
	}
	data, err := os.ReadFile(d.path(name))
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// write makes a record whole or not at all, and durable.
func (d taskDir) write(name string, record any) error {
	data, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return writeWhole(d.path(name), data)
}

func writeWhole(path string, data []byte) error {
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return disk(err, path)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err == nil {
		err = os.Rename(part, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	return disk(err, path)
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// disk gives an error of the file system its kind.
func disk(err error, path string) error {
	if err == nil {
		return nil
	}
	e := &fault.Error{Kind: fault.Unavailable, Where: path, What: "state of the local engine cannot be written", Err: err}
	if isFull(err) {
		e.Kind, e.Fix = fault.Exhausted, "free space on its file system"
	}
	return e
}

// placed gives its kind to an error of putting what an order names into a task's
// directory: a place that cannot be made there never can, and must not be tried for
// ever.
func placed(err error, path string) error {
	for _, no := range []error{unix.ENOTDIR, unix.EISDIR, unix.EEXIST, unix.ENAMETOOLONG, unix.ELOOP, unix.EINVAL} {
		if errors.Is(err, no) {
			return &fault.Error{Kind: fault.Invalid, Where: path, What: "cannot be made for the task", Err: err, Fix: "correct the files and mounts of the job"}
		}
	}
	return disk(err, path)
}

func bootID() string {
	b, err := os.ReadFile(bootFile)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
