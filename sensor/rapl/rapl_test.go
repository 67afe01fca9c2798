package rapl

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"tianfu/fault"
	"tianfu/sensor"
)

const wrap = 262_143_328_850 // of a real machine

// tree is a sysfs with zones as a machine of two sockets shows them.
type tree struct {
	t    *testing.T
	root string
}

func newTree(t *testing.T) *tree {
	r := &tree{t, t.TempDir()}
	r.write("intel-rapl/enabled", "1")
	for i, z := range []struct{ zone, name string }{
		{"intel-rapl:0", "package-0"}, {"intel-rapl:0:0", "core"}, {"intel-rapl:0:1", "dram"},
		{"intel-rapl:1", "package-1"}, {"intel-rapl:1:0", "dram"},
		{"intel-rapl:2", "psys"}, {"intel-rapl-mmio:0", "package-0"}, {"intel-rapl-mmio:0:0", "dram"},
	} {
		r.write(z.zone+"/name", z.name)
		r.write(z.zone+"/max_energy_range_uj", fmt.Sprint(wrap))
		r.set(z.zone, uint64(1000*(i+1)))
	}
	return r
}

func (r *tree) write(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.root, "class/powercap", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r *tree) set(zone string, uj uint64) { r.write(zone+"/energy_uj", fmt.Sprint(uj)) }

func TestConformance(t *testing.T) {
	sensor.Conform(t, func(t *testing.T) *sensor.Bench {
		r := newTree(t)
		away := filepath.Join(r.root, "away")
		n := uint64(10_000)
		return &sensor.Bench{
			Open: func(*testing.T) sensor.Source { return New(r.root, "n1") },
			Draw: func() {
				for _, z := range []string{"intel-rapl:0", "intel-rapl:0:1", "intel-rapl:1", "intel-rapl:1:0"} {
					n += 5000
					r.set(z, n)
				}
			},
			Cut: func() {
				if err := os.Rename(filepath.Join(r.root, "class"), away); err != nil {
					t.Fatal(err)
				}
			},
			Mend: func() {
				if err := os.Rename(away, filepath.Join(r.root, "class")); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func TestZones(t *testing.T) {
	out, err := New(newTree(t).root, "n1").Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, s := range out {
		got += fmt.Sprintf("%s=%d ", s.Covers, s.Count)
		if s.Modulus != wrap+1 || s.Tick != 1 {
			t.Errorf("%+v", s)
		}
	}
	if got != "package n1 package-0=1000 package n1 package-0-dram=3000 package n1 package-1=4000 package n1 package-1-dram=5000 " {
		t.Errorf("read %s", got)
	}
}

// TestWrap reads a package over the end of its range.
func TestWrap(t *testing.T) {
	r := newTree(t)
	s := New(r.root, "n1")
	track := sensor.NewTrack(sensor.DefaultRules(sensor.Package, sensor.MinEvery))
	sum := int64(0)
	for _, uj := range []uint64{wrap - 70_000_000, wrap - 20_000_000, 29_999_999, 129_999_999} {
		r.set("intel-rapl:0", uj)
		out, err := s.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		step := track.Next(out[0])
		for _, x := range step.Readings {
			sum += int64(x.Energy)
		}
		if len(step.Notices) > 0 {
			t.Error(step.Notices)
		}
	}
	// 50 J before the end, 20 J to it and the 30 J after, 100 J.
	if sum != 200_000 {
		t.Errorf("%d mJ, want 200,000", sum)
	}
}

func TestFaults(t *testing.T) {
	empty := t.TempDir()
	if _, err := New(empty, "n1").Read(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("no powercap: %v", err)
	}
	if _, err := New(filepath.Join(empty, "none"), "n1").Read(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("no sysfs: %v", err)
	}
	r := newTree(t)
	r.write("intel-rapl:1/energy_uj", "what")
	out, err := New(r.root, "n1").Read(t.Context())
	if fault.KindOf(err) != fault.Unavailable || len(out) != 3 {
		t.Errorf("one zone cannot be read: %d samples, %v", len(out), err)
	}
	if os.Getuid() != 0 {
		if err := os.Chmod(filepath.Join(r.root, "class/powercap/intel-rapl:0/energy_uj"), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := New(r.root, "n1").Read(t.Context()); fault.KindOf(err) != fault.Denied {
			t.Errorf("not allowed: %v", err)
		}
	}
}
