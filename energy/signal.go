package energy

import (
	"fmt"
	"math"
	"time"

	"tianfu/fault"
	"tianfu/unit"
)

// Nature says what a carbon intensity means. Figures of different natures are
// never added, averaged or put in each other's place; NewFeed refuses to mix
// them.
type Nature struct {
	Measure Measure
	Scope   Scope
	Basis   Basis
}

// Measure tells the mean of all generation from the plant that answers the next
// kilowatt-hour.
type Measure uint8

// The measures.
const (
	Average Measure = iota
	Marginal
)

// Scope tells emissions of generation alone from those of the whole life cycle.
type Scope uint8

// The scopes.
const (
	Direct Scope = iota
	LifeCycle
)

// Basis tells what the place's grid emitted from what contracts and
// certificates assign. A location figure knows nothing of certificates.
type Basis uint8

// The bases.
const (
	Location Basis = iota
	Market
)

// String renders the nature, such as "average direct location".
func (n Nature) String() string {
	return [...]string{"average", "marginal"}[n.Measure] + " " + [...]string{"direct", "life-cycle"}[n.Scope] + " " + [...]string{"location", "market"}[n.Basis]
}

// Series is a signal in steps of equal length, such as a carbon intensity in kg
// per kWh or a price in yuan per kWh. A NaN value is "no data".
type Series struct {
	Name   string
	Start  unit.Instant
	Step   time.Duration
	Values []float64
	Offset time.Duration // from UTC, of the clock that the first row is told by
}

// End returns the instant after the last step.
func (s *Series) End() unit.Instant {
	return s.Start + unit.Instant(s.Step)*unit.Instant(len(s.Values))
}

// index returns the step t lies in; it may be outside the series.
func (s *Series) index(t unit.Instant) int {
	d := t - s.Start
	if d < 0 {
		return -1
	}
	return int(d / unit.Instant(s.Step))
}

// At returns the value of the step t lies in, and false for no data.
func (s *Series) At(t unit.Instant) (float64, bool) {
	i := s.index(t)
	if i < 0 || i >= len(s.Values) || math.IsNaN(s.Values[i]) {
		return 0, false
	}
	return s.Values[i], true
}

// Mean returns the time-weighted mean from one instant to another, and false
// where any part of that time has no data.
func (s *Series) Mean(from, to unit.Instant) (float64, bool) {
	if to <= from || from < s.Start || to > s.End() {
		return 0, false
	}
	sum := 0.0
	for at := from; at < to; {
		next := min(s.Start+unit.Instant(s.index(at)+1)*unit.Instant(s.Step), to)
		v, ok := s.At(at)
		if !ok {
			return 0, false
		}
		sum += v * float64(next-at)
		at = next
	}
	return sum / float64(to-from), true
}

// Latest returns the last value known at t, and the end of its step or t,
// whichever comes first: the instant up to which the value was valid.
func (s *Series) Latest(t unit.Instant) (v float64, until unit.Instant, ok bool) {
	for i := min(s.index(t), len(s.Values)-1); i >= 0; i-- {
		if !math.IsNaN(s.Values[i]) {
			return s.Values[i], min(t, s.Start+unit.Instant(i+1)*unit.Instant(s.Step)), true
		}
	}
	return 0, 0, false
}

// Trust ranks sources of a signal; lower is more trusted.
type Trust uint8

// The order of trust.
const (
	OperatorMeter Trust = iota // the operator's own meter or contract
	OfficialTable              // factors with a year and an issuer
	CSVSeries                  // a file the operator chose
	Provider                   // an estimate fetched over the network
)

// String returns the rank's name.
func (t Trust) String() string {
	return [...]string{"operator meter", "factor table", "csv series", "provider"}[t]
}

// Source is one origin of a carbon signal: a series, or a factor table for the
// regions a site lies in, from near to far.
type Source struct {
	Name    string
	Trust   Trust
	Nature  Nature
	Series  *Series
	Factors *FactorTable
	Regions []string
	Kind    FactorKind
	// MaxAge is how long the last value of a series may stand in for a missing
	// one. A factor table has no age limit: its year is part of the reading.
	MaxAge time.Duration
}

// Reading is a carbon intensity with where it comes from, or the fact that
// there is none: check Known first.
type Reading struct {
	Known  bool
	Value  unit.KgPerKWh
	Nature Nature
	Source string
	Trust  Trust
	Age    time.Duration // of a value that stands in for a missing one; 0 is fresh
	Step   time.Duration // how long such a value holds; 0 is a factor of a year
	// Passed says why each more trusted source was passed over.
	Passed []string
}

