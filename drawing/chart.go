package drawing

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Geometry of a chart. The drawing is stretched to the width of the page while
// its height and all text stay as they are, so that it reads on a telephone
// and on a wall alike.
const (
	plotX       = 1000.0 // width of the drawing, in units that stretch
	plotY       = 250.0  // height, in pixels
	curvePoints = 500    // most points a curve keeps
	probePoints = 240    // most positions the pointer can ask about
	tableRows   = 60     // most rows of the table beside a chart
	labelGap    = 16.0   // least distance of two labels beside the plot, in pixels
)

// plotter draws one chart.
type plotter struct {
	Chart
	x, y    axis
	colours *palette
	base    [][]float64 // lower edge of every stacked area
	m       *markup
}

// draw returns the chart as markup and its numbers as a table.
func (c Chart) draw(title string, colours *palette) (string, ReportTable) {
	p := &plotter{Chart: c, colours: colours, m: &markup{}}
	p.Curves = slices.Clone(c.Curves)
	p.prepare()
	m := p.m
	class := "chart"
	if p.Strip != nil {
		class += " striped"
	}
	m.printf(`<div class="%s" style="--end:%dpx">`, class, p.gutter())
	p.legend()
	if p.Strip != nil {
		p.Strip.legend(m)
	}
	m.WriteString(`<div class="yname">`)
	m.text(p.YName)
	if p.Limit > 0 {
		m.text("; dashed: " + p.LimitName + ", " + Number(p.Limit))
	}
	m.WriteString(`</div><div class="plot" role="img" tabindex="0"`)
	m.attr("aria-label", title+". "+p.YName+" over "+p.XName+". Arrow keys read values; the table below has all of them.")
	m.attr("data-chart", p.data())
	m.printf(`><svg viewBox="0 0 %g %g" preserveAspectRatio="none" aria-hidden="true">`, plotX, plotY)
	p.grid()
	if p.Stacked {
		p.areas()
	} else {
		p.lines()
	}
	if p.Limit > 0 {
		p.m.printf(`<path class="line d1" style="stroke:currentColor;fill:none;stroke-dasharray:6 4" d="M0 %sL%g %s"/>`, fix(p.py(p.Limit)), plotX, fix(p.py(p.Limit)))
	}
	m.WriteString(`</svg><i class="cursor"></i>`)
	m.mark(p.x, p.Mark, p.MarkName)
	p.labels()
	p.ends()
	m.WriteString(`</div>`)
	if p.Strip != nil {
		p.Strip.draw(p)
	}
	m.WriteString(`<div class="xname">`)
	m.text(p.XName)
	m.WriteString(`</div></div>`)
	return m.String(), p.table()
}

// prepare drops what is not a number, thins what is too dense and chooses the
// axes.
func (p *plotter) prepare() {
	for i := range p.Curves {
		p.Curves[i] = p.Curves[i].thin(p.XFrom)
	}
	if p.Stacked {
		p.stack()
	}
	p.x, p.y = axis{math.Inf(1), math.Inf(-1), p.XLog}, axis{p.YFrom, p.YTo, p.YLog}
	for i := range p.Curves {
		v := &p.Curves[i]
		for k := range v.X {
			p.x.min, p.x.max = min(p.x.min, v.X[k]), max(p.x.max, v.X[k])
			top := v.Y[k]
			if p.Stacked {
				top += p.base[i][k]
			}
			p.y.min, p.y.max = min(p.y.min, top), max(p.y.max, top)
			if len(v.High) > 0 {
				p.y.min, p.y.max = min(p.y.min, v.Low[k]), max(p.y.max, v.High[k])
			}
		}
	}
	if math.IsInf(p.x.min, 1) {
		p.x = axis{0, 1, p.XLog}
	}
	if p.XLog {
		p.x.min, p.x.max = 0, max(p.x.max, 1)
	}
	p.y.max = max(p.y.max, p.Limit)
	if p.y.max <= p.y.min {
		p.y.max = p.y.min + 1
	}
	if p.YLog || len(p.y.ticks(5)) < 2 {
		return
	}
	t := p.y.ticks(5)
	step := t[1] - t[0]
	if p.y.max > p.YTo {
		p.y.max = math.Ceil(p.y.max/step-1e-9) * step
	}
	// A hair below the axis is no reason to move it: seeds scatter.
	if p.y.min >= p.YFrom-0.02*(p.y.max-p.YFrom) {
		p.y.min = p.YFrom
	} else {
		p.y.min = math.Floor(p.y.min/step+1e-9) * step
	}
}

// thin drops points before from and what is not a number, and keeps at most
// curvePoints, the last one always.
func (v *Curve) thin(from float64) Curve {
	out := Curve{Name: v.Name, Key: v.Key, Dashed: v.Dashed}
	step := max((len(v.X)+curvePoints-1)/curvePoints, 1)
	bad := func(y float64) bool { return math.IsNaN(y) || math.IsInf(y, 0) }
	for k := range v.X {
		if k%step != 0 && k != len(v.X)-1 || bad(v.Y[k]) || v.X[k] < from {
			continue
		}
		out.X, out.Y = append(out.X, v.X[k]), append(out.Y, v.Y[k])
		if len(v.Low) == len(v.X) && !bad(v.Low[k]) && !bad(v.High[k]) {
			out.Low, out.High = append(out.Low, v.Low[k]), append(out.High, v.High[k])
		}
	}
	if len(out.Low) != len(out.X) {
		out.Low, out.High = nil, nil
	}
	return out
}

