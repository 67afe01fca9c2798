package fleet

import "tianfu/unit"

// Budget is the most energy and carbon that may be drawn in a calendar day: by a
// tenant over all sites, or at a site.
type Budget struct {
	at
	Energy   unit.KWhPerDay // such as 120kWh/day; left out = not limited
	Carbon   unit.KgPerDay  // such as 15kg/day; left out = not limited
	TimeZone string         // of a tenant's days, where the sites have several
}

// budget checks what is declared of a day; zone is the site's, empty for a tenant.
func (b *builder) budget(x *Budget, what, zone string) {
	if x.line == 0 {
		return
	}
	if x.Energy == 0 && x.Carbon == 0 {
		b.fail(x.line, "write it like {energy: 120kWh/day, carbon: 15kg/day}", "the budget of %s limits nothing", what)
	}
	switch zones := b.w.zonesOfSites(); {
	case zone != "" && x.TimeZone != "":
		b.fail(x.line, "leave it out: the days are the site's", "the budget of %s has a time_zone of its own", what)
	case x.TimeZone != "" && !KnownZone(x.TimeZone):
		b.fail(x.line, "use an IANA name like Asia/Shanghai", "the budget of %s: unknown time_zone %q", what, x.TimeZone)
	case zone == "" && x.TimeZone == "" && len(zones) > 1:
		b.fail(x.line, "say time_zone: "+zones[0]+", or another", "the sites are in %d time zones, and the budget of %s does not say whose day it is of", len(zones), what)
	}
}

// zonesOfSites lists the time zones of the sites, each once.
func (w *World) zonesOfSites() []string {
	var out []string
	seen := map[string]bool{}
	for i := range w.Sites {
		if z := w.Sites[i].TimeZone; !seen[z] {
			seen[z] = true
			out = append(out, z)
		}
	}
	return out
}

// BudgetZone returns the zone whose days a tenant's budget is of.
func (w *World) BudgetZone(b *Budget) string {
	if b.TimeZone != "" {
		return b.TimeZone
	}
	if zones := w.zonesOfSites(); len(zones) > 0 {
		return zones[0]
	}
	return "UTC"
}
