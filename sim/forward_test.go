package sim_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/sim"
	"tianfu/unit"
)

// crowd is a small fleet with more work than it holds, all of it there at once.
func crowd(jobs int) (*fleet.Fleet, *sim.Workload) {
	f := &fleet.Fleet{Name: "t"}
	for i := range 4 {
		f.Nodes = append(f.Nodes, fleet.Node{ID: fleet.NodeID(fmt.Sprintf("n%d", i)), CPU: 32_000, Memory: 1 << 17, Model: "A100", Devices: make([]fleet.Device, 4)})
	}
	w := &sim.Workload{Name: "crowd", Timed: true}
	for i := range jobs {
		n := 1 + i*7%4
		w.Jobs = append(w.Jobs, sim.Arrival{Run: time.Duration(1+i*i%53) * time.Minute, Number: int64(i + 1), Spec: &job.Spec{
			Name: fmt.Sprint("j", i), Tenant: job.Tenant(fmt.Sprint("t", i%3)),
			Groups: []job.Group{{Name: "main", Count: 1, Request: job.Request{CPU: 1000, Memory: 1, Accelerators: n, Share: unit.Whole}}}}})
	}
	return f, w
}

// TestForwardIsTheCycle holds a run forward to a replay: from the same moment,
// with run times that are known exactly and nothing more to arrive, every job
// starts at the same instant.
func TestForwardIsTheCycle(t *testing.T) {
	f, w := crowd(60)
	first := map[job.ID]unit.Instant{}
	p := sim.TimedParams{Fleet: f, Workload: w, Policy: "tianfu", Rules: sched.Rules{Preempt: true}, Every: 20 * time.Minute}
	p.Sample = func(now unit.Instant, s *control.State) {
		if now == 0 || len(first) > 0 {
			return
		}
		waiting := s.Unstarted()
		run := sim.NewForward(s.Fork(), now, func(id job.ID, _ *job.Spec, _, _ time.Duration) time.Duration { return w.Jobs[id-1].Run })
		run.Seen = func(r *control.Record) {
			if r.Kind == control.Allocated && first[r.Job] == 0 {
				first[r.Job] = r.At
			}
		}
		for run.Next(unit.Never - 1) {
		}
		if len(first) != len(waiting) || len(first) < 20 {
			t.Errorf("%d jobs waited, %d started in the run forward", len(waiting), len(first))
		}
	}
	timed, err := sim.NewTimed(p)
	if err != nil {
		t.Fatal(err)
	}
	timed.Run()
	for id, at := range first {
		if truth := timed.Results[id-1].First; at != truth {
			t.Errorf("%s starts at %v; the run forward said %v", id, time.Duration(truth), time.Duration(at))
		}
	}
}

// TestJoinedStepsKeepThePace: a line of jobs of a few minutes lasts most of a
// day. A run forward whose steps are minutes apart by then must not let nodes
// idle between the end of a job and the step that sees it.
func TestJoinedStepsKeepThePace(t *testing.T) {
	f, _ := crowd(0)
	last := func(grain time.Duration) (at unit.Instant, steps int) {
		st, err := control.Open(control.Config{Fleet: f, Policy: "tianfu"})
		if err != nil {
			t.Fatal(err)
		}
		run := sim.NewForward(st, 1, func(id job.ID, _ *job.Spec, _, _ time.Duration) time.Duration {
			return time.Duration(3+id%5) * time.Minute
		})
		run.Grain = grain
		started := 0
		run.Started = func(_ job.ID, began unit.Instant) {
			started++
			at = max(at, began)
		}
		var line []control.Input
		for range 1000 {
			line = append(line, control.Input{Kind: control.Submit, Spec: &job.Spec{Name: "x", Tenant: "t",
				Groups: []job.Group{{Name: "main", Count: 1, Request: job.Request{CPU: 1000, Memory: 1, Accelerators: 4, Share: unit.Whole}}}}})
		}
		if err := run.Step(line); err != nil {
			t.Fatal(err)
		}
		for run.Next(unit.Never - 1) {
		}
		if started != 1000 {
			t.Fatalf("%d of 1000 jobs started", started)
		}
		return at, run.Steps
	}
	exact, every := last(0)
	joined, fewer := last(100)
	if exact < unit.Instant(20*time.Hour) {
		t.Fatalf("the line lasts %v only", time.Duration(exact))
	}
	if off := joined.Sub(exact).Abs(); off > 10*time.Minute {
		t.Errorf("the last job starts at %v; with joined steps at %v", time.Duration(exact), time.Duration(joined))
	}
	if fewer > every*2/3 {
		t.Errorf("%d steps, %d with every instant its own: nothing is joined", fewer, every)
	}
}

