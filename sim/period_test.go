package sim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/sched"
	"tianfu/sim"
	"tianfu/unit"
)

// powered is the crowd, a job a minute, on nodes whose power is known.
func powered(jobs int) sim.TimedParams {
	f, w := crowd(jobs)
	p := sim.TimedParams{Fleet: f, Workload: w, Policy: "tianfu", Rules: sched.Rules{Preempt: true}}
	for i := range w.Jobs {
		w.Jobs[i].Submit = unit.Instant(time.Hour + time.Duration(i)*time.Minute)
	}
	for range f.Nodes {
		p.Power = append(p.Power, energy.NodeModel{Base: 100, DeviceIdle: 50, DeviceFull: 250, CPU: 32_000, PackageFull: 300})
	}
	return p
}

func ask(t *testing.T, p sim.TimedParams, change string) *sim.WhatIf {
	t.Helper()
	w, err := sim.CompareChange(p, change, "crowd", nil)
	if err != nil {
		t.Fatalf("%s: %v", change, err)
	}
	return w
}

// TestBothRunsHaveTheSamePeriod asks for changes that leave work over. Neither run
// may draw more than all nodes do at full load in the hours of the period, and
// what is left over is said. Once the period ended with the first thing to happen
// after the last arrival, which under such changes came days later.
func TestBothRunsHaveTheSamePeriod(t *testing.T) {
	p := powered(20)
	most := 4 * (100 + 4*250 + 300) / 1000.0
	for _, end := range []unit.Instant{0, unit.Instant(3 * time.Hour)} {
		p.PeriodEnd = end
		for _, change := range []string{"runtimes x100", "remove 3 nodes", "arrivals x3", "policy tianfu"} {
			w := ask(t, p, change)
			e := figureOf(t, w, "IT energy")
			if end != 0 && w.Hours != 2 {
				t.Errorf("%s: a period of 2 hours has %v", change, w.Hours)
			}
			if limit := most * w.Hours * 1.001; e.Base <= 0 || e.Base > limit || e.Changed > limit {
				t.Errorf("%s: %v and %v kWh in %v h, and all nodes at full load draw %v", change, e.Base, e.Changed, w.Hours, limit)
			}
			if d := figureOf(t, w, "finished"); change != "policy tianfu" && change != "arrivals x3" && (d.Changed >= d.Base || w.Changed.Left == 0) {
				t.Errorf("%s: %v of %v GPU-h finished, %d jobs left", change, d.Changed, d.Base, w.Changed.Left)
			}
			if w.Changed.Left > 0 && !strings.Contains(strings.Join(w.Notes, "\n"), fmt.Sprintf("unfinished as it was, %d under the change", w.Changed.Left)) {
				t.Errorf("%s: %d jobs are left and the notes are %q", change, w.Changed.Left, w.Notes)
			}
			if end == 0 && w.Base.Left != 0 {
				t.Errorf("%s: %d jobs are left of a period that is as long as they took", change, w.Base.Left)
			}
			if change == "policy tianfu" && (e.Base != e.Changed || w.Base != w.Changed) {
				t.Errorf("nothing is changed, and the runs are %+v and %+v", w.Base, w.Changed)
			}
		}
	}
}

// TestALedgerHasTheSamePeriod holds the ledgers of both runs to it.
func TestALedgerHasTheSamePeriod(t *testing.T) {
	p := powered(20)
	for h := range 24 * 40 {
		at := unit.Instant(h) * unit.Instant(time.Hour)
		p.Hours = map[string][]energy.SiteHour{"": append(p.Hours[""], energy.SiteHour{From: at, To: at.Add(time.Hour), CarbonLocation: 500_000, CarbonMarket: energy.NoData, CarbonMarginal: energy.NoData, Price: 1e9, PUE: 1_200_000, Water: energy.NoData})}
	}
	p.Metering.Every = 7 * time.Minute
	for _, change := range []string{"policy tianfu", "runtimes x30", "remove 3 nodes"} {
		w := ask(t, p, change)
		e, c, y := figureOf(t, w, "site energy"), figureOf(t, w, "carbon"), figureOf(t, w, "cost")
		if limit := 1.2 * 6.2 * w.Hours; e.Base <= 0 || e.Changed > limit {
			t.Errorf("%s: %v and %v kWh in %v h", change, e.Base, e.Changed, w.Hours)
		}
		if e.Base != y.Base || e.Changed != y.Changed || sim.Tell(e.Changed/2) < c.Changed*0.995 || sim.Tell(e.Changed/2) > c.Changed*1.005 {
			t.Errorf("%s: at 1 yuan and 500 g a kWh %+v costs %+v and is %+v", change, e, y, c)
		}
		if change == "policy tianfu" && w.Base.Hash != w.Changed.Hash {
			t.Errorf("nothing is changed, and the runs are %+v and %+v", w.Base, w.Changed)
		}
	}
}

// TestWorkThatNeverStartsIsSaid lowers a limit so far that large jobs never start,
// among nodes that fail and are mended: both runs end all the same.
func TestWorkThatNeverStartsIsSaid(t *testing.T) {
	p := powered(12)
	p.Failures = sim.Failures{MTBF: 20 * 24 * time.Hour, MTTR: time.Hour, Seed: 1}
	w := ask(t, p, "cap site=s 2kW")
	notes := strings.Join(w.Notes, "\n")
	if w.Changed.Never == 0 || w.Base.Open != 0 || !strings.Contains(notes, "never start") || !strings.Contains(notes, "power") {
		t.Errorf("base %+v, changed %+v, notes %s", w.Base, w.Changed, notes)
	}
	if d := figureOf(t, w, "wait p90"); d.Changed <= d.Base {
		t.Errorf("jobs that never start wait %v s, and %v s as it was", d.Changed, d.Base)
	}
}

// TestChangeThatLeavesNoOpenNode is refused: cordoned nodes are nodes, and run
// nothing.
func TestChangeThatLeavesNoOpenNode(t *testing.T) {
	p := powered(12)
	for i := range p.Fleet.Nodes[1:] {
		p.Fleet.Nodes[1+i].Cordoned = true
	}
	if _, err := sim.CompareChange(p, "remove node=n0", "crowd", nil); err == nil || !strings.Contains(err.Error(), "leaves no node that takes work") {
		t.Errorf("only cordoned nodes are left: %v", err)
	}
	ask(t, p, "remove node=n1")
	// An event cordons the second node from the beginning on; what it is declared
	// as does not count.
	p.Fleet.Nodes[1].Cordoned = false
	p.Events = []sim.NodeEvent{{At: unit.Instant(time.Hour), Node: "n1", Cordon: true}}
	if _, err := sim.CompareChange(p, "remove node=n0", "crowd", nil); err == nil || !strings.Contains(err.Error(), "leaves no node that takes work") {
		t.Errorf("only cordoned nodes are left: %v", err)
	}
	// It is opened later in the period: the work waits for that.
	p.Events = append(p.Events, sim.NodeEvent{At: unit.Instant(2 * time.Hour), Node: "n1"})
	if w := ask(t, p, "remove node=n0"); w.Changed.Never != 0 {
		t.Errorf("%+v", w.Changed)
	}
	// A node that is too small for some of the work stays open.
	p.Events, p.Fleet.Nodes[1].Devices = nil, make([]fleet.Device, 1)
	p.Fleet.Nodes[2].Devices = make([]fleet.Device, 4)
	if _, err := sim.CompareChange(p, "remove node=n0", "crowd", nil); err == nil || !strings.Contains(err.Error(), "can never start") {
		t.Errorf("the open node is too small for most jobs: %v", err)
	}
}
