package fleet

import (
	"strings"
	"testing"
)

func builtInCatalogue(t testing.TB) *Catalogue {
	t.Helper()
	c, err := BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBuiltInCatalogue(t *testing.T) {
	c := builtInCatalogue(t)
	for _, name := range []Model{"T4", "A10", "G2", "G3", "P100", "V100M16", "V100M32", "A100", "H20", "PPU", "Ascend910B", "MLU370", "K100-AI"} {
		a := c.Accelerator(name)
		if a == nil {
			t.Errorf("no accelerator %s", name)
			continue
		}
		if !a.Idle.Known() || !a.Full.Known() || a.Full.Source == "" {
			t.Errorf("%s: draw without figure or source", name)
		}
	}
	if g := c.Accelerator("G2"); g.Assumed != "as A10" || g.Idle.Confidence != Low {
		t.Errorf("G2 is a guess and must say so: %q, %s", g.Assumed, g.Idle.Confidence)
	}
	if a := c.Accelerator("A100").Traits(); a.FP16TFLOPS != 312 || strings.Join(a.Precisions, " ") != "bf16 fp16 fp32 fp64 int8 tf32" {
		t.Errorf("traits of A100: %+v", a)
	}
}

// Two aliases of two entries must not fight over one name.
func TestNamesAreUnique(t *testing.T) {
	c := builtInCatalogue(t)
	seen := map[string]string{}
	for i := range c.Accelerators {
		a := &c.Accelerators[i]
		for _, n := range append([]string{string(a.Name)}, a.Aliases...) {
			if other, ok := seen[strings.ToLower(n)]; ok {
				t.Errorf("%s names both %s and %s", n, other, a.Name)
			}
			seen[strings.ToLower(n)] = string(a.Name)
		}
	}
}

func TestDrawOfMeasuredServer(t *testing.T) {
	c := builtInCatalogue(t)
	for name, want := range map[string][2]float64{"a100-8": {1500, 6500}, "v100-8": {900, 3500}, "h100-8": {2000, 10200}, "cpu-2s-xeon": {522, 960}} {
		d, err := c.SKUDraw(c.SKU(name))
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]float64{float64(round(d.Idle())), float64(round(d.Full()))}; got != want {
			t.Errorf("%s draws %v, want %v", name, got, want)
		}
		if d.Base < 0 || d.CPUFull < d.CPUIdle || d.DeviceFull < d.DeviceIdle {
			t.Errorf("%s: %+v", name, d)
		}
	}
}
