package energy

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"tianfu/fault"
	"tianfu/unit"
)

// NoData stands in a SiteHour for a figure that nobody has. It is a value: a
// rule that meets it says so and never reads it as zero.
const NoData int64 = math.MinInt64

// SiteHour is what one hour, or a shorter step, at a site costs the world and
// the bill: the one table that the ledger, the power tree and deferral read.
// Figures are integers, so that every machine decides alike.
type SiteHour struct {
	From, To unit.Instant // [From, To)
	// Carbon intensity of the grid in mg CO2e per kWh. Location and market
	// figures never stand in for each other (GHG Protocol scope 2 guidance).
	CarbonLocation int64
	CarbonMarket   int64
	CarbonMarginal int64
	Price          int64 // 10^-9 yuan per kWh; may be below zero
	PUE            int64 // millionths: 1_149_000; facility energy over IT energy
	Water          int64 // microlitres per kWh of IT energy (WUE)
	Forecast       bool  // expected, not observed
}

// Bounds of what may be reported of a site's hours.
const (
	MaxSiteHours = 8192 // steps kept of a site
	maxCarbon    = 5_000_000
	maxPrice     = 1_000_000_000_000
	maxPUE       = 20_000_000
	maxWater     = 1_000_000_000
)

// Check holds an hour to its bounds; where names it in errors.
func (h *SiteHour) Check(where string) error {
	if h.To <= h.From || h.To.Sub(h.From) > 24*time.Hour {
		return fault.New(fault.Invalid, where, "a step from "+h.From.String()+" to "+h.To.String(), "a step is longer than nothing and at most a day")
	}
	for _, f := range [...]struct {
		what            string
		v, least, most  int64
		unit, otherwise string
	}{
		{"location carbon", h.CarbonLocation, 0, maxCarbon, "mg/kWh", "is it in g or kg?"},
		{"market carbon", h.CarbonMarket, 0, maxCarbon, "mg/kWh", "is it in g or kg?"},
		{"marginal carbon", h.CarbonMarginal, 0, maxCarbon, "mg/kWh", "is it in g or kg?"},
		{"price", h.Price, -maxPrice, maxPrice, "nano-yuan/kWh", "is it in yuan or per MWh?"},
		{"PUE", h.PUE, 1_000_000, maxPUE, "millionths", "a PUE is at least 1"},
		{"water", h.Water, 0, maxWater, "µL/kWh", "is it in litres?"},
	} {
		if f.v != NoData && (f.v < f.least || f.v > f.most) {
			return fault.New(fault.Invalid, where, fmt.Sprintf("%s %d %s lies outside %d to %d", f.what, f.v, f.unit, f.least, f.most), f.otherwise)
		}
	}
	return nil
}

// CheckSiteHours holds a report to its bounds: in order of time, without
// overlaps.
func CheckSiteHours(site string, hours []SiteHour) error {
	where := "hours of site " + site
	if len(hours) == 0 || len(hours) > MaxSiteHours {
		return fault.New(fault.Invalid, where, fmt.Sprintf("%d steps", len(hours)), fmt.Sprintf("report 1 to %d at a time", MaxSiteHours))
	}
	for i := range hours {
		if err := hours[i].Check(where); err != nil {
			return err
		}
		if i > 0 && hours[i].From < hours[i-1].To {
			return fault.New(fault.Invalid, where, "the step from "+hours[i].From.String()+" overlaps the one before", "report steps in order of time")
		}
	}
	return nil
}

// MergeSiteHours puts fresh steps into a site's table, both in order of time,
// and forgets those that ended by until and, beyond MaxSiteHours, the oldest.
// A fresh step takes the place of every known one it overlaps; only a forecast
// never takes the place of what was observed.
func MergeSiteHours(known, fresh []SiteHour, until unit.Instant) []SiteHour {
	out := make([]SiteHour, 0, len(known)+len(fresh))
	for i := range fresh {
		if !fresh[i].Forecast || !slices.ContainsFunc(overlapping(known, &fresh[i]), func(h SiteHour) bool { return !h.Forecast }) {
			out = append(out, fresh[i])
		}
	}
	taken := len(out)
	for i := range known {
		if len(overlapping(out[:taken], &known[i])) == 0 {
			out = append(out, known[i])
		}
	}
	slices.SortFunc(out, func(a, b SiteHour) int { return cmp.Compare(a.From, b.From) })
	first := 0
	for first < len(out) && (out[first].To <= until || len(out)-first > MaxSiteHours) {
		first++
	}
	return slices.Clone(out[first:])
}

// overlapping returns the steps, in order of time, that overlap h.
func overlapping(hours []SiteHour, h *SiteHour) []SiteHour {
	from := stepAfter(hours, h.From)
	to := from
	for to < len(hours) && hours[to].From < h.To {
		to++
	}
	return hours[from:to]
}

// stepAfter returns the first step that ends after t.
func stepAfter(hours []SiteHour, t unit.Instant) int {
	i, _ := slices.BinarySearchFunc(hours, t, func(h SiteHour, t unit.Instant) int {
		if h.To <= t {
			return -1
		}
		return 1
	})
	return i
}

// SiteHourAt returns the step that t lies in; false when none is known.
func SiteHourAt(hours []SiteHour, t unit.Instant) (SiteHour, bool) {
	if i := stepAfter(hours, t); i < len(hours) && hours[i].From <= t {
		return hours[i], true
	}
	return SiteHour{}, false
}
