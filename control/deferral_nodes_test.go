package control_test

import (
	"testing"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// hoursOf has the hours from 0 on cost so many g/kWh at a site.
func hoursOf(site string, carbon ...int64) control.Input {
	in := control.Input{Kind: control.SiteHours, Site: site}
	for h, g := range carbon {
		in.Hours = append(in.Hours, energy.SiteHour{From: unit.At(int64(h) * 3600), To: unit.At(int64(h+1) * 3600), CarbonLocation: g * 1000,
			CarbonMarket: energy.NoData, CarbonMarginal: energy.NoData, Price: energy.NoData, PUE: energy.NoData, Water: energy.NoData})
	}
	return in
}

// wishing is a job of an hour that asks for clean power and has until the tenth hour.
func wishing(cpu unit.MilliCPU) control.Input {
	return control.Input{Kind: control.Submit, Spec: &job.Spec{Name: "w", Tenant: "t", Wish: job.WishCarbon, ExpectedRun: time.Hour, Deadline: unit.At(36_060),
		Groups: []job.Group{{Count: 1, Request: job.Request{CPU: cpu}}}}}
}

func planOf(t *testing.T, nodes []fleet.Node, batch ...control.Input) []sched.Deferral {
	t.Helper()
	s, err := control.Open(control.Config{Policy: "firstfit", Fleet: &fleet.Fleet{Nodes: nodes}})
	if err != nil {
		t.Fatal(err)
	}
	if out := s.Step(unit.At(0), batch); len(out.Refusals) > 0 {
		t.Fatal(out.Refusals[0].Err)
	}
	var planner sched.SlotPlanner
	plan := s.PlanShifts(&planner, "tianfu", &control.Replan{Anew: true})
	if len(plan) > 0 {
		if out := s.Step(unit.At(0), []control.Input{{Kind: control.Planned, Deferrals: plan}}); len(out.Refusals) > 0 {
			t.Fatal(out.Refusals[0].Err)
		}
	}
	return plan
}

// TestPlanNeedsANode: the clean site has the CPU of a job in sum and no node that
// holds it, so the plan is for the other one; where there is no other that takes work,
// there is no plan.
func TestPlanNeedsANode(t *testing.T) {
	nodes := []fleet.Node{
		{ID: "a1", CPU: 4000, Memory: 1024, Place: fleet.Place{Site: "clean"}},
		{ID: "a2", CPU: 4000, Memory: 1024, Place: fleet.Place{Site: "clean"}},
		{ID: "b", CPU: 8000, Memory: 1024, Place: fleet.Place{Site: "dear"}},
	}
	batch := []control.Input{hoursOf("clean", 100, 100, 50), hoursOf("dear", 400, 300, 400), wishing(6000), wishing(4000)}
	plan := planOf(t, nodes, batch...)
	if len(plan) != 2 || plan[0].Site != "dear" || plan[0].Runs[0].From != unit.At(3600) || plan[1].Site != "clean" || plan[1].Runs[0].From != unit.At(7200) {
		t.Errorf("plan %+v", plan)
	}
	nodes[2].Cordoned = true
	if plan := planOf(t, nodes, batch...); len(plan) != 1 || plan[0].Job != 2 {
		t.Errorf("with the large node cordoned: plan %+v", plan)
	}
}

// TestPlanKeepsToTheTasksOfANode: a node that takes two tasks at one time runs two in
// the cleanest hour and the third in the next one; a plan that says otherwise is
// refused.
func TestPlanKeepsToTheTasksOfANode(t *testing.T) {
	nodes := []fleet.Node{{ID: "a", CPU: 64_000, Memory: 1024, Tasks: 2, Place: fleet.Place{Site: "s"}}}
	batch := []control.Input{hoursOf("s", 400, 300, 100, 200, 400), wishing(1000), wishing(1000), wishing(1000)}
	hours := map[unit.Instant]int{}
	for _, d := range planOf(t, nodes, batch...) {
		hours[d.Runs[0].From]++
	}
	if hours[unit.At(7200)] != 2 || hours[unit.At(10_800)] != 1 {
		t.Errorf("starts %v", hours)
	}
	s, err := control.Open(control.Config{Policy: "firstfit", Fleet: &fleet.Fleet{Nodes: nodes}})
	if err != nil {
		t.Fatal(err)
	}
	s.Step(unit.At(0), batch)
	var plan []sched.Deferral
	for id := job.ID(1); id <= 3; id++ {
		plan = append(plan, sched.Deferral{Job: id, Site: "s", Runs: []sched.RunSpan{{From: unit.At(7200), To: unit.At(10_800)}}})
	}
	out := s.Step(unit.At(0), []control.Input{{Kind: control.Planned, Deferrals: plan}})
	if len(out.Refusals) != 1 {
		t.Fatal("three tasks at one time are planned for a node that takes two")
	}
	t.Log(out.Refusals[0].Err)
}
