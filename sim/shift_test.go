package sim_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"tianfu/sim"
)

// made is an intensity read from text: rows every step from a Monday's midnight on, the
// values of of, in the layout and with the column name that is asked for.
func made(t *testing.T, head, layout string, step time.Duration, rows int, of func(i int) float64) *sim.Intensity {
	t.Helper()
	var b strings.Builder
	b.WriteString(head + "\n")
	start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.FixedZone("", 3600))
	for i := range rows {
		fmt.Fprintf(&b, "%s,%g\n", start.Add(time.Duration(i)*step).Format(layout), of(i))
	}
	s, err := sim.ReadIntensity("ci.csv", []byte(b.String()), "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestIntensityInAnyShape: whatever step, unit and order of columns a series comes
// in, an hour has its mean.
func TestIntensityInAnyShape(t *testing.T) {
	const zone = "2006-01-02T15:04:05Z0700"
	value := func(i int) float64 { return float64(100 + i) }
	quarter := made(t, "time,ci_g_per_kwh", time.RFC3339, 15*time.Minute, 4*48, func(i int) float64 { return value(i/4) + float64(i%4) - 1.5 })
	kilo := made(t, "t,x_kg_per_kwh", zone, time.Hour, 48, func(i int) float64 { return value(i) / 1000 })
	moved, err := sim.ReadIntensity("ci.csv", []byte("share,ci,datetime_utc\n50,100,2023-12-31T23:00:00Z\n50,101,2024-01-01T00:00:00Z\n"), "ci")
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*sim.Intensity{"quarters": quarter, "kg": kilo, "moved": moved} {
		h, err := s.In(time.Hour)
		if err != nil {
			t.Fatal(name, err)
		}
		if got := h.Start.Format(time.RFC3339); got != "2023-12-31T23:00:00Z" || h.Step != time.Hour {
			t.Errorf("%s: from %s by %v", name, got, h.Step)
		}
		for i, v := range h.Value {
			if math.Abs(v-value(i)) > 1e-9 {
				t.Errorf("%s: hour %d has %g, want %g", name, i, v, value(i))
			}
		}
	}
	if half, err := kilo.In(sim.WaitAwhileSlot); err != nil || len(half.Value) != 96 || half.Value[3] != half.Value[2] {
		t.Errorf("hours cut into slots: %d of them, %v", len(half.Value), err)
	}
	if _, err := made(t, "time,ci_g_per_kwh", time.RFC3339, 25*time.Minute, 10, value).In(time.Hour); err == nil {
		t.Error("steps of 25 minutes make hours")
	}
}

// TestWaitAwhileGoesByTheClockOfItsSeries: nine o'clock is where the series says so,
// with an offset or without one.
func TestWaitAwhileGoesByTheClockOfItsSeries(t *testing.T) {
	dear := func(i int) float64 { // what begins after Thursday's nine o'clock is clean
		if i == 3*48+19 || i == 3*48+20 {
			return 10
		}
		return 300 + 200*math.Sin(float64(i)*math.Pi/24)
	}
	naive := made(t, "time,ci_g_per_kwh", "2006-01-02T15:04:05", 30*time.Minute, 48*14, dear)
	offset := made(t, "time,ci_g_per_kwh", time.RFC3339, 30*time.Minute, 48*14, dear)
	jobs := []sim.FixedJob{{Start: 20, Length: 30}, {Start: 70, Length: 44}, {Start: 130, Length: 12}}
	a := sim.WaitAwhile(sim.WaitAwhileParams{Series: naive, Jobs: jobs, SemiWeekly: true})
	b := sim.WaitAwhile(sim.WaitAwhileParams{Series: offset, Jobs: jobs, SemiWeekly: true})
	if a != b || a.Saving <= 0 {
		t.Errorf("naive %+v, with an offset %+v", a, b)
	}
}

// TestNothingToSave: where the grid emits nothing, nothing is saved, and the figures
// are numbers.
func TestNothingToSave(t *testing.T) {
	clean := made(t, "time,ci_g_per_kwh", time.RFC3339, time.Hour, 24*30, func(int) float64 { return 0 })
	if r := sim.WaitAwhile(sim.WaitAwhileParams{Series: clean, Jobs: []sim.FixedJob{{Start: 9, Length: 3}}}); r.Saving != 0 || r.Baseline != 0 {
		t.Errorf("%+v", r)
	}
	g, err := sim.NewGaia([]sim.ShiftJob{{Arrival: 10, Length: 3, CPUs: 1}}, clean.Value)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range append(g.Run(), g.Reserved(1)) {
		if r.Normalised != 1 || math.IsNaN(r.Wait) {
			t.Errorf("%+v", r)
		}
	}
}

// TestGaiaReservedServesTies holds the order of jobs that arrive in one step, and the
// step in which freed CPUs serve again, to figures of the released rules: with ties in
// the order of the file the dollars are 0.699.
func TestGaiaReservedServesTies(t *testing.T) {
	falling := make([]float64, 100)
	for i := range falling {
		falling[i] = float64(400 - 3*i)
	}
	jobs := []sim.ShiftJob{{Length: 7200, CPUs: 2}}
	for i := range 6 {
		jobs = append(jobs, sim.ShiftJob{Arrival: 600, Length: float64(3600 * (i + 1)), CPUs: 1 + i%2})
	}
	g, err := sim.NewGaia(jobs, falling)
	if err != nil {
		t.Fatal(err)
	}
	if r := g.Reserved(2); math.Abs(r.Total-13.713558) > 1e-6 || math.Abs(r.Dollars-0.799067) > 1e-6 {
		t.Errorf("%.6f g and %.6f dollars", r.Total, r.Dollars)
	}
}

// TestBoundedJobOfNoLength: what ends as it comes holds no CPU, though FCFS ran it to
// the end of the series once.
func TestBoundedJobOfNoLength(t *testing.T) {
	series := made(t, "time,ci_g_per_kwh", time.RFC3339, time.Hour, 24*10, func(i int) float64 { return float64(100 + i%7) })
	jobs := []sim.ShiftJob{{Arrival: 0, Length: 3600, CPUs: 2}}
	of := func(jobs []sim.ShiftJob) (out []sim.BoundedResult) {
		b, err := sim.NewBounded(jobs, series.Value, 0, 2)
		if err != nil {
			t.Fatal(err)
		}
		p, err := b.Planned("own")
		if err != nil {
			t.Fatal(err)
		}
		return []sim.BoundedResult{b.FCFS(), b.Threshold(), b.Oracle(), p}
	}
	want, got := of(jobs), of(append([]sim.ShiftJob{{Arrival: 0, Length: 0, CPUs: 1}}, jobs...))
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
}
