package grid

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"time"

	"tianfu/fault"
	"tianfu/unit"
)

// Bounds of answers.
const (
	maxPoints   = 5000
	maxGrams    = 3000 // g/kWh: more than any way of making electricity emits
	furthest    = 10 * 24 * time.Hour
	ukTime      = "2006-01-02T15:04Z"
	historyBack = 24 * time.Hour
)

// ask makes the requests of the provider's kind.
func (p *Provider) ask(ctx context.Context, now unit.Instant) (map[unit.Instant]point, error) {
	out := map[unit.Instant]point{}
	if p.o.Kind == UKCarbon {
		return out, p.askUK(ctx, now, out)
	}
	return out, p.askMaps(ctx, now, out)
}

// add puts one value in, or says what is wrong with it.
func (p *Provider) add(out map[unit.Instant]point, at time.Time, grams *float64, observed bool, now unit.Instant) error {
	if grams == nil {
		return nil // no data is a value: the step stays empty
	}
	if !(*grams >= 0) || *grams > maxGrams || math.IsInf(*grams, 0) {
		return fault.Invalidf(p.root, "%g g/kWh at %v cannot be", *grams, at.UTC())
	}
	t := unit.Instant(at.Truncate(p.step).UnixNano())
	if at.Year() < 2000 || t > now.Add(furthest) || t < now.Add(-furthest) {
		return fault.Invalidf(p.root, "a value of %v is told at %v", at.UTC(), now)
	}
	if observed && t > now {
		observed = false
	}
	if old, known := out[t]; known && old.observed && !observed {
		return nil
	}
	if len(out) >= maxPoints {
		return fault.Invalidf(p.root, "more than %d values", maxPoints)
	}
	out[t] = point{*grams / 1000, observed}
	return nil
}

// mapsPoint is a value in the shape of Electricity Maps.
type mapsPoint struct {
	Zone     string    `json:"zone"`
	Grams    *float64  `json:"carbonIntensity"`
	At       time.Time `json:"datetime"`
	Factors  string    `json:"emissionFactorType"`
	Estimate bool      `json:"isEstimated"`
}

func (p *Provider) askMaps(ctx context.Context, now unit.Instant, out map[unit.Instant]point) error {
	factors := "direct"
	if p.o.LifeCycle {
		factors = "lifecycle"
	}
	query := "?" + url.Values{"zone": {p.o.Zone}, "emissionFactorType": {factors}}.Encode()
	take := func(list []mapsPoint, observed bool) error {
		for _, x := range list {
			if x.Zone != "" && x.Zone != p.o.Zone {
				return fault.Invalidf(p.root, "the answer is of the zone %.40q", x.Zone)
			}
			if x.Factors != "" && x.Factors != factors {
				return fault.New(fault.Invalid, p.root, fmt.Sprintf("the answer counts %.40q emissions, and %s were asked for", x.Factors, factors), "declare the scope that the provider tells")
			}
			if err := p.add(out, x.At, x.Grams, observed, now); err != nil {
				return err
			}
		}
		return nil
	}
	for _, part := range [...]string{"history", "latest", "forecast"} {
		text, err := p.get(ctx, "/v3/carbon-intensity/"+part+query)
		if err != nil {
			// Not every plan includes forecasts, and what was observed counts without.
			if k := fault.KindOf(err); part == "forecast" && (k == fault.Denied || k == fault.NotFound) {
				return nil
			}
			return err
		}
		if text == nil {
			continue // nothing new since the last time
		}
		var doc struct {
			mapsPoint
			History  []mapsPoint `json:"history"`
			Forecast []mapsPoint `json:"forecast"`
		}
		if err := json.Unmarshal(text, &doc); err != nil {
			return fault.Invalidf(p.root, "the answer is not in the shape of Electricity Maps: %v", err)
		}
		switch part {
		case "history":
			err = take(doc.History, true)
		case "latest":
			err = take([]mapsPoint{doc.mapsPoint}, true)
		default:
			err = take(doc.Forecast, false)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ukPoint is a value in the shape of the UK API.
type ukPoint struct {
	From      string `json:"from"`
	Intensity struct {
		Forecast *float64 `json:"forecast"`
		Actual   *float64 `json:"actual"`
	} `json:"intensity"`
}

// askUK asks for a day back and two ahead. Regions have forecasts only, also of
// what is past: there the last one told counts as what was.
func (p *Provider) askUK(ctx context.Context, now unit.Instant, out map[unit.Instant]point) error {
	at := func(t unit.Instant) string { return time.Unix(0, int64(t)).UTC().Truncate(p.step).Format(ukTime) }
	from, to := at(now.Add(-historyBack)), at(now.Add(48*time.Hour))
	path := "/intensity/" + from + "/" + to
	if p.o.Zone != "" {
		path = "/regional/intensity/" + from + "/" + to + "/regionid/" + p.o.Zone
	}
	text, err := p.get(ctx, path)
	if err != nil || text == nil {
		return err
	}
	var list []ukPoint
	if p.o.Zone == "" {
		doc := struct{ Data *[]ukPoint }{&list}
		err = json.Unmarshal(text, &doc)
	} else {
		var doc struct{ Data struct{ Data []ukPoint } }
		err = json.Unmarshal(text, &doc)
		list = doc.Data.Data
	}
	if err != nil {
		return fault.Invalidf(p.root, "the answer is not in the shape of the UK API: %v", err)
	}
	for _, x := range list {
		t, err := time.Parse(ukTime, x.From)
		if err != nil {
			return fault.Invalidf(p.root, "%.40q is no time", x.From)
		}
		grams, observed := x.Intensity.Actual, true
		if grams == nil {
			grams = x.Intensity.Forecast
			observed = p.o.Zone != "" && unit.Instant(t.UnixNano()) <= now
		}
		if err := p.add(out, t, grams, observed, now); err != nil {
			return err
		}
	}
	return nil
}
