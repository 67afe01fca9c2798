package energy

import (
	"math"
	"testing"
)

// TestErrorsOfForecasts holds the reported errors to numbers made by hand: a series that
// rises by 10 from one day to the next is missed by 10 at every hour. What no forecast
// reaches has no error, not one of nothing.
func TestErrorsOfForecasts(t *testing.T) {
	series := make([]float64, 30)
	for i := range series {
		series[i] = float64(100 + i/24*10)
	}
	got := ErrorsOf(Persistence, series, 24, []int{1, 3, 12})
	want := []ForecastError{{Hours: 1, MAE: 10, MAPE: 1000. / 110, Bias: -10, Made: 5}, {Hours: 3, MAE: 10, MAPE: 1000. / 110, Bias: -10, Made: 3}}
	if len(got) != len(want) {
		t.Fatalf("%+v, want %+v", got, want)
	}
	for i, w := range want {
		if g := got[i]; g.Hours != w.Hours || g.MAE != w.MAE || math.Abs(g.MAPE-w.MAPE) > 1e-9 || g.Bias != w.Bias || g.Made != w.Made {
			t.Errorf("%+v, want %+v", g, w)
		}
	}
	if e := ErrorsOf(Perfect, series, 0, []int{1})[0]; e.MAE != 0 || e.Made != 29 {
		t.Errorf("perfect is off: %+v", e)
	}
}
