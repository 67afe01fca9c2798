package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tianfu/sim"
)

// TestLetsWaitAwhile holds the protocol to the published savings, error-free to
// the last digit, and with five percent of error within its own noise.
func TestLetsWaitAwhile(t *testing.T) {
	jobs := sharedFile(t, "carbon/workload_lwa_ml_3387.csv")
	for _, c := range []struct {
		country  string
		baseline float64
		saving   [4][2]float64 // next workday, then semi-weekly; run-through, then interrupting; without error, then with 5 %
	}{
		{"de", 49508.98, [4][2]float64{{5.93, 5.91}, {8.16, 7.93}, {14.13, 14.11}, {18.50, 18.11}}},
		{"gb", 33644.53, [4][2]float64{{6.57, 6.56}, {9.23, 9.03}, {14.75, 14.73}, {20.00, 19.66}}},
		{"fr", 8843.57, [4][2]float64{{4.79, 4.77}, {6.22, 5.92}, {11.15, 11.12}, {13.86, 13.33}}},
	} {
		ci := sharedFile(t, "carbon/lwa_"+c.country+"_2020_30min.csv")
		for k, want := range c.saving {
			deadline, mode := [2]string{"next-workday", "semi-weekly"}[k/2], [2]string{"run-through", "interrupting"}[k%2]
			for e, errorPercent := range []string{"0", "5"} {
				d := decode[map[string]float64](t, "green", "protocol", "lets-wait-awhile", "--ci", ci, "--jobs", jobs, "--deadline", deadline, "--mode", mode, "--error", errorPercent)
				if tolerance := [2]float64{0.01, 0.05}[e]; math.Abs(d["saving_percent"]-want[e]) > tolerance {
					t.Errorf("%s %s %s error %s: saves %.3f %%, expected %.2f within %g", c.country, deadline, mode, errorPercent, d["saving_percent"], want[e], tolerance)
				}
				if math.Abs(d["baseline_kg"]-c.baseline) > 0.01 {
					t.Errorf("%s: baseline %.2f kg, expected %.2f", c.country, d["baseline_kg"], c.baseline)
				}
			}
		}
	}
}

// TestLetsWaitAwhileInSlots: the slot of the protocol is half an hour, whatever steps the
// same intensities are written in; and files may begin with a mark and be quoted, as
// spreadsheets write them.
func TestLetsWaitAwhileInSlots(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	jobs := write("jobs.csv", "\ufeff\"job\",\"start_minute\",\"duration_minute\"\r\n0,600,330\r\n1,1500,90\r\n2,3030,1200\r\n")
	run := func(step time.Duration) map[string]float64 {
		text := "\ufeff\"time\",\"ci_g_per_kwh\"\r\n"
		for at := time.Duration(0); at < 14*24*time.Hour; at += step {
			text += fmt.Sprintf("%s,%d\r\n", time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC).Add(at).Format(time.RFC3339), 100+int(at/time.Hour)*37%211)
		}
		return decode[map[string]float64](t, "green", "protocol", "lets-wait-awhile", "--ci", write("ci.csv", text), "--jobs", jobs, "--deadline", "semi-weekly", "--mode", "interrupting")
	}
	want := run(30 * time.Minute)
	if want["saving_percent"] <= 0 {
		t.Fatalf("%v", want)
	}
	for _, step := range []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour} {
		got := run(step)
		for k, v := range want {
			if math.Abs(got[k]-v) > 1e-9 {
				t.Errorf("steps of %v: %v, want %v", step, got, want)
			}
		}
	}
}

type gaiaDocument struct{ Policies []sim.ShiftResult }

func shiftArgs(t testing.TB, protocol string, start time.Time, more ...string) []string {
	return append([]string{"green", "protocol", protocol, "--ci", sharedFile(t, "carbon/au-sa_2021-12_2022-12_hourly.csv"), "--column", "ci_lifecycle_g_per_kwh",
		"--start", start.Format(time.RFC3339), "--jobs", sharedFile(t, "carbon/workload_gaia_pai_1k.csv")}, more...)
}

var gaiaWindow = time.Date(2022, 10, 19, 16, 0, 0, 0, time.UTC)

