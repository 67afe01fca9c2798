package unit

import (
	"math"
	"strconv"
	"strings"
	"time"

	"tianfu/fault"
)

// scale says how many base units one of a named unit is.
type scale struct {
	name   string
	factor float64
}

var (
	wattScales = []scale{{"W", 1}, {"kW", 1e3}, {"MW", 1e6}}
	cpuScales  = []scale{{"vCPU", 1000}, {"m", 1}, {"", 1000}}
	memScales  = []scale{{"MiB", 1}, {"GiB", 1 << 10}, {"TiB", 1 << 20}, {"KiB", 1.0 / 1024},
		{"MB", 1e6 / (1 << 20)}, {"GB", 1e9 / (1 << 20)}, {"TB", 1e12 / (1 << 20)}}
	milliScales  = []scale{{"m", 1}, {"%", 10}, {"", 1000}}
	flopsScales  = []scale{{"TFLOPS", 1}, {"TOPS", 1}, {"PFLOPS", 1e3}, {"POPS", 1e3}, {"GFLOPS", 1e-3}}
	bytesScales  = []scale{{"GB/s", 1}, {"TB/s", 1e3}, {"MB/s", 1e-3}, {"Gb/s", 0.125}, {"Tb/s", 125}}
	yuanScales   = []scale{{"yuan", 1}, {"CNY", 1}}
	tariffScales = []scale{{"yuan/kWh", 1}, {"CNY/kWh", 1}, {"yuan/MWh", 1e-3}}
	carbonScales = []scale{{"kg/kWh", 1}, {"g/kWh", 1e-3}}
	dayScales    = []scale{{"kWh/day", 1}, {"MWh/day", 1e3}, {"GWh/day", 1e6}, {"Wh/day", 1e-3}}
	weightScales = []scale{{"kg/day", 1}, {"t/day", 1e3}, {"g/day", 1e-3}}
)

// ParseWatts reads "350W", "1.5kW" or "2MW". It accepts no negative power.
func ParseWatts(s string) (Watts, error) {
	v, err := quantity(s, "power", "350W or 1.5kW", wattScales)
	return Watts(v), err
}

// ParseMilliCPU reads logical CPUs: "96 vCPU", "1.5" or thousandths, "1500m".
// A part of a thousandth is an error.
func ParseMilliCPU(s string) (MilliCPU, error) {
	v, err := whole(s, "CPU", "96vCPU, 1.5 or 1500m", cpuScales)
	return MilliCPU(v), err
}

// ParseMiB reads memory: "512GiB", "2TiB", "80GB". Decimal units (powers of
// 1000) are rounded down to whole mebibytes; binary ones must be whole.
func ParseMiB(s string) (MiB, error) {
	if t := strings.TrimSpace(s); strings.HasSuffix(t, "B") && !strings.HasSuffix(t, "iB") {
		v, err := quantity(s, "memory", "512GiB", memScales)
		if err == nil && v > math.MaxInt32 {
			err = tooLarge(s, "memory")
		}
		if err != nil {
			return 0, err
		}
		return MiB(v), nil
	}
	v, err := whole(s, "memory", "512GiB", memScales)
	return MiB(v), err
}

// ParseMilli reads a share of one accelerator: "0.25", "25%" or "250m".
func ParseMilli(s string) (Milli, error) {
	v, err := whole(s, "share", "0.25, 25% or 250m", milliScales)
	return Milli(v), err
}

// ParseTFLOPS reads "312TFLOPS", "1.9PFLOPS" or, for integers, "624TOPS".
func ParseTFLOPS(s string) (TFLOPS, error) {
	v, err := quantity(s, "throughput", "312TFLOPS", flopsScales)
	return TFLOPS(v), err
}

// ParseGBps reads "2039GB/s", "3.35TB/s" or, in bits, "400Gb/s".
func ParseGBps(s string) (GBps, error) {
	v, err := quantity(s, "bandwidth", "900GB/s or 400Gb/s", bytesScales)
	return GBps(v), err
}

// ParseYuan reads "125000yuan".
func ParseYuan(s string) (Yuan, error) {
	v, err := quantity(s, "price", "125000yuan", yuanScales)
	return Yuan(v), err
}

// ParseYuanPerKWh reads a tariff, "0.6yuan/kWh".
func ParseYuanPerKWh(s string) (YuanPerKWh, error) {
	v, err := quantity(s, "tariff", "0.6yuan/kWh", tariffScales)
	return YuanPerKWh(v), err
}

// ParseKgPerKWh reads a carbon intensity, "0.14kg/kWh" or "140g/kWh".
func ParseKgPerKWh(s string) (KgPerKWh, error) {
	v, err := quantity(s, "carbon intensity", "0.14kg/kWh", carbonScales)
	return KgPerKWh(v), err
}

// ParseKWhPerDay reads the energy of a day, "120kWh/day", above nothing.
func ParseKWhPerDay(s string) (KWhPerDay, error) {
	v, err := ofDay(s, "energy of a day", "120kWh/day", dayScales)
	return KWhPerDay(v), err
}

