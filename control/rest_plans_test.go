package control_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// TestPreemptionBesidePlansAndBudgetsComesToRest has jobs with slack and a wish
// among those that take each other's place, which plans in time hold back, start
// and pause, and budgets of a day that are used up. When the last deadline and all
// plans are over, and again when the next day gives new budgets, the centre must
// come to rest.
func TestPreemptionBesidePlansAndBudgetsComesToRest(t *testing.T) {
	seeds := 200
	if testing.Short() {
		seeds = 40
	}
	paused, short := 0, 0
	comeAllToRest(t, seeds, func(seed uint64) (int, error) {
		c, err := comeToRestPlanned(seed)
		for i := range c.records {
			if r := &c.records[i]; r.Kind == control.Evicting && r.Cause == control.CausePaused {
				paused++
			}
		}
		short += c.short
		return c.evictions, err
	})
	if paused < seeds/2 || short < seeds { // otherwise the test would show nothing
		t.Fatalf("in %d centres %d tasks paused, and budgets kept jobs waiting %d times", seeds, paused, short)
	}
}

// plannedCentre is a centre to which a driver tells plans.
type plannedCentre struct {
	restCentre
	more   *rand.Rand
	coming []control.Input // a plan that was made before the last step
	short  int             // how often a budget had a job wait
}

func comeToRestPlanned(seed uint64) (*plannedCentre, error) {
	c := &plannedCentre{restCentre: *newRestCentre(seed), more: rand.New(rand.NewPCG(seed, 9))}
	if seed%3 == 0 {
		c.cfg.Policy = "tianfu-migrate"
	}
	for i := range c.cfg.Fleet.Nodes {
		c.cfg.Fleet.Nodes[i].Place = fleet.Place{Site: "s", Rack: fmt.Sprintf("r%d", i/2)}
	}
	if seed%2 == 0 {
		c.limitPower(seed)
	}
	if seed%4 < 3 {
		randomBudgets(c.more, &c.cfg)
	}
	if err := c.arrive(c.wish); err != nil {
		return c, err
	}
	if err := c.meetDeadlines(); err != nil {
		return c, err
	}
	if err := c.rest(); err != nil || len(c.cfg.DayBudgets) == 0 {
		return c, err
	}
	_, c.now = c.cfg.DayBudgets[0].Zone.DayOf(c.now)
	if err := c.rest(); err != nil {
		return c, fmt.Errorf("in the next day: %w", err)
	}
	return c, nil
}

// meetDeadlines lets the time pass until the last deadline, and the last cap, are over.
func (c *plannedCentre) meetDeadlines() error {
	last := unit.At(430)
	for _, s := range c.jobs {
		last = max(last, s.Deadline)
	}
	for c.now <= last {
		if len(c.evicted) == 0 {
			c.now += max(0, min(c.state.NextWake()-c.now, unit.At(20))-unit.At(1))
		}
		if err := c.turn(c.plans()); err != nil {
			return err
		}
		for _, b := range c.state.DayBudgets() {
			c.short += b.Waiting
		}
	}
	return nil
}

// wish says of a job how long it runs, which it then does not keep to, and of some
// what they may wait for.
func (c *plannedCentre) wish(s *job.Spec) {
	r := c.more
	s.Suspendable = c.cfg.Tree != nil && r.IntN(2) == 0
	if r.IntN(4) == 0 {
		return
	}
	s.ExpectedRun = time.Duration(10+r.IntN(600)) * time.Second
	s.Pausable = r.IntN(2) == 0
	if q := &s.Groups[0].Request; q.Accelerators == 1 && r.IntN(3) == 0 {
		q.Share = 500
	}
	if r.IntN(3) > 0 {
		s.Wish, s.Deadline = job.Wish(1+r.IntN(2)), c.now.Add(s.ExpectedRun+time.Duration(r.IntN(1800))*time.Second)
	}
}

// plans tells what hours cost, and plans on the state as it stood a while ago.
func (c *plannedCentre) plans() []control.Input {
	in := c.coming
	c.coming = nil
	if c.more.IntN(20) == 0 || len(c.state.SiteHours("s")) == 0 {
		x := control.Input{Kind: control.SiteHours, Site: "s"}
		from := c.now - c.now%unit.Instant(5*time.Minute)
		for i := range 12 {
			h := energy.SiteHour{From: from, To: from.Add(5 * time.Minute), CarbonLocation: c.more.Int64N(900_000), CarbonMarket: energy.NoData, CarbonMarginal: energy.NoData,
				Price: c.more.Int64N(2e9), PUE: 1_000_000, Water: energy.NoData, Forecast: i > 0}
			x.Hours = append(x.Hours, h)
			from = h.To
		}
		in = append(in, x)
	}
	var planner sched.SlotPlanner
	if plan := c.state.PlanShifts(&planner, "tianfu", &control.Replan{Anew: c.more.IntN(5) == 0, Due: true}); len(plan) > 0 {
		c.coming = []control.Input{{Kind: control.Planned, Deferrals: plan}}
	}
	return in
}
