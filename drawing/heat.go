package drawing

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Geometry of heat maps.
const (
	mapColumns = 50   // cells in a row of a fleet map
	mapCells   = 3000 // most cells of one panel; beyond, a cell is several nodes
	mapGroups  = 32   // most groups of one panel
	gridPixels = 420  // least height of a grid of many rows, in pixels
	gridLabel  = 17   // height of the name of a group, in pixels
)

// heatRamp is a sequential ramp that goes from light to dark (or back, on a
// dark page), so that lightness alone tells the order; hues as in YlGnBu
// (ColorBrewer, safe for colour-blind readers).
var heatRamp = [...]struct {
	Class, Name string
	upTo        float32
}{
	{"q0", "idle", 0.0005}, {"q1", "to 25 %", 0.25}, {"q2", "to 50 %", 0.5}, {"q3", "to 75 %", 0.75}, {"q4", "to 90 %", 0.9},
	{"q5", "below 100 %", 0.9995}, {"q6", "full", 2}, {"qx", "takes no work", -1},
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

// Idle counts the nodes of a group that do nothing.
func (g *HeatGroup) Idle() (n int) {
	for _, u := range g.Used {
		if levelOf(u) == 0 {
			n++
		}
	}
	return n
}

// rampLegend is the key of the ramp.
func rampLegend(m *markup, what string) {
	m.WriteString(`<ul class="legend ramp"><li>`)
	m.text(what)
	m.WriteString(`</li>`)
	for i := range heatRamp {
		m.printf(`<li><i class="%s"></i>%s</li>`, heatRamp[i].Class, heatRamp[i].Name)
	}
	m.WriteString(`</ul>`)
}

// code packs shares for the script, two letters each: percent in hexadecimal,
// "xx" for what takes no work.
func code(used []float32) string {
	var b strings.Builder
	for _, u := range used {
		if u < 0 {
			b.WriteString("xx")
		} else {
			fmt.Fprintf(&b, "%02x", int(math.Round(float64(min(u, 1))*100)))
		}
	}
	return b.String()
}

// cells draws rows of cells as one path for each level of the ramp: cells of a
// level that touch are one stroke, so that a large map stays a small page.
func cells(m *markup, rows [][]float32) {
	var paths [len(heatRamp)]markup
	for y, row := range rows {
		for x := 0; x < len(row); {
			level, end := levelOf(row[x]), x+1
			for end < len(row) && levelOf(row[end]) == level {
				end++
			}
			paths[level].printf("M%d %d.5h%d", x, y, end-x)
			x = end
		}
	}
	for i := range paths {
		if paths[i].Len() > 0 {
			m.printf(`<path class="%s" d="%s"/>`, heatRamp[i].Class, paths[i].String())
		}
	}
}

// draw returns the grid as markup and a thinned table of it.
func (g HeatGrid) draw(title string, _ *palette) (string, ReportTable) {
	m := &markup{}
	rows, columns := len(g.Share), len(g.Times)
	height := max(gridPixels, rows*5, len(g.Groups)*gridLabel)
	rampLegend(m, "accelerators in use")
	m.printf(`<div class="grid-map" style="--h:%dpx"><div class="gnames" aria-hidden="true">`, height)
	g.names(m, float64(height))
	m.WriteString(`</div><div class="plot" role="img" tabindex="0"`)
	m.attr("aria-label", title+". Arrow keys read cells; the table below has them by group.")
	m.attr("data-grid", g.data())
	m.printf(`><svg class="cells" viewBox="0 0 %d %d" preserveAspectRatio="none" aria-hidden="true">`, columns, rows)
	cells(m, g.Share)
	m.WriteString(`<path class="split" d="`)
	at := 0
	for _, group := range g.Groups[:max(len(g.Groups)-1, 0)] {
		at += group.Rows
		m.printf("M0 %dH%d", at, columns)
	}
	m.WriteString(`"/></svg><i class="cell"></i>`)
	g.ticks(m)
	if n := len(g.Times); n > 0 {
		m.mark(axis{0, g.Times[n-1], false}, g.Mark, g.MarkName)
	}
	m.WriteString(`</div></div><div class="xname">`)
	m.text(g.XName)
	m.WriteString(`</div>`)
	return m.String(), g.table()
}

// names writes the groups beside their rows, pushed apart. The site before the
// model is left out where there is no room.
func (g *HeatGrid) names(m *markup, height float64) {
	var places []float64
	at := 0
	for _, group := range g.Groups {
		places = append(places, (float64(at)+float64(group.Rows)/2)*height/float64(len(g.Share)))
		at += group.Rows
	}
	pushApart(places, gridLabel-2, height-gridLabel/2)
	for i, group := range g.Groups {
		m.printf(`<span style="top:%spx">`, fix(places[i]))
		site, model, both := strings.Cut(group.Name, " / ")
		if both {
			m.WriteString(`<small>`)
			m.text(site + " / ")
			m.WriteString(`</small>`)
		} else {
			model = site
		}
		m.text(model)
		m.WriteString(`</span>`)
	}
}

func (g *HeatGrid) ticks(m *markup) {
	if len(g.Times) == 0 {
		return
	}
	x := axis{0, g.Times[len(g.Times)-1], false}
	ticks := x.ticks(8)
	for i, v := range ticks {
		class := "xt"
		if len(ticks) > 5 && i%2 == 1 {
			class = "xt minor"
		}
		m.printf(`<span class="%s" style="left:%s%%">%s</span>`, class, percentOf(x.at(v), 1), Number(v))
	}
}

func (g *HeatGrid) data() string {
	d := struct {
		Rows   []string `json:"rows"`
		Times  []string `json:"x"`
		Unit   string   `json:"xu"`
		Shares string   `json:"v"`
	}{Rows: g.Rows, Unit: g.XUnit}
	for _, t := range g.Times {
		d.Times = append(d.Times, Number(t))
	}
	var b strings.Builder
	for _, row := range g.Share {
		b.WriteString(code(row))
	}
	d.Shares = b.String()
	return encode(d)
}

// encode renders what the script reads.
func encode(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		panic("sim: data of a drawing cannot be encoded: " + err.Error())
	}
	return string(out)
}

