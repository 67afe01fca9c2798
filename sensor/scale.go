package sensor

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"tianfu/fault"
)

// Scale says what a number of an instrument means: "0.01kWh" is a counter in
// hundredths of a kilowatt-hour, "W" a gauge in watts.
type Scale struct {
	text string
	kind Kind
	one  *big.Rat // µJ of a counter, mW of a gauge
	tick Microjoules
}

// floatTick is how finely a counter is kept that is told as a decimal number.
const floatTick Microjoules = 1000

// scaleUnits are the units with their size in µJ or mW.
var scaleUnits = []struct {
	name string
	kind Kind
	size string
}{
	{"uJ", Counter, "1"}, {"mJ", Counter, "1e3"}, {"kJ", Counter, "1e9"}, {"MJ", Counter, "1e12"}, {"J", Counter, "1e6"},
	{"kWh", Counter, "36e11"}, {"MWh", Counter, "36e14"}, {"mWh", Counter, "36e5"}, {"Wh", Counter, "36e8"},
	{"uW", Gauge, "1e-3"}, {"mW", Gauge, "1"}, {"kW", Gauge, "1e6"}, {"MW", Gauge, "1e9"}, {"W", Gauge, "1e3"},
}

// ParseScale reads a factor and a unit: J, kJ, MJ, mJ, uJ, Wh, kWh, MWh, mWh of
// a counter, W, kW, MW, mW, uW of a gauge.
func ParseScale(text string) (Scale, error) {
	s := strings.TrimSpace(text)
	for _, u := range scaleUnits {
		factor, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		one := big.NewRat(1, 1)
		if f := strings.TrimSpace(factor); f != "" {
			v, err := decimalOf(f)
			if err != nil || v.Sign() <= 0 {
				break
			}
			one = v
		}
		size, _ := new(big.Rat).SetString(u.size)
		out := Scale{text: s, kind: u.kind, one: one.Mul(one, size)}
		if out.kind == Counter && out.one.IsInt() && out.one.Num().IsInt64() {
			out.tick = Microjoules(out.one.Num().Int64())
		}
		return out, nil
	}
	return Scale{}, fault.New(fault.Invalid, "", strconv.Quote(text)+" is no unit of a meter", "write it like kWh, 0.1kWh, J or W")
}

// Kind returns what the scale is of.
func (s Scale) Kind() Kind { return s.kind }

// Integer puts a whole number into a sample.
func (s Scale) Integer(n uint64, to *Sample) error {
	if s.kind == Counter && s.tick > 0 {
		to.Kind, to.Count, to.Tick = Counter, n, s.tick
		return nil
	}
	return s.put(new(big.Rat).SetInt(new(big.Int).SetUint64(n)), to)
}

// Signed puts a whole number into a sample; a counter cannot be negative.
func (s Scale) Signed(n int64, to *Sample) error {
	if n >= 0 {
		return s.Integer(uint64(n), to)
	}
	return s.put(big.NewRat(n, 1), to)
}

// Decimal puts a number as it is written into a sample.
func (s Scale) Decimal(text string, to *Sample) error {
	v, err := decimalOf(text)
	if err != nil {
		return err
	}
	return s.put(v, to)
}

// put sets counts of floatTick, rounded down, or milliwatts, rounded.
func (s Scale) put(v *big.Rat, to *Sample) error {
	v.Mul(v, s.one)
	if to.Kind = s.kind; s.kind == Gauge {
		f, _ := v.Float64()
		if !(math.Abs(f) < 1e18) {
			return fault.Invalidf("", "a power of %g mW", f)
		}
		to.Power = Milliwatts(math.Round(f))
		return nil
	}
	v.Quo(v, big.NewRat(int64(floatTick), 1))
	n := new(big.Int).Quo(v.Num(), v.Denom())
	if v.Sign() < 0 || !n.IsUint64() {
		return fault.Invalidf("", "an energy of %s mJ", n)
	}
	to.Count, to.Tick = n.Uint64(), floatTick
	return nil
}

// decimalOf reads a number exactly. Numbers too long or too large to be a
// reading are refused: an exponent alone could fill the memory.
func decimalOf(text string) (*big.Rat, error) {
	text = strings.TrimSpace(text)
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || len(text) > 40 || math.IsNaN(f) || math.Abs(f) > 1e24 || strings.ContainsAny(text, "xXpP_") {
		return nil, fault.Invalidf("", "%.50q is no number of a meter", text)
	}
	if math.Abs(f) < 1e-24 {
		return new(big.Rat), nil
	}
	v, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil, fault.Invalidf("", "%.50q is no number of a meter", text)
	}
	return v, nil
}

// ParseModulus reads where a counter begins again: "4294967296", "2^32"; empty
// is never. 2^64 is how an uint64 wraps, and never in practice.
func ParseModulus(text string) (uint64, error) {
	switch text {
	case "", "2^64":
		return 0, nil
	}
	if power, ok := strings.CutPrefix(text, "2^"); ok {
		if n, err := strconv.ParseUint(power, 10, 6); err == nil && n > 0 {
			return 1 << n, nil
		}
	} else if n, err := strconv.ParseUint(text, 10, 64); err == nil && n > 1 {
		return n, nil
	}
	return 0, fault.New(fault.Invalid, "", fmt.Sprintf("%q is no count to begin again at", text), "write it like 2^32 or 100000000")
}
