package energy

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"tianfu/fault"
	"tianfu/unit"
)

// TestAugust2026 reproduces the grid company's printed prices for 1-10 kV
// two-part customers from the components, to the digit.
func TestAugust2026(t *testing.T) {
	tariff := SichuanTariff(true)
	if err := tariff.Check(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at      string
		segment Segment
		price   float64
	}{
		{"2026-08-03T08:00:00+08:00", Flat, 0.506544},
		{"2026-08-03T11:00:00+08:00", Peak, 0.755604},
		{"2026-08-03T01:00:00+08:00", Valley, 0.257484},
		{"2026-08-03T13:30:00+08:00", Critical, 0.888436},
		{"2026-08-03T22:59:00+08:00", Critical, 0.888436},
		{"2026-08-03T14:00:00+08:00", Peak, 0.755604},
		{"2026-08-02T16:59:59Z", Flat, 0.506544}, // 00:59:59 in Sichuan
	} {
		charge, err := tariff.At(instant(t, c.at), false)
		if err != nil {
			t.Fatal(err)
		}
		if charge.Segment != c.segment || math.Abs(math.Round(float64(charge.Price)*1e6)/1e6-c.price) > 1e-12 {
			t.Errorf("%s: %s at %.8f, want %s at %.6f", c.at, charge.Segment, float64(charge.Price), c.segment, c.price)
		}
	}
}

// TestSichuanBands walks a whole year hour by hour and draws each season's day,
// to be compared with the notice by eye.
func TestSichuanBands(t *testing.T) {
	for _, c := range []struct{ month, day string }{
		{"2027-01", "vvvvvvvvffppffffppppppff"},
		{"2027-05", "vvvvvvvvffppfffffpppppvv"},
		{"2027-09", "fvvvvvvffffpppppppffpppf"},
		{"2027-07", "fvvvvvvffffppcppppffpccf"},
	} {
		drawn := ""
		for h := range 24 {
			charge, err := SichuanTariff(true).At(instant(t, fmt.Sprintf("%s-15T%02d:00:00+08:00", c.month, h)), false)
			if err != nil {
				t.Fatal(err)
			}
			drawn += string(charge.Segment[0])
		}
		if drawn != c.day {
			t.Errorf("%s: %s, want %s", c.month, drawn, c.day)
		}
	}
	hot, err := SichuanTariff(true).At(instant(t, "2027-06-15T13:00:00+08:00"), true)
	if err != nil || hot.Segment != Critical {
		t.Errorf("after three hot days in June 13:00 is %s, %v", hot.Segment, err)
	}
	small, err := SichuanTariff(false).At(instant(t, "2027-07-15T13:00:00+08:00"), true)
	if err != nil || small.Segment != Peak {
		t.Errorf("a small customer pays %s, %v", small.Segment, err)
	}
}

// TestMonthWithoutPrices: the month's own components, else the last before,
// else the first after; the charge says which.
func TestMonthWithoutPrices(t *testing.T) {
	tariff := SichuanTariff(true)
	tariff.Prices = append(tariff.Prices, MonthPrices{Year: 2026, Month: 11, Agency: 0.3})
	if err := tariff.Check(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at    string
		month int
	}{{"2026-07-01T00:00:00Z", 8}, {"2026-08-31T15:59:59Z", 8}, {"2026-10-31T15:59:59Z", 8}, {"2026-10-31T16:00:00Z", 11}, {"2028-01-01T00:00:00Z", 11}} {
		got, err := tariff.At(instant(t, c.at), false)
		if err != nil || got.Prices.Month != c.month {
			t.Errorf("%s takes the prices of month %d, %v; want %d", c.at, got.Prices.Month, err, c.month)
		}
	}
	tariff.Prices = nil
	if _, err := tariff.At(instant(t, "2026-07-31T15:59:59Z"), false); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a tariff without prices ends with %v", err)
	}
}

// TestDaysOf23And25Hours uses a tariff in a zone with summer time: the bands
// follow the wall clock, and the hours of the month add up.
func TestDaysOf23And25Hours(t *testing.T) {
	tariff := SichuanTariff(false)
	tariff.Zone = zone(t, "Europe/Berlin")
	tariff.Prices = []MonthPrices{{Year: 2026, Month: 1, Agency: 0.1}}
	for _, c := range []struct {
		year, month, day int
		hours, valley    int
	}{
		{2026, 3, 29, 23, 9},   // 02:00-03:00 is missing: 00-08 has 7 hours
		{2026, 10, 25, 25, 11}, // 02:00-03:00 comes twice
		{2026, 3, 28, 24, 10},
	} {
		from := time.Date(c.year, time.Month(c.month), c.day, 0, 0, 0, 0, tariff.Zone)
		to := from.AddDate(0, 0, 1)
		spans, err := tariff.Spans(unit.Instant(from.UnixNano()), unit.Instant(to.UnixNano()), nil)
		if err != nil {
			t.Fatal(err)
		}
		var all, valley time.Duration
		for i, s := range spans {
			all += s.To.Sub(s.From)
			if s.Charge.Segment == Valley {
				valley += s.To.Sub(s.From)
			}
			if i > 0 && (spans[i-1].To != s.From || spans[i-1].Charge == s.Charge) {
				t.Errorf("span %d does not follow the one before", i)
			}
		}
		if all != time.Duration(c.hours)*time.Hour || valley != time.Duration(c.valley)*time.Hour {
			t.Errorf("%v has %v, %v of them valley; want %d and %d h", from, all, valley, c.hours, c.valley)
		}
	}
	from, to := tariff.Month(2026, 10)
	if to.Sub(from) != (31*24+1)*time.Hour {
		t.Errorf("October has %v", to.Sub(from))
	}
}

