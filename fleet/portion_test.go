package fleet

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tianfu/unit"
)

// TestSpreadKeepsWhatIsAsked divides random amounts among random nodes: the portions
// sum up to what is named, none is more than its node has, nothing is taken that is in
// use while enough is free, and what is refused does not fit.
func TestSpreadKeepsWhatIsAsked(t *testing.T) {
	chosen, refused := 0, 0
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		w := &Want{CPU: unit.MilliCPU(rng.IntN(3) * rng.IntN(60_000)), Memory: unit.MiB(rng.IntN(3) * rng.IntN(50_000)), Accelerators: rng.IntN(2) * rng.IntN(12)}
		if w.Check() != nil {
			continue
		}
		var rooms []Room
		var before []Room
		for i := range 1 + rng.IntN(6) {
			n := &Node{ID: NodeID(fmt.Sprint("n", i)), CPU: unit.MilliCPU(1000 * (1 + rng.IntN(64))), Memory: unit.MiB(1024 * (1 + rng.IntN(64))), Devices: make([]Device, rng.IntN(9))}
			all := WholeOf(n)
			free := all.Without(Portion{unit.MilliCPU(rng.IntN(40_000)), unit.MiB(rng.IntN(40_000)), rng.IntN(4)})
			rooms = append(rooms, Room{n, all, free})
		}
		before = append(before, rooms...)
		kept, err := w.Spread(rooms)
		if err != nil {
			refused++
			for _, r := range before { // one node that has all of it would do
				if w.Accelerators > 0 && w.CPU > 0 && w.Memory > 0 && (Portion{w.CPU, w.Memory, w.Accelerators}).Fits(r.All) {
					t.Fatalf("seed %d: %+v is refused (%v), and fits %+v", seed, w, err, r.All)
				}
			}
			continue
		}
		chosen++
		var sum Portion
		inUse := false
		for _, k := range kept {
			if !k.Portion.Fits(before[k.Room].All) {
				t.Fatalf("seed %d: %+v of a node that has %+v", seed, k.Portion, before[k.Room].All)
			}
			inUse = inUse || !k.Portion.Fits(before[k.Room].Free)
			sum = sum.And(k.Portion)
		}
		if w.CPU > 0 && sum.CPU != w.CPU || w.Memory > 0 && sum.Memory != w.Memory || sum.Accelerators != w.Accelerators {
			t.Fatalf("seed %d: %+v is asked, %+v kept", seed, w, sum)
		}
		if sum.CPU == 0 || sum.Memory == 0 {
			t.Fatalf("seed %d: %+v keeps %+v: no job could run there", seed, w, sum)
		}
		for _, r := range before {
			if inUse && w.CPU > 0 && w.Memory > 0 && (Portion{w.CPU, w.Memory, w.Accelerators}).Fits(r.Free) {
				t.Fatalf("seed %d: what is in use is taken, while %+v is free for %+v", seed, r.Free, w)
			}
		}
	}
	if chosen < 500 || refused < 100 {
		t.Errorf("%d were chosen and %d refused", chosen, refused)
	}
}

// TestALastPartOfAUnitIsInProportion keeps three quarters of a node's CPUs, or of its
// memory: the same part of the other goes with it, and no more.
func TestALastPartOfAUnitIsInProportion(t *testing.T) {
	n := &Node{ID: "n", CPU: 2000, Memory: 8000}
	for _, w := range []*Want{{CPU: 1500}, {Memory: 6000}} {
		kept, err := w.Spread([]Room{{n, WholeOf(n), WholeOf(n)}})
		if err != nil || len(kept) != 1 || kept[0].Portion != (Portion{CPU: 1500, Memory: 6000}) {
			t.Errorf("of %+v is kept %+v, %v", w, kept, err)
		}
	}
}

