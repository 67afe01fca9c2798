package sched

import (
	"math"
	"slices"
)

// The published policies that move one job in time for less carbon. Each is a
// pure function of the intensity ahead; time is in equal steps, and step 0 is
// the job's arrival. A job that cannot pause runs from the step they return.

// LowestSlot returns the earliest step of the least intensity from the arrival
// to limit steps later, both included: start where the grid is cleanest (Let's Wait Awhile, Middleware
// 2021).
func LowestSlot(ci []float64, limit int) int {
	best := 0
	for t := 1; t < min(limit+1, len(ci)); t++ {
		if ci[t] < ci[best] {
			best = t
		}
	}
	return best
}

// Prefix returns the running sums of ci: the sum over [a, b) is p[b]-p[a].
func Prefix(ci []float64) []float64 {
	p := make([]float64, len(ci)+1)
	for i, v := range ci {
		p[i+1] = p[i] + v
	}
	return p
}

// Sum is the sum over [a, a+n), cut at the end, by the Prefix p.
func Sum(p []float64, a, n int) float64 {
	last := len(p) - 1
	return p[min(a+n, last)] - p[min(a, last)]
}

// LowestWindow returns the offset, in multiples of stride from at and at most
// limit, with the least carbon over length steps; p is the Prefix of the
// intensity (GAIA, ASPLOS 2024).
func LowestWindow(p []float64, at, length, limit, stride int) int {
	best, least := 0, math.Inf(1)
	for o := 0; o <= limit; o += stride {
		if c := Sum(p, at+o, length); c < least {
			best, least = o, c
		}
	}
	return best
}

// CarbonTime returns the offset with the greatest carbon saved for each step
// until the job would end (GAIA, ASPLOS 2024).
func CarbonTime(p []float64, at, length, limit, stride int) int {
	now := Sum(p, at, length)
	best, most := 0, math.Inf(-1)
	for o := 0; o <= limit; o += stride {
		if v := (now - Sum(p, at+o, length)) / float64(o+length); v > most {
			best, most = o, v
		}
	}
	return best
}

// Percentile returns the q-th part of the values by linear interpolation
// between order statistics; values are sorted in place.
func Percentile(values []float64, q float64) float64 {
	slices.Sort(values)
	at := q * float64(len(values)-1)
	k := int(at)
	if k+1 >= len(values) {
		return values[len(values)-1]
	}
	return values[k] + (at-float64(k))*(values[k+1]-values[k])
}

// ThresholdPart is the percentile below which the threshold policy runs
// (Ecovisor, ASPLOS 2023, as GAIA sets it).
const ThresholdPart = 0.3

// Threshold returns the steps a pausing job runs in: those below the threshold,
// and all once limit steps have been waited.
func Threshold(ci []float64, threshold float64, length, limit int) []int {
	var out []int
	waited := 0
	for t := 0; t < len(ci) && len(out) < length; t++ {
		if ci[t] < threshold || waited >= limit {
			out = append(out, t)
		} else {
			waited++
		}
	}
	return out
}

// WaitAwhile returns the length steps of least intensity among the first window
// steps, in order of time; of equal ones the earlier (Let's Wait Awhile).
func WaitAwhile(ci []float64, window, length int) []int {
	window = min(window, len(ci))
	order := make([]int, window)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case ci[a] < ci[b]:
			return -1
		case ci[a] > ci[b]:
			return 1
		}
		return 0
	})
	out := order[:min(length, window)]
	slices.Sort(out)
	return out
}
