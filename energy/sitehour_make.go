package energy

import (
	"math"
	"slices"
	"time"

	"tianfu/fault"
	"tianfu/unit"
)

// SiteSources are where the hours of a site come from. Each may be absent; its
// figure is then no data.
type SiteSources struct {
	Carbon   *Series // location, average
	Market   *Series
	Marginal *Series
	Price    *Series // goes before the tariff
	Tariff   *Tariff
	Facility *FacilityYear
	// Forecast says that the hours lie ahead of what is observed.
	Forecast bool
}

// Hours makes the hours of a site over a time: an hour each, or shorter where a
// series has shorter steps or the price changes within it. Weather is of the
// hour in which a step begins; where a figure has no value it is no data.
func (s *SiteSources) Hours(from, to unit.Instant) ([]SiteHour, error) {
	step := unit.Instant(time.Hour)
	for _, v := range []*Series{s.Carbon, s.Market, s.Marginal, s.Price} {
		if v != nil && v.Step > 0 && unit.Instant(v.Step) < step {
			step = unit.Instant(v.Step)
		}
	}
	if to <= from || (to-from)/step > MaxSeriesSteps {
		return nil, fault.Invalidf("hours of a site", "a time that is empty or of more than %d steps", MaxSeriesSteps)
	}
	spans, err := s.charges(from, to)
	if err != nil {
		return nil, err
	}
	var out []SiteHour
	for at := from; at < to; {
		next := min(at-(at%step+step)%step+step, to)
		h := SiteHour{From: at, Price: NoData, PUE: NoData, Water: NoData, Forecast: s.Forecast}
		for len(spans) > 0 && spans[0].To <= at {
			spans = spans[1:]
		}
		if len(spans) > 0 {
			next = min(next, spans[0].To)
			h.Price = scaled(float64(spans[0].Charge.Price), 1e9)
		}
		h.To = next
		h.CarbonLocation, h.CarbonMarket, h.CarbonMarginal = mean(s.Carbon, at, next, 1e6), mean(s.Market, at, next, 1e6), mean(s.Marginal, at, next, 1e6)
		if s.Price != nil {
			h.Price = mean(s.Price, at, next, 1e9)
		}
		if s.Facility != nil {
			if f, ok := s.Facility.At(at); ok {
				h.PUE, h.Water = max(scaled(f.PUE, 1e6), 1_000_000), scaled(f.WUE, 1e6)
			}
		}
		out = append(out, h)
		at = next
	}
	return out, nil
}

// Declare puts the figures that a site declares where no other is known; 0 = none.
func (h *SiteHour) Declare(price unit.YuanPerKWh, pue float64) {
	if h.Price == NoData && price != 0 {
		h.Price = scaled(float64(price), 1e9)
	}
	if h.PUE == NoData && pue > 0 {
		h.PUE = scaled(pue, 1e6)
	}
}

// DeclareCarbon puts the carbon intensity that a site declares; 0 = none. It is for
// a site without sources: where one has a gap, that stays a gap.
func (h *SiteHour) DeclareCarbon(carbon unit.KgPerKWh) {
	if h.CarbonLocation == NoData && carbon > 0 {
		h.CarbonLocation = scaled(float64(carbon), 1e6)
	}
}

// charges returns the tariff's spans; none without a tariff.
func (s *SiteSources) charges(from, to unit.Instant) (out []Span, err error) {
	if s.Tariff == nil || s.Price != nil {
		return nil, nil
	}
	for at := from; at < to; {
		end := min(at.Add(MaxSpanTime), to)
		part, err := s.Tariff.Spans(at, end, s.heat())
		if err != nil {
			return nil, err
		}
		out = append(out, part...)
		at = end
	}
	return out, nil
}

// FollowsHeat tells whether prices of the tariff depend on how hot it was.
func (t *Tariff) FollowsHeat() bool {
	return slices.ContainsFunc(t.Overrides, func(o Override) bool { return o.AfterHeat })
}

// heat tells of days that follow three days on which the air reached 35 C.
func (s *SiteSources) heat() func(year, month, day int) bool {
	if s.Facility == nil || !s.Tariff.FollowsHeat() {
		return nil
	}
	hot := map[int64]bool{}
	w := s.Facility.Weather
	return func(year, month, day int) bool {
		begin := time.Date(year, time.Month(month), day, 0, 0, 0, 0, s.Tariff.Zone)
		if known, ok := hot[begin.Unix()]; ok {
			return known
		}
		all := true
		for back := 1; back <= 3 && all; back++ {
			first := unit.Instant(begin.AddDate(0, 0, -back).UnixNano())
			peak := math.Inf(-1)
			for h := range 24 {
				if i, ok := w.At(first.Add(time.Duration(h) * time.Hour)); ok {
					peak = max(peak, w.Hours[i].DryBulbC)
				}
			}
			all = peak >= 35
		}
		hot[begin.Unix()] = all
		return all
	}
}

func mean(s *Series, from, to unit.Instant, scale float64) int64 {
	if s == nil {
		return NoData
	}
	v, ok := s.Mean(from, to)
	if !ok {
		return NoData
	}
	return scaled(v, scale)
}

func scaled(v, by float64) int64 { return int64(math.Round(v * by)) }
