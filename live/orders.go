package live

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math/bits"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"tianfu/control"
	"tianfu/engine"
	"tianfu/fault"
	"tianfu/job"
)

// workers is how many orders are carried out at once. Orders of one job go to
// one worker, so that a stop never overtakes its start.
const workers = 8

// act is an order with the job it is about.
type act struct {
	control.Order
	spec  *job.Spec
	own   bool              // it is about the node that the engine serves
	stack string            // of the devices granted to a task that is to start
	span  trace.SpanContext // of the step that made it, where steps are traced
}

// actOf joins an order with its job, whose spec never changes, and with the
// software stack of the devices granted: a job that accepts any says none.
func (c *Centre) actOf(o control.Order) act {
	j, _ := c.state.Summary(o.Job)
	node := c.state.Capacity().Node(o.Node)
	a := act{Order: o, spec: j.Spec, own: node.ID == c.o.Node}
	if o.Kind == control.Start && o.Devices != 0 {
		a.stack = c.state.Config().Fleet.Traits[node.Model].Stack
	}
	return a
}

// order hands an order to the worker of its job, so that none of the others waits
// for one that cannot be carried out yet.
func (c *Centre) order(a act) { c.orders[uint64(a.Job)%workers].push(a) }

// orderQueue holds orders on their way to a worker. It has no bound of its own:
// there are never more than tasks that run, and a loop that waited for a worker
// could wait for one that waits for the loop.
type orderQueue struct {
	mu    sync.Mutex
	items []act
	ready chan struct{}
}

func (q *orderQueue) push(a act) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append(q.items, a)
	select {
	case q.signal() <- struct{}{}:
	default:
	}
}

// signal returns the channel that has a token when there is something; the
// caller holds the lock.
func (q *orderQueue) signal() chan struct{} {
	if q.ready == nil {
		q.ready = make(chan struct{}, 1)
	}
	return q.ready
}

// take waits for orders and returns all there are; nil when the context ends.
func (q *orderQueue) take(ctx context.Context) []act {
	for {
		q.mu.Lock()
		items, ready := q.items, q.signal()
		q.items = nil
		q.mu.Unlock()
		if len(items) > 0 {
			return items
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return nil
		}
	}
}

