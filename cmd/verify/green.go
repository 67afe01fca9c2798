package main

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// green is the table of facility, carbon and shifting.
func green(t *table) error {
	return t.steps([]step{
		{"wait-awhile", t.waitAwhile}, {"gaia", t.gaia}, {"bounded", t.bounded}, {"planner", t.planner}, {"plant", t.plant}, {"site-meter", t.siteMeter},
		{"power-tree", t.powerTree}, {"drought", t.droughtWeek},
	})
}

// waitAwhile measures the cells of Let's Wait Awhile.
func (t *table) waitAwhile() error {
	want := map[string][4][2]float64{
		"de": {{5.93, 5.91}, {8.16, 7.93}, {14.13, 14.11}, {18.50, 18.11}},
		"gb": {{6.57, 6.56}, {9.23, 9.03}, {14.75, 14.73}, {20.00, 19.66}},
		"fr": {{4.79, 4.77}, {6.22, 5.92}, {11.15, 11.12}, {13.86, 13.33}},
	}
	var far [2]float64
	for country, cells := range want {
		for k, cell := range cells {
			for e, percent := range []string{"0", "5"} {
				var d struct {
					Saving float64 `json:"saving_percent"`
				}
				if _, err := t.run(&d, nil, "green", "protocol", "lets-wait-awhile", "--ci", t.file("carbon/lwa_"+country+"_2020_30min.csv"), "--jobs", t.file("carbon/workload_lwa_ml_3387.csv"),
					"--deadline", [2]string{"next-workday", "semi-weekly"}[k/2], "--mode", [2]string{"run-through", "interrupting"}[k%2], "--error", percent); err != nil {
					return err
				}
				far[e] = max(far[e], math.Abs(d.Saving-cell[e]))
			}
		}
	}
	t.atMost("let's wait awhile: farthest of 12 error-free cells", 0.01, far[0], "points")
	t.atMost("let's wait awhile: farthest of 12 cells with 5 % error", 0.05, far[1], "points")
	return nil
}

type shifted struct {
	Policies []struct {
		Policy     string
		Normalised float64 `json:"normalised_carbon"`
		Total      float64
		Dollars    float64
		KG         float64
		Late       int `json:"late_jobs"`
	}
}

func (t *table) shift(protocol string, start time.Time, more ...string) (*shifted, error) {
	d := &shifted{}
	_, err := t.run(d, nil, append([]string{"green", "protocol", protocol, "--ci", t.file("carbon/au-sa_2021-12_2022-12_hourly.csv"), "--column", "ci_lifecycle_g_per_kwh",
		"--start", start.Format(time.RFC3339), "--jobs", t.file("carbon/workload_gaia_pai_1k.csv")}, more...)...)
	return d, err
}

var (
	window  = time.Date(2022, 10, 19, 16, 0, 0, 0, time.UTC)
	newYear = time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC)
)

func (t *table) gaia() error {
	want := map[string]float64{"lowest-slot": 0.779988, "lowest-window": 0.683641, "carbon-time": 0.724712, "threshold": 0.638786, "wait-awhile": 0.546233}
	d, err := t.shift("gaia", window)
	if err != nil {
		return err
	}
	far := 0.0
	for _, r := range d.Policies {
		if w, ok := want[r.Policy]; ok {
			far = max(far, math.Abs(r.Normalised-w))
		}
	}
	t.atMost("gaia: farthest policy", 0.0005, far, "")
	sums := map[string]float64{}
	for k := range 17 {
		d, err := t.shift("gaia", newYear.Add(time.Duration(500*k)*time.Hour))
		if err != nil {
			return err
		}
		for _, r := range d.Policies {
			sums[r.Policy] += 100 * (1 - r.Normalised) / 17
		}
	}
	far = 0
	for policy, w := range map[string]float64{"lowest-window": 29.5, "carbon-time": 26.4, "threshold": 28.8, "wait-awhile": 41.3} {
		far = max(far, math.Abs(sums[policy]-w))
	}
	t.atMost("gaia: farthest mean saving over 17 windows", 0.2, far, "points")
	far = 0
	for r, w := range map[int][2]float64{0: {406.93, 199.18}, 9: {479.77, 142.20}, 24: {555.64, 110.26}} {
		d, err := t.shift("gaia", window, "--reserved", strconv.Itoa(r))
		if err != nil {
			return err
		}
		last := d.Policies[len(d.Policies)-1]
		far = max(far, 100*math.Abs(last.Total/w[0]-1), 100*math.Abs(last.Dollars/w[1]-1))
	}
	t.atMost("gaia: reserved CPUs 0, 9, 24, farthest figure", 0.2, far, "%")
	return nil
}

