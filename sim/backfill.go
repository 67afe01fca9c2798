package sim

import (
	"math"
	"slices"
	"time"

	"tianfu/control"
	"tianfu/sched"
	"tianfu/unit"
)

// BackfillParams are what the queueing protocol needs.
type BackfillParams struct {
	Workload   *Workload
	Processors int
	Scale      float64 // every submit time is divided by it
	Estimate   Estimate
	Backfill   sched.Backfill
	Draw       bool // keep what a report draws
}

// BackfillResult holds the figures of the queueing protocol.
type BackfillResult struct {
	Jobs                int
	MeanWait            float64 // seconds
	P50, P90, Max       int64   // wait, seconds
	MeanBoundedSlowdown float64
	Utilisation         float64 // percent
	Makespan            int64   // seconds

	Run *TimedRun // what a report draws; nil without Draw
}

// Backfill replays a log on one pool of processors: at one instant all ends,
// then all arrivals, then one scheduling pass, by way of control.Step.
func Backfill(p BackfillParams) (*BackfillResult, error) {
	w := *p.Workload
	w.Jobs = slices.Clone(p.Workload.Jobs)
	for i := range w.Jobs {
		s := float64(w.Jobs[i].Submit.Seconds()) / p.Scale
		w.Jobs[i].Submit = unit.At(int64(math.RoundToEven(s)))
	}
	params := TimedParams{
		Fleet: Pool(p.Processors), Workload: &w, Policy: "firstfit",
		Rules: sched.Rules{Backfill: p.Backfill}, Estimate: p.Estimate,
	}
	var t *Timed
	if p.Draw {
		params.History, params.Every = NewHistory(params.Fleet, &w), w.Span()/400
		params.Sample = func(at unit.Instant, s *control.State) { params.History.Sample(at, t, Observe(at, s, t)) }
	}
	t, err := NewTimed(params)
	if err != nil {
		return nil, err
	}
	t.Run()
	r := t.queueing(p.Processors)
	if p.Draw {
		r.Run = &TimedRun{Policy: ruleNames[p.Backfill], Timed: t, History: params.History, Power: "none"}
	}
	return r, nil
}

// ruleNames name the rules of the queue as a report does.
var ruleNames = [...]string{sched.Easy: "EASY backfill", sched.Strict: "no backfill"}

// slowdownFloor is the run time below which slowdown is not magnified.
const slowdownFloor = 10 * time.Second

func (t *Timed) queueing(processors int) *BackfillResult {
	r := &BackfillResult{Jobs: len(t.order)}
	waits := make([]int64, 0, len(t.order))
	var slow, sum, work float64
	first, last := unit.Never, unit.Instant(0)
	for _, i := range t.order {
		res, a := &t.Results[i], &t.p.Workload.Jobs[i]
		wait := res.First.Sub(res.Submit)
		waits = append(waits, int64(wait/time.Second))
		sum += wait.Seconds()
		slow += max(1, (wait+a.Run).Seconds()/max(a.Run, slowdownFloor).Seconds())
		work += float64(a.Spec.Groups[0].Request.CPU) / 1000 * a.Run.Seconds()
		first, last = min(first, res.Submit), max(last, res.End)
	}
	slices.Sort(waits)
	n := len(waits)
	r.MeanWait, r.MeanBoundedSlowdown = sum/float64(n), slow/float64(n)
	r.P50, r.P90, r.Max = waits[(n-1)*50/100], waits[(n-1)*90/100], waits[n-1]
	r.Makespan = int64(last.Sub(first) / time.Second)
	r.Utilisation = 100 * work / (float64(processors) * float64(r.Makespan))
	return r
}
