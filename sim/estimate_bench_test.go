package sim_test

import (
	"os"
	"testing"
	"time"

	"tianfu/control"
	"tianfu/sched"
	"tianfu/sim"
	"tianfu/unit"
)

const openb = "../../shared/traces/openb/"

// crowded is the openb fleet two hours into 105 % of load, with what was learned
// until then.
func crowded(b *testing.B) (*control.State, *sim.RunTimes, unit.Instant) {
	b.Helper()
	nodes, err := os.Open(openb + "openb_node_list_all_node.csv")
	if err != nil {
		b.Skip("needs the openb trace beside the checkout")
	}
	defer nodes.Close()
	f, err := sim.ReadNodes("nodes", nodes)
	if err != nil {
		b.Fatal(err)
	}
	tasks, err := os.Open(openb + "openb_pod_list_default.csv")
	if err != nil {
		b.Fatal(err)
	}
	defer tasks.Close()
	w, err := sim.ReadJobs("tasks", tasks, sim.JobOptions{})
	if err != nil {
		b.Fatal(err)
	}
	if w, err = sim.DrawLoad(w, f, sim.LoadOptions{Load: 1.3, Span: 24 * time.Hour, Seed: 1, Warm: true}); err != nil {
		b.Fatal(err)
	}
	times := sim.NewRunTimes()
	var at unit.Instant
	var kept *control.State
	var timed *sim.Timed
	p := sim.TimedParams{Fleet: f, Workload: w, Policy: "tianfu", Rules: sched.Rules{Preempt: true}, Estimate: sim.OneToFive, Every: 2 * time.Hour}
	p.Sample = func(now unit.Instant, s *control.State) {
		if now == unit.Instant(20*time.Hour) {
			at, kept = now, s.Fork()
		}
	}
	if timed, err = sim.NewTimed(p); err != nil {
		b.Fatal(err)
	}
	timed.Run()
	b.Logf("%d nodes, %d jobs ever, %d wait", kept.Capacity().Nodes(), kept.Jobs(), kept.Pending())
	return kept, times, at
}

func BenchmarkEstimate(b *testing.B) {
	s, times, at := crowded(b)
	frozen := s.Freeze()
	b.Run("freeze", func(b *testing.B) {
		for b.Loop() {
			s.Freeze()
		}
	})
	b.Run("forward", func(b *testing.B) {
		steps := 0
		for b.Loop() {
			e := sim.NewEstimator(frozen, at, times, 1, 0)
			e.MaxSteps = 5_000
			e.Draw()
			steps += e.Steps
		}
		b.ReportMetric(float64(steps)/float64(b.N), "steps/op")
	})
	b.Run("alternatives", func(b *testing.B) {
		ids := s.Unstarted()
		for i := 0; b.Loop(); i++ {
			j, _ := s.Summary(ids[i*7919%len(ids)])
			sim.Alternatives(frozen, at, j.ID, j.Spec)
		}
	})
}
