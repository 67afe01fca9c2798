package sched

import "math/bits"

// random draws a feasible node and a fitting device uniformly. The draw hashes
// the seed with the task, so it needs no state and repeats on every machine.
type random struct{ seed uint64 }

func (random) Key(*Capacity, int32, *Shape) int64 { return 0 }

func (p random) draw(t *task) uint64 {
	return mix(p.seed ^ mix(uint64(t.job)<<16^uint64(t.index)+0x9e3779b97f4a7c15))
}

func (p random) Devices(c *Capacity, n int32, s *Shape) uint16 {
	if s.Count != 1 || s.Profile != 0 {
		return c.firstDevices(n, s)
	}
	nd := &c.nodes[n]
	var fit uint16
	for i := range int(nd.devices) {
		if nd.usable(i) >= s.Share {
			fit |= 1 << i
		}
	}
	k := mix(p.seed^uint64(n)<<20^uint64(uint32(nd.sum))) % uint64(bits.OnesCount16(fit))
	for ; k > 0; k-- {
		fit &= fit - 1
	}
	return fit & -fit
}
