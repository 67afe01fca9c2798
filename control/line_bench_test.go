package control_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"tianfu/control"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// BenchmarkLongLine steps a centre of 10,000 nodes, all taken, with 100,000 jobs
// in line: in every step one job ends and one arrives. ms/cycle is the mean time
// of a step, MiB what the process holds on its heap.
func BenchmarkLongLine(b *testing.B) {
	const nodes, pending = 10_000, 100_000
	f := &fleet.Fleet{Name: "large", Traits: map[fleet.Model]fleet.Traits{"A100": {Memory: 80 << 10, Stack: "cuda"}, "T4": {Memory: 16 << 10, Stack: "cuda"}}}
	for i := range nodes {
		f.Nodes = append(f.Nodes, fleet.Node{
			ID: fleet.NodeID(fmt.Sprintf("n%d", i)), CPU: 128_000, Memory: 1 << 20, Model: []fleet.Model{"A100", "T4"}[i%2], Devices: make([]fleet.Device, 8),
			Place: fleet.Place{Site: "s", Rack: fmt.Sprintf("r%d", i/16)}, Segment: fmt.Sprintf("seg%d", i/64),
		})
	}
	s, err := control.Open(control.Config{Fleet: f, Policy: "tianfu", Rules: sched.Rules{Preempt: true, Backfill: sched.Easy}})
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	submit := func() control.Input {
		r := job.Request{CPU: unit.MilliCPU(1000 * (1 + rng.IntN(16))), Memory: unit.MiB(4096 * (1 + rng.IntN(4))), Accelerators: 1 << rng.IntN(4), Share: unit.Whole}
		return control.Input{Kind: control.Submit, Spec: &job.Spec{
			Name: "x", Tenant: job.Tenant(fmt.Sprintf("tenant%d", rng.IntN(40))), Priority: int32(rng.IntN(3)), ExpectedRun: time.Duration(1+rng.IntN(600)) * time.Minute,
			Groups: []job.Group{{Name: "main", Count: 1, Request: r}},
		}}
	}
	now := unit.At(1)
	var running []control.Order
	step := func(in []control.Input) {
		now = now.Add(time.Second)
		for _, o := range s.Step(now, in).Orders {
			if o.Kind == control.Start {
				running = append(running, o)
			}
		}
	}
	for s.Pending() < pending {
		var in []control.Input
		for range 2000 {
			in = append(in, submit())
		}
		step(in)
	}
	b.ResetTimer()
	for b.Loop() {
		k := rng.IntN(len(running))
		o := running[k]
		running[k] = running[len(running)-1]
		running = running[:len(running)-1]
		step([]control.Input{{Kind: control.Exited, Job: o.Job, Task: o.Task, Attempt: o.Attempt}, submit()})
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/cycle")
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapInuse)/(1<<20), "MiB")
	if s.Pending() < pending/2 {
		b.Fatalf("only %d jobs are in line", s.Pending())
	}
}
