package sensor

import (
	"fmt"
	"math"
	"math/bits"

	"tianfu/unit"
)

// Rules of counters:
//
//   - A rise is what was drawn. It is handed on whole, to the last unit; what a
//     millijoule does not hold is carried to the next reading.
//   - A fall of a counter with a modulus is a wrap, if the rise over the wrap
//     could have been drawn in the time. Where so much time has passed that it
//     could have wrapped more than once, the number of wraps that fits the last
//     known power best is taken, and the reading is Estimated.
//   - A rise beyond what the covered equipment can draw, and any other fall, is
//     held. If the next sample follows the one before, the held one was an
//     outlier and is left out; the energy over both is counted. If it follows the
//     held one, the counter was set: to 0, then what it has counted since is
//     known and what it had not yet told is lost (Estimated), or anywhere, then
//     the interval is Missing. Energy is never invented.
//   - Over a gap the rise is exact, but not when in it: Bridged.
//   - A counter that stands still for less than Refresh is waited for.

// rise is how one count follows another.
type rise struct {
	counts    uint64
	ambiguous bool // it may have wrapped more than once
}

// nextCount takes in a sample of a counter that makes sense by itself.
func (t *Track) nextCount(s Sample, out *Step) {
	r, ok := t.follow(&t.last, t.changed, &s)
	if ok {
		if t.held {
			out.notice("count %d cannot be true between %d and %d: left out", t.suspect.Count, t.last.Count, s.Count)
			t.held = false
		}
		t.advance(s, r, out)
		return
	}
	if t.held {
		if r, ok := t.follow(&t.suspect, t.suspect.At, &s); ok {
			t.restart(out)
			t.advance(s, r, out)
			return
		}
	}
	t.suspect, t.held = s, true
	out.notice("count %d cannot follow %d: held until the next", s.Count, t.last.Count)
}

// follow returns the rise from one sample to another, and false where no
// equipment of this kind draws so much. Since is when from was reached.
func (t *Track) follow(from *Sample, since unit.Instant, to *Sample) (rise, bool) {
	r := rise{counts: to.Count - from.Count}
	if to.Count < from.Count {
		if from.Modulus == 0 {
			return r, false
		}
		r.counts = from.Modulus - from.Count + to.Count
	}
	most := t.most(since, to)
	if r.counts > most || !fits(r.counts, from.Tick) {
		return r, false
	}
	if from.Modulus > 0 && most-r.counts >= from.Modulus {
		r.ambiguous = true
		r.counts += t.wraps(r.counts, most, to) * from.Modulus
	}
	return r, fits(r.counts, from.Tick)
}

// most returns the counts that can have been drawn since an instant: one more
// for what the first count had begun, and Refresh for what the instrument knew
// and had not yet told.
func (t *Track) most(since unit.Instant, to *Sample) uint64 {
	micro := t.rules.MaxPower.over(to.At.Sub(since) + t.rules.Refresh).per(picoPerMicro)
	return micro/uint64(to.Tick) + 1
}

// wraps returns how many further wraps fit the last known power best.
func (t *Track) wraps(counts, most uint64, to *Sample) uint64 {
	likely := t.power.over(to.At.Sub(t.last.At)).per(picoPerMicro) / uint64(to.Tick)
	if likely <= counts {
		return 0
	}
	k := (likely - counts + to.Modulus/2) / to.Modulus
	return min(k, (most-counts)/to.Modulus)
}

// fits says whether a rise can be counted in a reading.
func fits(counts uint64, tick Microjoules) bool {
	hi, lo := bits.Mul64(counts, uint64(tick))
	return hi == 0 && lo <= math.MaxInt64
}

// energy of counts that fit.
func energyOf(counts uint64, tick Microjoules) pico {
	hi, lo := bits.Mul64(counts*uint64(tick), picoPerMicro)
	return pico{hi, lo}
}

// advance believes a sample and hands the rise on.
func (t *Track) advance(s Sample, r rise, out *Step) {
	if s.At.Sub(t.last.At) > t.rules.MaxGap {
		t.gap = true
	}
	gap := s.At.Sub(t.last.At)
	t.last = s
	if r.counts == 0 && s.At.Sub(t.changed) < t.rules.Refresh {
		return
	}
	if r.counts > 0 {
		t.changed = s.At
	}
	q, note := Measured, ""
	switch {
	case r.ambiguous:
		q, note = Estimated, fmt.Sprintf("in %v the counter may have wrapped several times", gap)
		out.notice("%s: read it more often", note)
	case t.gap:
		q, note = Bridged, fmt.Sprintf("no reading for %v", gap)
	}
	t.emit(out, s.At, energyOf(r.counts, s.Tick), q, note)
}

// restart believes that the counter was set, to where the held sample found it.
func (t *Track) restart(out *Step) {
	s := t.suspect
	note := fmt.Sprintf("the counter went from %d to %d", t.last.Count, s.Count)
	if s.Count < t.last.Count && s.Count <= t.most(t.last.At, &s) && fits(s.Count, s.Tick) {
		note += ": it began again; what it had not told is lost"
		t.emit(out, s.At, energyOf(s.Count, s.Tick), Estimated, note)
	} else {
		note += ": it was set; what was drawn meanwhile is not known"
		t.emit(out, s.At, pico{}, Missing, note)
	}
	out.notice("%s", note)
	t.last, t.changed, t.held, t.gap = s, s.At, false, false
}