// TestRunTimesCountWhatStillRuns: of ten attempts that were expected to take an
// hour, five took six minutes and five still run after half an hour. Who looks
// only at what has ended would say that all work takes six minutes.
func TestRunTimesCountWhatStillRuns(t *testing.T) {
	f, w := crowd(0)
	for i := range 80 {
		w.Jobs = append(w.Jobs, sim.Arrival{Run: time.Duration(6+i%2*54) * time.Minute, Number: int64(i + 1), Spec: &job.Spec{
			Name: fmt.Sprint("j", i), Tenant: "t", ExpectedRun: time.Hour,
			Groups: []job.Group{{Name: "main", Count: 1, Request: job.Request{CPU: 1000, Memory: 1}}}}})
	}
	var share float64
	times := sim.NewRunTimes()
	p := sim.TimedParams{Fleet: f, Workload: w, Policy: "tianfu", Estimate: sim.AsTold, Every: 30 * time.Minute,
		Record: func(r *control.Record) { times.See(r, func(id job.ID) *job.Spec { return w.Jobs[id-1].Spec }) }}
	p.Sample = func(now unit.Instant, s *control.State) {
		if now != unit.Instant(30*time.Minute) {
			return
		}
		o := sim.NewOutlook(times, s, now)
		const n = 1000
		for i := range n {
			if d := o.Draw(w.Jobs[0].Spec, time.Hour, 0, float64(i)/n); d > 30*time.Minute {
				share += 1. / n
			}
		}
	}
	timed, err := sim.NewTimed(p)
	if err != nil {
		t.Fatal(err)
	}
	timed.Run()
	if math.Abs(share-0.5) > 0.06 {
		t.Errorf("%.0f %% of draws outlast half an hour; half of the work did", 100*share)
	}
}

// TestAlternativesStartNow: eight devices on one node are asked for where four
// nodes have two left each; what is offered instead starts when it is submitted.
func TestAlternativesStartNow(t *testing.T) {
	f, _ := crowd(0)
	st, err := control.Open(control.Config{Fleet: f, Policy: "tianfu", Rules: sched.Rules{Preempt: true}})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(count, devices int) *job.Spec {
		return &job.Spec{Name: "x", Tenant: "t", Gang: count > 1, Groups: []job.Group{{Name: "main", Count: count, Request: job.Request{CPU: 8000, Memory: 1, Accelerators: devices, Share: unit.Whole}}}}
	}
	for range 4 {
		st.Step(1, []control.Input{{Kind: control.Submit, Spec: ask(1, 2)}, {Kind: control.Submit, Spec: ask(1, 1)}})
	}
	st.Step(2, []control.Input{{Kind: control.Submit, Spec: ask(3, 2), Tag: 1}})
	id := job.ID(st.Jobs())
	if p, _, _ := st.Phase(id); p != control.Pending {
		t.Fatal("the gang should wait")
	}
	before := st.Pending()
	list := sim.Alternatives(st.Freeze(), 2, id, ask(3, 2))
	if len(list) == 0 {
		t.Fatal("no alternative was found")
	}
	for _, a := range list {
		fork := st.Fork()
		fork.Step(2, []control.Input{{Kind: control.Cancel, Job: id}, {Kind: control.Submit, Spec: a.Spec}})
		j, _ := fork.Job(job.ID(fork.Jobs()))
		running := 0
		for i := range j.Tasks {
			if j.Tasks[i].Running {
				running++
			}
		}
		if running != a.Starts || running == 0 {
			t.Errorf("%s: %d tasks start, %d were promised", a.Text, running, a.Starts)
		}
	}
	if st.Pending() != before {
		t.Error("trying changed the centre")
	}
}

