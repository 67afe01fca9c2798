package sensor

import (
	"math"
	"testing"

	"tianfu/fault"
)

func TestScales(t *testing.T) {
	for _, c := range []struct {
		scale, number string
		want          Sample
	}{
		{"kWh", "36166.123", Sample{Count: 130_198_042_800_000, Tick: 1000}},
		{"0.01kWh", "12345", Sample{Count: 4_444_200_000_00, Tick: 1000}},
		{"J", "0.0019", Sample{Count: 1, Tick: 1000}},
		{"W", "344.5", Sample{Kind: Gauge, Power: 344_500}},
		{"0.1W", "3445", Sample{Kind: Gauge, Power: 344_500}},
		{"kW", "-1.5e0", Sample{Kind: Gauge, Power: -1_500_000}},
		{"mW", "1e-300", Sample{Kind: Gauge}},
	} {
		s, err := ParseScale(c.scale)
		if err != nil {
			t.Fatal(err)
		}
		var got Sample
		if err := s.Decimal(c.number, &got); err != nil || got != c.want {
			t.Errorf("%s %s: %+v %v, want %+v", c.number, c.scale, got, err, c.want)
		}
	}
	hundredths, _ := ParseScale("0.01 kWh")
	var got Sample
	if err := hundredths.Integer(math.MaxUint64, &got); err != nil || got.Count != math.MaxUint64 || got.Tick != 36_000_000_000 {
		t.Errorf("a whole number of hundredths: %+v %v", got, err)
	}
	odd, _ := ParseScale("0.0000001J") // a tenth of a microjoule: kept in millijoules
	if err := odd.Integer(25_000, &got); err != nil || got.Count != 2 || got.Tick != 1000 {
		t.Errorf("%+v %v", got, err)
	}
	joules, _ := ParseScale("J")
	for _, bad := range []string{"", "x", "-1", "NaN", "Inf", "0x10", "1e999", "1e24", "1_000", "1e100000000", "11111111111111111111111111111111111111111111111111"} {
		if err := joules.Decimal(bad, &got); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q J is taken: %+v %v", bad, got, err)
		}
	}
	for _, bad := range []string{"", "k", "kWhs", "-1W", "0J", "1/3kWh", "x kWh", "VA"} {
		if s, err := ParseScale(bad); fault.KindOf(err) != fault.Invalid {
			t.Errorf("scale %q is taken: %+v %v", bad, s, err)
		}
	}
	for text, want := range map[string]uint64{"": 0, "2^64": 0, "2^32": 1 << 32, "100000000": 100_000_000} {
		if n, err := ParseModulus(text); err != nil || n != want {
			t.Errorf("%q: %d %v", text, n, err)
		}
	}
	for _, bad := range []string{"2^65", "2^0", "1", "-3", "2^", "huge"} {
		if n, err := ParseModulus(bad); err == nil {
			t.Errorf("%q is taken as %d", bad, n)
		}
	}
}
