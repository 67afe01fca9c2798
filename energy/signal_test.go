package energy

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tianfu/fault"
	"tianfu/unit"
)

// carbonFile reads a file of the carbon data kept beside the repository, or
// skips the test.
func carbonFile(t testing.TB, name string) []byte {
	t.Helper()
	dir := os.Getenv("TIANFU_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared")
	}
	text, err := os.ReadFile(filepath.Join(dir, "carbon", name))
	if err != nil {
		t.Skipf("%s is not here: put the carbon data beside the repository or set TIANFU_SHARED", name)
	}
	return text
}

func TestRealSeries(t *testing.T) {
	for _, c := range []struct {
		file, column string
		step         time.Duration
		n            int
		mean         float64 // kg/kWh, computed apart from this program; 0 is not checked
	}{
		{"us-nw-bpat_2023_hourly.csv", "ci_direct_g_per_kwh", time.Hour, 8760, 0.113},
		{"us-nw-bpat_2023_hourly.csv", "ci_lifecycle_g_per_kwh", time.Hour, 8760, 0.146},
		{"au-sa_2021-12_2022-12_hourly.csv", "ci_lifecycle_g_per_kwh", time.Hour, 9504, 0},
		{"lwa_gb_2020_30min.csv", "", 30 * time.Minute, 18000, 0},
	} {
		s, err := ParseSeries(c.file, carbonFile(t, c.file), SeriesOptions{Column: c.column, Gaps: true})
		if err != nil {
			t.Fatal(err)
		}
		if s.Step != c.step || len(s.Values) != c.n {
			t.Errorf("%s: %d steps of %v, want %d of %v", c.file, len(s.Values), s.Step, c.n, c.step)
		}
		if mean, ok := s.Mean(s.Start, s.End()); c.mean > 0 && (!ok || math.Abs(mean-c.mean) > 5e-4) {
			t.Errorf("%s %s: mean %g, %v; want %g", c.file, c.column, mean, ok, c.mean)
		}
	}
	table, err := ParseFactors("factors.csv", carbonFile(t, "cn_power_emission_factors.csv"))
	if err != nil {
		t.Fatal(err)
	}
	own := BuiltInFactors()
	for _, f := range table.Rows() {
		if got, ok := own.For([]string{f.Region}, f.Year, f.Kind); !ok || got.Value != f.Value || got.Year != f.Year || got.Published != f.Published {
			t.Errorf("built in is %+v, %v; the file says %+v", got, ok, f)
		}
	}
}

const seriesHead = "datetime_utc,ci_g_per_kwh\n"

