package sim

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"tianfu/drawing"
	"tianfu/job"
)

// idle stacks what kept accelerators idle.
func (b *timedBook) idle(l *timedLeaf) *drawing.Figure {
	if b.cpu || len(l.History.Idle) == 0 {
		return nil
	}
	c := b.chart("idle", "accelerators idle, % of the fleet", "%")
	c.Stacked = true
	for i, name := range idleLabels {
		if slices.ContainsFunc(l.History.Idle, func(s IdleShare) bool { return s.values()[i] > 0 }) {
			c.Curves = append(c.Curves, b.over(name, l.History, func(k int) float64 { return l.History.Idle[k].values()[i] }))
		}
	}
	if len(c.Curves) == 0 {
		return nil
	}
	mean := l.meanIdle()
	k := most(mean)
	return &drawing.Figure{Title: fmt.Sprintf("%s %% of the accelerators idle on average; %s %%: %s", drawing.Digits(drawing.Sum(mean), 1), drawing.Digits(mean[k], 1), idleLabels[k]),
		Note: "What kept accelerators idle; means from the first to the last arrival.", Chart: c}
}

func (b *timedBook) idleBars() *drawing.Figure {
	if b.cpu || len(b.runs) < 2 {
		return nil
	}
	c := &drawing.BarChart{Kind: "idle", Labels: idleLabels[:], Unit: "%"}
	for i := range b.runs {
		c.Rows = append(c.Rows, drawing.Bars{Name: b.runs[i].Policy, Values: b.runs[i].meanIdle()})
	}
	return &drawing.Figure{Title: "Idle on average: " + b.says(func(l *timedLeaf) string { return drawing.Digits(drawing.Sum(l.meanIdle()), 1) + " %" }),
		Note: "What kept accelerators idle, in % of the fleet's; means from the first to the last arrival.", Bars: c}
}

func (b *timedBook) lost() *drawing.Figure {
	if b.cpu {
		return nil
	}
	c := &drawing.BarChart{Kind: "work", Labels: []string{"by attempts that finished", "lost to failures and preemption"}, Unit: "accelerator-hours"}
	some := false
	for i := range b.runs {
		t := &b.runs[i].Timed.Totals
		c.Rows = append(c.Rows, drawing.Bars{Name: b.runs[i].Policy, Values: []float64{t.GoodMilliHours / 1000, t.LostMilliHours / 1000}})
		some = some || t.LostMilliHours > 0
	}
	title := "Lost to failures and preemption: " + b.says(func(l *timedLeaf) string {
		return drawing.Number(l.sum.LostGPUHours) + " accelerator-hours"
	})
	note := "Held " + b.says(func(l *timedLeaf) string {
		return fmt.Sprintf("with %s and %s", drawing.Count(l.sum.NodeFailures, "node failure", "node failures"), drawing.Count(l.sum.Preemptions, "preemption", "preemptions"))
	}) + "."
	if !some {
		title = "No accelerator-hour was lost: goodput is 100 %"
	}
	return &drawing.Figure{Title: title, Note: note, Bars: c}
}

func (b *timedBook) makers() *drawing.Figure {
	sums := map[string]float64{}
	for i := range b.runs {
		for m, v := range b.runs[i].sum.PFLOPSHours {
			sums[m] += v
		}
	}
	var makers []string
	for m := range sums {
		makers = append(makers, m)
	}
	slices.SortFunc(makers, func(x, y string) int { return cmp.Or(cmp.Compare(sums[y], sums[x]), strings.Compare(x, y)) })
	if len(makers) == 0 {
		return nil
	}
	c := &drawing.BarChart{Kind: "maker", Labels: makers, Unit: "PFLOPS-h"}
	for i := range b.runs {
		row := drawing.Bars{Name: b.runs[i].Policy}
		for _, m := range makers {
			row.Values = append(row.Values, b.runs[i].sum.PFLOPSHours[m])
		}
		c.Rows = append(c.Rows, row)
	}
	first := c.Rows[0].Values
	k := most(first)
	return &drawing.Figure{Title: fmt.Sprintf("%s devices did %s %% of the work, counted at their peak", makers[k], drawing.Digits(100*first[k]/max(drawing.Sum(first), 1e-9), 0)),
		Note: "Dense FP16 peak times the time that finished attempts held; makes without a published peak are left out.", Bars: c}
}

