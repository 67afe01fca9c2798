package sched

import (
	"math"

	"tianfu/fleet"
	"tianfu/unit"
)

// fgd takes the node whose fragmentation falls most or grows least: trunc(100 *
// sigmoid((before - after) / 1000)), section 1.7 of the protocol. The truncation
// is part of the policy: ties go to the lowest rank and act as packing.
type fgd struct {
	frag *Fragmentation
	// least[s] is the smallest fall in fragmentation, times the weight, that
	// scores s.
	least [102]int64
	memo  []fgdNode
}

// fgdNode is what fgd knows of a node until it changes.
type fgdNode struct {
	seen  int
	row   int32
	steps [fleet.MaxDevices]uint8
	used  int64 // usable milli, times the weight
}

func newFGD(c *Capacity, cfg Config) *fgd {
	p := &fgd{frag: NewFragmentation(c, cfg.Typical), memo: make([]fgdNode, len(c.nodes))}
	unitMilli := 1000 * float64(p.frag.weight)
	p.least[0] = math.MinInt64
	for s := 1; s < 100; s++ {
		p.least[s] = int64(math.Ceil(math.Log(float64(s)/float64(100-s)) * unitMilli))
	}
	p.least[100], p.least[101] = math.MaxInt64, math.MaxInt64
	return p
}

// score turns a fall in fragmentation, times the weight, into 0 to 99.
func (p *fgd) score(d int64) int64 {
	lo, hi := 0, 100 // least[lo] <= d < least[hi]
	if d >= 0 {
		lo = 50
	} else {
		hi = 50
	}
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		if p.least[mid] <= d {
			lo = mid
		} else {
			hi = mid
		}
	}
	return int64(lo)
}

func (p *fgd) Key(c *Capacity, n int32, s *Shape) int64 {
	score, _ := p.best(c, n, s)
	return score
}

func (p *fgd) Devices(c *Capacity, n int32, s *Shape) uint16 {
	if s.Count != 1 || s.Share == int16(unit.Whole) || s.Profile != 0 {
		return c.firstDevices(n, s)
	}
	_, set := p.best(c, n, s)
	return set
}

// best returns the highest score of placing the shape on node n, and for a
// share the device that gives it.
func (p *fgd) best(c *Capacity, n int32, s *Shape) (int64, uint16) {
	nd, f := &c.nodes[n], p.frag
	t := f.of(nd.model)
	m := &p.memo[n]
	if m.seen != c.changes.last[n] {
		p.remember(c, n)
	}
	row := t.row(nd.cpu - s.CPU)
	single := t.single[row*f.shares : (row+1)*f.shares]
	multi := t.multi[row*(fleet.MaxDevices+1):]
	rest := m.used - t.multi[int(m.row)*(fleet.MaxDevices+1)+int(nd.free)]
	if row != int(m.row) {
		rest = 0
		for i, g := range nd.dev[:nd.devices] {
			rest += int64(g) * single[m.steps[i]]
		}
	}
	lost := f.weight*int64(s.Milli()) - m.used // before minus after = lost + usable after
	if s.Count != 1 || s.Share == int16(unit.Whole) || s.Profile != 0 {
		rest -= int64(s.Count) * 1000 * single[f.steps[1000]]
		if s.Count == 0 {
			return p.score(lost + rest + multi[nd.free]), 0
		}
		return p.score(lost + rest + multi[max(int(nd.free)-int(s.Count), 0)]), 0
	}
	best, set, last := int64(-1), uint16(0), int16(-1)
	for i, g := range nd.dev[:nd.devices] {
		if g < s.Share || g == last || (nd.hidden|nd.parted)>>i&1 != 0 {
			continue
		}
		last = g
		left := g - s.Share
		u := rest - int64(g)*single[m.steps[i]] + int64(left)*single[f.steps[left]]
		if g == 1000 {
			u += multi[nd.free-1]
		} else {
			u += multi[nd.free]
		}
		if sc := p.score(lost + u); sc > best {
			best, set = sc, 1<<i
		}
	}
	return best, set
}

func (p *fgd) remember(c *Capacity, n int32) {
	nd, m := &c.nodes[n], &p.memo[n]
	t := p.frag.of(nd.model)
	m.seen = c.changes.last[n]
	m.row = int32(t.row(nd.cpu))
	for i, g := range nd.dev[:nd.devices] {
		m.steps[i] = p.frag.steps[max(g, 0)]
		if (nd.hidden|nd.parted)>>i&1 != 0 {
			m.steps[i] = 0
		}
	}
	m.used = p.frag.usable(t, int(m.row), nd)
}
