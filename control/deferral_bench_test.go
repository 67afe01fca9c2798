package control_test

import (
	"testing"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/job"
	"tianfu/sched"
)

// newWeek is a centre of so many nodes that knows what the hours of a week cost,
// and holds jobs back that may wait.
func newWeek(nodes, jobs int) *scale {
	c := newScale(nodes)
	in := control.Input{Kind: control.SiteHours, Site: "s"}
	for h := range 7 * 24 {
		x := energy.SiteHour{From: c.now.Add(time.Duration(h) * time.Hour), CarbonLocation: 50_000 + c.rng.Int64N(500_000), PUE: 1_149_000, Price: energy.NoData, Forecast: h > 0,
			CarbonMarket: energy.NoData, CarbonMarginal: energy.NoData, Water: energy.NoData}
		x.To = x.From.Add(time.Hour)
		in.Hours = append(in.Hours, x)
	}
	c.step([]control.Input{in})
	var batch []control.Input
	for range jobs {
		batch = append(batch, c.waiting())
	}
	c.step(batch)
	return c
}

// waiting is a job that may wait.
func (c *scale) waiting() control.Input {
	s := c.spec()
	s.ExpectedRun = time.Duration(1+c.rng.IntN(96)) * sched.SlotLength
	s.Wish, s.Pausable = job.WishCarbon, c.rng.IntN(2) == 0
	s.Deadline = c.now.Add(s.ExpectedRun + time.Hour + time.Duration(c.rng.Int64N(int64(158*time.Hour))))
	return control.Input{Kind: control.Submit, Spec: s}
}

// The cost of a plan in time as the figures state it: a week of five-minute
// slots, 10,000 jobs that may wait, a site of 5,000 nodes. Each is the processor
// time of State.PlanShifts, on one core; what the jobs do meanwhile is not in it.
func BenchmarkShiftPlan(b *testing.B) {
	const nodes, jobs = 5000, 10_000
	var planner sched.SlotPlanner
	plan := func(b *testing.B, c *scale, unit string, why control.Replan) {
		used := cpuTime()
		n := len(c.state.PlanShifts(&planner, "tianfu", &why))
		b.ReportMetric((cpuTime()-used).Seconds()*1000, unit)
		if n == 0 {
			b.Fatal("nothing was planned")
		}
	}
	planned := func() *scale {
		c := newWeek(nodes, jobs)
		c.step([]control.Input{{Kind: control.Planned, Deferrals: c.state.PlanShifts(&planner, "tianfu", &control.Replan{Anew: true})}})
		return c
	}
	b.Run("Week", func(b *testing.B) {
		c := newWeek(nodes, jobs)
		for b.Loop() {
			plan(b, c, "week-cpu-ms", control.Replan{Anew: true})
		}
	})
	b.Run("OneArrives", func(b *testing.B) {
		c := planned()
		for b.Loop() {
			c.step([]control.Input{c.waiting()})
			plan(b, c, "arrives-cpu-ms", control.Replan{})
		}
	})
	b.Run("OneHourChanges", func(b *testing.B) {
		c := planned()
		for b.Loop() {
			h, _ := c.state.SiteHour("s", c.now.Add(30*time.Hour))
			h.CarbonLocation = 20_000 + c.rng.Int64N(20_000)
			var why control.Replan
			out := c.state.Step(c.now, []control.Input{{Kind: control.SiteHours, Site: "s", Hours: []energy.SiteHour{h}}})
			for i := range out.Records {
				why.See(&out.Records[i])
			}
			plan(b, c, "changes-cpu-ms", why)
		}
	})
}
