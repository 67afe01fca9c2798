package energy

import (
	"tianfu/fault"
	"tianfu/unit"
)

// FacilityYear is a plant over all hours of a weather file, at constant IT
// power: means are weighted by IT energy, which is the same in every hour.
type FacilityYear struct {
	PUE    float64         `json:"pue"`
	WUE    float64         `json:"wue"` // litres per kWh of IT energy
	PUEMax float64         `json:"pue_max"`
	Free   FreeCooling     `json:"free_cooling_hours"`
	Months []FacilityMonth `json:"months"`
	Hours  []FacilityHour  `json:"-"` // as the rows of Weather
	// Weather is what the plant ran under; At looks hours up by it.
	Weather *Weather `json:"-"`
}

// At returns what the plant draws in the hour in which an interval that begins
// at t lies, in any year, and false where the weather has no such hour. Site
// power is IT power times the hour's PUE.
func (y *FacilityYear) At(t unit.Instant) (*FacilityHour, bool) {
	i, ok := y.Weather.At(t)
	if !ok {
		return nil, false
	}
	return &y.Hours[i], true
}

// FreeCooling counts hours by how much of the heat needed no chiller.
type FreeCooling struct {
	Full    int `json:"full"`
	Partial int `json:"partial"`
	None    int `json:"none"`
}

// FacilityMonth is the mean over the hours of one month in the weather file.
type FacilityMonth struct {
	Month int     `json:"month"` // 1..12
	PUE   float64 `json:"pue"`
	WUE   float64 `json:"wue"`
}

// Year runs the plant over every hour of the weather.
func (p *Plant) Year(w *Weather) (*FacilityYear, error) {
	if len(w.Hours) == 0 {
		return nil, fault.Invalidf(w.Place, "no hour of weather")
	}
	y := &FacilityYear{Weather: w, Hours: make([]FacilityHour, len(w.Hours))}
	var sums [13]struct{ pue, wue, hours float64 }
	for i := range w.Hours {
		h := p.Hour(&w.Hours[i])
		y.Hours[i] = h
		y.PUE += h.PUE
		y.WUE += h.WUE
		y.PUEMax = max(y.PUEMax, h.PUE)
		switch h.Free {
		case 1:
			y.Free.Full++
		case 0:
			y.Free.None++
		default:
			y.Free.Partial++
		}
		m := &sums[w.Hours[i].Month]
		m.pue, m.wue, m.hours = m.pue+h.PUE, m.wue+h.WUE, m.hours+1
	}
	n := float64(len(w.Hours))
	y.PUE, y.WUE = y.PUE/n, y.WUE/n
	for month, m := range sums {
		if m.hours > 0 {
			y.Months = append(y.Months, FacilityMonth{month, m.pue / m.hours, m.wue / m.hours})
		}
	}
	return y, nil
}

// Mean returns the mean draw and water over all hours.
func (y *FacilityYear) Mean() (Draw, Water) {
	var d Draw
	var w Water
	n := float64(len(y.Hours))
	for i := range y.Hours {
		h := &y.Hours[i]
		for k, to := range d.fields() {
			*to += *h.Draw.fields()[k] / n
		}
		for k, to := range w.fields() {
			*to += *h.Water.fields()[k] / n
		}
	}
	return d, w
}

func (d *Draw) fields() [10]*float64 {
	return [...]*float64{&d.IT, &d.UPS, &d.Distribution, &d.Lighting, &d.SupplyFans, &d.Humidifier, &d.Pumps, &d.Chiller, &d.TowerPump, &d.OutdoorFans}
}

func (w *Water) fields() [4]*float64 {
	return [...]*float64{&w.Evaporation, &w.Windage, &w.BlowDown, &w.Humidifier}
}
