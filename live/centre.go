// Package live runs a centre in real time: it gathers what arrives, hands it to
// control.Step, persists the records and only then answers and gives orders to
// the engine. It decides nothing and reads no file itself. Read this file
// first, then loop.go; orders.go and reports.go speak with the engine.
package live

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"tianfu/control"
	"tianfu/engine"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// Log is the record log of a centre, as live needs it: batches are durable and
// whole when Append returns nil.
type Log interface {
	Append(ctx context.Context, records [][]byte) error
	// Each calls f with every record in order.
	Each(ctx context.Context, f func(record []byte) error) error
	// Room says whether new work may be taken: an Exhausted error when the disk
	// is nearly full, so that what runs can still be recorded.
	Room() error
}

// Options are what a centre is opened with.
type Options struct {
	Config control.Config // of a new centre; an existing one has its own
	Log    Log
	Engine engine.Engine
	Node   fleet.NodeID // the node that the engine runs tasks on
	Now    func() unit.Instant
	Logger *slog.Logger
	// Grace is given to a task that is told to leave and does not say itself.
	Grace time.Duration
}

// DefaultGrace is the time between a stop signal and SIGKILL.
const DefaultGrace = 30 * time.Second

// Bounds of what waits in front of the loop.
const (
	maxBatch   = 4096
	queueDepth = 16384
)

// Centre is a live centre. Its methods may be called from any goroutine.
type Centre struct {
	o      Options
	state  *control.State
	asks   chan ask
	orders orderQueue
	acks   chan engine.Key
	events *feed
	runs   runs
	done   chan struct{}
	failed error // why the loop ended; read after done is closed
}

// ask is something for the loop: an input with who waits for it, or a look at
// the state.
type ask struct {
	input control.Input
	look  func(*control.State)
	reply chan answer
}

type answer struct {
	id  job.ID
	err error
}

// Open recovers the centre from its log, or begins a new one, and prepares to
// run. Recovered reports how many records there were.
func Open(ctx context.Context, o Options) (c *Centre, recovered int, err error) {
	if o.Grace == 0 {
		o.Grace = DefaultGrace
	}
	c = &Centre{o: o, asks: make(chan ask, queueDepth), acks: make(chan engine.Key, queueDepth), events: newFeed(), done: make(chan struct{})}
	var records []control.Record
	err = o.Log.Each(ctx, func(b []byte) error {
		r, err := control.DecodeRecord(b)
		if err != nil {
			return fault.Wrap(err, fmt.Sprintf("record %d", len(records)+1), "decode")
		}
		records = append(records, r)
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	if len(records) == 0 {
		c.state, err = control.Open(o.Config)
		return c, 0, err
	}
	c.state, err = control.Recover(records)
	return c, len(records), err
}

// Run drives the centre until the context ends or persisting fails. It returns
// what ended it; nil for the context.
func (c *Centre) Run(ctx context.Context) error {
	defer close(c.done)
	defer c.events.close()
	if err := c.reconcile(ctx); err != nil {
		c.failed = err
		return err
	}
	stop := c.startWorkers(ctx)
	defer stop()
	c.failed = c.loop(ctx)
	return c.failed
}

// send hands something to the loop and waits for the answer.
func (c *Centre) send(ctx context.Context, a ask) (answer, error) {
	a.reply = make(chan answer, 1)
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
	if err := c.o.Log.Room(); err != nil {
		return 0, err
	}
	a, err := c.send(ctx, ask{input: control.Input{Kind: control.Submit, Spec: s}})
	return a.id, err
}

// Cancel ends a job.
func (c *Centre) Cancel(ctx context.Context, id job.ID) error {
	_, err := c.send(ctx, ask{input: control.Input{Kind: control.Cancel, Job: id}})
	return err
}

// SetNode cordons, drains or opens a node.
func (c *Centre) SetNode(ctx context.Context, n fleet.NodeID, cordon, drain bool) error {
	_, err := c.send(ctx, ask{input: control.Input{Kind: control.NodeState, Node: n, Device: -1, Cordon: cordon, Drain: drain}})
	return err
}

// View calls f with the state between two steps. f must neither change nor keep
// it, and must be quick: the centre waits.
func (c *Centre) View(ctx context.Context, f func(*control.State)) error {
	_, err := c.send(ctx, ask{look: f})
	return err
}