// TestBetweenFindsTheMost adds what bookings keep of a node where they overlap, and
// only within the windows that are asked about.
func TestBetweenFindsTheMost(t *testing.T) {
	n := &Node{ID: "n", CPU: 8000, Memory: 8192}
	at := func(spans ...int64) (out []Window) {
		for i := 0; i < len(spans); i += 2 {
			out = append(out, Window{unit.At(spans[i]), unit.At(spans[i+1])})
		}
		return out
	}
	book := func(cpu unit.MilliCPU, spans ...int64) Booking {
		return Booking{Nodes: []NodeID{"n"}, Spans: at(spans...), Portions: []Portion{{CPU: cpu, Memory: 1}}}
	}
	others := []Booking{book(1000, 0, 10, 20, 30), book(2000, 5, 25), book(4000, 100, 200), {Nodes: []NodeID{"n"}, Spans: at(300, 301)}}
	for _, c := range []struct {
		spans []Window
		cpu   unit.MilliCPU
	}{{at(0, 5), 1000}, {at(0, 6), 3000}, {at(10, 20), 2000}, {at(12, 21, 150, 151), 4000}, {at(30, 100), 0}, {at(0, 301), 8000}, {at(301, 400), 0}} {
		if got := Between(n, c.spans, others); got.CPU != c.cpu {
			t.Errorf("in %v: %s, want %s", c.spans, got.CPU, c.cpu)
		}
	}
}

// TestAmountsInAWorld reads reservations of amounts: they are put where room is left
// beside others, and what does not fit, or clashes with whole nodes, is refused.
func TestAmountsInAWorld(t *testing.T) {
	world := func(reservations string) (*World, error) {
		w, _, err := ParseWorld("w", []byte(`name: a
sites: [{name: s, time_zone: UTC}]
nodes: [{name: "n{1..3}", sku: a100-8, place: s}]
tenants: [{name: t}]
queues: [{name: q, tenants: [t]}]
reservations:
`+reservations))
		return w, err
	}
	w, err := world(`  - {name: a, queue: q, cpu: 16, accelerators: 12, model: A100, days: daily, hours: "09:00-12:00"}
  - {name: b, queue: q, cpu: 4, accelerators: 4, nodes: "n{1..2}", days: daily, hours: "10:00-11:00"}
  - {name: c, queue: q, count: 1, days: daily, hours: "01:00-02:00"}
`)
	if err != nil {
		t.Fatal(err)
	}
	list, err := w.Bookings(time.LoadLocation, unit.At(0))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range list {
		for k, id := range b.Nodes {
			text := fmt.Sprint(b.Name, " ", id, " whole")
			if b.Portions != nil {
				text = fmt.Sprint(b.Name, " ", id, " ", b.Portions[k].CPU, " ", b.Portions[k].Accelerators)
			}
			got = append(got, text)
		}
	}
	if text := strings.Join(got, "; "); text != "a n2 5.334 4; a n3 10.666 8; b n2 4 4; c n1 whole" {
		t.Errorf("kept are: %s", text)
	}
	for text, want := range map[string]string{
		`  - {name: a, queue: q, cpu: 16, accelerators: 25, days: daily, hours: "09:00-12:00"}`:          "only 24 of 25 accelerators are left",
		`  - {name: a, queue: q, cpu: 16, count: 2, days: daily, hours: "09:00-12:00"}`:                  "has both count: and amounts",
		`  - {name: a, queue: q, cpu: 16, model: A100, days: daily, hours: "09:00-12:00"}`:               "names a model and no accelerators",
		`  - {name: a, queue: q, cpu: 16, nodes: n9, days: daily, hours: "09:00-12:00"}`:                 `unknown node "n9"`,
		`  - {name: a, queue: q, cpu: -1, days: daily, hours: "09:00-12:00"}`:                            "",
		`  - {name: a, queue: q, cpu: 16, accelerators: 1, model: T4, days: daily, hours: "9:00-10:00"}`: "only 0 of 1 accelerator",
	} {
		if _, err := world(text + "\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no fault says %q: %v", want, err)
		}
	}
	w, err = world(`  - {name: a, queue: q, cpu: 16, nodes: n1, days: daily, hours: "09:00-12:00"}
  - {name: b, queue: q, nodes: n1, days: daily, hours: "10:00-11:00"}
`)
	if err == nil {
		_, err = w.Bookings(time.LoadLocation, unit.At(0))
	}
	if err == nil || !strings.Contains(err.Error(), "takes node n1 while reservation a has it") {
		t.Errorf("a whole node that is kept in part: %v", err)
	}
}
