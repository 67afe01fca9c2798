package sim

import (
	"slices"

	"tianfu/fault"
	"tianfu/sched"
)

// The protocol of GAIA (ASPLOS 2024), figures 8 and 11: steps of five seconds,
// short jobs up to two hours may wait six, long ones a day.
const (
	gaiaStep      = 5.0 // seconds
	gaiaHour      = 720 // steps
	gaiaShort     = 2 * gaiaHour
	gaiaWaitShort = 6 * gaiaHour
	gaiaWaitLong  = 24 * gaiaHour
	onDemandHour  = 0.0624 // dollars a CPU-hour
	reservedPart  = 0.4    // of that, for a reserved CPU
)

// ShiftResult is what a policy did to a workload.
type ShiftResult struct {
	Policy     string  `json:"policy"`
	Normalised float64 `json:"normalised_carbon"`
	Total      float64 `json:"total"`               // grams at 1 W a CPU
	Wait       float64 `json:"mean_wait_h"`         // over contiguous runs: start of the run minus arrival
	JobWait    float64 `json:"mean_wait_per_job_h"` // end minus arrival minus length
	Dollars    float64 `json:"dollars,omitempty"`
}

// Gaia is a workload ready for the protocol.
type Gaia struct {
	jobs     []gaiaJob
	ci       []float64 // grams for each step at 1 W
	prefix   []float64
	estimate [2]int // mean length of short and long jobs, steps
}

type gaiaJob struct{ arrival, length, cpus, class int }

func (j *gaiaJob) limit() int { return [2]int{gaiaWaitShort, gaiaWaitLong}[j.class] }

// NewGaia prepares jobs against hourly intensities in g/kWh.
func NewGaia(jobs []ShiftJob, hourly []float64) (*Gaia, error) {
	g := &Gaia{ci: make([]float64, len(hourly)*gaiaHour)}
	for i := range g.ci {
		g.ci[i] = hourly[i/gaiaHour] / 1000 / gaiaHour
	}
	g.prefix = sched.Prefix(g.ci)
	var sums, counts [2]int
	for i := range jobs {
		j := gaiaJob{arrival: int(jobs[i].Arrival / gaiaStep), length: int(jobs[i].Length / gaiaStep), cpus: jobs[i].CPUs}
		if j.length >= gaiaShort {
			j.class = 1
		}
		if j.arrival+j.limit()+j.length > len(g.ci) {
			return nil, fault.New(fault.Invalid, "--ci", "ends before the last job could", "give a longer series or an earlier --start")
		}
		sums[j.class] += j.length
		counts[j.class]++
		g.jobs = append(g.jobs, j)
	}
	for c := range sums {
		g.estimate[c] = sums[c] / max(counts[c], 1)
	}
	return g, nil
}

// GaiaPolicies are the policies of figure 8, in its order.
var GaiaPolicies = []string{"no-wait", "lowest-slot", "lowest-window", "carbon-time", "threshold", "wait-awhile"}

// Run replays the workload under every policy.
func (g *Gaia) Run() []ShiftResult {
	var out []ShiftResult
	for _, policy := range GaiaPolicies {
		r := ShiftResult{Policy: policy}
		runs := 0
		for i := range g.jobs {
			j := &g.jobs[i]
			carbon, segments, waits, end := g.one(policy, j)
			r.Total += carbon * float64(j.cpus)
			runs += segments
			r.Wait += waits
			r.JobWait += float64(end-j.length) / gaiaHour / float64(len(g.jobs))
		}
		r.Wait /= float64(max(runs, 1))
		r.Normalised = r.Total
		if len(out) > 0 {
			r.Normalised = partOf(r.Total, out[0].Total)
		}
		out = append(out, r)
	}
	out[0].Normalised = 1
	return out
}

// partOf is what a total is of the baseline's; where that is nothing, all are.
func partOf(total, base float64) float64 {
	if base == 0 {
		return 1
	}
	return total / base
}

