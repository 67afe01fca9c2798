package sim

import (
	"math"
	"testing"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/unit"
)

// monthOfHours is a month of hours at one site, in half hours, with a hole.
func monthOfHours(begin unit.Instant) (out []energy.SiteHour) {
	for i := range 2 * 24 * 31 {
		from := begin.Add(time.Duration(i) * 30 * time.Minute)
		h := energy.SiteHour{From: from, To: from.Add(30 * time.Minute), CarbonLocation: int64(100_000 + 977*i%400_000), CarbonMarket: energy.NoData, CarbonMarginal: energy.NoData,
			Price: int64(2e8 + 1e7*(i%48)), PUE: int64(1_100_000 + 1_337*(i%97)), Water: int64(2_000_000 + 11*i)}
		if i%200 == 7 {
			h.PUE, h.Price = energy.NoData, energy.NoData
		}
		out = append(out, h)
	}
	return out
}

func meteredReplay(t *testing.T, every time.Duration, policy string) *Timed {
	t.Helper()
	f, w, err := Generate(GenerateParams{Nodes: 30, Tasks: 2500, Load: 0.8, Seed: 11, Median: 2 * time.Hour, Sigma: 1})
	if err != nil {
		t.Fatal(err)
	}
	begin := unit.At(1_782_835_200) // 2026-07-01T00:00:00+08:00
	w.Begin(begin)
	power, err := energy.ForCCGrid25(f)
	if err != nil {
		t.Fatal(err)
	}
	timed, err := NewTimed(TimedParams{Fleet: f, Workload: w, Policy: policy, Power: power, Hash: true,
		Metering: control.Metering{Every: every}, Hours: map[string][]energy.SiteHour{f.Nodes[0].Place.Site: monthOfHours(begin)}})
	if err != nil {
		t.Fatal(err)
	}
	timed.Run()
	return timed
}

// TestMonthSumsExactly replays a month and holds every interval to its sums,
// and the whole to the power that the replay integrates beside it.
func TestMonthSumsExactly(t *testing.T) {
	r := meteredReplay(t, time.Hour, "tianfu")
	l := r.Ledger
	if l.Err != nil {
		t.Fatal(l.Err)
	}
	if hours := r.Totals.End.Sub(r.Totals.Start).Hours(); float64(l.Checker.Pages) < hours || hours < 24 {
		t.Fatalf("%d pages in %.0f hours", l.Checker.Pages, hours)
	}
	if d := math.Abs(float64(l.Total.IT().KWh()) - r.Totals.KWh); d > 1e-6*r.Totals.KWh {
		t.Fatalf("the ledger has %.6f kWh of IT, power integrates to %.6f", l.Total.IT().KWh(), r.Totals.KWh)
	}
	var lines, tenants, hours, jobs unit.Millijoules
	for i := range l.Lines {
		lines += l.Lines[i].Energy()
	}
	for _, v := range l.Tenants {
		tenants += v.Energy()
	}
	for i := range l.Jobs {
		jobs += l.Jobs[i].Energy()
	}
	for i := range l.Hours {
		hours += l.Hours[i].Energy()
	}
	if all := l.Total.Energy(); lines != all || hours != all || tenants != jobs || tenants+l.Lines[2].Energy()+l.Lines[4].Energy() != all {
		t.Fatalf("all %d lines %d hours %d tenants %d jobs %d", all, lines, hours, tenants, jobs)
	}
	if l.Total.Cost == 0 || l.Total.CarbonLocation == 0 || l.Total.Water == 0 || l.Unknown[3] == 0 {
		t.Fatalf("figures are missing: %+v, unknown %v", l.Total, l.Unknown)
	}
}

// TestLedgerChangesNoDecision replays with and without a ledger: the jobs go
// the same ways at the same times.
func TestLedgerChangesNoDecision(t *testing.T) {
	with, without := meteredReplay(t, 10*time.Minute, "tianfu"), meteredReplay(t, 0, "tianfu")
	for i := range with.Results {
		if with.Results[i] != without.Results[i] {
			t.Fatalf("job %d: %+v with a ledger, %+v without", i, with.Results[i], without.Results[i])
		}
	}
}
