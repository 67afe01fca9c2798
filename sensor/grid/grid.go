// Package grid fetches carbon intensities from providers over HTTP, in the shapes
// of Electricity Maps (v3) and of the UK Carbon Intensity API. It owns requests,
// their pace and what the answers mean; which source is believed is for
// energy.Feed to say. Read this file first, then shape.go; fetch.go is HTTP.
package grid

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/sensor"
	"tianfu/unit"
)

// The kinds of provider.
const (
	ElectricityMaps = "electricity-maps"
	UKCarbon        = "uk-carbon"
)

// Pace of asking. Providers tell a new value every half hour or hour.
const (
	every      = 10 * time.Minute
	firstRetry = time.Minute
	maxRetry   = 30 * time.Minute
	keep       = 8 * 24 * time.Hour // of what was observed
)

// Options say which provider is asked, and for where.
type Options struct {
	Kind      string // ElectricityMaps or UKCarbon
	Address   string // https://host; empty is the provider's own
	Zone      string // such as CN-SC; of UKCarbon a region from 1 to 17, empty is all of Great Britain
	Token     string // of ElectricityMaps
	CA        string // certificates that sign the provider's, a PEM file
	LifeCycle bool   // ask for life-cycle figures; otherwise for emissions of generation
}

// Provider is one provider for one zone. Its methods may be called from any
// goroutine.
type Provider struct {
	o    Options
	root string
	http *http.Client
	step time.Duration

	asking sync.Mutex // one refresh at a time

	mu     sync.Mutex
	points map[unit.Instant]point
	tags   map[string]string // of answers, by path
	state  sensor.ProviderState
	failed int // times in a row
}

// point is the intensity of a step, in kg per kWh.
type point struct {
	value    float64
	observed bool
}

// New checks what is declared; it asks nothing yet.
func New(o Options) (*Provider, error) {
	p := &Provider{o: o, points: map[unit.Instant]point{}, tags: map[string]string{}}
	own := map[string]string{ElectricityMaps: "https://api.electricitymap.org", UKCarbon: "https://api.carbonintensity.org.uk"}[o.Kind]
	switch {
	case own == "":
		return nil, fault.New(fault.Invalid, "kind", fmt.Sprintf("%q is no provider", o.Kind), "use "+ElectricityMaps+" or "+UKCarbon)
	case o.Kind == ElectricityMaps && (o.Zone == "" || o.Token == ""):
		return nil, fault.New(fault.Invalid, "zone", "Electricity Maps needs a zone and a token", "declare zone: CN-SC and secret_env: EMAPS_TOKEN, and set that variable")
	case len(o.Zone) > 32 || strings.ContainsFunc(o.Zone, notOfZone):
		return nil, fault.Invalidf("zone", "%.40q is no zone", o.Zone)
	case o.Kind == UKCarbon && o.LifeCycle:
		return nil, fault.New(fault.Invalid, "scope", "the UK API knows emissions of generation only", "declare scope: direct")
	}
	p.step = time.Hour
	if o.Kind == UKCarbon {
		p.step = 30 * time.Minute
	}
	if o.Address == "" {
		o.Address = own
	}
	u, err := url.Parse(o.Address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fault.New(fault.Invalid, "address", fmt.Sprintf("%.120q is no URL of a provider", o.Address), "such as "+own)
	}
	if u.Scheme == "http" && o.Token != "" && !loopback(u.Hostname()) {
		return nil, fault.New(fault.Invalid, "address", "the token would be sent in the clear", "write https://")
	}
	p.root = strings.TrimSuffix(u.String(), "/")
	c, err := sensor.TLS(o.CA, "")
	if err != nil {
		return nil, err
	}
	p.http = httpClient(c, u)
	p.state.Provider = o.Kind + " " + o.Zone
	return p, nil
}

func notOfZone(r rune) bool {
	return !(r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_')
}

// Step returns how long a value of the provider holds.
func (p *Provider) Step() time.Duration { return p.step }

// State returns how the provider is.
func (p *Provider) State() sensor.ProviderState {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// Refresh asks the provider, unless it is too early: after an answer every ten
// minutes, after a failure in a minute, then in twice as long up to half an hour,
// or when the provider says. It tells whether anything new was learnt.
func (p *Provider) Refresh(ctx context.Context, now unit.Instant) (bool, error) {
	p.asking.Lock()
	defer p.asking.Unlock()
	if now < p.State().Next {
		return false, nil
	}
	fresh, err := p.ask(ctx, now)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		clear(p.tags) // what was not taken in must be told again
		p.failed++
		wait := firstRetry
		for i := 1; i < p.failed && wait < maxRetry; i++ {
			wait = min(2*wait, maxRetry)
		}
		var busy *busyError
		if asBusy(err, &busy) {
			wait = max(wait, busy.after)
		}
		p.state.Error, p.state.Next = err.Error(), now.Add(wait)
		return false, err
	}
	p.failed = 0
	p.state.Error, p.state.Fetched, p.state.Next = "", now, now.Add(every)
	changed := false
	for at, x := range fresh {
		if old, known := p.points[at]; known && (old == x || old.observed && !x.observed) {
			continue // a forecast never takes the place of what was observed
		}
		p.points[at] = x
		changed = true
	}
	for at := range p.points {
		if at < now.Add(-keep) {
			delete(p.points, at)
		}
	}
	return changed, nil
}

// Series returns what is known: what was observed, and what the provider expects
// of the steps after that; nil where there is nothing.
func (p *Provider) Series() (observed, forecast *energy.Series) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.series(true), p.series(false)
}

func (p *Provider) series(observed bool) *energy.Series {
	var at []unit.Instant
	for t, x := range p.points {
		if x.observed == observed {
			at = append(at, t)
		}
	}
	if len(at) == 0 {
		return nil
	}
	slices.Sort(at)
	n := int(at[len(at)-1].Sub(at[0])/p.step) + 1
	s := &energy.Series{Name: p.state.Provider, Start: at[0], Step: p.step, Values: make([]float64, n)}
	for i := range s.Values {
		s.Values[i] = math.NaN()
	}
	for _, t := range at {
		s.Values[int(t.Sub(at[0])/p.step)] = p.points[t].value
	}
	return s
}
