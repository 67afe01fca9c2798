package live

import (
	"context"
	"time"

	"tianfu/control"
	"tianfu/job"
	"tianfu/sched"
)

// DefaultShiftPolicy is how a live centre chooses better hours.
const DefaultShiftPolicy = "tianfu"

// Plans in time are made a moment after what asks for them, so that a burst of
// jobs is one plan, and all anew when an hour begins.
const (
	planDelay   = 2 * time.Second
	planTimeout = time.Minute
)

// shifts asks for plans in time. The loop puts a token in when something came
// that a plan should know of; what is in already is enough.
type shifts struct{ asked chan bool }

// see looks at the records of a step: a job with a wish came, or something
// new is known of what hours cost.
func (s *shifts) see(r *control.Record) {
	switch {
	case r.Kind == control.Submitted && r.Spec.Wish != job.NoWish, r.Kind == control.SiteHoursKnown:
		select {
		case s.asked <- true:
		default:
		}
	}
}

// startShifts plans beside the loop for as long as the context lasts: on a frozen
// state, and what comes out goes back to the core as one input, which it
// verifies. It returns what waits for the end.
func (c *Centre) startShifts(ctx context.Context) func() {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var planner sched.SlotPlanner
		hour := time.NewTicker(time.Hour)
		defer hour.Stop()
		for {
			anew := false
			select {
			case <-ctx.Done():
				return
			case <-hour.C:
				anew = true
			case <-c.shifts.asked:
				select {
				case <-ctx.Done():
					return
				case <-time.After(planDelay):
				}
			}
			c.planShifts(ctx, &planner, anew)
		}
	}()
	return func() { cancel(); <-done }
}

func (c *Centre) planShifts(ctx context.Context, planner *sched.SlotPlanner, anew bool) {
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	var frozen *control.Frozen
	if err := c.View(ctx, func(s *control.State) {
		if s.HasWishes() {
			frozen = s.Freeze()
		}
	}); err != nil || frozen == nil {
		return
	}
	plan := frozen.PlanShifts(planner, DefaultShiftPolicy, anew)
	if len(plan) == 0 {
		return
	}
	if _, err := c.send(ctx, ask{input: control.Input{Kind: control.Planned, Deferrals: plan}}); err != nil && ctx.Err() == nil {
		c.o.Logger.Warn("a plan in time was refused and is made anew with what comes next", "error", err)
	}
}
