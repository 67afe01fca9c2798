package energy

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"tianfu/fault"
)

// EPW is EnergyPlus's weather format: eight lines of heading, then a row for
// every hour. Columns, from 1: 2 month, 3 day, 4 hour, 7 dry bulb, 8 dew point,
// 9 relative humidity, 10 pressure. Values at or above the ones below mean
// "missing" (Auxiliary Programs, EPW data dictionary).
const (
	epwHeading         = 8
	epwMissingCelsius  = 99.9
	epwMissingHumidity = 999
	epwMissingPressure = 999_999
)

// ParseEPW reads an EPW year of hourly rows. The row's own pressure is used. An
// error names file and line.
func ParseEPW(name string, text []byte) (*Weather, error) {
	w := &Weather{}
	fix := repairs{}
	sc := bufio.NewScanner(bytes.NewReader(text))
	sc.Buffer(nil, 1<<20)
	line := 0
	for sc.Scan() {
		line++
		row := strings.TrimSpace(sc.Text())
		where := fmt.Sprintf("%s:%d", name, line)
		switch {
		case line == 1:
			if err := w.location(where, row); err != nil {
				return nil, err
			}
		case line <= epwHeading:
			if err := epwPeriods(where, row); err != nil {
				return nil, err
			}
		case row == "":
		default:
			r, err := epwRow(where, row)
			if err != nil {
				return nil, err
			}
			h, err := w.hour(where, r, fix)
			if err != nil {
				return nil, err
			}
			if err := w.add(where, h); err != nil {
				return nil, err
			}
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fault.Invalidf(fmt.Sprintf("%s:%d", name, line+1), "%v", err)
	}
	if len(w.Hours) == 0 {
		return nil, fault.New(fault.Invalid, name, fmt.Sprintf("no hour of weather in %d lines", line), "an EPW file has eight heading lines and then a row an hour")
	}
	w.Notices = fix.notices()
	return w, nil
}

// location reads "LOCATION,city,region,country,source,station,latitude,
// longitude,hours from UTC,metres".
func (w *Weather) location(where, row string) error {
	f := strings.Split(row, ",")
	if len(f) < 10 || f[0] != "LOCATION" {
		return fault.New(fault.Invalid, where, "not the first line of an EPW file", "it reads LOCATION,city,region,country,source,station,latitude,longitude,hours,metres")
	}
	hours, err := bounded(where, "hours from UTC", f[8], -12, 14)
	if err != nil {
		return err
	}
	if w.Metres, err = bounded(where, "height in metres", f[9], -1000, 7000); err != nil {
		return err
	}
	w.Offset = time.Duration(math.Round(hours*60)) * time.Minute
	w.Place = strings.TrimSpace(f[1]) + ", " + strings.TrimSpace(f[3])
	return nil
}

// epwPeriods refuses files with more than one row an hour; other heading lines
// say nothing that is needed.
func epwPeriods(where, row string) error {
	f := strings.Split(row, ",")
	if f[0] != "DATA PERIODS" || len(f) < 3 {
		return nil
	}
	if n := strings.TrimSpace(f[2]); n != "1" {
		return fault.New(fault.Invalid, where, fmt.Sprintf("%q rows an hour", n), "only hourly EPW files are read")
	}
	return nil
}

func epwRow(where, row string) (reading, error) {
	var r reading
	f := strings.SplitN(row, ",", 12)
	if len(f) < 10 {
		return r, fault.Invalidf(where, "%d columns, an EPW row has at least 10", len(f))
	}
	for i, to := range [...]*int{&r.month, &r.day, &r.hour} {
		n, err := strconv.Atoi(strings.TrimSpace(f[1+i]))
		if err != nil {
			return r, fault.Invalidf(where, "column %d: %q is not a whole number", i+2, f[1+i])
		}
		*to = n
	}
	columns := [...]struct {
		to      *float64
		what    string
		missing float64
	}{
		{&r.dryBulbC, "dry bulb", epwMissingCelsius},
		{&r.dewPointC, "dew point", epwMissingCelsius},
		{&r.relativePC, "relative humidity", epwMissingHumidity},
		{&r.pressurePa, "pressure", epwMissingPressure},
	}
	for i, c := range columns {
		v, err := bounded(where, c.what, f[6+i], -1e6, 1e7)
		if err != nil {
			return r, err
		}
		if v >= c.missing {
			v = math.NaN()
		}
		*c.to = v
	}
	return r, nil
}
