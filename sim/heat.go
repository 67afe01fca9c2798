package sim

import (
	"fmt"
	"html"
	"html/template"
	"strings"
)

// Heat map geometry.
const (
	heatColumns = 60
	heatCell    = 9.0
	heatDrawn   = 6000 // most cells of one drawing
)

// heatLevel is a step of the ramp of a heat map.
type heatLevel struct {
	Class, Name string
	upTo        float32
}

var heatRamp = []heatLevel{
	{"q0", "idle", 0.0005}, {"q1", "to 25 %", 0.25}, {"q2", "to 50 %", 0.5}, {"q3", "to 75 %", 0.75}, {"q4", "below 100 %", 0.9995}, {"q5", "full", 2}, {"qx", "out of service", -1},
}

// heatFigure draws every node as a cell, in groups, one path for each level of
// the ramp: a fleet of thousands stays a small page.
func heatFigure(h *HeatMap) figure {
	f := figure{Title: h.Name, Table: ReportTable{Header: []string{"group", "nodes", "mean use", "idle", "full", "out of service"}}}
	total := 0
	for i := range h.Groups {
		total += len(h.Groups[i].Used)
	}
	step := max((total+heatDrawn-1)/heatDrawn, 1)
	var b, labels strings.Builder
	paths := make([]strings.Builder, len(heatRamp))
	y := 0.0
	for i := range h.Groups {
		g := &h.Groups[i]
		f.Table.Rows = append(f.Table.Rows, g.row())
		fmt.Fprintf(&labels, `<text x="0" y="%g">%s</text>`, y+12, html.EscapeString(fmt.Sprintf("%s: %d nodes, %s", g.Name, len(g.Used), f.Table.Rows[i][2])))
		y += 17
		cells := 0
		for k := 0; k < len(g.Used); k += step {
			fmt.Fprintf(&paths[levelOf(g.Used[k])], "M%g %gh8v8h-8z", float64(cells%heatColumns)*heatCell, y+float64(cells/heatColumns)*heatCell)
			cells++
		}
		y += float64((cells+heatColumns-1)/heatColumns)*heatCell + 5
	}
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">%s`, heatColumns*heatCell, y, html.EscapeString(h.Name), labels.String())
	for i := range paths {
		if paths[i].Len() > 0 {
			fmt.Fprintf(&b, `<path class="%s" d="%s"/>`, heatRamp[i].Class, paths[i].String())
		}
	}
	b.WriteString("</svg>")
	f.SVG = template.HTML(b.String()) // every text in it is escaped above
	if step > 1 {
		f.Note = fmt.Sprintf("one node in %d is drawn", step)
	}
	return f
}

func levelOf(used float32) int {
	if used < 0 {
		return len(heatRamp) - 1
	}
	for i := range heatRamp {
		if used <= heatRamp[i].upTo {
			return i
		}
	}
	return len(heatRamp) - 2
}

func (g *HeatGroup) row() []string {
	sum, open, idle, full, down := float32(0), 0, 0, 0, 0
	for _, u := range g.Used {
		switch levelOf(u) {
		case len(heatRamp) - 1:
			down++
			continue
		case 0:
			idle++
		case len(heatRamp) - 2:
			full++
		}
		sum += u
		open++
	}
	mean := "none open"
	if open > 0 {
		mean = fmt.Sprintf("%.1f %% used", 100*sum/float32(open))
	}
	return []string{g.Name, fmt.Sprint(len(g.Used)), mean, fmt.Sprint(idle), fmt.Sprint(full), fmt.Sprint(down)}
}

// barFigure draws amounts by cause, one stacked bar for each policy.
func barFigure(bars []Bars, title, note, unitName string) figure {
	f := figure{Title: title, Note: note, Table: ReportTable{Header: []string{"policy"}}}
	if len(bars) == 0 {
		return f
	}
	most := 0.0
	for i := range bars {
		sum := 0.0
		for _, v := range bars[i].Values {
			sum += v
		}
		most = max(most, sum)
	}
	x := axis{min: 0, max: max(most*1.02, 1e-9)}
	const left, row = 120.0, 34.0
	height := row*float64(len(bars)) + 44
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, chartWidth, height, html.EscapeString(title))
	for _, v := range x.ticks(8) {
		at := left + x.at(v)*(chartWidth-left-chartRight)
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="4" y2="%g"/><text x="%.1f" y="%g" text-anchor="middle">%s</text>`, at, at, height-36, at, height-22, short(v))
	}
	fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="middle">%s</text>`, left+(chartWidth-left)/2, height-5, html.EscapeString(unitName))
	for k, label := range bars[0].Labels {
		f.Legend = append(f.Legend, legendItem{Name: label, Style: "box", Colour: k % chartColours})
		f.Table.Header = append(f.Table.Header, label)
	}
	for i := range bars {
		y, at := 6+row*float64(i), left
		fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="end">%s</text>`, left-8, y+16, html.EscapeString(bars[i].Name))
		cells := []string{bars[i].Name}
		for k, v := range bars[i].Values {
			w := x.at(v) * (chartWidth - left - chartRight)
			fmt.Fprintf(&b, `<rect class="fill k%d" x="%.1f" y="%g" width="%.1f" height="22"><title>%s: %s</title></rect>`, k%chartColours, at, y, w, html.EscapeString(bars[i].Labels[k]), short(v))
			at += w
			cells = append(cells, short(v))
		}
		f.Table.Rows = append(f.Table.Rows, cells)
	}
	b.WriteString("</svg>")
	f.SVG = template.HTML(b.String()) // every text in it is escaped above
	return f
}