// startWorkers carries out orders and acknowledgements beside the loop; the
// function it returns waits until they have ended.
func (c *Centre) startWorkers(ctx context.Context) func() {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for i := range c.orders {
		wg.Go(func() {
			for items := c.orders[i].take(ctx); items != nil; items = c.orders[i].take(ctx) {
				for _, a := range items {
					if ctx.Err() != nil {
						return
					}
					c.carryOut(ctx, a)
				}
			}
		})
	}
	for range ackWorkers {
		wg.Go(func() { c.acknowledgeAll(ctx) })
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// ackWorkers is how many acknowledgements are under way at once: each waits for
// the engine's disk.
const ackWorkers = 4

// acknowledgeAll tells the engine of ends that are safe, until the context ends.
func (c *Centre) acknowledgeAll(ctx context.Context) {
	for {
		select {
		case k := <-c.acks:
			if err := c.o.Engine.Ack(ctx, k); err != nil && ctx.Err() == nil && fault.KindOf(err) != fault.NotFound {
				c.o.Logger.Warn("acknowledge", "task", k, "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// carryOut gives one order to the engine. An engine that cannot be reached is
// tried again; one that refuses ends the attempt with the reason.
func (c *Centre) carryOut(ctx context.Context, o act) {
	k := engine.Key{Job: o.Job, Task: int(o.Task), Generation: uint32(o.Attempt)}
	ctx, end := c.traceOrder(ctx, &o)
	var err error
	defer func() { end(err) }()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		err = c.give(ctx, o, k)
		if err == nil || ctx.Err() != nil {
			return
		}
		switch kind := fault.KindOf(err); {
		case kind == fault.NotFound && o.Kind != control.Start:
			return // it has gone by itself
		case noRoom(&o, err):
			c.notTaken(ctx, k, err)
			return
		case kind == fault.Unavailable || kind == fault.Exhausted:
			c.o.Logger.Warn("the engine does not take an order; trying again", "task", k, "error", err)
		case o.Kind == control.Start:
			c.o.Logger.Warn("the engine refuses a task", "task", k, "error", err)
			c.notStarted(ctx, k, err)
			return
		default:
			c.o.Logger.Error("the engine refuses an order", "task", k, "error", err)
			return
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

func (c *Centre) give(ctx context.Context, o act, k engine.Key) error {
	switch o.Kind {
	case control.Start:
		order, err := orderOf(k, &o)
		if err != nil {
			return err
		}
		return c.o.Engine.Start(ctx, order)
	case control.Stop, control.Forget:
		return c.o.Engine.Stop(ctx, k, graceOf(o.spec))
	case control.Suspend, control.Resume, control.CapNode, control.SleepNode, control.WakeNode:
		return c.givePower(ctx, o, k)
	}
	return fault.New(fault.Internal, "order", "a live centre moves no running task", "")
}

// notStarted reports an attempt that the engine refused.
func (c *Centre) notStarted(ctx context.Context, k engine.Key, why error) {
	c.send(ctx, ask{input: control.Input{
		Kind: control.Exited, Job: k.Job, Task: int32(k.Task), Attempt: int32(k.Generation), Ending: control.TaskFailed,
		Exit: &control.Exit{Code: -1, Detail: bounded("not-started: " + why.Error())},
	}})
}

// orderOf builds what the engine needs to know from the job as it was
// submitted.
func orderOf(k engine.Key, a *act) (engine.Order, error) {
	spec := a.spec
	w, err := job.DecodeWork(spec.Work)
	if err != nil {
		return engine.Order{}, fault.New(fault.Invalid, k.String(), "its work cannot be read: "+err.Error(), "")
	}
	r := spec.Request(int32(k.Task))
	if r == nil {
		return engine.Order{}, fault.New(fault.NotFound, k.String(), "the job has no such task", "")
	}
	o := engine.Order{
		Key: k, Tenant: spec.Tenant, Command: w.Command, Image: w.Image, Env: w.Env, Network: w.Network, Processes: w.Processes,
		CPU: r.CPU, Memory: r.Memory, TimeLimit: w.TimeLimit, StopSignal: w.StopSignal, Grace: cmp.Or(w.LeaveGrace(), DefaultGrace), Stack: cmp.Or(r.Capability.Stack, a.stack),
	}
	prepareArray(&o, w, spec)
	if p := w.Checkpoint; p != nil {
		o.Keep = "checkpoint"
		if p.Signal != "" {
			o.StopSignal = p.Signal
		}
		if p.Every > 0 {
			o.Env = with(o.Env, "TIANFU_CHECKPOINT_EVERY", strconv.FormatInt(int64(p.Every/time.Second), 10))
		}
	}
	for _, f := range w.Files {
		o.Files = append(o.Files, engine.File{Path: f.Path, Data: f.Data, Executable: f.Executable})
	}
	for _, m := range w.Mounts {
		o.Mounts = append(o.Mounts, engine.Mount{Source: m.Source, Target: m.Target, Writable: m.Writable})
	}
	for m := a.Devices; m != 0; m &= m - 1 {
		o.Devices = append(o.Devices, engine.Device{Index: bits.TrailingZeros16(m)})
	}
	return o, nil
}

// checkWork refuses, when it is submitted, a job that no engine could take; what
// is wrong with it otherwise the core says.
func checkWork(s *job.Spec) error {
	if len(s.Work) == 0 || s.Check() != nil {
		return nil
	}
	k := engine.Key{}
	o, err := orderOf(k, &act{spec: s})
	if err == nil {
		err = o.Check()
	}
	if e := (*fault.Error)(nil); errors.As(err, &e) {
		e.Where = "job " + s.Name + ": " + strings.TrimPrefix(e.Where, "start "+k.String()+": ")
	}
	return err
}

// prepareArray tells an element of an array which one it is.
func prepareArray(o *engine.Order, w *job.Work, spec *job.Spec) {
	if w.Array == nil {
		return
	}
	o.Env = with(o.Env, "TIANFU_ARRAY_INDEX", strconv.Itoa(w.Array.Index(o.Key.Task)))
	o.Env = with(o.Env, "TIANFU_ARRAY_FIRST", strconv.Itoa(w.Array.First))
	o.Env = with(o.Env, "TIANFU_ARRAY_LAST", strconv.Itoa(w.Array.Last))
	o.Env = with(o.Env, "TIANFU_ARRAY_COUNT", strconv.Itoa(spec.Tasks()))
}

// with returns an environment with one more variable.
func with(env map[string]string, name, value string) map[string]string {
	out := maps.Clone(env)
	if out == nil {
		out = map[string]string{}
	}
	out[name] = value
	return out
}

// graceOf is how long the tasks of a job have from the stop signal to SIGKILL.
func graceOf(spec *job.Spec) time.Duration {
	if spec != nil {
		if w, err := job.DecodeWork(spec.Work); err == nil && w.LeaveGrace() > 0 {
			return w.LeaveGrace()
		}
	}
	return DefaultGrace
}
