package sim

import (
	"slices"
	"time"

	"tianfu/control"
	"tianfu/unit"
)

// Attempt is how one try at a task goes when nothing interferes: how long it
// runs, how it ends and what an engine would tell of that.
type Attempt struct {
	Run    time.Duration
	Ending control.Ending
	Exit   *control.Exit // nil = nothing is told
}

// Arriving is an input at a stated instant, besides the jobs of the workload and
// the events of nodes.
type Arriving struct {
	At    unit.Instant
	Input control.Input
	Aside bool // it keeps no replay alive whose work has ended
}

// prepareInputs orders the inputs by time; those of one instant stay in order.
func (t *Timed) prepareInputs() {
	t.inputs = slices.Clone(t.p.Inputs)
	slices.SortStableFunc(t.inputs, func(a, b Arriving) int { return int(min(max(a.At-b.At, -1), 1)) })
}

// attempt tells how the attempt that an order begins goes.
func (t *Timed) attempt(o *control.Order) Attempt {
	i := t.byID[o.Job]
	if t.p.Attempt == nil {
		return Attempt{Run: t.p.Workload.Jobs[i].Run}
	}
	return t.p.Attempt(int(i), o)
}
