package control_test

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/meter"
	"tianfu/sched"
	"tianfu/unit"
)

// metered is a random centre that keeps a ledger.
type metered struct {
	*scenario
	read map[int]unit.Instant // what meters of nodes have told of
}

func newMetered(t *testing.T, seed uint64) *metered { return newMeteredOf(t, seed, newScenario) }

func newMeteredOf(t *testing.T, seed uint64, scenario func(uint64) (*scenario, error)) *metered {
	t.Helper()
	c, err := scenario(seed)
	if err != nil {
		t.Fatal(err)
	}
	c.stable = true // pages name nodes by rank
	m := &metered{scenario: c, read: map[int]unit.Instant{}}
	c.cfg.Metering = control.Metering{Every: time.Duration(10+c.rng.IntN(100)) * time.Second, Lag: time.Duration(c.rng.IntN(3)*15) * time.Second}
	if seed%3 == 0 {
		c.cfg.Metering.Zones = []control.SiteZone{{Site: "s0", Zone: zoneOf(t, "Asia/Kathmandu")}}
	}
	for i := range c.cfg.DayBudgets {
		if b := &c.cfg.DayBudgets[i]; b.Site != "" && c.power == nil {
			b.Site = "s0"
		}
	}
	if c.power == nil {
		c.cfg.Power = nil
	}
	for i := range c.cfg.Fleet.Nodes {
		if c.power != nil {
			break // the tree's sites and models
		}
		n := &c.cfg.Fleet.Nodes[i]
		n.Place.Site = fmt.Sprintf("s%d", i%2)
		model := energy.NodeModel{Base: 80.5, DeviceIdle: 25, DeviceFull: 250, Linear: i%3 == 0, CPU: n.CPU, PackageIdle: 15, PackageFull: 120}
		if i%3 > 0 {
			model.CoresPerPackage = 16
		}
		c.cfg.Power = append(c.cfg.Power, model)
	}
	if c.state, err = control.Open(c.cfg); err != nil {
		t.Fatal(err)
	}
	return m
}

// step goes on by some seconds; some nodes have meters, which are silent now
// and then and tell of it late.
func (m *metered) step() *control.Outcome {
	m.now = m.now.Add(time.Duration(1+m.rng.IntN(40_000)) * time.Millisecond)
	in := m.batch()
	for i := range m.cfg.Fleet.Nodes {
		if i%3 != 1 || m.rng.IntN(3) == 0 {
			continue
		}
		from := m.read[i]
		if m.rng.IntN(8) == 0 {
			from = from.Add(3 * time.Second) // a hole, which stays modelled
		}
		if from >= m.now {
			continue
		}
		r := &control.EnergyReading{From: from, To: m.now, Basis: meter.Measured, Energy: unit.Millijoules(float64(m.now-from) / 1e6 * (50 + float64(m.rng.IntN(1500))))}
		if m.rng.IntN(3) == 0 {
			for range m.cfg.Fleet.Nodes[i].Devices {
				r.Devices = append(r.Devices, r.Energy/20)
			}
		}
		for k, o := range m.running {
			if o.Node != int32(i) {
				continue
			}
			r.Used = append(r.Used, control.TaskUse{Job: k.id, Task: k.task, Attempt: o.Attempt, CPUMicros: int64(m.now) / 1000})
		}
		slices.SortFunc(r.Used, func(a, b control.TaskUse) int { return int(a.Job-b.Job)*64 + int(a.Task-b.Task) })
		in = append(in, control.Input{Kind: control.EnergyMeasured, Node: m.cfg.Fleet.Nodes[i].ID, Reading: r})
		m.read[i] = m.now
	}
	if m.rng.IntN(10) == 0 {
		in = append(in, control.Input{Kind: control.CloseIntervals})
	}
	o := m.state.Step(m.now, in)
	m.follow(o)
	return o
}

// sums holds pages to the rules: intervals follow each other, parts sum to the
// meter, figures to the hour's factors, with nothing lost between.
type sums struct {
	from  map[string]unit.Instant
	carry map[int32]meter.Carry
}

