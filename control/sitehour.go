package control

import (
	"slices"
	"time"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/sched"
	"tianfu/unit"
)

// keepSiteHours is how long the core remembers hours that are over: long enough
// for a late reading to be metered and for a forecast to be fitted.
const keepSiteHours = 31 * 24 * time.Hour

// siteTable is what is known of the hours of one site.
type siteTable struct {
	name  string
	hours []energy.SiteHour // in order of time; replaced, never changed
}

// siteHours takes a report of what hours at a site cost. The driver makes it,
// from files in a replay and from meters, factors, tariffs and providers in a
// live centre; nothing else brings carbon, price or PUE into the core. What is
// known already, as after a restart, is passed over.
func (s *State) siteHours(in *Input) error {
	if _, ok := slices.BinarySearch(s.sites(), in.Site); !ok {
		return fault.New(fault.NotFound, "site "+in.Site, "no node stands there", "report hours of a site of the fleet")
	}
	if err := energy.CheckSiteHours(in.Site, in.Hours); err != nil {
		return err
	}
	known := s.SiteHours(in.Site)
	fresh := slices.DeleteFunc(slices.Clone(in.Hours), func(h energy.SiteHour) bool {
		old, ok := energy.SiteHourAt(known, h.From)
		return ok && old == h
	})
	if len(fresh) > 0 {
		s.record(Record{Kind: SiteHoursKnown, Site: in.Site, Hours: fresh})
	}
	return nil
}

// sites lists the sites of the declared fleet in order; nodes without a place
// stand at the site "".
func (s *State) sites() []string {
	var out []string
	for i := range s.cfg.Fleet.Nodes {
		site := s.cfg.Fleet.Nodes[i].Place.Site
		if at, known := slices.BinarySearch(out, site); !known {
			out = slices.Insert(out, at, site)
		}
	}
	return out
}

func (s *State) foldSiteHours(r *Record) {
	t := s.siteTable(r.Site)
	if t == nil {
		at, _ := slices.BinarySearchFunc(s.hours, r.Site, siteTable.compare)
		s.hours = slices.Insert(s.hours, at, siteTable{name: r.Site})
		t = &s.hours[at]
	}
	t.hours = energy.MergeSiteHours(t.hours, r.Hours, r.At.Add(-keepSiteHours))
	if s.ledger != nil {
		s.meterNext()
	}
}

func (t siteTable) compare(name string) int {
	switch {
	case t.name < name:
		return -1
	case t.name > name:
		return 1
	}
	return 0
}

func (s *State) siteTable(site string) *siteTable {
	if at, ok := slices.BinarySearchFunc(s.hours, site, siteTable.compare); ok {
		return &s.hours[at]
	}
	return nil
}

// SiteHour returns what the hour that t lies in costs at a site; false when
// nobody has reported it.
func (s *State) SiteHour(site string, t unit.Instant) (energy.SiteHour, bool) {
	return energy.SiteHourAt(s.SiteHours(site), t)
}

// SiteHours returns all that is known of a site's hours, in order of time. The
// slice is never changed: it may be kept.
func (s *State) SiteHours(site string) []energy.SiteHour {
	if t := s.siteTable(site); t != nil {
		return t.hours
	}
	return nil
}

func (t *siteTable) code(x *sched.Coder) {
	sched.Text(x, &t.name)
	hours := t.hours
	sched.List(x, &hours, func(h *energy.SiteHour) {
		for _, v := range []*unit.Instant{&h.From, &h.To} {
			sched.Int(x, v)
		}
		for _, v := range []*int64{&h.CarbonLocation, &h.CarbonMarket, &h.CarbonMarginal, &h.Price, &h.PUE, &h.Water} {
			sched.Int(x, v)
		}
		x.Bool(&h.Forecast)
	})
	t.hours = hours
}
