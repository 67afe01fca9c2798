// Package live runs a centre in real time: it gathers what arrives, hands it to
// control.Step, persists the records and only then answers and gives orders to
// the engine. It decides nothing and reads no file itself. Read this file
// first, then loop.go; orders.go and reports.go speak with the engine.
package live

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"tianfu/control"
	"tianfu/engine"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/store"
	"tianfu/unit"
)

// Options are what a centre is opened with.
type Options struct {
	// Config is what a new centre is opened with, and what an existing one takes
	// over when it runs, if it says something new; without a fleet it keeps its own.
	Config control.Config
	Store  store.Store
	Engine engine.Engine
	Node   fleet.NodeID // the node that the engine runs tasks on
	Now    func() unit.Instant
	Logger *slog.Logger
	// SnapshotEvery is how many records lie between two snapshots of the state;
	// 0 = DefaultSnapshotEvery.
	SnapshotEvery uint64
	// KeepRecords is how long records are kept at the least; older ones are
	// forgotten once two snapshots have them. 0 = for ever.
	KeepRecords time.Duration
	// Tracer makes spans of steps and orders; nil makes none.
	Tracer trace.Tracer
	// Meters are read for as long as the centre runs.
	Meters []Instrument
	// Signals are what the hours of the sites cost.
	Signals []SiteSignals
	// Refused is told why Config could not be taken over when the centre began to
	// run, before it answers anyone; nil = only the log says so.
	Refused func(error)
}

// DefaultGrace is the time between a stop signal and SIGKILL of a job that does not
// say.
const DefaultGrace = 30 * time.Second

// Bounds of what waits in front of the loop.
const (
	maxBatch   = 4096
	queueDepth = 16384
)

// Centre is a live centre. Its methods may be called from any goroutine.
type Centre struct {
	o         Options
	state     *control.State
	last      uint64 // the last record in the store; the loop's
	snapshots snapshots
	shifts    shifts
	estimates estimates
	whatIfs   whatIfs
	asks      chan ask
	tries     chan struct{} // one of a question that is answered on a fork
	orders    [workers]orderQueue
	acks      chan engine.Key
	events    *feed
	runs      runs
	disk      disk
	index     pageIndex       // of the ledger in the store
	done      chan struct{}   // closed when nothing more is answered
	ended     <-chan struct{} // of the context that Run was given
	failed    error           // why the loop ended; read after done is closed

	instruments *instruments
	signals     *signals
	background  sync.WaitGroup // work beside the loop that nobody waits for
}

// ask is something for the loop: an input with who waits for it, or a look at
// the state.
type ask struct {
	input control.Input
	look  func(*control.State)
	when  Guard // nil = always
	reply chan answer
	span  trace.SpanContext // of the request, where it is traced
}

// Guard looks at the state as a change finds it; its error refuses the change.
// Such a change is a step of its own, so that nothing comes between.
type Guard func(*control.State) error

type answer struct {
	id  job.ID
	cap int32
	err error
}

// Open recovers the centre from its store, or begins a new one, and prepares to
// run. Recovered reports how many records there are.
func Open(ctx context.Context, o Options) (c *Centre, recovered int, err error) {
	if o.SnapshotEvery == 0 {
		o.SnapshotEvery = DefaultSnapshotEvery
	}
	c = &Centre{o: o, asks: make(chan ask, queueDepth), acks: make(chan engine.Key, queueDepth), done: make(chan struct{})}
	c.shifts.asked, c.tries = make(chan struct{}, 1), make(chan struct{}, maxTries)
	c.snapshots.busy = make(chan struct{}, 1)
	first, last := o.Store.Bounds()
	c.last = last
	c.events = newFeed(last)
	if last < first {
		c.state, err = control.Open(o.Config)
	} else {
		c.state, err = c.recover(ctx)
	}
	if err != nil {
		return c, int(last), err
	}
	c.signals = newSignals(c, o.Signals)
	c.instruments, err = newInstruments(&c.o, c.state)
	return c, int(last), err
}

// Run drives the centre until the context ends or persisting fails. It returns
// what ended it; nil for the context.
func (c *Centre) Run(ctx context.Context) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	c.ended = ctx.Done()
	// Work beside the loop may be waiting for an answer of it: it is told that none
	// comes before anybody waits for that work to end.
	stopped := sync.OnceFunc(func() { end(); close(c.done); c.events.close() })
	defer stopped()
	if err := c.reconcile(ctx); err != nil {
		c.failed = err
		return err
	}
	if err := c.takeOver(); err != nil {
		c.failed = err
		return err
	}
	stop := c.startWorkers(ctx)
	defer stop()
	stopShifts := c.startShifts(ctx)
	defer stopShifts()
	stopMetering := c.startMetering(ctx)
	defer stopMetering()
	c.background.Go(func() { c.watchDisk(ctx) })
	defer c.snapshots.writing.Wait()
	defer c.background.Wait()
	defer c.estimates.close()
	c.failed = c.loop(ctx)
	stopped()
	return c.failed
}

