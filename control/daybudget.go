package control

import (
	"cmp"
	"math"
	"slices"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/meter"
	"tianfu/sched"
	"tianfu/unit"
)

// budgetState is what the core keeps of the budgets of a day. What was spent is
// summed up from the pages of the ledger as they are booked; what is drawn since
// the last page of a site is the model's. Without a ledger, as in a fork, all of
// it is.
type budgetState struct {
	spent []budgetSpent  // by budget
	until []unit.Instant // by number of site: up to when pages are booked
	gone  []sched.Charge // of tasks that have left since then

	// What follows from the configuration and the instant.
	sites []string
	site  []int32 // number of the site of each node
	zones []fleet.Zone
	now   *sched.DayBudgets // scratch; nil = not made yet
	from  unit.Instant      // of the days, and when the first of them is over
	to    unit.Instant
	seen  []seenHours // what the rates of each site were made of
}

// budgetSpent is what a budget has spent in the day that begins at an instant.
type budgetSpent struct {
	day unit.Instant
	sched.Drawn
}

type seenHours struct {
	hours    []energy.SiteHour
	from, to unit.Instant
}

// Bounds of the budgets of a day.
const (
	maxDayBudgets = 10_000
	maxDayEnergy  = unit.Millijoules(1e15) // 278 GWh: a site of 11 GW
	maxDayCarbon  = unit.Micrograms(1e18)  // a million tonnes
)

// checkBudgets holds the declared budgets to their bounds.
func (c *Config) checkBudgets() error {
	if len(c.DayBudgets) == 0 {
		return nil
	}
	if c.Power == nil {
		return fault.New(fault.Invalid, "budgets", "of energy or carbon are declared, and no power model of the nodes is known", "give idle: and full: of every accelerator under catalogue:")
	}
	if len(c.DayBudgets) > maxDayBudgets {
		return fault.Invalidf("budgets", "%d are declared; %d are the most", len(c.DayBudgets), maxDayBudgets)
	}
	seen := map[string]bool{}
	for i := range c.DayBudgets {
		b := &c.DayBudgets[i]
		where := "budget of " + b.String()
		switch {
		case b.Energy < 0 || b.Energy > maxDayEnergy || b.Carbon < 0 || b.Carbon > maxDayCarbon || b.Energy == 0 && b.Carbon == 0:
			return fault.New(fault.Invalid, where, "is nothing, below zero or beyond all bounds", "write it like {energy: 120kWh/day, carbon: 15kg/day}")
		case seen[b.String()]:
			return fault.New(fault.Invalid, where, "is declared twice", "keep one")
		case b.Tenant == "" && !slices.ContainsFunc(c.Fleet.Nodes, func(n fleet.Node) bool { return n.Place.Site == b.Site }):
			return fault.New(fault.NotFound, where, "no node stands there", "name a site with nodes")
		}
		seen[b.String()] = true
	}
	return nil
}

// openBudgets gives a new state its budgets.
func (s *State) openBudgets() {
	if len(s.cfg.DayBudgets) == 0 {
		return
	}
	b := &budgetState{sites: s.sites(), spent: make([]budgetSpent, len(s.cfg.DayBudgets))}
	for i := range b.spent {
		b.spent[i].day = math.MinInt64
	}
	b.until, b.site = make([]unit.Instant, len(b.sites)), make([]int32, s.cap.Nodes())
	for n := range b.site {
		at, _ := slices.BinarySearch(b.sites, s.cap.Node(int32(n)).Place.Site)
		b.site[n] = int32(at)
	}
	for i := range s.cfg.DayBudgets {
		z := s.cfg.DayBudgets[i].Zone
		if !slices.ContainsFunc(b.zones, func(o fleet.Zone) bool { return o.Name == z.Name }) {
			b.zones = append(b.zones, z)
		}
	}
	s.budgets = b
}

// clone returns a copy that goes on alone.
func (b *budgetState) clone() *budgetState {
	if b == nil {
		return nil
	}
	c := *b
	c.spent, c.until, c.gone = slices.Clone(b.spent), slices.Clone(b.until), slices.Clone(b.gone)
	c.now, c.seen, c.from, c.to = nil, nil, 0, 0
	return &c
}

