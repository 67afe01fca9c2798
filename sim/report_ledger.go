package sim

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"tianfu/drawing"
	"tianfu/energy"
	"tianfu/job"
	"tianfu/meter"
	"tianfu/unit"
)

// Bounds of the figures of a ledger.
const (
	sankeyTenants = 6
	sankeyJobs    = 8
	fewIntervals  = 12 // fewer are no curve
)

// ledgerFigures draws what a metered replay took, emitted and where it went;
// none for one that was not metered.
func (b *timedBook) ledgerFigures(l *timedLeaf) []*drawing.Figure {
	if l.Timed.Ledger == nil || len(l.Timed.Ledger.Hours) == 0 {
		return nil
	}
	return []*drawing.Figure{b.sitePower(l), b.pueHours(l), b.loadDuration(l), b.flow(l)}
}

// perHour is a curve of the ledger's intervals that are shown.
func (b *timedBook) perHour(name string, l *timedLeaf, of func(*LedgerHour) (float64, bool)) drawing.Curve {
	c := drawing.Curve{Name: name}
	start := l.Timed.Totals.Start
	var end *LedgerHour
	for _, h := range l.ledgerHours() {
		if v, ok := of(h); ok {
			c.X, c.Y = append(c.X, h.From.Sub(start).Hours()/b.scale), append(c.Y, v)
			end = h
		}
	}
	if end != nil { // up to where the last interval ends
		c.X, c.Y = append(c.X, end.To.Sub(start).Hours()/b.scale), append(c.Y, c.Y[len(c.Y)-1])
	}
	return c
}

// ledgerHours are the intervals up to the last arrival; short ones, which end
// where a run does, are left out: the mean of a few seconds is no power to draw
// beside that of an hour. Where jobs came in so short a time that hardly any
// interval lies in it, all of the run is shown.
func (l *timedLeaf) ledgerHours() (out []*LedgerHour) {
	all := l.Timed.Ledger.Hours
	end := unit.Never
	if w := l.Timed.Totals.Window; w != nil {
		end = w.End
	}
	longest := time.Duration(0)
	for i := range all {
		longest = max(longest, all[i].To.Sub(all[i].From))
	}
	for i := range all {
		if all[i].From < end && all[i].To.Sub(all[i].From) >= longest/60 {
			out = append(out, &all[i])
		}
	}
	if len(out) < fewIntervals {
		out = out[:0]
		for i := range all {
			out = append(out, &all[i])
		}
	}
	return out
}

func kilowatts(e unit.Millijoules, h *LedgerHour) float64 {
	return float64(e) / 1e6 / h.To.Sub(h.From).Seconds()
}

// sitePower stacks the site's power by tenant, overhead included, on what idles.
func (b *timedBook) sitePower(l *timedLeaf) *drawing.Figure {
	books := &l.Timed.Ledger.Books
	names, rest := books.Largest(historyTenants)
	c := b.chart("tenant", "power at the site's meter, kW", "kW")
	c.Stacked = true
	c.Curves = append(c.Curves, b.perHour("held by nobody", l, func(h *LedgerHour) (float64, bool) {
		return kilowatts(h.Idle+h.Unexplained+h.Loss, h), true
	}))
	named := map[job.Tenant]bool{}
	for _, t := range names {
		named[t] = true
		label := string(t)
		if label == "" {
			label = "(no tenant)"
		}
		c.Curves = append(c.Curves, b.perHour(label, l, func(h *LedgerHour) (float64, bool) { return kilowatts(h.Tenants[t], h), true }))
	}
	if rest.Energy() > 0 {
		c.Curves = append(c.Curves, b.perHour(drawing.Others, l, func(h *LedgerHour) (float64, bool) {
			sum := unit.Millijoules(0)
			for t, v := range h.Tenants {
				if !named[t] {
					sum += v
				}
			}
			return kilowatts(sum, h), true
		}))
	}
	f := &drawing.Figure{Wide: true, Chart: c, Note: "Mean of every interval of the ledger, cooling and conversion included."}
	if l.CapKW > 0 {
		c.Limit, c.LimitName = l.CapKW, "limit"
	}
	all := books.Total
	idle := books.Lines[meter.IdleLine].Energy()
	f.Title = fmt.Sprintf("Until the last job had ended the site took %s, %s %% of it for nodes that nobody held", energyText(float64(all.Energy().KWh())), drawing.Digits(100*float64(idle)/max(float64(all.Energy()), 1), 1))
	if c.Strip = b.carbonStrip(l); c.Strip != nil {
		f.Title += fmt.Sprintf(", and emitted %s kgCO2e, %s g for each kWh", drawing.Commas(all.CarbonLocation.Kilograms()), drawing.Digits(books.Intensity(), 1))
		f.Note += " The strip is the average of the grid at the site, by location; certificates do not count here."
	}
	return f
}

// carbonStrip is the grid's carbon intensity, which lies under the power; nil
// where it is not known.
func (b *timedBook) carbonStrip(l *timedLeaf) *drawing.Strip {
	s := &drawing.Strip{Name: "carbon intensity", Unit: "g/kWh"}
	start := l.Timed.Totals.Start
	for _, h := range l.ledgerHours() {
		if h.Carbon != energy.NoData {
			s.From, s.To = append(s.From, h.From.Sub(start).Hours()/b.scale), append(s.To, h.To.Sub(start).Hours()/b.scale)
			s.Y = append(s.Y, float64(h.Carbon)/1000)
		}
	}
	if len(s.Y) == 0 {
		return nil
	}
	return s
}

