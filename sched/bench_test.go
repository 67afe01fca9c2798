package sched_test

import (
	"fmt"
	"testing"

	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/sim"
	"tianfu/unit"
)

// BenchmarkDecide measures the scheduler alone: a task enters the line, Decide
// places it, the grant is entered. Tasks of a generated workload arrive until
// every accelerator has been asked for once and the fleet is as good as full;
// then the next round begins on an empty fleet. The figure is arrivals a
// second, refused ones too.
func BenchmarkDecide(b *testing.B) {
	for _, nodes := range []int{1213, 9704, 100_000} {
		for _, policy := range []string{"tianfu", "fgd"} {
			b.Run(fmt.Sprintf("%s/nodes=%d", policy, nodes), func(b *testing.B) { benchDecide(b, policy, nodes) })
		}
	}
}

func benchDecide(b *testing.B, policy string, nodes int) {
	f, w, err := sim.Generate(sim.GenerateParams{Nodes: nodes, Tasks: nodes * 9, Seed: 1, Load: 1, Named: 0.2})
	if err != nil {
		b.Fatal(err)
	}
	var r *round
	next := len(w.Jobs)
	for b.Loop() {
		if next == len(w.Jobs) {
			b.StopTimer()
			r = newRound(b, f, w, policy)
			next = 0
			b.StartTimer()
		}
		r.arrive(w.Jobs[next].Spec, job.ID(next+1))
		next++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "placements/s")
}

// round is one filling of the fleet.
type round struct {
	snap    sched.Snapshot
	decider sched.Decider
}

func newRound(b *testing.B, f *fleet.Fleet, w *sim.Workload, policy string) *round {
	c := sched.NewCapacity(f, nil, nil)
	p, err := sched.New(policy, c, sched.Config{Typical: sim.TypicalClasses(w)})
	if err != nil {
		b.Fatal(err)
	}
	return &round{snap: sched.Snapshot{Capacity: c, Index: sched.NewIndex(c, p), Waiting: sched.NewWaiting(), Tenants: make([]sched.Usage, 1)}}
}

func (r *round) arrive(s *job.Spec, id job.ID) {
	c := r.snap.Capacity
	h := r.snap.Waiting.Add(c, id, s, sched.Owner{}, nil)
	r.snap.Index.Observe(&s.Groups[0].Request, 1)
	plan := r.decider.Decide(&r.snap, unit.Instant(id))
	for i := range plan.Placements {
		c.Grant(plan.Placements[i].Alloc)
	}
	r.snap.Waiting.Remove(h) // placed, or dropped
}

// BenchmarkPowerBlocked measures a decision that power stands in the way of: on a
// fleet filled to 70 % the site has no watt left, tasks of all shapes wait in three
// priorities, one that runs ends, and Decide walks the line.
func BenchmarkPowerBlocked(b *testing.B) {
	for _, nodes := range []int{1213, 9704} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) { benchPowerBlocked(b, nodes) })
	}
}

func benchPowerBlocked(b *testing.B, nodes int) {
	f, w, err := sim.Generate(sim.GenerateParams{Nodes: nodes, Tasks: nodes * 9, Seed: 1, Load: 1, Named: 0.2})
	if err != nil {
		b.Fatal(err)
	}
	for i := range f.Nodes {
		f.Nodes[i].Place = fleet.Place{Site: "s"}
	}
	power, err := energy.ForCCGrid25(f)
	if err != nil {
		b.Fatal(err)
	}
	c := sched.NewCapacity(f, nil, power)
	c.SetPower(&sched.Power{Protect: 100, Areas: []sched.PowerArea{{Path: "s", Level: "site", Parent: -1}}})
	p, err := sched.New("tianfu", c, sched.Config{})
	if err != nil {
		b.Fatal(err)
	}
	r := &round{snap: sched.Snapshot{Capacity: c, Index: sched.NewIndex(c, p), Waiting: sched.NewWaiting(), Tenants: make([]sched.Usage, 1)}}
	next := 0
	for ; float64(c.Used().Milli) < 0.7*float64(c.Total().Milli); next++ {
		r.arrive(w.Jobs[next].Spec, job.ID(next+1))
	}
	c.SetFacts(0, sched.PowerFacts{Limit: c.Area(0).Draw, Overhead: sched.Million})
	for k, j := range w.Jobs[next:] {
		s := *j.Spec
		s.Priority = []int32{0, 50, 100}[k%3]
		r.snap.Waiting.Add(c, job.ID(next+k+1), &s, sched.Owner{}, nil)
	}
	for placed := 1; placed > 0; { // what adds nothing
		plan := r.decider.Decide(&r.snap, unit.Instant(next))
		placed = len(plan.Placements)
		for i := range plan.Placements {
			c.Grant(plan.Placements[i].Alloc)
			r.snap.Waiting.Remove(plan.Placements[i].Handle)
		}
	}
	var running []sched.Alloc
	for n := range int32(c.Nodes()) {
		running = append(running, c.Running(n)...)
	}
	blocked := 0
	for k := 0; b.Loop(); k++ {
		id := c.OnNode(running[k*7919%len(running)].Node)[0]
		a := *c.Alloc(id)
		c.Release(id, unit.Instant(k))
		blocked += len(r.decider.Decide(&r.snap, unit.Instant(k)).Unplaced)
		c.Grant(a) // what would have been placed is not, so that the next decision finds the same
	}
	b.ReportMetric(float64(blocked)/float64(b.N), "blocked/op")
}
