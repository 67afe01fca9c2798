package meter

import (
	"cmp"
	"math/bits"
	"slices"
)

// mulDiv returns a*b/c rounded down and what is left over. All are at least 0
// and the quotient fits; a larger one is a defect and panics.
func mulDiv(a, b, c int64) (quotient, rest int64) {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	q, r := bits.Div64(hi, lo, uint64(c))
	if q > 1<<63-1 {
		panic("meter: a figure is beyond its integer")
	}
	return int64(q), int64(r)
}

// carryDiv returns (a*b + carry)/c rounded down and what is left over, which is
// the next carry. a and b may be below 0; the rest never is.
func carryDiv(a, b, carry, c int64) (quotient, rest int64) {
	if b < 0 {
		a, b = -a, -b
	}
	if a < 0 {
		q, r := carryDivUp(-a, b, carry, c)
		return -q, r
	}
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	lo, over := bits.Add64(lo, uint64(carry), 0)
	q, r := bits.Div64(hi+over, lo, uint64(c))
	if q > 1<<63-1 {
		panic("meter: a figure is beyond its integer")
	}
	return int64(q), int64(r)
}

// carryDivUp returns q and r with carry - a*b = -q*c + r and 0 <= r < c.
func carryDivUp(a, b, carry, c int64) (quotient, rest int64) {
	q, r := mulDiv(a, b, c) // a*b = q*c + r
	rest = carry - r
	if rest < 0 {
		return q + 1, rest + c
	}
	return q, rest
}

// splitter divides whole amounts by weights, by largest remainder. It keeps its
// workspace from call to call.
type splitter struct {
	rests []leftover
}

type leftover struct {
	rest uint64
	at   int32
}

// split divides total among weights, none of them below 0, and puts the parts,
// which sum to total, into out. Whoever has the largest remainder gets one of
// the units left over; of equals the first. With no weight at all nothing can be
// divided, and all parts are 0: split returns false.
func (s *splitter) split(total int64, weights, out []int64) bool {
	sum := int64(0)
	for _, w := range weights {
		sum += w
	}
	if sum == 0 {
		clear(out)
		return total == 0
	}
	left := total
	s.rests = s.rests[:0]
	for i, w := range weights {
		if w == 0 {
			out[i] = 0
			continue
		}
		q, r := mulDiv(total, w, sum)
		out[i] = q
		left -= q
		s.rests = append(s.rests, leftover{uint64(r), int32(i)})
	}
	if left > 4 && len(s.rests) > 16 {
		slices.SortFunc(s.rests, func(a, b leftover) int { return cmp.Or(cmp.Compare(b.rest, a.rest), cmp.Compare(a.at, b.at)) })
		for _, r := range s.rests[:left] {
			out[r.at]++
		}
		return true
	}
	for ; left > 0; left-- {
		best := 0
		for i := range s.rests {
			if s.rests[i].rest > s.rests[best].rest {
				best = i
			}
		}
		out[s.rests[best].at]++
		s.rests[best].rest = 0
	}
	return true
}
