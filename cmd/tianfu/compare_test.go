package main

import (
	"math"
	"path/filepath"
	"slices"
	"testing"
)

// TestPairedT holds the test to Student's own example: the additional sleep of
// ten patients (Biometrika 1908), t = 4.0621, two-sided p = 0.00283.
func TestPairedT(t *testing.T) {
	p, ok := pairedT([]float64{1.2, 2.4, 1.3, 1.3, 0, 1.0, 1.8, 0.8, 4.6, 1.4})
	if !ok || math.Abs(p-0.00283) > 0.00001 {
		t.Errorf("p = %v, want 0.00283", p)
	}
	if _, ok := pairedT([]float64{1}); ok {
		t.Error("a single seed has a p-value")
	}
}

// TestCompareRunsPoliciesSideBySide compares two policies on a small generated
// workload, under both protocols.
func TestCompareRunsPoliciesSideBySide(t *testing.T) {
	dir := t.TempDir()
	if code, _, errs := execute("trace", "generate", "--nodes", "40", "--tasks", "1500", "--gangs", "0", "--out", dir); code != 0 {
		t.Fatal(errs)
	}
	files := []string{"--nodes", filepath.Join(dir, "nodes.csv"), "--tasks", filepath.Join(dir, "jobs.csv"), "--seeds", "1-3"}
	for protocol, more := range map[string][]string{"inflate": nil, "time": {"--days", "0.5"}} {
		d := decode[comparison](t, slices.Concat([]string{"compare", "random", "tianfu", "--protocol", protocol}, more, files)...)
		if d.Baseline != "random" || len(d.Seeds) != 3 || len(d.Metrics) < 5 {
			t.Fatalf("%s: %+v", protocol, d)
		}
		for _, m := range d.Metrics {
			a, b := m.Policies[0], m.Policies[1]
			if a.Difference != nil || b.Difference == nil || b.PValue == nil || b.Min > b.Mean || b.Mean > b.Max {
				t.Errorf("%s %s: %+v", protocol, m.Metric, m)
			}
			if math.Abs(b.Mean-a.Mean-*b.Difference) > 0.001 {
				t.Errorf("%s %s: means %g and %g differ by %g", protocol, m.Metric, a.Mean, b.Mean, *b.Difference)
			}
			if m.Metric == "it_power_kw_mean_5_to_90" || m.Metric == "it_energy_kwh" {
				if *b.Difference >= 0 {
					t.Errorf("%s: tianfu draws %g more than random", protocol, *b.Difference)
				}
			}
		}
	}
}
