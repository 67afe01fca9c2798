package sched

import (
	"math/bits"

	"tianfu/job"
	"tianfu/unit"
)

// This file keeps a search from nodes that power rules out. What a task adds is
// kept by node and shape (power_adds.go), so that a shape which no node of an area
// can take is refused at once, and otherwise only nodes with power enough are
// looked at.

// closed are the nodes that power rules out for the task at hand.
type closed struct {
	nodes    []uint64 // nil = none
	room     []uint64 // for nodes
	all      bool     // no node is outside them
	reserved int32    // those that only what is kept for the head rules out
	short    PowerShort
	adds     *powerAdds // nil = power is plenty
}

// closeNodes finds the nodes of large areas that cannot take a task of the shape.
// What any node of the fleet would add at the least is asked first, then what
// those with room do.
func (d *Decider) closeNodes(si *shapeIndex, s *Shape, t *task, spec *job.Spec) {
	tree, x := d.Capacity.power, &d.closed
	x.nodes, x.all, x.reserved, x.short, x.adds = nil, false, 0, PowerShort{}, nil
	for _, a := range tree.big {
		y := &tree.areas[a]
		behind, left := y.behind(t.priority), y.budget-y.draw
		kept := d.keptIn(a, min(left, tree.most), t, spec)
		if min(left, kept) >= tree.most && !behind {
			continue
		}
		if need := tree.leastOf(d.Capacity, s); need > left || behind {
			d.blame(a, need, t.priority)
			d.closeAll(y)
			continue
		}
		if x.adds == nil {
			x.adds = d.Index.adds(si, s, t.priority)
		}
		// Beside a reservation a share may get another device, and add less.
		sharing := s.ofShares() && len(d.held) > 0
		if need := x.adds.leastIn(y); need > left && need < Unlimited && !sharing {
			d.blame(a, need, t.priority)
			d.closeAll(y)
		} else if need < Unlimited {
			d.closeSome(a, left, kept, sharing, t.priority)
		}
	}
}

// keptIn returns what the heads leave of an area to a task that outlasts the
// instant from which its power is kept, where that is less than so much;
// otherwise Unlimited.
func (d *Decider) keptIn(area int32, than int64, t *task, spec *job.Spec) int64 {
	least := int64(Unlimited)
	for i := range d.kept {
		h := &d.kept[i]
		if t.job == h.held.Job || spec.ExpectedRunOn != nil || spec.ExpectedRun > 0 && d.now.Add(spec.ExpectedRun) <= h.at {
			continue
		}
		for j := range h.areas {
			if k := &h.areas[j]; k.area == area && k.extra < than {
				if d.countFreed(h); k.extra < than {
					least = min(least, k.extra)
				}
			}
		}
	}
	return least
}

// open begins to close nodes.
func (x *closed) open(words int) {
	if x.nodes != nil {
		return
	}
	if len(x.room) < words {
		x.room = make([]uint64, words)
	}
	clear(x.room)
	x.nodes = x.room
}

// closeAll closes a whole area.
func (d *Decider) closeAll(y *areaNow) {
	x := &d.closed
	x.open(len(y.set))
	for i, w := range y.set {
		x.nodes[i] |= w
	}
	x.all = x.all || int(y.nodes) == len(d.Capacity.nodes)
}

// closeSome closes the nodes of an area that add more than is left in it, or than
// is kept; held nodes of a task that shares devices are left to a closer look.
func (d *Decider) closeSome(area int32, left, kept int64, sharing bool, priority int32) {
	x, y := &d.closed, &d.Capacity.power.areas[area]
	x.open(len(y.set))
	need, most := int64(Unlimited), min(left, kept)
	for i, w := range y.set {
		shut := uint64(0)
		for m := w &^ x.nodes[i]; m != 0; m &= m - 1 {
			b := bits.TrailingZeros64(m)
			v := x.adds.of[i<<6+b]
			if v <= most || v == Unlimited || sharing && d.isHeld[i<<6+b] != 0 {
				continue
			}
			if shut |= 1 << b; v > left {
				need = min(need, v)
			} else {
				x.reserved++
			}
		}
		x.nodes[i] |= shut
	}
	if need < Unlimited {
		d.blame(area, need, priority)
	}
}

// shortOf counts the nodes passed over and says which area lacks power.
func (d *Decider) shortOf(si *shapeIndex, why *Reason) {
	x := &d.closed
	if x.nodes != nil {
		for _, b := range si.order {
			switch set := &si.buckets[b].nodes; {
			case set.count == 0:
			case x.all:
				why.Excluded[PowerCap] += set.count
			default:
				why.Excluded[PowerCap] += set.countIn(x.nodes)
			}
		}
		why.Excluded[PowerCap] -= x.reserved
		why.Excluded[Reserved] += x.reserved
	}
	if why.Excluded[PowerCap] > 0 {
		why.Short = x.short
	}
}

// blame keeps the first area that power lacked in.
func (d *Decider) blame(area int32, need int64, priority int32) {
	if x := &d.closed; x.short == (PowerShort{}) {
		y := &d.Capacity.power.areas[area]
		x.short = PowerShort{Area: area, Need: need, Draw: y.draw, Budget: y.budget, Behind: y.behind(priority)}
	}
}

// ofShares tells whether tasks of the shape share devices, so that what they add
// depends on which.
func (s *Shape) ofShares() bool {
	return s.Count == 1 && s.Share < int16(unit.Whole) || s.Profile != 0
}
