package sim

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"tianfu/drawing"
)

const loadName = "accelerators asked for so far, % of the fleet"

func (b *inflateBook) curves(of func(*InflateResult, int) float64) []drawing.Curve {
	var out []drawing.Curve
	for i := range b.runs {
		out = append(out, b.runs[i].curve(of))
	}
	return out
}

func (b *inflateBook) allocation() *drawing.Figure {
	title := "At full load: " + b.says(func(r *InflateRun) float64 { return r.allocated(100) }, 2, " %")
	return &drawing.Figure{
		Title: title, Note: "From 80 % on: below, nearly everything fits. Up to the bend, a policy places all that is asked for.",
		Chart: &drawing.Chart{Kind: "policy", Curves: b.curves(func(s *InflateResult, c int) float64 { return s.Allocation[c] }),
			XName: loadName, YName: "accelerators allocated, % of the fleet", XUnit: "% asked for", YUnit: "%", XFrom: 80, YFrom: 80, YTo: 100},
	}
}

// seeds shows every seed as a dot.
func (b *inflateBook) seeds() *drawing.Figure {
	if len(b.runs[0].Results) < 2 {
		return nil
	}
	d := &drawing.DotChart{Name: "allocated at 100 % load, % of the fleet; a dot is a seed", Unit: "%"}
	for i := range b.runs {
		r := &b.runs[i]
		row := drawing.DotRow{Name: r.Policy, Key: r.Policy}
		for k, s := range r.Results {
			row.Values, row.Labels = append(row.Values, s.Allocation[100]), append(row.Labels, fmt.Sprintf("seed %d", r.Seeds[k]))
		}
		d.Rows = append(d.Rows, row)
	}
	title := "Seeds differ by " + drawing.Digits(b.spread(), 2) + " points"
	if o := b.rival(); o != nil {
		wins := 0
		for k, s := range b.runs[0].Results {
			if s.Allocation[100] > o.Results[k].Allocation[100] {
				wins++
			}
		}
		title = fmt.Sprintf("%s allocates more than %s on %d of %d seeds", b.runs[0].Policy, o.Policy, wins, len(b.runs[0].Results))
	}
	return &drawing.Figure{Title: title, Note: "All policies meet the same sequence of tasks on a seed.", Dots: d}
}

func (b *inflateBook) spread() float64 {
	var all []float64
	for _, s := range b.runs[0].Results {
		all = append(all, s.Allocation[100])
	}
	return slices.Max(all) - slices.Min(all)
}

func (b *inflateBook) fragmentation() *drawing.Figure {
	at := func(r *InflateRun) float64 {
		return r.mean(func(s *InflateResult) float64 { return s.Fragmentation[100] })
	}
	return &drawing.Figure{
		Title: "Free, but of no use to the typical task, at full load: " + b.says(at, 2, " %"),
		Note:  "Fragmentation as in FGD (USENIX ATC 2023), as an amount: the less, the better.",
		Chart: &drawing.Chart{Kind: "policy", Curves: b.curves(func(s *InflateResult, c int) float64 { return s.Fragmentation[c] }),
			XName: loadName, YName: "fragments, % of the fleet's accelerators", XUnit: "% asked for", YUnit: "%"},
	}
}

func (b *inflateBook) power() *drawing.Figure {
	if !b.powered() {
		return nil
	}
	half := func(r *InflateRun) float64 {
		return r.mean(func(s *InflateResult) float64 { return s.Kilowatts[50] })
	}
	return &drawing.Figure{
		Title: "IT power at half load: " + b.says(half, 0, " kW"), Note: "Modelled draw of all nodes, idle ones too.",
		Chart: &drawing.Chart{Kind: "policy", Curves: b.curves(func(s *InflateResult, c int) float64 { return s.Kilowatts[c] }),
			XName: loadName, YName: "IT power, kW", XUnit: "% asked for", YUnit: "kW"},
	}
}

