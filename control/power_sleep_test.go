package control_test

import (
	"testing"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/sched"
	"tianfu/unit"
)

// TestSleepersWakeWhenNobodySleepsAnyMore takes sleep out of the configuration while
// two nodes sleep: they are woken, as far as the site's limit lets them idle.
func TestSleepersWakeWhenNobodySleepsAnyMore(t *testing.T) {
	f := &fleet.Fleet{Name: "t"}
	var power []energy.NodeModel
	for _, id := range []fleet.NodeID{"a", "b"} {
		f.Nodes = append(f.Nodes, fleet.Node{ID: id, CPU: 4000, Memory: 1024, Place: fleet.Place{Site: "s"}})
		power = append(power, energy.NodeModel{Base: 100, CPU: 4000, PackageFull: 300})
	}
	tree := func(after time.Duration, limit int64) *sched.Power {
		return &sched.Power{Protect: sched.NoProtect, CapLatency: time.Second, Grace: time.Second, Sleep: sched.PowerSleep{After: after, Draw: 10_000},
			Areas: []sched.PowerArea{{Path: "s", Level: "site", Parent: -1, Limit: limit, Warn: sched.DefaultWarn, Resume: sched.DefaultResume, Overhead: sched.Million}}}
	}
	cfg := control.Config{Fleet: f, Power: power, Policy: "tianfu", Tree: tree(time.Minute, 1_000_000)}
	s, err := control.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	step := func(second int64, in ...control.Input) (woken int) {
		t.Helper()
		out := s.Step(unit.At(second), append(in, control.Input{Kind: control.Tick}))
		if len(out.Refusals) > 0 {
			t.Fatal(out.Refusals[0].Err)
		}
		for _, o := range out.Orders {
			if o.Kind == control.WakeNode {
				woken++
			}
		}
		return woken
	}
	step(0)
	step(120)
	if n := s.Capacity().Sleepers(); n != 2 {
		t.Fatalf("%d nodes sleep", n)
	}
	cfg.Tree = tree(0, 1_000_000)
	if woken := step(130, control.Input{Kind: control.Configure, Config: &cfg}); woken != 2 {
		t.Errorf("%d nodes are woken", woken)
	}
	step(131)
	for n := range int32(2) {
		if state := s.Capacity().NodePower(n).State; state != sched.Awake {
			t.Errorf("node %d is in state %d", n, state)
		}
	}
	if step(10_000); s.Capacity().Sleepers() != 0 {
		t.Error("a node sleeps again")
	}
}
