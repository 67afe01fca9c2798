package live

import (
	"context"
	"runtime"
	"time"

	"tianfu/control"
	"tianfu/fault"
	"tianfu/unit"
)

// loop gathers inputs, steps, persists, answers and orders. What arrives while
// a batch is made durable forms the next batch: group commit without a timer.
func (c *Centre) loop(ctx context.Context) error {
	timer := time.NewTimer(24 * time.Hour) // wake sets it
	defer timer.Stop()
	var b batch
	for first := true; ; first = false {
		b.reset()
		due := false
		switch a := b.alone; {
		case a != nil:
			b.alone = nil
			if err := a.when(c.state); err != nil {
				a.reply <- answer{err: err}
				continue
			}
			b.add(*a)
		case first:
			// The core opens, or takes up what waits, before it is looked at: whoever
			// asks at once must not put that off until something else happens.
			b.inputs = append(b.inputs, control.Input{Kind: control.Tick})
			c.gather(&b)
		default:
			select {
			case <-ctx.Done():
				return nil
			case a := <-c.asks:
				b.take(a)
			case r, ok := <-c.o.Engine.Reports():
				if !ok {
					return fault.New(fault.Internal, "engine", "closed its reports", "")
				}
				c.report(&b, r)
			case <-timer.C:
				due = true
				if !c.ledgerAlone() {
					b.inputs = append(b.inputs, control.Input{Kind: control.Tick})
				}
			}
			c.gather(&b)
		}
		if len(b.inputs) > 0 || due {
			if err := c.step(&b); err != nil {
				b.refuse(err)
				return err
			}
		}
		for _, a := range b.looks {
			a.look(c.state)
			a.reply <- answer{}
		}
		c.snapshotIfDue(ctx)
		c.wake(timer)
	}
}

// batch is what one step takes.
type batch struct {
	inputs  []control.Input
	waiting []ask // by tag, from 1
	looks   []ask
	alone   *ask // a guarded change, which is the next step, of its own
}

func (b *batch) reset() { b.inputs, b.waiting, b.looks = b.inputs[:0], b.waiting[:0], b.looks[:0] }

// take adds an ask, or keeps a guarded one for a step of its own.
func (b *batch) take(a ask) {
	if a.when != nil {
		b.alone = &a
		return
	}
	b.add(a)
}

func (b *batch) add(a ask) {
	if a.look != nil {
		b.looks = append(b.looks, a)
		return
	}
	b.waiting = append(b.waiting, a)
	a.input.Tag = len(b.waiting)
	b.inputs = append(b.inputs, a.input)
}

// refuse answers everybody with an error.
func (b *batch) refuse(err error) {
	for _, a := range b.waiting {
		a.reply <- answer{err: err}
	}
	for _, a := range b.looks {
		a.reply <- answer{err: err}
	}
	if b.alone != nil {
		b.alone.reply <- answer{err: err}
	}
}

// gather takes what else has arrived, up to a bound.
func (c *Centre) gather(b *batch) {
	runtime.Gosched() // who else is about to ask comes into this batch, not the next
	for len(b.inputs)+len(b.looks) < maxBatch && b.alone == nil {
		select {
		case a := <-c.asks:
			b.take(a)
		case r, ok := <-c.o.Engine.Reports():
			if !ok {
				return
			}
			c.report(b, r)
		default:
			return
		}
	}
}

// step runs the core over a batch. Records are durable before anybody hears of
// them and before any order goes out.
func (c *Centre) step(b *batch) error {
	now := max(c.o.Now(), c.state.Now())
	times := stepTimes{began: c.traced()}
	out := c.state.Step(now, b.inputs)
	times.decided = c.traced()
	if err := c.persist(out.Records); err != nil {
		return err
	}
	times.durable = c.traced()
	answers := make([]answer, len(b.waiting))
	for _, a := range out.Accepted {
		answers[a.Tag-1].id, answers[a.Tag-1].cap = a.Job, a.Cap
	}
	for _, r := range out.Refusals {
		if r.Tag > 0 {
			answers[r.Tag-1].err = r.Err
		} else {
			c.o.Logger.Warn("a report was refused", "error", r.Err)
		}
	}
	for i, a := range b.waiting {
		a.reply <- answers[i]
	}
	c.events.publish(c.state, out.Records)
	for i := range out.Records {
		c.acknowledge(&out.Records[i])
		c.metered(&out.Records[i])
		c.shifts.see(&out.Records[i])
	}
	span := c.traceStep(b, out, &times)
	for _, o := range out.Orders {
		a := c.actOf(o)
		a.span = span
		c.order(a)
	}
	return nil
}

// persist makes records durable. It does not heed the caller's context: a step
// that the core has made must be written, or the process must end.
func (c *Centre) persist(records []control.Record) error {
	if len(records) == 0 {
		return nil
	}
	encoded := make([][]byte, len(records))
	for i := range records {
		encoded[i] = control.AppendRecord(nil, &records[i])
	}
	if err := c.append(encoded); err != nil {
		return fault.Wrap(err, "record log", "persist a step; the centre stops so that nothing is promised that is not kept")
	}
	c.last += uint64(len(records))
	return nil
}

// ledgerAlone tells whether only the end of an interval of the ledger is due. A
// step without a tick closes it and decides nothing anew, as in virtual time.
func (c *Centre) ledgerAlone() bool {
	now := c.o.Now()
	return c.state.MeterWake() <= now && c.state.NextWake() > now
}

// wake sets the timer to when the core next needs a tick.
func (c *Centre) wake(timer *time.Timer) {
	next := min(c.state.NextWake(), c.state.MeterWake())
	if next == unit.Never {
		timer.Reset(24 * time.Hour)
		return
	}
	timer.Reset(max(next.Sub(c.o.Now()), 0))
}
