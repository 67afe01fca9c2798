package fleet_test

import (
	"testing"
	"time"

	"tianfu/fleet"
	"tianfu/unit"
)

// TestDaysOfTheCalendar: a day begins with the first instant of its date by the
// clock of the zone and ends with the next one's, through every change of clock.
func TestDaysOfTheCalendar(t *testing.T) {
	for _, x := range []struct {
		zone, at, from string
		hours          float64
	}{
		{"Asia/Shanghai", "2026-07-01T15:59:59Z", "2026-06-30T16:00:00Z", 24},
		{"Asia/Shanghai", "2026-07-01T16:00:00Z", "2026-07-01T16:00:00Z", 24},
		{"Europe/London", "2026-03-29T12:00:00Z", "2026-03-29T00:00:00Z", 23},
		{"Europe/London", "2026-10-25T12:00:00Z", "2026-10-24T23:00:00Z", 25},
		{"Europe/London", "2026-10-25T00:30:00Z", "2026-10-24T23:00:00Z", 25},
		{"America/New_York", "2026-11-01T04:00:00Z", "2026-11-01T04:00:00Z", 25},
		{"Asia/Beirut", "2026-03-28T22:00:00Z", "2026-03-28T22:00:00Z", 23},    // midnight is left out
		{"America/Havana", "2026-11-01T05:30:00Z", "2026-11-01T04:00:00Z", 25}, // 01:00 is midnight again
		{"UTC", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", 24},
		{"Asia/Kathmandu", "2026-01-01T18:15:00Z", "2026-01-01T18:15:00Z", 24},
	} {
		l, err := time.LoadLocation(x.zone)
		if err != nil {
			t.Skip("this machine has no time zones: ", err)
		}
		z := fleet.ZoneOf(x.zone, l)
		at, _ := unit.ParseInstant(x.at)
		from, to := z.DayOf(at)
		if got := to.Sub(from).Hours(); from.String() != x.from || got != x.hours {
			t.Errorf("%s at %s: from %s, %v hours, want from %s, %v", x.zone, x.at, from, got, x.from, x.hours)
		}
	}
}

// TestDaysFollowEachOther: the days of fifty years, in every kind of zone, leave
// nothing out, and agree with the library's calendar.
func TestDaysFollowEachOther(t *testing.T) {
	for _, name := range []string{"UTC", "Asia/Shanghai", "Europe/London", "America/Havana", "Asia/Beirut", "Pacific/Apia", "Australia/Lord_Howe", "America/Sao_Paulo"} {
		l, err := time.LoadLocation(name)
		if err != nil {
			t.Skip("this machine has no time zones: ", err)
		}
		z := fleet.ZoneOf(name, l)
		at := unit.Instant(time.Date(1990, 1, 1, 12, 0, 0, 0, time.UTC).UnixNano())
		from, to := z.DayOf(at)
		for range 50 * 365 {
			last := time.Unix(0, int64(to-1)).In(l)
			first := time.Unix(0, int64(to)).In(l)
			if name != "America/Havana" && name != "America/Sao_Paulo" && last.Format(time.DateOnly) >= first.Format(time.DateOnly) {
				t.Fatalf("%s: a day ends at %s and the next begins at %s", name, last, first)
			}
			f, u := z.DayOf(to)
			if f != to || u <= f || u.Sub(f) > 49*time.Hour {
				t.Fatalf("%s: behind the day from %s to %s comes one from %s to %s", name, from, to, f, u)
			}
			if f2, u2 := z.DayOf(u - 1); f2 != f || u2 != u {
				t.Fatalf("%s: the last instant of the day from %s to %s is in one from %s to %s", name, f, u, f2, u2)
			}
			from, to = f, u
		}
	}
}
