package engine

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"tianfu/fault"
	"tianfu/job"
	"tianfu/unit"
)

// Bounds of an order.
const (
	MaxArguments = 4096
	MaxText      = 1 << 20 // bytes of all arguments, or of the environment
	MaxVariables = 1024
	MaxFiles     = 256
	MaxFileBytes = 4 << 20 // of all files together
	MaxMounts    = 64
	MaxLogBytes  = 1 << 40
	MaxGrace     = 24 * time.Hour
)

// DefaultLogBytes is the bound of each stream when the order names none.
const DefaultLogBytes = 16 << 20

// Order is everything an engine needs to know to run a task. It names no node:
// the engine is one site's, and Node chooses within it.
type Order struct {
	Key    Key        `json:"key"`
	Tenant job.Tenant `json:"tenant"`
	// Node the task was allocated on; empty for an engine of one machine.
	Node string `json:"node,omitempty"`

	// Command is the program and its arguments. The program is looked up in the
	// task's PATH, inside its sandbox. No shell is involved.
	Command []string `json:"command"`
	// Image is what the task sees as its system; empty is the machine's own,
	// read-only. Engines say in Probe which images they can run.
	Image string `json:"image,omitempty"`
	// Env is the whole environment besides what the engine sets: PATH, HOME,
	// TMPDIR, LANG, TIANFU_* and the device variables. An entry here wins over
	// PATH and LANG, never over the others.
	Env map[string]string `json:"env,omitempty"`
	// Files are written into the working directory before the start.
	Files  []File  `json:"files,omitempty"`
	Mounts []Mount `json:"mounts,omitempty"`
	// Network gives the task the machine's network; without it there is none.
	Network bool `json:"network,omitempty"`

	CPU       unit.MilliCPU `json:"cpu_milli"`         // share under contention
	Memory    unit.MiB      `json:"memory_mib"`        // limit; 0 = none
	Processes int           `json:"processes"`         // limit of processes and threads; 0 = 4096
	Devices   []Device      `json:"devices,omitempty"` // accelerators granted
	Stack     string        `json:"stack,omitempty"`   // their software stack, e.g. "cuda"

	// TimeLimit ends the task as Stop would; 0 = none.
	TimeLimit time.Duration `json:"time_limit_ns,omitempty"`
	// StopSignal is sent first when the task has to end, e.g. "SIGUSR1" for one
	// that then writes a checkpoint; empty is SIGTERM.
	StopSignal string `json:"stop_signal,omitempty"`
	// Grace is the time between that signal and SIGKILL where Stop does not say:
	// at the time limit and when the machine goes down.
	Grace time.Duration `json:"grace_ns,omitempty"`
	// Keep names a directory below the working directory that outlives attempts:
	// a later generation of the same task finds in it what the earlier one left.
	// Empty = none. TIANFU_CHECKPOINT tells the task where it is.
	Keep string `json:"keep,omitempty"`
	// LogBytes bounds each stream's log; 0 = DefaultLogBytes.
	LogBytes int64 `json:"log_bytes,omitempty"`
}

// File is a small file that travels with the order.
type File struct {
	Path       string `json:"path"` // relative, below the working directory
	Data       []byte `json:"data"`
	Executable bool   `json:"executable,omitempty"`
}

// Mount shows a directory or file of the site inside the task.
type Mount struct {
	Source   string `json:"source"`
	Target   string `json:"target"` // absolute, inside
	Writable bool   `json:"writable,omitempty"`
}

// Device is one accelerator of the task's node.
type Device struct {
	Index int    `json:"index"`          // as the vendor's tools count it
	UUID  string `json:"uuid,omitempty"` // empty when unknown
}

// Check returns an Invalid error that names the first field that no engine
// could accept.
func (o *Order) Check() error {
	bad := func(field, format string, args ...any) error {
		return fault.Invalidf("start "+o.Key.String()+": "+field, format, args...)
	}
	switch {
	case o.Key.Task < 0:
		return bad("key.task", "must not be negative")
	case len(o.Command) == 0 || len(o.Command) > MaxArguments:
		return bad("command", "must have 1 to %d arguments", MaxArguments)
	case o.Command[0] == "":
		return bad("command", "must name a program")
	case o.CPU < 0 || o.Memory < 0 || o.Processes < 0:
		return bad("cpu, memory or processes", "must not be negative")
	case o.TimeLimit < 0 || o.TimeLimit > job.MaxRun:
		return bad("time_limit", "must be from 0 to 100 years")
	case o.Grace < 0 || o.Grace > MaxGrace:
		return bad("grace", "must be from 0 to 24 hours")
	case o.LogBytes < 0 || o.LogBytes > MaxLogBytes:
		return bad("log_bytes", "must be from 0 to 1 TiB")
	case o.Keep != "" && (path.Base(o.Keep) != o.Keep || o.Keep == "." || o.Keep == ".."):
		return bad("keep", "must be a plain name")
	case len(o.Env) > MaxVariables:
		return bad("env", "has more than %d variables", MaxVariables)
	case len(o.Files) > MaxFiles:
		return bad("files", "are more than %d", MaxFiles)
	case len(o.Mounts) > MaxMounts:
		return bad("mounts", "are more than %d", MaxMounts)
	case strings.ContainsRune(o.Image, 0) || len(o.Image) > 4096:
		return bad("image", "must be at most 4096 bytes without NUL")
	}
	if _, ok := SignalNumber(o.StopSignal); !ok {
		return bad("stop_signal", "%q is not a signal that a task may be sent, e.g. SIGTERM, SIGINT, SIGUSR1", o.StopSignal)
	}
	if err := o.checkTexts(bad); err != nil {
		return err
	}
	return o.checkPaths(bad)
}

