package live

import (
	"context"
	"fmt"
	"sync"
	"time"

	"tianfu/control"
	"tianfu/engine"
	"tianfu/fault"
	"tianfu/job"
	"tianfu/unit"
)

// runs is what the engine said of attempts that run: it is shown to users and
// decides nothing.
type runs struct {
	mu      sync.Mutex
	started map[engine.Key]unit.Instant
	usage   map[engine.Key]engine.Usage
}

// Started returns when the process of an attempt began, and the CPU time it has
// used so far; 0 when the engine has not said so yet.
func (c *Centre) Started(id job.ID, task, attempt int32) (unit.Instant, time.Duration) {
	k := engine.Key{Job: id, Task: int(task), Generation: uint32(attempt)}
	c.runs.mu.Lock()
	defer c.runs.mu.Unlock()
	return c.runs.started[k], time.Duration(c.runs.usage[k].CPUMicros) * time.Microsecond
}

// LogQuery asks for what an attempt wrote, from an offset on.
type LogQuery struct {
	Job     job.ID
	Task    int32
	Attempt int32
	Stderr  bool  // the error output instead
	Offset  int64 // bytes since the start; negative counts from the end
	Follow  bool  // until the task has ended
}

// lookForTask is how often the engine is asked for a task that it is about to get.
const lookForTask = 20 * time.Millisecond

// Logs reads what an attempt wrote. One that the core has placed and the engine has not
// got yet is waited for by who follows it.
func (c *Centre) Logs(ctx context.Context, q LogQuery) (engine.Log, error) {
	eq := engine.LogQuery{Key: engine.Key{Job: q.Job, Task: int(q.Task), Generation: uint32(q.Attempt)}, Stream: engine.Stdout, Offset: q.Offset, Follow: q.Follow}
	if q.Stderr {
		eq.Stream = engine.Stderr
	}
	log, err := c.o.Engine.Logs(ctx, eq)
	for err != nil && fault.KindOf(err) == fault.NotFound {
		placed := false
		if failed := c.View(ctx, func(*control.State) { _, placed = c.running(eq.Key) }); failed != nil {
			return nil, failed
		}
		// Asked again after the look: what has ended by then has started.
		if log, err = c.o.Engine.Logs(ctx, eq); err == nil || !placed {
			break
		}
		if !q.Follow {
			return nil, fault.New(fault.NotFound, fmt.Sprintf("%s/%d", q.Job, q.Task), "has been placed and has not started yet", "try again, or follow it: tianfu job logs -f")
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(lookForTask):
		}
	}
	return log, err
}

// report turns what the engine says into an input, where the core must know.
func (c *Centre) report(b *batch, r engine.Report) {
	switch r.Kind {
	case engine.Started:
		if _, runs := c.running(r.Key); runs {
			c.note(r.Key, func() { c.runs.started[r.Key] = r.At })
		}
	case engine.Used: // one that comes after the end would stay for ever
		if _, runs := c.running(r.Key); runs {
			c.note(r.Key, func() { c.runs.usage[r.Key] = r.Usage })
		}
	case engine.Exited, engine.Lost:
		in := control.Input{
			Kind: control.Exited, Job: r.Key.Job, Task: int32(r.Key.Task), Attempt: int32(r.Key.Generation),
			Ending: c.ending(&r), Exit: exitOf(&r),
		}
		if in.Ending == control.NotTaken { // the node takes no other in this very step
			c.disk.full(time.Now())
			b.inputs = append(b.inputs, control.Input{Kind: control.NodeDisk, Node: c.o.Node, Short: true})
		}
		b.inputs = append(b.inputs, in)
		if _, runs := c.running(r.Key); !runs {
			// The core has closed this attempt already: nothing will be recorded, so
			// the engine may drop the end now.
			c.ack(r.Key)
		}
	}
}

// running returns the task of a key as the core has it; false unless it is this
// very attempt that runs. The loop's.
func (c *Centre) running(k engine.Key) (control.Task, bool) {
	t, ok := c.state.Task(k.Job, int32(k.Task))
	return t, ok && t.Running && t.Attempt == int32(k.Generation)
}

