package control

import (
	"slices"

	"tianfu/sched"
	"tianfu/unit"
)

// HasPower tells whether the centre limits power.
func (s *State) HasPower() bool { return s.cfg.Tree != nil }

// PowerTree returns the power tree as declared; nil when there is none.
func (s *State) PowerTree() *sched.Power { return s.cfg.Tree }

// Area is an area of the power tree as it stands, in milliwatts. A site's limit
// is facility power, its draw IT power.
type Area struct {
	sched.AreaState
	Facility  int64 // draw with the overhead of the hour
	Headroom  int64 // IT power that new work may still add; Unlimited without a limit
	Band      Band
	Charge    unit.Millijoules // of the battery
	ShedUntil unit.Instant     // when the last shedding is complied with; 0 = never shed
}

// Band says how near its limit an area is.
type Band uint8

// The bands. Held is below the limit because work is held back.
const (
	BandOK Band = iota
	BandWarning
	BandHeld
	BandOver
)

// String names the band.
func (b Band) String() string { return [...]string{"ok", "warning", "held", "over"}[b] }

// Areas returns the power tree as it stands, outer areas before inner ones.
func (s *State) Areas() []Area {
	if s.cfg.Tree == nil {
		return nil
	}
	out := make([]Area, s.cap.Areas())
	for i := range out {
		a := &out[i]
		a.AreaState = s.cap.Area(int32(i))
		a.Facility, a.Headroom = mulDiv(a.Draw, a.Facts.Overhead, sched.Million), sched.Unlimited
		if a.Facts.Limit > 0 {
			a.Headroom = a.Budget - a.Draw
			switch {
			case a.Draw > a.Bound:
				a.Band = BandOver
			case a.Capped > 0 || a.Stopped > 0:
				a.Band = BandHeld
			case a.Draw >= mulDiv(a.Budget, a.Declared.Warn, sched.Million):
				a.Band = BandWarning
			}
		}
		if a.Declared.Battery.Capacity > 0 {
			a.Charge = s.power.batteries[i].chargeAt(&a.Declared.Battery, s.now)
		}
	}
	for i := range s.power.sheds {
		out[s.power.sheds[i].Area].ShedUntil = s.power.sheds[i].By
	}
	return out
}

// Caps returns the caps that are in force or to come, by ID.
func (s *State) Caps() []sched.CapEvent { return slices.Clone(s.power.caps) }

// CapOn returns the cap that sets what an area may draw now, with its window; false
// when no cap does.
func (s *State) CapOn(area int32) (k CapEvent, from, to unit.Instant, on bool) {
	lowest, from, to := s.cfg.Tree.Lowering(&s.cfg.Tree.Areas[area], s.power.caps, s.now)
	if lowest == nil {
		return k, 0, 0, false
	}
	return *lowest, from, to, true
}

// Sheds returns the latest sheddings, oldest first.
func (s *State) Sheds() []Shed { return slices.Clone(s.power.sheds) }

// nextPower returns when power needs a tick although nothing arrives.
func (s *State) nextPower() unit.Instant {
	at := min(s.power.edge, s.power.sleepy)
	if s.power.stale {
		at = s.now
	}
	if len(s.power.waking) > 0 {
		at = min(at, s.power.waking[0].at)
	}
	return at
}

func (p *powerState) clone() powerState {
	q := *p
	q.caps, q.solar, q.batteries, q.sheds, q.waking = slices.Clone(p.caps), slices.Clone(p.solar), slices.Clone(p.batteries), slices.Clone(p.sheds), slices.Clone(p.waking)
	return q
}

// CapEvent is a cap on an area, ParseCap reads one as people write it; they are
// sched's own, named here for the rooms above.
type CapEvent = sched.CapEvent

// ParseCap reads a cap such as "site=jianzhou 70% for=6d"; see sched.ParseCap.
func ParseCap(text string, now unit.Instant) (CapEvent, error) { return sched.ParseCap(text, now) }
