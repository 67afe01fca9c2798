package fleet

import (
	"reflect"
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

// TestTraceNamesResolve holds the names that public traces use. A guess must
// say what it was taken as.
func TestTraceNamesResolve(t *testing.T) {
	c := builtInCatalogue(t)
	for name, want := range map[string]Model{
		"T4": "T4", "A10": "A10", "P100": "P100", "V100M16": "V100M16", "V100M32": "V100M32", "V100": "V100M32",
		"G1": "G1", "G2": "G2", "G3": "G3", "MISC": "MISC", "GPU-series-1": "GPU-series-1", "GPU-series-2": "GPU-series-2",
		"H800": "H800", "A100-SXM4-80GB": "A100", "A800-SXM4-80GB": "A800", "L20": "L20", "PPU": "PPU", "H20": "H20", "A100": "A100",
	} {
		got, ok := c.KnownModel(name)
		if !ok || got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
			continue
		}
		a := c.Accelerator(got)
		if a.Maker == "undisclosed" && (!strings.HasPrefix(a.Assumed, "as ") || a.Idle.Confidence != Low || c.Accelerator(Model(a.Assumed[3:])) == nil) {
			t.Errorf("%s is a guess and must say so: %q, %s", name, a.Assumed, a.Idle.Confidence)
		}
	}
}

// TestPluginNamesResolve holds spellings of device plug-ins and resource
// managers.
func TestPluginNamesResolve(t *testing.T) {
	c := builtInCatalogue(t)
	for name, want := range map[string]Model{
		"NVIDIA-A100-SXM4-80GB": "A100", "NVIDIA-A100-80GB-PCIe": "A100-PCIe-80G", "NVIDIA-A100-PCIE-40GB": "A100-PCIe-40G",
		"Tesla-T4": "T4", "tesla_v100": "V100M32", "Tesla-V100-SXM2-16GB": "V100M16", "Tesla-V100-PCIE-32GB": "V100-PCIe-32G",
		"NVIDIA-H100-80GB-HBM3": "H100", "NVIDIA H100 NVL": "H100-NVL", "nvidia-tesla-p4": "P4", "NVIDIA-GeForce-RTX-4090": "RTX-4090",
		"nvidia_geforce_rtx_3090": "RTX-3090", "AMD_Instinct_MI300X_OAM": "MI300X", "Ascend910B3": "Ascend-910B", "910B3": "Ascend-910B", "910B4": "Ascend-910B4",
		"Ascend910": "Ascend-910", "K100_AI": "Hygon-K100-AI", "mlu370": "MLU370-X8", "S60": "Enflame-S60", "Kunlunxin-P800": "Kunlun-P800",
	} {
		if got, ok := c.KnownModel(name); !ok || got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"", "gpu", "nvidia", "nvidia-", "A1000", "dcu"} {
		if got, ok := c.KnownModel(name); ok {
			t.Errorf("%q is taken as %s", name, got)
		}
	}
}

// TestNamesAreUnique: two aliases of two entries must not fight over one name.
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

// figures calls f with every figure of an entry, a struct.
func figures(v reflect.Value, name string, f func(name string, value any, source string, c Confidence)) {
	switch {
	case v.Kind() == reflect.Struct && strings.HasPrefix(v.Type().Name(), "Figure["):
		f(name, v.FieldByName("Value").Interface(), v.FieldByName("Source").String(), Confidence(v.FieldByName("Confidence").Uint()))
	case v.Kind() == reflect.Map:
		for _, k := range v.MapKeys() {
			figures(v.MapIndex(k), name+"."+k.String(), f)
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				figures(v.Field(i), name+" "+snake(v.Type().Field(i).Name), f)
			}
		}
	}
}

// TestEveryFigureIsSourced: each figure of the built-in catalogue has a unit
// (its type prints one), a source and a mark, and none is missing that power
// and price need.
func TestEveryFigureIsSourced(t *testing.T) {
	c := builtInCatalogue(t)
	count := 0
	check := func(entry any, name string, need ...string) {
		known := map[string]bool{}
		figures(reflect.ValueOf(entry), name, func(name string, value any, source string, mark Confidence) {
			if mark == NoConfidence {
				if !reflect.ValueOf(value).IsZero() || source != "" {
					t.Errorf("%s: %v has no confidence", name, value)
				}
				return
			}
			count++
			known[name[strings.LastIndexByte(name, ' ')+1:]] = true
			if mark != Verified && mark != Known && mark != Low {
				t.Errorf("%s: confidence %q", name, mark)
			}
			if len(source) < 8 {
				t.Errorf("%s: source %q", name, source)
			}
			if mark == Verified && !strings.HasPrefix(source, "http") {
				t.Errorf("%s was read in %q, which is no address", name, source)
			}
			if text := reflect.ValueOf(value).MethodByName("String").Call(nil)[0].String(); strings.Trim(text, "0123456789.") == "" {
				t.Errorf("%s: %q has no unit", name, text)
			}
		})
		for _, n := range need {
			if !known[n] {
				t.Errorf("%s: no %s", name, n)
			}
		}
	}
	for i := range c.Accelerators {
		a := &c.Accelerators[i]
		check(*a, string(a.Name), "idle", "full", "memory", "price")
		if len(a.Peak) == 0 || a.Maker == "" || a.Bus == "" || a.Form == "" {
			t.Errorf("%s: no peak, maker, bus or form", a.Name)
		}
	}
	for i := range c.CPUs {
		check(c.CPUs[i], c.CPUs[i].Name, "idle", "full", "price")
	}
	for i := range c.Chassis {
		check(c.Chassis[i], c.Chassis[i].Name, "idle", "full", "price")
	}
	for i := range c.Parts {
		need := []string{"price", "idle", "full"}
		if c.Parts[i].Kind == "psu" {
			need = []string{"price", "rated"}
		}
		check(c.Parts[i], c.Parts[i].Name, need...)
	}
	for i := range c.SKUs {
		check(c.SKUs[i], c.SKUs[i].Name)
	}
	if count < 800 {
		t.Errorf("only %d figures were looked at", count)
	}
}