// stack puts every curve on those before it. Stacked curves share their x.
func (p *plotter) stack() {
	p.base = make([][]float64, len(p.Curves))
	for i := range p.Curves {
		p.base[i] = make([]float64, len(p.Curves[i].X))
		for k := range p.base[i] {
			if i > 0 && k < len(p.base[i-1]) {
				p.base[i][k] = p.base[i-1][k] + p.Curves[i-1].Y[k]
			}
		}
	}
}

func (p *plotter) px(v float64) float64 { return p.x.at(v) * plotX }
func (p *plotter) py(v float64) float64 { return (1 - p.y.at(v)) * plotY }

func (v *Curve) key() string {
	if v.Key != "" {
		return v.Key
	}
	return v.Name
}

// style returns the classes of a curve.
func (p *plotter) style(v *Curve) (colour, dash string) {
	colour, dash = p.colours.of(p.Kind, v.key())
	if v.Dashed {
		dash = "d1"
	}
	return colour, dash
}

// legend names the curves above the plot. Where there is room, lines are named
// at their ends instead, and the style sheet hides it.
func (p *plotter) legend() {
	if len(p.Curves) == 1 && !p.Stacked {
		return
	}
	class := "legend"
	if !p.Stacked && p.direct() {
		class = "legend narrow"
	}
	p.m.printf(`<ul class="%s" aria-hidden="true">`, class)
	for i := range p.Curves {
		colour, dash := p.style(&p.Curves[i])
		if p.Stacked {
			dash = "box"
		}
		p.m.printf(`<li class="%s %s"><i></i>`, colour, dash)
		p.m.text(p.Curves[i].Name)
		p.m.WriteString(`</li>`)
	}
	p.m.WriteString(`</ul>`)
}

func (p *plotter) grid() {
	p.m.WriteString(`<path class="grid" d="`)
	for _, v := range p.y.ticks(5) {
		p.m.printf("M0 %sH%g", fix(p.py(v)), plotX)
	}
	p.m.WriteString(`"/>`)
}

func (p *plotter) lines() {
	for i := range p.Curves {
		v := &p.Curves[i]
		if len(v.Low) > 0 {
			colour, _ := p.style(v)
			p.m.printf(`<path class="band %s" d="%sZ"/>`, colour, p.outline(v.X, v.High, v.Low))
		}
	}
	for i := range p.Curves {
		v := &p.Curves[i]
		colour, dash := p.style(v)
		p.m.printf(`<path class="line %s %s" d="%s"/>`, colour, dash, p.path(v.X, v.Y))
	}
}

func (p *plotter) areas() {
	for i := range p.Curves {
		v := &p.Curves[i]
		top := slices.Clone(v.Y)
		for k := range top {
			top[k] += p.base[i][k]
		}
		colour, _ := p.style(v)
		p.m.printf(`<path class="area %s" d="%sZ"/>`, colour, p.outline(v.X, top, p.base[i]))
	}
}

func (p *plotter) path(xs, ys []float64) string {
	var m markup
	for k := range xs {
		m.printf("%c%s %s", "ML"[min(k, 1)], fix(p.px(xs[k])), fix(p.py(ys[k])))
	}
	return m.String()
}

// outline goes along the upper edge and back along the lower.
func (p *plotter) outline(xs, high, low []float64) string {
	xs, ys := slices.Clone(xs), slices.Clone(high)
	for k := len(low) - 1; k >= 0; k-- {
		xs, ys = append(xs, xs[k]), append(ys, low[k])
	}
	return p.path(xs, ys)
}

// labels writes the numbers of both axes. Every second one of x is minor: the
// style sheet leaves it out where there is no room.
func (p *plotter) labels() {
	for _, v := range p.y.ticks(5) {
		p.m.printf(`<span class="yt" style="top:%spx">%s</span>`, fix(p.py(v)), Number(v))
	}
	ticks := p.x.ticks(7)
	if p.XTime && p.XLog {
		ticks = p.x.waits()
	}
	for i, v := range ticks {
		class, text := "xt", Number(v)
		if len(ticks) > 5 && i%2 == 1 {
			class = "xt minor"
		}
		if p.XTime {
			text = Span(v)
			if v == 0 {
				text = "0"
			}
		}
		p.m.printf(`<span class="%s" style="left:%s%%">%s</span>`, class, strconv.FormatFloat(math.Round(p.x.at(v)*1e4)/100, 'f', -1, 64), text)
	}
}

// direct tells whether lines are named at their ends: so many fit there.
func (p *plotter) direct() bool {
	return len(p.Curves) > 1 && float64(len(p.Curves))*labelGap <= plotY
}

