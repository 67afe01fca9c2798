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

// FuzzParseWorld: no panic, an error has a place, what is accepted can be
// printed and read again.
func FuzzParseWorld(f *testing.F) {
	f.Add(exampleWorld(f))
	small := "name: a\nsites:\n  - {name: s, time_zone: UTC, racks: [{name: \"r{1..3}\", power: 20kW}]}\nnodes:\n  - {name: \"n{1..3}\", sku: a100-8, place: \"s/r{1..3}\"}\nstate:\n  - {nodes: n1, devices: [0], health: failed}\n"
	f.Add([]byte(small))
	f.Add([]byte("name: b\ncatalogue:\n  accelerators:\n    - {name: X1, maker: m, stack: other, memory: 64GiB, peak: {bf16: 100TFLOPS}}\n  skus:\n    - {name: x, vcpu: 64, memory: 1TiB, accelerator: X1x8}\nsites:\n  - {name: s, time_zone: UTC}\nnodes:\n  - {name: n, sku: x, place: s}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<14 && len(data) != len(exampleWorld(t)) {
			t.Skip("large inputs cost time and find nothing more")
		}
		w, _, err := fleet.ParseWorld("w", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "w") {
				t.Fatalf("the error does not say where: %v", err)
			}
			return
		}
		if w.Fleet().Devices() > 1<<16 {
			return
		}
		text, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := fleet.ParseWorld("w", text); err != nil {
			t.Fatalf("what was printed is not read: %v\n%s", err, text)
		}
	})
}

// FuzzImport: no panic, and what an importer accepts becomes a world file.
func FuzzImport(f *testing.F) {
	f.Add(0, []byte("NodeName=v001 CPUTot=40 RealMemory=191488 Gres=gpu:tesla_v100:4(S:0-1),mps:4 State=IDLE+DRAIN Reason=a b\n"))
	f.Add(1, []byte(`{"items":[{"metadata":{"name":"g","labels":{"topology.kubernetes.io/zone":"z","nvidia.com/gpu.product":"Tesla-T4"}},"status":{"capacity":{"cpu":"4","memory":"16Gi","nvidia.com/gpu":"1"},"conditions":[{"type":"Ready","status":"False"}]}}]}`))
	f.Add(2, []byte("Name,Type,Site,Rack,Status\nn1,h100-8,s,r,Active\n"))
	cat, err := fleet.BuiltIn()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, kind int, data []byte) {
		var im *fleet.Import
		var err error
		switch kind % 3 {
		case 0:
			im, err = fleet.ImportSlurm("in", data)
		case 1:
			im, err = fleet.ImportKubernetes("in", data)
		default:
			im, err = fleet.ImportNetBox("in", data, cat, nil)
		}
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("bad input is %v: %v", fault.KindOf(err), err)
			}
			return
		}
		text, err := im.World(cat, "UTC")
		if err != nil {
			return
		}
		// A name with a brace or a slash is refused with its line; nothing else may be.
		if _, _, err := fleet.ParseWorld("w", text); err != nil && !strings.ContainsAny(string(data), "{}/") && !strings.Contains(err.Error(), "declared twice") {
			t.Logf("%s", text)
			if !strings.HasPrefix(err.Error(), "w") {
				t.Fatalf("the error does not say where: %v", err)
			}
		}
	})
}
