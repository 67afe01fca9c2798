package sim

import (
	"tianfu/control"
	"tianfu/unit"
)

// hands stand in for an engine in virtual time, for replays and for runs
// forward alike: they carry out orders at once and report the end of an attempt
// when its run time is over.
type hands struct {
	exits exitHeap
	told  *control.Exit          // of an attempt that was made to leave
	paces paces                  // of a centre that limits power
	freed map[int32]unit.Instant // when the last of the attempts that are due ended, by node; nil = nobody asks
}

// next returns when they have something to report; Never when nothing runs.
func (h *hands) next() unit.Instant {
	for len(h.exits) > 0 && h.paces.stale(&h.exits[0]) {
		h.exits.pop()
	}
	if len(h.exits) == 0 {
		return unit.Never
	}
	return h.exits[0].at
}

// due adds the reports of what ended by an instant to a batch.
func (h *hands) due(at unit.Instant, batch []control.Input) []control.Input {
	for len(h.exits) > 0 && h.exits[0].at <= at {
		e := h.exits.pop()
		if h.paces.stale(&e) {
			continue
		}
		h.paces.end(attemptKey{e.id, e.task})
		if h.freed != nil {
			h.freed[e.node] = e.at
		}
		batch = append(batch, control.Input{Kind: control.Exited, Job: e.id, Task: e.task, Attempt: e.attempt, Ending: e.ending, Exit: e.told})
	}
	return batch
}

// obey carries out the orders of a step: what starts will exit after its run
// time, and what is told to leave leaves at once, which is added to the batch
// of a further step at the same instant, with what the orders have end at it: work
// that goes on may have had nothing left to do.
func (h *hands) obey(s *control.State, out *control.Outcome, batch []control.Input, run func(*control.Order) Attempt) []control.Input {
	for i := range out.Orders {
		o := &out.Orders[i]
		switch o.Kind {
		case control.Start:
			a := run(o)
			e := exit{at: s.Now().Add(a.Run), id: o.Job, task: o.Task, attempt: o.Attempt, node: o.Node, ending: a.Ending, told: a.Exit}
			if s.HasPower() {
				e = h.paces.begin(s, e, a.Run, o.Node)
			}
			h.exits.push(e)
		case control.Suspend, control.Resume, control.CapNode:
			h.obeyPower(s, o)
		case control.Stop:
			h.paces.end(attemptKey{o.Job, o.Task})
			ending := control.Evicted
			if phase, _, _ := s.Phase(o.Job); phase == control.Cancelled {
				ending = control.Stopped
			}
			batch = append(batch, control.Input{Kind: control.Exited, Job: o.Job, Task: o.Task, Attempt: o.Attempt, Ending: ending, Exit: h.told})
		}
	}
	if len(batch) > 0 {
		batch = h.due(s.Now(), batch)
	}
	return batch
}
