package fleet_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"tianfu/fault"
	"tianfu/fleet"
)

// TestWorlds runs testdata/worlds.txt: small world files, and what is wrong
// with each.
func TestWorlds(t *testing.T) {
	datadriven.RunTest(t, filepath.Join("testdata", "worlds.txt"), func(t *testing.T, d *datadriven.TestData) string {
		w, warnings, err := fleet.ParseWorld("w.yaml", []byte(d.Input+"\n"))
		var b strings.Builder
		if err != nil {
			if fault.KindOf(err) == fault.Internal && !strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v has no kind", d.Pos, err)
			}
			return "error " + strings.ReplaceAll(err.Error(), "\n", "\nerror ") + "\n"
		}
		for _, x := range warnings {
			fmt.Fprintf(&b, "warning %s\n", x)
		}
		for _, c := range w.Counts() {
			fmt.Fprintf(&b, "%s %s: %d nodes, %d x %s, %d milli CPU, %d MiB, %d out\n", c.Site, c.SKU, c.Nodes, c.Devices, c.Model, c.CPU, c.MemoryMiB, c.Out)
		}
		return b.String()
	})
}

func exampleWorld(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "examples", "chengdu.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestExampleWorld holds the shipped example to what the demo promises.
func TestExampleWorld(t *testing.T) {
	w, warnings, err := fleet.ParseWorld("chengdu.yaml", exampleWorld(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range warnings {
		t.Errorf("warning: %s", x)
	}
	f := w.Fleet()
	makers := map[string]bool{}
	for _, tr := range f.Traits {
		makers[tr.Maker] = true
		if tr.Memory == 0 || tr.Stack == "" {
			t.Errorf("a model without memory or stack: %+v", tr)
		}
	}
	if len(f.Nodes) < 1000 || len(f.Nodes) > 2000 || f.Devices() < 6000 || f.Devices() > 8000 || len(makers) < 5 || len(w.Sites) != 2 {
		t.Errorf("%d nodes, %d accelerators of %d makers on %d sites", len(f.Nodes), f.Devices(), len(makers), len(w.Sites))
	}
}

// TestEffectiveWorldIsAWorld prints the example and reads what was printed.
func TestEffectiveWorldIsAWorld(t *testing.T) {
	w, _, err := fleet.ParseWorld("chengdu.yaml", exampleWorld(t))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := fleet.ParseWorld("printed", text)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := w.Fleet(), again.Fleet(); !reflect.DeepEqual(a.Nodes, b.Nodes) || !reflect.DeepEqual(a.Traits, b.Traits) {
		t.Error("the effective world describes another fleet")
	}
}

// TestDealing: nodes are dealt to places, segments and rails in order and in
// equal blocks, and conditions reach the nodes and devices they name.
func TestDealing(t *testing.T) {
	w, _, err := fleet.ParseWorld("w", []byte(`name: w
sites: [{name: s, time_zone: UTC, halls: [{name: h, racks: [{name: "r{1..2}"}]}]}]
network: {pods: [{name: p, segments: [{name: "q{1..2}"}]}]}
nodes: [{name: "n{08..11}", sku: a100-8, place: "s/h/r{1..2}", segment: "q{1..2}", rail: "l{1..4}"}]
state:
  - {nodes: "n{09,11}", health: suspect, cordoned: true}
  - {nodes: n09, health: failed}
  - {nodes: n10, devices: [0, 7], health: failed}
  - nodes: "n{08,10}"
    drain: true
    maintenance: [{from: 2026-01-01T00:00:00Z, to: 2026-01-01T01:00:00Z}]
  - {nodes: n10, maintenance: [{from: 2026-02-01T00:00:00+08:00, to: 2026-02-01T01:00:00+08:00}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range w.Fleet().Nodes {
		var bad []int
		for k, d := range n.Devices {
			if d.Health != fleet.Healthy {
				bad = append(bad, k)
			}
		}
		got = append(got, fmt.Sprint(n.ID, " ", n.Place.Path(), " ", n.Segment, " ", n.Pod, " ", n.Rail, " ", n.Health, n.Cordoned, n.Drain, len(n.Maintenance), bad))
	}
	want := []string{
		"n08 s/h/r1 q1 p l1 healthy false true 1 []",
		"n09 s/h/r1 q1 p l2 failed true false 0 []",
		"n10 s/h/r2 q2 p l3 healthy false true 2 [0 7]",
		"n11 s/h/r2 q2 p l4 suspect true false 0 []",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestDomains: what is not declared is near to nothing.
func TestDomains(t *testing.T) {
	a := fleet.Node{ID: "a", Place: fleet.Place{Site: "s", Hall: "h", Rack: "r"}, Segment: "q"}
	b := fleet.Node{ID: "b", Place: fleet.Place{Site: "s", Hall: "i", Rack: "r"}, Segment: "q"}
	for l, same := range map[fleet.Level]bool{fleet.LevelHost: false, fleet.LevelRack: false, fleet.LevelSegment: true, fleet.LevelPod: false, fleet.LevelSite: true, fleet.LevelFleet: true} {
		if got := a.Domain(l) == b.Domain(l); got != same {
			t.Errorf("one %s: %v, want %v", l, got, same)
		}
	}
}

// TestBounds: what a hostile file asks for is refused before it is made.
func TestBounds(t *testing.T) {
	head := "name: w\nsites: [{name: s, time_zone: UTC}]\nnodes: [{name: \"n{1..10000}\", sku: cpu-2s-xeon, place: s}]\nstate:\n"
	for name, x := range map[string][2]string{
		"size":       {strings.Repeat("#", fleet.MaxWorldBytes+1), "16777217 bytes"},
		"conditions": {head + strings.Repeat("  - {nodes: \"n{1..10000}\", cordoned: true}\n", 401), "stands for more than"},
		"windows":    {head + "  - {nodes: \"n{1..10000}\", maintenance: [" + strings.Repeat("{from: 2026-01-01T00:00:00Z, to: 2026-01-01T01:00:00Z}, ", 401) + "]}\n", "maintenance windows of 10000 nodes are too many"},
		"devices":    {head + "  - {nodes: n1, devices: [" + strings.Repeat("0,", 17) + "0], health: failed}\n", "18 devices are named"},
		"areas":      {"name: w\nsites: [{name: s, time_zone: UTC, rows: [{name: \"r{1..1000}\", racks: [{name: \"k{1..1000}\"}]}]}]\nnodes: []\n", "stands for more than"},
	} {
		if _, _, err := fleet.ParseWorld("w", []byte(x[0])); err == nil || !strings.Contains(err.Error(), x[1]) {
			t.Errorf("%s: %.200v", name, err)
		}
	}
}

// worldSeeds have one of each part of a world file, after worldHead.
var worldSeeds = []string{
	"tenants: [{name: physics, weight: 2}, {name: biology}]\nqueues:\n  - {name: train, tenants: [physics], cohort: all, guaranteed: {cpu: 4, A100: 2}, lend: {A100: 1}, default: true, priority: 0..10}\n  - {name: genomes, tenants: [biology], cohort: all, guaranteed: {A100: 0}, borrow: {A100: 1}}\nfair_share: {half_life: 7d}\n",
	"queues: [{name: train, tenants: [physics]}]\ntenants: [{name: physics}]\nreservations:\n  - {name: once, queue: train, nodes: n1, from: \"2027-01-01T00:00:00Z\", to: \"2027-01-02T00:00:00Z\"}\n  - {name: nightly, queue: train, count: 1, model: A100, days: \"mon,wed\", hours: 22:00-06:00}\n",
	"state:\n  - {nodes: n1, cordoned: true, reason: x}\n  - {nodes: n2, maintenance: [{from: \"2027-01-01T00:00:00+08:00\", to: \"2027-01-01T04:00:00+08:00\"}]}\n",
	"caps:\n  - {area: s, limit: 70%, from: \"2027-01-01T00:00:00Z\", for: 6h, every: 24h, until: \"2027-02-01T00:00:00Z\"}\npower: {protect: 10, cap_latency: 2s, grace: 30s, sleep: {after: 10m, reserve: 1, wake: 90s, draw: 5W}}\n",
	"meters:\n  - {name: cpus, kind: rapl, covers: n1, every: 1s}\n",
	"meters:\n  - {name: roof, kind: modbus, covers: s, solar: true, address: \"inverter:502\"}\n",
	"rates: {cpu_hour: 0.05yuan, memory_hour: 0.01yuan, devices: [{model: A100, hour: 7yuan}, {hour: 3yuan}]}\n",
	"datasets: [{name: shared, path: /srv/data, tenants: [physics], writable: true}]\ntenants: [{name: physics}]\n",
	"network:\n  distances: {host: 0, rack: 1, segment: 2, pod: 3, site: 4, fleet: 5}\n  pods: [{name: p, segments: [{name: seg, accelerators: 64}]}]\n",
}

const worldHead = "name: w\nsites:\n  - {name: s, time_zone: Asia/Shanghai, power: 500kW, tariff: 0.5yuan/kWh, pue: 1.2, battery: {capacity: 100kWh, power: 50kW}, racks: [{name: r1, power: 20kW}, {name: r2}]}\n" +
	"nodes:\n  - {name: \"n{1..2}\", sku: a100-8, place: \"s/r{1..2}\", tasks: 110, power: 7kW}\n"

// FuzzParseWorld: no panic, an error has a place, what is accepted can be
// printed and read again.
func FuzzParseWorld(f *testing.F) {
	c := catalogue(f)
	f.Add(exampleWorld(f))
	small := "name: a\nsites:\n  - {name: s, time_zone: UTC, racks: [{name: \"r{1..3}\", power: 20kW}]}\nnodes:\n  - {name: \"n{1..3}\", sku: a100-8, place: \"s/r{1..3}\"}\nstate:\n  - {nodes: n1, devices: [0], health: failed}\n"
	f.Add([]byte(small))
	f.Add([]byte("name: b\ncatalogue:\n  accelerators:\n    - {name: X1, maker: m, stack: other, memory: 64GiB, peak: {bf16: 100TFLOPS}}\n  skus:\n    - {name: x, vcpu: 64, memory: 1TiB, accelerator: X1x8}\nsites:\n  - {name: s, time_zone: UTC}\nnodes:\n  - {name: n, sku: x, place: s}\n"))
	for _, seed := range worldSeeds {
		if _, _, err := fleet.ParseWorldOn("w", []byte(worldHead+seed), c); err != nil {
			f.Fatalf("the seed is not a world: %v\n%s", err, seed)
		}
		f.Add([]byte(worldHead + seed))
	}
	for _, seed := range []string{"", "{", "name: &a [*a]\n", "name: a\nname: b\n", "- 1\n", "nodes: [{name: n, sku: a100-8, tasks: -1}]\n", "name: !!binary eA==\n", "<<: {name: a}\n", "name: \"\\xff\"\n",
		"sites: [{name: s, time_zone: Nowhere/Else}]\n", "nodes: [{name: \"n{1..99999999}\", sku: a100-8, place: s}]\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<14 && len(data) != len(exampleWorld(t)) {
			t.Skip("large inputs cost time and find nothing more")
		}
		w, _, err := fleet.ParseWorldOn("w", data, c)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "w") {
				t.Fatalf("the error does not say where: %v", err)
			}
			return
		}
		if fl := w.Fleet(); fl.Devices() > 1<<16 || len(fl.Nodes) > 1<<14 {
			return
		}
		text, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := fleet.ParseWorldOn("w", text, c)
		if err != nil {
			t.Fatalf("what was printed is not read: %v\n%s", err, text)
		}
		if !reflect.DeepEqual(w.Fleet().Nodes, again.Fleet().Nodes) || !reflect.DeepEqual(w.Fleet().Traits, again.Fleet().Traits) {
			t.Fatalf("what was printed describes another fleet:\n%s", text)
		}
	})
}

// FuzzParseSKU: a list of parts is read, printed and read as the same, and
// composing it never panics.
func FuzzParseSKU(f *testing.F) {
	f.Add([]byte("name: mine\nchassis: 4u-8pcie-4189\ncpu: Xeon-8369Bx2\naccelerator: MLU370-X8x8\nmemory: 1TiB\nfull: {value: 3kW, source: meter, confidence: verified}\n"))
	f.Add([]byte("{name: x, chassis: generic, vcpu: 1, memory: 1MiB, idle: 1W, psu: psu-1300x4}"))
	c := catalogue(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<14 {
			t.Skip("large inputs cost time and find nothing more")
		}
		s, err := c.ParseSKU("in", data)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid && !strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "in") {
				t.Fatalf("%v: %v", fault.KindOf(err), err)
			}
			return
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := c.ParseSKU("in", text)
		if err != nil {
			t.Fatalf("what was printed is not read: %v\n%s", err, text)
		}
		if twice, err := json.Marshal(again); err != nil || string(twice) != string(text) {
			t.Fatalf("printed as\n%s\nand then as\n%s", text, twice)
		}
		if q, err := c.Compose(s, fleet.Terms{RackSlots: 42, RackLimit: 30e3}); err == nil {
			if _, err := json.Marshal(q); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzCatalogueOverride: what a world file says of hardware is read or refused
// with a place, and what is read can be printed and read again.
func FuzzCatalogueOverride(f *testing.F) {
	c := catalogue(f)
	f.Add([]byte("{accelerators: [{name: A100, full: 450W, peak: {fp8: 1TFLOPS}}]}"))
	f.Add([]byte("{accelerators: [{name: X1, maker: m, stack: other, compute_slices: 2, memory_slices: 2, profiles: [{name: half, compute: 1, memory: 1}]}], cpus: [{name: c, cores: 4, threads: 2, idle: 1W, full: 9W}]}"))
	f.Add([]byte("{chassis: [{name: a box, height: 2, sockets: 1}], parts: [{name: d, kind: dimm, size: 1GiB}], skus: [{name: a100-8, price: 7yuan}]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<12 || strings.ContainsAny(string(data), "\n\r\u0085\u2028\u2029") {
			t.Skip("one line, so that the rest of the file stays as it is")
		}
		text := "name: w\nsites: [{name: s, time_zone: UTC}]\nnodes: [{name: n, sku: a100-8, place: s}]\ncatalogue: " + string(data) + "\n"
		w, _, err := fleet.ParseWorldOn("w", []byte(text), c)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "w") {
				t.Fatalf("the error does not say where: %v", err)
			}
			return
		}
		printed, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := fleet.ParseWorldOn("w", printed, c)
		if err != nil {
			t.Fatalf("what was printed is not read: %v\n%s", err, printed)
		}
		if !reflect.DeepEqual(w.Fleet().Traits, again.Fleet().Traits) {
			t.Fatalf("the traits changed:\n%s", printed)
		}
	})
}

// FuzzExpand: a pattern stands for at most as many names as allowed, none
// longer than a host name may be.
func FuzzExpand(f *testing.F) {
	for _, p := range []string{"a{001..096}", "{x,y}{1..3}z", "{", "a{1..0}", "{9..11}", ""} {
		f.Add(p, 100)
	}
	f.Fuzz(func(t *testing.T, pattern string, limit int) {
		limit = limit%10_000 + 1
		names, err := fleet.Expand(pattern, limit)
		if err != nil {
			return
		}
		if len(names) == 0 || len(names) > max(limit, 1) {
			t.Fatalf("%q stands for %d names, at most %d", pattern, len(names), limit)
		}
		for _, n := range names {
			if len(n) > 253 || strings.ContainsAny(n, "{}") {
				t.Fatalf("%q stands for %q", pattern, n)
			}
		}
	})
}
