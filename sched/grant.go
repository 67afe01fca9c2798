package sched

import (
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// Grant enters an allocation into the capacity; the fold of an allocated
// record.
func (c *Capacity) Grant(a Alloc) AllocID {
	if c.power != nil {
		c.power.busy(c, a.Node)
	}
	return c.add(a)
}

// Take enters an allocation of another capacity, whose shapes and partitions
// were numbered otherwise.
func (c *Capacity) Take(a Alloc, r *job.Request) AllocID {
	a.Shape = c.Ask(r).Shape
	a.Profile = c.shapes[a.Shape].Profile
	return c.add(a)
}

// Release takes an allocation back at an instant; the fold of an ended record.
func (c *Capacity) Release(id AllocID, now unit.Instant) {
	n := c.allocs[id].Node
	c.remove(id)
	if c.power != nil {
		c.power.idles(c, n, now)
	}
}

// Alloc returns a running allocation.
func (c *Capacity) Alloc(id AllocID) *Alloc { return &c.allocs[id] }

// Evict marks an allocation as told to leave; planning takes it as gone.
func (c *Capacity) Evict(id AllocID, now unit.Instant) {
	a := &c.allocs[id]
	c.ends.remove(a.End, a)
	if c.power != nil && !a.Suspended && !a.Evicting {
		c.power.nodes[a.Node].still++
	}
	a.Evicting = true
	a.End = now
	c.ends.add(a.End, id, a)
	c.changes.touch(a.Node)
	if c.power != nil {
		c.updatePower(a.Node)
	}
}

// Move puts a running allocation on other devices and returns its new number.
func (c *Capacity) Move(id AllocID, n int32, devices uint16, now unit.Instant) AllocID {
	a := c.allocs[id]
	c.Release(id, now)
	a.Node, a.Devices = n, devices
	return c.Grant(a)
}

// Running returns a copy of what runs on a node.
func (c *Capacity) Running(n int32) []Alloc {
	out := make([]Alloc, 0, len(c.onNode[n]))
	for _, id := range c.onNode[n] {
		out = append(out, c.allocs[id])
	}
	return out
}

// On lists what runs on a node. It is valid until the next change.
func (c *Capacity) On(n int32) []AllocID { return c.onNode[n] }

// Kinds lists the kinds of node; KindNumber is that of a node, Kind its kind.
func (c *Capacity) Kinds() []Kind { return c.kinds }

// KindNumber returns which of Kinds a node is.
func (c *Capacity) KindNumber(n int32) int { return int(c.nodes[n].kind) }

// Kind returns what a node has in common with those of its make.
func (c *Capacity) Kind(n int32) *Kind { return &c.kinds[c.nodes[n].kind] }

// EachRunning visits the running allocations, by node.
func (c *Capacity) EachRunning(visit func(AllocID)) {
	for n := range c.onNode {
		for _, id := range c.onNode[n] {
			visit(id)
		}
	}
}

// ModelOf returns the index of the accelerator model of a node.
func (c *Capacity) ModelOf(n int32) uint8 { return c.nodes[n].model }

// DevicesOf returns the number of devices of a node.
func (c *Capacity) DevicesOf(n int32) int { return int(c.nodes[n].devices) }

// Nodes returns the number of nodes.
func (c *Capacity) Nodes() int { return len(c.nodes) }

// Node returns a node as declared, by rank.
func (c *Capacity) Node(n int32) *fleet.Node { return &c.specs[n] }

// SetShortOfDisk notes that a node has too little disk for new work, or has it
// again.
func (c *Capacity) SetShortOfDisk(n int32, short bool) {
	c.specs[n].ShortOfDisk = short
	c.refresh(n)
}

// SetHealth changes health and cordon of a node (device < 0) or device.
func (c *Capacity) SetHealth(n int32, device int, h fleet.Health, cordon, drain bool) {
	spec := &c.specs[n]
	if device < 0 {
		spec.Health, spec.Cordoned, spec.Drain = h, cordon || drain, drain
	} else {
		devices := append([]fleet.Device(nil), spec.Devices...) // the declared fleet stays as it is
		devices[device] = fleet.Device{Health: h, Cordoned: cordon || drain}
		spec.Devices = devices
	}
	c.refresh(n)
}

// Total and Used return what the fleet has and what is granted.
func (c *Capacity) Total() Totals { return c.total }

// Used returns what is granted.
func (c *Capacity) Used() Totals { return c.used }

// Add enters an allocation into a tenant's usage (sign 1) or takes it out (-1).
func (u *Usage) Add(a *Alloc, sign int64) { u.add(a, sign) }

// Observe tells a learning policy about tasks that were submitted. It is part
// of the fold.
func (x *Index) Observe(r *job.Request, count int) {
	p, ok := x.policy.(Learner)
	if !ok {
		return
	}
	ask := x.cap.Ask(r)
	changed := false
	for range count {
		changed = p.Observe(x.cap, ask) || changed
	}
	if changed {
		x.reset()
	}
}