func (s *sums) page(p *meter.Page) error {
	if at, seen := s.from[p.Site]; seen && at != p.From {
		return fmt.Errorf("site %s: the page from %v follows one that ended at %v", p.Site, p.From, at)
	}
	s.from[p.Site] = p.To
	for i := range p.Nodes {
		n := &p.Nodes[i]
		before := s.carry[n.Node]
		s.carry[n.Node] = n.Carry
		var t meter.Totals
		for k := range n.Parts {
			q := &n.Parts[k]
			if q.Idle < 0 || q.Dynamic < 0 || q.Facility < 0 {
				return fmt.Errorf("node %d: a part below zero: %+v", n.Node, q)
			}
			t.Add(q)
		}
		if want := n.Reading + n.Late + unit.Millijoules(n.Carry.Owed-before.Owed); n.Reading != meter.Unknown && t.IT() != want {
			return fmt.Errorf("node %d: the parts sum to %d mJ, the meter and its corrections to %d", n.Node, t.IT(), want)
		}
		for _, f := range []struct {
			what          string
			of            unit.Millijoules
			factor, each  int64
			got           int64
			before, after int64
		}{
			{"facility", t.IT(), p.Hour.PUE - 1e6, 1e6, int64(t.Facility), before.Facility, n.Carry.Facility},
			{"carbon", t.Energy(), p.Hour.CarbonLocation, 3_600_000, int64(t.CarbonLocation), before.CarbonLocation, n.Carry.CarbonLocation},
			{"cost", t.Energy(), p.Hour.Price, 3_600_000_000, int64(t.Cost), before.Cost, n.Carry.Cost},
		} {
			if f.factor == energy.NoData || p.Hour.Missing()&meter.NoPUE != 0 && f.what == "facility" {
				if f.got != 0 {
					return fmt.Errorf("node %d: %s %d without a factor", n.Node, f.what, f.got)
				}
				continue
			}
			left := new(big.Int).Mul(big.NewInt(int64(f.of)), big.NewInt(f.factor))
			left.Add(left, big.NewInt(f.before))
			right := new(big.Int).Mul(big.NewInt(f.got), big.NewInt(f.each))
			right.Add(right, big.NewInt(f.after))
			if left.Cmp(right) != 0 || f.after < 0 || f.after >= f.each {
				return fmt.Errorf("node %d: %s: %v became %v with %d carried", n.Node, f.what, left, right, f.after)
			}
		}
	}
	return nil
}

// TestLedgerSumsExactly runs random centres and holds every page to its sums.
func zoneOf(t *testing.T, name string) fleet.Zone {
	t.Helper()
	l, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return fleet.ZoneOf(name, l)
}

// No interval of the ledger lies across a midnight of its site, however long
// intervals are and however long the centre was away: its energy would be of the
// wrong day's bill, and at the end of a month of the wrong month's.
func TestIntervalsEndWithTheDay(t *testing.T) {
	for _, v := range []struct {
		zone  string
		every time.Duration
	}{{"Asia/Kathmandu", time.Hour}, {"Asia/Shanghai", 24 * time.Hour}, {"America/New_York", 24 * time.Hour}, {"Asia/Kathmandu", time.Minute}, {"", 7 * time.Hour}} {
		cfg := control.Config{Policy: "tianfu", Fleet: &fleet.Fleet{Nodes: []fleet.Node{{ID: "n", CPU: 1000, Place: fleet.Place{Site: "s"}}}}, Metering: control.Metering{Every: v.every}}
		location := time.UTC
		if v.zone != "" {
			cfg.Metering.Zones = []control.SiteZone{{Site: "s", Zone: zoneOf(t, v.zone)}}
			location, _ = time.LoadLocation(v.zone)
		}
		state, err := control.Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Date(2028, 2, 26, 10, 17, 33, 0, time.UTC)
		pages, last := 0, unit.Instant(begin.UnixNano())
		for _, hours := range []int{0, 1, 30, 31, 200, 201, 500} { // the days of a clock change and long pauses with them
			out := state.Step(unit.Instant(begin.Add(time.Duration(hours)*time.Hour).UnixNano()), nil)
			for _, r := range out.Records {
				if r.Kind != control.Metered {
					continue
				}
				from, to := time.Unix(0, int64(r.Page.From)).In(location), time.Unix(0, int64(r.Page.To)-1).In(location)
				if from.Format(time.DateOnly) != to.Format(time.DateOnly) {
					t.Errorf("%s every %v: an interval from %v to %v", v.zone, v.every, from, to)
				}
				if r.Page.From != last {
					t.Errorf("%s every %v: the interval from %v leaves out time after %v", v.zone, v.every, from, last)
				}
				pages, last = pages+1, r.Page.To
			}
		}
		if pages < 20 {
			t.Errorf("%s every %v: %d intervals", v.zone, v.every, pages)
		}
	}
}

func TestLedgerSumsExactly(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 15
	}
	pages := 0
	for seed := range seeds {
		m := newMeteredOf(t, seed, newPowered)
		s := &sums{from: map[string]unit.Instant{}, carry: map[int32]meter.Carry{}}
		for range 60 {
			o := m.step()
			for i := range o.Records {
				if r := &o.Records[i]; r.Kind == control.Metered {
					pages++
					if err := s.page(r.Page); err != nil {
						t.Fatalf("seed %d: %v", seed, err)
					}
				}
			}
		}
	}
	if pages < 100 {
		t.Fatalf("only %d pages", pages)
	}
}

func partitioned(m *metered, n int32) bool {
	for _, a := range m.state.Capacity().Running(n) {
		if a.Profile != 0 {
			return true
		}
	}
	return false
}