// one runs a job and returns its carbon for one CPU, its contiguous runs, the
// hours waited before each in sum, and when it ended, in steps from arrival.
func (g *Gaia) one(policy string, j *gaiaJob) (carbon float64, runs int, waits float64, end int) {
	limit := j.limit()
	ahead := g.ci[j.arrival:]
	whole := func(at int) (float64, int, float64, int) {
		return sched.Sum(g.prefix, j.arrival+at, j.length), 1, float64(at) / gaiaHour, at + j.length
	}
	switch policy {
	case "no-wait":
		return whole(0)
	case "lowest-slot":
		return whole(sched.LowestSlot(ahead, limit))
	case "lowest-window":
		return whole(sched.LowestWindow(g.prefix, j.arrival, g.estimate[j.class], limit, gaiaHour))
	case "carbon-time":
		return whole(sched.CarbonTime(g.prefix, j.arrival, g.estimate[j.class], limit, gaiaHour))
	}
	var slots []int
	if policy == "threshold" {
		day := slices.Clone(ahead[:min(len(ahead), gaiaWaitLong)])
		slots = sched.Threshold(ahead, sched.Percentile(day, sched.ThresholdPart), j.length, limit)
	} else {
		slots = sched.WaitAwhile(ahead, limit+j.length, j.length)
	}
	for k, s := range slots {
		carbon += ahead[s]
		if k == 0 || s != slots[k-1]+1 {
			runs++
			waits += float64(s) / gaiaHour
		}
	}
	if len(slots) > 0 {
		end = slots[len(slots)-1] + 1
	}
	return carbon, runs, waits, end
}

// Reserved replays carbon-time with r reserved CPUs that serve first: a job
// starts as soon as all its CPUs are free among them, else at its chosen time,
// there if they are free and wholly on demand if not. CPUs that come free in a
// step serve from the next one on.
func (g *Gaia) Reserved(r int) ShiftResult {
	order := make([]int, len(g.jobs))
	chosen := make([]int, len(g.jobs))
	for i := range g.jobs {
		order[i] = i
		j := &g.jobs[i]
		chosen[i] = j.arrival + sched.CarbonTime(g.prefix, j.arrival, g.estimate[j.class], j.limit(), gaiaHour)
	}
	slices.SortStableFunc(order, func(a, b int) int { return g.jobs[a].arrival - g.jobs[b].arrival })
	out := ShiftResult{Policy: "res-first-carbon-time"}
	unshifted := 0.0                  // grams, were none to wait
	freed := make([]int, len(g.ci)+1) // CPUs, by step
	waiting := gaiaQueue{jobs: g.jobs}
	free, last := r, 0
	for at := 0; len(order) > 0 || len(waiting.line) > 0; at++ {
		for ; len(order) > 0 && g.jobs[order[0]].arrival <= at; order = order[1:] {
			j := &g.jobs[order[0]]
			unshifted += sched.Sum(g.prefix, j.arrival, j.length) * float64(j.cpus)
			waiting.put(order[0])
		}
		kept := gaiaQueue{jobs: g.jobs, line: make([]int, 0, len(waiting.line))}
		for len(waiting.line) > 0 {
			i := waiting.take()
			j := &g.jobs[i]
			switch {
			case j.cpus <= free:
				free -= j.cpus
				freed[at+j.length] += j.cpus
			case chosen[i] <= at:
				out.Dollars += float64(j.cpus) * float64(j.length) / gaiaHour * onDemandHour
			default:
				kept.put(i)
				continue
			}
			out.Total += sched.Sum(g.prefix, at, j.length) * float64(j.cpus)
			out.Wait += float64(at-j.arrival) / gaiaHour / float64(len(g.jobs))
			last = at
		}
		waiting = kept
		free += freed[at]
	}
	out.Dollars += float64(r) * reservedPart * onDemandHour * float64(last) / gaiaHour
	out.JobWait = out.Wait
	out.Normalised = partOf(out.Total, unshifted)
	return out
}

// gaiaQueue is the line of the protocol's waiting jobs, by arrival. The released code
// keeps it in Python's heap, which it empties and fills anew every step, so those that
// arrived in one step change places as this heap has it. Who of them is served first
// is worth up to 2 % of the dollars, so the heap is that one to the last comparison,
// which container/heap is not.
type gaiaQueue struct {
	jobs []gaiaJob
	line []int
}

func (q *gaiaQueue) before(a, b int) bool { return q.jobs[a].arrival < q.jobs[b].arrival }

func (q *gaiaQueue) put(i int) {
	q.line = append(q.line, i)
	q.rise(len(q.line) - 1)
}

// rise moves what stands at a place up to where no later one stands above it.
func (q *gaiaQueue) rise(at int) {
	i := q.line[at]
	for at > 0 && q.before(i, q.line[(at-1)/2]) {
		q.line[at] = q.line[(at-1)/2]
		at = (at - 1) / 2
	}
	q.line[at] = i
}

// take removes the first: the last one takes its place, sinks to the bottom past the
// earlier of two, of equals the second, and rises from there.
func (q *gaiaQueue) take() int {
	first, n := q.line[0], len(q.line)-1
	i, at := q.line[n], 0
	q.line = q.line[:n]
	if n == 0 {
		return first
	}
	for child := 1; child < n; child = 2*at + 1 {
		if child+1 < n && !q.before(q.line[child], q.line[child+1]) {
			child++
		}
		q.line[at] = q.line[child]
		at = child
	}
	q.line[at] = i
	q.rise(at)
	return first
}