func (c *Centre) note(k engine.Key, f func()) {
	c.runs.mu.Lock()
	defer c.runs.mu.Unlock()
	if c.runs.started == nil {
		c.runs.started, c.runs.usage = map[engine.Key]unit.Instant{}, map[engine.Key]engine.Usage{}
	}
	f()
}

// ending says what an end means for the job: a task that was told to leave has
// not failed, whatever its exit code.
func (c *Centre) ending(r *engine.Report) control.Ending {
	j, ok := c.state.Summary(r.Key.Job)
	t, runs := c.running(r.Key)
	switch {
	case r.Kind == engine.Lost:
		return control.NodeLost
	case r.Exit.OK():
		return control.Succeeded
	case r.Exit.Cause == engine.CauseNoRoom:
		return control.NotTaken
	case ok && j.Phase == control.Cancelled:
		return control.Stopped
	case runs && t.Evicting:
		return control.Evicted
	}
	return control.TaskFailed
}

func exitOf(r *engine.Report) *control.Exit {
	detail := string(r.Exit.Cause)
	if r.Exit.Signal != "" {
		detail += " " + r.Exit.Signal
	}
	if r.Exit.Detail != "" {
		detail += ": " + r.Exit.Detail
	}
	return &control.Exit{Code: int32(r.Exit.Code), Detail: bounded(detail), Usage: control.Usage{
		CPUMicros: r.Usage.CPUMicros, MemoryPeak: r.Usage.MemoryPeak, ByteSeconds: r.Usage.ByteSeconds, WallMicros: r.Usage.WallMicros}}
}

// acknowledge tells the engine that an end is safe, once its record is.
func (c *Centre) acknowledge(r *control.Record) {
	if r.Kind == control.Ended {
		c.ack(engine.Key{Job: r.Job, Task: int(r.Task), Generation: uint32(r.Attempt)})
	}
}

func (c *Centre) ack(k engine.Key) {
	c.note(k, func() { delete(c.runs.started, k); delete(c.runs.usage, k) })
	select {
	case c.acks <- k:
	case <-c.done:
	}
}

// reconcile compares what the core has allocated with what the engine knows,
// after a restart: orders that never arrived are given again, and what the core
// does not know is stopped.
func (c *Centre) reconcile(ctx context.Context) error {
	known := map[engine.Key]engine.State{}
	list, err := c.o.Engine.Tasks(ctx)
	if err != nil {
		return err
	}
	for i := range list {
		known[list[i].Key] = list[i].State
		if list[i].State == engine.Running {
			c.note(list[i].Key, func() { c.runs.started[list[i].Key] = list[i].Started })
		}
	}
	for id := job.ID(1); id <= job.ID(c.state.Jobs()); id++ {
		if j, _ := c.state.Summary(id); j.Phase == control.Completed || j.Phase == control.Expired {
			continue
		}
		j, _ := c.state.Job(id)
		for i := range j.Tasks {
			t := &j.Tasks[i]
			if !t.Running {
				continue
			}
			k := engine.Key{Job: id, Task: i, Generation: uint32(t.Attempt)}
			if _, there := known[k]; !there {
				node, _ := c.state.NodeRank(t.Node)
				c.order(c.actOf(control.Order{Kind: control.Start, Job: id, Task: t.Index, Attempt: t.Attempt, Node: node, Devices: t.Devices}))
			}
			switch { // the order that a task stands still, or goes on, may never have arrived
			case t.Suspended && !t.Evicting:
				c.order(c.actOf(control.Order{Kind: control.Suspend, Job: id, Task: t.Index, Attempt: t.Attempt}))
			case c.state.HasPower():
				c.order(c.actOf(control.Order{Kind: control.Resume, Job: id, Task: t.Index, Attempt: t.Attempt}))
			}
			if t.Evicting {
				c.order(c.actOf(control.Order{Kind: control.Stop, Job: id, Task: t.Index, Attempt: t.Attempt}))
			}
			delete(known, k)
		}
	}
	c.holdAgain()
	for k, s := range known {
		if s == engine.Running || s == engine.Starting {
			c.o.Logger.Warn("stopping a task that no record knows", "task", k)
			c.order(act{Order: control.Order{Kind: control.Stop, Job: k.Job, Task: int32(k.Task), Attempt: int32(k.Generation)}})
		}
	}
	return nil
}
