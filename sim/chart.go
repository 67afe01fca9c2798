package sim

import (
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Chart geometry, in units of the drawing.
const (
	chartWidth, chartHeight = 720.0, 300.0
	chartLeft, chartRight   = 58.0, 16.0
	chartTop, chartBottom   = 10.0, 40.0
	chartPoints             = 240 // most points a line keeps
	chartColours            = 8
	tableRows               = 80 // most rows of the table beside a chart
	plotWidth               = chartWidth - chartLeft - chartRight
	plotHeight              = chartHeight - chartTop - chartBottom
)

// axis maps values to positions. A logarithmic axis keeps a place for 0 below
// 1, for counts and waits.
type axis struct {
	min, max float64
	log      bool
}

func (a axis) at(v float64) float64 {
	if !a.log {
		if a.max == a.min {
			return 0
		}
		return (v - a.min) / (a.max - a.min)
	}
	return a.warp(v) / a.warp(a.max)
}

// warp is 0 at 0, linear up to 1 and logarithmic above.
func (a axis) warp(v float64) float64 {
	if v <= 1 {
		return max(v, 0) * 0.5
	}
	return 0.5 + math.Log10(v)
}

// ticks returns at most about n round values.
func (a axis) ticks(n int) []float64 {
	var out []float64
	if a.log {
		out = append(out, 0)
		for v := 1.0; v <= a.max*1.0001; v *= 10 {
			out = append(out, v)
		}
		return out
	}
	span := a.max - a.min
	if span <= 0 {
		return []float64{a.min}
	}
	step := math.Pow(10, math.Floor(math.Log10(span/float64(n))))
	for _, k := range []float64{1, 2, 5, 10} {
		if span/(step*k) <= float64(n) {
			step *= k
			break
		}
	}
	for v := math.Ceil(a.min/step) * step; v <= a.max+step/1e6; v += step {
		out = append(out, math.Round(v/step)*step)
	}
	return out
}

// chart is a set of curves over one axis.
type chart struct {
	curves       []Curve
	xName, yName string
	xUnit        string
	xLog, yLog   bool
	from         *float64 // least x shown; nil = all
	floor        float64  // y axis begins here, or lower where a curve does
	flatTop      float64  // y axis reaches at least here
	x, y         axis
}

// figure is a drawing with its words, its legend and the same as a table.
type figure struct {
	Title, Note string
	Legend      []legendItem
	SVG         template.HTML
	Table       ReportTable
}

type legendItem struct {
	Name, Style string
	Colour      int
}

// prepare drops what is not a number and thins what is too dense.
func (c *chart) prepare() {
	for i := range c.curves {
		src := c.curves[i]
		out := Curve{Name: src.Name}
		step := max((len(src.X)+chartPoints-1)/chartPoints, 1)
		for k := range src.X {
			if k%step != 0 && k != len(src.X)-1 || math.IsNaN(src.Y[k]) || math.IsInf(src.Y[k], 0) || c.from != nil && src.X[k] < *c.from {
				continue
			}
			out.X, out.Y = append(out.X, src.X[k]), append(out.Y, src.Y[k])
			if len(src.Low) == len(src.X) {
				out.Low, out.High = append(out.Low, src.Low[k]), append(out.High, src.High[k])
			}
		}
		c.curves[i] = out
	}
	c.x, c.y = axis{math.Inf(1), math.Inf(-1), c.xLog}, axis{c.floor, c.flatTop, c.yLog}
	for _, v := range c.curves {
		for k := range v.X {
			c.x.min, c.x.max = min(c.x.min, v.X[k]), max(c.x.max, v.X[k])
			c.y.min, c.y.max = min(c.y.min, v.Y[k]), max(c.y.max, v.Y[k])
		}
	}
	if math.IsInf(c.x.min, 1) {
		c.x = axis{0, 1, c.xLog}
	}
	if c.xLog {
		c.x.max = max(c.x.max, 1)
	}
	if c.y.max <= 0 {
		c.y.max = 1
	}
	if c.y.min < c.floor {
		c.y.min = 0
	}
	if !c.yLog {
		if t := c.y.ticks(6); len(t) > 1 && c.y.max > c.flatTop {
			c.y.max = math.Ceil(c.y.max/(t[1]-t[0])) * (t[1] - t[0])
		}
	}
}

func (c *chart) px(v float64) float64 { return chartLeft + c.x.at(v)*plotWidth }
func (c *chart) py(v float64) float64 { return chartTop + (1-c.y.at(v))*plotHeight }

// draw renders the chart. The first word of a curve's name chooses its colour,
// so a policy keeps it in every chart of a report.
func (c *chart) draw(title, note string, colours *palette) figure {
	c.prepare()
	f := figure{Title: title, Note: note, Table: c.table()}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" tabindex="0" aria-label="%s" data-chart="%s">`, chartWidth, chartHeight, html.EscapeString(title), html.EscapeString(c.data()))
	c.axes(&b)
	for i := range c.curves {
		v := &c.curves[i]
		colour, style := colours.of(v.Name)
		f.Legend = append(f.Legend, legendItem{Name: v.Name, Style: style, Colour: colour})
		if len(v.Low) > 0 {
			fmt.Fprintf(&b, `<path class="band k%d" d="%sZ"/>`, colour, c.outline(v))
		}
		fmt.Fprintf(&b, `<path class="line k%d %s" d="%s"/>`, colour, style, c.path(v.X, v.Y))
	}
	fmt.Fprintf(&b, `<line class="cursor" y1="%g" y2="%g"/></svg>`, chartTop, chartTop+plotHeight)
	f.SVG = template.HTML(b.String()) // every text in it is escaped above
	return f
}

func (c *chart) axes(b *strings.Builder) {
	for _, v := range c.y.ticks(6) {
		y := c.py(v)
		fmt.Fprintf(b, `<line class="grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text x="%g" y="%.1f" text-anchor="end">%s</text>`,
			chartLeft, chartWidth-chartRight, y, y, chartLeft-7, y+4, short(v))
	}
	last := math.Inf(-1)
	for _, v := range c.x.ticks(10) {
		x := c.px(v)
		if x < chartLeft-1 || x-last < 34 {
			continue
		}
		last = x
		fmt.Fprintf(b, `<line class="axis" x1="%.1f" x2="%.1f" y1="%g" y2="%g"/><text x="%.1f" y="%g" text-anchor="middle">%s</text>`,
			x, x, chartTop+plotHeight, chartTop+plotHeight+4, x, chartTop+plotHeight+17, short(v))
	}
	fmt.Fprintf(b, `<line class="axis" x1="%g" x2="%g" y1="%g" y2="%g"/>`, chartLeft, chartWidth-chartRight, chartTop+plotHeight, chartTop+plotHeight)
	fmt.Fprintf(b, `<text x="%g" y="%g" text-anchor="middle">%s</text>`, chartLeft+plotWidth/2, chartHeight-5, html.EscapeString(c.xName))
	fmt.Fprintf(b, `<text transform="rotate(-90 13 %g)" x="13" y="%g" text-anchor="middle">%s</text>`, chartTop+plotHeight/2, chartTop+plotHeight/2, html.EscapeString(c.yName))
}

func (c *chart) path(xs, ys []float64) string {
	var b strings.Builder
	for k := range xs {
		fmt.Fprintf(&b, "%c%.1f %.1f", "ML"[min(k, 1)], c.px(xs[k]), c.py(ys[k]))
	}
	return b.String()
}

// outline goes along the upper edge of a band and back along the lower.
func (c *chart) outline(v *Curve) string {
	xs, ys := slices.Clone(v.X), slices.Clone(v.High)
	for k := len(v.X) - 1; k >= 0; k-- {
		xs, ys = append(xs, v.X[k]), append(ys, v.Low[k])
	}
	return c.path(xs, ys)
}

// data is what the page needs to show values under the pointer.
func (c *chart) data() string {
	type points struct {
		Unit  string      `json:"unit"`
		PX    []float64   `json:"px"`
		X     []string    `json:"x"`
		Names []string    `json:"names"`
		Y     [][]*string `json:"y"`
	}
	d := points{Unit: c.xUnit}
	xs := c.commonX()
	for _, x := range xs {
		d.PX, d.X = append(d.PX, math.Round(c.px(x)*10)/10), append(d.X, short(x))
	}
	for i := range c.curves {
		v := &c.curves[i]
		d.Names = append(d.Names, v.Name)
		ys := make([]*string, len(xs))
		for k, x := range xs {
			if y, ok := v.value(x); ok {
				s := short(y)
				ys[k] = &s
			}
		}
		d.Y = append(d.Y, ys)
	}
	out, err := json.Marshal(d)
	if err != nil {
		panic("sim: points of a chart cannot be encoded: " + err.Error())
	}
	return string(out)
}

// commonX is every x of any curve, thinned.
func (c *chart) commonX() []float64 {
	var xs []float64
	for i := range c.curves {
		xs = append(xs, c.curves[i].X...)
	}
	slices.Sort(xs)
	xs = slices.Compact(xs)
	step := max((len(xs)+chartPoints-1)/chartPoints, 1)
	var out []float64
	for k := 0; k < len(xs); k += step {
		out = append(out, xs[k])
	}
	return out
}

// value is the curve's last y at or before x.
func (v *Curve) value(x float64) (float64, bool) {
	k, found := slices.BinarySearch(v.X, x)
	if !found {
		k--
	}
	if k < 0 || k >= len(v.Y) {
		return 0, false
	}
	return v.Y[k], true
}

func (c *chart) table() ReportTable {
	t := ReportTable{Header: []string{c.xName}}
	for i := range c.curves {
		t.Header = append(t.Header, c.curves[i].Name)
	}
	xs := c.commonX()
	step := max((len(xs)+tableRows-1)/tableRows, 1)
	for k := 0; k < len(xs); k += step {
		row := []string{short(xs[k])}
		for i := range c.curves {
			cell := ""
			if y, ok := c.curves[i].value(xs[k]); ok {
				cell = short(y)
			}
			row = append(row, cell)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// short renders a number with about four figures and thousands as k.
func short(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1e6:
		return strconv.FormatFloat(math.Round(v/1e4)/100, 'f', -1, 64) + "M"
	case a >= 1e4:
		return strconv.FormatFloat(math.Round(v/10)/100, 'f', -1, 64) + "k"
	case a >= 100:
		return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
	}
	return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
}

// palette gives a colour to every policy and a dash to every variant of it.
type palette struct {
	names    []string
	variants map[string][]string
}

func (p *palette) of(curve string) (colour int, style string) {
	base, rest, _ := strings.Cut(curve, ",")
	k := slices.Index(p.names, base)
	if k < 0 {
		k = len(p.names)
		p.names = append(p.names, base)
	}
	if rest == "" {
		return k % chartColours, "d0"
	}
	if p.variants == nil {
		p.variants = map[string][]string{}
	}
	v := slices.Index(p.variants[base], rest)
	if v < 0 {
		v = len(p.variants[base])
		p.variants[base] = append(p.variants[base], rest)
	}
	return k % chartColours, "d" + strconv.Itoa(1+v%3)
}
