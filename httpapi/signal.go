package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tianfu/energy"
	"tianfu/live"
)

// SiteSignals are what is known of a site's hours now.
type SiteSignals struct {
	Site      string         `json:"site"`
	Carbon    []Carbon       `json:"carbon" doc:"One for each nature of signal that is declared."`
	Providers []GridProvider `json:"providers,omitempty"`
	Hour      *Hour          `json:"hour,omitempty" doc:"What the scheduler and the ledger take for the present hour; absent before it was told."`
}

// Carbon is the carbon intensity in force, or the fact that there is none.
type Carbon struct {
	Nature string   `json:"nature" example:"average direct location"`
	Known  bool     `json:"known" doc:"false is no data; it is never zero instead."`
	Grams  float64  `json:"grams_per_kwh"`
	Source string   `json:"source,omitempty" doc:"Which source is in force."`
	Trust  string   `json:"trust,omitempty" example:"provider"`
	Age    string   `json:"age,omitempty" doc:"Of a last value that stands in for a missing one."`
	Passed []string `json:"passed,omitempty" doc:"Why each more trusted source was passed over."`
}

// GridProvider is a provider on the network.
type GridProvider struct {
	Provider string `json:"provider"`
	Fetched  string `json:"fetched,omitempty" doc:"When it last answered."`
	Next     string `json:"next,omitempty" doc:"When it is asked again."`
	Error    string `json:"error,omitempty"`
}

// Hour is what an hour at a site costs. A figure that is absent is not known.
type Hour struct {
	From           string   `json:"from"`
	To             string   `json:"to"`
	CarbonLocation *float64 `json:"carbon_location_g_per_kwh,omitempty"`
	CarbonMarket   *float64 `json:"carbon_market_g_per_kwh,omitempty"`
	CarbonMarginal *float64 `json:"carbon_marginal_g_per_kwh,omitempty"`
	Price          *float64 `json:"price_yuan_per_kwh,omitempty"`
	PUE            *float64 `json:"pue,omitempty"`
	Water          *float64 `json:"wue_litres_per_kwh,omitempty"`
	Forecast       bool     `json:"forecast" doc:"Expected, not observed."`
}

type signalsOutput struct {
	Body struct {
		Sites []SiteSignals `json:"sites"`
	}
}

func (s *Server) routeSignals() {
	huma.Register(s.api, huma.Operation{
		OperationID: "list-signals", Method: http.MethodGet, Path: "/v1/signals", Summary: "Carbon, price and PUE now", Tags: []string{"energy"},
		Description: "For every site with signals: which source of carbon intensity is in force and how old it is, how providers are, and what the present hour costs.",
	}, func(context.Context, *struct{}) (*signalsOutput, error) {
		out := &signalsOutput{}
		out.Body.Sites = []SiteSignals{}
		for _, x := range s.centre.Signals() {
			out.Body.Sites = append(out.Body.Sites, signalsOf(&x))
		}
		return out, nil
	})
}

func signalsOf(x *live.SiteSignal) SiteSignals {
	out := SiteSignals{Site: x.Site, Carbon: []Carbon{}}
	for _, r := range x.Readings {
		c := Carbon{Nature: r.Nature.String(), Known: r.Known, Passed: r.Passed}
		if r.Known {
			c.Grams, c.Source, c.Trust = float64(r.Value)*1000, r.Source, r.Trust.String()
			if r.Age > 0 {
				c.Age = r.Age.Round(time.Second).String()
			}
		}
		out.Carbon = append(out.Carbon, c)
	}
	for _, p := range x.Providers {
		out.Providers = append(out.Providers, GridProvider{p.Provider, instant(p.Fetched), instant(p.Next), p.Error})
	}
	if x.Known {
		out.Hour = hourOf(&x.Hour)
	}
	return out
}

func hourOf(h *energy.SiteHour) *Hour {
	figure := func(v int64, per float64) *float64 {
		if v == energy.NoData {
			return nil
		}
		f := float64(v) / per
		return &f
	}
	return &Hour{
		From: instant(h.From), To: instant(h.To), Forecast: h.Forecast,
		CarbonLocation: figure(h.CarbonLocation, 1000), CarbonMarket: figure(h.CarbonMarket, 1000), CarbonMarginal: figure(h.CarbonMarginal, 1000),
		Price: figure(h.Price, 1e9), PUE: figure(h.PUE, 1e6), Water: figure(h.Water, 1e6),
	}
}

// Signals returns what is known of the hours of every site.
func (c *Client) Signals(ctx context.Context) ([]SiteSignals, error) {
	out := &signalsOutput{}
	err := c.call(ctx, request{method: http.MethodGet, path: "/v1/signals"}, &out.Body)
	return out.Body.Sites, err
}