// send hands something to the loop and waits for the answer.
func (c *Centre) send(ctx context.Context, a ask) (answer, error) {
	a.reply = make(chan answer, 1)
	if c.o.Tracer != nil {
		a.span = trace.SpanContextFromContext(ctx)
	}
	select {
	case c.asks <- a:
	case <-c.done:
		return answer{}, c.closed()
	case <-ctx.Done():
		return answer{}, fault.New(fault.Unavailable, "centre", "the request was given up: "+ctx.Err().Error(), "try again")
	}
	giveUp := ctx.Done()
	if a.look != nil {
		giveUp = nil // the loop may be at it: who asked must not go on beside it
	}
	select {
	case r := <-a.reply:
		return r, r.err
	case <-c.done:
		return answer{}, c.closed()
	case <-giveUp:
		return answer{}, fault.New(fault.Unavailable, "centre", "did not answer in time; the request may have been taken", "repeat it with the same idempotency key")
	}
}

func (c *Centre) closed() error {
	e := fault.New(fault.Unavailable, "centre", "has stopped", "start it again: tianfu serve")
	e.Err = c.failed
	return e
}

// Submit takes a job in and returns its ID once it is durable.
func (c *Centre) Submit(ctx context.Context, s *job.Spec) (job.ID, error) {
	if err := c.o.Store.Room(); err != nil {
		return 0, err
	}
	if err := checkWork(s); err != nil {
		return 0, err
	}
	a, err := c.send(ctx, ask{when: c.late(s), input: control.Input{Kind: control.Submit, Spec: s}})
	return a.id, err
}

// late refuses a job whose deadline or latest start has passed when it comes, but for
// one that came before under the same key; nil where there is nothing to refuse. The
// core takes such jobs in: a workload of the past has them.
func (c *Centre) late(s *job.Spec) Guard {
	now, field, at := c.o.Now(), "deadline", s.Deadline
	if s.StartBy != 0 && s.StartBy < now {
		field, at = "start_by", s.StartBy // which comes before the deadline
	}
	if at == 0 || at >= now {
		return nil
	}
	return func(st *control.State) error {
		if st.Keyed(s.Tenant, s.Key) {
			return nil
		}
		return fault.New(fault.Invalid, field, at.String()+" has passed", "give an instant to come, or leave it out")
	}
}

// Room is nil while new work may be taken; little disk is left otherwise.
func (c *Centre) Room() error { return c.o.Store.Room() }

// Cancel ends a job.
func (c *Centre) Cancel(ctx context.Context, id job.ID, when Guard) error {
	_, err := c.send(ctx, ask{when: when, input: control.Input{Kind: control.Cancel, Job: id}})
	return err
}

// SetNode cordons, drains or opens a node. One that no engine serves stays
// cordoned: what was placed there would run on the node of this machine, beside
// what that holds.
func (c *Centre) SetNode(ctx context.Context, n fleet.NodeID, cordon, drain bool, when Guard) error {
	if !cordon && n != c.o.Node {
		known := false
		err := c.View(ctx, func(st *control.State) { _, known = st.NodeRank(n) })
		if err != nil {
			return err
		}
		if known {
			return fault.New(fault.Conflict, "node "+string(n), "no engine serves it: this machine is node "+string(c.o.Node), "it stays cordoned")
		}
	}
	_, err := c.send(ctx, ask{when: when, input: control.Input{Kind: control.NodeState, Node: n, Device: -1, Cordon: cordon, Drain: drain}})
	return err
}

// ReportNode tells of a node, or of one device of it, what a monitor has found.
// What runs on a failed one is lost.
func (c *Centre) ReportNode(ctx context.Context, r NodeReport) error {
	_, err := c.send(ctx, ask{input: control.Input{Kind: control.NodeState, Node: r.Node, Device: r.Device, Health: r.Health, Cordon: r.Cordon, Drain: r.Drain}})
	return err
}

// NodeReport is the state of a node or of one of its devices.
type NodeReport struct {
	Node          fleet.NodeID
	Device        int // -1 = the node itself
	Health        fleet.Health
	Cordon, Drain bool
}

// View calls f with the state between two steps. f must neither change nor keep
// it, and must be quick: the centre waits.
func (c *Centre) View(ctx context.Context, f func(*control.State)) error {
	_, err := c.send(ctx, ask{look: f})
	return err
}
