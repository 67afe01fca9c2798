package sim

import (
	"testing"
	"time"

	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// TestComplyIsMeasured lowers the limit of a node of 100 W idle and 500 W busy to
// 200 W while protected work adds 200 W and other work as much: the other stands
// still at once, and the limit is kept when the protected work has ended.
func TestComplyIsMeasured(t *testing.T) {
	work := func(name string, priority int32, run time.Duration) Arrival {
		return Arrival{Run: run, Spec: &job.Spec{Name: name, Tenant: "t", Priority: priority, Suspendable: priority < 100,
			Groups: []job.Group{{Count: 1, Request: job.Request{CPU: 5000, Memory: 1}}}}}
	}
	run, err := NewTimed(TimedParams{
		Fleet:    &fleet.Fleet{Nodes: []fleet.Node{{ID: "n", CPU: 10_000, Memory: 1024, Place: fleet.Place{Site: "s"}}}},
		Workload: &Workload{Timed: true, Jobs: []Arrival{work("firm", 100, 600*time.Second), work("soft", 0, 300*time.Second)}},
		Policy:   "firstfit", Power: []energy.NodeModel{{Base: 100, CPU: 10_000, PackageFull: 400}},
		Tree: &sched.Power{Protect: 100, CapLatency: 5 * time.Second, Grace: 30 * time.Second,
			Areas: []sched.PowerArea{{Path: "s", Level: "site", Parent: -1, Limit: 500_000, Warn: sched.DefaultWarn, Resume: sched.DefaultResume, Overhead: sched.Million}},
			Caps:  []sched.CapEvent{{ID: 1, Area: "s", Limit: 200_000, From: unit.At(100), To: unit.At(1000)}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	run.Run()
	o := run.Shedding
	if len(o.Sheds) != 1 || o.Sheds[0].Suspended != 1 || o.Sheds[0].Short != 100_000 {
		t.Fatalf("sheddings: %+v", o.Sheds)
	}
	if got := o.Sheds[0].Comply(run.Totals.End); got != 500*time.Second {
		t.Errorf("complied after %s, want 500s", got)
	}
	if o.Over != 0 || o.OverProtected != 495*time.Second {
		t.Errorf("over the limit %s with work that may be shed and %s without, want 0 and 495s", o.Over, o.OverProtected)
	}
	if got := run.Power(); got != 100 {
		t.Errorf("with nothing running the node draws %v W, want 100", got)
	}
	if o.Resumed != 1 || run.Results[1].End != unit.At(1200) {
		t.Errorf("%d resumed, the suspended job ended at %d: want it to run for its last 200 s after the cap", o.Resumed, run.Results[1].End)
	}
}

// TestMeanWaitOfLongLines sums up waits that a duration cannot hold together.
func TestMeanWaitOfLongLines(t *testing.T) {
	const century = 100 * 365 * 24 * time.Hour
	run := &Timed{p: TimedParams{Workload: &Workload{}}}
	for i := range int32(4) {
		run.p.Workload.Jobs = append(run.p.Workload.Jobs, Arrival{Spec: &job.Spec{}})
		run.order = append(run.order, i)
		run.Results = append(run.Results, TaskResult{First: unit.Instant(century)})
	}
	if got := run.Tiers()[0].MeanWait; got != century {
		t.Errorf("mean wait %s, want %s", got, century)
	}
}
