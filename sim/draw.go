package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// DrawLoad returns a workload of tasks drawn from w with replacement, arriving
// at exponential gaps over a span of time, so that the accelerator time asked
// for is load times what the fleet has. Durations are the file's; rows without
// one are left out and counted. A warm draw begins with what such a load would
// have running by then, if all of it had started at once, each task with an age:
// without it a trace of long tasks takes months to fill a fleet.
func DrawLoad(w *Workload, f *fleet.Fleet, o LoadOptions) (*Workload, error) {
	load, span := o.Load, o.Span
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
	rng := rand.New(rand.NewPCG(o.Seed, 0x6c6f6164))
	if o.Warm {
		out.Jobs = present(w, pool, gap, rng)
		out.Present = len(out.Jobs)
		out.Past = past(w, pool, gap, o.Past, rand.New(rand.NewPCG(o.Seed, 0x70617374)))
	}
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

// present draws the tasks that are under way at the beginning: with arrivals
// every gap seconds, a task of run time S is there with a chance of S over gap
// for each row of the pool, and somewhere in its run, evenly.
func present(w *Workload, pool []int32, gap float64, rng *rand.Rand) []Arrival {
	var total float64
	sums := make([]float64, len(pool))
	for k, i := range pool {
		total += w.Jobs[i].Run.Seconds()
		sums[k] = total
	}
	var out []Arrival
	mean := total / float64(len(pool)) / gap // tasks under way
	for at := exponential(rng); at < mean; at += exponential(rng) {
		k, _ := slices.BinarySearch(sums, float64(rng.Float64()*total))
		a := w.Jobs[pool[min(k, len(pool)-1)]]
		whole := a.Run
		a.Run = time.Duration(float64(whole) * rng.Float64())
		a.Age = whole - a.Run
		a.Number = int64(len(out) + 1)
		out = append(out, a)
		if len(out) >= maxRows {
			break
		}
	}
	for i := range out {
		out[i].Submit = 0
	}
	return out
}

// Past is a task that ended before the beginning.
type Past struct {
	Spec   *job.Spec
	Run    time.Duration
	Ended  unit.Instant // below 0
	Number int64
}

// past draws the tasks that ended lately: as many of each run time as arrive.
func past(w *Workload, pool []int32, gap float64, span time.Duration, rng *rand.Rand) []Past {
	var out []Past
	for at := exponential(rng) * gap; at < span.Seconds() && len(out) < maxRows; at += exponential(rng) * gap {
		a := &w.Jobs[pool[rng.IntN(len(pool))]]
		out = append(out, Past{Spec: a.Spec, Run: a.Run, Ended: -unit.Instant(at * 1e9), Number: int64(len(out) + 1)})
	}
	slices.Reverse(out)
	return out
}

// LoadOptions say what DrawLoad draws.
type LoadOptions struct {
	Load float64 // accelerator time asked for over what there is
	Span time.Duration
	Seed uint64
	Warm bool          // begin with a fleet in use
	Past time.Duration // of a warm draw: how far back to draw what ended before
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
