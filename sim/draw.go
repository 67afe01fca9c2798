package sim

import (
	"math/rand/v2"
	"time"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/unit"
)

// DrawLoad returns a workload of tasks drawn from w with replacement, arriving
// at exponential gaps over a span of time, so that the accelerator time asked
// for is load times what the fleet has. Durations are the file's; rows without
// one are left out and counted.
func DrawLoad(w *Workload, f *fleet.Fleet, load float64, span time.Duration, seed uint64) (*Workload, error) {
	out := &Workload{Name: w.Name, Path: w.Path, Timed: true, Skipped: map[string]int{}}
	var pool []int32
	var asked float64 // milli-seconds of device time a draw asks on average
	for i := range w.Jobs {
		if w.Jobs[i].Run < 0 {
			out.Skipped["never scheduled"]++
			continue
		}
		pool = append(pool, int32(i))
		asked += deviceMilli(&w.Jobs[i]) * w.Jobs[i].Run.Seconds()
	}
	if len(pool) == 0 || asked == 0 {
		return nil, fault.New(fault.Invalid, w.Path, "has no tasks with times and accelerators to draw from", "use a file with run times")
	}
	asked /= float64(len(pool))
	capacity := float64(f.Devices()) * float64(unit.Whole)
	gap := asked / (load * capacity) // seconds between arrivals
	if n := span.Seconds() / gap; n > maxRows {
		return nil, fault.New(fault.Invalid, "--load", "draws more than 20 million tasks", "ask for fewer days")
	}
	rng := rand.New(rand.NewPCG(seed, 0x6c6f6164))
	at := 0.0
	for {
		at += float64(exponential(rng) * gap)
		if at >= span.Seconds() {
			return out, nil
		}
		a := w.Jobs[pool[rng.IntN(len(pool))]]
		a.Submit = unit.Instant(at * 1e9)
		a.Number = int64(len(out.Jobs) + 1)
		out.Jobs = append(out.Jobs, a)
	}
}

// deviceMilli returns the accelerator capacity a job holds, in thousandths.
func deviceMilli(a *Arrival) float64 {
	sum := 0.0
	for g := range a.Spec.Groups {
		q := &a.Spec.Groups[g].Request
		sum += float64(a.Spec.Groups[g].Count) * float64(q.Accelerators) * float64(q.Share)
	}
	return sum
}
