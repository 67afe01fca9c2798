package energy

import (
	"math"
	"testing"
	"time"

	"tianfu/unit"
)

func instant(t *testing.T, s string) unit.Instant {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return unit.Instant(at.UnixNano())
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Skipf("no time zone data for %s", name)
	}
	return z
}

// TestKPIs is arithmetic to check by eye.
func TestKPIs(t *testing.T) {
	for _, c := range []struct {
		name string
		got  func() (float64, error)
		want float64
	}{
		{"REF: 300 of 1200", func() (float64, error) { return REF(300, 1200) }, 0.25},
		{"REF: never above 1", func() (float64, error) { return REF(1500, 1200) }, 1},
		{"ERF: 120 of 1200", func() (float64, error) { return ERF(120, 1200) }, 0.1},
		{"ERE: 1.2 x 0.9", func() (float64, error) { return ERE(1.2, 0.1), nil }, 1.08},
		{"CER: 1000 removed by 125", func() (float64, error) { return CER(1000, 125) }, 8},
		{"CUE: 600 kg for 1000", func() (float64, error) { return CUE(600, 1000) }, 0.6},
		{"CUE: 1.2 x 0.5", func() (float64, error) { return CUEFromGrid(1.2, 0.5), nil }, 0.6},
		{"WUE: 1800 l for 1000", func() (float64, error) { return WUE(1800, 1000) }, 1.8},
		{"source WUE: 1.8 + 2 x 1.2", func() (float64, error) { return SourceWUE(1.8, 1.2, 2), nil }, 4.2},
		{"SCI: (10 x 0.5 + 3) / 4", func() (float64, error) { return SCI(10, 0.5, 3, 4) }, 2},
	} {
		got, err := c.got()
		if err != nil || math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s = %g, %v; want %g", c.name, got, err, c.want)
		}
	}
}

func TestPUENamesItsPeriod(t *testing.T) {
	from := "2024-01-01T00:00:00+08:00" // a leap year is twelve months too
	chengdu := time.FixedZone("CST", 8*3600)
	for _, c := range []struct {
		to   string
		name string
	}{
		{"2025-01-01T00:00:00+08:00", "PUE2"},
		{"2024-12-31T00:00:00+08:00", "iPUE2"},
		{"2024-02-01T00:00:00+08:00", "iPUE2"},
	} {
		p, err := MeasuredPUE(1200, 1000, AtPDU, Period{instant(t, from), instant(t, c.to), chengdu})
		if err != nil || p.Value != 1.2 || p.Name() != c.name {
			t.Errorf("to %s: %s = %g, %v; want %s = 1.2", c.to, p.Name(), p.Value, err, c.name)
		}
	}
	cooling, err := PartialPUE("cooling", 100, 1000, Period{})
	if err != nil || cooling.String() != "pPUE(cooling) = 1.100" {
		t.Errorf("%v, %v", cooling, err)
	}
	plan, err := DesignPUE(1150, 1000)
	if err != nil || plan.String() != "dPUE = 1.150" {
		t.Errorf("%v, %v", plan, err)
	}
}

func TestKPIErrors(t *testing.T) {
	year := Period{instant(t, "2024-01-01T00:00:00Z"), instant(t, "2025-01-01T00:00:00Z"), nil}
	long := Period{year.From, year.To + 1, nil}
	for _, c := range []struct {
		err  error
		want string
	}{
		{second(MeasuredPUE(1200, 0, AtIT, year)), "IT energy is 0 kWh"},
		{second(MeasuredPUE(900, 1000, AtIT, year)), "less than its IT's"},
		{second(MeasuredPUE(1200, 1000, Unmeasured, year)), "no category"},
		{second(MeasuredPUE(1200, 1000, AtIT, long)), "longer than twelve months"},
		{second(MeasuredPUE(1200, 1000, AtIT, Period{})), "is empty or longer"},
		{second(PartialPUE(" ", 1, 1, year)), "no name"},
		{second(REF(-1, 10)), "-1 is negative"},
		{second(ERF(11, 10)), "more energy is reused"},
		{second(CER(10, 0)), "the divisor is 0"},
		{second(WUE(math.NaN(), 10)), "is negative"},
		{second(SCI(1, -1, 0, 1)), "must not be negative"},
	} {
		wantInvalid(t, c.err, c.want)
	}
}

func second[T any](_ T, err error) error { return err }

func TestGrades(t *testing.T) {
	for _, c := range []struct {
		pue, margin float64
		want        string
	}{{1.20, 0.30, "grade 1"}, {1.201, 0.299, "grade 2"}, {1.30, 0.20, "grade 2"}, {1.5, 0, "grade 3"}, {1.51, -0.01, "above the limit"}} {
		g, margin := GradeOf(c.pue)
		if g.String() != c.want || math.Abs(margin-c.margin) > 1e-9 {
			t.Errorf("PUE %g: %v, margin %g; want %s, %g", c.pue, g, margin, c.want, c.margin)
		}
	}
}
