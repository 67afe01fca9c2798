package main

import "testing"

func TestSmallFiguresAreNotZero(t *testing.T) {
	for _, c := range []struct {
		f        float64
		decimals int
		want     string
	}{
		{12.34567, 4, "12.3457"}, {0.0123, 4, "0.0123"}, {0.00052, 4, "0.00052"}, {0.000000521, 4, "0.00000052"}, {-0.00052, 4, "-0.00052"}, {0, 4, "0.0000"}, {0.5, 2, "0.50"},
	} {
		if got := small(c.f, c.decimals); got != c.want {
			t.Errorf("small(%g, %d) = %s, want %s", c.f, c.decimals, got, c.want)
		}
	}
}
