package drawing

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Others names what is too small to be named. It is grey on every page.
const Others = "all others"

// Thousands renders a whole number with commas: 12,345.
func Thousands(n int) string { return Commas(float64(n)) }

// Number renders a value with about four figures and commas in thousands.
func Number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case a >= 1e9:
		return strconv.FormatFloat(v, 'g', 4, 64)
	case a >= 1000:
		return Commas(math.Round(v))
	case a >= 100:
		return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
	case a >= 0.1 || a == 0:
		return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

// Digits renders a value with that many decimals, and commas in thousands.
func Digits(v float64, n int) string {
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

// Commas renders a value as a whole number with commas: 12,345.
func Commas(v float64) string { return Digits(v, 0) }

// Span renders seconds as people say them.
func Span(seconds float64) string {
	switch {
	case math.IsNaN(seconds) || math.IsInf(seconds, 0):
		return "–"
	case seconds < 1:
		return Number(seconds) + " s"
	case seconds < 60:
		return strconv.FormatFloat(math.Round(seconds*10)/10, 'f', -1, 64) + " s"
	case seconds < 3600:
		return strconv.FormatFloat(math.Round(seconds/6)/10, 'f', -1, 64) + " min"
	case seconds < 2*86400:
		return strconv.FormatFloat(math.Round(seconds/360)/10, 'f', -1, 64) + " h"
	}
	return strconv.FormatFloat(math.Round(seconds/8640)/10, 'f', -1, 64) + " d"
}

// Hours renders hours as people say them.
func Hours(h float64) string { return Span(h * time.Hour.Seconds()) }

// tie keeps a percent sign on the line of its number.
func tie(s string) string { return strings.ReplaceAll(s, " %", "\u00a0%") }

// Count renders a number of things: "1 job", "2,000 jobs".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Commas(float64(n)) + " " + many
}
