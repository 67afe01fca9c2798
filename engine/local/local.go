// Package local runs tasks as processes of this machine, each under a shim of
// its own that outlives the server, in its own cgroup and sandbox. It never
// decides what runs and never speaks to a network. Read this file first, then
// shim.go (what happens in a task's shim) and recover.go (what happens when the
// server comes back).
package local

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"tianfu/engine"
	"tianfu/fault"
)

// Options say where the engine lives and what it may do.
type Options struct {
	// Dir is the engine's own directory, made 0700 when absent. One engine at a
	// time has it.
	Dir string
	// Binary is the program whose `shim` subcommand is Shim; empty is this one.
	Binary string
	// Hide names files and directories that no task may see, besides Dir: the
	// server's data, its tokens.
	Hide []string
	// Show names directories that every task sees read-only, besides the system.
	Show []string
	// Images names directories below which unpacked images lie; empty is
	// /srv/images.
	Images []string
	// CgroupParent is where tasks' cgroups are made; empty is a slice of this
	// engine's own, named after Dir: two engines of one machine give out the same
	// keys and must not find each other's tasks.
	CgroupParent string
	// UIDBase is the first of the users given to tenants when the server is
	// root; 0 is 1900000000, negative keeps the server's own user.
	UIDBase int
	// AtMost and Require bound the isolation: no better than AtMost is tried
	// (empty: the best), and an order is denied below Require (empty: any).
	AtMost, Require engine.Level
	// Interval is the time between Used reports of a running task; 0 is 10 s,
	// negative none.
	Interval time.Duration
	// Sysfs is where the kernel shows hardware; empty is /sys.
	Sysfs string
	// Quota holds tasks to their CPU request even when the machine is idle.
	Quota bool
}

// Engine is the local engine. Use Open.
type Engine struct {
	opts    Options
	site    *site
	lock    *os.File
	shims   *os.File // log of what shims themselves have to say
	reports chan engine.Report
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	turns   chan struct{} // one of a task that is starting

	mu     sync.Mutex
	closed bool
	tasks  map[engine.Key]*task
	idle   []*hand      // shims that wait for a task
	limits *powerLimits // of power, that hardware keeps
	part   int          // of the CPU that they ask for, tasks are held to it, in thousandths; 0 = all
}

// task is what the server knows of a key. Its fields are under the engine's mu.
type task struct {
	key     engine.Key
	ready   chan struct{} // closed when Start has been carried out or has failed
	err     error         // of that
	state   engine.State
	started started
	outcome outcome
	control *os.File // open for as long as the task may take a message
}

var _ engine.Engine = (*Engine)(nil)

const (
	dirTasks = "tasks" // not acknowledged
	dirDone  = "done"  // acknowledged: logs and records
	newTask  = ".new-" // being prepared

	fileShims = "shims.log"
	maxShims  = 1 << 20 // bytes; what is more is dropped when the engine opens
)

