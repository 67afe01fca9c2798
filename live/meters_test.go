package live

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"tianfu/meter"
	"tianfu/sensor"
	"tianfu/unit"
)

const second = unit.Instant(time.Second)

// TestWindowsAddUp plays random readings of two feeds and holds the windows to
// them: they follow each other on the grid, and add up to what the feeds told.
func TestWindowsAddUp(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		g := newGathering("a", "b")
		var told [2]unit.Instant
		type piece struct {
			from, to unit.Instant
			mJ       unit.Millijoules
		}
		var pieces [2][]piece
		begin := 1_000_000 * second
		told[0], told[1] = begin+unit.Instant(r.Int64N(int64(30*second))), begin+unit.Instant(r.Int64N(int64(30*second)))
		var sum unit.Millijoules
		last := unit.Instant(0)
		first := unit.Instant(0)
		for range 300 {
			k := r.IntN(2)
			to := told[k] + 1 + unit.Instant(r.Int64N(int64(25*second)))
			p := piece{told[k], to, unit.Millijoules(r.Int64N(1e9))}
			pieces[k] = append(pieces[k], p)
			g.add(&sensor.Reading{Meter: []string{"a", "b"}[k], Channel: "x", From: p.from, To: p.to, Energy: p.mJ, Quality: sensor.Measured})
			told[k] = to
			w, ok := g.take(10 * time.Second)
			if !ok {
				continue
			}
			if first == 0 {
				first, last = w.From, w.From
			}
			if w.From != last || w.To <= w.From || w.From%(10*second) != 0 || w.To%(10*second) != 0 || w.To > min(told[0], told[1]) || w.Missing || w.Estimated {
				t.Fatalf("seed %d: %+v after %v", seed, w, last)
			}
			last = w.To
			sum += w.Energy
		}
		// The truth, within a millijoule for each cut.
		var want unit.Millijoules
		for k := range pieces {
			for _, p := range pieces[k] {
				if s, e := max(p.from, first), min(p.to, last); e > s {
					want += meter.PartOf(p.mJ, int64(e-s), int64(p.to-p.from))
				}
			}
		}
		if d := sum - want; d < -4 || d > 4 {
			t.Fatalf("seed %d: windows add up to %d mJ, readings to %d", seed, sum, want)
		}
	}
}

func TestWindowsWaitAndSay(t *testing.T) {
	g := newGathering("a", "b")
	add := func(m string, from, to unit.Instant, mJ unit.Millijoules, q sensor.Quality) {
		g.add(&sensor.Reading{Meter: m, Channel: "x", From: from * second, To: to * second, Energy: mJ, Quality: q})
	}
	add("a", 100, 120, 2000, sensor.Measured)
	if w, ok := g.take(10 * time.Second); ok {
		t.Fatalf("b has not spoken: %+v", w)
	}
	add("b", 105, 120, 1500, sensor.Bridged)
	if w, ok := g.take(10 * time.Second); !ok || !reflect.DeepEqual(w, windowed{From: 110 * second, To: 120 * second, Energy: 2000, Estimated: true}) {
		t.Fatalf("%+v %v", w, ok)
	}
	add("c", 120, 130, 1, sensor.Measured) // nobody's
	add("a", 120, 130, 0, sensor.Missing)
	add("b", 120, 140, 2000, sensor.Measured)
	if w, ok := g.take(10 * time.Second); !ok || !w.Missing {
		t.Fatalf("%+v %v", w, ok)
	}
	add("a", 130, 140, 500, sensor.Measured)
	g.partial, g.baseMW = true, 1000
	if w, ok := g.take(10 * time.Second); !ok || !reflect.DeepEqual(w, windowed{From: 130 * second, To: 140 * second, Energy: 500 + 1000 + 10_000, Estimated: true}) {
		t.Fatalf("%+v %v", w, ok)
	}
	// A feed that was away for three days: a day of it is told, the rest is the
	// model's.
	add("a", 140, 300_000, 3_000_000, sensor.Bridged)
	add("b", 140, 300_000, 3_000_000, sensor.Bridged)
	if w, ok := g.take(10 * time.Second); !ok || w.To.Sub(w.From) != 24*time.Hour || w.To != 300_000*second {
		t.Fatalf("%+v %v", w, ok)
	}
}

