package live

import (
	"context"
	"strings"
	"time"

	"tianfu/control"
	"tianfu/fault"
	"tianfu/job"
	"tianfu/sim"
	"tianfu/unit"
)

// Why says why a job waits and what would help.
type Why struct {
	Job          control.Job
	Now          unit.Instant
	Waits        bool           // it has a task to start; what follows is about that
	Reason       control.Reason // of a cycle made now
	Ahead        control.Ahead
	Room         control.Room
	Starts       bool // the estimate is there
	Start        sim.StartEstimate
	StartAsOf    unit.Instant
	Alternatives []sim.Alternative
	Queue        *control.QueueView // it waits in; nil = none is declared
	Deferral     *control.Deferral  // what is planned for it, and how it stands with its deadline; nil = it has neither deadline nor wish
	Area         *control.Area      // whose power limit is in the way; nil = none
	Placed       string             // of a job that runs: what the policy that placed it minds
	Unmet        job.ID             // a job that had to complete before it and did not; 0 = none
}

// Why explains a job: the reason comes from a cycle on a fork of the state, the
// alternatives were tried on forks, and the start is read off runs forward. Only
// the copy of the state is made by the loop.
func (c *Centre) Why(ctx context.Context, id job.ID) (*Why, error) {
	over, err := c.try(ctx)
	if err != nil {
		return nil, err
	}
	defer over()
	f, at, err := c.freeze(ctx, id)
	if err != nil {
		return nil, err
	}
	j, ok := f.State().Job(id)
	if !ok {
		return nil, fault.New(fault.NotFound, id.String(), "no such job", "")
	}
	now := max(c.o.Now(), f.Now())
	w := &Why{Job: j, Now: now, Placed: placed(f.State().Config().Policy)}
	var found bool
	if w.Reason, found = f.State().Why(id); !found {
		w.Unmet = unmet(f.State(), j.Spec)
		if d, ok := f.State().Deferral(id); ok {
			w.Deferral = &d
		}
		return w, nil
	}
	w.Waits = true
	fork := f.Fork()
	x := sim.NewTry(fork, now)
	x.Step([]control.Input{{Kind: control.Tick}})
	if r, still := fork.Why(id); still {
		w.Reason = r
	}
	w.Ahead, w.Room = fork.Ahead(id), fork.Room(&j.Spec.Groups[0].Request)
	w.surroundings(fork)
	// A job that waits for another, or for its next try, is helped by no change: another
	// one, submitted now, would not wait for it, changed or not.
	if j.Phase == control.Pending && w.Reason.Dominant != control.CauseDependency && w.Reason.Dominant != control.CauseBackoff {
		began := time.Now()
		w.Alternatives = sim.Alternatives(f, now, id, j.Spec)
		c.o.Logger.Debug("alternatives were tried", "job", id, "took", time.Since(began))
	}
	w.Start, w.StartAsOf, w.Starts = c.start(ctx, f, at, id)
	return w, nil
}

// unmet finds the first job that had to complete before another and did not.
func unmet(s *control.State, spec *job.Spec) job.ID {
	for _, d := range spec.After {
		if j, ok := s.Summary(d.Job); ok && !d.AnyEnd && j.Phase > control.Completed {
			return d.Job
		}
	}
	return 0
}

// surroundings looks at what bounds a waiting job beside the nodes: its queue,
// its plan and power.
func (w *Why) surroundings(s *control.State) {
	for _, v := range s.Queues() {
		if w.Job.Spec.Queue != "" && v.Name == w.Job.Spec.Queue {
			w.Queue = &v
		}
	}
	if d, ok := s.Deferral(w.Job.ID); ok {
		w.Deferral = &d
	}
	if areas := s.Areas(); w.Reason.Dominant == control.CausePowerCap && int(w.Reason.Short.Area) < len(areas) {
		w.Area = &areas[w.Reason.Short.Area]
	}
}

// placed says what a placement policy minds, for people.
func placed(policy string) string {
	name, _, _ := strings.Cut(policy, ":")
	minds := map[string]string{
		"tianfu":         "of the nodes with room, this strands the fewest accelerators, spares scarce models and adds the least power",
		"tianfu-migrate": "of the nodes with room, this strands the fewest accelerators, spares scarce models and adds the least power",
		"fgd":            "of the nodes with room, this fragments the accelerators least",
		"pwr":            "of the nodes with room, this adds the least power",
		"pwr+fgd":        "of the nodes with room, this is best by added power and fragmentation, weighed",
		"bestfit":        "of the nodes with room, this had the least left over",
		"firstfit":       "it is the first node with room",
	}[name]
	if minds == "" {
		return "placed by the policy " + policy
	}
	return "placed by the policy " + policy + ": " + minds
}
