package sched

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// PossibleBudget returns an error when a job alone would draw more energy in a day
// than the whole budget of its tenant, or of every site that could run it: it
// would wait for ever. Overhead counts as none and carbon is left out, for both
// change with the hours: a job that could run is never refused.
func (c *Capacity) PossibleBudget(s *job.Spec, budgets []DayBudget) error {
	for i := range budgets {
		b := &budgets[i]
		if b.Energy == 0 || b.Tenant != "" && b.Tenant != s.Tenant {
			continue
		}
		need, bound := c.leastOfDay(s, b)
		if !bound || need <= b.Energy {
			continue
		}
		run := "without an expected end it is taken to run all day"
		if d := s.Run(); d > 0 {
			run = fmt.Sprintf("expected to run %v", d)
		}
		return fault.New(fault.Invalid, "", fmt.Sprintf("%s draws at least %v in a day (%s), the budget of %s is %v a day", what(s, b), need.KWh(), run, b, b.Energy.KWh()),
			"ask for less or a shorter run, say expected_run, or raise budget: of "+b.String()+" in the world file")
	}
	return nil
}

func what(s *job.Spec, b *DayBudget) string {
	out := "a task"
	if s.Gang && s.Tasks() > 1 {
		out = "the gang"
	}
	if b.Tenant == "" {
		out += " with the idle nodes of the site"
	}
	return out
}

// leastOfDay returns the least that a gang, or the most drawing task of another
// job, takes of a budget in a day; false where it could run elsewhere.
func (c *Capacity) leastOfDay(s *job.Spec, b *DayBudget) (unit.Millijoules, bool) {
	sum, most, counted := unit.Millijoules(0), unit.Millijoules(0), false
	var idle int64
	if b.Tenant == "" {
		for n := range c.specs {
			if c.specs[n].Place.Site == b.Site {
				idle += c.AwakeDraw(int32(n))
			}
		}
	}
	level := fleet.LevelFleet
	if s.Gang && s.Topology.Mode == job.Must {
		level = s.Topology.Level
	}
	for g := range s.Groups {
		count := int64(1)
		if s.Gang {
			count = int64(s.Groups[g].Count)
		}
		some, bound := c.leastOfTasks(s, &s.Groups[g].Request, count, level, b)
		counted = counted || bound
		sum += some
		most = max(most, some)
	}
	if !s.Gang {
		sum = most
	}
	return sum + over(idle, 24*time.Hour), counted
}

func over(milliwatts int64, d time.Duration) unit.Millijoules {
	return unit.Millijoules(float64(milliwatts) * d.Seconds())
}

// leastOfTasks returns the least that so many tasks of a request take of a budget on
// idle nodes of one domain: as many as fit where one takes least, then where it
// takes the next more. It is false where none is counted.
func (c *Capacity) leastOfTasks(s *job.Spec, r *job.Request, count int64, level fleet.Level, b *DayBudget) (unit.Millijoules, bool) {
	k := c.keyOf(r)
	shape, dom := k.shape(0), c.domains[level].of(c, level)
	type place struct {
		domain int32
		kind   uint16
		here   bool
	}
	nodes, order := map[place]int64{}, []place(nil)
	for n := range c.nodes {
		p := place{dom[n], c.nodes[n].kind, b.Tenant != "" || c.specs[n].Place.Site == b.Site}
		if nodes[p] == 0 {
			order = append(order, p)
		}
		nodes[p]++
	}
	cost := func(p place) unit.Millijoules {
		if !p.here {
			return 0
		}
		kind := &c.kinds[p.kind]
		draw := kind.drawOfShape(&shape, int32(r.Memory))
		run := c.runOn(s, kind.Model)
		if run <= 0 || run > 24*time.Hour {
			run = 24 * time.Hour
		}
		if b.Tenant == "" {
			draw.Share = 0
		}
		return over(draw.Share+draw.Adds, run)
	}
	slices.SortStableFunc(order, func(x, y place) int { return cmp.Or(cmp.Compare(x.domain, y.domain), cmp.Compare(cost(x), cost(y))) })
	least, found := unit.Millijoules(0), false
	for at := 0; at < len(order); {
		sum, left, domain := unit.Millijoules(0), count, order[at].domain
		for ; at < len(order) && order[at].domain == domain; at++ {
			fit := min(left, nodes[order[at]]*int64(c.idleSlots(&c.kinds[order[at].kind], &shape, int32(r.Memory))))
			sum += cost(order[at]) * unit.Millijoules(fit)
			left -= fit
		}
		if left == 0 && (!found || sum < least) {
			least, found = sum, true
		}
	}
	return least, found && least > 0
}
