package control_test

import (
	"slices"
	"testing"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/sched"
	"tianfu/unit"
)

// TestReloadsUnderAPowerTree changes the configuration of random centres whose
// power is limited, with caps that come and go and nodes that sleep: work is
// kept, what is held back comes over with its area, and the fold of the records
// gives the same state.
func TestReloadsUnderAPowerTree(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 20
	}
	reloads, held, asleep := 0, 0, 0
	for seed := range seeds {
		c, err := newScenario(8000 + seed)
		if err != nil {
			t.Fatal(err)
		}
		c.cfg.Power = nil
		for range c.cfg.Fleet.Nodes {
			c.cfg.Power = append(c.cfg.Power, energy.NodeModel{Base: 80, DeviceIdle: 25, DeviceFull: 250, Linear: true, PackageIdle: 15, PackageFull: 120, CoresPerPackage: 16})
		}
		tree := &sched.Power{Protect: 2, CapLatency: time.Second, Grace: 20 * time.Second,
			Sleep: sched.PowerSleep{After: time.Duration(c.rng.IntN(2)*40) * time.Second, Latency: 15 * time.Second, Draw: 10_000}}
		full := int64(len(c.cfg.Fleet.Nodes)) * 1_000_000
		tree.Areas = []sched.PowerArea{{Path: "s", Level: "site", Parent: -1, Limit: full, Warn: sched.DefaultWarn, Resume: sched.DefaultResume, Overhead: sched.Million}}
		for _, r := range []string{"s/r0", "s/r1", "s/r2"} {
			tree.Areas = append(tree.Areas, sched.PowerArea{Path: r, Level: "rack", Limit: 4_000_000, Warn: sched.DefaultWarn, Resume: sched.DefaultResume})
		}
		c.cfg.Tree, c.first = tree, c.cfg
		c.first.Tree, c.first.Power = tree, c.cfg.Power
		if c.state, err = control.Open(c.cfg); err != nil {
			t.Fatal(err)
		}
		for step := range 70 {
			c.now = c.now.Add(time.Duration(1+c.rng.IntN(20)) * time.Second)
			in := c.batch()
			if c.rng.IntN(8) == 0 {
				k := &sched.CapEvent{Area: tree.Areas[c.rng.IntN(len(tree.Areas))].Path, From: c.now, To: c.now.Add(time.Duration(20+c.rng.IntN(200)) * time.Second)}
				k.Part = int64(400_000 + c.rng.IntN(500_000))
				in = append(in, control.Input{Kind: control.SetCap, Cap: k})
			}
			o := c.state.Step(c.now, in)
			c.follow(o)
			if err := c.check(); err != nil {
				t.Fatalf("seed %d step %d: %v", seed, step, err)
			}
			if slices.ContainsFunc(o.Records, func(r control.Record) bool { return r.Kind == control.Configured }) {
				reloads++
				if c.state.Capacity().HeldBack() {
					held++
				}
				for n := range int32(c.state.Capacity().Nodes()) {
					if c.state.Capacity().NodePower(n).State != sched.Awake {
						asleep++
					}
				}
				checkRecovery(t, c.state, c.records)
			}
			if step%17 == 3 {
				checkRecovery(t, c.state, c.records)
			}
		}
	}
	t.Logf("%d reloads, %d while work was held back, %d nodes asleep over them", reloads, held, asleep)
	if reloads < 20 || held == 0 || asleep == 0 {
		t.Error("the test does not reload what it is about")
	}
}

// TestReloadKeepsCaps: a cap that an operator set stays over a reload, and an
// area with one cannot be taken away.
func TestReloadKeepsCaps(t *testing.T) {
	c, err := newScenario(8101)
	if err != nil {
		t.Fatal(err)
	}
	for range c.cfg.Fleet.Nodes {
		c.cfg.Power = append(c.cfg.Power, energy.NodeModel{Base: 80, DeviceIdle: 25, DeviceFull: 250, Linear: true})
	}
	area := func(path string, parent int32) sched.PowerArea {
		return sched.PowerArea{Path: path, Parent: parent, Limit: 50_000_000, Warn: sched.DefaultWarn, Resume: sched.DefaultResume, Overhead: sched.Million}
	}
	c.cfg.Tree = &sched.Power{Protect: sched.NoProtect, Areas: []sched.PowerArea{area("s", -1), area("s/r0", 0)}}
	if c.state, err = control.Open(c.cfg); err != nil {
		t.Fatal(err)
	}
	at := unit.At(10)
	o := c.state.Step(at, []control.Input{{Kind: control.SetCap, Tag: 1, Cap: &sched.CapEvent{Area: "s/r0", Part: 900_000, From: at, To: at.Add(time.Hour)}}})
	if len(o.Refusals) > 0 {
		t.Fatal(o.Refusals[0].Err)
	}
	next := c.cfg
	next.Tree = &sched.Power{Protect: sched.NoProtect, Areas: []sched.PowerArea{area("s", -1)}}
	if err := c.state.CheckConfig(&next); err == nil {
		t.Error("an area with a cap was taken away")
	}
	next.Tree = &sched.Power{Protect: sched.NoProtect, Areas: []sched.PowerArea{area("s", -1), area("s/r1", 0), area("s/r0", 0)}}
	if o = c.state.Step(unit.At(20), []control.Input{{Kind: control.Configure, Config: &next}}); len(o.Refusals) > 0 {
		t.Fatal(o.Refusals[0].Err)
	}
	if limit := c.state.Capacity().Area(2).Facts.Limit; limit != 45_000_000 {
		t.Errorf("after the reload the rack may draw %d mW", limit)
	}
}
