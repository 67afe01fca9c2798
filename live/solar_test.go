package live

import (
	"log/slog"
	"testing"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/sched"
	"tianfu/sensor"
	"tianfu/unit"
)

// roofed is a centre of one node at a site of 500 W, with meters of two roofs.
func roofed(t *testing.T) (*control.State, *instruments) {
	t.Helper()
	s, err := control.Open(control.Config{
		Fleet:  &fleet.Fleet{Name: "t", Nodes: []fleet.Node{{ID: "n", CPU: 4000, Memory: 1024, Place: fleet.Place{Site: "s"}}}},
		Power:  []energy.NodeModel{{Base: 100, CPU: 4000, PackageFull: 300}},
		Policy: "tianfu",
		Tree: &sched.Power{Protect: sched.NoProtect, CapLatency: sched.DefaultCapLatency, Grace: sched.DefaultGrace, Areas: []sched.PowerArea{{
			Path: "s", Level: "site", Parent: -1, Limit: 500_000, Warn: sched.DefaultWarn, Resume: sched.DefaultResume, Overhead: sched.Million}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	o := &Options{Logger: slog.New(slog.DiscardHandler)}
	for _, name := range []string{"east", "west", "far"} {
		x := Instrument{Kind: "modbus", Covers: sensor.Covers{Level: sensor.Site, Path: "s"}, Solar: true, Broken: errEnough}
		x.Name, x.Every = name, time.Second
		if name == "far" {
			x.Covers.Path = "of no limit"
		}
		o.Meters = append(o.Meters, x)
	}
	m, err := newInstruments(o, s)
	if err != nil {
		t.Fatal(err)
	}
	return s, m
}

// TestSolarRaisesTheBudget hands readings of two roofs to the core: what the site
// may draw follows their sum, minute by minute, and no longer than they are heard.
func TestSolarRaisesTheBudget(t *testing.T) {
	s, m := roofed(t)
	begin := unit.Instant(time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC).UnixNano())
	reading := func(name string, minute int, watts int64, q sensor.Quality) {
		from := begin.Add(time.Duration(minute) * time.Minute)
		m.deliver(sensor.Reading{Meter: name, Channel: "x", Covers: sensor.Covers{Level: sensor.Site, Path: "s"}, From: from, To: from.Add(time.Minute), Energy: unit.Millijoules(watts * 60_000), Quality: q})
	}
	solar := func(minute int) int64 {
		t.Helper()
		batch := []control.Input{{Kind: control.Tick}}
		for len(m.out) > 0 {
			batch = append(batch, <-m.out)
		}
		if out := s.Step(begin.Add(time.Duration(minute)*time.Minute), batch); len(out.Refusals) > 0 {
			t.Fatal(out.Refusals[0].Err)
		}
		return s.Capacity().Area(0).Facts.Solar
	}
	want := func(minute int, watts int64, what string) {
		t.Helper()
		if got := solar(minute); got != watts*1000 {
			t.Errorf("minute %d, %s: %d mW, want %d W", minute, what, got, watts)
		}
	}
	want(0, 0, "nothing is heard")
	reading("east", 0, 100, sensor.Measured)
	want(1, 0, "one of two roofs is heard")
	reading("west", 0, 40, sensor.Measured)
	want(1, 140, "both")
	reading("east", 1, 120, sensor.Measured)
	reading("west", 1, 0, sensor.Estimated)
	want(2, 120, "the next minute takes the place of the one before")
	want(4, 120, "late")
	want(5, 0, "silent for three minutes")
	reading("east", 4, 200, sensor.Measured)
	reading("west", 4, 0, sensor.Missing)
	want(5, 0, "what one roof made is not known")
	for minute := 5; minute < 8; minute++ {
		reading("east", minute, 0, sensor.Measured)
		reading("west", minute, 0, sensor.Measured)
		if told := len(m.out); told != 0 && minute > 5 {
			t.Error("a night is told minute by minute")
		}
		want(minute+1, 0, "night")
	}
	reading("east", 8, 50, sensor.Measured)
	reading("west", 8, 0, sensor.Measured)
	want(9, 50, "morning")
	reading("east", 9, 0, sensor.Measured)
	reading("west", 9, 0, sensor.Measured)
	want(10, 0, "the evening is told, or the last light would last")
	if m.things["s"] != nil {
		t.Error("what is made counts as drawn")
	}
	for _, x := range m.list {
		if k := m.known[x.Name]; k.Counts != (x.Name != "far") {
			t.Errorf("%s counts: %v", x.Name, k.Counts)
		}
	}
}

// TestSolarOfAReload: meters that stay go on, one that is added is waited for.
func TestSolarOfAReload(t *testing.T) {
	s, m := roofed(t)
	before := m.suns["s"]
	if err := m.replace(m.list, s); err != nil || m.suns["s"] != before {
		t.Errorf("nothing is changed, and the sums begin anew: %v", err)
	}
	if err := m.replace(m.list[:1], s); err != nil || m.suns["s"] == before || len(m.suns["s"].meters) != 1 {
		t.Errorf("one meter is left: %+v, %v", m.suns["s"], err)
	}
}