// A node's own meter counts; the driver's tell what each accelerator drew of it,
// and hold nothing up when they are lost.
func TestDevicesAreToldApart(t *testing.T) {
	g := newGathering("bmc")
	g.seeDevices(2, "gpus")
	node := func(from, to unit.Instant, mJ unit.Millijoules) {
		g.add(&sensor.Reading{Meter: "bmc", Channel: "total", Covers: sensor.Covers{Level: sensor.Node}, From: from * second, To: to * second, Energy: mJ, Quality: sensor.Measured})
	}
	gpu := func(device int, from, to unit.Instant, mJ unit.Millijoules, q sensor.Quality) {
		g.add(&sensor.Reading{Meter: "gpus", Channel: string(rune('a' + device)), Covers: sensor.Covers{Level: sensor.Device, Device: device},
			From: from * second, To: to * second, Energy: mJ, Quality: q})
	}
	want := func(what string, want windowed) {
		t.Helper()
		if w, ok := g.take(10 * time.Second); !ok || !reflect.DeepEqual(w, want) {
			t.Errorf("%s: %+v %v, want %+v", what, w, ok, want)
		}
	}
	node(100, 120, 8000)
	gpu(1, 100, 115, 3000, sensor.Measured)
	gpu(0, 95, 120, 2500, sensor.Measured)
	want("until the last device has spoken", windowed{From: 100 * second, To: 110 * second, Energy: 4000, Devices: []unit.Millijoules{1000, 2000}})
	gpu(1, 115, 120, 1000, sensor.Bridged)
	want("a bridged device still counts", windowed{From: 110 * second, To: 120 * second, Energy: 4000, Devices: []unit.Millijoules{1000, 2000}})
	node(120, 130, 4000)
	gpu(0, 120, 130, 1000, sensor.Measured)
	gpu(1, 120, 130, 0, sensor.Missing)
	want("a device that is not known", windowed{From: 120 * second, To: 130 * second, Energy: 4000})
	node(130, 150, 8000)
	want("devices that are late", windowed{From: 130 * second, To: 150 * second, Energy: 8000})
	node(150, 160, 4000)
	gpu(0, 130, 160, 3000, sensor.Measured)
	gpu(1, 152, 160, 1600, sensor.Measured)
	want("a device seen for a part of the time", windowed{From: 150 * second, To: 160 * second, Energy: 4000})
}

// The driver's meter and the processors' together stand for a node.
func TestPartsOfANodeTellDevicesToo(t *testing.T) {
	g := newGathering("cpus", "gpus")
	g.partial, g.baseMW, g.devices = true, 1000, 1
	g.add(&sensor.Reading{Meter: "cpus", Channel: "p", Covers: sensor.Covers{Level: sensor.Package}, From: 100 * second, To: 110 * second, Energy: 500, Quality: sensor.Measured})
	g.add(&sensor.Reading{Meter: "gpus", Channel: "a", Covers: sensor.Covers{Level: sensor.Device}, From: 100 * second, To: 110 * second, Energy: 700, Quality: sensor.Measured})
	want := windowed{From: 100 * second, To: 110 * second, Energy: 500 + 700 + 10_000, Estimated: true, Devices: []unit.Millijoules{700}}
	if w, ok := g.take(10 * time.Second); !ok || !reflect.DeepEqual(w, want) {
		t.Errorf("%+v %v, want %+v", w, ok, want)
	}
}

func TestAreasAreCompared(t *testing.T) {
	a := &areaBalance{level: sensor.Rack, inside: map[int32]bool{0: true, 1: true}}
	c := &conserve{areas: map[string]*areaBalance{"s/r1": a}}
	page := func(site string, from, to unit.Instant) {
		part := func(mJ unit.Millijoules) []meter.Part {
			return []meter.Part{{Line: meter.IdleLine, Totals: meter.Totals{Idle: mJ, Facility: 50}}}
		}
		c.page(&meter.Page{Site: site, From: from * second, To: to * second, Nodes: []meter.NodePart{
			{Node: 0, Basis: meter.Measured, Parts: part(1000)}, {Node: 1, Basis: meter.Modelled, Parts: part(600)}, {Node: 2, Basis: meter.Measured, Parts: part(9999)}, {Node: -1, Parts: part(7)}}})
	}
	page("other", 0, 10)
	page("s", 0, 10)
	c.measured("s/r1", windowed{From: 0, To: 20 * second, Energy: 4000})
	if s := a.state; s.Measured != 2000 || s.Accounted != 1600 || s.Unexplained() != 400 || s.MeasuredNodes != 1 || s.Nodes != 2 {
		t.Errorf("%+v", s)
	}
	page("s", 10, 20)
	if s := a.state; s.To != 20*second || s.MeasuredTotal != 4000 || s.AccountedTotal != 3200 {
		t.Errorf("%+v", s)
	}
	// The meter is lost for an interval, which is not compared.
	page("s", 20, 30)
	page("s", 30, 40)
	c.measured("s/r1", windowed{From: 30 * second, To: 40 * second, Energy: 1000})
	if s := a.state; s.To != 40*second || s.Unexplained() != -600 || s.MeasuredTotal != 5000 || s.AccountedTotal != 4800 {
		t.Errorf("%+v", s)
	}
	for range 3 * maxOpen {
		page("s", 50, 60)
	}
	if len(a.ledger) > maxOpen {
		t.Errorf("%d intervals wait", len(a.ledger))
	}
	// Of a site the overhead counts.
	site := &areaBalance{level: sensor.Site, inside: map[int32]bool{0: true, 1: true, 2: true}}
	c.areas = map[string]*areaBalance{"s": site}
	c.measured("s", windowed{From: 0, To: 10 * second, Energy: 12000})
	page("s", 0, 10)
	if s := site.state; s.Accounted != 1000+600+9999+150 || s.Unexplained() != 251 {
		t.Errorf("%+v", s)
	}
}
