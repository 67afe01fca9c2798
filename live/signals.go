package live

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/sensor"
	"tianfu/unit"
)

// Windows of what is reported of a site's hours.
const (
	hoursBack    = 7 * 24 * time.Hour // for forecasts to learn from
	hoursAhead   = 48 * time.Hour
	lookAgain    = 15 * time.Second // for providers that are due
	computeEvery = 5 * time.Minute
)

// SiteSignals say what the hours of a site cost: sources of carbon in any order,
// price, and the plant's year.
type SiteSignals struct {
	Site    string
	Digest  string // of all that was declared, files too; the same = nothing changed
	Sources []SignalSource
	// Hourly passes over factors of a year where a source has the shape of the day.
	Hourly bool
	Base   energy.SiteSources // price and facility; its carbon is not read
	Plant  *energy.Plant      // of the facility; nil = none is declared
	// Declared figures, where no source is: NaN for none.
	Carbon unit.KgPerKWh
	Price  unit.YuanPerKWh
	PUE    float64 // 0 = none
}

// SignalSource is a source of carbon; of a provider, whose series comes and grows
// while the centre runs, Series is empty.
type SignalSource struct {
	energy.Source
	Provider sensor.Provider
}

// SiteSignal is how a site's signals are now, for people.
type SiteSignal struct {
	Site      string
	Readings  []energy.Reading // by nature
	Providers []sensor.ProviderState
	Hour      energy.SiteHour // what the core was told of the hour that now lies in
	Known     bool            // there is such an hour
}

// signals fetch, compute and report what hours cost. They are the one way by
// which carbon, price and PUE come into the core of a live centre.
type signals struct {
	mu      sync.Mutex
	sites   []*siteSignals
	running context.Context // nil before run and after it
	centre  *Centre
	all     sync.WaitGroup
}

type siteSignals struct {
	SiteSignals
	natures  []energy.Nature
	last     unit.Instant // when hours were computed
	reported map[unit.Instant]energy.SiteHour

	mu   sync.Mutex
	view SiteSignal
	stop context.CancelFunc // nil while nobody looks
}

func newSignals(c *Centre, sites []SiteSignals) *signals {
	out := &signals{centre: c}
	out.replace(sites)
	return out
}

// replace changes what sites are told of: one with the digest it had goes on
// with what its providers have told; the others of before are stopped, and what
// is new begins. Hours that the core knows already stay until they pass.
func (all *signals) replace(sites []SiteSignals) {
	all.mu.Lock()
	defer all.mu.Unlock()
	before := all.sites
	all.sites = nil
	for _, s := range sites {
		if k := slices.IndexFunc(before, func(x *siteSignals) bool { return x.Site == s.Site && x.Digest == s.Digest && s.Digest != "" }); k >= 0 {
			all.sites = append(all.sites, before[k])
			before = slices.Delete(slices.Clone(before), k, k+1)
			continue
		}
		x := &siteSignals{SiteSignals: s, reported: map[unit.Instant]energy.SiteHour{}, view: SiteSignal{Site: s.Site}}
		slices.SortStableFunc(x.Sources, func(a, b SignalSource) int { return int(a.Trust) - int(b.Trust) })
		for i := range x.Sources {
			if n := x.Sources[i].Nature; !slices.Contains(x.natures, n) {
				x.natures = append(x.natures, n)
			}
		}
		all.sites = append(all.sites, x)
	}
	for _, x := range before {
		if x.stop != nil {
			x.stop()
		}
	}
	all.begin()
}

// begin looks at sites that nobody looks at yet; the lock is held.
func (all *signals) begin() {
	if all.running == nil || all.running.Err() != nil {
		return
	}
	for _, site := range all.sites {
		if site.stop != nil {
			continue
		}
		ctx, stop := context.WithCancel(all.running)
		site.stop = stop
		all.all.Go(func() {
			defer stop()
			for {
				site.look(ctx, all.centre)
				select {
				case <-ctx.Done():
					return
				case <-time.After(lookAgain):
				}
			}
		})
	}
}