// TestModelledEnergyIsTheModels integrates the power of nodes without a meter
// beside the ledger.
func TestModelledEnergyIsTheModels(t *testing.T) {
	for seed := range uint64(20) {
		m := newMetered(t, seed+100)
		want, got := map[int32]float64{}, map[int32]float64{}
		dirty := map[int32]bool{}
		for range 60 {
			power := map[int32]float64{}
			for n := range int32(len(m.cfg.Fleet.Nodes)) {
				power[n] = float64(m.state.Capacity().Watts(n))
				dirty[n] = dirty[n] || n%3 == 1 || partitioned(m, n)
			}
			before := m.now
			first := len(m.records) == 0
			o := m.step()
			for n, w := range power {
				if !first {
					want[n] += w * m.now.Sub(before).Seconds()
				}
			}
			addPages(o.Records, got)
		}
		addPages(m.state.Step(m.now, []control.Input{{Kind: control.CloseIntervals}}).Records, got)
		for n := range want {
			// Where tasks told of their CPU time, the ledger goes by it; here only
			// nodes with meters tell.
			if !dirty[n] && math.Abs(want[n]-got[n]) > 0.01+1e-6*want[n] {
				t.Fatalf("seed %d node %d: the model integrates to %.3f J, the ledger has %.3f J", seed, n, want[n], got[n])
			}
		}
	}
}

// TestModelledEnergyIsThePowerTrees integrates what the power tree says that
// nodes without a meter draw, with caps, work that stands still and sleep, beside
// the ledger.
func TestModelledEnergyIsThePowerTrees(t *testing.T) {
	held, still, asleep := 0, 0, 0
	for seed := uint64(0); seed < 80; seed += 2 {
		m := newMeteredOf(t, seed+300, newPowered)
		want, got := map[int32]float64{}, map[int32]float64{}
		dirty := map[int32]bool{}
		for step := range 60 {
			c, before := m.state.Capacity(), m.now
			power := map[int32]float64{}
			for n := range int32(c.Nodes()) {
				x := c.NodePower(n)
				power[n] = float64(x.Draw) / 1000
				dirty[n] = dirty[n] || n%3 == 1 || partitioned(m, n)
				if c.HeldTo(n) < sched.Uncapped && x.Draw > x.Idle {
					held++
				}
				if x.State == sched.Asleep {
					asleep++
				}
			}
			still += len(c.Suspended())
			o := m.step()
			for n, w := range power {
				if step > 0 {
					want[n] += w * m.now.Sub(before).Seconds()
				}
			}
			addPages(o.Records, got)
			if step == 40 {
				checkRecovery(t, m.state, m.records)
			}
		}
		addPages(m.state.Step(m.now, []control.Input{{Kind: control.CloseIntervals}}).Records, got)
		for n := range want {
			if !dirty[n] && math.Abs(want[n]-got[n]) > 1+1e-5*want[n] {
				t.Fatalf("seed %d node %d: the power tree integrates to %.3f J, the ledger has %.3f J", seed, n, want[n], got[n])
			}
		}
	}
	if held < 20 || still < 20 || asleep < 20 {
		t.Fatalf("%d held nodes, %d tasks that stand still, %d sleeping nodes: too few to tell", held, still, asleep)
	}
}

func addPages(records []control.Record, sum map[int32]float64) {
	for i := range records {
		if p := records[i].Page; p != nil {
			for k := range p.Nodes {
				sum[p.Nodes[k].Node] += float64(p.Nodes[k].IT()) / 1000
			}
		}
	}
}

// TestLedgerOutlivesACrash cuts the log of a random centre at every record,
// recovers and goes on: no instant is metered twice and none is left out. A
// centre that comes back from a snapshot writes the same records as one that
// never stopped.
func TestLedgerOutlivesACrash(t *testing.T) {
	for seed := range uint64(6) {
		m := newMetered(t, seed+200)
		for range 12 {
			m.step()
		}
		for k := 1; k <= len(m.records); k++ {
			back, err := control.Recover(m.records[:k])
			if err != nil {
				t.Fatal(err)
			}
			s := &sums{from: map[string]unit.Instant{}, carry: map[int32]meter.Carry{}}
			out := back.Step(m.now.Add(time.Hour), []control.Input{{Kind: control.CloseIntervals}})
			for _, r := range append(slices.Clone(m.records[:k]), out.Records...) {
				if r.Kind == control.Metered {
					if err := s.page(r.Page); err != nil {
						t.Fatalf("seed %d, cut after record %d: %v", seed, k, err)
					}
				}
			}
			for site, at := range s.from {
				if at != m.now.Add(time.Hour) {
					t.Fatalf("seed %d, cut after record %d: site %s is metered until %v only", seed, k, site, at)
				}
			}
		}
		checkRecovery(t, m.state, m.records)
		var image bytes.Buffer
		if err := m.state.Freeze().Encode(&image); err != nil {
			t.Fatal(err)
		}
		other, err := control.DecodeSnapshot(&image)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			in := []control.Input{{Kind: control.CloseIntervals}}
			m.now = m.now.Add(33 * time.Second)
			a, b := encodeAll(m.state.Step(m.now, in).Records), encodeAll(other.Step(m.now, in).Records)
			if !bytes.Equal(a, b) {
				t.Fatalf("seed %d: a centre from a snapshot writes other records", seed)
			}
		}
	}
}

func encodeAll(records []control.Record) (b []byte) {
	for i := range records {
		b = control.AppendRecord(b, &records[i])
	}
	return b
}
