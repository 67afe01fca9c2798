package sensor

import "fmt"

// Rules of gauges: between two samples the power is taken to change evenly, so
// the energy is the mean of both times the time (trapezoidal rule), in whole
// picojoules. Over a gap up to Hold it is Estimated that way; a longer one is
// Missing.

// nextGauge takes in a sample of a gauge that makes sense by itself.
func (t *Track) nextGauge(s Sample, out *Step) {
	d := s.At.Sub(t.last.At)
	// The sum of both is at most twice MaxPower, far below 2^63.
	e := (s.Power + t.last.Power).over(d).half()
	q, note := Measured, ""
	switch {
	case d > t.rules.Hold || e.hi >= picoPerMilli/2: // the second: more than a reading holds
		e, q, note = pico{}, Missing, fmt.Sprintf("no reading for %v", d)
	case d > t.rules.MaxGap:
		q, note = Estimated, fmt.Sprintf("no reading for %v: interpolated", d)
	}
	t.last = s
	t.emit(out, s.At, e, q, note)
}
