package energy

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"tianfu/fault"
	"tianfu/unit"
)

func formatted(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// TestPsychrometrics checks moist air against the tables of ASHRAE Fundamentals
// 2017, chapter 1 (tables 2 and 3), and PsychroLib's published test values.
func TestPsychrometrics(t *testing.T) {
	for _, c := range []struct{ celsius, pascal, relative float64 }{
		{-60, 1.08, 1e-2}, {-20, 103.24, 3e-4}, {-5, 401.74, 3e-4}, {5, 872.6, 3e-4}, {25, 3169.7, 3e-4}, {50, 12351.3, 3e-4}, {100, 101418.0, 3e-4},
	} {
		within(t, "saturation pressure", SaturationPressure(c.celsius), c.pascal, c.pascal*c.relative)
	}
	within(t, "wet bulb", WetBulb(7, 0.61, 100_000), 3.92667433781955, 1e-3)
	within(t, "wet bulb over ice", WetBulb(-1, 1, 95_461), -1, 1e-3)
	within(t, "humidity ratio", HumidityRatioAtDewPoint(20, 101_325), 0.01469, 1e-4)
	within(t, "volume", SpecificVolume(20, 0.0147, 101_325), 0.8499, 1e-3)
	within(t, "pressure at 1000 m", StandardPressure(1000), 89_874.6, 1)
	within(t, "relative humidity", RelativeHumidity(30, 20), 0.5508, 1e-3)
}

// TestWetBulbLiesBetween checks, over the whole range of weather, that the wet
// bulb lies between dew point and dry bulb.
func TestWetBulbLiesBetween(t *testing.T) {
	for c := -70.0; c <= 70; c += 3.5 {
		for r := 0.0; r <= 1; r += 0.05 {
			for _, pa := range []float64{MinPressurePa, 96_000, MaxPressurePa} {
				w := WetBulb(c, r, pa)
				if !(w <= c+1e-6) || r > 0 && !(w >= dewPoint(c, r)-1e-6) {
					t.Fatalf("wet bulb of %g C, %g, %g Pa is %g", c, r, pa, w)
				}
			}
		}
	}
}

const epwHead = "LOCATION,Test,Province,CHN,src,1,30.5,104.0,8.0,500\nD\nT\nG\nH\nC1\nC2\nDATA PERIODS,1,1,Data,Sunday, 1/ 1,12/31\n"

// epwRowText is a row of an EPW file.
func epwRowText(month, day, hour int, rest string) string {
	return fmt.Sprintf("2005,%d,%d,%d,0,?9,%s,0,0\n", month, day, hour, rest)
}

func TestEPWFillsWhatIsMissing(t *testing.T) {
	text := epwHead + epwRowText(1, 1, 1, "10.0,5.0,60,97000") + epwRowText(1, 1, 2, "10.0,5.0,999,999999") + epwRowText(1, 1, 3, "10.0,99.9,104,97000")
	w, err := ParseWeather("f.epw", []byte("\ufeff"+text)) // some editors begin a file with a mark
	if err != nil {
		t.Fatal(err)
	}
	if w.Place != "Test, CHN" || w.Metres != 500 || w.Offset != 8*time.Hour || len(w.Hours) != 3 {
		t.Errorf("%+v", w)
	}
	within(t, "humidity from the dew point", w.Hours[1].Relative, RelativeHumidity(10, 5), 1e-12)
	within(t, "pressure from the height", w.Hours[1].PressurePa, StandardPressure(500), 1e-9)
	within(t, "humidity over 100 %", w.Hours[2].Relative, 1, 0)
	if len(w.Notices) != 3 {
		t.Errorf("notices %q", w.Notices)
	}
}

func TestEPWErrors(t *testing.T) {
	ok := epwRowText(1, 1, 1, "10.0,5.0,60,97000")
	for _, c := range []struct{ file, want string }{
		{"", "no hour of weather below the heading"}, // not EPW: read as CSV
		{"LOCATION,Test\n", "f.epw:1: not the first line of an EPW file"},
		{epwHead, "f.epw: no hour of weather in 8 lines"},
		{strings.Replace(epwHead, "8.0,500", "8.0,900000", 1), "f.epw:1: height in metres 900000 is outside"},
		{strings.Replace(epwHead, "PERIODS,1,1", "PERIODS,1,4", 1), `f.epw:8: "4" rows an hour`},
		{epwHead + ok + epwRowText(1, 1, 3, "10.0,5.0,60,97000"), "f.epw:10: a gap: month 1 day 1 hour 3 comes after month 1 day 1 hour 1"},
		{epwHead + ok + ok, "f.epw:10: a repeated hour"},
		{epwHead + epwRowText(13, 1, 1, "10.0,5.0,60,97000"), "f.epw:9: month 13, day 1, hour 1 is no hour"},
		{epwHead + epwRowText(1, 1, 1, "99.9,5.0,60,97000"), "f.epw:9: the dry-bulb temperature is missing"},
		{epwHead + epwRowText(1, 1, 1, "10.0,99.9,999,97000"), "f.epw:9: neither relative humidity nor dew point"},
		{epwHead + epwRowText(1, 1, 1, "10.0,5.0,60,970"), "f.epw:9: pressure 970 Pa is outside"},
		{epwHead + epwRowText(1, 1, 1, "10.0,5.0,-60,97000"), "f.epw:9: relative humidity -60 % is outside"},
		{epwHead + epwRowText(1, 1, 1, "283.2,5.0,60,97000"), "f.epw:9: the dry-bulb temperature is missing"},
		{epwHead + epwRowText(1, 1, 1, "-90,5.0,60,97000"), "f.epw:9: dry bulb -90 C is outside"},
		{epwHead + "2005,1,1\n", "f.epw:9: 3 columns"},
		{epwHead + epwRowText(1, 1, 1, "abc,5.0,60,97000"), `f.epw:9: dry bulb "abc" is not a number`},
		{epwHead + "2005,x,1,1,0,?9,10,5,60,97000\n", `f.epw:9: column 2: "x" is not a whole number`},
	} {
		_, err := ParseWeather("f.epw", []byte(c.file))
		if c.file == "" {
			c.want = "f.epw: the file is empty"
		}
		wantInvalid(t, err, c.want)
	}
}

func TestWeatherCSV(t *testing.T) {
	const numbered = "hour,day,month,dry_bulb_c,rh_pct,pressure_pa,comment\n1,28,2,10,60,97000,x\n2,28,2,11,,97000,\n"
	if _, err := ParseWeather("f.csv", []byte(numbered)); err == nil {
		t.Error("a row without humidity is accepted")
	}
	const timed = "time,dry_bulb_c,dew_point_c\n2024-02-28T23:00:00+08:00,10,5\n2024-02-29T00:00:00+08:00,9,5\n"
	w, err := ParseWeather("f.csv", []byte(timed))
	if err != nil {
		t.Fatal(err)
	}
	if w.Offset != 8*time.Hour || w.Hours[0].Hour != 24 || w.Hours[1].Day != 29 || w.Hours[1].Hour != 1 {
		t.Errorf("%+v", w)
	}
	within(t, "sea-level pressure", w.Hours[0].PressurePa, 101_325, 0)
	for _, c := range []struct{ file, want string }{
		{"", "f.csv: the file is empty"},
		{"dry_bulb_c,rh_pct\n", "f.csv:1: no columns month, day and hour, and no column time"},
		{"time,rh_pct\n", "f.csv:1: no column dry_bulb_c"},
		{"time,dry_bulb_f,rh_pct\n", "f.csv:1: no column dry_bulb_c"},
		{"time,dry_bulb_c\n", "f.csv:1: no column rh_pct"},
		{"time,time,dry_bulb_c,rh_pct\n", "f.csv:1: column time is given twice"},
		{"time,dry_bulb_c,rh_pct\n", "f.csv: no hour of weather below the heading"},
		{"time,dry_bulb_c,rh_pct\n2024-01-01,1,1\n", `f.csv:2: time "2024-01-01"`},
		{"time,dry_bulb_c,rh_pct\n2024-01-01T00:30:00Z,1,1\n", "f.csv:2: time"},
		{"time,dry_bulb_c,rh_pct\n2024-01-01T00:00:00Z,1,1\n2024-01-01T01:00:00+08:00,1,1\n", "f.csv:3: time \"2024-01-01T01:00:00+08:00\" has another offset"},
		{"time,dry_bulb_c,rh_pct\n2024-01-01T00:00:00Z,1,1\n2024-01-01T02:00:00Z,1,1\n", "f.csv:3: a gap"},
		{"time,dry_bulb_c,rh_pct\n2024-01-01T00:00:00Z,,1\n", "f.csv:2: the dry-bulb temperature is missing"},
		{"time,dry_bulb_c,rh_pct\n2024-01-01T00:00:00Z,1\n", "f.csv:2: wrong number of fields"},
	} {
		_, err := ParseWeather("f.csv", []byte(c.file))
		wantInvalid(t, err, c.want)
	}
}

// year is a synthetic year whose temperature tells the hour.
func year(t *testing.T, leap bool, fromMonth int) *Weather {
	t.Helper()
	w := &Weather{Offset: 8 * time.Hour}
	first := time.Date(2022, time.Month(fromMonth), 1, 0, 0, 0, 0, time.UTC)
	if leap {
		first = time.Date(2024, time.Month(fromMonth), 1, 0, 0, 0, 0, time.UTC)
	}
	for at := first; at.Before(first.AddDate(1, 0, 0)); at = at.Add(time.Hour) {
		h := WeatherHour{Month: int(at.Month()), Day: at.Day(), Hour: at.Hour() + 1, PressurePa: 101_325}
		if err := w.add("row", h); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// TestWeatherAt finds every hour of a leap year, by the site's standard time, in
// files that begin in any month.
func TestWeatherAt(t *testing.T) {
	for _, leap := range []bool{false, true} {
		for from := 1; from <= 12; from++ {
			if leap && from > 2 {
				continue // such a year ends before the next 29 February
			}
			w := year(t, leap, from)
			for at := time.Date(2023, 12, 31, 16, 0, 0, 0, time.UTC); at.Before(time.Date(2024, 12, 31, 16, 0, 0, 0, time.UTC)); at = at.Add(time.Hour) {
				i, ok := w.At(unit.Instant(at.UnixNano()))
				local := at.Add(8 * time.Hour)
				day := local.Day()
				if !leap && local.Month() == 2 && day == 29 {
					day = 28
				}
				if !ok || w.Hours[i].Month != int(local.Month()) || w.Hours[i].Day != day || w.Hours[i].Hour != local.Hour()+1 {
					t.Fatalf("leap %v from month %d: %v finds row %d, %v", leap, from, local, i, ok)
				}
			}
		}
	}
	w := year(t, false, 1)
	w.Hours = w.Hours[:48]
	if i, ok := w.At(unit.Instant(time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC).UnixNano())); ok {
		t.Errorf("an hour that is not in the file is found at row %d", i)
	}
}

// TestCSVAndEPWAgree reads the reference file, which carries the same weather,
// as CSV.
func TestCSVAndEPWAgree(t *testing.T) {
	a, err := ParseWeather("a.epw", weatherFile(t, chengduCSWD))
	if err != nil {
		t.Fatal(err)
	}
	b, err := ParseWeather("b.csv", weatherFile(t, "reference_chengdu_cswd_case2_hourly.csv"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range a.Hours {
		if a.Hours[i] != b.Hours[i] {
			t.Fatalf("row %d: EPW %+v, CSV %+v", i, a.Hours[i], b.Hours[i])
		}
	}
}

func FuzzParseWeather(f *testing.F) {
	f.Add([]byte(epwHead + epwRowText(1, 1, 1, "10.0,5.0,60,97000") + epwRowText(1, 1, 2, "10.0,5.0,999,999999")))
	f.Add([]byte("month,day,hour,dry_bulb_c,rh_pct,pressure_pa\n2,28,24,10,60,97000\n2,29,1,10,60,97000\n"))
	f.Add([]byte("time,dry_bulb_c,dew_point_c\n2024-02-28T23:00:00+08:00,10,5\n"))
	p := builtIn(f, DefaultPlant)
	f.Fuzz(func(t *testing.T, text []byte) {
		w, err := ParseWeather("f", text)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("error of the kind %v: %v", fault.KindOf(err), err)
			}
			return
		}
		for i := range w.Hours {
			h := p.Hour(&w.Hours[i])
			if !(h.PUE >= 1) || math.IsInf(h.PUE, 0) || !(h.WUE >= 0) || math.IsInf(h.WUE, 0) {
				t.Fatalf("%+v gives PUE %g, WUE %g", w.Hours[i], h.PUE, h.WUE)
			}
		}
		again, err := ParseWeather("f", printed(w))
		if err != nil || len(again.Hours) != len(w.Hours) {
			t.Fatalf("printed weather is refused: %v", err)
		}
		for i := range w.Hours {
			a, b := w.Hours[i], again.Hours[i]
			if a.DryBulbC != b.DryBulbC || math.Abs(a.Relative-b.Relative) > 1e-12 || a.PressurePa != b.PressurePa {
				t.Fatalf("%+v comes back as %+v", a, b)
			}
		}
	})
}

// printed writes weather as the CSV it can be read from.
func printed(w *Weather) []byte {
	var b strings.Builder
	b.WriteString("month,day,hour,dry_bulb_c,rh_pct,pressure_pa\n")
	for _, h := range w.Hours {
		fmt.Fprintf(&b, "%d,%d,%d,%s,%s,%s\n", h.Month, h.Day, h.Hour, formatted(h.DryBulbC), formatted(h.Relative*100), formatted(h.PressurePa))
	}
	return []byte(b.String())
}