// gutter is the room for the longest name at the end of a line, in pixels.
func (p *plotter) gutter() int {
	longest := 0
	for i := range p.Curves {
		longest = max(longest, utf8.RuneCountInString(p.Curves[i].Name))
	}
	return min(40+7*longest, 132)
}

// ends names every line at its end, pushed apart until no two names touch.
func (p *plotter) ends() {
	if p.Stacked || !p.direct() {
		return
	}
	type end struct {
		curve int
		at    float64
	}
	var all []end
	for i := range p.Curves {
		if n := len(p.Curves[i].Y); n > 0 {
			all = append(all, end{i, p.py(p.Curves[i].Y[n-1])})
		}
	}
	slices.SortStableFunc(all, func(a, b end) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	places := make([]float64, len(all))
	for k := range all {
		places[k] = all[k].at
	}
	pushApart(places, labelGap, plotY)
	for k, e := range all {
		v := &p.Curves[e.curve]
		colour, dash := p.style(v)
		p.m.printf(`<span class="end %s %s" style="top:%spx" aria-hidden="true"><i></i>`, colour, dash, fix(places[k]))
		p.m.text(v.Name)
		p.m.WriteString(`</span>`)
	}
}

// probe is what the page needs to show values under the pointer.
type probe struct {
	XUnit  string       `json:"xu"`
	YUnit  string       `json:"yu"`
	Total  bool         `json:"total"`
	At     []float64    `json:"at"` // 0 to 1000
	X      []string     `json:"x"`
	Series []probeCurve `json:"s"`
}

type probeCurve struct {
	Name  string   `json:"n"`
	Unit  string   `json:"u,omitempty"` // its own; empty = that of the axis
	Class string   `json:"k"`
	Y     []string `json:"y"` // empty = none
}

func (p *plotter) data() string {
	d := probe{XUnit: p.XUnit, YUnit: p.YUnit, Total: p.Stacked}
	xs := p.commonX(probePoints)
	for _, x := range xs {
		d.At, d.X = append(d.At, math.Round(p.px(x))), append(d.X, p.xText(x))
	}
	for i := range p.Curves {
		v := &p.Curves[i]
		colour, dash := p.style(v)
		c := probeCurve{Name: v.Name, Class: colour + " " + dash}
		for _, x := range xs {
			text := ""
			if y, ok := v.Value(x); ok {
				text = Number(y)
			}
			c.Y = append(c.Y, text)
		}
		d.Series = append(d.Series, c)
	}
	if p.Stacked {
		slices.Reverse(d.Series) // as they lie, the uppermost first
	}
	if s := p.Strip; s != nil {
		c := probeCurve{Name: s.Name, Unit: s.Unit}
		for _, x := range xs {
			c.Y = append(c.Y, s.cell(x))
		}
		d.Series = append(d.Series, c)
	}
	out, err := json.Marshal(d)
	if err != nil {
		panic("sim: points of a chart cannot be encoded: " + err.Error())
	}
	return string(out)
}

func (p *plotter) xText(x float64) string {
	if p.XTime {
		return Span(x)
	}
	return Number(x)
}

// commonX is every x of any curve, thinned to about n.
func (p *plotter) commonX(n int) []float64 {
	var xs []float64
	for i := range p.Curves {
		xs = append(xs, p.Curves[i].X...)
	}
	slices.Sort(xs)
	xs = slices.Compact(xs)
	step := max((len(xs)+n-1)/n, 1)
	var out []float64
	for k := 0; k < len(xs); k += step {
		out = append(out, xs[k])
	}
	if k := len(xs) - 1; k >= 0 && out[len(out)-1] != xs[k] {
		out = append(out, xs[k])
	}
	return out
}

// Value is the curve's last y at or before x; nothing before its first point
// and beyond its last.
func (v *Curve) Value(x float64) (float64, bool) {
	k, found := slices.BinarySearch(v.X, x)
	if !found {
		k--
	}
	if k < 0 || k >= len(v.Y) || x > v.X[len(v.X)-1] {
		return 0, false
	}
	return v.Y[k], true
}

func (p *plotter) table() ReportTable {
	t := ReportTable{Header: []string{p.XName}}
	for i := range p.Curves {
		t.Header = append(t.Header, p.Curves[i].Name)
		if len(p.Curves[i].Low) > 0 {
			t.Header = append(t.Header, "least", "most")
		}
	}
	if p.Strip != nil {
		t.Header = append(t.Header, p.Strip.Name+", "+p.Strip.Unit)
	}
	for _, x := range p.commonX(tableRows) {
		row := []string{p.xText(x)}
		for i := range p.Curves {
			v := &p.Curves[i]
			row = append(row, v.cell(v.Y, x))
			if len(v.Low) > 0 {
				row = append(row, v.cell(v.Low, x), v.cell(v.High, x))
			}
		}
		if p.Strip != nil {
			row = append(row, p.Strip.cell(x))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func (v *Curve) cell(ys []float64, x float64) string {
	at := Curve{X: v.X, Y: ys}
	if y, ok := at.Value(x); ok {
		return Number(y)
	}
	return ""
}
