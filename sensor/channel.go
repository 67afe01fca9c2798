package sensor

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"tianfu/fault"
	"tianfu/unit"
)

// Channel is a value of an instrument that someone declared: where it is, and
// what its number means.
type Channel struct {
	Name    string
	Address string // a register, object identifier, topic or column
	Field   string // of a message: the path of the value
	Type    string // of a register
	Part    string // tells channels apart that add up
	Scale   Scale
	Wraps   uint64 // the number at which a counter begins again at 0; 0 = never
}

// SortChannels returns the channels of one instrument by name, or why they
// cannot be read.
func SortChannels(channels []Channel) ([]Channel, error) {
	if len(channels) == 0 {
		return nil, fault.New(fault.Invalid, "channels", "none is declared", "say what to read: channels: [{name: total, address: ..., unit: kWh}]")
	}
	if len(channels) > MaxChannels {
		return nil, fault.Invalidf("channels", "%d are declared; %d are the most", len(channels), MaxChannels)
	}
	out := slices.Clone(channels)
	slices.SortFunc(out, func(a, b Channel) int { return strings.Compare(a.Name, b.Name) })
	for i := range out {
		if out[i].Name == "" || i > 0 && out[i].Name == out[i-1].Name {
			return nil, fault.Invalidf("channel "+out[i].Name, "a channel needs a name of its own")
		}
		if out[i].Scale.one == nil {
			return nil, fault.New(fault.Invalid, "channel "+out[i].Name, "has no unit", "such as unit: kWh or unit: 0.1W")
		}
	}
	return out, nil
}

// Integer makes a sample of a whole number.
func (c *Channel) Integer(n uint64, covers Covers, at unit.Instant) (Sample, error) {
	s := c.blank(covers, at)
	return c.wrap(&s, c.Scale.Integer(n, &s))
}

// Signed makes a sample of a whole number that may be negative.
func (c *Channel) Signed(n int64, covers Covers, at unit.Instant) (Sample, error) {
	s := c.blank(covers, at)
	return c.wrap(&s, c.Scale.Signed(n, &s))
}

// Decimal makes a sample of a number as it is written.
func (c *Channel) Decimal(text string, covers Covers, at unit.Instant) (Sample, error) {
	s := c.blank(covers, at)
	return c.wrap(&s, c.Scale.Decimal(text, &s))
}

func (c *Channel) blank(covers Covers, at unit.Instant) Sample {
	if c.Part != "" {
		covers.Part = c.Part
	}
	return Sample{Channel: c.Name, Covers: covers, At: at}
}

// wrap adds where the counter begins again, in the counts of the sample.
func (c *Channel) wrap(s *Sample, err error) (Sample, error) {
	if err != nil {
		return Sample{}, err
	}
	if c.Wraps == 0 || s.Kind == Gauge {
		return *s, nil
	}
	s.Modulus = c.Wraps
	if s.Tick != c.Scale.tick {
		v := new(big.Rat).Mul(new(big.Rat).SetInt(new(big.Int).SetUint64(c.Wraps)), c.Scale.one)
		v.Quo(v, big.NewRat(int64(s.Tick), 1))
		n := new(big.Int).Quo(v.Num(), v.Denom())
		s.Modulus = 0
		if n.IsUint64() && n.Uint64() < math.MaxUint64 {
			s.Modulus = n.Uint64()
		}
	}
	if s.Modulus > 0 && s.Count >= s.Modulus {
		return Sample{}, fault.New(fault.Invalid, "", fmt.Sprintf("shows %d, and is declared to begin again at %d", s.Count, s.Modulus), "correct wraps")
	}
	return *s, nil
}