// table averages every group at a dozen times.
func (g *HeatGrid) table() ReportTable {
	t := ReportTable{Header: []string{"group", "nodes"}}
	step := max((len(g.Times)+11)/12, 1)
	for c := step - 1; c < len(g.Times); c += step {
		t.Header = append(t.Header, Number(g.Times[c])+" "+g.XUnit)
	}
	at := 0
	for _, group := range g.Groups {
		row := []string{group.Name, strconv.Itoa(group.Nodes)}
		for c := step - 1; c < len(g.Times); c += step {
			var all []float32
			for _, shares := range g.Share[at : at+group.Rows] {
				all = append(all, shares[c])
			}
			row = append(row, meanShare(all))
		}
		at += group.Rows
		t.Rows = append(t.Rows, row)
	}
	return t
}

// meanShare renders the mean of what takes work.
func meanShare(used []float32) string {
	sum, n := 0.0, 0
	for _, u := range used {
		if u >= 0 {
			sum += float64(u)
			n++
		}
	}
	if n == 0 {
		return "–"
	}
	return Digits(100*sum/float64(n), 1) + " %"
}

// draw returns the panels as markup and their sums as a table.
func (f FleetMap) draw(title string, _ *palette) (string, ReportTable) {
	m := &markup{}
	t := ReportTable{Header: []string{"when", "group", "nodes", "mean use", "idle", "full", "takes no work"}}
	rampLegend(m, "node in use")
	m.WriteString(`<div class="panels">`)
	for i := range f.Panels {
		panel := f.Panels[i].merged()
		m.WriteString(`<div class="panel" role="img" tabindex="0"`)
		m.attr("aria-label", title+": "+panel.Name+". Arrow keys read nodes; the table below has the groups.")
		m.WriteString(`><h4>`)
		m.text(panel.Name)
		m.WriteString(`</h4>`)
		for k := range panel.Groups {
			g := &panel.Groups[k]
			g.draw(m)
			t.Rows = append(t.Rows, append([]string{panel.Name}, g.row()...))
		}
		m.WriteString(`</div>`)
	}
	m.WriteString(`</div>`)
	return m.String(), t
}

