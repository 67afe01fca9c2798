package sim

import (
	"cmp"
	"math"
	"slices"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/job"
	"tianfu/meter"
	"tianfu/unit"
)

// Ledger is what the pages of a replay's ledger add up to. A replay in time
// keeps one when it is metered.
type Ledger struct {
	Books
	// Window is the books as they stood at the end of the period, or at the last
	// arrival where none is stated: after it a replay only drains.
	Window  *Books
	Queues  map[job.Queue]*meter.Totals
	Jobs    []meter.Totals // by job ID, from 1
	Hours   []LedgerHour
	Checker meter.Checker
	Err     error // the first page that does not sum up
}

// Books are sums over pages.
type Books struct {
	Lines   [meter.ServiceLine + 1]meter.Totals
	Tenants map[job.Tenant]*meter.Totals
	Total   meter.Totals
	// Unknown is energy in whose hours a factor was not known.
	Unknown [len(energyFactors)]unit.Millijoules
	Bases   [meter.Unmetered + 1]unit.Millijoules // IT energy by where it comes from
}

// energyFactors are the factors of an hour, in the order of meter.Missing.
var energyFactors = [...]meter.Missing{meter.NoCarbonLocation, meter.NoCarbonMarket, meter.NoPrice, meter.NoPUE, meter.NoWater}

// books returns the sums so far.
func (l *Ledger) books() *Books {
	b := l.Books
	b.Tenants = map[job.Tenant]*meter.Totals{}
	for t, v := range l.Tenants {
		sum := *v
		b.Tenants[t] = &sum
	}
	return &b
}

// LedgerHour is one interval of all sites together.
type LedgerHour struct {
	From, To unit.Instant
	meter.Totals
	Idle, Unexplained, Loss unit.Millijoules // with their overhead
	Tenants                 map[job.Tenant]unit.Millijoules
	Carbon, PUE             int64 // of the first site; energy.NoData where not known
}

func newLedger() *Ledger {
	return &Ledger{Books: Books{Tenants: map[job.Tenant]*meter.Totals{}}, Queues: map[job.Queue]*meter.Totals{}}
}

// see adds a page.
func (l *Ledger) see(t *Timed, p *meter.Page) {
	if err := l.Checker.Check(p); err != nil && l.Err == nil {
		l.Err = err
	}
	h := l.hour(p)
	for i := range p.Nodes {
		n := &p.Nodes[i]
		for k := range n.Parts {
			l.part(t, h, n.Basis, &n.Parts[k])
		}
	}
	for i, factor := range energyFactors {
		if p.Hour.Missing()&factor != 0 {
			for k := range p.Nodes {
				l.Unknown[i] += p.Nodes[k].IT()
			}
		}
	}
}

// hour returns the interval that a page belongs to: sites with equal intervals
// share one.
func (l *Ledger) hour(p *meter.Page) *LedgerHour {
	for i := len(l.Hours) - 1; i >= 0 && l.Hours[i].From >= p.From; i-- {
		if l.Hours[i].From == p.From && l.Hours[i].To == p.To {
			return &l.Hours[i]
		}
	}
	l.Hours = append(l.Hours, LedgerHour{From: p.From, To: p.To, Tenants: map[job.Tenant]unit.Millijoules{}, Carbon: p.Hour.CarbonLocation, PUE: p.Hour.PUE})
	return &l.Hours[len(l.Hours)-1]
}

func (l *Ledger) part(t *Timed, h *LedgerHour, basis meter.Basis, p *meter.Part) {
	l.Lines[p.Line].Add(p)
	l.Total.Add(p)
	l.Bases[basis] += p.IT()
	h.Totals.Add(p)
	all := p.Energy()
	switch p.Line {
	case meter.IdleLine:
		h.Idle += all
	case meter.UnexplainedLine:
		h.Unexplained += all
	case meter.LossLine:
		h.Loss += all
	case meter.TaskLine:
		spec := t.specOf(p.Job)
		add(l.Tenants, spec.Tenant, p)
		add(l.Queues, spec.Queue, p)
		for len(l.Jobs) <= int(p.Job) {
			l.Jobs = append(l.Jobs, meter.Totals{})
		}
		l.Jobs[p.Job].Add(p)
		h.Tenants[spec.Tenant] += all
	}
}

func add[K comparable](m map[K]*meter.Totals, k K, p *meter.Part) {
	sum := m[k]
	if sum == nil {
		sum = &meter.Totals{}
		m[k] = sum
	}
	sum.Add(p)
}

// Intensity returns the carbon of the run's energy in g per kWh.
func (l *Books) Intensity() float64 {
	if l.Total.Energy() == 0 {
		return 0
	}
	return l.Total.CarbonLocation.Kilograms() * 1000 / float64(l.Total.Energy().KWh())
}

// PUE returns site energy over IT energy.
func (l *Books) PUE() float64 {
	if l.Total.IT() == 0 {
		return 0
	}
	return float64(l.Total.Energy()) / float64(l.Total.IT())
}

// Largest returns the tenants by energy, largest first, at most n; the rest is
// summed.
func (l *Books) Largest(n int) (names []job.Tenant, rest meter.Totals) {
	for t := range l.Tenants {
		names = append(names, t)
	}
	slices.SortFunc(names, func(a, b job.Tenant) int {
		return cmp.Or(cmp.Compare(l.Tenants[b].Energy(), l.Tenants[a].Energy()), cmp.Compare(a, b))
	})
	for len(names) > n {
		rest.Sum(l.Tenants[names[len(names)-1]])
		names = names[:len(names)-1]
	}
	return names, rest
}

// siteFeed hands the hours of sites to the core, a block at a time: the core
// keeps a bounded table.
type siteFeed struct {
	sites []string
	hours [][]energy.SiteHour
	next  unit.Instant // when the next block is due
	fed   int          // steps of each site handed over
}

// feedBlock is how many steps are handed over at once.
const feedBlock = 2048

func newSiteFeed(hours map[string][]energy.SiteHour) *siteFeed {
	f := &siteFeed{next: math.MinInt64}
	for site := range hours {
		f.sites = append(f.sites, site)
	}
	slices.Sort(f.sites)
	for _, site := range f.sites {
		f.hours = append(f.hours, hours[site])
	}
	return f
}

// due returns the reports that are due by now.
func (f *siteFeed) due(now unit.Instant, into []control.Input) []control.Input {
	if len(f.sites) == 0 || now < f.next {
		return into
	}
	f.next = unit.Never
	for i, site := range f.sites {
		list := f.hours[i]
		to := min(f.fed+feedBlock, len(list))
		if f.fed >= to {
			continue
		}
		into = append(into, control.Input{Kind: control.SiteHours, Site: site, Hours: list[f.fed:to]})
		if to < len(list) { // well before it is needed
			f.next = min(f.next, list[(f.fed+to)/2].From)
		}
	}
	f.fed += feedBlock
	return into
}

// Begin moves every arrival so that the first is at an instant. A workload that
// counts from a start of its own gets dates by it.
func (w *Workload) Begin(at unit.Instant) {
	first := unit.Never
	for i := range w.Jobs {
		first = min(first, w.Jobs[i].Submit)
	}
	shift := time.Duration(at - first)
	for i := range w.Jobs {
		w.Jobs[i].Submit = w.Jobs[i].Submit.Add(shift)
	}
}

// First returns the instant of the first arrival.
func (w *Workload) First() unit.Instant {
	first := unit.Never
	for i := range w.Jobs {
		first = min(first, w.Jobs[i].Submit)
	}
	return first
}
