package main

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var openbWorkloads = []string{"default", "gpuspec33", "multigpu50", "gpushare100"}

func inflateArgs(t testing.TB, workload, policies, seeds string) []string {
	return []string{"replay", "--protocol", "inflate",
		"--nodes", sharedFile(t, "traces/openb/openb_node_list_gpu_node.csv"),
		"--tasks", sharedFile(t, "traces/openb/openb_pod_list_"+workload+".csv"),
		"--policy", policies, "--seeds", seeds}
}

// table reads a CSV file into rows by column name.
func readTable(t testing.TB, path string) []map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, row := range all[1:] {
		m := map[string]string{}
		for i, v := range row {
			m[all[0][i]] = v
		}
		out = append(out, m)
	}
	return out
}

func cell(t testing.TB, row map[string]string, column string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(row[column], 64)
	if err != nil {
		t.Fatalf("column %s: %v", column, err)
	}
	return v
}

func runOf(t testing.TB, d inflateDocument, policy string) *inflateRun {
	t.Helper()
	for i := range d.Runs {
		if d.Runs[i].Policy == policy {
			return &d.Runs[i]
		}
	}
	t.Fatalf("no run of %s", policy)
	return nil
}

// TestPeersReproduceThePublishedRuns holds every peer policy to the means over
// ten seeds that were computed with an independent implementation.
func TestPeersReproduceThePublishedRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("tens of seconds under the race detector")
	}
	expected := readTable(t, sharedFile(t, "traces/openb/expected.csv"))
	names := map[string]string{"Random": "random", "DotProd": "dotprod", "GpuClustering": "gpu-clustering", "GpuPacking": "gpu-packing", "BestFit": "bestfit", "FGD": "fgd"}
	firstfit := map[string]float64{"default": 94.32, "multigpu50": 96.25, "gpushare100": 86.03, "gpuspec33": 93.68}
	for _, workload := range openbWorkloads {
		d := decode[inflateDocument](t, inflateArgs(t, workload, "random,dotprod,gpu-clustering,gpu-packing,bestfit,fgd,firstfit", "42-51")...)
		for _, row := range expected {
			if row["workload"] != workload {
				continue
			}
			tolerance := 0.05
			if row["policy"] == "Random" {
				tolerance = 0.3
			}
			run := runOf(t, d, names[row["policy"]])
			for _, column := range allocationColumns {
				key := strconv.Itoa(column)
				want := cell(t, row, "alloc_pct_at_"+key+"_mean")
				if got := run.Allocation[key].Mean; math.Abs(got-want) > tolerance {
					t.Errorf("%s %s at %s %%: %.3f, expected %.3f within %g", workload, run.Policy, key, got, want, tolerance)
				}
			}
		}
		if got := runOf(t, d, "firstfit").Allocation["100"].Mean; math.Abs(got-firstfit[workload]) > 0.05 {
			t.Errorf("%s firstfit: %.3f, expected %.2f within 0.05", workload, got, firstfit[workload])
		}
	}
}

// TestPowerPoliciesReproduceThePublishedRuns holds PWR and its mixes with FGD
// to the table of cluster power.
func TestPowerPoliciesReproduceThePublishedRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("tens of seconds under the race detector")
	}
	expected := readTable(t, sharedFile(t, "traces/openb/expected_power.csv"))
	name := func(s string) string {
		var w1, w2 int
		if n, _ := fmt.Sscanf(s, "PWR%d+FGD%d", &w1, &w2); n == 2 {
			return fmt.Sprintf("pwr+fgd:%d:%d", w1, w2)
		}
		return strings.ToLower(s)
	}
	var policies []string
	for _, row := range expected {
		policies = append(policies, name(row["policy"]))
	}
	d := decode[inflateDocument](t, inflateArgs(t, "default", strings.Join(policies, ","), "42-51")...)
	for _, row := range expected {
		run := runOf(t, d, name(row["policy"]))
		for c := 10; c <= 100; c += 10 {
			want := cell(t, row, fmt.Sprintf("cluster_kw_at_%d_mean", c))
			if got := run.PowerKW[strconv.Itoa(c)]; math.Abs(got/want-1) > 0.005 {
				t.Errorf("%s at %d %%: %.1f kW, expected %.1f within 0.5 %%", run.Policy, c, got, want)
			}
		}
		for _, c := range []string{"90", "100", "130"} {
			want := cell(t, row, "alloc_pct_at_"+c+"_mean")
			if got := run.Allocation[c].Mean; math.Abs(got-want) > 0.1 {
				t.Errorf("%s at %s %%: %.2f allocated, expected %.2f within 0.1", run.Policy, c, got, want)
			}
		}
		want := cell(t, row, "saving_vs_fgd_pct_mean_over_5_to_90")
		if *run.Saving < want-0.1 || *run.Saving > want+0.1 {
			t.Errorf("%s saves %.2f %% against fgd, expected %.2f within 0.1", run.Policy, *run.Saving, want)
		}
	}
}

