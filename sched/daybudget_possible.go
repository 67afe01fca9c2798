package sched

import (
	"fmt"
	"time"

	"tianfu/fault"
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
	sum, most := unit.Millijoules(0), unit.Millijoules(0)
	var idle int64
	if b.Tenant == "" {
		for n := range c.specs {
			if c.specs[n].Place.Site == b.Site {
				idle += c.IdleDraw(int32(n))
			}
		}
	}
	for g := range s.Groups {
		one, bound := c.leastOfTask(s, &s.Groups[g].Request, b)
		if !bound {
			return 0, false
		}
		sum += one * unit.Millijoules(s.Groups[g].Count)
		most = max(most, one)
	}
	if !s.Gang {
		sum = most
	}
	return sum + over(idle, 24*time.Hour), true
}

func over(milliwatts int64, d time.Duration) unit.Millijoules {
	return unit.Millijoules(float64(milliwatts) * d.Seconds())
}

func (c *Capacity) leastOfTask(s *job.Spec, r *job.Request, b *DayBudget) (unit.Millijoules, bool) {
	k := c.keyOf(r)
	shape := k.shape(0)
	type place struct {
		kind uint16
		here bool
	}
	seen := map[place]bool{}
	least, found := unit.Millijoules(0), false
	for n := range c.nodes {
		p := place{c.nodes[n].kind, c.specs[n].Place.Site == b.Site}
		kind := &c.kinds[p.kind]
		if seen[p] || !kind.takes(&shape, int32(r.Memory)) {
			continue
		}
		seen[p] = true
		if b.Tenant == "" && !p.here {
			return 0, false
		}
		draw := kind.drawOfShape(&shape, int32(r.Memory))
		mw := draw.Adds
		if b.Tenant != "" {
			mw += draw.Share
		}
		run := c.runOn(s, kind.Model)
		if run <= 0 || run > 24*time.Hour {
			run = 24 * time.Hour
		}
		if e := over(mw, run); !found || e < least {
			least, found = e, true
		}
	}
	return least, found
}
