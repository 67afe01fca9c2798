package sched

import (
	"maps"
	"slices"

	"tianfu/fleet"
)

// Clone returns a capacity that changes on its own. Caches start afresh.
func (c *Capacity) Clone() *Capacity {
	d := *c
	d.nodes, d.specs = slices.Clone(c.nodes), slices.Clone(c.specs)
	for i := range d.specs {
		d.specs[i].Devices = slices.Clone(c.specs[i].Devices)
	}
	d.shapeIDs, d.shapes = maps.Clone(c.shapeIDs), slices.Clone(c.shapes)
	d.allocs, d.unused = slices.Clone(c.allocs), slices.Clone(c.unused)
	d.onNode = make([][]AllocID, len(c.onNode))
	for i := range c.onNode {
		d.onNode[i] = slices.Clone(c.onNode[i])
	}
	d.domains = [fleet.NumLevels]domainTable{}
	d.changes = changeLog{last: make([]int, len(c.nodes))}
	d.ends = c.ends.clone()
	d.power = c.power.clone()
	d.largest, d.rooms = map[shapeKey]int32{}, map[roomKey]int32{}
	return &d
}

// Clone returns a line that changes on its own.
func (w *Waiting) Clone() *Waiting {
	v := *w
	v.entries, v.unused, v.groups, v.live = slices.Clone(w.entries), slices.Clone(w.unused), slices.Clone(w.groups), slices.Clone(w.live)
	v.find, v.gangs = maps.Clone(w.find), maps.Clone(w.gangs)
	return &v
}
