package local

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tianfu/engine"
	"tianfu/fault"
)

// Start keeps the order and starts a shim for it.
func (e *Engine) Start(_ context.Context, o engine.Order) error {
	if err := o.Check(); err != nil {
		return err
	}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return errClosed("start " + o.Key.String())
	}
	if t := e.tasks[o.Key]; t != nil {
		e.mu.Unlock()
		<-t.ready
		return t.err
	}
	t := &task{key: o.Key, ready: make(chan struct{})}
	e.tasks[o.Key] = t
	e.wg.Add(1) // under mu with closed false: Close waits for it
	e.mu.Unlock()
	defer e.wg.Done()

	control, err := e.prepare(o)
	e.mu.Lock()
	if err != nil {
		delete(e.tasks, o.Key)
		t.err = err
	} else {
		t.state, t.control = engine.Starting, control
		e.wg.Go(func() { e.carryOut(t) })
	}
	e.mu.Unlock()
	close(t.ready)
	return err
}

// prepare makes the task's directory: whole, durable, and only then under its
// name. A directory under its name is the memory that the key has been used.
func (e *Engine) prepare(o engine.Order) (*os.File, error) {
	if !e.site.level.AtLeast(e.opts.Require) && e.opts.Require != "" {
		return nil, fault.New(fault.Denied, "start "+o.Key.String(), "tasks would run at level "+string(e.site.level)+", and "+string(e.opts.Require)+" is required", "see what `tianfu doctor` says of the sandbox")
	}
	if e.full() {
		return nil, disk(unix.ENOSPC, e.opts.Dir)
	}
	name := e.dirIn(dirTasks, o.Key)
	part := taskDir(filepath.Join(e.opts.Dir, dirTasks, newTask+o.Key.String()))
	sp, err := e.site.plan(o, name)
	if err != nil {
		return nil, err
	}
	control, err := makeTask(part, name, &sp, e.lastKept(o))
	if err != nil {
		_ = os.RemoveAll(string(part))
		return nil, err
	}
	err = os.Rename(string(part), string(name))
	if err == nil {
		err = syncDir(filepath.Dir(string(name)))
	}
	if err != nil {
		control.Close()
		_ = os.RemoveAll(string(part))
		return nil, disk(err, string(name))
	}
	e.dropKept(o)
	return control, nil
}

func makeTask(dir, name taskDir, sp *spec, earlier string) (*os.File, error) {
	if err := os.Mkdir(string(dir), 0o700); err != nil {
		return nil, disk(err, string(dir))
	}
	for _, d := range []string{dirWork, dirTmp} {
		if err := os.Mkdir(dir.path(d), 0o700); err != nil {
			return nil, disk(err, dir.path(d))
		}
	}
	if err := writeFiles(dir, sp.Order.Files); err != nil {
		return nil, err
	}
	if err := makeTargets(dir, sp.Order.Mounts); err != nil {
		return nil, err
	}
	if sp.Order.Keep != "" {
		if err := takeOver(earlier, filepath.Join(dir.path(dirWork), sp.Order.Keep)); err != nil {
			return nil, disk(err, dir.path(dirWork))
		}
	}
	if sp.UID >= 0 {
		if err := giveTo(dir, sp.UID); err != nil {
			return nil, disk(err, string(dir))
		}
	}
	if sp.Order.Image != "" {
		// The paths inside are those that the directory will have.
		if err := os.Mkdir(dir.path(dirBundle), 0o700); err != nil {
			return nil, disk(err, dir.path(dirBundle))
		}
		data, err := json.Marshal(sp.container(name))
		if err != nil {
			return nil, err
		}
		if err := writeWhole(filepath.Join(dir.path(dirBundle), "config.json"), data); err != nil {
			return nil, err
		}
	}
	if err := unix.Mkfifo(dir.path(fileControl), 0o600); err != nil {
		return nil, disk(err, dir.path(fileControl))
	}
	kept := *sp
	kept.Order.Files = nil // they are on the disk already
	data, err := json.Marshal(&kept)
	if err != nil {
		return nil, err
	}
	// Not forced to the disk: after a power cut nothing of it is carried out.
	if err := os.WriteFile(dir.path(fileSpec), data, 0o600); err != nil {
		return nil, disk(err, dir.path(fileSpec))
	}
	f, err := openControl(dir)
	return f, disk(err, dir.path(fileControl))
}

// openControl opens the FIFO for reading too: what is written before the shim
// listens stays in it.
func openControl(dir taskDir) (*os.File, error) {
	return os.OpenFile(dir.path(fileControl), os.O_RDWR|unix.O_NONBLOCK, 0)
}

func writeFiles(dir taskDir, files []engine.File) error {
	for _, f := range files {
		path := filepath.Join(dir.path(dirWork), f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return placed(err, path)
		}
		mode := os.FileMode(0o600)
		if f.Executable {
			mode = 0o700
		}
		if err := os.WriteFile(path, f.Data, mode); err != nil {
			return placed(err, path)
		}
	}
	return nil
}

// makeTargets makes what mounts below the task's own directories cover.
func makeTargets(dir taskDir, mounts []engine.Mount) error {
	for _, m := range mounts {
		own := ""
		for prefix, d := range map[string]string{"/tmp/": dirTmp, "/work/": dirWork} {
			if rest, ok := strings.CutPrefix(m.Target, prefix); ok {
				own = filepath.Join(dir.path(d), rest)
			}
		}
		info, err := os.Stat(m.Source)
		switch {
		case err != nil:
			return fault.New(fault.Denied, "mount "+m.Source, "does not exist on this machine", "make it, or correct the job")
		case own == "":
			continue
		case info.IsDir():
			err = os.MkdirAll(own, 0o700)
		default:
			if err = os.MkdirAll(filepath.Dir(own), 0o700); err == nil {
				err = os.WriteFile(own, nil, 0o600)
			}
		}
		if err != nil {
			return placed(err, own)
		}
	}
	return nil
}

func giveTo(dir taskDir, uid int) error {
	for _, d := range []string{dirWork, dirTmp} {
		err := filepath.WalkDir(dir.path(d), func(p string, _ os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(p, uid, uid)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// reportStart reports the start that the directory tells of, once.
func (e *Engine) reportStart(t *task) bool {
	j, err := e.dirIn(dirTasks, t.key).journal()
	if err != nil || j.started == nil {
		return false
	}
	s := *j.started
	e.mu.Lock()
	first := t.state == engine.Starting
	if first {
		t.state, t.started = engine.Running, s
	}
	part := e.part
	e.mu.Unlock()
	if first && part > 0 && part < whole {
		_ = e.hold(t.key, part) // what can go wrong here went wrong for Throttle too
	}
	if first {
		e.send(engine.Report{Key: t.key, Kind: engine.Started, At: s.At})
	}
	return true
}

// Stop writes to the shim, which sends the signals.
func (e *Engine) Stop(_ context.Context, k engine.Key, grace time.Duration) error {
	t, err := e.find(k, "stop")
	if err != nil {
		return err
	}
	if grace < 0 || grace > engine.MaxGrace {
		return fault.Invalidf("stop "+k.String()+": grace", "must be from 0 to 24 hours")
	}
	line, err := json.Marshal(message{GraceMillis: grace.Milliseconds()})
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if t.state == engine.Ended || t.state == engine.Acked || t.control == nil {
		return nil
	}
	// A full FIFO holds hundreds of messages that the shim has not read: it has
	// been told.
	if _, err := t.control.Write(append(line, '\n')); err != nil && !os.IsTimeout(err) {
		return fault.Wrap(err, "stop "+k.String(), "tell the shim")
	}
	return nil
}