// Open takes the directory and everything in it: tasks that run are attached
// again, ends not acknowledged are reported again.
func Open(o Options) (*Engine, error) {
	abs, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	o.Dir = abs
	o.CgroupParent = cmp.Or(o.CgroupParent, ownSlice(o.Dir))
	o.UIDBase = cmp.Or(o.UIDBase, defaultUIDBase)
	o.Interval = cmp.Or(o.Interval, 10*time.Second)
	o.AtMost = cmp.Or(o.AtMost, engine.LevelSandbox)
	if len(o.Images) == 0 {
		o.Images = []string{"/srv/images"}
	}
	for _, d := range []string{dirTasks, dirDone} {
		if err := os.MkdirAll(filepath.Join(o.Dir, d), 0o700); err != nil {
			return nil, disk(err, o.Dir)
		}
	}
	if err := os.Chmod(o.Dir, 0o700); err != nil {
		return nil, disk(err, o.Dir)
	}
	lock, err := taskDir(o.Dir).tryLock()
	// A server killed while it forked leaves its lock for the instant until that
	// child has become a shim.
	for wait := 0; lock == nil && err == nil && wait < 100; wait++ {
		time.Sleep(10 * time.Millisecond)
		lock, err = taskDir(o.Dir).tryLock()
	}
	if err != nil {
		return nil, disk(err, o.Dir)
	}
	if lock == nil {
		return nil, fault.New(fault.Conflict, o.Dir, "another server has this engine's directory", "stop it first")
	}
	s, err := findSite(o)
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("open engine %s: %w", o.Dir, err)
	}
	e := &Engine{opts: o, site: s, lock: lock, reports: make(chan engine.Report, 1024), tasks: map[engine.Key]*task{},
		turns: make(chan struct{}, max(8, 4*runtime.NumCPU()))}
	if e.shims, err = openShims(o.Dir); err != nil {
		lock.Close()
		return nil, disk(err, o.Dir)
	}
	if e.limits, err = openLimits(o.Dir, knobsHere(o.Sysfs)); err != nil {
		e.shims.Close()
		lock.Close()
		return nil, err
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	if err := e.recover(); err != nil {
		e.Close()
		return nil, err
	}
	if o.Interval > 0 {
		e.wg.Go(e.reportUse)
	}
	return e, nil
}

func openShims(dir string) (*os.File, error) {
	path := filepath.Join(dir, fileShims)
	if info, err := os.Stat(path); err == nil && info.Size() > maxShims {
		_ = os.Truncate(path, 0)
	}
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

// Close stops the engine; tasks go on under their shims. Limits that hardware was
// given are put back: nobody would lift them when their time is over.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	e.mu.Unlock()
	e.cancel()
	e.wg.Wait()
	for _, h := range e.idle {
		h.letGo()
	}
	for _, t := range e.tasks {
		if t.control != nil {
			t.control.Close()
		}
	}
	close(e.reports)
	restored := e.limits.close()
	e.shims.Close()
	if e.site.cgroups.Parent == ownSlice(e.opts.Dir) {
		e.site.cgroups.leave()
	}
	return errors.Join(restored, e.lock.Close())
}

// Reports is where all reports arrive.
func (e *Engine) Reports() <-chan engine.Report { return e.reports }

// Tasks lists every key not forgotten. Of acknowledged keys only the key and the
// state are given.
func (e *Engine) Tasks(context.Context) ([]engine.Status, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, errClosed("list tasks")
	}
	out := make([]engine.Status, 0, len(e.tasks))
	for _, t := range e.tasks {
		if t.state == "" {
			continue // its Start has not returned
		}
		s := engine.Status{Key: t.key, State: t.state, Started: t.started.At}
		if t.state == engine.Ended {
			s.Started, s.Ended, s.Exit, s.Usage = t.outcome.Started, t.outcome.Ended, t.outcome.Exit, t.outcome.Usage
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b engine.Status) int { return a.Key.Compare(b.Key) })
	return out, nil
}

// Ack ends the reporting of a key. Its working directory and /tmp go with it:
// what has to stay is on a mount. Its logs stay until Forget.
func (e *Engine) Ack(_ context.Context, k engine.Key) error {
	t, err := e.find(k, "acknowledge")
	if err != nil {
		return err
	}
	to := e.dirIn(dirDone, k)
	if moved, err := e.ackTask(t, to); err != nil || !moved {
		return err
	}
	// Nobody waits for the disk with the lock held: starts and reports go on.
	if err := syncDir(filepath.Dir(string(to))); err != nil {
		return disk(err, string(to))
	}
	return nil
}

// ackTask moves an ended task aside; false when that was done before.
func (e *Engine) ackTask(t *task, to taskDir) (moved bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch t.state {
	case engine.Acked:
		return false, nil
	case engine.Ended:
	default:
		return false, fault.New(fault.Conflict, "acknowledge "+t.key.String(), "the task has not ended", "")
	}
	from := e.dirIn(dirTasks, t.key)
	if err := os.Rename(string(from), string(to)); err != nil {
		return false, disk(err, string(from))
	}
	failed := !t.outcome.Exit.OK()
	t.state, t.outcome = engine.Acked, outcome{}
	if t.control != nil {
		t.control.Close()
		t.control = nil
	}
	if !e.closed {
		e.wg.Go(func() {
			if failed && to.keeps() { // a later attempt goes on from it
				_ = os.RemoveAll(to.path(dirTmp))
				return
			}
			for _, d := range []string{dirWork, dirTmp, dirBundle} {
				if !isEmpty(to.path(d)) { // Forget removes what is left
					_ = os.RemoveAll(to.path(d))
				}
			}
		})
	}
	return true, nil
}

