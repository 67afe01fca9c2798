package main

import (
	"cmp"
	"os"
	"time"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/live"
	"tianfu/sensor/grid"
)

// defaultMaxAge is how long the last value of a signal stands in for a missing
// one.
const defaultMaxAge = 2 * time.Hour

// siteSignals makes the declared signals of a world ready. A file that cannot be
// read or a declaration that cannot be used stops the start: the bill would be
// wrong. A provider that does not answer does not.
func siteSignals(w *fleet.World) ([]live.SiteSignals, error) {
	var out []live.SiteSignals
	for i := range w.Sites {
		s := &w.Sites[i]
		x, err := signalsOf(s)
		if err != nil {
			return nil, fault.Wrap(err, "site "+s.Name, "signals")
		}
		if len(x.Sources) > 0 || x.Carbon > 0 || x.Price != 0 || x.PUE > 0 || x.Base.Tariff != nil || x.Base.Facility != nil {
			out = append(out, *x)
		}
	}
	return out, nil
}

func signalsOf(s *fleet.Site) (*live.SiteSignals, error) {
	x := &live.SiteSignals{Site: s.Name, Digest: signalDigest(s), Hourly: s.CarbonPrefer == "hourly", Carbon: s.Carbon, Price: s.Tariff, PUE: s.PUE}
	// The same files as a replay reads, by the same way.
	files := siteFlags{tariff: s.TariffFile, weather: s.Weather, plant: cmp.Or(s.Plant, energy.DefaultPlant), chiller: s.Chiller}
	base, err := files.sources()
	if err != nil {
		return nil, err
	}
	x.Base = *base
	if s.Plant != "" || s.Weather != "" {
		if x.Plant, err = readPlant(files.plant, files.chiller); err != nil {
			return nil, err
		}
	}
	scopes := map[energy.Nature]energy.Scope{}
	for i := range s.Signals {
		g := &s.Signals[i]
		source, err := openSignal(g)
		if err != nil {
			return nil, fault.Wrap(err, "line "+count(g.Line()), g.Kind)
		}
		// One figure of an hour cannot be of two scopes.
		n := source.Nature
		n.Scope = 0
		if scope, known := scopes[n]; known && scope != source.Nature.Scope {
			return nil, fault.New(fault.Invalid, "line "+count(g.Line()), "the "+source.Nature.String()+" signal is of another scope than the one before it", "direct and life-cycle figures are different quantities: declare one of them")
		}
		scopes[n] = source.Nature.Scope
		x.Sources = append(x.Sources, *source)
	}
	return x, nil
}

// openSignal makes one source.
func openSignal(g *fleet.Signal) (*live.SignalSource, error) {
	out := &live.SignalSource{Source: energy.Source{MaxAge: cmp.Or(g.MaxAge, defaultMaxAge)}}
	if g.Measure == "marginal" {
		out.Nature.Measure = energy.Marginal
	}
	if g.Basis == "market" {
		out.Nature.Basis = energy.Market
	}
	if g.Scope == "life-cycle" {
		out.Nature.Scope = energy.LifeCycle
	}
	switch g.Kind {
	case "factor":
		return out, openFactor(g, out)
	case "csv", "meter":
		text, err := readBounded(g.File, energy.MaxSeriesBytes)
		if err != nil {
			return nil, err
		}
		if out.Series, err = energy.ParseSeries(g.File, text, energy.SeriesOptions{Column: g.Column, Gaps: g.Gaps}); err != nil {
			return nil, err
		}
		out.Name, out.Trust = g.File, energy.CSVSeries
		if g.Kind == "meter" {
			out.Trust = energy.OperatorMeter
		}
		return out, nil
	}
	token := ""
	if g.SecretEnv != "" {
		if token = os.Getenv(g.SecretEnv); token == "" || len(token) > 4096 {
			return nil, fault.New(fault.Invalid, "secret_env", "the environment variable "+g.SecretEnv+" is not set", "set it where the server is started")
		}
	}
	p, err := grid.New(grid.Options{Kind: g.Kind, Address: g.Address, Zone: g.Zone, Token: token, CA: g.CA, LifeCycle: out.Nature.Scope == energy.LifeCycle})
	if err != nil {
		return nil, err
	}
	out.Provider, out.Trust, out.Name = p, energy.Provider, p.State().Provider
	return out, nil
}

func openFactor(g *fleet.Signal, out *live.SignalSource) error {
	out.Name, out.Trust, out.Regions, out.Factors = "factors", energy.OfficialTable, g.Regions, energy.BuiltInFactors()
	out.Kind = energy.FactorKind(cmp.Or(g.Factor, string(energy.AverageFactor)))
	if g.File != "" {
		text, err := readBounded(g.File, energy.MaxPlantBytes)
		if err != nil {
			return err
		}
		if out.Factors, err = energy.ParseFactors(g.File, text); err != nil {
			return err
		}
		out.Name = g.File
	}
	out.Nature.Scope = out.Kind.Scope()
	if _, known := out.Factors.For(out.Regions, 9999, out.Kind); !known {
		return fault.New(fault.Invalid, "factor", "no region of the signal has a factor of the kind "+string(out.Kind), "see: tianfu green factors")
	}
	return nil
}