// TestMakersAreThere: the catalogue knows at least one device of each maker
// that an operator of a mixed centre may own.
func TestMakersAreThere(t *testing.T) {
	makers := map[string]int{}
	c := builtInCatalogue(t)
	for i := range c.Accelerators {
		makers[c.Accelerators[i].Maker]++
	}
	for _, m := range []string{"NVIDIA", "AMD", "Intel", "T-Head", "Huawei", "Cambricon", "Hygon", "Moore Threads", "Biren", "Iluvatar CoreX", "MetaX", "Kunlunxin", "Enflame"} {
		if makers[m] == 0 {
			t.Errorf("no accelerator of %s", m)
		}
	}
}

// TestEverySKUCanBeBuilt composes every ready-made server: it fits, has a price
// and draws more when busy than when idle.
func TestEverySKUCanBeBuilt(t *testing.T) {
	c := builtInCatalogue(t)
	for i := range c.SKUs {
		s := c.SKUs[i]
		q, err := c.Compose(s, Terms{Tariff: 0.5, Carbon: 0.1, RackSlots: 42})
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
			continue
		}
		if q.Price <= 0 || q.Idle <= 0 || q.Full <= q.Idle || q.PerRack < 1 || q.Confidence == NoConfidence {
			t.Errorf("%s: price %s, idle %s, full %s, %d in a rack, %q", s.Name, q.Price, q.Idle, q.Full, q.PerRack, q.Confidence)
		}
		if want := float64(q.Idle) * 8.76; q.IdleKWhPerYear < want-1e-6 || q.IdleKWhPerYear > want+1e-6 || float64(q.IdleYuanPerYear) < want/2-1e-3 {
			t.Errorf("%s: a year of idling at %s is %v kWh and %s", s.Name, q.Idle, q.IdleKWhPerYear, q.IdleYuanPerYear)
		}
	}
}

// TestTraits: what a job may ask for reaches the fleet.
func TestTraits(t *testing.T) {
	c := builtInCatalogue(t)
	a := c.Accelerator("A100").Traits()
	if a.FP16TFLOPS != 312 || strings.Join(a.Precisions, " ") != "bf16 fp16 fp32 fp64 int8 tf32" || a.Memory != 80<<10 || a.Stack != "cuda" || a.Maker != "NVIDIA" ||
		a.ComputeSlices != 7 || a.MemorySlices != 8 || len(a.Profiles) != 6 {
		t.Errorf("traits of A100: %+v", a)
	}
	f := &Fleet{Nodes: []Node{{Model: "A100-SXM4-80GB"}, {Model: "nobody's"}, {}}, Traits: map[Model]Traits{"own": {Maker: "me"}}}
	c.Describe(f)
	if len(f.Traits) != 2 || !reflect.DeepEqual(f.Traits["A100-SXM4-80GB"], a) || f.Traits["own"].Maker != "me" {
		t.Errorf("described as %+v", f.Traits)
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

// TestTrust: the lowest mark holds, and what the operator declares counts as
// the best.
func TestTrust(t *testing.T) {
	lines := []Line{{"idle", "1W", "verified", ""}, {"full", "2W", "low", ""}, {"memory", "", "declared", ""}, {"memory_slices", "", "low", ""}, {"peak.fp16", "", "known", ""}, {"peak.int8", "", "verified", ""}, {"note", "x", "", ""}}
	for _, x := range []struct {
		names []string
		want  Confidence
	}{
		{[]string{"idle"}, Verified}, {[]string{"idle", "full"}, Low}, {[]string{"memory"}, Declared}, {[]string{"memory", "peak"}, Known}, {[]string{"price"}, NoConfidence}, {[]string{"note"}, NoConfidence},
	} {
		if got := Trust(lines, x.names...); got != x.want {
			t.Errorf("trust of %v is %q, want %q", x.names, got, x.want)
		}
	}
}
