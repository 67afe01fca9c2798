package fleet_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"tianfu/fault"
	"tianfu/fleet"
)

func catalogue(t testing.TB) *fleet.Catalogue {
	t.Helper()
	c, err := fleet.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// read runs one importer.
func read(kind string, data []byte, c *fleet.Catalogue, types map[string]string) (*fleet.Import, error) {
	switch kind {
	case "scontrol":
		return fleet.ImportSlurm("in", data)
	case "kubectl":
		return fleet.ImportKubernetes("in", data)
	}
	return fleet.ImportNetBox("in", data, c, types)
}

// TestImports runs testdata/imports.txt: what other systems print, the world
// file made of it and what could not be taken over.
func TestImports(t *testing.T) {
	c := catalogue(t)
	datadriven.RunTest(t, filepath.Join("testdata", "imports.txt"), func(t *testing.T, d *datadriven.TestData) string {
		types := map[string]string{}
		for _, a := range d.CmdArgs {
			types[strings.ReplaceAll(a.Key, "_", " ")] = a.Vals[0]
		}
		im, err := read(d.Cmd, []byte(d.Input+"\n"), c, types)
		var text []byte
		if err == nil {
			text, err = im.World(c, "Asia/Shanghai")
		}
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%s: %v is %s", d.Pos, err, fault.KindOf(err))
			}
			return "error " + err.Error() + "\n"
		}
		if _, _, err := fleet.ParseWorld("w", text); err != nil {
			t.Errorf("%s: the world is not accepted: %v", d.Pos, err)
		}
		var b strings.Builder
		b.Write(text)
		for _, n := range im.Notes {
			fmt.Fprintf(&b, "note %s\n", n)
		}
		return b.String()
	})
}

// TestImportBounds: an import of more nodes than allowed ends with an error.
func TestImportBounds(t *testing.T) {
	var b strings.Builder
	for i := range 200_001 {
		fmt.Fprintf(&b, "NodeName=n%d CPUTot=1 RealMemory=1\n", i)
	}
	if _, err := fleet.ImportSlurm("in", []byte(b.String())); err == nil || !strings.Contains(err.Error(), "in:200001: node n200000: more than 200000 nodes") {
		t.Errorf("200,001 nodes: %v", err)
	}
}

// TestImportOfManyRacks: every node in a rack of its own is no slower than all
// in one, and equal neighbours become one pattern.
func TestImportOfManyRacks(t *testing.T) {
	c := catalogue(t)
	var csv, slurm strings.Builder
	csv.WriteString("Name,Type,Site,Rack,Position\n")
	for i := range 20_000 {
		fmt.Fprintf(&csv, "n%05d,h100-8,s,r%05d,1\n", i, i)
		fmt.Fprintf(&slurm, "NodeName=n%d CPUTot=8 RealMemory=1024 State=IDLE\n", i)
	}
	im, err := fleet.ImportNetBox("in", []byte(csv.String()), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := im.World(c, "UTC")
	if err != nil {
		t.Fatal(err)
	}
	w, _, err := fleet.ParseWorld("w", text)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(w.Areas()); got != 20_001 {
		t.Errorf("%d areas", got)
	}
	if im, err = fleet.ImportSlurm("in", []byte(slurm.String())); err != nil {
		t.Fatal(err)
	}
	if text, err = im.World(c, "UTC"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "name: n{0..19999}") {
		t.Errorf("no pattern in %.600s", text)
	}
	if w, _, err = fleet.ParseWorld("w", text); err != nil || len(w.Fleet().Nodes) != 20_000 {
		t.Errorf("the pattern does not stand for the nodes: %v", err)
	}
}

// FuzzImport: no panic; an importer refuses bad input as invalid; the world
// file made of what it accepts is accepted and holds the same nodes.
func FuzzImport(f *testing.F) {
	f.Add(0, []byte("NodeName=v001 CPUTot=40 RealMemory=191488 Gres=gpu:tesla_v100:4(S:0-1),mps:4 State=IDLE+DRAIN Reason=a b\n"))
	f.Add(0, []byte("NodeName=n9 CPUTot=4 RealMemory=1\nNodeName=n10 CPUTot=4 RealMemory=1\nNodeName=n011 CPUEfctv=4 RealMemory=1 Gres=npu:x8:8 State=DOWN*\n"))
	f.Add(1, []byte(`{"items":[{"metadata":{"name":"g","labels":{"topology.kubernetes.io/zone":"z","nvidia.com/gpu.product":"Tesla-T4"}},"status":{"capacity":{"cpu":"4","memory":"16Gi","nvidia.com/gpu":"2"},"allocatable":{"nvidia.com/gpu":"1"},"conditions":[{"type":"Ready","status":"False"}]}}]}`))
	f.Add(1, []byte(`{"items":[{"metadata":{"name":"g"},"status":{"capacity":{"cpu":"4","memory":"16Gi","huawei.com/Ascend910B3":"8","huawei.com/Ascend910-2c":"4"}}}]}`))
	f.Add(2, []byte("Name,Type,Site,Rack,Status,Position,Serial number\nn1,h100-8,s,r,Active,10.5,X1\nn2,h100-8,s/t,{r},Failed,,\n"))
	cat, err := fleet.BuiltIn()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, kind int, data []byte) {
		im, err := read([]string{"scontrol", "kubectl", "netbox"}[uint(kind)%3], data, cat, nil)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid || !strings.HasPrefix(err.Error(), "in") {
				t.Fatalf("bad input is %v, %v", fault.KindOf(err), err)
			}
			return
		}
		text, err := im.World(cat, "UTC")
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatal(err)
			}
			return
		}
		w, _, err := fleet.ParseWorldOn("w", text, cat)
		if err != nil {
			// Two servers may claim the same units of a rack, or a serial.
			if strings.Contains(err.Error(), "both fill rack unit") || strings.Contains(err.Error(), "has serial") || strings.Contains(err.Error(), "fills rack units") {
				return
			}
			t.Fatalf("what was imported is not accepted: %v\n%s", err, text)
		}
		fl := w.Fleet()
		if len(fl.Nodes) != len(im.Nodes) {
			t.Fatalf("%d nodes became %d\n%s", len(im.Nodes), len(fl.Nodes), text)
		}
		for i := range fl.Nodes {
			if a, b := &fl.Nodes[i], &im.Nodes[i]; string(a.ID) != b.Name || b.SKU == "" && len(a.Devices) != b.Accelerators || a.Health != b.Health || a.Cordoned != b.Cordoned {
				t.Fatalf("node %+v became %+v", b, a)
			}
		}
	})
}