// String renders value, source and age, or "no data" with the reasons.
func (r Reading) String() string {
	if !r.Known {
		return fmt.Sprintf("no data %v", r.Passed)
	}
	s := fmt.Sprintf("%v %s from %s (%s)", r.Value, r.Nature, r.Source, r.Trust)
	if r.Age > 0 {
		s += fmt.Sprintf(", %v old", r.Age)
	}
	return s
}

// Feed reads a carbon signal from sources in order of trust.
type Feed struct {
	nature  Nature
	sources []Source
}

// NewFeed checks that all sources are of one nature and in order of trust, and
// joins them.
func NewFeed(sources ...Source) (*Feed, error) {
	if len(sources) == 0 {
		return nil, fault.New(fault.Invalid, "carbon signal", "no source", "name a factor table, a series or a provider")
	}
	f := &Feed{nature: sources[0].Nature, sources: sources}
	for i, s := range sources {
		if s.Nature != f.nature {
			return nil, fault.New(fault.Invalid, s.Name, fmt.Sprintf("%s, but %s is %s", s.Nature, sources[0].Name, f.nature), "keep one feed for each nature; they are different quantities")
		}
		if i > 0 && s.Trust < sources[i-1].Trust {
			return nil, fault.New(fault.Invalid, s.Name, fmt.Sprintf("the %s comes after the %s", s.Trust, sources[i-1].Trust), "list sources in order of trust")
		}
		if (s.Series == nil) == (s.Factors == nil) {
			return nil, fault.Invalidf(s.Name, "a source has either a series or a factor table")
		}
		if s.Series != nil && (s.Series.Step <= 0 || s.MaxAge < 0) {
			return nil, fault.Invalidf(s.Name, "step %v, age limit %v", s.Series.Step, s.MaxAge)
		}
	}
	return f, nil
}

// At returns the reading at t. The most trusted source that has a value at t
// wins; where none has, the most trusted whose last value is no older than its
// MaxAge; where none has that either, the reading is "no data". Nothing after t
// is looked at.
//
// AtMost, if above 0, asks for values that hold no longer than that: planners
// need the shape of the day, which a factor of a year does not have, while the
// ledger takes the first source that answers.
func (f *Feed) At(t unit.Instant, atMost time.Duration) Reading {
	r := Reading{Nature: f.nature}
	stale := r
	for _, s := range f.sources {
		v, why := s.at(t, atMost)
		if v.Known && v.Age == 0 {
			v.Passed = r.Passed
			return v
		}
		if v.Known && !stale.Known {
			stale = v
			stale.Passed = append([]string(nil), r.Passed...)
			why = fmt.Sprintf("%s: last value is %v old", s.Name, v.Age)
		} else if v.Known {
			why = fmt.Sprintf("%s: last value is %v old, and less trusted", s.Name, v.Age)
		}
		r.Passed = append(r.Passed, why)
	}
	if stale.Known {
		return stale
	}
	return r
}

// at reads one source; where it has nothing, the reason says why.
func (s *Source) at(t unit.Instant, atMost time.Duration) (Reading, string) {
	r := Reading{Nature: s.Nature, Source: s.Name, Trust: s.Trust}
	if s.Factors != nil {
		if atMost > 0 {
			return r, fmt.Sprintf("%s: a factor of a year has no shape within %v", s.Name, atMost)
		}
		year := time.Unix(0, int64(t)).UTC().Year()
		factor, ok := s.Factors.For(s.Regions, year, s.Kind)
		if !ok {
			return r, fmt.Sprintf("%s: no factor for %v in %d or before", s.Name, s.Regions, year)
		}
		r.Known, r.Value = true, factor.Value
		r.Source = fmt.Sprintf("%s: %s %d, %s", s.Name, factor.Region, factor.Year, factor.Issuer)
		return r, ""
	}
	r.Step = s.Series.Step
	if atMost > 0 && r.Step > atMost {
		return r, fmt.Sprintf("%s: steps of %v are longer than %v", s.Name, r.Step, atMost)
	}
	v, until, ok := s.Series.Latest(t)
	if !ok {
		return r, s.Name + ": no value yet"
	}
	if _, fresh := s.Series.At(t); !fresh {
		r.Age = max(t.Sub(until), 1)
	}
	if r.Age > s.MaxAge {
		return r, fmt.Sprintf("%s: last value is %v old, more than %v", s.Name, r.Age, s.MaxAge)
	}
	r.Known, r.Value = true, unit.KgPerKWh(v)
	return r, ""
}