func TestSeriesErrors(t *testing.T) {
	protocol := SeriesOptions{Unit: "g_per_kwh", Positional: true}
	const ok = seriesHead + "2026-01-01T00:00:00Z,100\n2026-01-01T01:00:00Z,200\n"
	for _, c := range []struct {
		file, want string
		options    SeriesOptions
	}{
		{"", "s.csv: the file is empty", SeriesOptions{}},
		{seriesHead, "s.csv: 0 rows", SeriesOptions{}},
		{"when,ci_g_per_kwh\n", "s.csv:1: no time column", SeriesOptions{}},
		{"time,ci\n", "s.csv:1: no column name ends with a known unit", SeriesOptions{}},
		{"time,ci_lb_per_mwh\n", "s.csv:1: no column name ends with a known unit", SeriesOptions{}},
		{"time,ci\n", `s.csv:1: the unit of column "ci" is not known`, SeriesOptions{Column: "ci"}},
		{"time,ci\n", `s.csv:1: the unit of column "ci" is not known`, SeriesOptions{Column: "ci", Unit: "lb_per_mwh"}},
		{"t,v_lb_per_mwh\n", `s.csv:1: the unit of column "v_lb_per_mwh" is not known`, protocol},
		{"t,v_gCO2_per_MWh\n", `s.csv:1: the unit of column "v_gCO2_per_MWh" is not known`, protocol},
		{seriesHead + "2026-01-01T00:00:00Z,0.3\n2026-01-01T01:00:00Z,0.5\n", "no value is above 0.0005 kg/kWh", protocol},
		{"time,a_g_per_kwh,b_g_per_kwh\n", "s.csv:1: columns a_g_per_kwh and b_g_per_kwh could both be meant", SeriesOptions{}},
		{ok, `s.csv:1: no column "co2"`, SeriesOptions{Column: "co2"}},
		{ok + "2026-01-01T03:00:00Z,1\n", "s.csv:4: a gap of 1 steps of 1h0m0s before 2026-01-01T03:00:00Z", SeriesOptions{}},
		{ok + "2026-01-01T01:00:00Z,200\n", "s.csv:4: the time of the row before is repeated", SeriesOptions{Gaps: true}},
		{ok + "2026-01-01T00:00:00Z,200\n", "s.csv:4: earlier than the row before", SeriesOptions{Gaps: true}},
		{ok + "2026-01-01T02:30:00Z,200\n", "s.csv:4: not a multiple of the step", SeriesOptions{Gaps: true}},
		{ok + "2026-01-01T02:00:00Z,\n", "s.csv:4: ci_g_per_kwh is empty", SeriesOptions{}},
		{ok + "2026-01-01T02:00:00Z,-1\n", "s.csv:4: ci_g_per_kwh is negative", SeriesOptions{Gaps: true}},
		{ok + "2026-01-01T02:00:00Z,NaN\n", `s.csv:4: ci_g_per_kwh "NaN" is not a number`, SeriesOptions{Gaps: true}},
		{ok + "2026-01-01T02:00:00Z,100000\n", "s.csv:4: ci_g_per_kwh 100000 is more than anything in that unit can be", SeriesOptions{}},
		{ok + "yesterday,100\n", `s.csv:4: time "yesterday"`, SeriesOptions{}},
		{ok + "2026-01-01T02:00:00Z\n", "s.csv:4: wrong number of fields", SeriesOptions{}},
		{seriesHead + "2026-01-01T00:00:00Z,0.3\n2026-01-01T01:00:00Z,0.5\n", "no value is above 0.0005 kg/kWh", SeriesOptions{}},
		{"time,price_yuan_per_kwh\n2026-01-01T00:00:00Z,0.3\n2026-01-01T01:00:00Z,-0.5\n", "s.csv:3: price_yuan_per_kwh is negative", SeriesOptions{Quantity: EnergyPrice}},
	} {
		_, err := ParseSeries("s.csv", []byte(c.file), c.options)
		wantInvalid(t, err, c.want)
	}
}

func TestSeriesUnitsAndGaps(t *testing.T) {
	for _, head := range []string{"time,x_g_per_kwh", "time,x_gco2e_per_kwh", "time,gCO2eq_per_kWh", "time,x_kg_per_mwh"} {
		s, err := ParseSeries("s", []byte(head+"\n2026-01-01 00:00:00,250\n2026-01-01 00:05:00,500\n"), SeriesOptions{})
		if err != nil || s.Values[0] != 0.25 || s.Step != 5*time.Minute {
			t.Errorf("%s: %+v, %v", head, s, err)
		}
	}
	// Where the name tells no unit, the one told is believed, however small the values.
	if s, err := ParseSeries("s", []byte("t,share\n2026-01-01T00:00:00Z,0.5\n2026-01-01T01:00:00Z,0.25\n"), SeriesOptions{Unit: "g_per_kwh", Positional: true}); err != nil || s.Values[0] != 0.0005 {
		t.Errorf("%+v, %v", s, err)
	}
	s, err := ParseSeries("s", []byte(seriesHead+"2026-01-01T00:00:00Z,100\n2026-01-01T03:00:00Z,\n2026-01-01T04:00:00Z,300\n"), SeriesOptions{Gaps: true})
	if err != nil || len(s.Values) != 5 {
		t.Fatalf("%+v, %v", s, err)
	}
	if _, ok := s.At(s.Start.Add(90 * time.Minute)); ok {
		t.Error("a gap has a value")
	}
	if v, ok := s.Mean(s.Start.Add(4*time.Hour), s.End()); !ok || v != 0.3 {
		t.Errorf("mean %g, %v", v, ok)
	}
	if _, ok := s.Mean(s.Start, s.End()); ok {
		t.Error("a mean over a gap is given")
	}
	v, until, ok := s.Latest(s.Start.Add(200 * time.Minute))
	if !ok || v != 0.1 || until != s.Start.Add(time.Hour) {
		t.Errorf("latest %g until %v, %v", v, until, ok)
	}
}

// hourly is a series of hours from the beginning of 2024.
func hourly(t *testing.T, kg ...float64) *Series {
	return &Series{Name: "s", Start: instant(t, "2024-01-01T00:00:00Z"), Step: time.Hour, Values: kg}
}

