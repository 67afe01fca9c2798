package sim_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tianfu/control"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/sim"
	"tianfu/unit"
)

func figureOf(t *testing.T, w *sim.WhatIf, name string) sim.Difference {
	t.Helper()
	for _, f := range w.Figures {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no figure %q in %+v", name, w.Figures)
	return sim.Difference{}
}

// TestWhatIf runs the same crowd with more nodes, fewer nodes and no change.
func TestWhatIf(t *testing.T) {
	f, w := crowd(60)
	for i := range w.Jobs {
		w.Jobs[i].Submit = unit.Instant(time.Duration(i) * time.Minute)
	}
	p := sim.TimedParams{Fleet: f, Workload: w, Policy: "tianfu", Rules: sched.Rules{Preempt: true}}
	same, err := sim.CompareChange(p, "policy tianfu", "crowd", nil)
	if err != nil {
		t.Fatal(err)
	}
	if same.Base.Hash != same.Changed.Hash || figureOf(t, same, "wait p90").Base == 0 {
		t.Errorf("no change changes the run: %+v", same)
	}
	more, err := sim.CompareChange(p, "add 8 nodes like n1; runtimes x1", "crowd", nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := figureOf(t, more, "wait p90"); d.Changed >= d.Base || more.Base.Hash != same.Base.Hash || more.ID == same.ID {
		t.Errorf("with three times the nodes the 90th percentile of the wait goes from %v to %v", d.Base, d.Changed)
	}
	less, err := sim.CompareChange(p, "remove 2 nodes", "crowd", nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := figureOf(t, less, "wait p90"); d.Changed <= d.Base {
		t.Errorf("with half the nodes the 90th percentile of the wait goes from %v to %v", d.Base, d.Changed)
	}
	if len(f.Nodes) != 4 || len(w.Jobs) != 60 {
		t.Error("the changes reached the base")
	}
	for _, bad := range []string{"", ";", "fly to the moon", "policy", "policy none", "remove 4 nodes", "add 1 nodes like n9", "carbon x2", "arrivals 2", "arrivals x0", "quota queue=q accelerators=4",
		"remove node=zz", "pue 0.5", "estimates wrong", strings.Repeat("x", 5000)} {
		if _, err := sim.CompareChange(p, bad, "crowd", nil); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// TestRetrace runs a period again from the records of a first run and meets the
// same starts, so that a base is the period as it was.
func TestRetrace(t *testing.T) {
	f, w := crowd(60)
	for i := range w.Jobs {
		w.Jobs[i].Submit = unit.Instant(time.Duration(i) * time.Minute)
	}
	h := sim.RetraceFrom(0, func(int32) fleet.NodeID { return "n0" })
	p := sim.TimedParams{Fleet: f, Workload: w, Policy: "tianfu", Rules: sched.Rules{Preempt: true}, Hash: true,
		Record: func(r *control.Record) { h.See(r, func(job.ID) (control.Job, bool) { return control.Job{}, false }) }}
	first, err := sim.NewTimed(p)
	if err != nil {
		t.Fatal(err)
	}
	first.Run()
	again, events := h.Workload("records", first.Totals.End)
	p.Workload, p.Record, p.Events, p.Estimate = again, nil, events, sim.AsTold
	second, err := sim.NewTimed(p)
	if err != nil {
		t.Fatal(err)
	}
	second.Run()
	if first.Sum() != second.Sum() {
		t.Error("the period run again has other records")
	}
	// From the middle on: what ran then goes on for the rest of its time.
	h = sim.RetraceFrom(unit.Instant(time.Hour), func(int32) fleet.NodeID { return "n0" })
	p.Workload, p.Record = w, func(r *control.Record) { h.See(r, func(job.ID) (control.Job, bool) { return control.Job{}, false }) }
	if first, err = sim.NewTimed(p); err != nil {
		t.Fatal(err)
	}
	first.Run()
	rest, _ := h.Workload("records", first.Totals.End)
	if n := len(rest.Jobs); n == 0 || n >= 60 {
		t.Fatalf("%d jobs were there after an hour", n)
	}
	for i := range rest.Jobs {
		a := &rest.Jobs[i]
		was := &w.Jobs[a.Number-1]
		r := first.Results[a.Number-1]
		want := was.Run
		if r.First < unit.Instant(time.Hour) {
			want -= time.Hour - time.Duration(r.First)
		}
		if a.Run != want || a.Submit < unit.Instant(time.Hour) {
			t.Errorf("job %d started at %v and runs %v; in the period it comes at %v and runs %v", a.Number, time.Duration(r.First), was.Run, time.Duration(a.Submit), a.Run)
		}
	}
}

// A period had the caps that operators set in it, until they cleared them; so has a run
// of it as it was.
func TestRetracedPeriodHasItsCaps(t *testing.T) {
	hour := func(n int) unit.Instant { return unit.Instant(time.Duration(n) * time.Hour) }
	h := sim.RetraceFrom(0, func(int32) fleet.NodeID { return "n0" })
	nobody := func(job.ID) (control.Job, bool) { return control.Job{}, false }
	tell := func(k sched.CapEvent, cleared int32) {
		h.See(&control.Record{Kind: control.PowerTold, CapEvent: &k, Device: cleared}, nobody)
	}
	declared := sched.CapEvent{ID: 1, Area: "s", Part: 800_000, From: hour(1), To: unit.Never}
	told := sched.CapEvent{ID: 2, Area: "s", Limit: 5_000_000, From: hour(2), To: unit.Never}
	gone := sched.CapEvent{ID: 3, Area: "torn-down", Limit: 5_000_000, From: hour(2), To: unit.Never}
	tell(told, 0)
	tell(gone, 0)
	ended := told
	ended.To = hour(4)
	tell(ended, 1)
	over := declared
	over.To = hour(3)
	tell(over, 1)
	earlier := sched.CapEvent{ID: 4, Area: "s", Part: 900_000, From: hour(0), To: unit.Never} // its record is forgotten
	tree := &sched.Power{Areas: []sched.PowerArea{{Path: "s", Level: "site", Parent: -1, Limit: 10_000_000}}, Caps: []sched.CapEvent{declared}}
	got := h.Tree(tree, []sched.CapEvent{earlier})
	want := []sched.CapEvent{over, earlier, ended}
	if !slices.Equal(got.Caps, want) {
		t.Fatalf("caps %+v, want %+v", got.Caps, want)
	}
	if len(tree.Caps) != 1 || tree.Caps[0] != declared {
		t.Fatalf("the declared tree was changed: %+v", tree.Caps)
	}
	if h.Tree(nil, nil) != nil {
		t.Fatal("a centre without limits was given a tree")
	}
}
