package sim

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"tianfu/drawing"
	"tianfu/sched"
)

// TimedRun is a finished replay in time with what a page needs of it.
type TimedRun struct {
	Policy  string
	Timed   *Timed
	History *History
	Power   string  // name of the power model; "none" = no power was modelled
	Records string  // SHA-256 of the record log
	CapKW   float64 // what the sites may draw together; 0 = no limit
}

// timedBook holds the runs that a page is made from.
type timedBook struct {
	runs, all []timedLeaf
	cpu       bool   // CPU is counted, for there are no accelerators
	thing     string // what is counted
	unitName  string // of the time axis
	scale     float64
	window    float64 // time of the last arrival of the first run
}

type timedLeaf struct {
	TimedRun
	sum    *Summary
	waits  []float64 // sorted, seconds
	byWait drawing.Curve
}

// detailedRuns bounds the runs that get figures of their own.
const detailedRuns = 3

// TimedReport makes the page of replays in time. The first run is the one the
// page speaks of. Every run must hold a history.
func TimedReport(about About, runs []TimedRun) *drawing.Report {
	b := openBook(runs)
	r := &drawing.Report{Kind: "replay in time", Title: b.headline(), Ran: about.Ran, Repeat: about.Repeat, Tiles: b.tiles(), Colours: fixedColours(),
		Lead: "Jobs arrive, wait, run and leave in virtual time; every decision is the production scheduler's."}
	over := []*drawing.Figure{b.use(), b.queue(), b.compare(), b.power()}
	waits := []*drawing.Figure{b.waitShares(), b.waitsBySize(), b.waitTenants(), b.reasonBars()}
	got := []*drawing.Figure{b.lost(), b.idleBars(), b.makers(), b.tenants(), b.gangs()}
	if len(runs) > 1 {
		r.Add("Side by side", over...)
		r.Add("Waits", waits...)
		for i := range drawn(b.runs, detailedRuns) {
			leaf := &b.runs[i]
			r.Add("Inside the run of "+leaf.Policy, b.byClass(leaf), b.byTenant(leaf), b.reasons(leaf), b.idle(leaf), b.groups(leaf), b.grid(leaf), b.fleet(leaf))
			r.Add("Power and carbon of "+leaf.Policy, b.ledgerFigures(leaf)...)
		}
		r.Add("What came of it", got...)
	} else {
		leaf := &b.runs[0]
		r.Add("Over time", b.byClass(leaf), b.byTenant(leaf), b.use(), b.reasons(leaf), b.power(), b.idle(leaf), b.groups(leaf), b.grid(leaf))
		r.Add("Power, carbon and where the energy went", b.ledgerFigures(leaf)...)
		r.Add("Waits", waits...)
		r.Add("What came of it", append(got, b.compare())...)
		r.Add("The fleet, node by node", b.fleet(leaf))
	}
	for i := range b.all {
		if b.all[i].Records != "" {
			r.Records = append(r.Records, drawing.Fact{Label: b.all[i].Policy, Value: b.all[i].Records})
		}
	}
	return r
}

func openBook(runs []TimedRun) *timedBook {
	b := &timedBook{cpu: runs[0].History.cpu, thing: "accelerators"}
	if b.cpu {
		b.thing = "processors"
	}
	longest := runs[0].History
	for _, run := range runs {
		leaf := timedLeaf{TimedRun: run, sum: run.Timed.Summarise()}
		leaf.byWait, _ = run.Timed.WaitCurves()
		for _, i := range run.Timed.order {
			if r := &run.Timed.Results[i]; r.First >= 0 {
				leaf.waits = append(leaf.waits, r.First.Sub(r.Submit).Seconds())
			}
		}
		slices.Sort(leaf.waits)
		b.all = append(b.all, leaf)
		if run.History.end() > longest.end() {
			longest = run.History
		}
	}
	b.unitName, b.scale = longest.clock()
	b.runs = drawn(b.all, drawnPolicies)
	b.window = b.all[0].sum.Window.Hours() / b.scale
	return b
}

// quantile of the waits, seconds; 0 without any.
func (l *timedLeaf) quantile(q int) float64 {
	if len(l.waits) == 0 {
		return 0
	}
	return l.waits[(len(l.waits)-1)*q/100]
}

func (l *timedLeaf) waited() bool { return l.quantile(100) > 0 }

func (l *timedLeaf) utilisation(cpu bool) float64 {
	if cpu {
		return l.sum.CPUUtilisation
	}
	return l.sum.Utilisation
}

// starts says how soon jobs started.
func (l *timedLeaf) starts() string {
	switch {
	case !l.waited():
		return "every one of them at once"
	case l.quantile(90) == 0:
		return "nine in ten at once, 99 % within " + drawing.Span(l.quantile(99))
	case l.quantile(50) == 0:
		return "half of them at once, 90 % within " + drawing.Span(l.quantile(90))
	}
	return "half of them within " + drawing.Span(l.quantile(50)) + ", 90 % within " + drawing.Span(l.quantile(90))
}

func (b *timedBook) headline() string {
	l := &b.runs[0]
	text := fmt.Sprintf("%s started %s, %s, with %s %% of the %s in use", l.Policy, drawing.Count(len(l.waits), "job", "jobs"), l.starts(), drawing.Digits(l.utilisation(b.cpu), 1), b.thing)
	if len(b.runs) > 1 {
		o := &b.runs[1]
		text += fmt.Sprintf("; mean wait %s, %s with %s", drawing.Span(l.sum.MeanWait.Seconds()), drawing.Span(o.sum.MeanWait.Seconds()), o.Policy)
	}
	return text
}