// TestOrderOfTrust plays a meter that falls silent, over a table and a provider.
func TestOrderOfTrust(t *testing.T) {
	gap := math.NaN()
	meter := Source{Name: "meter", Trust: OperatorMeter, Series: hourly(t, 0.1, gap, gap, gap), MaxAge: 90 * time.Minute}
	table := Source{Name: "table", Trust: OfficialTable, Factors: BuiltInFactors(), Regions: []string{"Sichuan", "national"}, Kind: AverageFactor}
	provider := Source{Name: "provider", Trust: Provider, Series: hourly(t, 0.5, 0.6, 0.7, gap), MaxAge: time.Hour}
	at := func(hours float64) unit.Instant {
		return meter.Series.Start.Add(time.Duration(hours * float64(time.Hour)))
	}
	for _, c := range []struct {
		story   string
		sources []Source
		hours   float64
		atMost  time.Duration
		value   float64
		source  string
		age     time.Duration
	}{
		{"the meter answers", []Source{meter, table, provider}, 0.5, 0, 0.1, "meter", 0},
		{"the meter is silent: the table is next", []Source{meter, table, provider}, 1.5, 0, 0.1564, "table: Sichuan 2023, " + notice2023, 0},
		{"planners ask for hours: the provider is fresh", []Source{meter, table, provider}, 1.5, time.Hour, 0.6, "provider", 0},
		{"a fresh provider goes before the meter's last value", []Source{meter, provider}, 2.4, 0, 0.7, "provider", 0},
		{"both are stale, the meter too old", []Source{meter, provider}, 3.5, time.Hour, 0.7, "provider", 30 * time.Minute},
		{"a stale meter goes before a staler provider", []Source{meter, {Name: "provider", Trust: Provider, Series: hourly(t, 0.5, gap), MaxAge: 5 * time.Hour}}, 2, 0, 0.1, "meter", time.Hour},
	} {
		f, err := NewFeed(c.sources...)
		if err != nil {
			t.Fatal(err)
		}
		r := f.At(at(c.hours), c.atMost)
		if !r.Known || math.Abs(float64(r.Value)-c.value) > 1e-12 || r.Source != c.source || r.Age != c.age {
			t.Errorf("%s: %v", c.story, r)
		}
	}
	f, err := NewFeed(meter, provider)
	if err != nil {
		t.Fatal(err)
	}
	r := f.At(at(9), 0)
	if r.Known || len(r.Passed) != 2 || !strings.Contains(r.String(), "no data") {
		t.Errorf("everything is too old, yet the reading is %v", r)
	}
	if r := f.At(at(-1), 0); r.Known {
		t.Errorf("a value of the future is used: %v", r)
	}
}

func TestFeedRefusesMixtures(t *testing.T) {
	a := Source{Name: "a", Trust: CSVSeries, Series: hourly(t, 1)}
	marginal := a
	marginal.Name, marginal.Nature.Measure = "b", Marginal
	market := a
	market.Name, market.Nature.Basis = "c", Market
	life := a
	life.Name, life.Nature.Scope = "d", LifeCycle
	meter := a
	meter.Name, meter.Trust = "e", OperatorMeter
	for _, c := range []struct {
		sources []Source
		want    string
	}{
		{nil, "no source"},
		{[]Source{a, marginal}, "b: marginal direct location, but a is average direct location"},
		{[]Source{a, market}, "c: average direct market"},
		{[]Source{a, life}, "d: average life-cycle location"},
		{[]Source{a, meter}, "e: the operator meter comes after the csv series"},
		{[]Source{{Name: "f"}}, "either a series or a factor table"},
	} {
		_, err := NewFeed(c.sources...)
		wantInvalid(t, err, c.want)
	}
}

