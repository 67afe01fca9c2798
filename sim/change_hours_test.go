package sim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/sim"
	"tianfu/unit"
)

// dear is the crowd at a site of 500 g and 1 yuan a kWh, in August 2026.
func dear(t *testing.T) sim.TimedParams {
	t.Helper()
	p := powered(20)
	begin := unit.Instant(time.Date(2026, 8, 3, 0, 0, 0, 0, time.UTC).UnixNano())
	p.Workload.Begin(begin)
	p.Hours = map[string][]energy.SiteHour{}
	for h := range 24 * 3 {
		at := begin.Add(time.Duration(h) * time.Hour)
		p.Hours[""] = append(p.Hours[""], energy.SiteHour{From: at, To: at.Add(time.Hour), CarbonLocation: 500_000, CarbonMarket: energy.NoData, CarbonMarginal: energy.NoData, Price: 1e9, PUE: 1_200_000, Water: energy.NoData})
	}
	p.Metering.Every = time.Hour
	return p
}

// TestCarbonPriceIsInTheCost adds 500 g at 80 yuan a tonne to 1 yuan: 4 %.
func TestCarbonPriceIsInTheCost(t *testing.T) {
	w := ask(t, dear(t), "carbon price 80")
	if d := figureOf(t, w, "cost"); d.Change == nil || *d.Change != 4 {
		t.Errorf("%+v", d)
	}
	if d := figureOf(t, w, "carbon"); d.Base != d.Changed {
		t.Errorf("a price changes no carbon of work that does not wait for it: %+v", d)
	}
}

// TestASeriesOfAnotherYear has the same days in its own year, and no other days.
func TestASeriesOfAnotherYear(t *testing.T) {
	series := func(from time.Time, days int) []byte {
		var b strings.Builder
		b.WriteString("datetime_utc,ci_g_per_kwh,price_yuan_per_kwh\n")
		for h := range 24 * days {
			fmt.Fprintf(&b, "%s,250,2\n", from.Add(time.Duration(h)*time.Hour).Format(time.RFC3339))
		}
		return []byte(b.String())
	}
	p := dear(t)
	for text, want := range map[string]bool{
		string(series(time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC), 365)):  true,
		string(series(time.Date(2019, 11, 1, 0, 0, 0, 0, time.UTC), 300)): true, // over the turn of a year
		string(series(time.Date(2026, 8, 2, 0, 0, 0, 0, time.UTC), 3)):    true,
		string(series(time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC), 30)):   false,
	} {
		aids := &sim.Aids{Files: map[string][]byte{"grid.csv:ci_g_per_kwh": []byte(text), "grid.csv": []byte(text)}}
		w, err := sim.CompareChange(p, "carbon grid.csv:ci_g_per_kwh", "crowd", aids)
		if !want {
			if err == nil || !strings.Contains(err.Error(), "no value in the period") {
				t.Errorf("a series of January stands for August: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if d := figureOf(t, w, "carbon"); d.Change == nil || *d.Change != -50 {
			t.Errorf("half of the carbon: %+v", d)
		}
		if w, err = sim.CompareChange(p, "price grid.csv", "crowd", aids); err != nil {
			t.Fatal(err)
		}
		if d := figureOf(t, w, "cost"); d.Change == nil || *d.Change != 100 {
			t.Errorf("twice the price: %+v", d)
		}
	}
}

// TestWeatherOfAChange runs the plant of the site, and the default one where none
// is named; a site that is not named keeps its hours.
func TestWeatherOfAChange(t *testing.T) {
	var b strings.Builder
	b.WriteString("month,day,hour,dry_bulb_c,rh_pct\n")
	for d := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC); d.Year() == 2001; d = d.Add(time.Hour) {
		fmt.Fprintf(&b, "%d,%d,%d,30,60\n", d.Month(), d.Day(), d.Hour()+1)
	}
	files := map[string][]byte{"hot.csv": []byte(b.String())}
	dry, err := energy.BuiltInPlant("dx")
	if err != nil {
		t.Fatal(err)
	}
	change := map[float64]bool{}
	for _, sites := range []map[string]sim.SitePlant{nil, {"": {Plant: dry}}, {"": {Plant: dry}, "far": {}}} {
		w, err := sim.CompareChange(dear(t), "weather hot.csv", "crowd", &sim.Aids{Files: files, Sites: sites})
		if err != nil {
			t.Fatal(err)
		}
		d := figureOf(t, w, "site energy")
		if d.Base == d.Changed {
			t.Errorf("%v: %+v", sites, d)
		}
		change[*d.Change] = true
	}
	if len(change) != 2 {
		t.Errorf("two plants differ in the same weather: %v", change)
	}
	p := dear(t)
	for bad, why := range map[string]string{
		"weather": "names no file", "weather cold.csv": "whose text is not there", "weather hot.csv site=far": "of whose hours nothing is known",
		"carbon price": "whose text is not there", "carbon price -1": "names no price", "carbon price x": "names no price", "carbon x0": "neither a scale", "carbon NaN": "neither a scale",
		"price -1": "neither a scale", "pue NaN": "names no PUE", "carbon hot.csv": "read the series",
	} {
		if _, err := sim.CompareChange(p, bad, "crowd", &sim.Aids{Files: files}); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for i := range p.Hours[""] {
		p.Hours[""][i].PUE = energy.NoData
	}
	if _, err := sim.CompareChange(p, "weather hot.csv", "crowd", &sim.Aids{Files: files}); err == nil || !strings.Contains(err.Error(), "none is known of the period") {
		t.Errorf("nothing was known of the weather: %v", err)
	}
}

// TestHoursOfRecords keeps what was told last, and what was observed before what
// was expected, of all hours that reach into the period.
func TestHoursOfRecords(t *testing.T) {
	h := sim.RetraceFrom(unit.At(3600*5), func(int32) fleet.NodeID { return "" })
	at := func(from, to int64, carbon int64, forecast bool) energy.SiteHour {
		return energy.SiteHour{From: unit.At(3600 * from), To: unit.At(3600 * to), CarbonLocation: carbon, Forecast: forecast}
	}
	for _, hours := range [][]energy.SiteHour{
		{at(4, 5, 1, false), at(5, 6, 2, true), at(6, 8, 3, true)},
		{at(5, 6, 4, false), at(7, 8, 5, false)},
		{at(5, 6, 6, true)},
	} {
		h.See(&control.Record{Kind: control.SiteHoursKnown, Site: "s", Hours: hours}, nil)
	}
	got := fmt.Sprint(h.Hours()["s"])
	if want := fmt.Sprint([]energy.SiteHour{at(5, 6, 4, false), at(6, 8, 3, true)}); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
