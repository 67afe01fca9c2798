package energy

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"tianfu/fault"
)

// ParseWeatherCSV reads weather from a CSV whose first line names its columns:
// month, day, hour (1 to 24) in local standard time, or time (RFC 3339, the
// beginning of the hour, with its offset); dry_bulb_c; rh_pct or dew_point_c;
// and, unless the standard atmosphere at sea level will do, pressure_pa. An
// empty cell is a missing value. Other columns are passed over, since station
// exports carry many. An error names file and line.
func ParseWeatherCSV(name string, text []byte) (*Weather, error) {
	r := csv.NewReader(bytes.NewReader(text))
	r.ReuseRecord = true
	header, err := r.Read()
	if err != nil {
		return nil, csvFault(name, err, "month,day,hour,dry_bulb_c,rh_pct,pressure_pa")
	}
	c, err := weatherColumns(name+":1", header)
	if err != nil {
		return nil, err
	}
	w := &Weather{Place: name}
	fix := repairs{}
	err = eachRow(name, r, MaxWeatherBytes, func(line int, row []string) error { // add has the bound
		where := lineOf(name, line)
		in, err := c.read(where, row, w)
		if err != nil {
			return err
		}
		h, err := w.hour(where, in, fix)
		if err != nil {
			return err
		}
		return w.add(where, h)
	})
	if err != nil {
		return nil, err
	}
	if len(w.Hours) == 0 {
		return nil, fault.New(fault.Invalid, name, "no hour of weather below the heading", "add a row an hour")
	}
	w.Notices = fix.notices()
	return w, nil
}

// weatherIndex says where in a row a value stands; -1 is nowhere.
type weatherIndex struct {
	time, month, day, hour                int
	dryBulb, humidity, dewPoint, pressure int
}

func weatherColumns(where string, header []string) (weatherIndex, error) {
	c := weatherIndex{-1, -1, -1, -1, -1, -1, -1, -1}
	names := map[string]*int{"time": &c.time, "month": &c.month, "day": &c.day, "hour": &c.hour,
		"dry_bulb_c": &c.dryBulb, "rh_pct": &c.humidity, "dew_point_c": &c.dewPoint, "pressure_pa": &c.pressure}
	for i, h := range header {
		h = strings.TrimSpace(strings.TrimPrefix(h, "\ufeff"))
		to, known := names[h]
		if !known {
			continue
		}
		if *to >= 0 {
			return c, fault.Invalidf(where, "column %s is given twice", h)
		}
		*to = i
	}
	const need = "weather needs month, day, hour (or time), dry_bulb_c, and rh_pct or dew_point_c; the unit ends the name"
	switch {
	case c.time < 0 && (c.month < 0 || c.day < 0 || c.hour < 0):
		return c, fault.New(fault.Invalid, where, "no columns month, day and hour, and no column time", need)
	case c.dryBulb < 0:
		return c, fault.New(fault.Invalid, where, "no column dry_bulb_c", need)
	case c.humidity < 0 && c.dewPoint < 0:
		return c, fault.New(fault.Invalid, where, "no column rh_pct and none dew_point_c", need)
	}
	return c, nil
}

// read takes one row apart. Rows with a time set the offset of w; all must agree.
func (c *weatherIndex) read(where string, row []string, w *Weather) (reading, error) {
	var r reading
	if c.month >= 0 && c.day >= 0 && c.hour >= 0 {
		for i, to := range [...]*int{&r.month, &r.day, &r.hour} {
			cell := row[[...]int{c.month, c.day, c.hour}[i]]
			n, err := strconv.Atoi(strings.TrimSpace(cell))
			if err != nil {
				return r, fault.Invalidf(where, "%q is not a whole number", cell)
			}
			*to = n
		}
	} else if err := c.readTime(where, row[c.time], &r, w); err != nil {
		return r, err
	}
	columns := [...]struct {
		to   *float64
		at   int
		what string
	}{
		{&r.dryBulbC, c.dryBulb, "dry_bulb_c"}, {&r.relativePC, c.humidity, "rh_pct"},
		{&r.dewPointC, c.dewPoint, "dew_point_c"}, {&r.pressurePa, c.pressure, "pressure_pa"},
	}
	for _, col := range columns {
		*col.to = math.NaN()
		if col.at < 0 || strings.TrimSpace(row[col.at]) == "" {
			continue
		}
		v, err := bounded(where, col.what, row[col.at], -1e6, 1e7)
		if err != nil {
			return r, err
		}
		*col.to = v
	}
	return r, nil
}

func (c *weatherIndex) readTime(where, s string, r *reading, w *Weather) error {
	t, err := time.Parse(time.RFC3339, strings.TrimSpace(s))
	if err != nil {
		return fault.New(fault.Invalid, where, fmt.Sprintf("time %q", s), "write it as 2026-07-01T00:00:00+08:00")
	}
	if t.Minute() != 0 || t.Second() != 0 || t.Nanosecond() != 0 {
		return fault.Invalidf(where, "time %q is not the beginning of an hour", s)
	}
	_, seconds := t.Zone()
	offset := time.Duration(seconds) * time.Second
	if len(w.Hours) == 0 {
		w.Offset = offset
	} else if offset != w.Offset {
		return fault.New(fault.Invalid, where, fmt.Sprintf("time %q has another offset than the rows before", s), "weather is in standard time all year round")
	}
	r.month, r.day, r.hour = int(t.Month()), t.Day(), t.Hour()+1
	return nil
}
