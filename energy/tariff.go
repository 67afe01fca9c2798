package energy

import (
	"fmt"
	"slices"
	"time"

	"tianfu/fault"
	"tianfu/unit"
)

// Segment is a part of the day that has one multiplier, such as peak.
type Segment string

// Tariff is a time-of-use tariff: seasons of months, bands of the day, a
// multiplier for each segment, and price components for each month. Bands and
// months are wall-clock time in Zone, so a day may have 23 or 25 hours. Check
// must have passed before prices are asked for; ParseTariff and SichuanTariff
// return checked ones.
type Tariff struct {
	Name, Source string
	Zone         *time.Location
	Seasons      []Season
	Overrides    []Override
	Multipliers  map[Segment]float64
	// Prices are what the multipliers work on, by month, ascending.
	Prices []MonthPrices
	// DemandYuan is due for each kW of the month's highest draw, or CapacityYuan
	// for each kVA connected; a site has one of the two.
	DemandYuan, CapacityYuan float64
}

// Season is a set of months, 1..12, with the bands of their days.
type Season struct {
	Name   string
	Months []int
	Bands  []Band
}

// Band is a part of the day in minutes after midnight, From inclusive, To
// exclusive; To 1440 is midnight. Both are multiples of bandGrid.
type Band struct {
	From, To int
	Segment  Segment
}

// Override is a band that goes before those of the season: in its months on
// every day, in the others only on days that Heat is told of.
type Override struct {
	Band
	Months []int
	// AfterHeat also applies it in other months after three days of at least
	// 35 C; whoever asks for a price knows whether that is so.
	AfterHeat bool
}

// bandGrid divides every offset from UTC in use, so a walk in such steps meets
// every beginning of a band on every day.
const bandGrid = 15

// MonthPrices are the components of one month's price in yuan per kWh.
// Price = multiplier x (Agency + Loss + Grid) + System + Funds.
type MonthPrices struct {
	Year, Month int
	Agency      unit.YuanPerKWh // purchase by the grid company as agent
	Loss        unit.YuanPerKWh // line losses
	Grid        unit.YuanPerKWh // transmission and distribution
	System      unit.YuanPerKWh // system operation
	Funds       unit.YuanPerKWh // government funds
}

// At returns the price in yuan per kWh under a multiplier.
func (m *MonthPrices) At(multiplier float64) unit.YuanPerKWh {
	floating := m.Agency + m.Loss + m.Grid
	return unit.YuanPerKWh(multiplier)*floating + m.System + m.Funds
}

// Charge is the price of an instant with what it follows from.
type Charge struct {
	Season     string
	Segment    Segment
	Multiplier float64
	Price      unit.YuanPerKWh
	// Prices is the month whose components were used: the instant's own, else the
	// last one known before it, else the first one known after it.
	Prices MonthPrices
}

// At returns the charge at an instant. Heat says that the day follows three
// days of at least 35 C. A month before the first with prices is NotFound.
func (t *Tariff) At(at unit.Instant, heat bool) (Charge, error) {
	local := time.Unix(0, int64(at)).In(t.Zone)
	month := int(local.Month())
	var c Charge
	c.Season, c.Segment = t.segment(month, local.Hour()*60+local.Minute(), heat)
	c.Multiplier = t.Multipliers[c.Segment]
	if len(t.Prices) == 0 {
		return c, fault.New(fault.NotFound, t.Name, "no prices", "add the price components of a month")
	}
	c.Prices = t.Prices[0]
	for _, m := range t.Prices {
		if m.Year < local.Year() || m.Year == local.Year() && m.Month <= month {
			c.Prices = m
		}
	}
	c.Price = c.Prices.At(c.Multiplier)
	return c, nil
}

func (t *Tariff) segment(month, minute int, heat bool) (string, Segment) {
	name := ""
	var found Segment
	for _, s := range t.Seasons {
		if slices.Contains(s.Months, month) {
			name = s.Name
			for _, b := range s.Bands {
				if b.From <= minute && minute < b.To {
					found = b.Segment
				}
			}
		}
	}
	for _, o := range t.Overrides {
		if o.From <= minute && minute < o.To && (slices.Contains(o.Months, month) || o.AfterHeat && heat) {
			found = o.Segment
		}
	}
	return name, found
}

// Span is a time with one charge.
type Span struct {
	From, To unit.Instant
	Charge   Charge
}

// MaxSpanTime bounds what Spans walks over.
const MaxSpanTime = 400 * 24 * time.Hour

// Spans cuts a time into the spans of one charge each. Heat tells of the local
// days that follow three days of at least 35 C; nil is none.
func (t *Tariff) Spans(from, to unit.Instant, heat func(year, month, day int) bool) ([]Span, error) {
	if to < from || to.Sub(from) > MaxSpanTime {
		return nil, fault.Invalidf(t.Name, "a time of %v is negative or longer than %v", to.Sub(from), MaxSpanTime)
	}
	const grid = unit.Instant(bandGrid * time.Minute)
	var out []Span
	for at := from; at < to; {
		// Floor division: instants before 1970 are negative.
		next := min(at-((at%grid)+grid)%grid+grid, to)
		hot := false
		if heat != nil {
			y, m, d := time.Unix(0, int64(at)).In(t.Zone).Date()
			hot = heat(y, int(m), d)
		}
		c, err := t.At(at, hot)
		if err != nil {
			return nil, err
		}
		if n := len(out); n > 0 && out[n-1].Charge == c {
			out[n-1].To = next
		} else {
			out = append(out, Span{at, next, c})
		}
		at = next
	}
	return out, nil
}

