package sim

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
	"time"
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

// Thousands renders a whole number with commas: 12,345.
func Thousands(n int) string { return commas(float64(n)) }

// number renders a value with about four figures and commas in thousands.
func number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case a >= 1e9:
		return strconv.FormatFloat(v, 'g', 4, 64)
	case a >= 1000:
		return commas(math.Round(v))
	case a >= 100:
		return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
	case a >= 0.1 || a == 0:
		return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

// digits renders a value with that many decimals, and commas in thousands.
func digits(v float64, n int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "–"
	}
	s := strconv.FormatFloat(math.Abs(v), 'f', n, 64)
	whole, rest, _ := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if n > 0 {
		whole += "." + rest
	}
	if v < 0 && strings.Trim(whole, "0.,") != "" {
		return "−" + whole
	}
	return whole
}

func commas(v float64) string { return digits(v, 0) }

// span renders seconds as people say them.
func span(seconds float64) string {
	switch {
	case math.IsNaN(seconds) || math.IsInf(seconds, 0):
		return "–"
	case seconds < 1:
		return number(seconds) + " s"
	case seconds < 60:
		return strconv.FormatFloat(math.Round(seconds*10)/10, 'f', -1, 64) + " s"
	case seconds < 3600:
		return strconv.FormatFloat(math.Round(seconds/6)/10, 'f', -1, 64) + " min"
	case seconds < 2*86400:
		return strconv.FormatFloat(math.Round(seconds/360)/10, 'f', -1, 64) + " h"
	}
	return strconv.FormatFloat(math.Round(seconds/8640)/10, 'f', -1, 64) + " d"
}

func hours(h float64) string { return span(h * time.Hour.Seconds()) }

// tie keeps a percent sign on the line of its number.
func tie(s string) string { return strings.ReplaceAll(s, " %", "\u00a0%") }

// count renders a number of things: "1 job", "2,000 jobs".
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return commas(float64(n)) + " " + many
}

func sqrt(n int) float64 { return math.Sqrt(float64(n)) }
