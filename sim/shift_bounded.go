package sim

import (
	"math"
	"slices"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/sched"
)

// The bounded cluster: five-minute slots, a bound on CPUs, deadlines by length,
// jobs known from their arrival.
const (
	boundedSlot = 300.0 // seconds
	boundedHour = 12    // slots
	boundedDay  = 24 * boundedHour
)

// BoundedResult is what a policy did on the bounded cluster.
type BoundedResult struct {
	Policy string  `json:"policy"`
	KG     float64 `json:"kg"` // at 1 W a CPU
	Late   int     `json:"late_jobs"`
	Peak   int     `json:"peak_cpus"`
}

// Bounded is a workload ready for the bounded cluster.
type Bounded struct {
	jobs   []boundedJob
	series []float64 // hourly intensity, g/kWh
	first  int       // of the window
	hourly []float64 // the series from there on
	cpus   int       // 0 = no bound
	order  []int     // jobs by arrival
}

type boundedJob struct{ arrival, length, cpus, deadline int }

// NewBounded prepares jobs against a series whose first at values lie before
// the window. cpus bounds the cluster; 0 is no bound.
func NewBounded(jobs []ShiftJob, series []float64, at, cpus int) (*Bounded, error) {
	b := &Bounded{series: series, first: at, hourly: series[at:], cpus: cpus}
	for i := range jobs {
		if jobs[i].Length == 0 {
			continue // it has ended as it came
		}
		j := boundedJob{arrival: int(math.Ceil(jobs[i].Arrival / boundedSlot)), length: int(math.Ceil(jobs[i].Length / boundedSlot)), cpus: jobs[i].CPUs}
		slack := 48 * boundedHour
		switch {
		case jobs[i].Length <= 2*3600:
			slack = 6 * boundedHour
		case jobs[i].Length <= 12*3600:
			slack = boundedDay
		}
		j.deadline = j.arrival + j.length + slack
		if cpus > 0 && j.cpus > cpus {
			return nil, fault.New(fault.Invalid, "--cpus", "is less than the widest job asks for", "give at least as many")
		}
		if j.deadline > len(b.hourly)*boundedHour {
			return nil, fault.New(fault.Invalid, "--ci", "ends before the last deadline", "give a longer series or an earlier --start")
		}
		b.order = append(b.order, len(b.jobs))
		b.jobs = append(b.jobs, j)
	}
	slices.SortStableFunc(b.order, func(x, y int) int { return b.jobs[x].arrival - b.jobs[y].arrival })
	return b, nil
}

func (b *Bounded) slots() int { return len(b.hourly) * boundedHour }

// book is the running total of a replay.
type book struct {
	b    *Bounded
	left []int
	used map[int]int // CPUs by slot
	sum  float64     // of g/kWh times CPUs over slots
	late int
}

func (b *Bounded) book() *book {
	k := &book{b: b, left: make([]int, len(b.jobs)), used: map[int]int{}}
	for i := range b.jobs {
		k.left[i] = b.jobs[i].length
	}
	return k
}

// run notes that a job runs in a slot.
func (k *book) run(i, t int) {
	j := &k.b.jobs[i]
	k.used[t] += j.cpus
	k.sum += k.b.hourly[t/boundedHour] * float64(j.cpus)
	if k.left[i]--; k.left[i] == 0 && t+1 > j.deadline {
		k.late++
	}
}

// room tells whether a job still fits into a slot.
func (k *book) room(i, t int) bool { return k.b.cpus == 0 || k.used[t]+k.b.jobs[i].cpus <= k.b.cpus }

func (k *book) result(policy string) BoundedResult {
	r := BoundedResult{Policy: policy, KG: k.sum / boundedHour / 1e6, Late: k.late}
	for i := range k.left {
		if k.left[i] > 0 {
			r.Late++
		}
	}
	for _, n := range k.used {
		r.Peak = max(r.Peak, n)
	}
	return r
}

// FCFS runs jobs in order of arrival, without a pause; nothing passes a job
// that does not fit.
func (b *Bounded) FCFS() BoundedResult {
	k := b.book()
	var running []int
	next := 0
	for t := 0; t < b.slots() && (next < len(b.order) || len(running) > 0); t++ {
		running = slices.DeleteFunc(running, func(i int) bool { return k.left[i] == 0 })
		for _, i := range running {
			k.run(i, t)
		}
		for next < len(b.order) && b.jobs[b.order[next]].arrival <= t && k.room(b.order[next], t) {
			k.run(b.order[next], t)
			running = append(running, b.order[next])
			next++
		}
	}
	return k.result("fcfs")
}

