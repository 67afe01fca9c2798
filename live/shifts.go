package live

import (
	"context"
	"sync"
	"time"

	"tianfu/control"
	"tianfu/sched"
	"tianfu/sim"
	"tianfu/unit"
)

// DefaultShiftPolicy is how a live centre chooses better hours.
const DefaultShiftPolicy = "tianfu"

// Plans in time are made PlanDelay after what asks for them, so that a job with no
// reason to wait starts soon, and PlanApart or more one after the other, so that a
// burst of jobs is two plans at most; and all anew when an hour begins. One that is refused - what
// it was made on has changed meanwhile - is made again, a few times in a row.
const (
	PlanDelay   = 200 * time.Millisecond
	PlanApart   = 2 * time.Second
	planTimeout = time.Minute
	planTries   = 3
)

// shifts asks for plans in time. The loop notes what a plan should know of and
// puts a token in; what is in already is enough.
type shifts struct {
	asked chan struct{}

	mu    sync.Mutex
	why   control.Replan
	last  PlanLook
	ready unit.Instant // when the last plan was; 0 = there was none
}

// PlanLook is when a live centre last looked for better hours, and what became of
// it.
type PlanLook struct {
	At      unit.Instant  // 0 = not since it was started
	Age     time.Duration // since then
	Refused string        // why the core did not take the plan; empty = it did, or there was nothing to say
}

// LastPlan returns when the centre last looked for better hours.
func (c *Centre) LastPlan() PlanLook {
	c.shifts.mu.Lock()
	defer c.shifts.mu.Unlock()
	look := c.shifts.last
	if look.At != 0 {
		look.Age = max(c.o.Now().Sub(look.At), 0)
	}
	return look
}

// see looks at the records of a step.
func (s *shifts) see(r *control.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why.See(r); s.why.Due {
		s.ask()
	}
}

func (s *shifts) ask() {
	select {
	case s.asked <- struct{}{}:
	default:
	}
}

// take returns what has happened since the last plan.
func (s *shifts) take() control.Replan {
	s.mu.Lock()
	defer s.mu.Unlock()
	why := s.why
	s.why = control.Replan{}
	return why
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
		hour := hourAfter(c.o.Now())
		refused := 0
		for {
			select {
			case <-ctx.Done():
				return
			case <-c.shifts.asked:
			case <-time.After(hour.Sub(c.o.Now())):
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(c.planWait()):
			}
			select { // what asked meanwhile is in this plan
			case <-c.shifts.asked:
			default:
			}
			why := c.shifts.take()
			why.Anew = why.Anew || refused > 0
			if now := c.o.Now(); hour <= now {
				why.Anew, hour = true, hourAfter(now)
			}
			if c.planShifts(ctx, &planner, &why) {
				refused = 0
			} else if refused++; refused < planTries {
				c.shifts.ask()
			}
		}
	}()
	return func() { cancel(); <-done }
}

// planWait is how long a plan that is asked for now has to wait. A large centre's
// takes a while, so it counts from when the last one was ready.
func (c *Centre) planWait() time.Duration {
	c.shifts.mu.Lock()
	defer c.shifts.mu.Unlock()
	if c.shifts.ready == 0 {
		return PlanDelay
	}
	return max(PlanDelay, PlanApart-c.o.Now().Sub(c.shifts.ready))
}

// hourAfter is when the next hour begins: then hours that were expected are
// known, and all jobs are planned anew.
func hourAfter(now unit.Instant) unit.Instant {
	return now - now%unit.Instant(time.Hour) + unit.Instant(time.Hour)
}

// planShifts makes one plan. It reports false when the core refuses it.
func (c *Centre) planShifts(ctx context.Context, planner *sched.SlotPlanner, why *control.Replan) bool {
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	var frozen *control.Frozen
	if err := c.View(ctx, func(s *control.State) {
		if s.HasWishes() {
			frozen = s.Freeze()
		}
	}); err != nil || frozen == nil {
		return true
	}
	look := PlanLook{At: c.o.Now()}
	plan := sim.PlanShifts(frozen, look.At, planner, DefaultShiftPolicy, why)
	if len(plan) > 0 {
		if _, err := c.send(ctx, ask{input: control.Input{Kind: control.Planned, Deferrals: plan}}); err != nil && ctx.Err() == nil {
			look.Refused = err.Error()
			c.o.Logger.Warn("a plan in time was refused and is made anew", "error", err)
		}
	}
	c.shifts.mu.Lock()
	defer c.shifts.mu.Unlock()
	c.shifts.last, c.shifts.ready = look, c.o.Now()
	return look.Refused == ""
}
