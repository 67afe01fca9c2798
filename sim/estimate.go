package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"tianfu/control"
	"tianfu/job"
	"tianfu/unit"
)

// Draws of an estimate: nine are the fewest whose extremes hold 80 % of what is
// drawn alike, and with 19 the ends of the interval are less a matter of luck.
const (
	LeastDraws = 9
	FullDraws  = 19
)

// Bounds of one run forward.
const (
	EstimateHorizon = 30 * 24 * time.Hour
	maxForwardSteps = 400_000
	maxForwardJobs  = 100_000 // that arrive in it: each takes up to a kilobyte until it ends
	drawGrain       = 100     // see Forward.Grain
)

// Estimator says when the jobs that wait will start. It runs the centre forward
// several times, each with run times drawn from what past work tells and with
// submissions like the recent ones still to come, and reads the start of every
// waiting job off each run. One run serves all jobs.
type Estimator struct {
	frozen  *control.Frozen
	now     unit.Instant
	times   *RunTimes
	outlook *Outlook
	recent  *Recent
	row     map[job.ID]int32 // of the jobs that wait
	starts  [][]unit.Instant // by row: the start in every draw; Never = not within it
	Draws   int
	Steps   int // made in all draws
	Jobs    int // the most that there were at the end of a draw
	// MaxSteps bounds one draw, and so does Stop, if any, when it says so: what has
	// not started by then counts as later than anything.
	MaxSteps int
	Stop     func() bool

	seed    uint64
	learned int    // ended attempts behind the run times
	until   job.ID // a draw may end when this one has started; 0 = when all have
}

// StartEstimate is when a job is expected to start: with a chance of one half by the
// middle, and with 80 % between the early and the late instant. Never is later
// than anything that was looked at.
type StartEstimate struct {
	Early, Middle, Late unit.Instant
	Draws               int
	Learned             int // ended attempts that the run times were learned from
}

// NewEstimator prepares estimates for what waits in a frozen state. until, if
// any, is the only job that matters.
func NewEstimator(f *control.Frozen, now unit.Instant, times *RunTimes, seed uint64, until job.ID) *Estimator {
	e := &Estimator{frozen: f, now: max(now, f.Now()), times: times, outlook: NewOutlook(times, f.State(), max(now, f.Now())), recent: RecentOf(f.State(), now, job.ID(len(times.Ages))), row: map[job.ID]int32{}, learned: times.Seen, seed: seed, until: until, MaxSteps: maxForwardSteps}
	for i, id := range f.State().Unstarted() {
		e.row[id] = int32(i)
	}
	e.starts = make([][]unit.Instant, len(e.row))
	return e
}

// Draw makes one more run forward.
func (e *Estimator) Draw() {
	e.Draws++
	seed := e.seed + uint64(e.Draws)*0x9e3779b97f4a7c15
	left := len(e.row)
	seen := make([]unit.Instant, len(e.row))
	f := NewForward(e.frozen.Fork(), e.now, func(id job.ID, spec *job.Spec, expected, elapsed time.Duration) time.Duration {
		age := e.times.age(id)
		if expected > 0 {
			expected += age
		}
		return e.outlook.Draw(spec, expected, elapsed+age, fraction(seed, uint64(id))) - age
	})
	f.Grain = drawGrain
	f.Arrivals = e.recent.Arrivals(e.now, rand.New(rand.NewPCG(seed, 0x61727269)))
	f.Started = func(id job.ID, at unit.Instant) {
		if k, waits := e.row[id]; waits && seen[k] == 0 {
			seen[k] = max(at, 1)
			left--
			if id == e.until {
				left = 0
			}
		}
	}
	horizon := e.now.Add(EstimateHorizon)
	f.Step([]control.Input{{Kind: control.Tick}})
	most := f.State.Jobs() + maxForwardJobs
	for left > 0 && f.Steps < e.MaxSteps && f.State.Jobs() < most && f.Next(horizon) {
		if e.Stop != nil && e.Stop() {
			break
		}
	}
	e.Steps += f.Steps
	e.Jobs = max(e.Jobs, f.State.Jobs())
	for k, at := range seen {
		if at == 0 {
			at = unit.Never
		}
		e.starts[k] = append(e.starts[k], at)
	}
}

// Close lets go of what only draws need, a copy of the centre's state among it.
func (e *Estimator) Close() { e.frozen, e.times, e.outlook, e.recent = nil, nil, nil, nil }

// Start returns the estimate for a job; false when it did not wait.
func (e *Estimator) Start(id job.ID) (StartEstimate, bool) {
	k, waits := e.row[id]
	if !waits || e.Draws == 0 {
		return StartEstimate{}, false
	}
	s := slices.Clone(e.starts[k])
	slices.Sort(s)
	n := len(s)
	// With n draws alike, the next one falls below the k-th with a chance of
	// k/(n+1): the tenth of the ranks from each end leave four fifths between.
	low := max((n+1)/10, 1)
	early, late := s[low-1], s[n-low]
	// Joined steps err alike in every run: between the runs that does not show.
	if early != unit.Never {
		early -= (early - e.now) / drawGrain
	}
	if late != unit.Never {
		late += (late - e.now) / drawGrain
	}
	return StartEstimate{Early: early, Middle: s[n/2], Late: late, Draws: n, Learned: e.learned}, true
}

// fraction maps a seed and a number to [0, 1): SplitMix64. Draws of one job do
// not depend on the order in which jobs come up.
func fraction(seed, n uint64) float64 {
	z := seed + n*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return float64((z^z>>31)>>11) / (1 << 53)
}
