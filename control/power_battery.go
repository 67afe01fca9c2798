package control

import (
	"math"
	"math/bits"
	"time"

	"tianfu/energy"
	"tianfu/sched"
	"tianfu/unit"
)

// chargeAt returns what a battery holds at an instant, from what it held at the
// last budget and the rate since. Losses are charged on the way in.
func (b *battery) chargeAt(p *sched.Battery, now unit.Instant) unit.Millijoules {
	dt := max(now.Sub(b.at), 0)
	switch {
	case b.rate > 0:
		return max(b.charge-energyOf(b.rate, dt), 0)
	case b.rate < 0:
		in := mulDiv(int64(energyOf(-b.rate, dt)), p.Efficiency, sched.Million)
		return min(b.charge+min(unit.Millijoules(in), p.Capacity-b.charge), p.Capacity)
	}
	return b.charge
}

// energyOf returns the energy of drawing milliwatts for a time.
func energyOf(milliwatts int64, d time.Duration) unit.Millijoules {
	return unit.Millijoules(mulDiv(milliwatts, int64(d), int64(time.Second)))
}

// powerFor returns the power that a store of energy lasts a time at, at the most
// what may be told of any area.
func powerFor(e unit.Millijoules, d time.Duration) int64 {
	return min(mulDiv(int64(e), int64(time.Second), int64(max(d, 1))), maxMilliwatts)
}

// chargeOrGive decides what the battery of a site does until the next full
// hour. It gives when the grid is dirtier than the mean of the last week, takes
// when it is cleaner and no longer getting cleaner (or charging has begun), and
// rests otherwise; without carbon data it only fills up. It gives no more than
// it can for the whole of that time, and charging stays inside the budget.
func (s *State) chargeOrGive(a *sched.PowerArea, b *Budget) {
	old := &s.power.batteries[b.Area]
	span := nextHour(s.now).Sub(s.now)
	charge := old.chargeAt(&a.Battery, s.now)
	b.Charge = charge
	now := s.cap.Area(b.Area)
	load := mulDiv(now.Draw, b.Overhead, sched.Million)
	give, take := s.carbonSays(a.Path, old.charged)
	room := min(a.Battery.Power, mulDiv(powerFor(a.Battery.Capacity-charge, span), sched.Million, max(a.Battery.Efficiency, 1)))
	if b.Limit > 0 {
		room = min(room, mulDiv(usableOf(a, b.Limit), a.Resume, sched.Million)+b.Solar-load)
	}
	switch {
	case give:
		b.Battery = max(min(a.Battery.Power, powerFor(charge, span), load-b.Solar), 0)
	case take && room > 0:
		b.Battery, b.Charging = -room, true
	}
	s.lend(a, b, charge, load, span)
}

// lend lets the battery carry running work over the limit, for as long as it
// can: what is to be shed is then shed later.
func (s *State) lend(a *sched.PowerArea, b *Budget, charge unit.Millijoules, load int64, span time.Duration) {
	if b.Limit == 0 {
		return
	}
	need := load - usableOf(a, b.Limit) - b.Solar
	if need <= max(b.Battery, 0) {
		return
	}
	most := min(a.Battery.Power, powerFor(charge, span))
	b.Battery, b.Charging = min(need+1000, most), false // a watt above, for rounding
}

func usableOf(a *sched.PowerArea, limit int64) int64 {
	if a.Limit > 0 {
		limit = min(limit, a.Limit-a.Reserve)
	}
	return max(limit, 0)
}

// mulDiv returns a*b/c rounded down, or the greatest integer where that is beyond it; 0
// of an a below 0.
func mulDiv(a, b, c int64) int64 {
	hi, lo := bits.Mul64(uint64(max(a, 0)), uint64(b))
	if hi >= uint64(c) {
		return math.MaxInt64
	}
	q, _ := bits.Div64(hi, lo, uint64(c))
	return int64(min(q, math.MaxInt64))
}

// trim asks batteries again that give more than their sites draw: nothing takes what
// is too much, and the charge that it was counted against would be lost.
func (s *State) trim() {
	for _, i := range s.power.stores {
		now := s.cap.Area(i)
		if now.Facts.Battery <= 0 || now.Facts.Battery <= mulDiv(now.Draw, now.Facts.Overhead, sched.Million)-now.Facts.Solar {
			continue
		}
		b := Budget{Area: i, PowerFacts: now.Facts}
		b.Battery = 0
		s.chargeOrGive(&s.cfg.Tree.Areas[i], &b)
		if b.PowerFacts != now.Facts {
			s.record(Record{Kind: BudgetSet, Budget: &b})
		}
	}
}

// bridge asks batteries again at sites over their bound, and reports whether
// one gives more than before.
func (s *State) bridge() bool {
	changed := false
	for i := range s.cfg.Tree.Areas {
		a := &s.cfg.Tree.Areas[i]
		now := s.cap.Area(int32(i))
		if a.Battery.Capacity == 0 || now.Settled <= now.Bound || now.Tried {
			continue
		}
		b := Budget{Area: int32(i), PowerFacts: now.Facts}
		b.Battery = 0
		s.chargeOrGive(a, &b)
		if b.PowerFacts != now.Facts {
			s.record(Record{Kind: BudgetSet, Budget: &b})
			changed = true
		}
	}
	return changed
}

// weekOfCarbon is over how long the mean is taken.
const weekOfCarbon = 168 * time.Hour

// carbonSays returns whether the battery of a site should give or take, by the
// location carbon of its grid.
func (s *State) carbonSays(site string, charging bool) (give, take bool) {
	hours := s.SiteHours(site)
	now, ok := energy.SiteHourAt(hours, s.now)
	if !ok || now.CarbonLocation == energy.NoData {
		return false, true
	}
	var sum, n int64
	before := energy.NoData
	for i := range hours {
		h := &hours[i]
		if h.CarbonLocation == energy.NoData || h.From > s.now || h.To <= s.now.Add(-weekOfCarbon) {
			continue
		}
		sum += h.CarbonLocation
		n++
		if h.From < now.From {
			before = h.CarbonLocation
		}
	}
	if now.CarbonLocation*n >= sum && n > 1 {
		return true, false
	}
	return false, charging || before == energy.NoData || now.CarbonLocation >= before
}