// Month returns the first instant of a local month and that of the next.
func (t *Tariff) Month(year, month int) (from, to unit.Instant) {
	first := time.Date(year, time.Month(month), 1, 0, 0, 0, 0, t.Zone)
	return unit.Instant(first.UnixNano()), unit.Instant(first.AddDate(0, 1, 0).UnixNano())
}

// Check holds the tariff to its rules: every month in one season, every minute
// in one band, a multiplier for every segment, no negative price.
func (t *Tariff) Check() error {
	if t.Zone == nil {
		return fault.New(fault.Invalid, t.Name, "no time zone", "name one, such as Asia/Shanghai")
	}
	var seasons [13]string
	for _, s := range t.Seasons {
		where := t.Name + " season " + s.Name
		if err := checkMonths(where, s.Months); err != nil {
			return err
		}
		for _, m := range s.Months {
			if seasons[m] != "" {
				return fault.Invalidf(where, "month %d is also in season %s", m, seasons[m])
			}
			seasons[m] = s.Name + " "
		}
		if err := t.checkBands(where, s.Bands); err != nil {
			return err
		}
	}
	for m := 1; m <= 12; m++ {
		if seasons[m] == "" {
			return fault.Invalidf(t.Name, "month %d is in no season", m)
		}
	}
	for _, o := range t.Overrides {
		if err := checkMonths(t.Name+" override", o.Months); err != nil {
			return err
		}
		if err := t.checkBand(t.Name+" override", o.Band); err != nil {
			return err
		}
	}
	return t.checkPrices()
}

func checkMonths(where string, months []int) error {
	for i, m := range months {
		if m < 1 || m > 12 || slices.Contains(months[:i], m) {
			return fault.Invalidf(where, "month %d is repeated or outside 1 to 12", m)
		}
	}
	return nil
}

func (t *Tariff) checkBand(where string, b Band) error {
	if b.From < 0 || b.To > 1440 || b.From >= b.To || b.From%bandGrid != 0 || b.To%bandGrid != 0 {
		return fault.New(fault.Invalid, where, fmt.Sprintf("band %s-%s", clock(b.From), clock(b.To)), "bands lie within a day and begin and end on a quarter of an hour; cut one that crosses midnight in two")
	}
	k, ok := t.Multipliers[b.Segment]
	if !ok {
		return fault.Invalidf(where, "segment %q has no multiplier", b.Segment)
	}
	if !(k >= 0 && k <= 100) {
		return fault.Invalidf(where, "multiplier %g of segment %q is outside 0 to 100", k, b.Segment)
	}
	return nil
}

func (t *Tariff) checkBands(where string, bands []Band) error {
	sorted := slices.Clone(bands)
	slices.SortFunc(sorted, func(a, b Band) int { return a.From - b.From })
	end := 0
	for _, b := range sorted {
		if err := t.checkBand(where, b); err != nil {
			return err
		}
		if b.From > end {
			return fault.Invalidf(where, "no band from %s to %s", clock(end), clock(b.From))
		}
		if b.From < end {
			return fault.Invalidf(where, "two bands at %s", clock(b.From))
		}
		end = b.To
	}
	if end != 1440 {
		return fault.Invalidf(where, "no band from %s to 24:00", clock(end))
	}
	return nil
}

func (t *Tariff) checkPrices() error {
	for i, m := range t.Prices {
		where := fmt.Sprintf("%s %04d-%02d", t.Name, m.Year, m.Month)
		if m.Month < 1 || m.Month > 12 || m.Year < 1990 || m.Year > 2200 {
			return fault.Invalidf(where, "no such month")
		}
		if i > 0 && (m.Year < t.Prices[i-1].Year || m.Year == t.Prices[i-1].Year && m.Month <= t.Prices[i-1].Month) {
			return fault.Invalidf(where, "months are repeated or out of order")
		}
		for _, v := range [...]unit.YuanPerKWh{m.Agency, m.Loss, m.Grid, m.System, m.Funds} {
			if !(v >= 0 && v <= 100) {
				return fault.New(fault.Invalid, where, fmt.Sprintf("price component %g yuan/kWh", float64(v)), "components lie between 0 and 100 yuan/kWh; a negative price is not accepted")
			}
		}
	}
	if !(t.DemandYuan >= 0) || !(t.CapacityYuan >= 0) {
		return fault.Invalidf(t.Name, "a demand or capacity charge is negative")
	}
	return nil
}

// clock renders minutes after midnight as hh:mm.
func clock(minutes int) string { return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60) }
