package local

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"tianfu/fault"
)

// The kinds of hardware that can be given a limit of power, as a world names them.
const (
	Accelerators = "accelerators"
	Processors   = "processors"
)

// knob is hardware of one kind whose power can be limited.
type knob interface {
	// list returns what there is, with its limits now.
	list() ([]Limited, error)
	// set limits one of what list returned, in milliwatts.
	set(name string, milliwatts int64) error
	close()
}

// Limited is a piece of hardware that keeps a limit of power, in milliwatts. 0 is
// a bound that the hardware does not tell.
type Limited struct {
	Name             string
	Now, Least, Most int64
}

// powerLimits hold hardware to a part of the limits it had before, and remember those:
// in a file, before anything is changed, so that a server that was killed finds
// them again. A machine that was started anew has its own limits anew.
type powerLimits struct {
	mu     sync.Mutex
	dir    taskDir
	knobs  map[string]knob // by kind; what may be used
	found  map[string]knob // by kind; all there are, to put back what another server left
	before map[string]int64
}

const fileLimits = "limits.json"

// limitsRecord is the file. What is in it is held to less than that.
type limitsRecord struct {
	Boot   string
	Before map[string]int64 // milliwatts, by kind and name
}

// openLimits reads what a server before left in force.
func openLimits(dir string, found map[string]knob) (*powerLimits, error) {
	l := &powerLimits{dir: taskDir(dir), found: found, before: map[string]int64{}}
	var r limitsRecord
	switch err := l.dir.read(fileLimits, &r); {
	case errors.Is(err, os.ErrNotExist):
		return l, nil
	case err != nil:
		return nil, fault.New(fault.Invalid, l.dir.path(fileLimits), "cannot be read, and it says which limits of power the hardware had before: "+err.Error(), "set these limits by hand, then remove the file")
	}
	if r.Boot == bootID() && r.Before != nil {
		l.before = r.Before
		return l, nil
	}
	return l, l.forget()
}

func (l *powerLimits) forget() error {
	if err := os.Remove(l.dir.path(fileLimits)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return disk(err, l.dir.path(fileLimits))
	}
	return disk(syncDir(string(l.dir)), string(l.dir))
}

// allow says which kinds may be limited from now on; what is held of others is let
// go.
func (l *powerLimits) allow(kinds []string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.knobs = map[string]knob{}
	for _, kind := range kinds {
		if l.found[kind] == nil {
			return fault.Invalidf("limit_by", "%q is no kind of hardware", kind)
		}
		l.knobs[kind] = l.found[kind]
	}
	return l.restore(func(kind string) bool { return l.knobs[kind] == nil })
}

// hold limits everything that may be limited to a part, in thousandths, of the
// limit it had before; the whole puts that back. It returns the kinds that are
// held. What cannot go as low as asked is held as low as it can, and is an error.
func (l *powerLimits) hold(part int) (held map[string]bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if part == whole {
		return nil, l.restore(func(string) bool { return true })
	}
	held = map[string]bool{}
	var failed error
	here := map[string][]Limited{}
	for kind, k := range l.knobs {
		list, err := k.list()
		failed = errors.Join(failed, err)
		here[kind] = list
		held[kind] = err == nil && len(list) > 0
	}
	if err := l.remember(here); err != nil {
		return nil, err
	}
	for _, kind := range slices.Sorted(maps.Keys(here)) {
		for _, x := range here[kind] {
			if err := l.lower(kind, x, part); err != nil {
				held[kind], failed = false, errors.Join(failed, err)
			}
		}
	}
	return held, failed
}

// remember notes the limits of what is not held yet, before anything is changed.
func (l *powerLimits) remember(here map[string][]Limited) error {
	more := false
	for kind, list := range here {
		for _, x := range list {
			if _, known := l.before[kind+"/"+x.Name]; !known && x.Now > 0 {
				l.before[kind+"/"+x.Name], more = x.Now, true
			}
		}
	}
	if !more {
		return nil
	}
	return l.dir.write(fileLimits, limitsRecord{Boot: bootID(), Before: l.before})
}

func (l *powerLimits) lower(kind string, x Limited, part int) error {
	before := l.before[kind+"/"+x.Name]
	if before == 0 {
		return fault.New(fault.Unavailable, x.Name, "does not tell its limit of power", "")
	}
	wanted := before * int64(part) / whole
	if err := l.knobs[kind].set(x.Name, max(wanted, x.Least)); err != nil {
		return err
	}
	if wanted < x.Least {
		return fault.New(fault.Denied, x.Name, fmt.Sprintf("can be limited to %s W at the least, and %s W are wanted", watts(x.Least), watts(wanted)), "")
	}
	return nil
}

// restore puts back the limits of some kinds. What cannot be put back stays
// remembered.
func (l *powerLimits) restore(of func(kind string) bool) error {
	var failed error
	done := false
	for _, at := range slices.Sorted(maps.Keys(l.before)) {
		kind, name, _ := strings.Cut(at, "/")
		k := l.found[kind]
		if k == nil || !of(kind) {
			continue
		}
		if err := k.set(name, l.before[at]); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		delete(l.before, at)
		done = true
	}
	if !done {
		return failed
	}
	if len(l.before) == 0 {
		return errors.Join(failed, l.forget())
	}
	return errors.Join(failed, l.dir.write(fileLimits, limitsRecord{Boot: bootID(), Before: l.before}))
}

// close puts everything back and lets the hardware go.
func (l *powerLimits) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.restore(func(string) bool { return true })
	for _, k := range l.found {
		k.close()
	}
	return err
}

// watts renders milliwatts.
func watts(milli int64) string { return fmt.Sprintf("%.4g", float64(milli)/1000) }

// knobsHere are all knobs of this machine. Sysfs is where it is mounted; empty is
// /sys.
func knobsHere(sysfs string) map[string]knob {
	return map[string]knob{Accelerators: newNVML(), Processors: &powercap{root: cmp.Or(sysfs, "/sys")}}
}

// LimitBy says which kinds of hardware the engine may give limits of power when it
// is told to throttle; none holds tasks by CPU time alone. It takes root.
func (e *Engine) LimitBy(kinds []string) error {
	if len(kinds) > 0 && os.Geteuid() != 0 {
		return errors.Join(e.limits.allow(nil), fault.New(fault.Denied, "limit_by", "the server is not root, and hardware takes limits from root alone", "run it as root, or leave power.limit_by out of the world"))
	}
	return e.limits.allow(kinds)
}

// Knob is what one kind of hardware of this machine would take as a limit.
type Knob struct {
	Kind string
	List []Limited
	Err  error // why there is none, or not all
}

// Knobs looks at the hardware of this machine and changes nothing.
func Knobs() (out []Knob) {
	here := knobsHere("")
	for _, kind := range slices.Sorted(maps.Keys(here)) {
		list, err := here[kind].list()
		here[kind].close()
		out = append(out, Knob{kind, list, err})
	}
	return out
}

// HeldBefore returns the limits, in milliwatts, that hardware had before the
// engine of a directory held it to less, by kind and name; nothing when it holds
// none.
func HeldBefore(dir string) map[string]int64 {
	var r limitsRecord
	if taskDir(dir).read(fileLimits, &r) != nil || r.Boot != bootID() {
		return nil
	}
	return r.Before
}