// next says a figure of the next two runs.
func (b *timedBook) next(of func(*timedLeaf) string) string {
	var said []string
	for i := 1; i < len(b.runs) && i < 3; i++ {
		said = append(said, b.runs[i].Policy+" "+of(&b.runs[i]))
	}
	return strings.Join(said, ", ")
}

func (b *timedBook) tiles() []drawing.Tile {
	l := &b.runs[0]
	tile := func(label, note string, of func(*timedLeaf) string) drawing.Tile {
		value, unitName, _ := strings.Cut(of(l), " ")
		if other := b.next(of); other != "" {
			note = other
		}
		return drawing.Tile{Label: label, Value: value, Unit: unitName, Note: note}
	}
	tiles := []drawing.Tile{
		tile("Jobs finished", "of "+drawing.Commas(float64(l.sum.Jobs)), func(l *timedLeaf) string { return drawing.Commas(float64(l.sum.Finished)) }),
		tile("Mean wait", "", func(l *timedLeaf) string { return drawing.Span(l.sum.MeanWait.Seconds()) }),
		tile("90 % waited at most", "", func(l *timedLeaf) string { return drawing.Span(l.quantile(90)) }),
		tile(strings.ToUpper(b.thing[:1])+b.thing[1:]+" in use", "mean, first to last arrival", func(l *timedLeaf) string { return drawing.Digits(l.utilisation(b.cpu), 1) + " %" }),
		tile("Mean bounded slowdown", "1 = nothing waited", func(l *timedLeaf) string { return drawing.Digits(l.sum.MeanBoundedSlowdown, 2) }),
	}
	if !b.cpu {
		tiles = append(tiles, tile("Goodput", "of accelerator-hours held", func(l *timedLeaf) string { return drawing.Digits(l.sum.Goodput, 1) + " %" }))
	}
	if l.Power != "none" {
		tiles = append(tiles, tile("IT energy", "first to last arrival", func(l *timedLeaf) string { return energyText(l.sum.KWh) }))
	}
	if _, tenants := l.Timed.WaitCurves(); len(tenants) > 1 {
		tiles = append(tiles, tile("Jain's index over tenants", "1 = all served alike", func(l *timedLeaf) string { return drawing.Digits(l.sum.Jain, 4) }))
	}
	return tiles
}

func energyText(kWh float64) string {
	if kWh >= 10_000 {
		return drawing.Digits(kWh/1000, 1) + " MWh"
	}
	return drawing.Digits(kWh, 0) + " kWh"
}

// says lists a figure of the first three runs for a title.
func (b *timedBook) says(of func(*timedLeaf) string) string {
	if len(b.runs) == 1 {
		return of(&b.runs[0])
	}
	var said []string
	for i := range drawn(b.runs, 3) {
		said = append(said, b.runs[i].Policy+" "+of(&b.runs[i]))
	}
	return strings.Join(said, ", ")
}

// over is a curve of the history.
func (b *timedBook) over(name string, h *History, of func(k int) float64) drawing.Curve {
	c := drawing.Curve{Name: name}
	for k := range h.Rows {
		c.X, c.Y = append(c.X, h.Rows[k].Hours/b.scale), append(c.Y, of(k))
	}
	return c
}

func (b *timedBook) chart(kind, yName, yUnit string) *drawing.Chart {
	return &drawing.Chart{Kind: kind, Mark: b.window, MarkName: "last arrival", XName: b.unitName + " since the first arrival", YName: yName, XUnit: b.unitName, YUnit: yUnit}
}

// moment words a time of the history.
func moment(h float64) string { return "after " + drawing.Hours(h) }

// longestQueue is the most jobs that waited at a sample, and when.
func (h *History) longestQueue() (jobs int64, at float64) {
	for _, r := range h.Rows {
		if r.Pending > jobs {
			jobs, at = r.Pending, r.Hours
		}
	}
	return jobs, at
}

// waitedFor is job-hours waited by cause, over all samples.
func (h *History) waitedFor() (by [sched.NumCauses]float64, all float64) {
	for k := 1; k < len(h.Rows); k++ {
		dt := h.Rows[k].Hours - h.Rows[k-1].Hours
		for c, n := range h.Waiting[k] {
			by[c] += float64(n) * dt
			all += float64(n) * dt
		}
	}
	return by, all
}

// arrivals is how many samples lie up to the last arrival.
func (h *History) arrivals(s *Summary) int {
	n := 0
	for n < len(h.Rows) && h.Rows[n].Hours <= s.Window.Hours() {
		n++
	}
	return max(n, min(len(h.Rows), 1))
}

// meanIdle averages what kept accelerators idle up to the last arrival.
func (l *timedLeaf) meanIdle() []float64 {
	out := make([]float64, len(idleLabels))
	n := l.History.arrivals(l.sum)
	for _, idle := range drawn(l.History.Idle, n) {
		for k, v := range idle.values() {
			out[k] += v / float64(n)
		}
	}
	return out
}

// idleLabels name what keeps accelerators idle, in the order of values.
var idleLabels = [...]string{causeLabels[0], causeLabels[1], causeLabels[2], "on nodes that take no work"}

func (i IdleShare) values() []float64 { return append(i.Causes.values(), i.Down) }

// most returns the index of the greatest value.
func most(values []float64) int {
	best := 0
	for k, v := range values {
		if v > values[best] && !math.IsNaN(v) {
			best = k
		}
	}
	return best
}
