package drawing

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// markup builds drawings. Numbers go through printf, texts through text or
// attr: those two are the only way in for anything that a file may hold.
type markup struct{ strings.Builder }

// printf adds markup of ours; arguments must be numbers or words of ours.
func (m *markup) printf(format string, args ...any) { fmt.Fprintf(&m.Builder, format, args...) }

// text adds a text, escaped.
func (m *markup) text(s string) { m.WriteString(html.EscapeString(s)) }

// attr adds an attribute, escaped.
func (m *markup) attr(name, value string) {
	m.printf(` %s="`, name)
	m.text(value)
	m.WriteString(`"`)
}

// fix writes a position with at most one decimal.
func fix(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// axis maps values to 0..1. A logarithmic axis keeps a place for 0 below 1, for
// counts and waits.
type axis struct {
	min, max float64
	log      bool
}

func (a axis) at(v float64) float64 {
	if a.log {
		return a.warp(v) / a.warp(a.max)
	}
	if a.max == a.min {
		return 0
	}
	return (v - a.min) / (a.max - a.min)
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
	if a.log {
		out := []float64{0}
		step := 1.0
		for math.Log10(max(a.max, 1))/math.Log10(10*step) > float64(n) {
			step *= 10
		}
		for v := 1.0; v <= a.max*1.0001; v *= 10 * step {
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
	var out []float64
	for v := math.Ceil(a.min/step-1e-9) * step; v <= a.max+step/1e6; v += step {
		out = append(out, math.Round(v/step)*step+0) // + 0 turns -0 into 0
	}
	return out
}

// waitTicks are waits that people think in, in seconds.
var waitTicks = [...]float64{0, 1, 10, 60, 600, 3600, 36000, 259200, 2592000, 31536000}

// waits returns the ticks of a logarithmic axis of seconds.
func (a axis) waits() []float64 {
	var out []float64
	for _, v := range waitTicks {
		if v <= a.max*1.0001 {
			out = append(out, v)
		}
	}
	return out
}

// pushApart moves places, sorted from the top, until no two are nearer than gap
// and none lies beyond limit.
func pushApart(at []float64, gap, limit float64) {
	for k := 1; k < len(at); k++ {
		at[k] = max(at[k], at[k-1]+gap)
	}
	for k := len(at) - 1; k >= 0; k-- {
		at[k] = min(at[k], limit)
		limit = at[k] - gap
	}
}

// mark draws an upright line with a name, where it lies inside an axis.
func (m *markup) mark(x axis, at float64, name string) {
	if at <= x.min || at >= x.max {
		return
	}
	m.printf(`<span class="mark" style="left:%s%%"><b>`, percentOf(x.at(at), 1))
	m.text(name)
	m.WriteString(`</b></span>`)
}
