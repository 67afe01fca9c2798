package fleet

import (
	"time"

	"tianfu/unit"
)

// Zone is the clock of a place as integers, so that the core needs no zone data:
// how far it is ahead of UTC, and from when on.
type Zone struct {
	Name   string
	Shifts []ZoneShift // in order; the first holds for all time before it too
}

// ZoneShift is a change of a clock.
type ZoneShift struct {
	At    unit.Instant
	Ahead int32 // seconds
}

// Years that a zone is written out for. Before and after them its clock stays as
// it is at the ends.
const (
	firstZoneYear = 1970
	lastZoneYear  = 2100
)

// ZoneOf writes a location out.
func ZoneOf(name string, l *time.Location) Zone {
	z := Zone{Name: name}
	last := time.Date(lastZoneYear, 1, 1, 0, 0, 0, 0, time.UTC)
	for t := time.Date(firstZoneYear, 1, 1, 0, 0, 0, 0, time.UTC); t.Before(last); {
		_, ahead := t.In(l).Zone()
		if k := len(z.Shifts); k == 0 || z.Shifts[k-1].Ahead != int32(ahead) {
			z.Shifts = append(z.Shifts, ZoneShift{unit.Instant(t.UnixNano()), int32(ahead)})
		}
		_, end := t.In(l).ZoneBounds()
		if end.IsZero() {
			break
		}
		if !end.After(t) { // the library does not go on at the turn of some years
			end = t.Add(time.Hour)
		}
		t = end
	}
	return z
}

const (
	second = unit.Instant(time.Second)
	day    = 24 * 3600 * second
)

// ahead returns how far the clock is ahead of UTC.
func (z *Zone) ahead(t unit.Instant) unit.Instant {
	if len(z.Shifts) == 0 {
		return 0
	}
	k := len(z.Shifts) - 1
	for k > 0 && z.Shifts[k].At > t {
		k--
	}
	return unit.Instant(z.Shifts[k].Ahead) * second
}

// DayOf returns the calendar day that an instant lies in: from the first instant
// of its date to the first of the next. Where the clock changes it has 23 or 25
// hours, or another number.
func (z *Zone) DayOf(t unit.Instant) (from, to unit.Instant) {
	local := t + z.ahead(t)
	date := local / day
	if local < 0 && local%day != 0 {
		date--
	}
	for z.begins(date+1) <= t {
		date++
	}
	for z.begins(date) > t { // the clock was set back over midnight
		date--
	}
	return z.begins(date), z.begins(date + 1)
}

// begins returns the first instant of a date, counted in days since 1970.
func (z *Zone) begins(date unit.Instant) unit.Instant {
	if len(z.Shifts) == 0 {
		return date * day
	}
	for k := range z.Shifts {
		at := date*day - unit.Instant(z.Shifts[k].Ahead)*second
		if k > 0 {
			at = max(at, z.Shifts[k].At) // midnight may be left out
		}
		if k+1 == len(z.Shifts) || at < z.Shifts[k+1].At {
			return at
		}
	}
	return date * day
}
