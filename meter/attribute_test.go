package meter_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"tianfu/energy"
	"tianfu/job"
	"tianfu/meter"
	"tianfu/unit"
)

// TestScripts divides the energy of a node as stories tell it:
//
//	node cpu=8 memory=64 devices=2 base=100 package=20-120 [cores=16] device=25-250 [linear] | node nothing-known
//	hour [pue=1.2] [carbon=500000] [market=100000] [price=0.5] [water=2000000] [forecast]
//	interval from=0 to=3600 [reading=J] [estimated] [devices=J,J] [late=J]
//	         [stages=SECOND:LEVEL,SECOND:asleep] (at 5 W)
//	j-1 cpu=4 memory=8 devices=0,1 share=0.5 from=0 to=1800 used=SECONDS still=FROM-TO
//
// Carries go from interval to interval. J is joules, a price is yuan per kWh.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &script{hour: meter.NoHour()}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "node":
				s.node(t, d)
				return "ok\n"
			case "hour":
				s.setHour(t, d)
				return "ok\n"
			case "interval":
				return s.interval(t, d)
			}
			t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
			return ""
		})
	})
}

type script struct {
	machine meter.Machine
	hour    meter.Factors
	carry   meter.Carry
}

func number(t *testing.T, v string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(v, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func span(t *testing.T, v string) (a, b int64) {
	from, to, _ := strings.Cut(v, "-")
	return int64(number(t, from) * 1000), int64(number(t, to) * 1000)
}

func (s *script) node(t *testing.T, d *datadriven.TestData) {
	s.machine, s.carry = meter.Machine{}, meter.Carry{}
	m := &s.machine
	for _, a := range d.CmdArgs {
		v := strings.Join(a.Vals, ",")
		switch a.Key {
		case "cpu":
			m.CPU = int32(1000 * number(t, v))
		case "memory":
			m.Memory = int32(1024 * number(t, v))
		case "devices":
			m.Devices = int32(number(t, v))
		case "base":
			m.Power.Base = int64(1000 * number(t, v))
		case "package":
			m.Power.PackageIdle, m.Power.PackageMax = span(t, v)
		case "device":
			m.Power.DeviceIdle, m.Power.DeviceFull = span(t, v)
		case "cores":
			m.Power.CoresPerPackage = int32(number(t, v))
		case "linear":
			m.Power.Linear = true
		case "nothing-known":
		default:
			t.Fatalf("%s: %s", d.Pos, a.Key)
		}
	}
}

func (s *script) setHour(t *testing.T, d *datadriven.TestData) {
	s.hour = meter.NoHour()
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "pue":
			s.hour.PUE = int64(1e6*number(t, a.Vals[0]) + 0.5)
		case "carbon":
			s.hour.CarbonLocation = int64(number(t, a.Vals[0]))
		case "market":
			s.hour.CarbonMarket = int64(number(t, a.Vals[0]))
		case "price":
			s.hour.Price = int64(1e9 * number(t, a.Vals[0]))
		case "water":
			s.hour.Water = int64(number(t, a.Vals[0]))
		case "forecast":
			s.hour.Forecast = true
		}
	}
}

func (s *script) interval(t *testing.T, d *datadriven.TestData) string {
	n := meter.Interval{Machine: s.machine, Hour: s.hour, Carry: s.carry}
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "from":
			n.From = unit.At(int64(number(t, a.Vals[0])))
		case "to":
			n.To = unit.At(int64(number(t, a.Vals[0])))
		case "reading":
			n.Reading = &meter.Reading{Basis: meter.Measured, Energy: unit.Millijoules(1000 * number(t, a.Vals[0]))}
		case "estimated":
			n.Reading.Basis = meter.Estimated
		case "devices":
			for _, v := range a.Vals {
				n.Reading.Devices = append(n.Reading.Devices, unit.Millijoules(1000*number(t, v)))
			}
		case "stages":
			for _, v := range a.Vals {
				at, level, _ := strings.Cut(v, ":")
				x := meter.Stage{From: unit.At(int64(number(t, at))), Level: 1000}
				if x.Asleep = level == "asleep"; x.Asleep {
					x.Draw = 5000
				} else {
					x.Level = int16(number(t, level))
				}
				n.Stages = append(n.Stages, x)
			}
		case "late":
			n.Late = unit.Millijoules(1000 * number(t, a.Vals[0]))
		}
	}
	for line := range strings.Lines(d.Input) {
		n.Holders = append(n.Holders, holder(t, strings.Fields(line), &n))
	}
	var a meter.Attributor
	out := a.Attribute(&n)
	s.carry = out.Carry
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d mJ", out.Basis, out.IT())
	if m := n.Hour.Missing(); m != 0 {
		fmt.Fprintf(&b, ", without %s", m)
	}
	fmt.Fprintln(&b)
	for i := range out.Parts {
		p := &out.Parts[i]
		who := p.Line.String()
		if p.Line == meter.TaskLine {
			who = p.Job.String()
		}
		fmt.Fprintf(&b, "%-12s idle %d dynamic %d facility %d mJ", who, p.Idle, p.Dynamic, p.Facility)
		if p.CarbonLocation != 0 || p.CarbonMarket != 0 {
			fmt.Fprintf(&b, " | %d µg (market %d)", p.CarbonLocation, p.CarbonMarket)
		}
		if p.Water != 0 {
			fmt.Fprintf(&b, " | %d µL", p.Water)
		}
		if p.Cost != 0 {
			fmt.Fprintf(&b, " | %d nano-yuan, idle %d", p.Cost, p.IdleCost)
		}
		fmt.Fprintln(&b)
	}
	if out.Carry.Owed != 0 {
		fmt.Fprintf(&b, "owed %d mJ\n", out.Carry.Owed)
	}
	return b.String()
}

