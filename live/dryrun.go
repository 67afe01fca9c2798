package live

import (
	"context"

	"tianfu/control"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
)

// DryRunResult says what a submission would do now.
type DryRunResult struct {
	Starts bool
	Nodes  []fleet.NodeID // by task, when it starts
	Reason sched.Reason   // when it waits
}

// DryRun asks the core what a job would do if it were submitted now. The answer
// comes from the very cycle that would place it, on a fork of the state.
func (c *Centre) DryRun(ctx context.Context, s *job.Spec) (*DryRunResult, error) {
	var out *DryRunResult
	var failed error
	err := c.View(ctx, func(st *control.State) { out, failed = dryRun(st, s, c) })
	if err == nil {
		err = failed
	}
	return out, err
}

func dryRun(st *control.State, s *job.Spec, c *Centre) (*DryRunResult, error) {
	fork := st.Fork()
	o := fork.Step(max(c.o.Now(), fork.Now()), []control.Input{{Kind: control.Submit, Spec: s}})
	if len(o.Refusals) > 0 {
		return nil, o.Refusals[0].Err
	}
	if len(o.Accepted) != 1 {
		return nil, fault.New(fault.Internal, "dry run", "the core gave no answer", "")
	}
	id := o.Accepted[0].Job
	j, _ := fork.Job(id)
	out := &DryRunResult{Starts: true}
	for i := range j.Tasks {
		if !j.Tasks[i].Running {
			out.Starts = false
			continue
		}
		out.Nodes = append(out.Nodes, j.Tasks[i].Node)
	}
	if !out.Starts {
		out.Reason, _ = fork.Why(id)
	}
	return out, nil
}
