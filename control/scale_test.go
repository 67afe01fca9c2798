package control_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"tianfu/control"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// BenchmarkPendingHundredThousand keeps 100,000 jobs waiting on 10,000 nodes of
// eight accelerators, in twenty queues with quotas in four cohorts. One
// operation is one cycle of the steady state: a task ends, a job arrives, the
// core decides. It reports the heap and the slowest cycle.
func BenchmarkPendingHundredThousand(b *testing.B) {
	const nodes, pending = 10_000, 100_000
	c := newScale(nodes)
	for c.state.Pending() < pending {
		c.submit(2000)
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	heap := float64(m.HeapAlloc) / (1 << 20)
	var times []time.Duration
	used := cpuTime()
	for b.Loop() {
		ended := c.running[c.rng.IntN(len(c.running))]
		in := []control.Input{{Kind: control.Exited, Job: ended.Job, Task: ended.Task, Attempt: ended.Attempt}, {Kind: control.Submit, Spec: c.spec()}}
		began := time.Now()
		c.step(in)
		times = append(times, time.Since(began))
	}
	b.ReportMetric((cpuTime()-used).Seconds()*1000/float64(len(times)), "cpu-ms/op")
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(heap, "heap-MiB")
	b.ReportMetric(float64(len(c.running)), "running")
	b.ReportMetric(float64(c.state.Pending()), "pending")
	b.ReportMetric(float64(times[len(times)-1].Microseconds())/1000, "slowest-ms")
}

// cpuTime is what the process has used: on a shared machine the clock on the wall
// says more about the neighbours.
func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

type scale struct {
	rng     *rand.Rand
	state   *control.State
	now     unit.Instant
	jobs    int
	running []control.Order
}

func newScale(nodes int) *scale {
	f := &fleet.Fleet{Name: "scale"}
	for i := range nodes {
		f.Nodes = append(f.Nodes, fleet.Node{ID: fleet.NodeID(fmt.Sprintf("n%05d", i)), CPU: 128_000, Memory: 1 << 20, Model: fleet.Model([]string{"A100", "H800"}[i%2]),
			Devices: make([]fleet.Device, 8), Segment: fmt.Sprintf("s%d", i/32), Place: fleet.Place{Site: "s", Rack: fmt.Sprintf("r%d", i/4)}})
	}
	q := &job.Queueing{HalfLife: 7 * 24 * time.Hour}
	for i := range 20 {
		q.Queues = append(q.Queues, job.QueueRule{Name: job.Queue(fmt.Sprintf("queue%d", i)), Tenants: []job.Tenant{job.Tenant(fmt.Sprintf("tenant%d", i))},
			Cohort: fmt.Sprintf("cohort%d", i%4), Weight: 1, MinPriority: job.MinPriority, MaxPriority: job.MaxPriority,
			Guaranteed: []job.Amount{{Resource: fleet.Accelerators, Units: int64(nodes) * 8000 / 20}}})
	}
	s, err := control.Open(control.Config{Fleet: f, Policy: "tianfu", Queueing: q})
	if err != nil {
		panic(err)
	}
	return &scale{rng: rand.New(rand.NewPCG(1, 2)), state: s}
}

// spec draws a job: mostly small, some gangs, from twenty tenants.
func (c *scale) spec() *job.Spec {
	c.jobs++
	k := c.rng.IntN(20)
	s := &job.Spec{Name: fmt.Sprintf("job-%d", c.jobs), Tenant: job.Tenant(fmt.Sprintf("tenant%d", k)), Priority: int32(c.rng.IntN(3)), Preemptible: c.rng.IntN(2) == 0,
		ExpectedRun: time.Duration(1+c.rng.IntN(100)) * time.Hour,
		Groups: []job.Group{{Name: "main", Count: 1, Request: job.Request{CPU: unit.MilliCPU(1000 * (1 + c.rng.IntN(8))), Memory: unit.MiB(1024 * (1 + c.rng.IntN(16))),
			Accelerators: 1 << c.rng.IntN(4), Share: unit.Whole}}}}
	if c.rng.IntN(50) == 0 {
		s.Groups[0].Count, s.Gang, s.Groups[0].Request.Accelerators = 2+c.rng.IntN(30), true, 8
	}
	return s
}

func (c *scale) submit(n int) {
	var in []control.Input
	for range n {
		in = append(in, control.Input{Kind: control.Submit, Spec: c.spec()})
	}
	c.step(in)
}

func (c *scale) step(in []control.Input) {
	c.now = c.now.Add(time.Second)
	o := c.state.Step(c.now, append(in, control.Input{Kind: control.Tick}))
	for i := range in {
		if in[i].Kind == control.Exited {
			c.running = slices.DeleteFunc(c.running, func(x control.Order) bool { return x.Job == in[i].Job && x.Task == in[i].Task })
		}
	}
	for _, x := range o.Orders {
		if x.Kind == control.Start {
			c.running = append(c.running, x)
		}
	}
}
