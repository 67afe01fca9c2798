package sim_test

import (
	"math"
	"testing"
	"time"

	"tianfu/energy"
	"tianfu/job"
	"tianfu/sim"
	"tianfu/unit"
)

// swinging replays a made-up week on a small fleet, every job with a day of slack
// and a wish for clean hours, on a grid whose intensity rises and falls by the day.
func swinging(t *testing.T, seed uint64, nodes, tasks int, s sim.Shifting) *sim.Timed {
	t.Helper()
	f, w, err := sim.Generate(sim.GenerateParams{Nodes: nodes, Tasks: tasks, Load: 0.8, Seed: seed, Gangs: 0.01})
	if err != nil {
		t.Fatal(err)
	}
	const start = unit.Instant(400 * 24 * time.Hour)
	for i := range w.Jobs {
		w.Jobs[i].Submit += start
	}
	hours := make([]energy.SiteHour, 24*90)
	for h := range hours {
		from := start.Add(time.Duration(h) * time.Hour)
		day, swing := math.Sin(float64(h)*math.Pi/12), math.Sin(float64(h)*math.Pi/37)
		hours[h] = energy.SiteHour{From: from, To: from.Add(time.Hour), CarbonLocation: int64(400_000 + 200_000*day + 100_000*swing),
			CarbonMarket: energy.NoData, CarbonMarginal: energy.NoData, Price: energy.NoData, PUE: energy.NoData, Water: energy.NoData}
	}
	s.Forecast, s.Wish = "perfect", job.WishCarbon
	run, err := sim.NewTimed(sim.TimedParams{Fleet: f, Workload: w, Policy: "tianfu", Hours: map[string][]energy.SiteHour{"site1": hours, "site2": hours}, Shifting: &s})
	if err != nil {
		t.Fatal(err)
	}
	run.Run()
	return run
}

// TestPausesLoseNoWork: a job that pauses goes on from where it was.
func TestPausesLoseNoWork(t *testing.T) {
	run := swinging(t, 4, 6, 120, sim.Shifting{Policy: "tianfu", Slack: 24 * time.Hour, Pausable: true})
	s := run.Summarise()
	if run.Totals.Pauses < 20 || s.Finished != s.Jobs {
		t.Fatalf("%d pauses, %d of %d jobs finished: nothing to see", run.Totals.Pauses, s.Finished, s.Jobs)
	}
	if s.LostGPUHours > 1e-6 || math.Abs(s.Goodput-100) > 1e-6 {
		t.Errorf("%.3f accelerator-hours are lost and the goodput is %.3f %%, though pauses keep the work", s.LostGPUHours, s.Goodput)
	}
}

// TestNoJobIsMadeLateByABetterHour: when everything is planned anew for the hour
// that began, jobs move into room that sums show and no node has. Each of these
// replays had a job late: the first three until what was planned before was tried
// as well, the others while work about to end was taken to go on for five minutes
// more and nothing else was tried.
func TestNoJobIsMadeLateByABetterHour(t *testing.T) {
	cases := []struct {
		seed     uint64
		tasks    int
		pausable bool
	}{{9, 120, false}, {18, 120, true}, {35, 200, false}, {14, 200, false}, {4, 200, false}}
	if testing.Short() {
		cases = cases[:3]
	}
	for _, c := range cases {
		run := swinging(t, c.seed, 6, c.tasks, sim.Shifting{Policy: "tianfu", Slack: 12 * time.Hour, Pausable: c.pausable})
		if run.Totals.Deferred < c.tasks/2 {
			t.Fatalf("seed %d: %d jobs deferred: nothing to see", c.seed, run.Totals.Deferred)
		}
		if run.Totals.Late > 0 {
			t.Errorf("seed %d: %d of %d jobs late", c.seed, run.Totals.Late, c.tasks)
		}
	}
}