// ParseKgPerDay reads the carbon of a day, "15kg/day", above nothing.
func ParseKgPerDay(s string) (KgPerDay, error) {
	v, err := ofDay(s, "carbon of a day", "15kg/day", weightScales)
	return KgPerDay(v), err
}

func ofDay(s, what, example string, scales []scale) (float64, error) {
	v, err := quantity(s, what, example, scales)
	switch {
	case err != nil:
		return 0, err
	case v > maxOfDay:
		return 0, tooLarge(s, what)
	case v < 1e-6:
		return 0, fault.Invalidf("", "%s is nothing; leave it out where it is not limited, or write %s like %s", strconv.Quote(s), what, example)
	}
	return v, nil
}

// maxOfDay bounds kWh and kg of a day: a site of 10 GW.
const maxOfDay = 2.5e8

// ParseDuration reads "30s", "2h", "1h30m" or whole days and weeks, "7d" and
// "2w". It accepts no negative span.
func ParseDuration(s string) (time.Duration, error) {
	t := strings.TrimSpace(s)
	for _, day := range []scale{{"d", 24}, {"w", 7 * 24}} {
		digits, ok := strings.CutSuffix(t, day.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 32)
		hours := n * int64(day.factor)
		if err != nil || n < 0 || hours > int64(math.MaxInt64/time.Hour) {
			return 0, fault.Invalidf("", "%s is no span of time; write it like 30s, 2h or 7d", strconv.Quote(s))
		}
		return time.Duration(hours) * time.Hour, nil
	}
	d, err := time.ParseDuration(t)
	switch {
	case err != nil:
		return 0, fault.Invalidf("", "%s is no span of time; write it like 30s, 2h or 7d", strconv.Quote(s))
	case d < 0:
		return 0, fault.Invalidf("", "%s is negative; a span of time must not be", strconv.Quote(s))
	}
	return d, nil
}

// ParseInstant reads an RFC 3339 instant with its offset,
// "2026-03-01T08:00:00+08:00".
func ParseInstant(s string) (Instant, error) {
	t, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(s))
	if err != nil {
		return 0, fault.Invalidf("", "%s is no instant; write it like 2026-03-01T08:00:00+08:00", strconv.Quote(s))
	}
	if y := t.UTC().Year(); y < 1678 || y > 2261 {
		return 0, fault.Invalidf("", "%s is outside the years 1678 to 2261", strconv.Quote(s))
	}
	return Instant(t.UnixNano()), nil
}

// String renders the instant in RFC 3339, UTC.
func (t Instant) String() string {
	return time.Unix(0, int64(t)).UTC().Format(time.RFC3339Nano)
}

// whole reads a quantity that is counted in whole base units.
func whole(s, what, example string, scales []scale) (int32, error) {
	v, err := quantity(s, what, example, scales)
	if err != nil {
		return 0, err
	}
	n := math.Round(v)
	if math.Abs(v-n) > 1e-6 {
		return 0, fault.Invalidf("", "%s is finer than Tianfu counts %s; write it like %s", strconv.Quote(s), what, example)
	}
	if n > math.MaxInt32 {
		return 0, tooLarge(s, what)
	}
	return int32(n), nil
}

// quantity reads a number and its unit. The unit is required unless the scales
// have an empty name.
func quantity(s, what, example string, scales []scale) (float64, error) {
	t := strings.TrimSpace(s)
	end := 0
	for end < len(t) && strings.IndexByte("0123456789.-+", t[end]) >= 0 {
		end++
	}
	if end < len(t)-1 && (t[end] == 'e' || t[end] == 'E') && strings.IndexByte("0123456789-+", t[end+1]) >= 0 {
		for end++; end < len(t) && strings.IndexByte("0123456789-+", t[end]) >= 0; end++ {
		}
	}
	n, err := strconv.ParseFloat(t[:end], 64)
	name := strings.TrimSpace(t[end:])
	if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
		return 0, fault.Invalidf("", "%s is no %s; write it like %s", strconv.Quote(s), what, example)
	}
	if n < 0 {
		return 0, fault.Invalidf("", "%s is negative; %s must not be", strconv.Quote(s), what)
	}
	for _, u := range scales {
		if u.name != name {
			continue
		}
		if v := n * u.factor; !math.IsInf(v, 0) {
			return v, nil
		}
		return 0, tooLarge(s, what)
	}
	if name == "" {
		return 0, fault.Invalidf("", "%s has no unit; write %s like %s", strconv.Quote(s), what, example)
	}
	return 0, fault.Invalidf("", "%s has the unknown unit %s; write %s like %s", strconv.Quote(s), strconv.Quote(name), what, example)
}

func tooLarge(s, what string) error {
	return fault.Invalidf("", "%s is too large for %s", strconv.Quote(s), what)
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// Count renders a number of things: "1 node", "2 nodes".
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}
