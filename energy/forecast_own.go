package energy

import "math"

// The regression behind our own forecast: how far an hour will lie from its
// seasonal mean, for each horizon on its own, from what is seen now.
const (
	ownHorizon = 72 // hours; further ones take the coefficients of the last
	ownDays    = 60 // it is fitted on
	ownRidge   = 50 // keeps coefficients small where there is little to fit on
	ownParts   = 5
)

// own is a fit and what it was made of.
type own struct {
	series  []float64
	day     int
	season  map[int][24]float64 // by hour of the series
	weights [ownHorizon + 1][ownParts]float64
}

// NewOwn returns a forecast fitted on what has been seen: the mean of Seasonal
// and of a ridge regression of the deviations from it, fitted anew every day on
// the sixty days before. Two forecasts that err differently err less together.
// It keeps the fit of the day between calls.
func NewOwn() Forecaster {
	var o own
	return func(series []float64, at, n int) []float64 {
		out := Seasonal(series, at, n)
		if at < 48 {
			return out // too little has been seen to fit anything
		}
		o.fit(series, at)
		m := o.seasonAt(at)
		for i := 1; i < n; i++ {
			x := o.parts(at, i, &m)
			v := m[(at+i)%24]
			for k, w := range o.weights[min(i, ownHorizon)] {
				v += float64(w * x[k])
			}
			out[i] = (out[i] + math.Max(v, 0)) / 2
		}
		return out
	}
}

// fit finds the weights of the day that at lies in, from earlier days alone.
func (o *own) fit(series []float64, at int) {
	day := at / 24
	same := len(o.series) > 0 && len(series) >= len(o.series) && &o.series[0] == &series[0]
	if same && o.day == day {
		return
	}
	if !same {
		o.season = map[int][24]float64{}
	}
	o.series, o.day = series, day
	first, last := max(24, (day-ownDays)*24), day*24
	for hour := range o.season {
		if hour < first {
			delete(o.season, hour)
		}
	}
	for h := 1; h <= ownHorizon; h++ {
		var a [ownParts][ownParts + 1]float64
		square, rows := 0.0, 0
		for t := first; t+h < last; t++ {
			m := o.seasonAt(t)
			x := o.parts(t, h, &m)
			y := series[t+h] - m[(t+h)%24]
			for i := range ownParts {
				for k := range ownParts {
					a[i][k] += float64(x[i] * x[k])
				}
				a[i][ownParts] += float64(x[i] * y)
			}
			square += float64(y * y)
			rows++
		}
		for i := range ownParts {
			a[i][i] += float64(ownRidge*square)/float64(max(rows, 1)) + 1e-9
		}
		o.weights[h] = solve(&a)
	}
}

// seasonAt returns the mean of the fourteen days up to an hour, by hour of day.
func (o *own) seasonAt(at int) [24]float64 {
	if m, ok := o.season[at]; ok {
		return m
	}
	var m [24]float64
	var count [24]float64
	for t := max(at-fitHours+1, 0); t <= at; t++ {
		m[t%24] += o.series[t]
		count[t%24]++
	}
	for h := range m {
		if count[h] == 0 {
			m[h] = o.series[at]
			continue
		}
		m[h] /= count[h]
	}
	o.season[at] = m
	return m
}

// parts are what the regression looks at: the deviation now, its means over six
// hours and a day, that of the same hour on the last day seen, and how the
// hour's season differs from the day's.
func (o *own) parts(at, ahead int, m *[24]float64) (x [ownParts]float64) {
	off := func(t int) float64 {
		if t < 0 {
			return 0
		}
		return o.series[t] - m[t%24]
	}
	x[0] = off(at)
	day := 0.0
	for k := range 24 {
		day += off(at - k)
		if k == 5 {
			x[1] = day / 6
		}
	}
	x[2] = day / 24
	x[3] = off(at + ahead - (ahead+23)/24*24)
	mean := 0.0
	for _, v := range m {
		mean += v / 24
	}
	x[4] = m[(at+ahead)%24] - mean
	return x
}

// solve returns the solution of a small system by elimination; an unknown that
// nothing determines is 0.
func solve(a *[ownParts][ownParts + 1]float64) (out [ownParts]float64) {
	for i := range ownParts {
		pivot := i
		for r := i; r < ownParts; r++ {
			if math.Abs(a[r][i]) > math.Abs(a[pivot][i]) {
				pivot = r
			}
		}
		a[i], a[pivot] = a[pivot], a[i]
		if a[i][i] == 0 {
			continue
		}
		for r := range ownParts {
			if r == i {
				continue
			}
			f := a[r][i] / a[i][i]
			for c := i; c <= ownParts; c++ {
				a[r][c] -= float64(f * a[i][c])
			}
		}
	}
	for i := range ownParts {
		if a[i][i] != 0 {
			out[i] = a[i][ownParts] / a[i][i]
		}
	}
	return out
}