func holder(t *testing.T, w []string, n *meter.Interval) meter.Holder {
	id, _ := strconv.Atoi(strings.TrimPrefix(w[0], "j-"))
	h := meter.Holder{Job: job.ID(id), Attempt: 1, From: n.From, To: n.To, Share: 1000, Used: meter.Unknown}
	for _, kv := range w[1:] {
		k, v, _ := strings.Cut(kv, "=")
		if k == "still" {
			from, to, _ := strings.Cut(v, "-")
			h.Still = append(h.Still, meter.Span{From: unit.At(int64(number(t, from))), To: unit.At(int64(number(t, to)))})
			continue
		}
		switch k {
		case "cpu":
			h.CPU = int32(1000 * number(t, v))
		case "memory":
			h.Memory = int32(1024 * number(t, v))
		case "devices":
			for i := range strings.SplitSeq(v, ",") {
				h.Devices |= 1 << int(number(t, i))
			}
		case "share":
			h.Share = int16(1000 * number(t, v))
		case "from":
			h.From = unit.At(int64(number(t, v)))
		case "to":
			h.To = unit.At(int64(number(t, v)))
		case "used":
			h.Used = int64(1e6 * number(t, v))
		default:
			t.Fatalf("unknown word %s", kv)
		}
	}
	return h
}

// TestAnyIntervalSumsExactly draws nodes, holders, meters and hours, and holds
// every interval to its meter and every figure to its factor, to the last
// integer, over many intervals with what is carried between them.
func TestAnyIntervalSumsExactly(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 7))
		var a meter.Attributor
		n := meter.Interval{Machine: randomMachine(rng)}
		var sum meter.Totals
		want := [4]*big.Int{new(big.Int), new(big.Int), new(big.Int), new(big.Int)}
		for range 40 {
			n.From = n.To
			n.To = n.From + 1 + unit.Instant(rng.Int64N(int64(meter.MaxInterval)/40))
			randomHour(rng, &n.Hour)
			n.Holders = randomHolders(rng, &n)
			n.Reading, n.Late = nil, 0
			if rng.IntN(2) == 0 {
				n.Reading = &meter.Reading{Basis: meter.Measured, Energy: unit.Millijoules(rng.Int64N(int64(n.To-n.From)/1000 + 1))}
				if rng.IntN(2) == 0 {
					for range n.Machine.Devices {
						n.Reading.Devices = append(n.Reading.Devices, n.Reading.Energy/unit.Millijoules(1+n.Machine.Devices))
					}
				}
			}
			if rng.IntN(5) == 0 {
				n.Late = unit.Millijoules(rng.Int64N(2000) - 1000)
			}
			out := a.Attribute(&n)
			var here meter.Totals
			for i := range out.Parts {
				p := &out.Parts[i]
				if p.Idle < 0 || p.Dynamic < 0 || p.Facility < 0 || p.CarbonLocation < 0 {
					t.Fatalf("seed %d: a part below zero: %+v", seed, p)
				}
				here.Add(p)
			}
			if n.Reading != nil {
				if got := here.IT() - unit.Millijoules(out.Carry.Owed-n.Carry.Owed); got != n.Reading.Energy+n.Late {
					t.Fatalf("seed %d: parts sum to %d, the meter says %d and %d late", seed, got, n.Reading.Energy, n.Late)
				}
			}
			for i, f := range [...][2]int64{{int64(here.IT()), max(n.Hour.PUE, 1e6) - 1e6}, {int64(here.Energy()), max(n.Hour.CarbonLocation, 0)}, {int64(here.IT()), max(n.Hour.Water, 0)}, {int64(here.Energy()), n.Hour.Price}} {
				if f[1] != energy.NoData {
					want[i].Add(want[i], new(big.Int).Mul(big.NewInt(f[0]), big.NewInt(f[1])))
				}
			}
			sum.Sum(&here)
			n.Carry = out.Carry
		}
		for i, f := range [...][3]int64{{int64(sum.Facility), 1e6, n.Carry.Facility}, {int64(sum.CarbonLocation), 3_600_000, n.Carry.CarbonLocation},
			{int64(sum.Water), 3_600_000_000, n.Carry.Water}, {int64(sum.Cost), 3_600_000_000, n.Carry.Cost}} {
			got := new(big.Int).Mul(big.NewInt(f[0]), big.NewInt(f[1]))
			if got.Add(got, big.NewInt(f[2])); got.Cmp(want[i]) != 0 {
				t.Fatalf("seed %d: figure %d sums to %v, energy times factor is %v", seed, i, got, want[i])
			}
		}
	}
}

