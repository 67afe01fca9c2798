package sched

import (
	"slices"

	"tianfu/unit"
)

// CarryPower takes over how nodes of another capacity are held, sleep and wake,
// when a changed configuration builds this one anew. node and area say what a
// number of the old capacity is here, -1 = nothing. It is called before
// allocations are taken; CarriedPower afterwards.
func (c *Capacity) CarryPower(old *Capacity, node, area func(int32) int32) {
	t := c.power
	for n := range old.power.nodes {
		was := &old.power.nodes[n]
		k := node(int32(n))
		if k < 0 {
			continue
		}
		x := &t.nodes[k]
		x.state, x.since, x.ready = was.state, was.since, was.ready
		if was.level < Uncapped {
			x.level, x.area = was.level, area(was.area)
		}
		c.refresh(k)
	}
}

// IdleSince notes since when a new node holds nothing.
func (c *Capacity) IdleSince(n int32, at unit.Instant) { c.power.nodes[n].since = at }

// CarriedPower works the draws out again once all allocations are here.
func (c *Capacity) CarriedPower() {
	t := c.power
	t.suspended = t.suspended[:0]
	for id := range c.allocs {
		if a := &c.allocs[id]; a.Job != 0 && a.Suspended {
			t.suspended = append(t.suspended, AllocID(id))
		}
	}
	slices.Sort(t.suspended)
	c.workOutPower()
}
