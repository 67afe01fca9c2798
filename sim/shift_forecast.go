package sim

import "math"

// Forecaster says what intensity is expected from the present hour on, for n
// hours. It may look at history and at hourly up to and with the present hour.
type Forecaster func(history, hourly []float64, hour, n int) []float64

// Perfect knows the truth; beyond the series its last value stays.
func Perfect(_, hourly []float64, hour, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = hourly[min(hour+i, len(hourly)-1)]
	}
	return out
}

// observed returns the value of an hour, counted from the window's start, that
// has been seen; false when the record does not go back so far.
func observed(history, hourly []float64, hour int) (float64, bool) {
	switch {
	case hour >= 0 && hour < len(hourly):
		return hourly[hour], true
	case hour >= 0:
		return 0, false
	case hour+len(history) >= 0:
		return history[hour+len(history)], true
	}
	return 0, false
}

// Persistence expects of every hour the latest value seen at the same hour of
// day.
func Persistence(history, hourly []float64, hour, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		at := hour + i
		for at > hour {
			at -= 24
		}
		v, ok := observed(history, hourly, at)
		if !ok {
			v, _ = observed(history, hourly, hour)
		}
		out[i] = v
	}
	return out
}

// Days the seasonal forecast looks back.
const (
	seasonDays = 14
	fitHours   = seasonDays * 24
)

// Seasonal expects the mean of the last fourteen days at the same hour of day,
// and the present deviation from it to die away at the rate it did in those
// days: a seasonal mean with a first-order autoregressive residual, fitted anew
// every hour on what has been seen.
func Seasonal(history, hourly []float64, hour, n int) []float64 {
	present, _ := observed(history, hourly, hour)
	var mean [24]float64
	var count [24]int
	for back := range fitHours {
		if v, ok := observed(history, hourly, hour-back); ok {
			h := mod24(hour - back)
			mean[h] += v
			count[h]++
		}
	}
	for h := range mean {
		if count[h] > 0 {
			mean[h] /= float64(count[h])
		} else {
			mean[h] = present
		}
	}
	var cross, square float64
	for back := 1; back < fitHours; back++ {
		now, ok1 := observed(history, hourly, hour-back+1)
		before, ok2 := observed(history, hourly, hour-back)
		if ok1 && ok2 {
			a, b := now-mean[mod24(hour-back+1)], before-mean[mod24(hour-back)]
			cross += a * b
			square += b * b
		}
	}
	decay := 0.0
	if square > 0 {
		decay = math.Max(0, math.Min(cross/square, 1))
	}
	out := make([]float64, n)
	rest := present - mean[mod24(hour)]
	for i := range out {
		out[i] = math.Max(mean[mod24(hour+i)]+rest, 0)
		rest *= decay
	}
	return out
}

// Distrust draws a forecast towards its own mean over the day ahead: part is
// how much of each deviation is believed. The present hour stays as it is. A
// plan picks the lowest values of a forecast, and those are too low more often
// than too high; what is seen now is not.
func Distrust(f Forecaster, part float64) Forecaster {
	return func(history, hourly []float64, hour, n int) []float64 {
		out := f(history, hourly, hour, max(n, 24))
		mean := 0.0
		for _, v := range out[:24] {
			mean += v / 24
		}
		for i := 1; i < len(out); i++ {
			out[i] = mean + float64(part*(out[i]-mean))
		}
		return out[:n]
	}
}

func mod24(h int) int { return (h%24 + 24) % 24 }