// run reports hours until the context ends. Sites do not wait for each other.
func (all *signals) run(ctx context.Context) {
	all.mu.Lock()
	all.running = ctx
	all.begin()
	all.mu.Unlock()
	<-ctx.Done()
	all.mu.Lock() // nothing begins any more
	all.running = nil
	all.mu.Unlock()
	all.all.Wait()
}

// look asks the providers that are due, and reports hours that have changed.
func (x *siteSignals) look(ctx context.Context, c *Centre) {
	now := c.o.Now()
	changed := x.last == 0 || now.Sub(x.last) >= computeEvery
	for i := range x.Sources {
		p := x.Sources[i].Provider
		if p == nil {
			continue
		}
		before := p.State().Error
		fresh, err := p.Refresh(ctx, now)
		if ctx.Err() != nil {
			return
		}
		changed = changed || fresh
		if err != nil && before == "" {
			c.o.Logger.Warn("a carbon provider does not answer: its last values and other sources stand in", "site", x.Site, "provider", p.State().Provider, "error", err)
		} else if err == nil && before != "" && p.State().Error == "" {
			c.o.Logger.Info("a carbon provider answers again", "site", x.Site, "provider", p.State().Provider)
		}
	}
	if changed {
		x.last = now
		if err := x.report(ctx, c, now); err != nil && ctx.Err() == nil {
			c.o.Logger.Warn("the hours of a site are not known to the core", "site", x.Site, "error", err)
		}
	}
	x.show(now)
}

// carbonFeed is the sources of one nature, with what their providers know now.
type carbonFeed struct {
	*energy.Feed
	observed map[string]*energy.Series // of providers, by source
}

func (x *siteSignals) feed(n energy.Nature) (carbonFeed, bool) {
	out := carbonFeed{observed: map[string]*energy.Series{}}
	var sources []energy.Source
	for i := range x.Sources {
		s := x.Sources[i].Source
		if s.Nature != n {
			continue
		}
		if p := x.Sources[i].Provider; p != nil {
			observed, forecast := p.Series()
			if s.Series = joined(observed, forecast); s.Series == nil {
				continue // it has told nothing yet
			}
			out.observed[s.Name] = observed
		}
		sources = append(sources, s)
	}
	if len(sources) == 0 {
		return out, false
	}
	var err error
	out.Feed, err = energy.NewFeed(sources...)
	return out, err == nil
}

// joined puts what was observed before what is expected.
func joined(observed, forecast *energy.Series) *energy.Series {
	switch {
	case observed == nil:
		return forecast
	case forecast == nil:
		return observed
	}
	start, end := min(observed.Start, forecast.Start), max(observed.End(), forecast.End())
	out := &energy.Series{Name: observed.Name, Start: start, Step: observed.Step, Values: make([]float64, int(end.Sub(start)/observed.Step))}
	for i := range out.Values {
		at := start + unit.Instant(i)*unit.Instant(out.Step)
		v, ok := observed.At(at)
		if !ok {
			v, ok = forecast.At(at)
		}
		if !ok {
			v = math.NaN()
		}
		out.Values[i] = v
	}
	return out
}

// at reads a feed. What lies ahead is known or it is not: a last value says
// nothing of it.
func (x *siteSignals) at(f carbonFeed, t, now unit.Instant) (r energy.Reading, expected bool) {
	if x.Hourly {
		r = f.At(t, time.Hour)
	}
	if !r.Known {
		r = f.At(t, 0)
	}
	if t > now && r.Age > 0 {
		r.Known = false
	}
	if observed, provided := f.observed[r.Source]; r.Known && provided {
		known := false
		if observed != nil {
			_, known = observed.At(t)
		}
		expected = !known && r.Age == 0
	}
	return r, expected
}