// tenants shows how each of the largest tenants was served.
func (b *timedBook) tenants() *drawing.Figure {
	l := &b.runs[0]
	served := l.Timed.served()
	if len(served) < 2 {
		return nil
	}
	slices.SortFunc(served, func(x, y tenantService) int {
		return cmp.Or(cmp.Compare(y.all, x.all), strings.Compare(string(x.name), string(y.name)))
	})
	c := &drawing.BarChart{Kind: "policy", Labels: []string{"run time of wait and run time"}, Unit: "%", Max: 100}
	least, worst := math.Inf(1), ""
	for _, s := range drawn(served, 12) {
		share := 100.0
		if s.all > 0 {
			share = 100 * s.run / s.all
		}
		if share < least {
			least, worst = share, string(s.name)
		}
		c.Rows = append(c.Rows, drawing.Bars{Name: string(s.name), Key: l.Policy, Values: []float64{share}})
	}
	return &drawing.Figure{Title: fmt.Sprintf("Least served of the large tenants is %s: its jobs ran %s %% of their time", worst, drawing.Digits(least, 1)),
		Note: fmt.Sprintf("Run time over wait and run time, weighed by devices, with %s; the %d largest of %s. Jain's index over all of them is %s.",
			l.Policy, len(c.Rows), drawing.Count(len(served), "tenant", "tenants"), drawing.Digits(l.sum.Jain, 4)), Bars: c}
}

// tenantService is what a tenant's jobs got: run time, and run time with the
// wait before it, weighed by the devices asked for.
type tenantService struct {
	name     job.Tenant
	run, all float64
}

func (b *timedBook) gangs() *drawing.Figure {
	if b.cpu {
		return nil
	}
	c := &drawing.Chart{Kind: "policy", XName: "accelerators a gang asks for, all of one model in one segment", YName: "gangs that still fit", XUnit: "accelerators", YUnit: "gangs", XLog: true, YLog: true}
	for i := range drawn(b.runs, detailedRuns) {
		c.Curves = append(c.Curves, gangCurves(b.runs[i].Policy, b.runs[i].History.GangFit, b.runs[i].History.Packed)...)
	}
	return gangFigure(c, "A quarter into the run")
}

func (b *timedBook) compare() *drawing.Figure {
	c := &drawing.Comparison{}
	for i := range b.all {
		c.Policies = append(c.Policies, b.all[i].Policy)
	}
	row := func(name, unitName string, n, better int, of func(*timedLeaf) float64) {
		r := drawing.CompareRow{Name: name, Unit: unitName, Digits: n, Better: better}
		for i := range b.all {
			r.Values = append(r.Values, of(&b.all[i]))
		}
		c.Rows = append(c.Rows, r)
	}
	row("jobs finished", "", 0, 1, func(l *timedLeaf) float64 { return float64(l.sum.Finished) })
	row("mean wait", "s", 0, -1, func(l *timedLeaf) float64 { return l.sum.MeanWait.Seconds() })
	for _, q := range []int{50, 90, 99, 100} {
		row(map[int]string{50: "median wait", 90: "ninth decile of waits", 99: "99 % waited at most", 100: "longest wait"}[q], "s", 0, -1,
			func(l *timedLeaf) float64 { return l.quantile(q) })
	}
	row("mean bounded slowdown", "", 2, -1, func(l *timedLeaf) float64 { return l.sum.MeanBoundedSlowdown })
	if !b.cpu {
		row("accelerators in use", "%", 2, 1, func(l *timedLeaf) float64 { return l.sum.Utilisation })
	}
	row("CPU in use", "%", 2, 0, func(l *timedLeaf) float64 { return l.sum.CPUUtilisation })
	if b.runs[0].Power != "none" {
		row("IT energy, first to last arrival", "kWh", 0, -1, func(l *timedLeaf) float64 { return l.sum.KWh })
	}
	row("longest queue", "jobs", 0, -1, func(l *timedLeaf) float64 { return float64(l.sum.PeakPending) })
	if !b.cpu {
		row("goodput", "%", 2, 1, func(l *timedLeaf) float64 { return l.sum.Goodput })
		row("accelerator-hours lost", "h", 1, -1, func(l *timedLeaf) float64 { return l.sum.LostGPUHours })
		row("preemptions", "", 0, 0, func(l *timedLeaf) float64 { return float64(l.sum.Preemptions) })
		row("node failures", "", 0, 0, func(l *timedLeaf) float64 { return float64(l.sum.NodeFailures) })
		row("gangs of several tasks", "", 0, 0, func(l *timedLeaf) float64 { return float64(l.sum.Gangs) })
		row("segments a gang spans, mean", "", 2, -1, func(l *timedLeaf) float64 {
			if l.sum.Gangs == 0 {
				return math.NaN()
			}
			return l.sum.MeanSegments
		})
	}
	row("Jain's index over tenants", "", 4, 1, func(l *timedLeaf) float64 { return l.sum.Jain })
	row("first arrival to last end", "h", 1, -1, func(l *timedLeaf) float64 { return l.sum.Span.Hours() })
	note := ""
	if len(b.all) > 1 {
		note = "The best of a row is marked."
	}
	return &drawing.Figure{Title: "The run in figures", Note: note, Wide: len(b.all) > 4, Compare: c}
}
