package sim

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"tianfu/drawing"
	"tianfu/job"
	"tianfu/sched"
)

// use compares the runs; of one run, its parts say it better.
func (b *timedBook) use() *drawing.Figure {
	if len(b.runs) < 2 && len(b.runs[0].History.tenants) > 1 || len(b.runs) < 2 && b.classes(&b.runs[0]) > 1 {
		return nil
	}
	c := b.chart("policy", b.thing+" held, % of the fleet", "%")
	c.YTo = 100
	for i := range b.runs {
		h := b.runs[i].History
		c.Curves = append(c.Curves, b.over(b.runs[i].Policy, h, func(k int) float64 { return h.Use[k] }))
	}
	return &drawing.Figure{Title: "Mean use from the first to the last arrival: " + b.says(func(l *timedLeaf) string { return drawing.Digits(l.utilisation(b.cpu), 1) + " %" }), Chart: c}
}

func (b *timedBook) queue() *drawing.Figure {
	c := b.chart("policy", "jobs waiting", "jobs")
	some := false
	for i := range b.runs {
		h := b.runs[i].History
		c.Curves = append(c.Curves, b.over(b.runs[i].Policy, h, func(k int) float64 { return float64(h.Rows[k].Pending) }))
		some = some || b.runs[i].sum.PeakPending > 0
	}
	f := &drawing.Figure{Title: "Longest queue: " + b.says(func(l *timedLeaf) string { return drawing.Count(l.sum.PeakPending, "job", "jobs") }), Chart: c}
	if !some {
		f.Chart, f.Empty = nil, "No job waited."
	}
	return f
}

func (b *timedBook) power() *drawing.Figure {
	if b.runs[0].Power == "none" {
		return nil
	}
	c := b.chart("policy", "IT power, kW", "kW")
	for i := range b.runs {
		h := b.runs[i].History
		c.Curves = append(c.Curves, b.over(b.runs[i].Policy, h, func(k int) float64 { return h.Rows[k].Kilowatts }))
	}
	title := "IT energy from the first to the last arrival: " + b.says(func(l *timedLeaf) string { return energyText(l.sum.KWh) })
	return &drawing.Figure{Title: title, Note: "Modelled draw of all nodes, idle ones too; power model " + b.runs[0].Power + ".", Chart: c}
}

// classes is how many classes held anything.
func (b *timedBook) classes(l *timedLeaf) int {
	n := 0
	for c := range classNames {
		if slices.ContainsFunc(l.History.Held, func(held []float64) bool { return held[c] > 0 }) {
			n++
		}
	}
	return n
}

// stacked draws parts of what is held.
func (b *timedBook) stacked(l *timedLeaf, kind string, names []string, from int) (*drawing.Chart, []float64) {
	h := l.History
	c := b.chart(kind, b.thing+" held, % of the fleet", "%")
	c.Stacked, c.YTo = true, 100
	means := make([]float64, len(names))
	n := h.arrivals(l.sum)
	for i, name := range names {
		c.Curves = append(c.Curves, b.over(name, h, func(k int) float64 { return h.Held[k][from+i] }))
		for _, held := range drawn(h.Held, n) {
			means[i] += held[from+i] / float64(n)
		}
	}
	return c, means
}

func (b *timedBook) byClass(l *timedLeaf) *drawing.Figure {
	if b.classes(l) < 2 {
		return nil
	}
	c, means := b.stacked(l, "class", classNames[:], 0)
	k := most(means)
	return &drawing.Figure{Title: fmt.Sprintf("%s %% of the %s are in use; %s jobs hold %s %%", drawing.Digits(l.utilisation(b.cpu), 1), b.thing, classNames[k], drawing.Digits(means[k], 1)),
		Note: "By class; means from the first to the last arrival.", Chart: c}
}