func (t *table) bounded() error {
	d, err := t.shift("bounded", window, "--cpus", "38", "--forecast", "perfect")
	if err != nil {
		return err
	}
	far := 0.0
	for i, w := range []float64{0.57318, 0.37706, 0.31841} {
		far = max(far, math.Abs(d.Policies[i].KG-w))
	}
	t.atMost("bounded, 38 CPUs: fcfs, threshold, oracle, farthest", 0.000005, far, "kg")
	t.add(d.Policies[1].Late == 168, "bounded: late jobs of threshold", "168", fmt.Sprint(d.Policies[1].Late))
	for _, f := range []struct {
		name string
		most float64
	}{{"perfect", 1}, {"persistence", 11}, {"own", 8}} {
		d, err := t.shift("bounded", window, "--cpus", "38", "--forecast", f.name)
		if err != nil {
			return err
		}
		t.atMost("bounded: our planner behind the oracle, "+f.name, f.most, behind(d), "points")
		t.add(d.Policies[3].Late == 0, "bounded: late jobs of our planner, "+f.name, "0", fmt.Sprint(d.Policies[3].Late))
	}
	for _, f := range []string{"perfect", "persistence", "own"} {
		mean, worst, below, late := 0.0, 0.0, 0, 0
		for k := range 17 {
			d, err := t.shift("bounded", newYear.Add(time.Duration(500*k)*time.Hour), "--cpus", "38", "--forecast", f)
			if err != nil {
				return err
			}
			mean += behind(d) / 17
			worst = max(worst, behind(d))
			late += d.Policies[3].Late
			if d.Policies[3].KG > d.Policies[0].KG {
				below++
			}
		}
		t.add(below == 0 && late == 0, "bounded: 17 windows, worse than fcfs or late, "+f, "0 and 0", fmt.Sprintf("%d and %d", below, late))
		t.add(true, "bounded: 17 windows, behind the oracle, mean and worst, "+f, "reported", fmt.Sprintf("%.2f and %.2f points", mean, worst))
	}
	return nil
}

// behind is how many points of saving against fcfs the planner lies behind the
// oracle.
func behind(d *shifted) float64 {
	return 100 * (d.Policies[3].KG - d.Policies[2].KG) / d.Policies[0].KG
}

func (t *table) plant() error {
	var d struct {
		PUE, WUE float64
		Hours    []struct{ PUE, WUE float64 }
	}
	if _, err := t.run(&d, nil, "green", "pue", "--weather", t.file("weather/CHN_SC_Chengdu.562940_CSWD.epw"), "--plant", "lei-masanet-case2"); err != nil {
		return err
	}
	t.atMost("plant: Chengdu year, PUE from 1.149", 0.0005, math.Abs(d.PUE-1.149), "")
	rows, err := readRows(t.file("weather/reference_chengdu_cswd_case2_hourly.csv"))
	if err != nil {
		return err
	}
	far := 0.0
	for i, r := range rows {
		want, err := strconv.ParseFloat(r["pue"], 64)
		if err != nil {
			return err
		}
		far = max(far, math.Abs(d.Hours[i].PUE-want))
	}
	t.atMost("plant: farthest hour of the reference", 0.0003, far, "")
	return nil
}

// siteMeter repeats the placement comparison in kWh and kgCO2e at the site's
// meter, and holds the ledger of the replay to its sums.
func (t *table) siteMeter() error {
	var d struct {
		Runs []struct {
			Policy string
			Ledger struct {
				Exact     bool
				Fault     string
				Intervals int
				Site      float64 `json:"site_kwh"`
				KG        float64 `json:"kgco2e_location"`
			}
		}
	}
	if _, err := t.run(&d, nil, "replay", "--nodes", t.file("traces/openb/openb_node_list_all_node.csv"), "--tasks", t.file("traces/openb/openb_pod_list_default.csv"),
		"--load", "0.8", "--days", "7", "--policy", "tianfu,pwr+fgd,fgd", "--carbon", t.file("carbon/us-nw-bpat_2023_hourly.csv")+":ci_direct_g_per_kwh",
		"--weather", t.file("weather/CHN_SC_Chengdu.562940_CSWD.epw"), "--tariff", "sichuan-2025", "--start", "2023-07-01T00:00:00+08:00"); err != nil {
		return err
	}
	if len(d.Runs) != 3 {
		return fmt.Errorf("the comparison has %d runs, not 3", len(d.Runs))
	}
	own, fgd := d.Runs[0].Ledger, d.Runs[2].Ledger
	t.atMost("site meter: energy of tianfu, against fgd", 100, 100*own.Site/fgd.Site, "%")
	t.atMost("site meter: CO2e of tianfu, against fgd", 100, 100*own.KG/fgd.KG, "%")
	for _, r := range d.Runs {
		t.add(r.Ledger.Exact && r.Ledger.Intervals >= 720, "ledger: exact sums on every interval, "+r.Policy, "all, a month or more", fmt.Sprintf("%d intervals, %.0f kWh and %.0f kgCO2e in the week %s", r.Ledger.Intervals, r.Ledger.Site, r.Ledger.KG, r.Ledger.Fault))
	}
	return nil
}