func TestSpansOfHotDays(t *testing.T) {
	tariff := SichuanTariff(true)
	from, to := instant(t, "2026-06-01T00:10:00+08:00"), instant(t, "2026-06-03T00:00:00+08:00")
	spans, err := tariff.Spans(from, to, func(_, m, d int) bool { return m == 6 && d == 2 })
	if err != nil {
		t.Fatal(err)
	}
	var critical []string
	for _, s := range spans {
		if s.Charge.Segment == Critical {
			critical = append(critical, s.From.String())
		}
	}
	if got := strings.Join(critical, " "); got != "2026-06-02T05:00:00Z 2026-06-02T13:00:00Z" {
		t.Errorf("critical from %s", got)
	}
	if spans[0].From != from || spans[len(spans)-1].To != to {
		t.Error("spans do not cover the time asked for")
	}
}

const tariffText = `name: test
zone: Asia/Shanghai
multipliers: {low: 0.5, high: 2}
seasons:
  - name: all
    months: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    bands: {"00:00-08:00": low, "08:00-24:00": high}
prices:
  - {month: 2026-01, agency_yuan_per_kwh: 0.2, loss_yuan_per_kwh: 0.1, grid_yuan_per_kwh: 0.1, system_yuan_per_kwh: 0.05, funds_yuan_per_kwh: 0.05}
`

func fixedZone(name string) (*time.Location, error) {
	if name != "Asia/Shanghai" {
		return nil, fmt.Errorf("unknown time zone %s", name)
	}
	return time.FixedZone(name, 8*3600), nil
}

func TestTariffFile(t *testing.T) {
	tariff, err := ParseTariff("t.yaml", []byte(tariffText), fixedZone)
	if err != nil {
		t.Fatal(err)
	}
	c, err := tariff.At(instant(t, "2026-05-01T00:00:00Z"), false)
	if err != nil || math.Abs(float64(c.Price)-0.9) > 1e-12 { // 2 x 0.4 + 0.1
		t.Errorf("price %v, %v; want 0.9", c.Price, err)
	}
	swap := func(old, with string) string {
		if !strings.Contains(tariffText, old) {
			t.Fatalf("the file has no %q", old)
		}
		return strings.Replace(tariffText, old, with, 1)
	}
	for _, c := range []struct{ file, want string }{
		{"", "t.yaml: the file is empty"},
		{swap("zone: Asia/Shanghai", "zone: Asia/Atlantis"), `time zone "Asia/Atlantis"`},
		{swap("zone: Asia/Shanghai\n", ""), "no time zone"},
		{swap("zone:", "zoen:"), "line 2: field zoen not found"},
		{swap("agency_yuan_per_kwh: 0.2", "agency_yuan_per_kwh: -0.2"), "test 2026-01: price component -0.2 yuan/kWh"},
		{swap("high: 2", "high: -2"), `multiplier -2 of segment "high"`},
		{swap("low: 0.5", "low: .nan"), `multiplier NaN of segment "low"`},
		{swap(", 12]", "]"), "month 12 is in no season"},
		{swap(", 12]", ", 11]"), "month 11 is repeated"},
		{swap("00:00-08:00", "00:00-07:00"), "no band from 07:00 to 08:00"},
		{swap("00:00-08:00", "00:00-09:00"), "two bands at 08:00"},
		{swap("08:00-24:00", "08:00-23:00"), "no band from 23:00 to 24:00"},
		{swap("08:00-24:00", "22:00-08:00"), "cut one that crosses midnight in two"},
		{swap("00:00-08:00", "00:00-08:07"), "begin and end on a quarter of an hour"},
		{swap("00:00-08:00", "midnight"), `band "midnight"`},
		{swap(`"08:00-24:00": high`, `"08:00-24:00": top`), `segment "top" has no multiplier`},
		{swap("month: 2026-01", "month: January"), `month "January"`},
	} {
		_, err := ParseTariff("t.yaml", []byte(c.file), fixedZone)
		wantInvalid(t, err, c.want)
	}
}

func FuzzParseTariff(f *testing.F) {
	f.Add([]byte(tariffText))
	f.Fuzz(func(t *testing.T, text []byte) {
		tariff, err := ParseTariff("t.yaml", text, fixedZone)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("error of the kind %v: %v", fault.KindOf(err), err)
			}
			return
		}
		for h := range 24 {
			c, err := tariff.At(unit.At(int64(h)*3600), false)
			if err == nil && (!(c.Price >= 0) || c.Segment == "" || c.Season == "" && c.Segment == "") {
				t.Fatalf("hour %d: %+v", h, c)
			}
		}
	})
}