func TestFactorTable(t *testing.T) {
	own := BuiltInFactors()
	for _, c := range []struct {
		regions []string
		year    int
		kind    FactorKind
		value   float64
		of      int
	}{
		{[]string{"Sichuan", "national"}, 2022, AverageFactor, 0.1404, 2022},
		{[]string{"Sichuan", "national"}, 2026, AverageFactor, 0.1564, 2023},
		{[]string{"Tibet", "Southwest grid", "national"}, 2026, AverageFactor, 0.2472, 2023},
		{[]string{"national"}, 2026, LifeCycleFactorOfGrid, 0.5777, 2024},
	} {
		f, ok := own.For(c.regions, c.year, c.kind)
		if !ok || float64(f.Value) != c.value || f.Year != c.of {
			t.Errorf("%v %d: %+v, %v", c.regions, c.year, f, ok)
		}
	}
	if f, ok := own.For([]string{"Sichuan"}, 2020, AverageFactor); ok {
		t.Errorf("2020 takes a later factor: %+v", f)
	}
	const head = "year,region,kind,kgco2_per_kwh,issuer_document,published\n"
	for _, c := range []struct{ file, want string }{
		{"", "f.csv: the file is empty"},
		{"a,b\n", "f.csv:1: columns"},
		{head + "2023,X,average,0.5,issuer,2024-01-01\n2023,X,provincial average,0.6,issuer,2024-01-01\n", "given twice"},
		{head + "2023,X,average,556,issuer,\n", "f.csv:2: kgco2_per_kwh 556 is outside 0 to 3"},
		{head + "2023,X,average,-0.1,issuer,\n", "f.csv:2: kgco2_per_kwh -0.1 is outside"},
		{head + "2023,X,average,0.5,,\n", "a factor has a year, a region and an issuer"},
		{head + "2023,X,average,0.5,issuer,soon\n", `f.csv:2: published "soon"`},
	} {
		_, err := ParseFactors("f.csv", []byte(c.file))
		wantInvalid(t, err, c.want)
	}
}

// TestCertificatesNeverZeroTheLocation: 1,000 kWh, 800 of them certified.
func TestCertificatesNeverZeroTheLocation(t *testing.T) {
	location := Reading{Known: true, Value: 0.5}
	residual := Reading{Known: true, Value: 0.6, Nature: Nature{Basis: Market}}
	green := []Certificate{{Energy: 800}}
	e, err := EmissionsOf(1000, location, residual, green)
	if err != nil || e.LocationKg != 500 || e.MarketKg != 120 || !e.MarketKnown {
		t.Errorf("%+v, %v; want 500 and 200 x 0.6 = 120", e, err)
	}
	e, err = EmissionsOf(1000, location, Reading{}, []Certificate{{Energy: 1000}})
	if err != nil || e.LocationKg != 500 || e.MarketKg != 0 || !e.MarketKnown {
		t.Errorf("all certified: %+v, %v", e, err)
	}
	e, err = EmissionsOf(1000, location, Reading{}, green)
	if err != nil || e.MarketKnown || e.LocationKg != 500 {
		t.Errorf("no residual mix: %+v, %v", e, err)
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{second(EmissionsOf(100, location, residual, green)), "more energy than was used"},
		{second(EmissionsOf(-1, location, residual, nil)), "energy used is -1"},
		{second(EmissionsOf(1, residual, residual, nil)), "the location figure is average direct market"},
		{second(EmissionsOf(1, location, location, nil)), "the residual mix is average direct location"},
		{second(EmissionsOf(1, location, residual, []Certificate{{Energy: -1}})), "a certificate for -1 kWh"},
	} {
		wantInvalid(t, c.err, c.want)
	}
}

func FuzzParseSeries(f *testing.F) {
	f.Add([]byte(seriesHead+"2026-01-01T00:00:00Z,100\n2026-01-01T01:00:00Z,200\n"), true)
	f.Add([]byte("time,x_kg_per_mwh\n2026-01-01 00:00:00,250\n2026-01-01 00:05:00,\n"), false)
	f.Add([]byte("time,x_kg_per_mwh\n1970-01-01 00:00:00,250\n1970-01-01 00:00:00.000000001,1\n2100-01-01 00:00,1\n"), true)
	f.Fuzz(func(t *testing.T, text []byte, gaps bool) {
		s, err := ParseSeries("s", text, SeriesOptions{Gaps: gaps})
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("error of the kind %v: %v", fault.KindOf(err), err)
			}
			return
		}
		if s.Step <= 0 || len(s.Values) < 2 || len(s.Values) > MaxSeriesSteps || s.End() <= s.Start {
			t.Fatalf("step %v, %d values", s.Step, len(s.Values))
		}
		for i, v := range s.Values {
			if math.IsNaN(v) && !gaps || v < 0 || v > maxKgPerKWh {
				t.Fatalf("value %d is %g", i, v)
			}
		}
	})
}