func randomMachine(rng *rand.Rand) meter.Machine {
	m := meter.Machine{CPU: int32(1000 * (1 + rng.IntN(128))), Memory: int32(1024 * (1 + rng.IntN(512))), Devices: int32(rng.IntN(9))}
	if rng.IntN(5) == 0 {
		return m // no model
	}
	m.Power = meter.Power{Base: rng.Int64N(500_000), DeviceIdle: rng.Int64N(60_000), PackageIdle: rng.Int64N(30_000), Linear: rng.IntN(2) == 0, CoresPerPackage: int32(rng.IntN(2) * 16)}
	m.Power.DeviceFull = m.Power.DeviceIdle + rng.Int64N(600_000)
	m.Power.PackageMax = m.Power.PackageIdle + rng.Int64N(300_000)
	return m
}

func randomHour(rng *rand.Rand, h *meter.Factors) {
	*h = meter.NoHour()
	if rng.IntN(4) > 0 {
		h.PUE = 1_000_000 + rng.Int64N(600_000)
	}
	if rng.IntN(4) > 0 {
		h.CarbonLocation = rng.Int64N(1_000_000)
	}
	if rng.IntN(4) > 0 {
		h.Water = rng.Int64N(4_000_000)
	}
	if rng.IntN(4) > 0 {
		h.Price = rng.Int64N(2e9) - 2e8
	}
}

func randomHolders(rng *rand.Rand, n *meter.Interval) (out []meter.Holder) {
	span := int64(n.To - n.From)
	for i := range rng.IntN(12) {
		h := meter.Holder{Job: job.ID(i + 1), Attempt: 1, CPU: int32(rng.IntN(int(n.Machine.CPU))) / 8, Memory: int32(rng.IntN(int(n.Machine.Memory))) / 8, Used: meter.Unknown,
			From: n.From + unit.Instant(rng.Int64N(span)) - unit.Instant(span/4), To: n.To}
		if rng.IntN(2) == 0 {
			h.To = h.From + 1 + unit.Instant(rng.Int64N(span))
		}
		if n.Machine.Devices > 0 && rng.IntN(2) == 0 {
			h.Devices, h.Share = 1<<rng.IntN(int(n.Machine.Devices)), int16(1+rng.IntN(1000))
		}
		if rng.IntN(3) == 0 {
			h.Used = rng.Int64N(span/1000 + 1)
		}
		out = append(out, h)
	}
	return out
}

func BenchmarkAttribute(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 7))
	n := meter.Interval{To: unit.At(3600), Machine: meter.Machine{CPU: 96_000, Memory: 1 << 19, Devices: 8, Power: meter.Power{DeviceIdle: 25_000, DeviceFull: 250_000, PackageIdle: 15_000, PackageMax: 120_000, CoresPerPackage: 16}}}
	n.Hour = meter.Factors{CarbonLocation: 156_400, CarbonMarket: energy.NoData, Price: 6e8, PUE: 1_149_000, Water: 2_000_000}
	n.Holders = randomHolders(rng, &n)
	var a meter.Attributor
	for b.Loop() {
		a.Attribute(&n)
	}
}
