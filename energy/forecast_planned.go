package energy

import "math"

// What is planned on of a forecast: the part of its swings that is believed, and
// of our own forecast also the part of its recent error that an hour ahead has to
// be better by. Where waiting has not kept what it promised, work starts at once.
const (
	believed    = 0.7
	believedOwn = 0.9
	waryOwn     = 0.25
)

// How far back the error of a forecast is looked at, and how much a day counts
// against the one after it.
const (
	waryHours   = 14 * 24
	waryHorizon = 72
	waryDay     = 0.9
)

// PlannedOn returns the forecast of a name as a planner takes it. first is the
// hour of the series at which the planner began to listen. What is perfect is
// taken at its word; of everything else swings are drawn in.
func PlannedOn(name string, first int) (Forecaster, error) {
	f, err := ForecasterOf(name)
	switch {
	case err != nil || name == "perfect":
		return f, err
	case name == "persistence":
		f = Remembered(first)
	case name == "own":
		return Wary(Distrust(f, believedOwn), waryOwn), nil
	}
	return Distrust(f, believed), nil
}

// Wary adds to every hour ahead a part of the error that the forecast has shown at
// that horizon over the last fourteen days: the root of the mean square, late
// days counting more. A planner then waits for an hour only if that looks better
// by more than the forecast is usually off. It keeps forecasts between calls.
func Wary(f Forecaster, part float64) Forecaster {
	w := wary{f: f}
	return func(series []float64, at, n int) []float64 {
		out := append([]float64(nil), w.at(series, at, n)[:n]...)
		w.look(at)
		for i := 1; i < n; i++ {
			out[i] += float64(part * w.off[min(i, waryHorizon)])
		}
		return out
	}
}

type wary struct {
	f      Forecaster
	series []float64
	made   map[int][]float64 // by the hour they were made at
	looked int
	off    [waryHorizon + 1]float64
}

// at makes a forecast, or finds the one made then.
func (w *wary) at(series []float64, hour, n int) []float64 {
	if len(w.series) == 0 || &w.series[0] != &series[0] {
		w.made, w.looked = map[int][]float64{}, -1
	}
	w.series = series
	v := w.made[hour]
	if n = max(n, waryHorizon+1); len(v) < n {
		v = w.f(series, hour, n)
		w.made[hour] = v
	}
	return v
}

// look measures how far off past forecasts were, by what was seen up to an hour.
func (w *wary) look(hour int) {
	if w.looked == hour {
		return
	}
	w.looked = hour
	fade := math.Pow(waryDay, 1./24)
	for h := 1; h <= waryHorizon; h++ {
		square, weights, weight := 0.0, 0.0, 1.0
		for t := hour; t > hour-waryHours && t >= h; t-- {
			e := w.series[t] - w.at(w.series, t-h, 0)[h]
			square += float64(weight * float64(e*e))
			weights += weight
			weight *= fade
		}
		w.off[h] = 0
		if weights > 0 {
			w.off[h] = math.Sqrt(square / weights)
		}
	}
	for made := range w.made {
		if made < hour-waryHours-waryHorizon {
			delete(w.made, made)
		}
	}
}