// Threshold pauses jobs while the intensity is above the 30th percentile of the
// day ahead, as long as their slack lasts.
func (b *Bounded) Threshold() BoundedResult {
	k := b.book()
	spent := make([]int, len(b.jobs))
	open := len(b.jobs)
	buffer := make([]float64, 0, boundedDay)
	for t := 0; t < b.slots() && open > 0; t++ {
		buffer = buffer[:0]
		for s := t; s < min(t+boundedDay, b.slots()); s++ {
			buffer = append(buffer, b.hourly[s/boundedHour])
		}
		clean := b.hourly[t/boundedHour] < sched.Percentile(buffer, sched.ThresholdPart)
		for _, i := range b.order {
			j := &b.jobs[i]
			if j.arrival > t {
				break
			}
			slack := j.deadline - j.arrival - j.length
			switch {
			case k.left[i] == 0:
			case (clean || spent[i] >= slack) && k.room(i, t):
				if k.run(i, t); k.left[i] == 0 {
					open--
				}
			default:
				spent[i]++
			}
		}
	}
	return k.result("threshold")
}

// Oracle knows all jobs and intensities: CarbonFlex, algorithm 1 at fixed
// scale.
func (b *Bounded) Oracle() BoundedResult {
	k := b.book()
	type pair struct{ job, slot int }
	var pairs []pair
	for i := range b.jobs {
		for t := b.jobs[i].arrival; t < b.jobs[i].deadline; t++ {
			pairs = append(pairs, pair{i, t})
		}
	}
	slices.SortFunc(pairs, func(x, y pair) int {
		a, c := b.hourly[x.slot/boundedHour], b.hourly[y.slot/boundedHour]
		switch {
		case a < c:
			return -1
		case a > c:
			return 1
		case b.jobs[x.job].deadline != b.jobs[y.job].deadline:
			return b.jobs[x.job].deadline - b.jobs[y.job].deadline
		case x.job != y.job:
			return x.job - y.job
		}
		return x.slot - y.slot
	})
	for _, p := range pairs {
		if k.left[p.job] > 0 && k.room(p.job, p.slot) {
			k.run(p.job, p.slot)
		}
	}
	// A job whose slots were taken out of order has still ended in time.
	k.late = 0
	return k.result("oracle")
}

// Planned runs our planner: what has arrived is planned again at every arrival
// and every hour, with the forecast of that hour, and the plan's present slot is
// carried out.
//
// The forecast of persistence is taken with what the planner remembers of it,
// and of the swings of every forecast that can err only a part is believed.
func (b *Bounded) Planned(forecast string) (BoundedResult, error) {
	f, err := energy.PlannedOn(forecast, b.first)
	if err != nil {
		return BoundedResult{}, err
	}

	k := b.book()
	var planner sched.Planner
	var active []int
	var plan [][]int // of the active jobs
	next, open := 0, len(b.jobs)
	for t := 0; t < b.slots() && open > 0; t++ {
		fresh := t%boundedHour == 0
		for ; next < len(b.order) && b.jobs[b.order[next]].arrival <= t; next++ {
			active, fresh = append(active, b.order[next]), true
		}
		if len(active) == 0 {
			continue
		}
		if fresh {
			plan = b.plan(&planner, k, active, t, f)
		}
		kept := active[:0]
		var rest [][]int
		for n, i := range active {
			if len(plan[n]) > 0 && plan[n][0] == t {
				plan[n] = plan[n][1:]
				k.run(i, t)
			}
			if k.left[i] > 0 {
				kept, rest = append(kept, i), append(rest, plan[n])
			} else {
				open--
			}
		}
		active, plan = kept, rest
	}
	return k.result("tianfu"), nil
}

func (b *Bounded) plan(p *sched.Planner, k *book, active []int, t int, f energy.Forecaster) [][]int {
	jobs := make([]sched.Deferrable, len(active))
	end := t + 1
	for n, i := range active {
		j := &b.jobs[i]
		jobs[n] = sched.Deferrable{ID: i, CPUs: j.cpus, Left: k.left[i], Deadline: max(j.deadline, t+k.left[i])}
		end = max(end, jobs[n].Deadline)
	}
	hour := t / boundedHour
	ahead := f(b.series, b.first+hour, (end-1)/boundedHour-hour+1)
	ci := make([]float64, end-t)
	for s := range ci {
		ci[s] = ahead[(t+s)/boundedHour-hour]
	}
	return p.Plan(jobs, t, ci, b.cpus).Runs
}
