package sched

import (
	"tianfu/fleet"
	"tianfu/job"
)

// SiteNodes counts the nodes that take work by site and kind. Sums over a site do
// not tell whether any node holds a task; this does, for nodes that are idle.
// What runs beside it on a node is not looked at: that changes with every start.
type SiteNodes struct {
	c      *Capacity
	counts [][]int64 // by site and kind
	held   map[heldKey][]uint64
}

// heldKey is what tasks ask, and how many of them start together.
type heldKey struct {
	shapeKey
	memory int32
	count  int64
}

// NewSiteNodes counts nodes; number tells the number of a site, below sites.
func NewSiteNodes(c *Capacity, sites int, number func(site string) int) *SiteNodes {
	n := &SiteNodes{c: c, counts: make([][]int64, sites), held: map[heldKey][]uint64{}}
	for k := range n.counts {
		n.counts[k] = make([]int64, len(c.kinds))
	}
	for i := range c.nodes {
		s := &c.specs[i]
		if s.Health == fleet.Healthy && !s.Cordoned && !s.Drain {
			n.counts[number(s.Place.Site)][c.nodes[i].kind]++
		}
	}
	return n
}

// Holding returns, by site, the set of models on whose nodes every task of a job can
// run there, and all of a gang at one time; models are numbered as in the list, and a
// job without accelerators has the set 1 where it can. The result is shared.
func (n *SiteNodes) Holding(s *job.Spec, models []fleet.Model) []uint64 {
	var out []uint64
	for g := range s.Groups {
		held := n.group(&s.Groups[g], s.Gang, models)
		if out == nil {
			out = held
			continue
		}
		both := make([]uint64, len(out))
		for k := range both {
			both[k] = out[k] & held[k]
		}
		out = both
	}
	return out
}

// group is Holding of one group. A group without accelerators goes with any model.
func (n *SiteNodes) group(g *job.Group, gang bool, models []fleet.Model) []uint64 {
	key := heldKey{n.c.keyOf(&g.Request), int32(g.Request.Memory), 1}
	if gang {
		key.count = int64(g.Count)
	}
	if out, ok := n.held[key]; ok {
		return out
	}
	out := make([]uint64, len(n.counts))
	for k, kinds := range n.counts {
		var slots [64]int64
		shape := key.shape(0)
		for kind, nodes := range kinds {
			if nodes == 0 {
				continue
			}
			each := nodes * int64(n.c.idleSlots(&n.c.kinds[kind], &shape, key.memory))
			at := 0
			if key.shapeKey.count > 0 {
				at = n.number(kind, models)
			}
			if at >= 0 {
				slots[at] += each
			}
		}
		for m, have := range slots {
			if have >= key.count {
				out[k] |= 1 << m
			}
		}
		if key.shapeKey.count == 0 && out[k] != 0 {
			out[k] = ^uint64(0)
		}
	}
	n.held[key] = out
	return out
}

// number is that of the model of a kind in a list of at most 64; -1 = it is not there.
func (n *SiteNodes) number(kind int, models []fleet.Model) int {
	k := &n.c.kinds[kind]
	if k.Devices == 0 {
		return -1
	}
	for i, m := range models {
		if m == n.c.models[k.Model] {
			return i
		}
	}
	return -1
}

// holds tells whether a job may be planned at a site on a model; -1 is none.
func (j *SlotJob) holds(site, model int) bool {
	return j.Holding == nil || j.Holding[site]>>max(model, 0)&1 != 0
}
