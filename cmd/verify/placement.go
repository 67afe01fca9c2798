package main

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// inflation is the part of the inflation document that the table needs.
type inflation struct {
	Runs []struct {
		Policy     string
		Allocation map[string]struct{ Mean float64 } `json:"allocation_percent"`
		PowerKW    map[string]float64                `json:"it_power_kw"`
		Saving     float64                           `json:"it_power_saving_percent_vs_fgd"`
		Moves      float64                           `json:"moves_per_task"`
		PerSecond  float64                           `json:"placements_per_second"`
		Hashes     []string                          `json:"record_log_sha256"`
	}
}

func (d *inflation) at(policy, column string) float64 {
	for i := range d.Runs {
		if d.Runs[i].Policy == policy {
			return d.Runs[i].Allocation[column].Mean
		}
	}
	return math.NaN()
}

var workloads = []string{"default", "gpuspec33", "multigpu50", "gpushare100"}

// placement is the table of the scheduling core.
func placement(t *table) error {
	for _, step := range []func() error{t.fidelity, t.power, t.queueing, t.ours, t.determinism, t.speed, t.scale} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) inflate(workload, policies, seeds string, env []string, more ...string) (*inflation, outcome, error) {
	d := &inflation{}
	args := []string{"replay", "--protocol", "inflate", "--nodes", t.file("traces/openb/openb_node_list_gpu_node.csv"),
		"--tasks", t.file("traces/openb/openb_pod_list_" + workload + ".csv"), "--policy", policies, "--seeds", seeds}
	o, err := t.run(d, env, append(args, more...)...)
	return d, o, err
}

func readRows(path string) ([]map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, err
	}
	var out []map[string]string
	for _, r := range all[1:] {
		m := map[string]string{}
		for i, v := range r {
			m[all[0][i]] = v
		}
		out = append(out, m)
	}
	return out, nil
}

// fidelity compares the peers with an independent implementation.
func (t *table) fidelity() error {
	rows, err := readRows(t.file("traces/openb/expected.csv"))
	if err != nil {
		return err
	}
	names := map[string]string{"Random": "random", "DotProd": "dotprod", "GpuClustering": "gpu-clustering", "GpuPacking": "gpu-packing", "BestFit": "bestfit", "FGD": "fgd"}
	firstfit := map[string]float64{"default": 94.32, "multigpu50": 96.25, "gpushare100": 86.03, "gpuspec33": 93.68}
	worst := map[string]float64{}
	for _, w := range workloads {
		d, _, err := t.inflate(w, "random,dotprod,gpu-clustering,gpu-packing,bestfit,fgd,firstfit", "42-51", nil)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r["workload"] != w {
				continue
			}
			p := names[r["policy"]]
			for _, c := range []string{"80", "90", "95", "100", "110", "120", "130"} {
				want, err := strconv.ParseFloat(r["alloc_pct_at_"+c+"_mean"], 64)
				if err != nil {
					return err
				}
				worst[p] = max(worst[p], math.Abs(d.at(p, c)-want))
			}
		}
		worst["firstfit"] = max(worst["firstfit"], math.Abs(d.at("firstfit", "100")-firstfit[w]))
	}
	for _, p := range []string{"fgd", "bestfit", "gpu-packing", "gpu-clustering", "dotprod", "firstfit"} {
		t.atMost("fidelity: "+p+", farthest mean of four workloads", 0.05, worst[p], "points")
	}
	t.atMost("fidelity: random, farthest mean", 0.3, worst["random"], "points")
	return nil
}

// power compares PWR and its mixes with the published table.
func (t *table) power() error {
	rows, err := readRows(t.file("traces/openb/expected_power.csv"))
	if err != nil {
		return err
	}
	name := func(s string) string {
		var a, b int
		if n, _ := fmt.Sscanf(s, "PWR%d+FGD%d", &a, &b); n == 2 {
			return fmt.Sprintf("pwr+fgd:%d:%d", a, b)
		}
		return strings.ToLower(s)
	}
	var policies []string
	for _, r := range rows {
		policies = append(policies, name(r["policy"]))
	}
	d, _, err := t.inflate("default", strings.Join(policies, ","), "42-51", nil)
	if err != nil {
		return err
	}
	kw, alloc := 0.0, 0.0
	for i, r := range rows {
		for c := 10; c <= 100; c += 10 {
			want, _ := strconv.ParseFloat(r[fmt.Sprintf("cluster_kw_at_%d_mean", c)], 64)
			kw = max(kw, 100*math.Abs(d.Runs[i].PowerKW[strconv.Itoa(c)]/want-1))
		}
		for _, c := range []string{"90", "100", "130"} {
			want, _ := strconv.ParseFloat(r["alloc_pct_at_"+c+"_mean"], 64)
			alloc = max(alloc, math.Abs(d.Runs[i].Allocation[c].Mean-want))
		}
	}
	t.atMost("fidelity: pwr and pwr+fgd, farthest kW", 0.5, kw, "%")
	t.atMost("fidelity: pwr and pwr+fgd, farthest allocation", 0.1, alloc, "points")
	return nil
}