// TestAlternativesOfADeferredJob: what is held back for a better hour within its
// deadline starts now without the wish; a higher priority changes nothing, for it
// is the wish that holds it.
func TestAlternativesOfADeferredJob(t *testing.T) {
	f, _ := crowd(0)
	for i := range f.Nodes {
		f.Nodes[i].Place.Site = "s"
	}
	st, err := control.Open(control.Config{Fleet: f, Policy: "tianfu"})
	if err != nil {
		t.Fatal(err)
	}
	hour := func(n, carbon int64) energy.SiteHour {
		return energy.SiteHour{From: unit.At(n * 3600), To: unit.At((n + 1) * 3600), CarbonLocation: carbon,
			CarbonMarket: energy.NoData, CarbonMarginal: energy.NoData, Price: energy.NoData, PUE: energy.NoData, Water: energy.NoData}
	}
	st.Step(unit.At(1), []control.Input{{Kind: control.SiteHours, Site: "s", Hours: []energy.SiteHour{hour(0, 500_000), hour(1, 400_000), hour(2, 100_000)}}})
	spec := &job.Spec{Name: "x", Tenant: "t", Key: "k", ExpectedRun: 20 * time.Minute, Wish: job.WishCarbon, Deadline: unit.At(4 * 3600),
		Groups: []job.Group{{Name: "main", Count: 1, Request: job.Request{CPU: 8000, Memory: 1}}}}
	if o := st.Step(unit.At(2), []control.Input{{Kind: control.Submit, Spec: spec}}); len(o.Refusals) > 0 {
		t.Fatal(o.Refusals[0].Err)
	}
	id := job.ID(st.Jobs())
	if why, waits := st.Why(id); !waits || why.Dominant != sched.Deferred {
		t.Fatalf("the job should be held back: %+v", why)
	}
	list := sim.Alternatives(st.Freeze(), unit.At(2), id, spec)
	if len(list) != 1 || list[0].Field != "wish" {
		t.Errorf("it is offered %+v; only to give up its wish would start it", list)
	}
}

// TestEstimatesAreBounded: far more comes than can run, and goes before a job that so
// never starts. A run forward ends when many have arrived, not after thirty days of
// them, and says that it did not start; so does one that is told to stop.
func TestEstimatesAreBounded(t *testing.T) {
	f, _ := crowd(0)
	st, err := control.Open(control.Config{Fleet: f, Policy: "tianfu"})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(priority int32) control.Input {
		return control.Input{Kind: control.Submit, Spec: &job.Spec{Name: "x", Tenant: "t", Priority: priority, ExpectedRun: time.Hour,
			Groups: []job.Group{{Name: "main", Count: 1, Request: job.Request{CPU: 8000, Memory: 1, Accelerators: 4, Share: unit.Whole}}}}}
	}
	at := unit.Instant(0)
	for i := range 1000 {
		at = at.Add(time.Millisecond)
		in := []control.Input{ask(5)}
		if i == 10 {
			in[0] = ask(0)
		}
		st.Step(at, in)
	}
	e := sim.NewEstimator(st.Freeze(), at, sim.NewRunTimes(), 1, 0)
	for range sim.LeastDraws {
		e.Draw()
	}
	if e.Jobs < 20_000 || e.Jobs > 150_000 {
		t.Errorf("%d jobs in one run forward", e.Jobs)
	}
	if s, ok := e.Start(11); !ok || s.Middle != unit.Never {
		t.Errorf("the job that never starts: %+v, %v", s, ok)
	}
	steps := 0
	e.Stop = func() bool { steps++; return true }
	if e.Draw(); steps != 1 {
		t.Errorf("a run was told to stop, and %d steps were made", steps)
	}
}
