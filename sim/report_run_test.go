package sim_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"tianfu/control"
	"tianfu/drawing"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/sim"
	"tianfu/unit"
)

// watched replays a generated workload with failures, gangs and hostile tenant
// names, and keeps what a report draws.
func watched(t *testing.T, policy string) sim.TimedRun {
	t.Helper()
	f, w, err := sim.Generate(sim.GenerateParams{Nodes: 40, Tasks: 1500, Seed: 3, Load: 1.3, Gangs: 0.05})
	if err != nil {
		t.Fatal(err)
	}
	for i := range w.Jobs {
		if i%3 == 0 {
			s := *w.Jobs[i].Spec
			s.Tenant, s.Class = job.Tenant("<script>alert(1)</script>"), job.LongRun
			w.Jobs[i].Spec = &s
		}
	}
	h := sim.NewHistory(f, w)
	var run *sim.Timed
	run, err = sim.NewTimed(sim.TimedParams{
		Fleet: f, Workload: w, Policy: policy, History: h, Hash: true, Rules: sched.Rules{Preempt: true},
		Failures: sim.Failures{MTBF: 300 * time.Hour, MTTR: 2 * time.Hour, Seed: 1},
		Params:   sched.Config{Typical: sim.TypicalClasses(w)}, Every: w.Span() / 400,
		Sample: func(at unit.Instant, s *control.State) { h.Sample(at, run, sim.Observe(at, s, run)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	run.Run()
	return sim.TimedRun{Policy: policy, Timed: run, History: h, Power: "none", Records: "ab"}
}

// TestHistoryAddsUp holds the parts of a history to its wholes at every sample.
func TestHistoryAddsUp(t *testing.T) {
	h := watched(t, "tianfu").History
	if len(h.Rows) < 400 {
		t.Fatalf("%d samples, want at least 400", len(h.Rows))
	}
	waited, down := false, false
	for k, r := range h.Rows {
		classes, tenants := 0.0, 0.0
		for i, v := range h.Held[k] {
			if v < 0 {
				t.Fatalf("sample %d: part %d holds %v %%", k, i, v)
			}
			if i < 3 {
				classes += v
			} else {
				tenants += v
			}
		}
		if math.Abs(classes-r.Used) > 1e-6 || math.Abs(tenants-r.Used) > 1e-6 {
			t.Fatalf("sample %d: %v %% held, %v by classes, %v by tenants", k, r.Used, classes, tenants)
		}
		jobs := int64(0)
		for _, n := range h.Waiting[k] {
			jobs += int64(n)
		}
		if jobs != r.Pending {
			t.Fatalf("sample %d: %d jobs wait, %d by reason", k, r.Pending, jobs)
		}
		i := h.Idle[k]
		if sum := r.Used + i.Residue + i.Stranded + i.Free + i.Down; math.Abs(sum-100) > 1e-6 {
			t.Fatalf("sample %d: held and idle are %v %% of the fleet", k, sum)
		}
		waited, down = waited || jobs > 0, down || i.Down > 0
	}
	if !waited || !down {
		t.Errorf("jobs waited: %v, nodes were down: %v; the test needs both", waited, down)
	}
}

func page(t *testing.T, r *drawing.Report) string {
	t.Helper()
	var b strings.Builder
	if err := drawing.WriteHTML(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestRunsMakeEqualPages replays twice and compares every byte.
func TestRunsMakeEqualPages(t *testing.T) {
	about := sim.About{Ran: []drawing.Fact{{Label: "Workload", Value: "w"}}, Repeat: "tianfu replay"}
	one := page(t, sim.TimedReport(about, []sim.TimedRun{watched(t, "tianfu"), watched(t, "fgd")}))
	two := page(t, sim.TimedReport(about, []sim.TimedRun{watched(t, "tianfu"), watched(t, "fgd")}))
	if one != two {
		t.Error("two pages of one run differ")
	}
	if len(one) > 2_000_000 {
		t.Errorf("the page has %d bytes", len(one))
	}
	if n := strings.Count(one, "<script"); n != 1 {
		t.Errorf("a tenant's name reached the page as markup: %d scripts", n)
	}
	for _, want := range []string{"&lt;script&gt;alert(1)", "Nodes by time", "By size", "of the waiting with tianfu", "node failures", "Inside the run of fgd", "last arrival", "long-running"} {
		if !strings.Contains(one, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
}

// TestHistoryChangesNothing holds the record log to be the same with a report
// and without.
func TestHistoryChangesNothing(t *testing.T) {
	f, w, err := sim.Generate(sim.GenerateParams{Nodes: 30, Tasks: 600, Seed: 5, Load: 1.1})
	if err != nil {
		t.Fatal(err)
	}
	sum := func(h *sim.History) [32]byte {
		var run *sim.Timed
		p := sim.TimedParams{Fleet: f, Workload: w, Policy: "tianfu", Hash: true, History: h, Params: sched.Config{Typical: sim.TypicalClasses(w)}}
		if h != nil {
			p.Every = w.Span() / 400
			p.Sample = func(at unit.Instant, s *control.State) { h.Sample(at, run, sim.Observe(at, s, run)) }
		}
		run, err = sim.NewTimed(p)
		if err != nil {
			t.Fatal(err)
		}
		run.Run()
		return run.Sum()
	}
	if sum(nil) != sum(sim.NewHistory(f, w)) {
		t.Error("keeping a history changed the record log")
	}
}

// TestInflatePage runs two policies and reads the finding in the headline.
func TestInflatePage(t *testing.T) {
	f, w, err := sim.Generate(sim.GenerateParams{Nodes: 30, Tasks: 3000, Seed: 5, Load: 1.1})
	if err != nil {
		t.Fatal(err)
	}
	var runs []sim.InflateRun
	for _, policy := range []string{"fgd", "bestfit"} {
		run := sim.InflateRun{Policy: policy, Seeds: []int64{42, 43}}
		for _, seed := range run.Seeds {
			r, err := sim.NewInflate(sim.InflateParams{Fleet: f, Workload: w, Policy: policy, Seed: seed, Draw: seed == 42})
			if err != nil {
				t.Fatal(err)
			}
			r.Decide()
			run.Results = append(run.Results, r.Measure())
		}
		runs = append(runs, run)
	}
	rep := sim.InflateReport(sim.About{Repeat: "tianfu replay"}, runs)
	if !strings.HasPrefix(rep.Title, "fgd allocates ") || !strings.HasSuffix(rep.Title, "than bestfit") {
		t.Errorf("headline: %s", rep.Title)
	}
	p := page(t, rep)
	for _, want := range []string{"bestfit, seed 43", "50 % arrived", "gangs of 2 that still fit", `class="band`, "least seed at 100 %"} {
		if !strings.Contains(p, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if strings.Contains(p, "IT power") {
		t.Error("the page speaks of power although none was modelled")
	}
	if p != page(t, sim.InflateReport(sim.About{Repeat: "tianfu replay"}, runs)) {
		t.Error("two pages of one run differ")
	}
}

// TestBackfillPage replays a log on a pool and reads the page.
func TestBackfillPage(t *testing.T) {
	w := &sim.Workload{Name: "log", Timed: true}
	for i := range 200 {
		w.Jobs = append(w.Jobs, sim.Arrival{
			Spec:   &job.Spec{Name: "j", Tenant: "t", Groups: []job.Group{{Count: 1, Request: job.Request{CPU: unit.MilliCPU(1000 * (1 + i%7))}}}},
			Submit: unit.At(int64(60 * i)), Run: time.Duration(100+37*(i%11)) * time.Second, Number: int64(i + 1),
		})
	}
	plain, err := sim.Backfill(sim.BackfillParams{Workload: w, Processors: 8, Scale: 1})
	if err != nil {
		t.Fatal(err)
	}
	res, err := sim.Backfill(sim.BackfillParams{Workload: w, Processors: 8, Scale: 1, Draw: true})
	if err != nil {
		t.Fatal(err)
	}
	if plain.MeanWait != res.MeanWait || plain.Run != nil {
		t.Errorf("mean wait %v without a report, %v with one", plain.MeanWait, res.MeanWait)
	}
	if res.MeanWait == 0 {
		t.Fatal("nothing waited: the test needs a queue")
	}
	p := page(t, sim.BackfillReport(sim.About{}, res, 8))
	for _, want := range []string{"With EASY backfill, 200 jobs waited", "processors held", "not enough CPU", "2 to 8"} {
		if !strings.Contains(p, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if strings.Contains(p, "ccelerator") {
		t.Error("the page of a pool of processors speaks of accelerators")
	}
}