// TestGaia holds every policy of figure 8 to the re-run, and figure 11 to its
// three points.
func TestGaia(t *testing.T) {
	want := map[string][3]float64{
		"no-wait": {1, 561.504, 0}, "lowest-slot": {0.779988, 0, 5.638}, "lowest-window": {0.683641, 0, 6.646},
		"carbon-time": {0.724712, 0, 4.721}, "threshold": {0.638786, 0, 7.865}, "wait-awhile": {0.546233, 0, 8.987},
	}
	d := decode[gaiaDocument](t, shiftArgs(t, "gaia", gaiaWindow)...)
	if len(d.Policies) != len(want) {
		t.Fatalf("%d policies", len(d.Policies))
	}
	for _, r := range d.Policies {
		w := want[r.Policy]
		if math.Abs(r.Normalised-w[0]) > 0.000001 || w[1] > 0 && math.Abs(r.Total-w[1]) > 0.0005 || math.Abs(r.Wait-w[2]) > 0.0005 {
			t.Errorf("%s: %.6f, %.3f g, waits %.3f h; expected %v", r.Policy, r.Normalised, r.Total, r.Wait, w)
		}
	}
	for r, w := range map[string][2]float64{"0": {406.93, 199.18}, "9": {479.77, 142.20}, "24": {555.64, 110.26}} {
		d := decode[gaiaDocument](t, shiftArgs(t, "gaia", gaiaWindow, "--reserved", r)...)
		got := d.Policies[len(d.Policies)-1]
		if math.Abs(got.Total-w[0]) > 0.005 || math.Abs(got.Dollars-w[1]) > 0.005 {
			t.Errorf("%s reserved: %.3f g and %.3f dollars, expected %.2f and %.2f", r, got.Total, got.Dollars, w[0], w[1])
		}
	}
}

// TestGaiaOverTheYear holds the savings over 17 windows of the year to the
// means of the re-run.
func TestGaiaOverTheYear(t *testing.T) {
	if testing.Short() {
		t.Skip("seventeen windows")
	}
	sums := map[string]float64{}
	for k := range 17 {
		d := decode[gaiaDocument](t, shiftArgs(t, "gaia", time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(500*k)*time.Hour))...)
		for _, r := range d.Policies {
			sums[r.Policy] += 100 * (1 - r.Normalised) / 17
		}
	}
	for policy, want := range map[string]float64{"lowest-window": 29.5, "carbon-time": 26.4, "threshold": 28.8, "wait-awhile": 41.3} {
		if math.Abs(sums[policy]-want) > 0.2 {
			t.Errorf("%s saves %.2f %% on average, expected %.1f within 0.2", policy, sums[policy], want)
		}
	}
}

type boundedDocument struct{ Policies []sim.BoundedResult }

// TestBounded holds the published policies on the bounded cluster to five
// digits, and our planner to its promises.
func TestBounded(t *testing.T) {
	for _, c := range []struct {
		cpus string
		want []sim.BoundedResult
	}{
		{"38", []sim.BoundedResult{{Policy: "fcfs", KG: 0.57318}, {Policy: "threshold", KG: 0.37706, Late: 168}, {Policy: "oracle", KG: 0.31841}}},
		{"0", []sim.BoundedResult{{Policy: "fcfs", KG: 0.57177, Peak: 50}, {Policy: "threshold", KG: 0.33450, Peak: 125}, {Policy: "oracle", KG: 0.28856, Peak: 130}}},
	} {
		d := decode[boundedDocument](t, shiftArgs(t, "bounded", gaiaWindow, "--cpus", c.cpus, "--forecast", "perfect")...)
		for i, w := range c.want {
			got := d.Policies[i]
			if got.Policy != w.Policy || math.Abs(got.KG-w.KG) > 0.000005 || got.Late != w.Late || w.Peak > 0 && got.Peak != w.Peak {
				t.Errorf("%s CPUs: %+v, expected %+v", c.cpus, got, w)
			}
		}
	}
	for forecast, most := range map[string]float64{"perfect": 1, "own": 8} {
		d := decode[boundedDocument](t, shiftArgs(t, "bounded", gaiaWindow, "--cpus", "38", "--forecast", forecast)...)
		fcfs, oracle, ours := d.Policies[0], d.Policies[2], d.Policies[3]
		if gap := 100 * (ours.KG - oracle.KG) / fcfs.KG; gap > most || ours.Late > 0 || ours.Peak > 38 {
			t.Errorf("%s: %.2f points behind the oracle, promised %g; %+v", forecast, gap, most, ours)
		}
	}
}

// TestPlannerIsNeverWorseThanFCFS runs the windows of the year.
func TestPlannerIsNeverWorseThanFCFS(t *testing.T) {
	if testing.Short() {
		t.Skip("seventeen windows")
	}
	for k := range 17 {
		for _, forecast := range []string{"persistence", "own"} {
			start := time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(500*k) * time.Hour)
			d := decode[boundedDocument](t, shiftArgs(t, "bounded", start, "--cpus", "38", "--forecast", forecast)...)
			if fcfs, ours := d.Policies[0], d.Policies[3]; ours.KG > fcfs.KG || ours.Late > 0 {
				t.Errorf("from hour %d with %s: %+v against %+v", 500*k, forecast, ours, fcfs)
			}
		}
	}
}