// TestOurPolicyBeatsItsPeers holds the default policy to what the product
// promises: more allocated than FGD everywhere and less power, in one run.
func TestOurPolicyBeatsItsPeers(t *testing.T) {
	if testing.Short() {
		t.Skip("tens of seconds under the race detector")
	}
	least := map[string]float64{"default": 96.1, "gpuspec33": 94.9, "multigpu50": 97.5, "gpushare100": 87.0}
	for _, workload := range openbWorkloads {
		d := decode[inflateDocument](t, inflateArgs(t, workload, "tianfu,fgd", "42-51")...)
		ours, fgd := runOf(t, d, "tianfu"), runOf(t, d, "fgd")
		if got := ours.Allocation["100"].Mean; got < least[workload] {
			t.Errorf("%s: %.2f %% allocated at 100 %%, promised %.2f", workload, got, least[workload])
		}
		for _, c := range []string{"90", "100"} {
			if ours.Allocation[c].Mean < fgd.Allocation[c].Mean {
				t.Errorf("%s at %s %%: %.3f allocated, FGD %.3f", workload, c, ours.Allocation[c].Mean, fgd.Allocation[c].Mean)
			}
		}
		if workload == "default" && *ours.Saving < 12.5 {
			t.Errorf("IT power is %.2f %% below FGD, promised 12.5", *ours.Saving)
		}
	}
}

// TestMigrationStaysInItsBudget runs tianfu-migrate with its stated budget.
func TestMigrationStaysInItsBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("tens of seconds under the race detector")
	}
	d := decode[inflateDocument](t, inflateArgs(t, "default", "tianfu-migrate,tianfu", "42-51")...)
	m, plain := runOf(t, d, "tianfu-migrate"), runOf(t, d, "tianfu")
	if m.MovesPerTask > 0.05 {
		t.Errorf("%.4f moves per task, the budget is 0.05", m.MovesPerTask)
	}
	if m.Allocation["100"].Mean < plain.Allocation["100"].Mean {
		t.Errorf("%.3f allocated with moves, %.3f without", m.Allocation["100"].Mean, plain.Allocation["100"].Mean)
	}
}

// TestSameSeedSameRecordLog runs a seed twice, on one processor and on two, and
// compares with the hash kept in testdata, which holds on every machine.
func TestSameSeedSameRecordLog(t *testing.T) {
	args := inflateArgs(t, "default", "tianfu,fgd", "42-43")
	first := decode[inflateDocument](t, args...)
	old := runtime.GOMAXPROCS(1)
	one := decode[inflateDocument](t, args...)
	runtime.GOMAXPROCS(2)
	two := decode[inflateDocument](t, args...)
	runtime.GOMAXPROCS(old)
	var lines []string
	for i := range first.Runs {
		h := first.Runs[i].Hashes
		if !slices.Equal(h, one.Runs[i].Hashes) || !slices.Equal(h, two.Runs[i].Hashes) {
			t.Errorf("%s: hashes differ: %v, on one processor %v, on two %v", first.Runs[i].Policy, h, one.Runs[i].Hashes, two.Runs[i].Hashes)
		}
		for k, seed := range first.Runs[i].Seeds {
			lines = append(lines, fmt.Sprintf("%s seed %d %s", first.Runs[i].Policy, seed, h[k]))
		}
	}
	golden(t, "testdata/record_log.sha256", strings.Join(lines, "\n")+"\n")
}

// golden compares text with a file; UPDATE=1 rewrites the file.
func golden(t testing.TB, path, got string) {
	t.Helper()
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s differs; got\n%s\nwant\n%s\nrun with UPDATE=1 to rewrite it on purpose", path, got, want)
	}
}

// TestQueueingReproducesTheReference holds the queueing protocol to every
// printed digit of an independent implementation.
func TestQueueingReproducesTheReference(t *testing.T) {
	if testing.Short() {
		t.Skip("tens of seconds under the race detector")
	}
	log := sharedFile(t, "traces/swf/lublin_256.swf")
	for _, row := range readTable(t, sharedFile(t, "traces/swf/expected.csv")) {
		d := decode[map[string]float64](t, "replay", "--protocol", "backfill", "--jobs", log, "--processors", "256",
			"--scale", row["scale"], "--estimates", row["estimates"], "--backfill", row["backfill"])
		for column, digits := range map[string]int{"jobs": 0, "mean_wait_s": 3, "p50_wait_s": 0, "p90_wait_s": 0, "max_wait_s": 0,
			"mean_bounded_slowdown": 4, "utilisation_percent": 4, "makespan_s": 0} {
			if got := strconv.FormatFloat(d[column], 'f', digits, 64); got != row[column] {
				t.Errorf("scale %s estimates %s backfill %s: %s is %s, expected %s", row["scale"], row["estimates"], row["backfill"], column, got, row[column])
			}
		}
	}
}
