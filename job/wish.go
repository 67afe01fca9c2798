package job

import (
	"time"

	"tianfu/fault"
	"tianfu/unit"
)

// Wish says what a job that can wait would like to wait for.
type Wish uint8

// The wishes: none starts as soon as there is room; the others start, within
// the deadline, where the hours ahead have the least carbon, the least price, or
// the least of price and a price on carbon together.
const (
	NoWish Wish = iota
	WishCarbon
	WishPrice
	WishWeights
)

// MaxCarbonPrice bounds what a tonne of CO2e may be taken to cost, in yuan.
const MaxCarbonPrice = 1_000_000

var wishes = [...]string{"none", "carbon", "price", "weights"}

// String names the wish as job files write it.
func (w Wish) String() string {
	if int(w) < len(wishes) {
		return wishes[w]
	}
	return "?"
}

// ParseWish reads a wish.
func ParseWish(text string) (Wish, error) {
	for i, name := range wishes {
		if text == name {
			return Wish(i), nil
		}
	}
	return 0, fault.New(fault.Invalid, "", "is not a wish", "use none, carbon, price or weights")
}

// Run returns the run time that planning may assume, whatever it runs on: the
// longest of what was said. 0 = nothing was.
func (s *Spec) Run() time.Duration {
	run := s.ExpectedRun
	for _, r := range s.ExpectedRunOn {
		run = max(run, r)
	}
	return run
}

// Due returns when the job's work should have ended: its deadline, or, where it
// names none, its submission, run time and the allowance of its class. Never
// when neither is known.
func (s *Spec) Due(submitted unit.Instant, allowance time.Duration) unit.Instant {
	switch {
	case s.Deadline != 0:
		return s.Deadline
	case allowance <= 0 || s.Run() <= 0:
		return unit.Never
	}
	return submitted.Add(s.Run() + allowance)
}
