package energy

import (
	"math"
	"slices"

	"tianfu/fault"
)

// Forecaster says what values of an hourly series are expected from the present
// hour on: n of them, the first being the present one, which is known. It may
// look at series up to and with the present hour at; only Perfect looks
// further.
type Forecaster func(series []float64, at, n int) []float64

// ForecasterOf returns a forecast by the name that flags and reports use.
func ForecasterOf(name string) (Forecaster, error) {
	switch name {
	case "perfect":
		return Perfect, nil
	case "persistence":
		return Persistence, nil
	case "own":
		return NewOwn(), nil
	}
	return nil, fault.New(fault.Invalid, "forecast "+name, "is not known", "use perfect, persistence or own")
}

// Perfect knows the truth; beyond the series its last value stays.
func Perfect(series []float64, at, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = series[min(at+i, len(series)-1)]
	}
	return out
}

// Persistence expects of every hour the latest value seen at the same hour of
// day.
func Persistence(series []float64, at, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		back := at + i - (i+23)/24*24
		if back < 0 {
			back = at
		}
		out[i] = series[back]
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
func Seasonal(series []float64, at, n int) []float64 {
	present := series[at]
	first := max(at-fitHours+1, 0)
	var mean [24]float64
	var count [24]int
	for t := first; t <= at; t++ {
		mean[t%24] += series[t]
		count[t%24]++
	}
	for h := range mean {
		if count[h] > 0 {
			mean[h] /= float64(count[h])
		} else {
			mean[h] = present
		}
	}
	var cross, square float64
	for t := first + 1; t <= at; t++ {
		now, before := series[t]-mean[t%24], series[t-1]-mean[(t-1)%24]
		cross += float64(now * before)
		square += float64(before * before)
	}
	decay := 0.0
	if square > 0 {
		decay = math.Max(0, math.Min(cross/square, 1))
	}
	out := make([]float64, n)
	rest := present - mean[at%24]
	for i := range out {
		out[i] = math.Max(mean[(at+i)%24]+rest, 0)
		rest *= decay
	}
	return out
}

// Distrust draws a forecast towards its own mean over the day ahead: part is
// how much of each deviation is believed. The present hour stays as it is. A
// plan picks the lowest values of a forecast, and those are too low more often
// than too high; what is seen now is not.
func Distrust(f Forecaster, part float64) Forecaster {
	return func(series []float64, at, n int) []float64 {
		out := f(series, at, max(n, 24))
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

// What a planner remembers of persistence counts less by a fifth with every day,
// and the present deviation from it by a tenth with every hour.
const (
	rememberedDay  = 0.8
	rememberedHour = 0.9
)

// Remembered is what a planner makes of persistence that remembers what it was
// told: the day before first, and since then every present hour. It expects of
// an hour the mean of the same hour on the days it remembers, late ones
// counting more, and the present deviation from that to die away. A day alone is
// a poor guide to the next; several are a better one, and there is nothing in
// them that persistence has not said.
func Remembered(first int) Forecaster {
	return func(series []float64, at, n int) []float64 {
		expected := func(hour int) float64 { // by what was seen up to hour, a day apart
			sum, weights, w := 0.0, 0.0, 1.0
			for ; hour >= max(first-24, 0); hour -= 24 {
				sum += float64(w * series[hour])
				weights += w
				w *= rememberedDay
			}
			if weights == 0 {
				return series[at]
			}
			return sum / weights
		}
		out := make([]float64, n)
		deviation := series[at] - expected(at-24)
		for i := range out {
			out[i] = math.Max(expected(at+i-(i+23)/24*24)+deviation, 0)
			deviation *= rememberedHour
		}
		out[0] = series[at]
		return out
	}
}

// ForecastError is how far a forecast was off at a horizon.
type ForecastError struct {
	Hours int     `json:"hours_ahead"`
	MAE   float64 `json:"mae"`
	MAPE  float64 `json:"mape_percent"` // over hours whose value is above 0
	Bias  float64 `json:"bias"`         // mean of forecast minus truth
	Made  int     `json:"forecasts"`
}

// ErrorsOf makes a forecast at every hour of a series from at on and compares
// it with what came, at each of the horizons, in hours. A horizon that no forecast
// reaches is left out: nothing is known of its error.
func ErrorsOf(f Forecaster, series []float64, at int, horizons []int) []ForecastError {
	out := make([]ForecastError, len(horizons))
	counted := make([]int, len(horizons))
	for i, h := range horizons {
		out[i].Hours = h
	}
	longest := slices.Max(horizons)
	for t := at; t < len(series)-1; t++ {
		guess := f(series, t, longest+1)
		for i, h := range horizons {
			if t+h >= len(series) {
				continue
			}
			e := &out[i]
			off := guess[h] - series[t+h]
			e.Made++
			e.MAE += math.Abs(off)
			e.Bias += off
			if series[t+h] > 0 {
				e.MAPE += 100 * math.Abs(off) / series[t+h]
				counted[i]++
			}
		}
	}
	for i := range out {
		n := float64(max(out[i].Made, 1))
		out[i].MAE /= n
		out[i].Bias /= n
		out[i].MAPE /= float64(max(counted[i], 1))
	}
	return slices.DeleteFunc(out, func(e ForecastError) bool { return e.Made == 0 })
}
