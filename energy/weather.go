package energy

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"time"

	"tianfu/fault"
	"tianfu/unit"
)

// Weather is the outdoor air of one place, hour by hour, for at most one year.
// Files are read by ParseEPW and ParseWeatherCSV; neither touches a disk.
type Weather struct {
	Place  string  // as the file names it
	Metres float64 // above the sea
	// Offset is the place's standard time less UTC. Rows are local standard
	// time all year round: there is no summer time in a weather file.
	Offset time.Duration
	Hours  []WeatherHour // consecutive
	// Notices say which values were missing or out of range and what was put
	// in their place.
	Notices []string
}

// WeatherHour is the air of one hour. Hour 1 is the first of the day and covers
// what is after 00:00 up to 01:00.
type WeatherHour struct {
	Month, Day, Hour int     // 1..12, 1..31, 1..24
	DryBulbC         float64 // degrees Celsius
	Relative         float64 // humidity, 0..1
	PressurePa       float64
}

// Bounds of one hour. Air thinner than MinPressurePa lies above 7,000 m.
const (
	MinDryBulbC   = -70
	MaxDryBulbC   = 70
	MinPressurePa = 40_000
	MaxPressurePa = 120_000
)

// MaxWeatherBytes bounds a weather file; an EPW year has 1.6 MB.
const MaxWeatherBytes = 16 << 20

// maxWeatherHours is a leap year.
const maxWeatherHours = 8784

// daysBefore counts the days of a common year before each month.
func daysBefore(month int) int {
	return time.Date(2001, time.Month(month), 1, 0, 0, 0, 0, time.UTC).YearDay() - 1
}

