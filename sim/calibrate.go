package sim

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"tianfu/control"
	"tianfu/job"
	"tianfu/unit"
)

// Calibrator holds estimates of the start to what became of them: in a replay
// in time it stops at intervals, predicts for jobs that wait, and compares when
// the replay is over. What it knows at such a moment is what a live centre would
// know: the records so far, and nothing of true run times or arrivals to come.
type Calibrator struct {
	Draws  int
	Jobs   int          // predicted at one moment, at most
	From   unit.Instant // no estimates before
	Until  unit.Instant // nor after
	Seed   uint64
	timed  *Timed
	times  *RunTimes
	rng    *rand.Rand
	made   []prediction
	Steps  int // bound of one run forward; 0 = the estimator's own
	Moment int // at which jobs waited
	steps  int
	begun  int // estimates whose jobs have started, from the first on
}

type prediction struct {
	at  unit.Instant
	id  job.ID
	est StartEstimate
}

// Calibration is what came of the estimates.
type Calibration struct {
	Moments   int // at which estimates were made
	Estimates int
	Inside    int           // true starts within the interval
	Before    int           // true starts before it
	After     int           // true starts after it
	Open      int           // intervals without a late end
	Width     time.Duration // median, of those with one
	Relative  float64       // median of the width over the true wait, of those with one
	// ByMoment is the part of true starts within the interval at one moment, the
	// mean over the moments: what waits at one moment waits for the same tasks to
	// end, so its estimates hold or miss together.
	ByMoment float64
	Error    time.Duration // median of the absolute error of the middle
	Wait     time.Duration // median of the true remaining wait
	Steps    int           // made by all runs forward
}

// Watch attaches the calibrator to a replay that is about to run.
func (c *Calibrator) Watch(t *Timed) {
	c.timed, c.times = t, NewRunTimes()
	for i := range t.p.Workload.Jobs[:t.p.Workload.Present] {
		c.times.Ages = append(c.times.Ages, t.p.Workload.Jobs[i].Age)
	}
	c.times.remember(t.p.Workload.Past, t.p.Estimate)
	c.rng = rand.New(rand.NewPCG(c.Seed, 0x63616c69))
	t.p.Stop = c.settled
	t.p.Record = func(r *control.Record) { c.times.See(r, t.specOf) }
}

// Sample makes estimates for some of the jobs that wait.
func (c *Calibrator) Sample(at unit.Instant, s *control.State) {
	if at < c.From || at > c.Until {
		return
	}
	ids := s.Unstarted()
	if len(ids) == 0 {
		return
	}
	c.Moment++
	e := NewEstimator(s.Freeze(), at, c.times, c.Seed+uint64(at), 0)
	if c.Steps > 0 {
		e.MaxSteps = c.Steps
	}
	for range c.Draws {
		e.Draw()
	}
	c.steps += e.Steps
	c.rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	for _, id := range ids[:min(len(ids), c.Jobs)] {
		if est, ok := e.Start(id); ok {
			c.made = append(c.made, prediction{at, id, est})
		}
	}
}

// settled says that no more is to be estimated and that all that was has started.
func (c *Calibrator) settled(at unit.Instant) bool {
	if at <= c.Until {
		return false
	}
	for ; c.begun < len(c.made); c.begun++ {
		if c.timed.Results[c.timed.byID[c.made[c.begun].id]].First < 0 {
			return false
		}
	}
	return true
}

// Result compares, after the replay.
func (c *Calibrator) Result() Calibration {
	out := Calibration{Moments: c.Moment, Estimates: len(c.made), Steps: c.steps}
	var widths, errors, waits []time.Duration
	var relative []float64
	within, told := map[unit.Instant]int{}, map[unit.Instant]int{}
	for i := range c.made {
		p := &c.made[i]
		truth := c.timed.Results[c.timed.byID[p.id]].First
		if truth < 0 {
			truth = unit.Never
		}
		told[p.at]++
		switch {
		case truth < p.est.Early:
			out.Before++
		case truth > p.est.Late:
			out.After++
		default:
			out.Inside++
			within[p.at]++
		}
		if p.est.Late == unit.Never {
			out.Open++
		} else {
			width := p.est.Late.Sub(p.est.Early)
			widths = append(widths, width)
			if truth > p.at {
				relative = append(relative, float64(width)/float64(truth.Sub(p.at)))
			}
		}
		if p.est.Middle != unit.Never && truth != unit.Never {
			errors = append(errors, max(truth.Sub(p.est.Middle), p.est.Middle.Sub(truth)))
		}
		waits = append(waits, truth.Sub(p.at))
	}
	out.Width, out.Error, out.Wait, out.Relative = median(widths), median(errors), median(waits), median(relative)
	for _, at := range slices.Sorted(maps.Keys(told)) {
		out.ByMoment += float64(within[at]) / float64(told[at]) / float64(len(told))
	}
	return out
}

func median[T cmp.Ordered](v []T) (m T) {
	if len(v) == 0 {
		return m
	}
	slices.Sort(v)
	return v[(len(v)-1)/2]
}
