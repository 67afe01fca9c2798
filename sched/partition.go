package sched

import "tianfu/unit"

// partitionFit returns the device of node n that has the slices for a hardware
// partition, as a one-bit set: a device already divided first, least left
// first. 0 when none has.
func (c *Capacity) partitionFit(n int32, s *Shape) uint16 {
	nd := &c.nodes[n]
	best, bestLeft := uint16(0), 0
	for i := range int(nd.devices) {
		left, slots := c.slicesLeft(n, i, s)
		if slots == 0 {
			continue
		}
		if nd.parted>>i&1 == 0 {
			left += 1 << 8 // an undivided device comes last
		}
		if best == 0 || left < bestLeft {
			best, bestLeft = 1<<i, left
		}
	}
	return best
}

// partitionSlots returns how many partitions of a shape node n still holds.
func (c *Capacity) partitionSlots(n int32, s *Shape) int32 {
	sum := 0
	for i := range int(c.nodes[n].devices) {
		_, slots := c.slicesLeft(n, i, s)
		sum += slots
	}
	return int32(sum)
}

// slicesLeft returns the compute slices that device i of node n has left, and
// how many partitions of the shape fit into what is left.
func (c *Capacity) slicesLeft(n int32, i int, s *Shape) (left, slots int) {
	nd := &c.nodes[n]
	if s.Accept>>nd.model&1 == 0 || nd.hidden>>i&1 != 0 || nd.parted>>i&1 == 0 && nd.dev[i] != int16(unit.Whole) {
		return 0, 0
	}
	t := c.traits[c.models[nd.model]]
	compute, memory := t.ComputeSlices, t.MemorySlices
	for _, id := range c.onNode[n] {
		if a := &c.allocs[id]; a.Profile != 0 && a.Devices>>i&1 != 0 {
			p := c.profiles[a.Profile-1].on[nd.model]
			compute -= int(p.compute)
			memory -= int(p.memory)
		}
	}
	want := c.profiles[s.Profile-1].on[nd.model]
	return compute, want.times(compute, memory)
}

// times returns how often the slices fit into what is left.
func (w slices2) times(compute, memory int) int {
	k := 0
	if w.compute > 0 {
		k = compute / int(w.compute)
	}
	if w.memory > 0 {
		k = min(k, memory/int(w.memory))
	}
	return max(k, 0)
}