func (b *timedBook) byTenant(l *timedLeaf) *drawing.Figure {
	if len(l.History.tenants) < 2 {
		return nil
	}
	var names []string
	for _, t := range l.History.tenants {
		names = append(names, string(t))
	}
	c, means := b.stacked(l, "tenant", names, len(classNames))
	k := most(means[:min(len(means), historyTenants)])
	return &drawing.Figure{Title: fmt.Sprintf("%s %% of the %s are in use; %s holds most, %s %%", drawing.Digits(l.utilisation(b.cpu), 1), b.thing, names[k], drawing.Digits(means[k], 1)),
		Note: "By tenant, those that ask for most; means from the first to the last arrival.", Chart: c}
}

// reasons stacks the queue by what was in the way.
func (b *timedBook) reasons(l *timedLeaf) *drawing.Figure {
	by, all := l.History.waitedFor()
	jobs, at := l.History.longestQueue()
	if all == 0 {
		return &drawing.Figure{Title: "Nothing queued", Empty: "At no sample did a job wait: each started within the step in which it came."}
	}
	c := b.chart("reason", "jobs waiting", "jobs")
	c.Stacked = true
	for _, cause := range byShare(by[:]) {
		c.Curves = append(c.Curves, b.over(sched.Cause(cause).String(), l.History, func(k int) float64 { return float64(l.History.Waiting[k][cause]) }))
	}
	return &drawing.Figure{Title: fmt.Sprintf("The queue was longest %s: %s", moment(at), drawing.Count(int(jobs), "job", "jobs")),
		Note: "By what was in the way when the scheduler last looked at a job.", Chart: c}
}

// byShare lists the indexes of what is above 0, the greatest first.
func byShare(values []float64) []int {
	var out []int
	for k, v := range values {
		if v > 0 {
			out = append(out, k)
		}
	}
	slices.SortStableFunc(out, func(a, b int) int {
		switch {
		case values[a] > values[b]:
			return -1
		case values[a] < values[b]:
			return 1
		}
		return 0
	})
	return out
}

func (b *timedBook) reasonBars() *drawing.Figure {
	c := &drawing.BarChart{Kind: "reason", Unit: "job-hours"}
	var sums [sched.NumCauses]float64
	for i := range b.runs {
		by, _ := b.runs[i].History.waitedFor()
		for k, v := range by {
			sums[k] += v
		}
	}
	causes := byShare(sums[:])
	if len(causes) == 0 {
		return nil
	}
	for _, cause := range causes {
		c.Labels = append(c.Labels, sched.Cause(cause).String())
	}
	for i := range b.runs {
		by, _ := b.runs[i].History.waitedFor()
		row := drawing.Bars{Name: b.runs[i].Policy}
		for _, cause := range causes {
			row.Values = append(row.Values, by[cause])
		}
		c.Rows = append(c.Rows, row)
	}
	by, all := b.runs[0].History.waitedFor()
	first := most(by[:])
	if all == 0 {
		return nil
	}
	return &drawing.Figure{Title: fmt.Sprintf("%s %% of the waiting with %s: %s", drawing.Digits(100*by[first]/all, 0), b.runs[0].Policy, sched.Cause(first)),
		Note: "Hours that jobs waited, by what was in the way.", Bars: c}
}

func (b *timedBook) waitShares() *drawing.Figure {
	c := &drawing.Chart{Kind: "policy", XName: "waited at most", YName: "jobs, %", YUnit: "% of jobs", XLog: true, XTime: true, YTo: 100}
	some := false
	for i := range b.runs {
		v := b.runs[i].byWait
		v.Name = b.runs[i].Policy
		c.Curves = append(c.Curves, v)
		some = some || b.runs[i].waited()
	}
	c.YFrom = lowestStart(c.Curves)
	f := &drawing.Figure{Title: "Started within a minute: " + b.says(func(l *timedLeaf) string {
		y, _ := reach(&l.byWait, 60)
		return drawing.Digits(y, 1) + " % of jobs"
	}), Note: "Wait until the first start; the axis is logarithmic above a second.", Chart: c}
	if !some {
		f.Title, f.Note, f.Chart, f.Empty = "Every job started at once", "", nil, "No job waited, so there is no distribution to draw."
	}
	return f
}

