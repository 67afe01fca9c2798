package sched

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// TestCeilMulDiv compares with numbers of any size, at the edges and at random.
func TestCeilMulDiv(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	edges := []int64{-1, 0, 1, 2, 3, 1 << 31, 1<<32 - 1, 1 << 32, 3_600_000_000, 1e12, unlimited - 1, unlimited, unlimited + 1, Unlimited, math.MaxInt64 - 1, math.MaxInt64}
	draw := func() int64 {
		if rng.IntN(4) == 0 {
			return edges[rng.IntN(len(edges))]
		}
		return rng.Int64() >> rng.IntN(63)
	}
	check := func(a, b, c int64) {
		want := new(big.Int).Mul(big.NewInt(max(a, 0)), big.NewInt(max(b, 0)))
		want.Add(want, big.NewInt(c-1)).Quo(want, big.NewInt(c))
		if most := big.NewInt(unlimited); want.Cmp(most) > 0 {
			want = most
		}
		if got := ceilMulDiv(a, b, c); got != want.Int64() {
			t.Fatalf("%d * %d / %d is %d, rounded up: got %d", a, b, c, want, got)
		}
	}
	for _, a := range edges {
		for _, b := range edges {
			for _, c := range edges[2:] {
				check(a, b, c)
			}
		}
	}
	for range 100_000 {
		check(draw(), draw(), max(draw(), 1))
	}
}
