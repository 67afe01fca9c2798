package sim

import (
	"cmp"
	"slices"
	"time"

	"tianfu/fault"
)

// tiers are the priorities of the classes of service of the openb trace: LS is
// latency-sensitive, BE best effort, the other two are those of Kubernetes.
var tiers = map[string]int32{"LS": 100, "Guaranteed": 100, "Burstable": 50, "BE": 0}

// Tier gives the jobs of a workload the priority of their class of service.
// Those below the first tier may be suspended and preempted.
func Tier(w *Workload) error {
	for i := range w.Jobs {
		a := &w.Jobs[i]
		p, ok := tiers[a.QoS]
		if !ok {
			return fault.New(fault.Invalid, w.Path, "job "+a.Spec.Name+" has no class of service LS, Guaranteed, Burstable or BE", "leave --tiers out, or use a file with a qos column")
		}
		s := *a.Spec
		s.Priority, s.Suspendable, s.Preemptible = p, p < 100, p < 100
		a.Spec = &s
	}
	return nil
}

// TierResult is how the jobs of one priority fared.
type TierResult struct {
	Priority       int32
	Jobs, Finished int
	MeanWait       time.Duration // until the first start, of those that started
	Stretch        float64       // of those that finished: time from the last start to the end over the run time
}

// Tiers sums up a finished replay by priority, the highest first.
func (t *Timed) Tiers() []TierResult {
	at := map[int32]*TierResult{}
	waited, started, ran := map[int32]float64{}, map[int32]int{}, map[int32]int{} // seconds: the sum of a long line's waits is beyond a duration
	for _, i := range t.order {
		r, a := &t.Results[i], &t.p.Workload.Jobs[i]
		p := a.Spec.Priority
		x := at[p]
		if x == nil {
			x = &TierResult{Priority: p}
			at[p] = x
		}
		x.Jobs++
		if r.First >= 0 {
			waited[p] += r.First.Sub(r.Submit).Seconds()
			started[p]++
		}
		if r.Done {
			if x.Finished++; a.Run > 0 {
				x.Stretch += r.End.Sub(r.Start).Seconds() / a.Run.Seconds()
				ran[p]++
			}
		}
	}
	var out []TierResult
	for p, x := range at {
		x.MeanWait, x.Stretch = time.Duration(waited[p]/float64(max(started[p], 1))*float64(time.Second)), x.Stretch/float64(max(ran[p], 1))
		out = append(out, *x)
	}
	slices.SortFunc(out, func(a, b TierResult) int { return cmp.Compare(b.Priority, a.Priority) })
	return out
}
