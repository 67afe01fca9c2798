package energy

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"tianfu/fault"
	"tianfu/unit"
)

// Quantity is what a series file carries.
type Quantity uint8

// The quantities. A series holds carbon in kg per kWh, price in yuan per kWh and power
// in kW.
const (
	CarbonIntensity Quantity = iota
	EnergyPrice
	Power
)

// scales returns the units that a column name may end with, and what a value
// is multiplied with to become the series' unit.
func (q Quantity) scales() map[string]float64 {
	switch q {
	case EnergyPrice:
		return map[string]float64{"yuan_per_kwh": 1, "yuan_per_mwh": 1e-3}
	case Power:
		return map[string]float64{"w": 1e-3, "kw": 1, "mw": 1e3}
	}
	return map[string]float64{"g_per_kwh": 1e-3, "kg_per_kwh": 1, "kg_per_mwh": 1e-3, "t_per_mwh": 1}
}

// limits returns the largest value that can be true and the largest of a whole
// series that hints at a unit too large, in the series' unit.
func (q Quantity) limits() (value, suspicious float64) {
	switch q {
	case EnergyPrice:
		return 100, 0
	case Power:
		return 1e6, 0
	}
	return maxKgPerKWh, 0.002
}

// SeriesOptions say how to read a series file.
type SeriesOptions struct {
	Quantity Quantity
	// Column names the value column; empty takes the only one whose name ends
	// with a unit of the quantity.
	Column string
	// Unit overrides the unit that the column's name ends with; with Positional it
	// is the unit of a column whose name tells none.
	Unit string
	// Gaps accepts missing steps and empty cells as "no data"; otherwise each
	// is an error.
	Gaps bool
	// Positional takes the first column for the time where none has a time's name,
	// and without Column the first other one for the value.
	Positional bool
}

// Bounds of a series file.
const (
	MaxSeriesBytes = 128 << 20
	MaxSeriesSteps = 2_000_000
)

