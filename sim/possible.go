package sim

import (
	"fmt"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/sched"
	"tianfu/unit"
)

// FirstImpossible returns the first job that the fleet could not run even
// when idle, and why.
func FirstImpossible(w *Workload, f *fleet.Fleet) (int, error) {
	c := sched.NewCapacity(f, nil, nil)
	for i := range w.Jobs {
		if err := c.Possible(w.Jobs[i].Spec, nil, 0); err != nil {
			return i, err
		}
	}
	return 0, nil
}

// possibleStill refuses a change under which work of the period that could run
// could never do so any more: no node of the fleet has the room, or those that have
// take no work at any time of the period.
func possibleStill(base, changed *TimedParams) error {
	jobs := changed.Workload.Jobs
	if i, err := FirstImpossible(changed.Workload, changed.Fleet); err != nil {
		return fault.Wrap(err, fmt.Sprintf("job %q of the period", jobs[i].Spec.Name), "run it under the change")
	}
	before, now := openNodes(base), openNodes(changed)
	if len(now.Nodes) == len(changed.Fleet.Nodes) || len(before.Nodes) == 0 {
		return nil
	}
	if len(now.Nodes) == 0 {
		return fault.New(fault.Invalid, "change", fmt.Sprintf("leaves no node that takes work: the %s left %s cordoned, draining or failed for the whole period", unit.Count(len(changed.Fleet.Nodes), "node"), isAre(len(changed.Fleet.Nodes))),
			"leave nodes that take work")
	}
	was, is := sched.NewCapacity(before, nil, nil), sched.NewCapacity(now, nil, nil)
	never, first := 0, ""
	for i := range jobs {
		if is.Possible(jobs[i].Spec, nil, 0) != nil && was.Possible(jobs[i].Spec, nil, 0) == nil {
			if never++; never == 1 {
				first = jobs[i].Spec.Name
			}
		}
	}
	if never == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "change", fmt.Sprintf("leaves %s of the period that can never start, such as %q: the nodes that could run it are cordoned, draining or failed for the whole period", unit.Count(never, "job"), first),
		"leave nodes that take work and have the room")
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// openNodes are the nodes that take work at some time of a period: as declared, or
// by an event in it.
func openNodes(p *TimedParams) *fleet.Fleet {
	begin := p.Begin()
	told, open := map[fleet.NodeID]bool{}, map[fleet.NodeID]bool{}
	for _, e := range p.Events {
		told[e.Node] = told[e.Node] || e.At <= begin // what is declared does not hold any more
		open[e.Node] = open[e.Node] || e.Health == fleet.Healthy && !e.Cordon && !e.Drain
	}
	f := *p.Fleet
	f.Nodes = nil
	for _, n := range p.Fleet.Nodes {
		if open[n.ID] || !told[n.ID] && n.Health == fleet.Healthy && !n.Cordoned && !n.Drain {
			f.Nodes = append(f.Nodes, n)
		}
	}
	return &f
}

// Begin is when a replay begins: when the centre is opened, or with the first
// arrival.
func (p *TimedParams) Begin() unit.Instant {
	if p.Opening != 0 {
		return p.Opening
	}
	return p.Workload.First()
}
