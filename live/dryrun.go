package live

import (
	"context"
	"time"

	"tianfu/control"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/sim"
	"tianfu/unit"
)

// DryRunResult says what a submission would do now.
type DryRunResult struct {
	Starts   bool
	Nodes    []fleet.NodeID // by task, when it starts
	Leave    int            // tasks of others that would leave for it first
	Now      unit.Instant
	Deferral *control.Deferral // how it would stand with its deadline, and what would be planned for it; nil = it has neither deadline nor wish
	// What follows is about a job that would wait.
	Reason       control.Reason
	Ahead        control.Ahead
	Room         control.Room
	Expected     bool // there is an estimate of the start
	Start        sim.StartEstimate
	Alternatives []sim.Alternative
	Unmet        job.ID // it would be cancelled at once, for this job did not complete; 0 = none
}

// dryRunTime bounds the runs forward of one dry run.
const dryRunTime = 3 * time.Second

// DryRun asks the core what a job would do if it were submitted now. The answer
// comes from the very cycle that would place it, on a fork of the state, and the
// start from runs forward with the job in the line.
func (c *Centre) DryRun(ctx context.Context, s *job.Spec) (*DryRunResult, error) {
	if err := checkWork(s); err != nil {
		return nil, err
	}
	over, err := c.try(ctx)
	if err != nil {
		return nil, err
	}
	defer over()
	f, _, err := c.freeze(ctx, 0)
	if err != nil {
		return nil, err
	}
	fork := f.Fork()
	if late := c.late(s); late != nil {
		if err := late(fork); err != nil {
			return nil, err
		}
	}
	now := max(c.o.Now(), fork.Now())
	out := &DryRunResult{Starts: true, Now: now}
	try := sim.NewTry(fork, now) // what is told to leave for it leaves
	try.Seen = func(r *control.Record) {
		if r.Kind == control.Evicting && (r.Cause == control.CausePreempted || r.Cause == control.CauseReclaimed) {
			out.Leave++
		}
	}
	before := fork.Jobs()
	if err := try.Step([]control.Input{{Kind: control.Submit, Spec: s}}); err != nil {
		return nil, err
	}
	if fork.Jobs() == before {
		return nil, fault.New(fault.Internal, "dry run", "the core gave no answer", "")
	}
	id := job.ID(fork.Jobs())
	if s.Wish != job.NoWish {
		// The plan that is made a moment after a job with a wish came.
		if plan := fork.PlanShifts(&sched.SlotPlanner{}, DefaultShiftPolicy, &control.Replan{Due: true}); len(plan) > 0 {
			try.Step([]control.Input{{Kind: control.Planned, Deferrals: plan}, {Kind: control.Tick}})
		}
	}
	j, _ := fork.Job(id)
	for i := range j.Tasks {
		if !j.Tasks[i].Running {
			out.Starts = false
			continue
		}
		out.Nodes = append(out.Nodes, j.Tasks[i].Node)
	}
	if d, ok := fork.Deferral(id); ok {
		out.Deferral = &d
	}
	if out.Starts {
		return out, nil
	}
	if j.Phase == control.Cancelled {
		out.Unmet = unmet(fork, j.Spec)
		return out, nil
	}
	out.Reason, _ = fork.Why(id)
	out.Ahead, out.Room = fork.Ahead(id), fork.Room(&s.Groups[0].Request)
	if out.Reason.Dominant != control.CauseDependency {
		out.Alternatives = sim.Alternatives(f, now, 0, j.Spec) // in the queue it was given
	}
	if by := c.drawn(fork.Freeze(), uint64(id), id, dryRunTime); by != nil {
		out.Start, out.Expected = by.Start(id)
	}
	return out, nil
}
