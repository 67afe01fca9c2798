package sched

import "math/bits"

// ceilMulDiv returns a*b/c, rounded up, for a and b from 0 and c from 1. The product
// may be larger than 64 bits; a result of unlimited or more is held to that.
func ceilMulDiv(a, b, c int64) int64 {
	hi, lo := bits.Mul64(uint64(max(a, 0)), uint64(max(b, 0)))
	lo, carry := bits.Add64(lo, uint64(c-1), 0)
	if hi += carry; hi >= uint64(c) {
		return unlimited
	}
	q, _ := bits.Div64(hi, lo, uint64(c))
	return int64(min(q, unlimited))
}
