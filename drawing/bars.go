package drawing

import (
	"math"
	"slices"
	"strconv"
)

// percentOf renders a part of a whole as a CSS percentage.
func percentOf(v, whole float64) string {
	if !(whole > 0) || math.IsNaN(v) || v < 0 {
		return "0"
	}
	return strconv.FormatFloat(math.Round(min(v/whole, 1)*1e4)/100, 'f', -1, 64)
}

// draw returns the bars as markup and their numbers as a table. They are boxes
// of the page, not of a drawing: names wrap and widths follow the page.
func (c BarChart) draw(title string, colours *palette) (string, ReportTable) {
	m := &markup{}
	whole := c.Max
	for i := range c.Rows {
		whole = max(whole, Sum(c.Rows[i].Values))
	}
	single := len(c.Labels) == 1
	t := ReportTable{Header: append([]string{""}, c.Labels...)}
	m.WriteString(`<div class="bars" role="img" tabindex="0"`)
	m.attr("aria-label", title+". Arrow keys read the parts; the table below has all of them.")
	m.WriteString(`>`)
	if !single {
		m.WriteString(`<ul class="legend" aria-hidden="true">`)
		for _, label := range c.Labels {
			colour, _ := colours.of(c.Kind, label)
			m.printf(`<li class="%s box"><i></i>`, colour)
			m.text(label)
			m.WriteString(`</li>`)
		}
		m.WriteString(`</ul>`)
	}
	for i := range c.Rows {
		r := &c.Rows[i]
		row := []string{r.Name}
		m.WriteString(`<div class="bar"><b>`)
		m.text(r.Name)
		m.WriteString(`</b><span class="track">`)
		for k, v := range r.Values {
			key := c.Labels[k]
			if single {
				if key = r.Key; key == "" {
					key = r.Name
				}
			}
			colour, _ := colours.of(c.Kind, key)
			m.printf(`<i class="%s" style="width:%s%%"`, colour, percentOf(v, whole))
			m.attr("data-tip", r.Name+" · "+c.Labels[k]+": "+Number(v)+" "+c.Unit)
			m.WriteString(`></i>`)
			row = append(row, Number(v)+" "+c.Unit)
		}
		m.WriteString(`</span><em>`)
		m.text(Number(Sum(r.Values)) + " " + c.Unit)
		m.WriteString(`</em></div>`)
		t.Rows = append(t.Rows, row)
	}
	m.WriteString(`</div>`)
	return m.String(), t
}

// Sum adds the values that are known; NaN is none.
func Sum(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		if !math.IsNaN(v) {
			sum += v
		}
	}
	return sum
}

// draw returns the rows of dots as markup and their numbers as a table.
func (c DotChart) draw(title string, colours *palette) (string, ReportTable) {
	m := &markup{}
	x := c.axis()
	t := ReportTable{Header: []string{""}}
	m.WriteString(`<div class="dots" role="img" tabindex="0"`)
	m.attr("aria-label", title+". Arrow keys read the marks; the table below has all of them.")
	m.WriteString(`>`)
	if len(c.Policies) > 1 {
		t.Header = append(t.Header, "policy")
		m.WriteString(`<ul class="legend" aria-hidden="true">`)
		for _, name := range c.Policies {
			colour, _ := colours.of("policy", name)
			m.printf(`<li class="%s box"><i></i>`, colour)
			m.text(name)
			m.WriteString(`</li>`)
		}
		m.WriteString(`</ul>`)
	}
	for i := range c.Rows {
		c.row(m, i, x, colours)
		if i == 0 {
			t.Header = append(t.Header, c.Rows[i].Labels...)
		}
		row := []string{c.Rows[i].Name}
		if len(c.Policies) > 1 {
			row = append(row, c.Rows[i].Key)
		}
		for _, v := range c.Rows[i].Values {
			row = append(row, c.say(v))
		}
		t.Rows = append(t.Rows, row)
	}
	m.WriteString(`<div class="dot scale" aria-hidden="true"><b></b><span class="track">`)
	ticks := x.ticks(5)
	if c.Log {
		ticks = x.waits()
	}
	for i, v := range ticks {
		class := "xt"
		if len(ticks) > 4 && i%2 == 1 {
			class = "xt minor"
		}
		text := Number(v)
		if c.Log && v > 0 {
			text = Span(v)
		}
		m.printf(`<span class="%s" style="left:%s%%">%s</span>`, class, percentOf(x.at(v), 1), text)
	}
	m.WriteString(`</span></div><div class="xname">`)
	m.text(c.Name)
	m.WriteString(`</div></div>`)
	return m.String(), t
}

func (c *DotChart) row(m *markup, i int, x axis, colours *palette) {
	r := &c.Rows[i]
	colour, _ := colours.of("policy", r.Key)
	again := i > 0 && c.Rows[i-1].Name == r.Name
	name := r.Name
	if len(c.Policies) > 1 {
		name += ", " + r.Key
	}
	class := colour
	if again {
		class += " again"
	}
	m.printf(`<div class="dot %s"><b>`, class)
	if !again {
		m.text(r.Name)
	}
	m.WriteString(`</b><span class="track">`)
	if c.Joined && len(r.Values) > 1 {
		low, high := x.at(slices.Min(r.Values)), x.at(slices.Max(r.Values))
		m.printf(`<u style="left:%s%%;width:%s%%"></u>`, percentOf(low, 1), percentOf(high-low, 1))
	}
	for k, v := range r.Values {
		if math.IsNaN(v) {
			continue
		}
		m.printf(`<i class="m%d" style="left:%s%%"`, min(k, 2), percentOf(x.at(v), 1))
		m.attr("data-tip", name+" · "+r.Labels[k]+": "+c.say(v))
		m.WriteString(`></i>`)
	}
	m.WriteString(`</span></div>`)
}

func (c *DotChart) say(v float64) string {
	if c.Log {
		return Span(v)
	}
	return Digits(v, 2) + " " + c.Unit
}

// axis leaves a margin beside the outermost dots.
func (c *DotChart) axis() axis {
	x := axis{math.Inf(1), math.Inf(-1), c.Log}
	for i := range c.Rows {
		for _, v := range c.Rows[i].Values {
			if !math.IsNaN(v) {
				x.min, x.max = min(x.min, v), max(x.max, v)
			}
		}
	}
	if math.IsInf(x.min, 1) {
		return axis{0, 1, c.Log}
	}
	if c.Log {
		return axis{0, max(x.max*1.2, 1), true}
	}
	margin := max((x.max-x.min)*0.06, 0.01)
	x.min, x.max = x.min-margin, x.max+margin
	return x
}
