package energy

import (
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/unit"
)

// openb returns the 1,213 GPU nodes of the public openb cluster, or skips.
func openb(t *testing.T) *fleet.Fleet {
	t.Helper()
	dir := os.Getenv("TIANFU_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared")
	}
	name := filepath.Join(dir, "traces", "openb", "openb_node_list_gpu_node.csv")
	file, err := os.Open(name)
	if err != nil {
		t.Skipf("needs the openb node list (set TIANFU_SHARED): %v", err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet.Fleet{Name: "openb"}
	for _, r := range rows[1:] {
		cpu, _ := strconv.Atoi(r[1])
		devices, _ := strconv.Atoi(r[3])
		f.Nodes = append(f.Nodes, fleet.Node{ID: fleet.NodeID(r[0]), CPU: unit.MilliCPU(cpu), Model: fleet.Model(r[4]), Devices: make([]fleet.Device, devices)})
	}
	return f
}

// The placement protocol, section 2: idle 230.1 kW, of which CPUs 55.7.
func TestIdleOpenb(t *testing.T) {
	f := openb(t)
	models, err := For(CCGrid25, f, nil)
	if err != nil {
		t.Fatal(err)
	}
	var total, cpus float64
	for i := range models {
		total += float64(models[i].IdleWatts(len(f.Nodes[i].Devices)))
		cpus += float64(models[i].CPUWatts(0))
	}
	if got := math.Round(total/100) / 10; got != 230.1 {
		t.Errorf("idle cluster draws %v kW, want 230.1", got)
	}
	if got := math.Round(cpus/100) / 10; got != 55.7 {
		t.Errorf("idle CPUs draw %v kW, want 55.7", got)
	}
	cat, err := fleet.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := For(Catalogue, f, cat); err != nil {
		t.Errorf("the catalogue must know every model of openb: %v", err)
	}
}

func TestPackagesOfCCGrid25(t *testing.T) {
	m := NodeModel{CPU: 96000, CoresPerPackage: 16, PackageIdle: 15, PackageFull: 120, DeviceIdle: 30, DeviceFull: 150}
	for _, c := range []struct {
		used unit.MilliCPU
		want unit.Watts
	}{{0, 45}, {1, 150}, {32000, 150}, {32001, 255}, {64000, 255}, {66000, 360}, {96000, 360}} {
		if got := m.CPUWatts(c.used); got != c.want {
			t.Errorf("%s CPUs in use draw %s, want %s", c.used, got, c.want)
		}
	}
	if m.DeviceWatts(0) != 30 || m.DeviceWatts(1) != 150 || m.DeviceWatts(1000) != 150 {
		t.Error("any use of a device draws full power")
	}
}

func TestCatalogueModel(t *testing.T) {
	cat, err := fleet.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	node, err := cat.Node(cat.SKU("a100-8"))
	if err != nil {
		t.Fatal(err)
	}
	models, err := For(Catalogue, &fleet.Fleet{Nodes: []fleet.Node{node, node}}, cat)
	if err != nil {
		t.Fatal(err)
	}
	m := models[0]
	if models[1] != m {
		t.Error("equal nodes have unequal models")
	}
	if idle, full := m.IdleWatts(8), m.FullWatts(8); math.Abs(float64(idle-1500)) > 1 || math.Abs(float64(full-6500)) > 1 {
		t.Errorf("a100-8 draws %s to %s, want the measured 1.5kW to 6.5kW", idle, full)
	}
	if half := m.DeviceWatts(500); math.Abs(float64(2*half-m.DeviceIdle-m.DeviceFull)) > 1e-9 {
		t.Errorf("half a device draws %s between %s and %s", half, m.DeviceIdle, m.DeviceFull)
	}
}

func TestUnknownIsAnError(t *testing.T) {
	cat, err := fleet.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet.Fleet{Nodes: []fleet.Node{{ID: "n1", CPU: 8000, Model: "ZX81", Devices: make([]fleet.Device, 1)}}}
	for _, name := range []string{CCGrid25, Catalogue, "moonshine"} {
		_, err := For(name, f, cat)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if k := fault.KindOf(err); k == fault.Internal || name != "moonshine" && !strings.Contains(err.Error(), "node n1") {
			t.Errorf("%s: %v (%s)", name, err, k)
		}
	}
}
