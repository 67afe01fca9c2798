package local

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"tianfu/engine"
	"tianfu/fault"
)

// Suspend makes a task stand still or go on: the freezer of its cgroup in
// version 2; in version 1, whose freezer is a hierarchy of its own, SIGSTOP and
// SIGCONT to every process of it.
func (e *Engine) Suspend(_ context.Context, k engine.Key, still bool) error {
	if _, err := e.find(k, "suspend"); err != nil {
		return err
	}
	c := e.site.cgroups.load(k.String())
	if c == nil {
		return fault.New(fault.Denied, "suspend "+k.String(), "the task has no cgroup of its own here", "run the server where it may make cgroups: tianfu doctor")
	}
	if err := c.freeze(still); err != nil {
		return fault.Wrap(err, "suspend "+k.String(), "freeze its cgroup")
	}
	return nil
}

func (c *cgroup) freeze(still bool) error {
	if c.v2 != nil {
		if still {
			return c.v2.Freeze()
		}
		return c.v2.Thaw()
	}
	subsystems := c.v1.Subsystems()
	if len(subsystems) == 0 {
		return nil
	}
	signal := unix.SIGCONT
	if still {
		signal = unix.SIGSTOP
	}
	told := map[int]bool{}
	for range 200 { // what was made between two rounds is found in the next
		procs, err := c.v1.Processes(subsystems[0].Name(), true)
		if err != nil {
			return err
		}
		fresh := false
		for _, p := range procs {
			if !told[p.Pid] {
				told[p.Pid], fresh = true, true
				_ = unix.Kill(p.Pid, signal)
			}
		}
		if !fresh {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}
