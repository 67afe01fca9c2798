package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"reflect"
	"slices"

	"tianfu/fleet"
	"tianfu/httpapi"
	"tianfu/live"
)

// wiring is what a centre is connected to beside its core: meters, signals of
// sites, and the rules for people of an identity provider. A reload of the world
// changes it while the centre runs.
type wiring struct {
	meters  []live.Instrument
	signals []live.SiteSignals
	rules   *httpapi.ClaimRules // nil without a provider
}

// wire opens what a world declares. Meters that are declared as they were before
// are the same ones; before may be nil.
func (f *serveFlags) wire(world *readyWorld, before *readyWorld, log *slog.Logger) (w wiring, err error) {
	if w.rules, err = f.oidc.readRules(); err != nil {
		return w, err
	}
	if w.signals, err = siteSignals(world.declared); err != nil {
		return w, err
	}
	w.meters = instruments(world.declared, world.own, log, func(m *fleet.Meter) *live.Instrument { return before.instrument(m) })
	return w, nil
}

// instrument returns the meter that was declared as m is, if it can be read.
func (w *readyWorld) instrument(m *fleet.Meter) *live.Instrument {
	if w == nil {
		return nil
	}
	k := slices.IndexFunc(w.declared.Meters, func(o fleet.Meter) bool { return o.Name == m.Name && bareMeter(&o) == bareMeter(m) })
	at := slices.IndexFunc(w.wiring.meters, func(x live.Instrument) bool { return x.Name == m.Name && x.Broken == nil })
	if k < 0 || at < 0 {
		return nil
	}
	return &w.wiring.meters[at]
}

// changes says in words what differs from another wiring.
func (w *wiring) changes(next *wiring) []string {
	var out []string
	meters := map[string]live.Instrument{}
	for _, m := range w.meters {
		meters[m.Name] = m
	}
	for _, m := range next.meters {
		old, was := meters[m.Name]
		delete(meters, m.Name)
		switch {
		case !was:
			out = append(out, "meter "+m.Name+" is added")
		case old.Source != m.Source:
			out = append(out, "meter "+m.Name+" is changed")
		}
	}
	for _, m := range w.meters {
		if _, gone := meters[m.Name]; gone {
			out = append(out, "meter "+m.Name+" is removed")
		}
	}
	digests := map[string]string{}
	for _, s := range w.signals {
		digests[s.Site] = s.Digest
	}
	for _, s := range next.signals {
		if digests[s.Site] != s.Digest {
			out = append(out, "signals of site "+s.Site+" are changed")
		}
		delete(digests, s.Site)
	}
	for _, s := range w.signals {
		if _, gone := digests[s.Site]; gone {
			out = append(out, "signals of site "+s.Site+" are removed")
		}
	}
	if !reflect.DeepEqual(w.rules, next.rules) {
		out = append(out, "rules for people of the identity provider are changed")
	}
	return out
}

// drop closes the meters that another wiring does not have.
func (w *wiring) drop(other *wiring) {
	for _, m := range w.meters {
		if m.Source != nil && !slices.ContainsFunc(other.meters, func(x live.Instrument) bool { return x.Source == m.Source }) {
			m.Source.Close()
		}
	}
}

// rewire connects a running centre as the next world says.
func (k *worldKeeper) rewire(ctx context.Context, next *wiring) error {
	if err := k.centre.Rewire(ctx, next.meters, next.signals); err != nil {
		return err
	}
	if k.provider != nil && next.rules != nil {
		return k.provider.SetRules(next.rules)
	}
	return nil
}

// bareMeter is a declared meter as the file would say it again.
func bareMeter(m *fleet.Meter) string {
	text := fmt.Sprintln(m.Name, m.Kind, m.Covers, m.Address, m.Every, m.MaxPower, m.UnitID, m.User, m.SecretEnv, m.CA, m.Fingerprint, m.Solar)
	for _, c := range m.Channels {
		text += fmt.Sprintln(" ", c.Name, c.Address, c.Field, c.Type, c.Unit, c.Wraps, c.Part)
	}
	return text
}

// signalDigest is all that says what a site's hours cost: the declaration, and
// what its files hold.
func signalDigest(s *fleet.Site) string {
	h := sha256.New()
	files := []string{s.TariffFile, s.Weather, s.Plant, s.Chiller}
	fmt.Fprintf(h, "%q %q %v %v %v %q", s.Name, s.TimeZone, s.Carbon, s.Tariff, s.PUE, s.CarbonPrefer)
	for i := range s.Signals {
		g := &s.Signals[i]
		fmt.Fprintf(h, "%q %q %q %q %q %v %q %q %q %q %q %v", g.Kind, g.Measure, g.Basis, g.Scope, g.Column, g.Gaps, g.Regions, g.Factor, g.Zone, g.Address, g.SecretEnv, g.MaxAge)
		files = append(files, g.File, g.CA)
	}
	for _, name := range files {
		fmt.Fprintf(h, "%q", name)
		if text, err := readBounded(name, maxSiteFile); name != "" && err == nil { // else it is built in
			h.Write(text)
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// maxSiteFile bounds the files of a site that are looked at for changes.
const maxSiteFile = 256 << 20
