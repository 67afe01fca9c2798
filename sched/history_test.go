package sched

import (
	"math"
	"testing"
	"time"

	"tianfu/unit"
)

// TestHistoryIsTheExponentialMean compares the integer arithmetic with the
// closed form, over ages from a second to many half-lives.
func TestHistoryIsTheExponentialMean(t *testing.T) {
	const day = 24 * time.Hour
	for _, halfLife := range []time.Duration{time.Minute, 7 * day, 3660 * day} {
		for _, age := range []time.Duration{time.Second, time.Hour, day, 7 * day, 40 * day} {
			want := math.Exp2(-float64(age) / float64(halfLife))
			if got := float64(kept(age, halfLife)) / (1 << 32); math.Abs(got-want) > 1e-7 {
				t.Errorf("after %v of a half-life of %v %.9f is kept, not %.9f", age, halfLife, got, want)
			}
		}
	}
	u := Usage{Totals: Totals{Milli: 8000}}
	u.Pass(unit.At(0).Add(7*day), 7*day)
	if m := u.MeanAt(unit.At(0).Add(7*day), 7*day); m.Milli != 4000 {
		t.Errorf("8 accelerators for a half-life are a mean of %d thousandths, not 4000", m.Milli)
	}
	u.Milli = 0
	if m := u.MeanAt(unit.At(0).Add(14*day), 7*day); m.Milli != 2000 {
		t.Errorf("a half-life later the mean is %d thousandths, not 2000", m.Milli)
	}
	// In one go or in many steps: what rounding loses is less than a thousandth.
	steps := Usage{Totals: Totals{Milli: 8000}}
	for i := range 700 {
		steps.Pass(unit.At(0).Add(time.Duration(i+1)*7*day/700), 7*day)
	}
	if m := steps.MeanAt(unit.At(0).Add(7*day), 7*day).Milli; m < 3990 || m > 4000 {
		t.Errorf("in 700 steps the mean is %d thousandths", m)
	}
}
