package sim

import (
	"slices"
	"time"

	"tianfu/control"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// Bounds of proving a plan in time.
const (
	proveTries = 3
	proveSteps = 200_000
	outrunning = 5 * time.Minute
)

// PlanShifts plans when the jobs that may wait run, for drivers: on a state that
// was frozen by now and that is only read. Where our policy plans everything anew
// the plan is proven: a fork of the centre is run forward by it, with all that is
// known now. The planner counts what a site has left in sums, the run places every
// task on a node; a job that misses its deadline in the run, for nodes are
// fragmented or another comes first, is put in front and the rest is planned
// around it. Where that does not help either, what was planned before is tried, with
// what is new placed around it: a better hour for one job is no reason to have
// another late. And where that does not, nobody waits any more: what can start does,
// and sums are asked nothing. Of the plans tried, the one with the fewest misses is
// returned.
func PlanShifts(f *control.Frozen, now unit.Instant, p *sched.SlotPlanner, policy string, why *control.Replan) []sched.Deferral {
	anew, standing := why.Anew, *why
	best := f.PlanShifts(now, p, policy, why)
	if len(best) == 0 || policy != "tianfu" {
		return best
	}
	late := missedBy(f, best)
	fewest := len(late)
	for range proveTries {
		if len(late) == 0 {
			break
		}
		why.Anew = true
		putInFront(why, late)
		plan := f.PlanShifts(now, p, policy, why)
		late = missedBy(f, plan)
		if len(late) < fewest {
			best, fewest = plan, len(late)
		}
	}
	if fewest > 0 && anew {
		standing.Anew = false
		plan := f.PlanShifts(now, p, policy, &standing)
		if late = missedBy(f, plan); len(late) < fewest {
			best, fewest = plan, len(late)
		}
	}
	if fewest > 0 {
		plan := f.Unheld(now)
		if len(plan) > 0 && len(missedBy(f, plan)) < fewest {
			best = plan
		}
	}
	return best
}

// putInFront has jobs take the earliest room there is, and those that had it taken
// already and came late all the same before all others.
func putInFront(why *control.Replan, late []job.ID) {
	if why.Front == nil {
		why.Front = map[job.ID]int{}
	}
	top := 0
	for _, v := range why.Front {
		top = max(top, v)
	}
	for _, id := range late {
		if why.Front[id] > 0 {
			why.Front[id] = top + 1
		}
		why.Front[id] = max(why.Front[id], 1)
	}
}

// missedBy runs a fork forward by a plan and lists the jobs that end after their
// deadlines.
func missedBy(f *control.Frozen, plan []sched.Deferral) (late []job.ID) {
	s, last := f.Fork(), f.LastDue()
	run := NewForward(s, s.Now(), func(id job.ID, spec *job.Spec, expected, elapsed time.Duration) time.Duration {
		switch {
		case elapsed > 0 && elapsed < expected:
			return expected
		case elapsed > 0:
			return elapsed + outrunning
		}
		if d, ok := s.Deferral(id); ok {
			expected -= d.Done
		}
		return max(expected, time.Second)
	})
	run.Seen = func(r *control.Record) {
		if r.Kind == control.DeadlineMissed {
			late = append(late, r.Job)
		}
	}
	batch := []control.Input{{Kind: control.Tick}}
	if len(plan) > 0 {
		batch = []control.Input{{Kind: control.Planned, Deferrals: plan}}
	}
	run.Step(batch)
	for run.Steps < proveSteps && run.Next(last) {
	}
	slices.Sort(late)
	return late
}
