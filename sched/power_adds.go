package sched

import "math/bits"

// powerAdds keeps, for tasks of one shape, what one adds to the draw of each node
// with room for it, and the least of that in every large area: an area that has
// less left is passed over without a look at its nodes. Like the buckets of the
// index it catches up with what changed. It stands apart from them, for it is
// needed only while power is scarce.
type powerAdds struct {
	synced int        // changes seen, as a position in the change log
	of     []int64    // by node, in milliwatts; Unlimited where there is no room
	least  []leastAdd // by large area
}

// leastAdd is the least that a task adds in an area, and on how many nodes it
// adds just that; while that is none, every node adds as much or more.
type leastAdd struct {
	milliwatts int64
	nodes      int32
}

// adds returns what tasks of a shape add, protected or not: work that is lifts a
// cap. The standing of the shape is up to date already.
func (x *Index) adds(si *shapeIndex, s *Shape, priority int32) *powerAdds {
	c, kind := x.cap, 0
	if priority >= c.power.p.Protect {
		kind = 1
	}
	a := si.adds[kind]
	if a == nil {
		a = &powerAdds{synced: -1}
		si.adds[kind] = a
	}
	log := &c.changes
	switch {
	case a.synced == log.end():
		return a
	case a.synced < log.base:
		a.of, a.least = make([]int64, len(c.nodes)), make([]leastAdd, len(c.power.big))
		for n := range c.nodes {
			a.of[n] = x.addsOn(int32(n), si, s, priority)
		}
	default:
		for i := a.synced; i < log.end(); i++ {
			if n := log.log[i-log.base]; log.last[n] == i+1 { // otherwise a later entry stands for it
				a.put(c.power, n, x.addsOn(n, si, s, priority))
			}
		}
	}
	a.synced = log.end()
	return a
}

// addsOn returns what a task adds on node n with the devices that the policy
// would give it.
func (x *Index) addsOn(n int32, si *shapeIndex, s *Shape, priority int32) int64 {
	if si.bucket[n] < uint16(NumCauses) {
		return Unlimited
	}
	c := x.cap
	return c.drawWith(n, s, x.policy.Devices(c, n, s), priority) - c.power.nodes[n].draw
}

func (a *powerAdds) put(t *powerTree, n int32, milliwatts int64) {
	was := a.of[n]
	if was == milliwatts {
		return
	}
	a.of[n] = milliwatts
	for k := t.leaf[n]; k >= 0; k = t.areas[k].parent {
		if t.areas[k].set == nil {
			continue
		}
		l := &a.least[t.areas[k].large]
		if was == l.milliwatts {
			l.nodes--
		}
		switch {
		case milliwatts < l.milliwatts:
			*l = leastAdd{milliwatts, 1}
		case milliwatts == l.milliwatts:
			l.nodes++
		}
	}
}

// leastIn returns the least that a task adds in a large area; Unlimited when no
// node of it has room.
func (a *powerAdds) leastIn(y *areaNow) int64 {
	l := &a.least[y.large]
	if l.nodes > 0 {
		return l.milliwatts
	}
	*l = leastAdd{milliwatts: Unlimited}
	for i, w := range y.set {
		for ; w != 0; w &= w - 1 {
			switch v := a.of[i<<6+bits.TrailingZeros64(w)]; {
			case v < l.milliwatts:
				*l = leastAdd{v, 1}
			case v == l.milliwatts:
				l.nodes++
			}
		}
	}
	return l.milliwatts
}
