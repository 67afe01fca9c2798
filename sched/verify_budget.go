package sched

import (
	"fmt"
	"math/bits"

	"tianfu/unit"
)

// checkBudgets holds every budget that a plan draws on: what was spent, what runs
// will still draw and what the plan adds must be within it, in this day and in
// the next. Draws are worked out again stretch by stretch, and rounded down, so
// that a plan is not refused for what rounding up kept free.
func (v *Verifier) checkBudgets(s *Snapshot, p *Plan, now unit.Instant) error {
	b := s.Budgets
	if b == nil || len(p.Placements) == 0 {
		return nil
	}
	c := s.Capacity
	for i := range b.List {
		x := &b.List[i]
		for k := range x.Days {
			day, sum, adds := &x.Days[k], Drawn{}, false
			count := func(a *Alloc, to unit.Instant) bool {
				mw := countedBy(c, x, a, b.Site[a.Node])
				if mw > 0 {
					sum.add(drawnOver(b.Rates[b.Site[a.Node]], mw, max(now, day.From), min(to, day.To)), 1)
				}
				return mw > 0
			}
			for q := range p.Placements {
				adds = count(&p.Placements[q].Alloc, p.Placements[q].Alloc.End) || adds
			}
			if !adds || sum == (Drawn{}) {
				continue
			}
			for n := range c.onNode {
				for _, id := range c.onNode[n] {
					switch a := &c.allocs[id]; {
					case a.Evicting:
					case a.End <= now:
						count(a, unit.Never)
					default:
						count(a, a.End)
					}
				}
			}
			sum.add(day.Spent, 1)
			if x.Energy > 0 && sum.Energy > x.Energy || x.Carbon > 0 && sum.Carbon > x.Carbon {
				return fmt.Errorf("budget of %s: %v and %v would be drawn in the day from %s, of %v and %v", x.DayBudget,
					sum.Energy.KWh(), sum.Carbon, day.From, x.Energy.KWh(), x.Carbon)
			}
		}
	}
	return nil
}

// countedBy returns the milliwatts of a task that a budget counts, rounded down.
func countedBy(c *Capacity, x *BudgetNow, a *Alloc, site int32) int64 {
	if x.At >= 0 && x.At != site || x.At < 0 && x.Number != a.Tenant {
		return 0
	}
	k := &c.kinds[c.nodes[a.Node].kind]
	m, devices := &k.Power, float64(bits.OnesCount16(a.Devices))
	share := unit.Milli(a.Share)
	if a.Profile != 0 || share <= 0 {
		share = unit.Whole
	}
	watts := m.CPUWatts(unit.MilliCPU(a.CPU)) - m.CPUWatts(0)
	watts += unit.Watts(devices * float64(m.DeviceWatts(share)-m.DeviceIdle))
	if x.At >= 0 {
		return int64(float64(watts) * 1000)
	}
	held := int64(0)
	if k.CPU > 0 {
		held = int64(a.CPU) * Million / int64(k.CPU)
	}
	if k.Memory > 0 {
		held = max(held, int64(a.Memory)*Million/int64(k.Memory))
	}
	if k.Devices > 0 {
		held = max(held, int64(a.Milli())*Million/(int64(k.Devices)*int64(unit.Whole)))
	}
	watts += unit.Watts(float64(m.Base+m.CPUWatts(0)) * float64(min(held, Million)) / Million)
	watts += unit.Watts(float64(m.DeviceIdle) * float64(a.Milli()) / 1000)
	return int64(float64(watts) * 1000)
}

// drawnOver sums up a draw over the stretches of a site's rates.
func drawnOver(r *SiteRates, mw int64, from, to unit.Instant) (out Drawn) {
	for i := range r.Pieces {
		s, e := from, to
		if i > 0 {
			s = max(s, r.Pieces[i].From)
		}
		if i+1 < len(r.Pieces) {
			e = min(e, r.Pieces[i+1].From)
		}
		if s >= e {
			continue
		}
		hi, lo := bits.Mul64(uint64(mw), uint64(e-s)/1000) // nJ of IT energy
		q, _ := bits.Div64(hi, lo, 1_000_000)
		mj := part(int64(q), r.Pieces[i].Overhead)
		out.Energy += unit.Millijoules(mj)
		out.Carbon += unit.Micrograms(mj / 3_600_000 * r.Pieces[i].Carbon)
		out.Carbon += unit.Micrograms(mj % 3_600_000 * r.Pieces[i].Carbon / 3_600_000)
	}
	return out
}
