package main

import (
	"context"
	"strings"

	"tianfu/httpapi"
)

// liveSignals shows what a running centre knows of its hours.
func (p *program) liveSignals(ctx context.Context, r *remote) error {
	client, err := r.client()
	if err != nil {
		return err
	}
	sites, err := client.Signals(ctx)
	if err != nil {
		return err
	}
	t := &table{header: []string{"SITE", "NATURE", "G_PER_KWH", "SOURCE", "TRUST", "AGE", "YUAN_PER_KWH", "PUE", "L_PER_KWH", "NOTE"}}
	for i := range sites {
		s := &sites[i]
		h := s.Hour
		if h == nil {
			h = &httpapi.Hour{}
		}
		price, pue, water := known(h.Price, 6), known(h.PUE, 4), known(h.Water, 4)
		var notes []string
		for _, g := range s.Providers {
			if g.Error != "" {
				notes = append(notes, g.Error)
			}
		}
		for _, c := range s.Carbon {
			grams, age := "no data", c.Age
			if c.Known {
				grams = fixed(c.Grams, 1)
				if age == "" {
					age = "fresh"
				}
			}
			t.add(s.Site, c.Nature, grams, c.Source, c.Trust, age, price, pue, water, strings.Join(append(c.Passed[:len(c.Passed):len(c.Passed)], notes...), "; "))
		}
		if len(s.Carbon) == 0 { // the world file has one figure, or none
			t.add(s.Site, "average location", known(h.CarbonLocation, 1), "declared", "", "", price, pue, water, "")
		}
	}
	if len(sites) == 0 {
		t.foot = "no site declares carbon, price or PUE: the ledger counts energy alone; declare them in the world file"
	}
	return p.print(sites, t)
}

func known(v *float64, digits int) string {
	if v == nil {
		return "no data"
	}
	return fixed(*v, digits)
}
