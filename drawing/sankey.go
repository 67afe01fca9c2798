package drawing

import "slices"

// Sankey is a flow through columns of boxes, from left to right; what flows into
// a box flows out of it or ends there.
type Sankey struct {
	Kind  string // chooses colours
	Unit  string
	Boxes []SankeyBox
	Links []SankeyLink
}

// SankeyBox is a box in a column.
type SankeyBox struct {
	Name   string
	Column int
	Value  float64
}

// SankeyLink is a flow between two boxes, by their index.
type SankeyLink struct {
	From, To int
	Value    float64
}

// Geometry of a flow, in the units of its drawing.
const (
	sankeyWidth  = 1000.0
	sankeyHeight = 560.0
	sankeyBox    = 12.0
	sankeyGap    = 4.0
	sankeyLine   = 15.0  // least height of a box with its name
	sankeyText   = 190.0 // room for the names right of the last column
)

// draw returns the flow as markup and its numbers as a table.
func (s Sankey) draw(title string, colours *palette) (string, ReportTable) {
	m := &markup{}
	columns, widest := 0, 0
	sums := map[int]float64{}
	counts := map[int]int{}
	for _, b := range s.Boxes {
		columns = max(columns, b.Column+1)
		sums[b.Column] += b.Value
		counts[b.Column]++
		widest = max(widest, counts[b.Column])
	}
	whole := 1e-9
	for _, v := range sums {
		whole = max(whole, v)
	}
	scale := max(sankeyHeight-(sankeyGap+sankeyLine)*float64(widest), sankeyHeight/4) / whole
	x := func(column int) float64 {
		return (sankeyWidth - sankeyBox - sankeyText) * float64(column) / float64(max(columns-1, 1))
	}
	at := make([]float64, len(s.Boxes)) // upper edges
	next := map[int]float64{}
	for i, b := range s.Boxes {
		at[i] = next[b.Column]
		next[b.Column] += max(b.Value*scale, sankeyLine) + sankeyGap
	}
	m.printf(`<div class="sankey" role="img" tabindex="0"`)
	m.attr("aria-label", title+". The table below has all flows.")
	m.printf(`><svg viewBox="0 -12 %g %g" style="width:100%%;height:auto;font-size:13px" aria-hidden="true">`, sankeyWidth, sankeyHeight+24)
	out, in := slices.Clone(at), slices.Clone(at)
	for _, l := range s.Links {
		h := max(l.Value*scale, .5)
		a, b := &s.Boxes[l.From], &s.Boxes[l.To]
		x0, x1 := x(a.Column)+sankeyBox, x(b.Column)
		y0, y1 := out[l.From]+h/2, in[l.To]+h/2
		out[l.From] += h
		in[l.To] += h
		mid := (x0 + x1) / 2
		colour, _ := colours.of(s.Kind, b.Name)
		m.printf(`<path class="%s" style="fill:none;stroke:var(--k);stroke-opacity:.35;stroke-width:%s" d="M%s %sC%s %s %s %s %s %s"/>`, colour, fix(h), fix(x0), fix(y0), fix(mid), fix(y0), fix(mid), fix(y1), fix(x1), fix(y1))
	}
	for i, b := range s.Boxes {
		h := max(b.Value*scale, 1)
		colour, _ := colours.of(s.Kind, b.Name)
		m.printf(`<rect class="%s" style="fill:var(--k)" x="%s" y="%s" width="%g" height="%s"/>`, colour, fix(x(b.Column)), fix(at[i]), sankeyBox, fix(h))
		m.printf(`<text style="fill:currentColor" x="%s" y="%s" dominant-baseline="middle">`, fix(x(b.Column)+sankeyBox+5), fix(at[i]+h/2))
		m.text(b.Name + " " + Number(b.Value) + " " + s.Unit)
		m.WriteString(`</text>`)
	}
	m.WriteString(`</svg></div>`)
	t := ReportTable{Header: []string{"from", "to", s.Unit}}
	for _, l := range s.Links {
		t.Rows = append(t.Rows, []string{s.Boxes[l.From].Name, s.Boxes[l.To].Name, Number(l.Value)})
	}
	return m.String(), t
}