// hours computes what the hours about now cost.
func (x *siteSignals) hours(now unit.Instant) ([]energy.SiteHour, error) {
	step := unit.Instant(time.Hour)
	for i := range x.Sources {
		if p := x.Sources[i].Provider; p != nil {
			step = min(step, unit.Instant(p.Step()))
		} else if s := x.Sources[i].Series; s != nil {
			step = max(min(step, unit.Instant(s.Step)), unit.Instant(5*time.Minute))
		}
	}
	from, to := now.Add(-hoursBack), now.Add(hoursAhead)
	from, to = from-from%step, to-to%step
	n := int((to - from) / step)
	expected := map[unit.Instant]bool{}
	base := x.Base
	for _, nature := range x.natures {
		f, ok := x.feed(nature)
		if !ok {
			continue
		}
		s := &energy.Series{Start: from, Step: time.Duration(step), Values: make([]float64, n)}
		for i := range n {
			t := from + unit.Instant(i)*step
			r, e := x.at(f, t, now)
			s.Values[i] = math.NaN()
			if r.Known {
				s.Values[i] = float64(r.Value)
			}
			expected[t] = expected[t] || e
		}
		switch {
		case nature.Measure == energy.Marginal:
			base.Marginal = s
		case nature.Basis == energy.Market:
			base.Market = s
		default:
			base.Carbon = s
		}
	}
	return x.priced(&base, from, now-now%step+step, to, expected)
}

// priced adds price and PUE: hours up to cut are observed, but for those whose
// carbon a provider only expected; the others are forecasts.
func (x *siteSignals) priced(base *energy.SiteSources, from, cut, to unit.Instant, expected map[unit.Instant]bool) ([]energy.SiteHour, error) {
	out, err := base.Hours(from, cut)
	if err != nil {
		return nil, err
	}
	base.Forecast = true
	ahead, err := base.Hours(cut, to)
	if err != nil {
		return nil, err
	}
	out = append(out, ahead...)
	for i := range out {
		h := &out[i]
		h.Forecast = h.Forecast || expected[h.From]
		h.Declare(x.Price, x.PUE)
		if len(x.Sources) == 0 {
			h.DeclareCarbon(x.Carbon)
		}
	}
	return out, nil
}

// report tells the core the hours that have changed.
func (x *siteSignals) report(ctx context.Context, c *Centre, now unit.Instant) error {
	hours, err := x.hours(now)
	if err != nil {
		return err
	}
	var fresh []energy.SiteHour
	for _, h := range hours {
		if old, known := x.reported[h.From]; !known || old != h {
			fresh = append(fresh, h)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	if _, err := c.send(ctx, ask{input: control.Input{Kind: control.SiteHours, Site: x.Site, Hours: fresh}}); err != nil {
		return err
	}
	for _, h := range fresh {
		x.reported[h.From] = h
	}
	for from := range x.reported {
		if from < now.Add(-2*hoursBack) {
			delete(x.reported, from)
		}
	}
	return nil
}

// show keeps how the signals are, for people.
func (x *siteSignals) show(now unit.Instant) {
	v := SiteSignal{Site: x.Site}
	for _, n := range x.natures {
		if f, ok := x.feed(n); ok {
			r, _ := x.at(f, now, now)
			v.Readings = append(v.Readings, r)
		} else {
			v.Readings = append(v.Readings, energy.Reading{Nature: n, Passed: []string{"no source has told anything yet"}})
		}
	}
	for i := range x.Sources {
		if p := x.Sources[i].Provider; p != nil {
			v.Providers = append(v.Providers, p.State())
		}
	}
	for _, h := range x.reported {
		if h.From <= now && now < h.To {
			v.Hour, v.Known = h, true
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.view = v
}

// Signals returns how the signals of every site are, in the order of the world.
func (c *Centre) Signals() []SiteSignal {
	c.signals.mu.Lock()
	defer c.signals.mu.Unlock()
	var out []SiteSignal
	for _, x := range c.signals.sites {
		x.mu.Lock()
		out = append(out, x.view)
		x.mu.Unlock()
	}
	return out
}