func (o *Order) checkTexts(bad func(string, string, ...any) error) error {
	size := 0
	for i, a := range o.Command {
		if size += len(a) + 1; strings.ContainsRune(a, 0) || size > MaxText {
			return bad(fmt.Sprintf("command[%d]", i), "holds a NUL, or the command is larger than 1 MiB")
		}
	}
	size = 0
	for k, v := range o.Env {
		if size += len(k) + len(v) + 2; k == "" || strings.ContainsAny(k, "=\x00") || strings.ContainsRune(v, 0) || size > MaxText {
			return bad("env."+k, "is not a variable, or the environment is larger than 1 MiB")
		}
	}
	for i, d := range o.Devices {
		if d.Index < 0 || len(d.UUID) > 128 || strings.ContainsAny(d.UUID, ",\x00 ") {
			return bad(fmt.Sprintf("devices[%d]", i), "is not a device")
		}
	}
	return nil
}

func (o *Order) checkPaths(bad func(string, string, ...any) error) error {
	size := 0
	files := map[string]bool{}
	for i := range o.Files {
		f := &o.Files[i]
		if size += len(f.Data); size > MaxFileBytes {
			return bad("files", "are larger than 4 MiB in all; mount a data set instead")
		}
		if !plain(f.Path, 1024) || path.IsAbs(f.Path) || f.Path == "." || f.Path == ".." || strings.HasPrefix(f.Path, "../") {
			return bad(fmt.Sprintf("files[%d].path", i), "%q is not a plain path below the working directory", f.Path)
		}
		if files[f.Path] {
			return bad(fmt.Sprintf("files[%d].path", i), "%q is there twice", f.Path)
		}
		files[f.Path] = true
	}
	for i := range o.Files {
		for p := path.Dir(o.Files[i].Path); p != "."; p = path.Dir(p) {
			if files[p] {
				return bad(fmt.Sprintf("files[%d].path", i), "%q is below %q, which is a file too", o.Files[i].Path, p)
			}
		}
	}
	return o.checkMounts(bad)
}

// machineSystem is what the programs that make a sandbox of the machine's own
// system read in it while they are root yet: their libraries, /etc, and the
// sockets of name services below /run and /var. Whoever could lay a directory of
// his over one of them would run as root. Under its own path the machine's system
// is what it was.
var machineSystem = []string{"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc", "nix", "run", "var"}

func (o *Order) checkMounts(bad func(string, string, ...any) error) error {
	for i := range o.Mounts {
		m := &o.Mounts[i]
		for _, p := range []string{m.Source, m.Target} {
			if !plain(p, 4095) || !path.IsAbs(p) || p == "/" {
				return bad(fmt.Sprintf("mounts[%d]", i), "%q is not a plain absolute path", p)
			}
		}
		where := fmt.Sprintf("mounts[%d].target", i)
		top := strings.Split(m.Target, "/")[1]
		if slices.Contains([]string{"proc", "sys", "dev"}, top) || o.Image == "" && m.Source != m.Target && slices.Contains(machineSystem, top) {
			return bad(where, "%q would cover the task's own system; take a place such as /data/NAME", m.Target)
		}
		// A link that a task left in one of them would lead the mount elsewhere.
		if keep := "/work/" + o.Keep; o.Keep != "" && within(m.Target, keep) {
			return bad(where, "%q is in the directory that outlives attempts; take a place such as /data/NAME", m.Target)
		}
		for k := range o.Mounts[:i] {
			if other := o.Mounts[k].Target; within(m.Target, other) || within(other, m.Target) {
				return bad(where, "%q and %q of another mount lie one in the other; mount them side by side", m.Target, other)
			}
		}
		for k := range o.Files {
			if f := path.Join("/work", o.Files[k].Path); within(m.Target, f) || within(f, m.Target) {
				return bad(where, "%q and the file %q lie one in the other", m.Target, o.Files[k].Path)
			}
		}
	}
	return nil
}

// plain tells whether a path is clean and none of its names is longer than file
// systems take.
func plain(p string, most int) bool {
	if p == "" || len(p) > most || strings.ContainsRune(p, 0) || path.Clean(p) != p {
		return false
	}
	return !slices.ContainsFunc(strings.Split(p, "/"), func(name string) bool { return len(name) > 255 })
}

// within tells whether one path is the other or below it.
func within(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// SignalNumber returns the Linux number of a signal that a task may ask for as
// its stop signal; the empty name is SIGTERM.
func SignalNumber(name string) (int, bool) {
	switch name {
	case "SIGHUP":
		return 1, true
	case "SIGINT":
		return 2, true
	case "SIGQUIT":
		return 3, true
	case "SIGUSR1":
		return 10, true
	case "SIGUSR2":
		return 12, true
	case "", "SIGTERM":
		return 15, true
	}
	return 0, false
}
