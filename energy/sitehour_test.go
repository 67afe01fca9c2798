package energy

import (
	"math/rand/v2"
	"testing"

	"tianfu/unit"
)

func hourOf(at int64, carbon int64, forecast bool) SiteHour {
	return SiteHour{From: unit.At(at * 3600), To: unit.At((at + 1) * 3600), CarbonLocation: carbon, CarbonMarket: NoData, CarbonMarginal: NoData, Price: NoData, PUE: NoData, Water: NoData, Forecast: forecast}
}

func TestForecastGivesWayToWhatWasObserved(t *testing.T) {
	h := MergeSiteHours(nil, []SiteHour{hourOf(1, 10, true), hourOf(2, 20, true)}, 0)
	h = MergeSiteHours(h, []SiteHour{hourOf(1, 11, false)}, 0)
	h = MergeSiteHours(h, []SiteHour{hourOf(1, 12, true), hourOf(2, 22, true), hourOf(3, 32, true)}, 0)
	for at, want := range map[int64]int64{1: 11, 2: 22, 3: 32} {
		if got, ok := SiteHourAt(h, unit.At(at*3600+1800)); !ok || got.CarbonLocation != want {
			t.Errorf("hour %d: %d, want %d", at, got.CarbonLocation, want)
		}
	}
	if _, ok := SiteHourAt(h, unit.At(4*3600)); ok {
		t.Error("an hour that nobody reported is known")
	}
	if h = MergeSiteHours(h, []SiteHour{hourOf(9, 1, true)}, unit.At(3*3600)); len(h) != 2 {
		t.Errorf("%d steps are kept, want 2", len(h))
	}
}

// TestSiteHoursNeverOverlap merges random reports of random steps.
func TestSiteHoursNeverOverlap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var h []SiteHour
	for range 2000 {
		var fresh []SiteHour
		at := rng.Int64N(1000)
		for range 1 + rng.IntN(20) {
			at += rng.Int64N(3)
			s := hourOf(0, rng.Int64N(100), rng.IntN(2) == 0)
			s.From, s.To = unit.At(at*900), unit.At((at+1+rng.Int64N(4))*900)
			at = int64(s.To) / int64(unit.At(900))
			fresh = append(fresh, s)
		}
		if err := CheckSiteHours("s", fresh); err != nil {
			t.Fatal(err)
		}
		h = MergeSiteHours(h, fresh, 0)
		if err := CheckSiteHours("s", h); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSiteHoursRefused(t *testing.T) {
	bad := func(change func(*SiteHour)) []SiteHour {
		h := hourOf(1, 10, false)
		change(&h)
		return []SiteHour{h}
	}
	for name, hours := range map[string][]SiteHour{
		"none":          {},
		"in kg":         bad(func(h *SiteHour) { h.CarbonLocation = -5 }),
		"too much":      bad(func(h *SiteHour) { h.CarbonMarket = 6_000_000 }),
		"PUE below one": bad(func(h *SiteHour) { h.PUE = 900_000 }),
		"empty step":    bad(func(h *SiteHour) { h.To = h.From }),
		"overlap":       {hourOf(1, 1, false), hourOf(1, 1, false)},
		"disorder":      {hourOf(2, 1, false), hourOf(1, 1, false)},
	} {
		if CheckSiteHours("s", hours) == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
