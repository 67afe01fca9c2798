package sched

// weighted is PWR + FGD: each score min-max normalised to 0-100 over the
// feasible nodes with integer division (all equal: 100 for power, as FGD is
// not normalised), weighted and summed. The device of a share is FGD's. (PWR,
// CCGrid 2025; section 2 of the protocol.)
type weighted struct {
	*fgd
	power, frag int64 // weights
}

func newWeighted(c *Capacity, cfg Config, w []int64) weighted {
	p := weighted{fgd: newFGD(c, cfg), power: 100, frag: 900}
	if len(w) == 2 {
		p.power, p.frag = w[0], w[1]
	}
	return p
}

// Key packs both scores: watts above, fragmentation below.
func (p weighted) Key(c *Capacity, n int32, s *Shape) int64 {
	watts, _ := c.addedWatts(n, s)
	return -int64(watts)<<8 | p.fgd.Key(c, n, s)
}

func (p weighted) Scores(_ *Capacity, _ *Shape, keys, scores []int64) {
	lo, hi := keys[0]>>8, keys[0]>>8
	for _, k := range keys {
		lo, hi = min(lo, k>>8), max(hi, k>>8)
	}
	for i, k := range keys {
		power := int64(100)
		if hi > lo {
			power = (k>>8 - lo) * 100 / (hi - lo)
		}
		scores[i] = p.power*power + p.frag*(k&0xff)
	}
}