// isEmpty tells whether a directory holds nothing. Such a one takes no room: to
// remove it at once costs a short task a good part of its end, and some file systems
// search long for a free inode where many have just been given back.
func isEmpty(dir string) bool {
	f, err := os.Open(dir)
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	defer f.Close()
	_, err = f.Readdirnames(1)
	return err == io.EOF
}

// Forget removes all that is kept of an acknowledged key.
func (e *Engine) Forget(_ context.Context, k engine.Key) error {
	t, err := e.find(k, "forget")
	if fault.KindOf(err) == fault.NotFound && err != nil {
		return nil
	}
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if t.state != engine.Acked {
		return fault.New(fault.Conflict, "forget "+k.String(), "its end has not been acknowledged", "")
	}
	if err := os.RemoveAll(string(e.dirIn(dirDone, k))); err != nil {
		return disk(err, string(e.dirIn(dirDone, k)))
	}
	delete(e.tasks, k)
	return nil
}

// find returns the task of a key once its Start has been carried out.
func (e *Engine) find(k engine.Key, doing string) (*task, error) {
	e.mu.Lock()
	t, closed := e.tasks[k], e.closed
	e.mu.Unlock()
	if closed {
		return nil, errClosed(doing + " " + k.String())
	}
	if t != nil {
		<-t.ready
	}
	if t == nil || t.err != nil {
		return nil, fault.New(fault.NotFound, doing+" "+k.String(), "no such task here", "")
	}
	return t, nil
}

func (e *Engine) dirIn(where string, k engine.Key) taskDir {
	return taskDir(filepath.Join(e.opts.Dir, where, k.String()))
}

// dirOf is where a task's files are now.
func (e *Engine) dirOf(t *task) taskDir {
	e.mu.Lock()
	defer e.mu.Unlock()
	if t.state == engine.Acked {
		return e.dirIn(dirDone, t.key)
	}
	return e.dirIn(dirTasks, t.key)
}

// send delivers a report that must not be dropped, or gives up when the engine
// closes: it will be made again from the directory.
func (e *Engine) send(r engine.Report) {
	select {
	case e.reports <- r:
	case <-e.ctx.Done():
	}
}

// reportUse reports the last sample of every running task, again and again.
func (e *Engine) reportUse() {
	tick := time.NewTicker(e.opts.Interval)
	defer tick.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-tick.C:
		}
		e.mu.Lock()
		var running []engine.Key
		for k, t := range e.tasks {
			if t.state == engine.Running {
				running = append(running, k)
			}
		}
		e.mu.Unlock()
		slices.SortFunc(running, engine.Key.Compare)
		for _, k := range running {
			var u engine.Usage
			if e.dirIn(dirTasks, k).read(fileUsage, &u) != nil {
				continue // no sample yet
			}
			select {
			case e.reports <- engine.Report{Key: k, Kind: engine.Used, At: now(), Usage: u}:
			default: // nobody reads: the next one says all that this one does
			}
		}
	}
}

func errClosed(doing string) error {
	return fault.New(fault.Unavailable, doing, "the engine is closed", "")
}

// keyOf reads the key that a directory is named by.
func keyOf(name string) (engine.Key, bool) {
	if strings.HasPrefix(name, ".") {
		return engine.Key{}, false
	}
	k, err := engine.ParseKey(name)
	return k, err == nil
}

// ownSlice names the slice of the engine in a directory.
func ownSlice(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return "/tianfu-" + hex.EncodeToString(sum[:4]) + ".slice"
}
