package sensor

import (
	"fmt"
	"math"
	"math/bits"
	"time"

	"tianfu/unit"
)

// Rules say what is believed of a channel.
type Rules struct {
	// Refresh is how often the instrument itself counts on. A counter that
	// stands still for less is waited for, not taken for an idle machine.
	Refresh time.Duration
	// MaxGap is the longest time between two samples that is no gap.
	MaxGap time.Duration
	// Hold is the longest gap over which a gauge is interpolated.
	Hold time.Duration
	// MaxPower is more than what is covered can draw: whatever says more is an
	// outlier.
	MaxPower Milliwatts
}

// DefaultRules returns what is believed of a level when nobody says better and
// the channel is read every so often. The powers are several times what the
// largest equipment of the kind draws, for they must never reject a truth.
func DefaultRules(l Level, every time.Duration) Rules {
	r := Rules{Refresh: time.Second, MaxGap: max(3*every, 5*time.Second), MaxPower: 2_000_000_000_000}
	switch l {
	case Package, Device:
		r.MaxPower = 5_000_000 // 5 kW
	case Node:
		r.MaxPower, r.Refresh = 100_000_000, 5*time.Second // 100 kW
	case Rack:
		r.MaxPower, r.Refresh = 2_000_000_000, 5*time.Second // 2 MW
	default:
		r.Refresh = 5 * time.Second // 2 GW
	}
	r.Hold = max(10*every, time.Minute)
	return r
}

// Track turns the samples of one channel into readings. It is a value: what it
// does depends on the samples alone.
type Track struct {
	rules Rules
	begun bool
	open  unit.Instant // where the next reading begins
	last  Sample       // the last one believed
	gap   bool         // since open there was one
	power Milliwatts   // mean of the last reading
	// rest is what has been counted and not handed on, because readings are
	// whole millijoules: picojoules, below 1e9.
	rest uint64

	changed unit.Instant // of a counter: when it was last seen to rise
	suspect Sample       // of a counter: held, because it cannot follow last
	held    bool
}

// NewTrack begins a channel.
func NewTrack(r Rules) *Track { return &Track{rules: r} }

// Step is what a sample led to: readings, in order of time, and what an operator
// should know.
type Step struct {
	Readings []Reading
	Notices  []string
}

func (s *Step) notice(format string, args ...any) {
	s.Notices = append(s.Notices, fmt.Sprintf(format, args...))
}

// Next takes a sample in. Samples that repeat an instant or come late are left
// out: what they counted is in the later ones.
func (t *Track) Next(s Sample) Step {
	var out Step
	if t.begun && (s.At <= t.last.At || t.held && s.At <= t.suspect.At) {
		return out
	}
	if why := t.senseless(&s); why != "" {
		out.notice("%s", why)
		return out
	}
	switch {
	case !t.begun:
		t.begin(s)
	case s.Kind != t.last.Kind || s.Tick != t.last.Tick || s.Modulus != t.last.Modulus:
		out.notice("the instrument counts in another way now: it begins anew")
		t.emit(&out, s.At, pico{}, Missing, "the instrument was changed")
		t.begin(s)
	case s.Kind == Gauge:
		t.nextGauge(s, &out)
	default:
		t.nextCount(s, &out)
	}
	return out
}

// senseless says why a sample cannot be true whatever came before it.
func (t *Track) senseless(s *Sample) string {
	switch {
	case s.Kind == Gauge && (s.Power < 0 || s.Power > t.rules.MaxPower):
		return fmt.Sprintf("%d mW is outside 0 to %d mW: left out", s.Power, t.rules.MaxPower)
	case s.Kind == Counter && s.Tick <= 0:
		return fmt.Sprintf("a count of %d µJ means nothing: left out", s.Tick)
	case s.Kind == Counter && s.Modulus > 0 && s.Count >= s.Modulus:
		return fmt.Sprintf("count %d is not below %d, where it begins again: left out", s.Count, s.Modulus)
	}
	return ""
}

func (t *Track) begin(s Sample) {
	rest := t.rest
	*t = Track{rules: t.rules, begun: true, open: s.At, last: s, changed: s.At, rest: rest}
}

// emit closes the open interval at an instant with an energy.
func (t *Track) emit(out *Step, to unit.Instant, e pico, q Quality, note string) {
	e = e.add(pico{0, t.rest})
	var mJ uint64
	mJ, t.rest = bits.Div64(e.hi, e.lo, picoPerMilli) // callers keep the quotient below 2^63
	r := Reading{Channel: t.last.Channel, Covers: t.last.Covers, From: t.open, To: to, Energy: unit.Millijoules(mJ), Quality: q, Note: note}
	t.power = Milliwatts(min(float64(r.Power())*1e3, math.MaxInt64/2))
	t.open, t.gap = to, false
	out.Readings = append(out.Readings, r)
}

// pico is energy in picojoules: what a milliwatt is in a nanosecond.
type pico struct{ hi, lo uint64 }

const (
	picoPerMicro = 1_000_000
	picoPerMilli = 1_000_000_000
)

// over returns the energy of a power over a time; neither is negative.
func (p Milliwatts) over(d time.Duration) pico {
	hi, lo := bits.Mul64(uint64(p), uint64(d))
	return pico{hi, lo}
}

func (a pico) add(b pico) pico {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi, _ := bits.Add64(a.hi, b.hi, carry)
	return pico{hi, lo}
}

// half returns half of it, rounded down.
func (a pico) half() pico { return pico{a.hi >> 1, a.lo>>1 | a.hi<<63} }

// per returns how many of n picojoules fit into it; the most an uint64 holds
// when they are more.
func (a pico) per(n uint64) uint64 {
	if a.hi >= n {
		return math.MaxUint64
	}
	q, _ := bits.Div64(a.hi, a.lo, n)
	return q
}
