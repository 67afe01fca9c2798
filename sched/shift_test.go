package sched_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"tianfu/sched"
)

// TestShiftByEye holds the policies to sums one can do in one's head.
func TestShiftByEye(t *testing.T) {
	ci := []float64{5, 4, 1, 1, 9, 2, 2, 2}
	p := sched.Prefix(ci)
	if got := sched.LowestSlot(ci, 7); got != 2 {
		t.Errorf("lowest slot %d, want 2: the earlier of equals", got)
	}
	if got := sched.LowestSlot(ci, 1); got != 1 {
		t.Errorf("lowest slot within one step %d, want 1", got)
	}
	if got := sched.LowestWindow(p, 0, 3, 5, 1); got != 1 {
		t.Errorf("lowest window of three at %d, want 1: 4+1+1 = 6 like 2+2+2, and earlier", got)
	}
	// Saved for each step: 3 of 2+1 steps, 8 of 2+2, and nothing better later.
	if got := sched.CarbonTime(p, 0, 2, 5, 1); got != 2 {
		t.Errorf("carbon-time %d, want 2", got)
	}
	if got := sched.WaitAwhile(ci, 8, 3); got[0] != 2 || got[1] != 3 || got[2] != 5 {
		t.Errorf("three cheapest %v, want 2, 3, 5", got)
	}
	if got := sched.Threshold(ci, 2, 3, 100); len(got) != 2 {
		t.Errorf("below 2 there are %v", got)
	}
	if got := sched.Threshold(ci, 2, 3, 1); got[0] != 1 || got[2] != 3 {
		t.Errorf("after one step of waiting: %v", got)
	}
	if got := sched.Percentile([]float64{4, 1, 3, 2}, 0.5); got != 2.5 {
		t.Errorf("median %g", got)
	}
}

// TestPlanKeepsItsPromises plans random jobs: room is never exceeded, nobody
// runs twice in a slot, before now or after the deadline, and each runs as long
// as it needs unless it is named late.
func TestPlanKeepsItsPromises(t *testing.T) {
	var p sched.Planner
	for seed := range uint64(500) {
		rng := rand.New(rand.NewPCG(seed, 9))
		room, now := 4+rng.IntN(20), rng.IntN(100)
		ci := make([]float64, 40+rng.IntN(100))
		for i := range ci {
			ci[i] = float64(rng.IntN(6))
		}
		var jobs []sched.Deferrable
		for i := range 1 + rng.IntN(30) {
			left := 1 + rng.IntN(15)
			jobs = append(jobs, sched.Deferrable{ID: i, CPUs: 1 + rng.IntN(4), Left: left, Deadline: now + min(left+rng.IntN(60), len(ci))})
		}
		plan := p.Plan(jobs, now, ci, room)
		late := map[int]bool{}
		for _, i := range plan.Late {
			late[i] = true
		}
		used := map[int]int{}
		for i, runs := range plan.Runs {
			for k, s := range runs {
				used[s] += jobs[i].CPUs
				if s < now || s >= jobs[i].Deadline || k > 0 && s <= runs[k-1] {
					t.Fatalf("seed %d: job %d runs in %v, now %d, deadline %d", seed, i, runs, now, jobs[i].Deadline)
				}
			}
			if len(runs) != jobs[i].Left && !late[i] || len(runs) > jobs[i].Left {
				t.Fatalf("seed %d: job %d runs %d slots of %d and is not late", seed, i, len(runs), jobs[i].Left)
			}
		}
		for s, n := range used {
			if n > room {
				t.Fatalf("seed %d: %d CPUs in slot %d, room for %d", seed, n, s, room)
			}
		}
	}
}

// fits tells whether jobs of one CPU each can all end in time, by filling slots
// from the last to the first, in each of which those with most left to run go
// first: seen from the end all are released one by one and due together, and for
// that nothing does better.
func fits(jobs []sched.Deferrable, now, room int) bool {
	left, end := make([]int, len(jobs)), 0
	for i := range jobs {
		left[i], end = jobs[i].Left, max(end, jobs[i].Deadline)
	}
	order := make([]int, len(jobs))
	for t := end - 1; t >= now; t-- {
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int { return left[b] - left[a] })
		free := room
		for _, i := range order {
			if free > 0 && left[i] > 0 && jobs[i].Deadline > t {
				left[i]--
				free--
			}
		}
	}
	return !slices.ContainsFunc(left, func(n int) bool { return n > 0 })
}

// TestPlanFindsTheRoomThereIs: under a tight bound jobs of one CPU are all in
// time wherever that is possible at all, whatever hours look cheap. By deadline
// alone every fourth of these lots had a job late.
func TestPlanFindsTheRoomThereIs(t *testing.T) {
	var p sched.Planner
	tight := 0
	for seed := range uint64(20000) {
		rng := rand.New(rand.NewPCG(seed, 4))
		room, slots := 2+rng.IntN(3), 6+rng.IntN(20)
		ci := make([]float64, slots)
		for i := range ci {
			ci[i] = float64(rng.IntN(6))
		}
		var jobs []sched.Deferrable
		for rest := room * slots; rest > 0; {
			left := 1 + rng.IntN(slots)
			rest -= left
			jobs = append(jobs, sched.Deferrable{ID: len(jobs), CPUs: 1, Left: left, Deadline: 5 + left + rng.IntN(slots-left+1)})
		}
		jobs = jobs[:len(jobs)-1]
		if !fits(jobs, 5, room) {
			continue
		}
		tight++
		if plan := p.Plan(jobs, 5, ci, room); len(plan.Late) > 0 {
			t.Fatalf("seed %d: %d of %d jobs late with %d CPUs, and all have room: %+v", seed, len(plan.Late), len(jobs), room, jobs)
		}
	}
	if tight < 1000 {
		t.Errorf("only %d of the made-up lots fit", tight)
	}
}

// BenchmarkPlan plans a week in five-minute slots for 10,000 jobs that may be
// deferred, on the accelerators of 5,000 nodes of eight.
func BenchmarkPlan(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	ci := make([]float64, 7*288)
	for h := range 7 * 24 {
		v := rng.Float64()
		for s := range 12 {
			ci[h*12+s] = v
		}
	}
	jobs := make([]sched.Deferrable, 10_000)
	for i := range jobs {
		left := 6 + rng.IntN(140)
		jobs[i] = sched.Deferrable{ID: i, CPUs: 1 << rng.IntN(6), Left: left, Deadline: min(left+rng.IntN(1500), len(ci))}
	}
	var p sched.Planner
	for b.Loop() {
		p.Plan(jobs, 0, ci, 40_000)
	}
}
