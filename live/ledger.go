package live

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"tianfu/control"
	"tianfu/meter"
	"tianfu/unit"
)

// startMetering reads the meters and tells the core what tasks used, until the
// function it returns is called.
func (c *Centre) startMetering(ctx context.Context) func() {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() { c.instruments.run(ctx, c) })
	all.Go(func() { c.signals.run(ctx) })
	if every := c.state.MeteringEvery(); every > 0 {
		all.Go(func() { c.tellUses(ctx, every) })
	}
	return func() { cancel(); all.Wait() }
}

// tellUses tells the core at every interval's end how much CPU time the attempts
// on the engine's node have used since their start. Without it the ledger divides
// by what was held.
func (c *Centre) tellUses(ctx context.Context, every time.Duration) {
	grid := unit.Instant(every)
	for {
		now := c.o.Now()
		end := now - now%grid + grid
		select {
		case <-ctx.Done():
			return
		case <-time.After(end.Sub(now)):
		}
		uses := c.uses()
		if len(uses) == 0 {
			continue
		}
		r := &control.EnergyReading{From: end.Add(-every), To: end, Energy: meter.Unknown, Used: uses}
		if _, err := c.send(ctx, ask{input: control.Input{Kind: control.EnergyMeasured, Node: c.o.Node, Reading: r}}); err != nil && ctx.Err() == nil {
			c.o.Logger.Warn("the core refuses what tasks used", "error", err)
		}
	}
}

// maxUses bounds one report of uses, as the core does.
const maxUses = 4096

// uses returns what running attempts used so far, in order.
func (c *Centre) uses() []control.TaskUse {
	c.runs.mu.Lock()
	defer c.runs.mu.Unlock()
	var out []control.TaskUse
	for k, u := range c.runs.usage {
		out = append(out, control.TaskUse{Job: k.Job, Task: int32(k.Task), Attempt: int32(k.Generation), CPUMicros: u.CPUMicros})
	}
	slices.SortFunc(out, func(a, b control.TaskUse) int {
		return cmp.Or(cmp.Compare(a.Job, b.Job), cmp.Compare(a.Task, b.Task), cmp.Compare(a.Attempt, b.Attempt))
	})
	return out[:min(len(out), maxUses)]
}

// metered shows an interval of the ledger, or a changed configuration, to those
// who compare the ledger with meters.
func (c *Centre) metered(r *control.Record) {
	m := c.instruments
	switch {
	case r.Kind == control.Configured:
		m.settle(c.state)
	case r.Kind == control.Metered:
		m.mu.Lock()
		defer m.mu.Unlock()
		m.conserve.page(r.Page)
	}
}
