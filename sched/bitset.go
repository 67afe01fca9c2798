package sched

import "math/bits"

// nodeSet is a set of node ranks with a summary level, so that the lowest
// member is found in a few words however large the fleet is.
type nodeSet struct {
	words   []uint64
	summary []uint64
	count   int32
}

func newNodeSet(n int) nodeSet {
	w := (n + 63) / 64
	all := make([]uint64, w+(w+63)/64)
	return nodeSet{words: all[:w], summary: all[w:]}
}

func (s *nodeSet) add(n int32) {
	w := n >> 6
	s.words[w] |= 1 << (n & 63)
	s.summary[w>>6] |= 1 << (w & 63)
	s.count++
}

func (s *nodeSet) remove(n int32) {
	w := n >> 6
	s.words[w] &^= 1 << (n & 63)
	if s.words[w] == 0 {
		s.summary[w>>6] &^= 1 << (w & 63)
	}
	s.count--
}

// next returns the lowest member at or above n, or -1.
func (s *nodeSet) next(n int32) int32 {
	w := int(n >> 6)
	if w >= len(s.words) {
		return -1
	}
	if rest := s.words[w] >> (n & 63); rest != 0 {
		return n + int32(bits.TrailingZeros64(rest))
	}
	w++
	for i := w >> 6; i < len(s.summary); i++ {
		v := s.summary[i]
		if i == w>>6 {
			v &= ^uint64(0) << (w & 63)
		}
		if v != 0 {
			w = i<<6 + bits.TrailingZeros64(v)
			return int32(w<<6 + bits.TrailingZeros64(s.words[w]))
		}
	}
	return -1
}

// nextBut returns the lowest member at or above n that is not in but, or -1.
func (s *nodeSet) nextBut(n int32, but []uint64) int32 {
	w := int(n >> 6)
	if w >= len(s.words) {
		return -1
	}
	rest := s.words[w] &^ but[w] >> (n & 63) << (n & 63)
	for rest == 0 {
		if w++; w >= len(s.words) {
			return -1
		}
		rest = s.words[w] &^ but[w]
	}
	return int32(w<<6 + bits.TrailingZeros64(rest))
}

// countIn returns how many members are in a set.
func (s *nodeSet) countIn(set []uint64) int32 {
	n := 0
	for i, w := range s.words {
		n += bits.OnesCount64(w & set[i])
	}
	return int32(n)
}