// reaches returns the least x at which the curve is at least y.
func reaches(v *drawing.Curve, y float64) float64 {
	for k := range v.X {
		if v.Y[k] >= y {
			return v.X[k]
		}
	}
	return 0
}

// lowestStart is where the axis of a distribution begins: at 0, or where most
// jobs wait for nothing, at the ten below the least share of them.
func lowestStart(curves []drawing.Curve) float64 {
	low := 100.0
	for i := range curves {
		if len(curves[i].Y) > 0 {
			low = min(low, curves[i].Y[0])
		}
	}
	if low < 50 {
		return 0
	}
	return min(math.Floor(low/10)*10, 90)
}

// reach is a distribution's value at x; all of it beyond its last point.
func reach(v *drawing.Curve, x float64) (float64, bool) {
	if n := len(v.X); n > 0 && x >= v.X[n-1] {
		return v.Y[n-1], true
	}
	return v.Value(x)
}

func (b *timedBook) waitTenants() *drawing.Figure {
	l := &b.runs[0]
	_, tenants := l.Timed.WaitCurves()
	if len(tenants) < 2 || !l.waited() {
		return nil
	}
	c := &drawing.Chart{Kind: "tenant", Curves: tenants, XName: "waited at most", YName: "jobs of the tenant, %", YUnit: "% of jobs", XLog: true, XTime: true, YTo: 100}
	c.YFrom = lowestStart(c.Curves)
	k, worst := 0, -1.0
	for i := range c.Curves {
		if w := reaches(&c.Curves[i], 90); w > worst {
			k, worst = i, w
		}
	}
	return &drawing.Figure{Title: fmt.Sprintf("%s waits longest: 90 %% of its jobs start within %s", c.Curves[k].Name, drawing.Span(worst)),
		Note: "The tenants with most jobs, with " + l.Policy + ".", Chart: c}
}

// sizes are the sizes that jobs are sorted into.
type sizeBin struct {
	name string
	upTo int64 // milli of the resource, over all tasks
}

var (
	deviceBins = []sizeBin{{"CPU only", 0}, {"a share of one", 999}, {"1 device", 1000}, {"2 to 7", 7999}, {"8 devices", 8000}, {"9 to 64", 64000}, {"more than 64", math.MaxInt64}}
	cpuBins    = []sizeBin{{"1 processor", 1000}, {"2 to 8", 8000}, {"9 to 32", 32000}, {"33 to 128", 128000}, {"more than 128", math.MaxInt64}}
)

// waitsBySize shows median and ninth decile of the waits by size of job.
func (b *timedBook) waitsBySize() *drawing.Figure {
	bins := deviceBins
	if b.cpu {
		bins = cpuBins
	}
	d := &drawing.DotChart{Name: "wait until the first start; from the median to the ninth decile", Log: true, Joined: true}
	worst, name, some := 0.0, "", false
	shown := drawn(b.runs, detailedRuns)
	for i := range shown {
		d.Policies = append(d.Policies, shown[i].Policy)
	}
	waits := make([][][]float64, len(shown))
	for i := range shown {
		waits[i] = shown[i].bySize(bins, b.cpu)
		some = some || shown[i].waited()
	}
	if !some {
		return nil
	}
	for k := range bins {
		for i := range shown {
			w := waits[i][k]
			if len(w) == 0 {
				continue
			}
			slices.Sort(w)
			n := len(w)
			row := drawing.DotRow{Name: bins[k].name, Key: shown[i].Policy, Values: []float64{w[(n-1)*50/100], w[(n-1)*90/100]},
				Labels: []string{"median", "ninth decile"}}
			if i == 0 && row.Values[1] > worst {
				worst, name = row.Values[1], bins[k].name
			}
			d.Rows = append(d.Rows, row)
		}
	}
	title := "By size: nine in ten jobs of every size started at once"
	if worst > 0 {
		title = fmt.Sprintf("By size, the ninth decile of waits is longest for %s: %s", name, drawing.Span(worst))
	}
	return &drawing.Figure{Title: title, Note: "Jobs by " + b.thing + " asked for, over all tasks.", Dots: d}
}

