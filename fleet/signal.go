package fleet

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of declared signals.
const (
	maxSignals = 16 // of one site
	maxRegions = 8
	maxMaxAge  = 7 * 24 * time.Hour
)

// Signal is a source of a site's carbon intensity. Which one is believed is a
// matter of trust, not of order here; docs/green.md says how.
type Signal struct {
	at
	Kind      string // one of SignalKinds
	Measure   string // average (the default) or marginal
	Basis     string // location (the default) or market
	Scope     string // direct or life-cycle; default direct, of a life-cycle factor life-cycle
	File      string // of meter and csv: a series; of factor: a table of one's own
	Column    string
	Gaps      bool // missing steps of the file are no data, not an error
	Regions   []string
	Factor    string // kind of factor: average, ...
	Zone      string // of a provider
	Address   string // of a provider; empty is its own
	CA        string
	SecretEnv string        // the environment variable with the provider's token
	MaxAge    time.Duration // how long the last value may stand in; default 2h
}

// SignalKinds are the kinds of source.
var SignalKinds = []string{"meter", "factor", "csv", "electricity-maps", "uk-carbon"}

// signals checks what a site declares of its hours.
func (b *builder) signals(s *Site) {
	if len(s.Signals) > maxSignals {
		b.fail(s.line, "", "site %s has %d signals; %d are the most", s.Name, len(s.Signals), maxSignals)
		return
	}
	if !slices.Contains([]string{"", "trusted", "hourly"}, s.CarbonPrefer) {
		b.fail(s.line, "trusted or hourly", "site %s prefers carbon %q", s.Name, s.CarbonPrefer)
	}
	if s.TariffFile != "" && s.Tariff != 0 {
		b.fail(s.line, "leave one out", "site %s has both a tariff and a tariff_file", s.Name)
	}
	if (s.Plant != "" || s.Chiller != "") && s.Weather == "" {
		b.fail(s.line, "declare weather: an EPW or CSV file", "site %s has a plant and no weather to run it in", s.Name)
	}
	for i := range s.Signals {
		b.signal(s, &s.Signals[i])
	}
}

func (b *builder) signal(s *Site, g *Signal) {
	known := func(key, value string, words ...string) {
		if value != "" && !slices.Contains(words, value) {
			b.fail(g.line, "known: "+strings.Join(words, ", "), "a signal of site %s has the %s %s", s.Name, key, strconv.Quote(value))
		}
	}
	if g.Kind == "" {
		b.fail(g.line, "known: "+strings.Join(SignalKinds, ", "), "a signal of site %s has no kind", s.Name)
	}
	known("kind", g.Kind, SignalKinds...)
	known("measure", g.Measure, "average", "marginal")
	known("basis", g.Basis, "location", "market")
	known("scope", g.Scope, "direct", "life-cycle")
	if g.MaxAge < 0 || g.MaxAge > maxMaxAge {
		b.fail(g.line, "at most a week", "a signal of site %s may be %v old", s.Name, g.MaxAge)
	}
	if !variable(g.SecretEnv) {
		b.fail(g.line, "secret_env names a variable, such as EMAPS_TOKEN; the token itself stays out of the file", "a signal of site %s: secret_env is not the name of an environment variable", s.Name)
	}
	switch {
	case g.Kind == "factor" && (len(g.Regions) == 0 || len(g.Regions) > maxRegions):
		b.fail(g.line, "from near to far, such as [Sichuan, national]", "a factor of site %s names %d regions", s.Name, len(g.Regions))
	case (g.Kind == "csv" || g.Kind == "meter") && g.File == "":
		b.fail(g.line, "file: a CSV series", "a signal of site %s has no file", s.Name)
	case g.Kind == "electricity-maps" && (g.Zone == "" || g.SecretEnv == ""):
		b.fail(g.line, "zone: CN-SC, secret_env: EMAPS_TOKEN", "Electricity Maps of site %s needs a zone and a secret_env", s.Name)
	}
}