// queueing compares the backfill protocol digit by digit.
func (t *table) queueing() error {
	rows, err := readRows(t.file("traces/swf/expected.csv"))
	if err != nil {
		return err
	}
	same := 0
	for _, r := range rows {
		var d map[string]float64
		if _, err := t.run(&d, nil, "replay", "--protocol", "backfill", "--jobs", t.file("traces/swf/lublin_256.swf"), "--processors", "256",
			"--scale", r["scale"], "--estimates", r["estimates"], "--backfill", r["backfill"]); err != nil {
			return err
		}
		all := true
		for column, want := range r {
			got, ok := d[column]
			if !ok {
				continue
			}
			_, digits, _ := strings.Cut(want, ".")
			all = all && strconv.FormatFloat(got, 'f', len(digits), 64) == want
		}
		if all {
			same++
		}
	}
	t.add(same == len(rows), "fidelity: queueing, rows equal to the printed digits", fmt.Sprint(len(rows)), fmt.Sprint(same))
	return nil
}

// ours measures the policies of the house.
func (t *table) ours() error {
	least := map[string]float64{"default": 95.9, "gpuspec33": 94.9, "multigpu50": 97.5, "gpushare100": 87.0}
	for _, w := range workloads {
		d, _, err := t.inflate(w, "tianfu,fgd", "42-51", nil)
		if err != nil {
			return err
		}
		t.atLeast("tianfu: "+w+", mean allocation at 100 %", least[w], d.at("tianfu", "100"), "%")
		t.atLeast("tianfu: "+w+", above fgd at 90 %", 0, d.at("tianfu", "90")-d.at("fgd", "90"), "points")
		t.atLeast("tianfu: "+w+", above fgd at 100 %", 0, d.at("tianfu", "100")-d.at("fgd", "100"), "points")
		if w == "default" {
			t.atLeast("tianfu: default, IT power below fgd, mean over 5-90 %", 12.5, d.Runs[0].Saving, "%")
		}
	}
	d, _, err := t.inflate("default", "tianfu-migrate", "42-51", nil)
	if err != nil {
		return err
	}
	t.atLeast("tianfu-migrate: default, mean allocation at 100 %", 96.5, d.at("tianfu-migrate", "100"), "%")
	t.atMost("tianfu-migrate: default, moves per arrived task", 0.05, d.Runs[0].Moves, "moves")
	return nil
}

func (t *table) determinism() error {
	var hashes []string
	for _, cores := range []string{"GOMAXPROCS=1", "GOMAXPROCS=2", "GOMAXPROCS=2"} {
		d, _, err := t.inflate("default", "tianfu", "42-43", []string{cores})
		if err != nil {
			return err
		}
		hashes = append(hashes, strings.Join(d.Runs[0].Hashes, " "))
	}
	t.add(hashes[0] == hashes[1] && hashes[1] == hashes[2], "determinism: record log, one core, two cores, again", "equal", hashes[0][:12])
	return nil
}

// speed takes the median of five runs each.
func (t *table) speed() error {
	for _, s := range []struct {
		what, policy, copies string
		least                float64
	}{
		{"1,213 nodes, tianfu", "tianfu", "1", 150_000}, {"1,213 nodes, fgd", "fgd", "1", 150_000},
		{"9,704 nodes, tianfu", "tianfu", "8", 100_000}, {"9,704 nodes, fgd", "fgd", "8", 100_000},
	} {
		var rates []float64
		for range 5 {
			d, _, err := t.inflate("default", s.policy, "42", []string{"GOMAXPROCS=1"}, "--fleet-copies", s.copies, "--power", "none")
			if err != nil {
				return err
			}
			rates = append(rates, d.Runs[0].PerSecond)
		}
		t.atLeast("whole path, one core, "+s.what, s.least, median(rates), "placements/s")
	}
	var one, ten, memory []float64
	for range 5 {
		_, o, err := t.inflate("default", "tianfu", "42", []string{"GOMAXPROCS=1"}, "--power", "none")
		if err != nil {
			return err
		}
		one, memory = append(one, o.seconds), append(memory, o.mib)
		_, o, err = t.inflate("default", "tianfu", "42-51", nil)
		if err != nil {
			return err
		}
		ten = append(ten, o.seconds)
	}
	t.atMost("whole process, one seed with metrics and loading", 0.1, median(one), "s")
	t.atMost("whole process, ten seeds with the silent run of fgd", 0.6, median(ten), "s")
	t.atMost("peak memory at 1,213 nodes", 64, median(memory), "MiB")
	return nil
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// scale replays a million generated jobs on a hundred thousand nodes.
func (t *table) scale() error {
	dir := filepath.Join(t.scratch, "big")
	if _, err := t.run(nil, nil, "trace", "generate", "--nodes", "100000", "--tasks", "1000000", "--load", "0.95", "--gangs", "0", "--out", dir); err != nil {
		return err
	}
	var d struct {
		Runs []struct {
			Seconds, Utilisation float64
			Finished             int
		}
	}
	o, err := t.run(&d, []string{"GOMAXPROCS=1"}, "replay", "--nodes", filepath.Join(dir, "nodes.csv"), "--tasks", filepath.Join(dir, "jobs.csv"))
	if err != nil {
		return err
	}
	t.add(d.Runs[0].Finished == 1_000_000, "100,000 nodes, 1,000,000 jobs: jobs that ended", "1000000", fmt.Sprint(d.Runs[0].Finished))
	t.atMost("100,000 nodes, 1,000,000 jobs: whole process, one core", 60, o.seconds, "s")
	t.atMost("100,000 nodes, 1,000,000 jobs: peak memory", 4096, o.mib, "MiB")
	return nil
}