func (l *timedLeaf) bySize(bins []sizeBin, cpu bool) [][]float64 {
	out := make([][]float64, len(bins))
	for _, i := range l.Timed.order {
		r, a := &l.Timed.Results[i], &l.Timed.p.Workload.Jobs[i]
		if r.First < 0 {
			continue
		}
		var size int64
		for g := range a.Spec.Groups {
			size += int64(a.Spec.Groups[g].Count) * asked(&a.Spec.Groups[g].Request, cpu)
		}
		k := slices.IndexFunc(bins, func(b sizeBin) bool { return size <= b.upTo })
		out[k] = append(out[k], r.First.Sub(r.Submit).Seconds())
	}
	return out
}

func asked(q *job.Request, cpu bool) int64 {
	if cpu {
		return int64(q.CPU)
	}
	return int64(q.Accelerators) * int64(q.Share)
}

func (b *timedBook) grid(l *timedLeaf) *drawing.Figure {
	if len(l.History.shares) == 0 || len(l.History.rows) < 2 {
		return nil
	}
	g := l.History.grid()
	g.Mark, g.MarkName = b.window, "last arrival"
	full, cells := 0, 0
	for _, row := range g.Share {
		for _, u := range row {
			if u >= 0 {
				cells++
				if u >= 0.9 {
					full++
				}
			}
		}
	}
	return &drawing.Figure{Wide: true, Grid: g, Title: fmt.Sprintf("Nodes by time: %s %% of the map is at least nine tenths full", drawing.Digits(100*float64(full)/float64(max(cells, 1)), 0)),
		Note: fmt.Sprintf("A row is one node or the mean of neighbours (%s nodes in %s rows); nodes without accelerators show their CPU.", drawing.Commas(float64(len(l.History.rowOf))), drawing.Commas(float64(len(g.Rows))))}
}

// groups shows how full the nodes of each group were.
func (b *timedBook) groups(l *timedLeaf) *drawing.Figure {
	h := l.History
	if b.cpu || len(h.groups) < 2 {
		return nil
	}
	n := h.arrivals(l.sum)
	type use struct {
		name string
		mean float64
	}
	var all []use
	at := 0
	for _, g := range h.groups {
		if g.CPU {
			at += g.Rows
			continue
		}
		sum, cells := 0.0, 0.0
		for _, shares := range drawn(h.shares, n) {
			for _, u := range shares[at : at+g.Rows] {
				if u >= 0 {
					sum += float64(u)
					cells++
				}
			}
		}
		at += g.Rows
		all = append(all, use{g.Name, 100 * sum / max(cells, 1)})
	}
	if len(all) < 2 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b use) int { return cmp.Compare(b.mean, a.mean) })
	c := &drawing.BarChart{Kind: "policy", Labels: []string{"mean use"}, Unit: "%", Max: 100}
	for _, u := range drawn(all, 14) {
		c.Rows = append(c.Rows, drawing.Bars{Name: u.name, Key: l.Policy, Values: []float64{u.mean}})
	}
	last := all[len(all)-1]
	note := "Mean use of accelerators by site and model, from the first to the last arrival."
	if len(all) > len(c.Rows) {
		note += fmt.Sprintf(" The %d fullest of %d groups.", len(c.Rows), len(all))
	}
	return &drawing.Figure{Title: fmt.Sprintf("Fullest: %s, %s %%; emptiest: %s, %s %%", all[0].name, drawing.Digits(all[0].mean, 0), last.name, drawing.Digits(last.mean, 0)), Note: note, Bars: c}
}

func (b *timedBook) fleet(l *timedLeaf) *drawing.Figure {
	if len(l.History.Maps) == 0 || len(l.History.rows) < 2 {
		return nil
	}
	return &drawing.Figure{Wide: true, Title: "Every node at " + strings.ReplaceAll(drawing.Count(len(l.History.Maps), "time", "times"), "3 ", "three "), Note: "A cell is a node.", Map: &drawing.FleetMap{Panels: l.History.Maps}}
}