// merged joins the smallest groups where there are too many, and neighbours
// where there are too many nodes.
func (h *HeatMap) merged() HeatMap {
	out := HeatMap{Name: h.Name, Groups: slices.Clone(h.Groups)}
	if len(out.Groups) > mapGroups {
		slices.SortStableFunc(out.Groups, func(a, b HeatGroup) int { return len(b.Used) - len(a.Used) })
		rest := HeatGroup{Name: Others}
		for _, g := range out.Groups[mapGroups-1:] {
			rest.Nodes, rest.Used = append(rest.Nodes, g.Nodes...), append(rest.Used, g.Used...)
		}
		out.Groups = append(out.Groups[:mapGroups-1], rest)
	}
	total := 0
	for i := range out.Groups {
		total += len(out.Groups[i].Used)
	}
	if step := (total + mapCells - 1) / mapCells; step > 1 {
		for i := range out.Groups {
			out.Groups[i] = out.Groups[i].binned(step)
		}
		out.Name += fmt.Sprintf("; a cell is %d nodes", step)
	}
	return out
}

// binned makes one cell of every so many nodes: their mean.
func (g HeatGroup) binned(step int) HeatGroup {
	out := HeatGroup{Name: g.Name}
	for k := 0; k < len(g.Used); k += step {
		end := min(k+step, len(g.Used))
		sum, n := float32(0), 0
		for _, u := range g.Used[k:end] {
			if u >= 0 {
				sum += u
				n++
			}
		}
		if n > 0 {
			sum /= float32(n)
		} else {
			sum = -1
		}
		out.Used = append(out.Used, sum)
		out.Nodes = append(out.Nodes, g.Nodes[k]+" … "+g.Nodes[end-1])
	}
	return out
}

func (g *HeatGroup) draw(m *markup) {
	row := g.row()
	m.WriteString(`<p><b>`)
	m.text(g.Name)
	m.WriteString(`</b> `)
	m.text(row[2])
	m.WriteString(`</p>`)
	var rows [][]float32
	for k := 0; k < len(g.Used); k += mapColumns {
		rows = append(rows, g.Used[k:min(k+mapColumns, len(g.Used))])
	}
	m.printf(`<svg class="cells" viewBox="0 0 %d %d" aria-hidden="true"`, mapColumns, max(len(rows), 1))
	m.attr("data-cells", code(g.Used))
	m.attr("data-names", encode(shortNames(g.Nodes)))
	m.WriteString(`>`)
	cells(m, rows)
	m.printf(`<path class="gap" d="`)
	for x := range mapColumns + 1 {
		m.printf("M%d 0V%d", x, len(rows))
	}
	for y := range len(rows) + 1 {
		m.printf("M0 %dH%d", y, mapColumns)
	}
	m.WriteString(`"/></svg>`)
}

// shortNames packs node names: the prefix that all share, then the rests.
func shortNames(names []string) []string {
	if len(names) == 0 {
		return nil
	}
	prefix := names[0]
	for _, n := range names {
		for !strings.HasPrefix(n, prefix) {
			prefix = prefix[:len(prefix)-1]
		}
	}
	// Never cut a letter of several bytes in two.
	prefix = strings.ToValidUTF8(prefix, "")
	for _, n := range names {
		if !strings.HasPrefix(n, prefix) {
			prefix = ""
		}
	}
	out := []string{prefix}
	for _, n := range names {
		out = append(out, n[len(prefix):])
	}
	return out
}

func (g *HeatGroup) row() []string {
	idle, full, down := 0, 0, 0
	for _, u := range g.Used {
		switch levelOf(u) {
		case len(heatRamp) - 1:
			down++
		case 0:
			idle++
		case len(heatRamp) - 2:
			full++
		}
	}
	mean := meanShare(g.Used)
	if mean == "–" {
		mean = "none takes work"
	} else {
		mean += " in use"
	}
	return []string{g.Name, strconv.Itoa(len(g.Used)), mean, strconv.Itoa(idle), strconv.Itoa(full), strconv.Itoa(down)}
}