// ParseSeries reads a series from a CSV with a time column (time, datetime,
// timestamp, datetime_utc or time_naive) and a value column whose name ends
// with its unit, such as ci_direct_g_per_kwh. Times without an offset are UTC.
//
// Rules: the step is the smallest distance between rows, and every distance is
// a multiple of it; a missing step or an empty cell is an error unless
// options.Gaps makes it "no data"; a repeated time, a row out of order, a
// negative value, a unit that is not known, and values that no such unit can
// have are errors. Errors name file and line.
func ParseSeries(name string, text []byte, options SeriesOptions) (*Series, error) {
	if len(text) > MaxSeriesBytes {
		return nil, fault.Invalidf(name, "larger than %d bytes", MaxSeriesBytes)
	}
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	r.ReuseRecord = true
	header, err := r.Read()
	if err != nil {
		return nil, csvFault(name, err, "datetime_utc and a value column")
	}
	c, err := options.columns(name+":1", header)
	if err != nil {
		return nil, err
	}
	var rows []seriesRow
	most := 0.0
	err = eachRow(name, r, MaxSeriesSteps, func(line int, row []string) error {
		v, err := c.read(lineOf(name, line), row)
		v.line = line
		rows = append(rows, v)
		if v.value > most {
			most = v.value
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(rows) < 2 {
		return nil, fault.New(fault.Invalid, name, fmt.Sprintf("%d rows", len(rows)), "a series needs at least two, to know its step")
	}
	if _, suspicious := options.Quantity.limits(); c.named && most > 0 && most <= suspicious {
		return nil, fault.New(fault.Invalid, name, fmt.Sprintf("no value is above %g kg/kWh", most), "the column's unit is probably larger than its name says; give the unit if it is right")
	}
	return options.steps(name, rows)
}

type seriesRow struct {
	line   int
	at     unit.Instant
	offset time.Duration
	value  float64 // NaN is no data
}

// seriesColumns says where the two columns are.
type seriesColumns struct {
	time, value int
	name        string
	scale, most float64
	gaps        bool
	named       bool // the scale is of the name's unit
}

func (o *SeriesOptions) columns(where string, header []string) (seriesColumns, error) {
	c := seriesColumns{time: -1, value: -1, gaps: o.Gaps}
	c.most, _ = o.Quantity.limits()
	scales := o.Quantity.scales()
	names := make([]string, len(header))
	for i, h := range header {
		names[i] = strings.TrimSpace(h)
	}
	if c.time = slices.IndexFunc(names, func(h string) bool { return slices.Contains(timeNames, h) }); c.time < 0 && o.Positional {
		c.time = 0
	}
	for i, h := range names {
		scale, meant := unitOf(h, scales)
		switch {
		case o.Column != "":
			meant = h == o.Column
		case o.Positional:
			meant = c.value < 0
		}
		if meant && i != c.time {
			if c.value >= 0 {
				return c, fault.New(fault.Invalid, where, fmt.Sprintf("columns %s and %s could both be meant", c.name, h), "choose one by its name")
			}
			c.value, c.name, c.scale, c.named = i, h, scale, scale > 0
		}
	}
	if o.Unit != "" && !(o.Positional && (c.named || strings.Contains(c.name, "_per_"))) {
		c.scale, c.named = scales[o.Unit], false
	}
	switch {
	case c.time < 0:
		return c, fault.New(fault.Invalid, where, "no time column", "call it time, datetime, timestamp, datetime_utc or time_naive")
	case c.value < 0 && o.Column != "":
		return c, fault.New(fault.Invalid, where, fmt.Sprintf("no column %q", o.Column), "columns are "+strings.Join(header, ", "))
	case c.value < 0:
		return c, fault.New(fault.Invalid, where, "no column name ends with a known unit", "units are "+unitNames(scales))
	case c.scale == 0:
		return c, fault.New(fault.Invalid, where, fmt.Sprintf("the unit of column %q is not known", c.name), "end the name with its unit or give one of "+unitNames(scales))
	}
	return c, nil
}

// timeNames are what the column of times may be called.
var timeNames = []string{"time", "datetime", "timestamp", "datetime_utc", "time_naive"}

// unitOf finds the unit that a column name ends with. CO2, CO2e and CO2eq
// between mass and "per" say nothing more.
func unitOf(column string, scales map[string]float64) (float64, bool) {
	column = strings.ToLower(column)
	for _, gas := range [...]string{"co2eq", "co2e", "co2"} {
		column = strings.Replace(column, gas+"_per_", "_per_", 1)
	}
	best := ""
	for u := range scales {
		if (column == u || strings.HasSuffix(column, "_"+u)) && len(u) > len(best) {
			best = u
		}
	}
	return scales[best], best != ""
}

func unitNames(scales map[string]float64) string {
	if _, price := scales["yuan_per_kwh"]; price {
		return "yuan_per_kwh, yuan_per_mwh"
	}
	if _, power := scales["kw"]; power {
		return "w, kw, mw"
	}
	return "g_per_kwh, kg_per_kwh, kg_per_mwh, t_per_mwh"
}

func (c *seriesColumns) read(where string, row []string) (seriesRow, error) {
	var out seriesRow
	s := strings.TrimSpace(row[c.time])
	at, err := time.Parse(time.RFC3339, s)
	for _, layout := range [...]string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02 15:04",
		"2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05Z0700", "2006-01-02 15:04Z07:00"} {
		if err == nil {
			break
		}
		at, err = time.Parse(layout, s)
	}
	if err != nil || at.Year() < 1970 || at.Year() > 2100 {
		return out, fault.New(fault.Invalid, where, fmt.Sprintf("time %q", s), "write it as 2026-07-01T00:00:00Z")
	}
	_, ahead := at.Zone()
	out.at, out.offset = unit.Instant(at.UnixNano()), time.Duration(ahead)*time.Second
	if strings.TrimSpace(row[c.value]) == "" {
		if !c.gaps {
			return out, fault.New(fault.Invalid, where, c.name+" is empty", "fill it, or accept gaps as no data")
		}
		out.value = math.NaN()
		return out, nil
	}
	v, err := bounded(where, c.name, row[c.value], -math.MaxFloat64, math.MaxFloat64)
	if err != nil {
		return out, err
	}
	out.value = v * c.scale
	if v < 0 {
		return out, fault.Invalidf(where, "%s is negative: %s", c.name, row[c.value])
	}
	if out.value > c.most {
		return out, fault.New(fault.Invalid, where, fmt.Sprintf("%s %s is more than anything in that unit can be", c.name, row[c.value]), "the unit is wrong: it is the end of the column's name")
	}
	return out, nil
}

// steps lays rows out in steps of equal length.
func (o *SeriesOptions) steps(name string, rows []seriesRow) (*Series, error) {
	step := time.Duration(math.MaxInt64)
	for i := 1; i < len(rows); i++ {
		d := rows[i].at.Sub(rows[i-1].at)
		where := lineOf(name, rows[i].line)
		if d == 0 {
			return nil, fault.New(fault.Invalid, where, "the time of the row before is repeated", "keep one of the two")
		}
		if d < 0 {
			return nil, fault.New(fault.Invalid, where, "earlier than the row before", "sort by time and remove repeated rows")
		}
		step = min(step, d)
	}
	s := &Series{Name: name, Start: rows[0].at, Step: step, Offset: rows[0].offset}
	for i, row := range rows {
		where := lineOf(name, row.line)
		at := s.End()
		if (row.at-at)%unit.Instant(step) != 0 {
			return nil, fault.New(fault.Invalid, where, fmt.Sprintf("not a multiple of the step of %v after the first row", step), "all rows need the same distance")
		}
		missing := int((row.at - at) / unit.Instant(step))
		if missing > 0 && !o.Gaps {
			return nil, fault.New(fault.Invalid, where, fmt.Sprintf("a gap of %d steps of %v before %s", missing, step, row.at), "fill it, or accept gaps as no data")
		}
		if missing+i >= MaxSeriesSteps || len(s.Values)+missing >= MaxSeriesSteps {
			return nil, fault.Invalidf(where, "more than %d steps", MaxSeriesSteps)
		}
		for range missing {
			s.Values = append(s.Values, math.NaN())
		}
		s.Values = append(s.Values, row.value)
	}
	return s, nil
}