// carryBudgets keeps what was spent when a changed configuration is taken over. A
// budget that is new counts from now on.
func (s *State) carryBudgets(old *State, at unit.Instant) {
	s.budgets = nil
	s.openBudgets()
	b := s.budgets
	if b == nil {
		return
	}
	for i := range b.until {
		b.until[i] = at
	}
	if old.budgets == nil {
		return
	}
	for i := range s.cfg.DayBudgets {
		for k := range old.cfg.DayBudgets {
			if s.cfg.DayBudgets[i].String() == old.cfg.DayBudgets[k].String() {
				b.spent[i] = old.budgets.spent[k]
			}
		}
	}
	for i, name := range old.budgets.sites {
		if k, there := slices.BinarySearch(b.sites, name); there {
			b.until[k] = old.budgets.until[i]
		}
	}
	for _, g := range old.budgets.gone {
		if k, there := slices.BinarySearch(b.sites, old.budgets.sites[g.Site]); there {
			g.Site = int32(k)
			b.gone = append(b.gone, g)
		}
	}
}

// budgetEdge returns when the first day of a budget is over, seen from the last
// step; Never without budgets.
func (s *State) budgetEdge() unit.Instant {
	b := s.budgets
	if b == nil {
		return unit.Never
	}
	if s.now < b.from || s.now >= b.to {
		b.from, b.to = 0, unit.Never
		for i := range b.zones {
			from, to := b.zones[i].DayOf(s.now)
			b.from, b.to = max(b.from, from), min(b.to, to)
		}
		b.from = min(b.from, s.now)
	}
	return b.to
}

// budgetMidnight returns the first end of a budget's day after an instant, where
// an interval of the ledger is to end too; Never without budgets.
func (s *State) budgetMidnight(at unit.Instant) unit.Instant {
	if s.budgets == nil {
		return unit.Never
	}
	end := unit.Never
	for i := range s.budgets.zones {
		_, to := s.budgets.zones[i].DayOf(at)
		end = min(end, to)
	}
	return end
}

// spend adds to what a budget has spent in the day that begins at an instant;
// what belongs to an earlier day comes too late.
func (x *budgetSpent) spend(day unit.Instant, d sched.Drawn) {
	if day < x.day {
		return
	}
	if day > x.day {
		*x = budgetSpent{day: day}
	}
	x.Energy += d.Energy
	x.Carbon += d.Carbon
}

// budgetPage books a page of the ledger, as part of the fold: a tenant's tasks,
// and everything at a site's meter.
func (s *State) budgetPage(page *meter.Page) {
	b := s.budgets
	at, there := slices.BinarySearch(b.sites, page.Site)
	if !there {
		return
	}
	carbon := func(p *meter.Part) unit.Micrograms { return p.CarbonLocation }
	if page.Hour.CarbonLocation == energy.NoData {
		known := carbonBefore(s.SiteHours(page.Site), page.From)
		carbon = func(p *meter.Part) unit.Micrograms {
			return unit.Micrograms(mulDiv(int64(p.Energy()), known, 3_600_000))
		}
	}
	byTenant := map[job.Tenant]sched.Drawn{}
	var all sched.Drawn
	for i := range page.Nodes {
		for k := range page.Nodes[i].Parts {
			p := &page.Nodes[i].Parts[k]
			d := sched.Drawn{Energy: p.Energy(), Carbon: carbon(p)}
			all.Energy, all.Carbon = all.Energy+d.Energy, all.Carbon+d.Carbon
			if j := s.jobOf(p.Job); p.Line == meter.TaskLine && j != nil {
				sum := byTenant[j.spec.Tenant]
				byTenant[j.spec.Tenant] = sched.Drawn{Energy: sum.Energy + d.Energy, Carbon: sum.Carbon + d.Carbon}
			}
		}
	}
	for i := range s.cfg.DayBudgets {
		x := &s.cfg.DayBudgets[i]
		day, _ := x.Zone.DayOf(page.From)
		switch {
		case x.Tenant != "":
			b.spent[i].spend(day, byTenant[x.Tenant])
		case x.Site == page.Site:
			b.spent[i].spend(day, all)
		}
	}
	b.until[at] = page.To
	b.gone = slices.DeleteFunc(b.gone, func(g sched.Charge) bool { return g.Site == int32(at) && g.To <= page.To })
}

// budgetEnded notes, as part of the fold, what a task drew that leaves now, until
// the ledger has it. Where there is no ledger it is spent at once.
func (s *State) budgetEnded(id sched.AllocID, at unit.Instant) {
	b, a := s.budgets, s.cap.Alloc(id)
	g := sched.Charge{Site: b.site[a.Node], Tenant: a.Tenant, Draw: s.cap.DrawOfTask(a), From: a.Start, To: at}
	if g.From = max(g.From, b.until[g.Site]); g.From >= g.To {
		return
	}
	if s.ledger != nil {
		b.gone = append(b.gone, g)
		return
	}
	now := s.budgetsStanding()
	for i := range now.List {
		x := &now.List[i]
		if one := x.Charged(now.Rates[g.Site], &g); one != (sched.Drawn{}) {
			b.spent[i].spend(x.Days[0].From, one)
		}
	}
}

