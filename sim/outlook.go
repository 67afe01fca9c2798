package sim

import (
	"cmp"
	"slices"
	"time"

	"tianfu/control"
	"tianfu/job"
	"tianfu/unit"
)

// Outlook draws run times, as a centre's past and present tell of them at one
// instant. Ended attempts alone would mislead - the long ones have not ended
// yet - so those that run count as well, for as long as they have: the survival
// curve is the product-limit estimate of Kaplan and Meier, with late entry for
// attempts that began before what is remembered.
//
// Where an expected run time was given, the curve is of the ratio of the true
// to the expected time: of attempts of the same tenant that asked as much and whose
// expected time was of the same magnitude (a factor of two), else whatever they
// asked, else of the whole centre at that magnitude, else of the tenant, else of the
// centre, wherever twenty have ended. Every one of these curves also holds the
// prior: ten attempts whose users overstated by 1, 2, 3, 4 or 5. What outlives all that is known is taken to
// last as long as was expected. Where nothing was expected, the curve is of the
// run time, of work of the same tenant that asked as much, else of the tenant,
// else of the centre; the prior there is four attempts of 1 minute, 10 minutes,
// 1 hour and 8 hours. What outlives all that is known goes on for as long again
// as it has run, half of the time, and at most ten times.
type Outlook struct {
	since  unit.Instant // what ended before is not known
	now    unit.Instant
	ratios kinds[ratioKey]
	runs   kinds[runKey]
}

// kinds are attempts by kind, and the curves made of them so far.
type kinds[K comparable] struct {
	ended   map[K]*attempts
	running map[K][]lifetime
	curves  map[K]*curve
	prior   []float64
}

// NewOutlook looks at a state with what was learned.
func NewOutlook(times *RunTimes, s *control.State, now unit.Instant) *Outlook {
	o := &Outlook{since: min(times.since, now), now: now,
		ratios: kinds[ratioKey]{times.ratios, map[ratioKey][]lifetime{}, map[ratioKey]*curve{}, priorRatios},
		runs:   kinds[runKey]{times.runs, map[runKey][]lifetime{}, map[runKey]*curve{}, priorRuns}}
	c := s.Capacity()
	for n := range int32(c.Nodes()) {
		for _, a := range c.Running(n) {
			start := a.Start.Add(-times.age(a.Job))
			j, _ := s.Summary(a.Job)
			for _, k := range runKeys(j.Spec.Tenant, j.Spec.Request(a.Task)) {
				o.runs.running[k] = append(o.runs.running[k], lifetime{start, unit.Never, time.Second})
			}
			if a.End == unit.Never || a.End <= a.Start {
				continue
			}
			expected := a.End.Sub(start)
			for _, k := range ratioKeys(j.Spec.Tenant, j.Spec.Request(a.Task), expected) {
				o.ratios.running[k] = append(o.ratios.running[k], lifetime{start, unit.Never, expected})
			}
		}
	}
	return o
}

var (
	priorRatios = []float64{1, 1. / 2, 1. / 3, 1. / 4, 1. / 5, 1, 1. / 2, 1. / 3, 1. / 4, 1. / 5}
	priorRuns   = []float64{60, 600, 3600, 8 * 3600} // seconds
)

// Draw returns a run time: u, from 0 to below 1, says how far up in what is
// possible for work that has run for elapsed already.
func (o *Outlook) Draw(spec *job.Spec, expected, elapsed time.Duration, u float64) time.Duration {
	if expected <= 0 {
		keys := runKeys(spec.Tenant, &spec.Groups[0].Request)
		c := curveOf(o, &o.runs, keys[:])
		e := elapsed.Seconds()
		v, known := c.beyond(e, u)
		if !known {
			v = max(e, c.last()) * min(1/(1-u), 10)
		}
		return max(time.Duration(v*float64(time.Second)), elapsed+1)
	}
	keys := ratioKeys(spec.Tenant, &spec.Groups[0].Request, expected)
	c := curveOf(o, &o.ratios, keys[:])
	e := float64(elapsed) / float64(expected)
	v, known := c.beyond(e, u)
	switch {
	case known:
	case e < 1:
		v = 1
	default:
		v = e * min(1/(1-u), 10)
	}
	return max(time.Duration(float64(expected)*v), elapsed+1)
}

// curveOf returns the curve of the narrowest kind that has enough ended
// attempts; the last serves in any case.
func curveOf[K comparable](o *Outlook, of *kinds[K], keys []K) *curve {
	for i, k := range keys {
		a := of.ended[k]
		if i < len(keys)-1 && (a == nil || len(a.ring) < enough) {
			continue
		}
		c := of.curves[k]
		if c == nil {
			if a == nil {
				a = &attempts{}
			}
			c = o.newCurve(a, of.running[k], of.prior)
			of.curves[k] = c
		}
		return c
	}
	return nil
}

// curve is a survival curve: left[i] of all outlive at[i].
type curve struct{ at, left []float64 }

// newCurve works out the product-limit estimate.
func (o *Outlook) newCurve(ended *attempts, running []lifetime, prior []float64) *curve {
	since := o.since
	if len(ended.ring) == keptAttempts {
		since = ended.ring[ended.next].end // what ended before is forgotten
	}
	type change struct {
		at      float64
		entered int
		ended   int
		left    int // the watch on it ends, whether it ended or not
	}
	var changes []change
	watch := func(l lifetime, until unit.Instant, over int) {
		entry := max(float64(since-l.start), 0) / float64(l.scale)
		exit := float64(until-l.start) / float64(l.scale)
		if exit > entry {
			changes = append(changes, change{at: entry, entered: 1}, change{at: exit, ended: over, left: 1})
		}
	}
	for _, l := range ended.ring {
		watch(l, l.end, 1)
	}
	for _, l := range running {
		watch(l, o.now, 0)
	}
	for _, v := range prior {
		changes = append(changes, change{at: 0, entered: 1}, change{at: v, ended: 1, left: 1})
	}
	slices.SortFunc(changes, func(a, b change) int { return cmp.Compare(a.at, b.at) })
	c, alive, watched := &curve{}, 1.0, 0
	for i := 0; i < len(changes); {
		at, over, gone, come := changes[i].at, 0, 0, 0
		for ; i < len(changes) && changes[i].at == at; i++ {
			over, gone, come = over+changes[i].ended, gone+changes[i].left, come+changes[i].entered
		}
		if over > 0 {
			alive *= 1 - float64(over)/float64(watched)
			c.at, c.left = append(c.at, at), append(c.left, alive)
		}
		watched += come - gone
	}
	return c
}

func (c *curve) last() float64 { return c.at[len(c.at)-1] }

// beyond returns the value at u of those that outlive least; false when that
// lies beyond what is known.
func (c *curve) beyond(least, u float64) (float64, bool) {
	from, _ := slices.BinarySearchFunc(c.at, least, func(at, least float64) int {
		if at <= least {
			return -1
		}
		return 1
	})
	alive := 1.0
	if from > 0 {
		alive = c.left[from-1]
	}
	want := alive * (1 - u)
	k, _ := slices.BinarySearchFunc(c.left[from:], want, func(left, want float64) int {
		if left >= want+1e-12 {
			return -1
		}
		return 1
	})
	if k += from; k < len(c.at) && alive > 0 {
		return c.at[k], true
	}
	return 0, false
}