func (b *inflateBook) saving() *drawing.Figure {
	if b.base == nil || !b.powered() || len(b.runs) < 2 {
		return nil
	}
	c := &drawing.Chart{Kind: "policy", XName: loadName, YName: "IT power saved against fgd on the same seed, %", XUnit: "% asked for", YUnit: "%"}
	for i := range b.runs {
		if r := &b.runs[i]; r.Policy != baselinePolicy {
			c.Curves = append(c.Curves, b.savingCurve(r))
		}
	}
	f := &drawing.Figure{Note: "Bands: least and greatest seed. Below 0, a policy draws more than fgd.", Chart: c}
	first := c.Curves[0]
	best := 5
	for col := 5; col <= 90; col++ {
		if first.Y[col] > first.Y[best] {
			best = col
		}
	}
	f.Title = fmt.Sprintf("%s saves most at %d %% load, %s %%; %s %% over 5–90 %% load", first.Name, best, drawing.Digits(first.Y[best], 1), drawing.Digits(b.meanSavingOf(first.Name), 1))
	return f
}

func (b *inflateBook) meanSavingOf(policy string) float64 {
	for i := range b.runs {
		if b.runs[i].Policy == policy {
			return b.meanSaving(&b.runs[i])
		}
	}
	return math.NaN()
}

func (b *inflateBook) savingCurve(r *InflateRun) drawing.Curve {
	c := drawing.Curve{Name: r.Policy}
	for col := range InflateColumns {
		sum, low, high := 0.0, math.Inf(1), math.Inf(-1)
		for s := range r.Results {
			v := b.saved(r, s, col)
			sum += v
			low, high = min(low, v), max(high, v)
		}
		c.X, c.Y = append(c.X, float64(col)), append(c.Y, sum/float64(len(r.Results)))
		c.Low, c.High = append(c.Low, low), append(c.High, high)
	}
	if len(r.Results) == 1 {
		c.Low, c.High = nil, nil
	}
	return c
}

func (b *inflateBook) unallocated() *drawing.Figure {
	c := &drawing.BarChart{Kind: "idle", Labels: causeLabels[:], Unit: "%"}
	for i := range b.runs {
		c.Rows = append(c.Rows, drawing.Bars{Name: b.runs[i].Policy, Values: b.runs[i].Results[0].Unallocated.values()})
	}
	first := c.Rows[0].Values
	if len(b.runs[0].Results[0].Heat) == 0 || drawing.Sum(first) == 0 {
		return nil
	}
	most := 0
	for k := range first {
		if first[k] > first[most] {
			most = k
		}
	}
	return &drawing.Figure{
		Title: fmt.Sprintf("Why accelerators are not allocated at full load: with %s, most are %s", b.runs[0].Policy, causeLabels[most]),
		Note:  "In % of the fleet's accelerators; the first seed.", Bars: c,
	}
}

func (b *inflateBook) gangs() *drawing.Figure {
	c := &drawing.Chart{Kind: "policy", XName: "accelerators a gang asks for, all of one model in one segment", YName: "gangs that still fit", XUnit: "accelerators", YUnit: "gangs", XLog: true, YLog: true}
	for i := range drawn(b.runs, detailedPolicies) {
		res := b.runs[i].Results[0]
		c.Curves = append(c.Curves, gangCurves(b.runs[i].Policy, res.GangFit, res.GangPacked)...)
	}
	return gangFigure(c, "At full load")
}

// gangCurves are the gangs that fit, and that would with perfect packing.
func gangCurves(policy string, fit, packed drawing.Curve) []drawing.Curve {
	if len(fit.X) == 0 {
		return nil
	}
	fit.Name, fit.Key = policy, policy
	packed.Name, packed.Key, packed.Dashed = policy+", packed", policy, true
	return []drawing.Curve{fit, packed}
}

// reachesZero returns the first x at which nothing is left; the last one when
// something always is.
func reachesZero(v *drawing.Curve) float64 {
	for k := range v.X {
		if v.Y[k] == 0 {
			return v.X[k]
		}
	}
	return v.X[len(v.X)-1]
}

