package unit

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// read parses s as the named quantity and prints what came out.
func read(what, s string) (string, error) {
	switch what {
	case "watts":
		v, err := ParseWatts(s)
		return v.String(), err
	case "cpu":
		v, err := ParseMilliCPU(s)
		return v.String(), err
	case "memory":
		v, err := ParseMiB(s)
		return v.String(), err
	case "share":
		v, err := ParseMilli(s)
		return v.String(), err
	case "flops":
		v, err := ParseTFLOPS(s)
		return v.String(), err
	case "bandwidth":
		v, err := ParseGBps(s)
		return v.String(), err
	case "price":
		v, err := ParseYuan(s)
		return v.String(), err
	case "tariff":
		v, err := ParseYuanPerKWh(s)
		return v.String(), err
	case "carbon":
		v, err := ParseKgPerKWh(s)
		return v.String(), err
	case "span":
		v, err := ParseDuration(s)
		return v.String(), err
	case "instant":
		v, err := ParseInstant(s)
		return v.String(), err
	}
	panic(what)
}

var quantities = []string{"watts", "cpu", "memory", "share", "flops", "bandwidth", "price", "tariff", "carbon", "span", "instant"}

func TestParse(t *testing.T) {
	for _, c := range []struct{ what, in, want string }{
		{"watts", "350W", "350W"},
		{"watts", "1.5kW", "1.5kW"},
		{"watts", " 0.25 MW ", "250kW"},
		{"watts", "999W", "999W"},
		{"watts", "350", `"350" has no unit`},
		{"watts", "350w", `unknown unit "w"`},
		{"watts", "-1W", "negative"},
		{"watts", "NaN", "is no power"},
		{"watts", "1e999W", "is no power"},
		{"watts", "", "is no power"},
		{"cpu", "96 vCPU", "96"},
		{"cpu", "1500m", "1.5"},
		{"cpu", "1.5", "1.5"},
		{"cpu", "0.0001", "finer than"},
		{"cpu", "3000000", "too large"},
		{"memory", "512GiB", "512GiB"},
		{"memory", "2TiB", "2TiB"},
		{"memory", "1.5GiB", "1536MiB"},
		{"memory", "80GB", "76293MiB"},
		{"memory", "512", "has no unit"},
		{"memory", "100KiB", "finer than"},
		{"memory", "9999TiB", "too large"},
		{"share", "0.25", "0.25"},
		{"share", "25%", "0.25"},
		{"share", "250m", "0.25"},
		{"flops", "1.979PFLOPS", "1979TFLOPS"},
		{"flops", "624TOPS", "624TFLOPS"},
		{"bandwidth", "400Gb/s", "50GB/s"},
		{"bandwidth", "3.35TB/s", "3350GB/s"},
		{"price", "120000yuan", "120000yuan"},
		{"tariff", "0.62yuan/kWh", "0.62yuan/kWh"},
		{"carbon", "140.4g/kWh", "0.1404kg/kWh"},
		{"span", "1h30m", "1h30m0s"},
		{"span", "7d", "168h0m0s"},
		{"span", "-1h", "negative"},
		{"span", "99999999d", "no span of time"},
		{"span", "30", "no span of time"},
		{"instant", "2026-03-01T08:00:00+08:00", "2026-03-01T00:00:00Z"},
		{"instant", "2026-03-01 08:00", "is no instant"},
		{"instant", "0001-01-01T00:00:00Z", "outside the years"},
	} {
		got, err := read(c.what, c.in)
		if err != nil {
			got = err.Error()
			if !strings.Contains(got, c.want) {
				t.Errorf("%s %q: %s, want %q", c.what, c.in, got, c.want)
			}
			continue
		}
		if got != c.want {
			t.Errorf("%s %q = %s, want %q", c.what, c.in, got, c.want)
		}
	}
}

// What is printed can be read again, and prints the same.
func FuzzRoundTrip(f *testing.F) {
	for i, s := range []string{"1.5kW", "96 vCPU", "512GiB", "25%", "312TFLOPS", "400Gb/s", "9yuan", "0.6yuan/kWh", "140g/kWh", "2h", "2026-03-01T08:00:00+08:00"} {
		f.Add(uint8(i), s)
	}
	f.Fuzz(func(t *testing.T, kind uint8, s string) {
		what := quantities[int(kind)%len(quantities)]
		once, err := read(what, s)
		if err != nil {
			return
		}
		twice, err := read(what, once)
		if err != nil || once != twice {
			t.Fatalf("%s %q prints as %q, which reads as %q (%v)", what, s, once, twice, err)
		}
	})
}

func ExampleParseDuration() {
	d, err := ParseDuration("2w")
	fmt.Println(d == 14*24*time.Hour, err)
	// Output: true <nil>
}
