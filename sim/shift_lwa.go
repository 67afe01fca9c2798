package sim

import (
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"tianfu/fault"
	"tianfu/sched"
)

// FixedJob is a job with a start and a length in slots of the series.
type FixedJob struct{ Start, Length int }

// WaitAwhileSlot is the slot of the protocol; a series of longer steps is cut into it,
// one of shorter steps is joined.
const WaitAwhileSlot = 30 * time.Minute

// ReadFixedJobs reads start_minute and duration_minute, whole multiples of the
// series' step.
func ReadFixedJobs(name string, r io.Reader, step time.Duration) ([]FixedJob, error) {
	t, err := newTable(name, r)
	if err != nil {
		return nil, err
	}
	if !t.has("start_minute", "duration_minute") {
		return nil, unknownHeader(t, "a list of jobs", "job,start_minute,duration_minute")
	}
	minutes := int64(step / time.Minute)
	if minutes == 0 {
		return nil, fault.New(fault.Invalid, name, "the series has steps below a minute", "use a coarser series")
	}
	var out []FixedJob
	for t.next() {
		start, length := t.integer("start_minute", 0, 1<<31), t.integer("duration_minute", 1, 1<<31)
		for _, x := range []struct {
			column string
			value  int64
		}{{"start_minute", start}, {"duration_minute", length}} {
			if x.value%minutes != 0 {
				t.fail(x.column, fmt.Sprintf("%d is no multiple of %d, the minutes of a slot", x.value, minutes), "the protocol's jobs begin and end with its slots: round them, or take green protocol gaia or bounded")
			}
		}
		out = append(out, FixedJob{int(start / minutes), int(length / minutes)})
	}
	return out, t.err
}

// WaitAwhileParams are the settings of the protocol of Let's Wait Awhile,
// scenario II (Middleware 2021).
type WaitAwhileParams struct {
	Series       *Intensity
	Jobs         []FixedJob
	SemiWeekly   bool // deadline: the next Monday or Thursday 09:00, not the next workday
	Interrupting bool
	Error        float64 // of the forecast, as a part of the series' mean
	Seeds        int     // forecasts drawn; 1 when Error is 0
}

// WaitAwhileResult is the saving against running as the paper's baseline does.
type WaitAwhileResult struct {
	Saving   float64 // percent
	Baseline float64 // kg at 1 kW a job
}

// SavedPercent is what was saved of a base, in percent; of nothing it is nothing.
func SavedPercent(spent, base float64) float64 {
	if base == 0 {
		return 0
	}
	return 100 * (1 - spent/base)
}

// WaitAwhile runs the protocol.
func WaitAwhile(p WaitAwhileParams) WaitAwhileResult {
	truth := p.Series.Value
	var mean float64
	for _, v := range truth {
		mean += v / float64(len(truth))
	}
	base := 0.0
	prefix := sched.Prefix(truth)
	for _, j := range p.Jobs {
		at := cheapestStart(prefix, j, min(j.Start+j.Length, len(truth)-1))
		base += sched.Sum(prefix, at, j.Length)
	}
	seeds := p.Seeds
	if p.Error == 0 || seeds < 1 {
		seeds = 1
	}
	spent := 0.0
	for seed := range seeds {
		forecast := truth
		if p.Error > 0 {
			rng := rand.New(rand.NewPCG(uint64(seed), 0x6c7761))
			forecast = make([]float64, len(truth))
			for i, v := range truth {
				forecast[i] = v + float64(normal(rng)*p.Error*mean)
			}
		}
		spent += p.emissions(forecast, prefix) / float64(seeds)
	}
	hours := p.Series.Step.Hours()
	return WaitAwhileResult{Saving: SavedPercent(spent, base), Baseline: base * hours / 1000}
}

// emissions plans every job by the forecast and sums the truth.
func (p *WaitAwhileParams) emissions(forecast, truth []float64) float64 {
	guess := sched.Prefix(forecast)
	spent := 0.0
	for _, j := range p.Jobs {
		last := min(p.deadline(j), len(forecast)-1)
		switch {
		case last-j.Start+1 < j.Length:
			spent += sched.Sum(truth, j.Start, j.Length)
		case !p.Interrupting:
			spent += sched.Sum(truth, cheapestStart(guess, j, last), j.Length)
		default:
			// Every slot not above the length-th smallest value: ties add slots.
			window := forecast[j.Start : last+1]
			slots := sched.WaitAwhile(window, len(window), j.Length)
			limit := window[slots[0]]
			for _, s := range slots {
				limit = max(limit, window[s])
			}
			for i, v := range window {
				if v <= limit {
					spent += sched.Sum(truth, j.Start+i, 1)
				}
			}
		}
	}
	return spent
}

// cheapestStart is the earliest start of the least sum with the whole job in
// the slots up to last, inclusive.
func cheapestStart(prefix []float64, j FixedJob, last int) int {
	best := j.Start
	for s := j.Start; s+j.Length-1 <= last; s++ {
		if sched.Sum(prefix, s, j.Length) < sched.Sum(prefix, best, j.Length) {
			best = s
		}
	}
	return best
}

// deadline returns the slot of the job's deadline, by the clock of the series.
func (p *WaitAwhileParams) deadline(j FixedJob) int {
	finish := p.Series.Clock.Add(time.Duration(j.Start+j.Length) * p.Series.Step)
	at := nextWorkday(finish)
	if p.SemiWeekly {
		at = nextMondayOrThursday(finish)
	}
	return int(at.Sub(p.Series.Clock) / p.Series.Step)
}

func nine(day time.Time) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day(), 9, 0, 0, 0, time.UTC)
}

// nextWorkday keeps a quirk of the published rules: Friday evening gives
// Saturday 09:00.
func nextWorkday(o time.Time) time.Time {
	start, end := nine(o), nine(o).Add(8*time.Hour)
	switch day := o.Weekday(); {
	case day == time.Saturday:
		return start.AddDate(0, 0, 2)
	case day == time.Sunday || o.After(end):
		return start.AddDate(0, 0, 1)
	case o.Before(start):
		return start
	}
	return o
}

func nextMondayOrThursday(o time.Time) time.Time {
	for at := nine(o); ; at = at.AddDate(0, 0, 1) {
		if d := at.Weekday(); (d == time.Monday || d == time.Thursday) && !at.Before(o) {
			return at
		}
	}
}