func gangFigure(c *drawing.Chart, when string) *drawing.Figure {
	if len(c.Curves) == 0 {
		return nil
	}
	end := 0.0
	for i := range c.Curves {
		end = max(end, reachesZero(&c.Curves[i]))
	}
	for i := range c.Curves {
		v := &c.Curves[i]
		n := sort.Search(len(v.X), func(k int) bool { return v.X[k] > end })
		v.X, v.Y = v.X[:n], v.Y[:n]
	}
	title := when
	for i, sep := 0, ": gangs of 2 that still fit: "; i < len(c.Curves) && i < 6; i += 2 {
		n, _ := c.Curves[i].Value(2)
		title += sep + c.Curves[i].Name + " " + drawing.Number(n)
		sep = ", "
	}
	return &drawing.Figure{Title: title, Note: "Fragmentation by gang size. Dashed: if every free device of the fleet could be used together.", Chart: c}
}

func (b *inflateBook) maps() []drawing.Figure {
	var out []drawing.Figure
	for i := range drawn(b.runs, detailedPolicies) {
		heat := b.runs[i].Results[0].Heat
		if len(heat) == 0 {
			continue
		}
		idle, nodes := 0, 0
		for _, g := range heat[0].Groups {
			nodes, idle = nodes+len(g.Used), idle+g.Idle()
		}
		out = append(out, drawing.Figure{
			Title: fmt.Sprintf("%s leaves %s of %s nodes idle at half load", b.runs[i].Policy, drawing.Commas(float64(idle)), drawing.Commas(float64(nodes))),
			Wide:  true, Map: &drawing.FleetMap{Panels: heat},
		})
	}
	return out
}

func (b *inflateBook) compare() *drawing.Figure {
	c := &drawing.Comparison{}
	row := func(name, unitName string, n, better int, of func(*InflateRun) float64) {
		r := drawing.CompareRow{Name: name, Unit: unitName, Digits: n, Better: better}
		some := false
		for i := range b.all {
			v := of(&b.all[i])
			some = some || !math.IsNaN(v)
			r.Values = append(r.Values, v)
		}
		if some {
			c.Rows = append(c.Rows, r)
		}
	}
	for i := range b.all {
		c.Policies = append(c.Policies, b.all[i].Policy)
	}
	for _, col := range []int{80, 90, 95, 100, 110, 120, 130} {
		row(fmt.Sprintf("allocated at %d %% load", col), "%", 2, 1, func(r *InflateRun) float64 { return r.allocated(col) })
	}
	row("least seed at 100 %", "%", 2, 1, func(r *InflateRun) float64 { return r.edge(math.Min) })
	row("greatest seed at 100 %", "%", 2, 1, func(r *InflateRun) float64 { return r.edge(math.Max) })
	for _, col := range []int{100, 130} {
		row(fmt.Sprintf("fragments at %d %%", col), "%", 2, -1, func(r *InflateRun) float64 {
			return r.mean(func(s *InflateResult) float64 { return s.Fragmentation[col] })
		})
	}
	if b.powered() {
		row("IT power saved against fgd, 5–90 %", "%", 2, 1, b.meanSaving)
		for _, col := range []int{25, 50, 75, 100} {
			row(fmt.Sprintf("IT power at %d %%", col), "kW", 1, -1, func(r *InflateRun) float64 {
				return r.mean(func(s *InflateResult) float64 { return s.Kilowatts[col] })
			})
		}
	}
	row("moves a task", "", 4, -1, func(r *InflateRun) float64 {
		return r.mean(func(s *InflateResult) float64 { return float64(s.Moves) / float64(max(s.Arrivals, 1)) })
	})
	row("tasks dropped by 130 %", "", 0, -1, func(r *InflateRun) float64 {
		return r.mean(func(s *InflateResult) float64 { return float64(s.Dropped) })
	})
	return &drawing.Figure{Title: "All figures, mean over the seeds", Note: "The best of a row is marked.", Wide: len(b.all) > 4, Compare: c}
}

// edge picks the least or the greatest allocation of the seeds at 100 % load.
func (r *InflateRun) edge(pick func(a, b float64) float64) float64 {
	at := math.NaN()
	for _, s := range r.Results {
		if v := s.Allocation[100]; math.IsNaN(at) {
			at = v
		} else if !math.IsNaN(v) {
			at = pick(at, v)
		}
	}
	return at
}