func (b *timedBook) pueHours(l *timedLeaf) *drawing.Figure {
	c := b.chart("signal", "PUE", "")
	c.YFrom = 1
	c.Curves = []drawing.Curve{b.perHour("PUE", l, func(h *LedgerHour) (float64, bool) { return float64(h.PUE) / 1e6, h.PUE != energy.NoData })}
	if len(c.Curves[0].X) == 0 {
		return nil
	}
	return &drawing.Figure{Chart: c, Title: fmt.Sprintf("PUE by hour, %s over the run by energy", drawing.Digits(l.Timed.Ledger.PUE(), 3)), Note: "Of the plant under the weather of the hour."}
}

// loadDuration sorts the power of the intervals: how long the site drew at least
// so much.
func (b *timedBook) loadDuration(l *timedLeaf) *drawing.Figure {
	hours := l.ledgerHours()
	slices.SortFunc(hours, func(a, b *LedgerHour) int { return cmp.Compare(kilowatts(b.Energy(), b), kilowatts(a.Energy(), a)) })
	c := &drawing.Chart{Kind: "signal", XName: "% of the time", YName: "power at the site's meter, kW", XUnit: "%", YUnit: "kW"}
	v := drawing.Curve{Name: "at least"}
	all, past := 0.0, 0.0
	for _, h := range hours {
		all += h.To.Sub(h.From).Hours()
	}
	for _, h := range hours {
		past += h.To.Sub(h.From).Hours()
		v.X, v.Y = append(v.X, 100*past/all), append(v.Y, kilowatts(h.Energy(), h))
	}
	c.Curves = []drawing.Curve{v}
	return &drawing.Figure{Chart: c, Title: fmt.Sprintf("Load duration: the highest interval drew %s kW, the lowest %s kW", drawing.Number(v.Y[0]), drawing.Number(v.Y[len(v.Y)-1]))}
}

// flow draws where the energy went: from the site's meter to jobs.
func (b *timedBook) flow(l *timedLeaf) *drawing.Figure {
	ledger := l.Timed.Ledger
	s := &drawing.Sankey{Kind: "tenant", Unit: "kWh"}
	box := func(name string, column int, e unit.Millijoules) int {
		s.Boxes = append(s.Boxes, drawing.SankeyBox{Name: name, Column: column, Value: float64(e.KWh())})
		return len(s.Boxes) - 1
	}
	link := func(from, to int, e unit.Millijoules) {
		s.Links = append(s.Links, drawing.SankeyLink{From: from, To: to, Value: float64(e.KWh())})
	}
	all := ledger.Total
	utility := box("utility", 0, all.Energy())
	it := box("IT", 1, all.IT())
	link(utility, it, all.IT())
	if all.Facility > 0 {
		link(utility, box("cooling, conversion, light", 1, all.Facility), all.Facility)
	}
	names, rest := ledger.Largest(sankeyTenants)
	for _, t := range names {
		e := ledger.Tenants[t].IT()
		name := string(t)
		if name == "" {
			name = "(no tenant)"
		}
		k := box(name, 2, e)
		link(it, k, e)
		b.flowJobs(l, t, k, s)
	}
	for _, v := range []struct {
		name string
		e    unit.Millijoules
	}{{drawing.Others, rest.IT()}, {"unexplained", ledger.Lines[meter.UnexplainedLine].IT()}, {"held by nobody", ledger.Lines[meter.IdleLine].IT()}} {
		if v.e > 0 {
			link(it, box(v.name, 2, v.e), v.e)
		}
	}
	return &drawing.Figure{Wide: true, Sankey: s, Title: fmt.Sprintf("From the utility to jobs: %s %% of the energy at the nodes was held by tasks", drawing.Digits(100*float64(ledger.Lines[meter.TaskLine].IT())/max(float64(all.IT()), 1), 1)),
		Note: "Whole run; energy at the nodes right of IT, with the idle draw that reservations cause."}
}

// flowJobs adds the largest jobs of a tenant, and the rest of them as one.
func (b *timedBook) flowJobs(l *timedLeaf, t job.Tenant, from int, s *drawing.Sankey) {
	ledger := l.Timed.Ledger
	type sum struct {
		id job.ID
		e  unit.Millijoules
	}
	var jobs []sum
	for id := 1; id < len(ledger.Jobs); id++ {
		if e := ledger.Jobs[id].IT(); e > 0 && l.Timed.specOf(job.ID(id)).Tenant == t {
			jobs = append(jobs, sum{job.ID(id), e})
		}
	}
	slices.SortFunc(jobs, func(a, b sum) int { return cmp.Or(cmp.Compare(b.e, a.e), cmp.Compare(a.id, b.id)) })
	left := ledger.Tenants[t].IT()
	for i, j := range jobs {
		if i == 2 && len(jobs) > 3 || i >= sankeyJobs {
			break
		}
		s.Boxes = append(s.Boxes, drawing.SankeyBox{Name: j.id.String(), Column: 3, Value: float64(j.e.KWh())})
		s.Links = append(s.Links, drawing.SankeyLink{From: from, To: len(s.Boxes) - 1, Value: float64(j.e.KWh())})
		left -= j.e
	}
	if left > 0 {
		s.Boxes = append(s.Boxes, drawing.SankeyBox{Name: fmt.Sprintf("%s more", drawing.Commas(float64(max(len(jobs)-2, 0)))), Column: 3, Value: float64(left.KWh())})
		s.Links = append(s.Links, drawing.SankeyLink{From: from, To: len(s.Boxes) - 1, Value: float64(left.KWh())})
	}
}