// daysIn is the longest a month can be.
func daysIn(month int) int {
	return time.Date(2000, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// ordinal numbers the hours of a common year from 0; those of 29 February
// number as the 28th's.
func ordinal(month, day, hour int) int {
	if month == 2 && day == 29 {
		day = 28
	}
	return (daysBefore(month)+day-1)*24 + hour - 1
}

// At returns the row of the hour in which an interval that begins at t lies, or
// false where the file has no such hour. The year does not matter; 29 February
// takes the weather of the 28th unless the file has a 29th of its own.
func (w *Weather) At(t unit.Instant) (int, bool) {
	local := time.Unix(0, int64(t)).UTC().Add(w.Offset)
	month, day, hour := int(local.Month()), local.Day(), local.Hour()+1
	if month == 2 && day == 29 {
		if i, ok := w.find(2, 29, hour); ok {
			return i, true
		}
		day = 28
	}
	return w.find(month, day, hour)
}

func (w *Weather) find(month, day, hour int) (int, bool) {
	if len(w.Hours) == 0 {
		return 0, false
	}
	// Rows are consecutive, so the distance from the first row is the index, a
	// day more or less for a 29 February in between.
	first := &w.Hours[0]
	i := ordinal(month, day, hour) - ordinal(first.Month, first.Day, first.Hour)
	for _, at := range [...]int{i, i + 24, i + 8760, i + 8784} {
		if at >= 0 && at < len(w.Hours) {
			h := &w.Hours[at]
			if h.Month == month && h.Day == day && h.Hour == hour {
				return at, true
			}
		}
	}
	return 0, false
}

// add appends an hour after checking that it follows the last one.
func (w *Weather) add(where string, h WeatherHour) error {
	if h.Month < 1 || h.Month > 12 || h.Day < 1 || h.Day > daysIn(h.Month) || h.Hour < 1 || h.Hour > 24 {
		return fault.New(fault.Invalid, where, fmt.Sprintf("month %d, day %d, hour %d is no hour of a year", h.Month, h.Day, h.Hour), "hours count from 1 to 24")
	}
	if len(w.Hours) == maxWeatherHours {
		return fault.New(fault.Invalid, where, fmt.Sprintf("more than %d hours", maxWeatherHours), "give one year a file")
	}
	if n := len(w.Hours); n > 0 {
		last := &w.Hours[n-1]
		if !follows(last, &h) {
			what := "a gap"
			if last.Month == h.Month && last.Day == h.Day && last.Hour == h.Hour {
				what = "a repeated hour"
			}
			return fault.New(fault.Invalid, where, fmt.Sprintf("%s: %s comes after %s", what, h.name(), last.name()), "rows must be consecutive hours")
		}
	}
	w.Hours = append(w.Hours, h)
	return nil
}

func (h *WeatherHour) name() string {
	return fmt.Sprintf("month %d day %d hour %d", h.Month, h.Day, h.Hour)
}

// follows reports whether b is the hour after a, with or without a 29
// February between them.
func follows(a, b *WeatherHour) bool {
	if a.Hour < 24 {
		return b.Month == a.Month && b.Day == a.Day && b.Hour == a.Hour+1
	}
	if b.Hour != 1 {
		return false
	}
	if a.Month == 2 && a.Day == 28 && b.Month == 2 && b.Day == 29 {
		return true
	}
	next := time.Date(2001, time.Month(a.Month), a.Day+1, 0, 0, 0, 0, time.UTC)
	if a.Month == 2 && a.Day == 29 {
		next = time.Date(2001, 3, 1, 0, 0, 0, 0, time.UTC)
	}
	return b.Month == int(next.Month()) && b.Day == next.Day()
}

// repairs counts what had to be put in place of a bad value, to say it once.
type repairs map[string]int

func (r repairs) notices() []string {
	var out []string
	for what, n := range r {
		out = append(out, unit.Count(n, "hour")+": "+what)
	}
	slices.Sort(out)
	return out
}

// reading is one row before missing values are filled; NaN is missing.
type reading struct {
	month, day, hour                int
	dryBulbC, dewPointC, relativePC float64
	pressurePa                      float64
}

// hour turns a reading into an hour: a missing humidity comes from the dew
// point, a missing pressure from the height, a humidity over 100 % is 100 %. A
// missing or impossible temperature is an error, since nothing can stand in for it.
func (w *Weather) hour(where string, r reading, fix repairs) (WeatherHour, error) {
	h := WeatherHour{Month: r.month, Day: r.day, Hour: r.hour, DryBulbC: r.dryBulbC, PressurePa: r.pressurePa}
	if math.IsNaN(r.dryBulbC) {
		return h, fault.New(fault.Invalid, where, "the dry-bulb temperature is missing", "fill the gap in the weather file")
	}
	if r.dryBulbC < MinDryBulbC || r.dryBulbC > MaxDryBulbC {
		return h, fault.Invalidf(where, "dry bulb %g C is outside %d to %d", r.dryBulbC, MinDryBulbC, MaxDryBulbC)
	}
	switch {
	case !math.IsNaN(r.relativePC):
		if r.relativePC < 0 || r.relativePC > 110 {
			return h, fault.Invalidf(where, "relative humidity %g %% is outside 0 to 110", r.relativePC)
		}
		if r.relativePC > 100 {
			fix["relative humidity over 100 % taken as 100 %"]++
		}
		h.Relative = min(r.relativePC/100, 1)
	case !math.IsNaN(r.dewPointC):
		if r.dewPointC < lowestCelsius || r.dewPointC > MaxDryBulbC {
			return h, fault.Invalidf(where, "dew point %g C is outside %d to %d", r.dewPointC, lowestCelsius, MaxDryBulbC)
		}
		fix["relative humidity missing, computed from the dew point"]++
		h.Relative = RelativeHumidity(r.dryBulbC, r.dewPointC)
	default:
		return h, fault.New(fault.Invalid, where, "neither relative humidity nor dew point is given", "fill the gap in the weather file")
	}
	if math.IsNaN(r.pressurePa) {
		fix[fmt.Sprintf("pressure missing, standard atmosphere at %g m", w.Metres)]++
		h.PressurePa = StandardPressure(w.Metres)
	}
	if h.PressurePa < MinPressurePa || h.PressurePa > MaxPressurePa {
		return h, fault.New(fault.Invalid, where, fmt.Sprintf("pressure %g Pa is outside %d to %d", h.PressurePa, MinPressurePa, MaxPressurePa), "the unit is pascal")
	}
	return h, nil
}

// ParseWeather reads an EPW file, or a CSV where the text does not begin with
// EPW's word LOCATION. Name is what errors call the file.
func ParseWeather(name string, text []byte) (*Weather, error) {
	if len(text) > MaxWeatherBytes {
		return nil, fault.Invalidf(name, "larger than %d bytes", MaxWeatherBytes)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if bytes.HasPrefix(text, []byte("LOCATION")) {
		return ParseEPW(name, text)
	}
	return ParseWeatherCSV(name, text)
}