// budgetsStanding returns the budgets with what pages say was spent in this day, and the
// rates of the hours; what the model says is not counted yet.
func (s *State) budgetsStanding() *sched.DayBudgets {
	b := s.budgets
	if b.now == nil {
		b.now = &sched.DayBudgets{Site: b.site, Until: b.until, List: make([]sched.BudgetNow, len(s.cfg.DayBudgets)), Rates: make([]*sched.SiteRates, len(b.sites))}
		b.now.Sort(s.cap)
		b.seen = make([]seenHours, len(b.sites))
	}
	now := b.now
	now.Until = b.until
	now.OfTenant, now.OfSite = none(now.OfTenant, len(s.names)), none(now.OfSite, len(b.sites))
	first, last := unit.Never, unit.Instant(0)
	for i := range now.List {
		x, declared := &now.List[i], &s.cfg.DayBudgets[i]
		today, next := x.Days[0], x.Days[1].To
		if x.DayBudget == nil || s.now < today.From || s.now >= today.To {
			today.From, today.To = declared.Zone.DayOf(s.now)
			_, next = declared.Zone.DayOf(today.To)
		}
		*x = sched.BudgetNow{DayBudget: declared, Number: -1, At: -1}
		x.Days[0].From, x.Days[0].To, x.Days[1].From, x.Days[1].To = today.From, today.To, today.To, next
		if b.spent[i].day == today.From {
			x.Days[0].Spent = b.spent[i].Drawn
		}
		if declared.Tenant == "" {
			at, _ := slices.BinarySearch(b.sites, declared.Site)
			x.At = int32(at)
			now.OfSite[at] = int32(i)
		} else if n, known := s.numbers[declared.Tenant]; known {
			x.Number = n
			now.OfTenant[n] = int32(i)
		} else {
			x.Number = -2 // nothing of it was ever submitted
		}
		first, last = min(first, today.From), max(last, next)
	}
	for i, name := range b.sites {
		hours := s.SiteHours(name)
		if seen := &b.seen[i]; now.Rates[i] == nil || seen.from != first || seen.to != last || !sameHours(seen.hours, hours) {
			now.Rates[i] = ratesOf(hours, first, last)
			*seen = seenHours{hours, first, last}
		}
	}
	return now
}

// none returns a list of so many that names nothing.
func none(list []int32, n int) []int32 {
	list = slices.Grow(list[:0], n)[:n]
	for i := range list {
		list[i] = -1
	}
	return list
}

// sameHours tells whether two tables are one: tables are replaced, never changed.
func sameHours(a, b []energy.SiteHour) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// dayBudgets returns the budgets as a cycle sees them; nil without budgets.
func (s *State) dayBudgets() *sched.DayBudgets {
	if s.budgets == nil {
		return nil
	}
	now := s.budgetsStanding()
	for i := range s.budgets.gone {
		now.Gone(s.budgets.gone[i], s.now)
	}
	now.Tally(s.cap, s.now)
	return now
}

// ratesOf returns what a watt comes to in the hours of a site from one instant to
// another. An hour without a figure counts with the latest known before it; until
// one is known, overhead is none and carbon is not counted.
func ratesOf(hours []energy.SiteHour, from, to unit.Instant) *sched.SiteRates {
	p := sched.RatePiece{From: from, Overhead: sched.Million}
	pieces := []sched.RatePiece{p}
	for i := range hours {
		h := &hours[i]
		if h.From >= to {
			break
		}
		was := p
		if h.PUE != energy.NoData {
			p.Overhead = max(h.PUE, sched.Million)
		}
		if h.CarbonLocation != energy.NoData {
			p.Carbon = h.CarbonLocation
		}
		switch p.From = max(h.From, from); {
		case p.From == from:
			pieces[0] = p
		case p.Overhead != was.Overhead || p.Carbon != was.Carbon:
			pieces = append(pieces, p)
		}
	}
	return sched.NewSiteRates(pieces)
}

// carbonBefore returns the latest intensity known before an instant; 0 = none is.
func carbonBefore(hours []energy.SiteHour, at unit.Instant) int64 {
	i, _ := slices.BinarySearchFunc(hours, at, func(h energy.SiteHour, t unit.Instant) int { return cmp.Compare(h.From, t+1) })
	for i--; i >= 0; i-- {
		if hours[i].CarbonLocation != energy.NoData {
			return hours[i].CarbonLocation
		}
	}
	return 0
}
