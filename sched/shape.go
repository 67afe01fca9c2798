package sched

import (
	"slices"

	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// ShapeID indexes the shapes a Capacity has met.
type ShapeID int32

// Shape is what a task asks of a node, memory left out: tasks of one shape
// score alike on every node, so scores are kept per shape. Memory rarely
// binds; it is checked when a node is picked.
type Shape struct {
	ID      ShapeID
	CPU     int32  // milli
	Share   int16  // milli of each device
	Count   int8   // devices
	Profile int16  // hardware partition, an index into Capacity.profiles + 1; 0 = none
	Accept  uint64 // accepted models, by model index
}

// shapeKey is a Shape without its ID.
type shapeKey struct {
	cpu     int32
	share   int16
	count   int8
	profile int16
	accept  uint64
}

// Ask is a request ready for the inner loop: its shape and its memory.
type Ask struct {
	Shape  ShapeID
	Memory int32 // MiB
}

// Milli returns the accelerator capacity a task of the shape takes.
func (s *Shape) Milli() int32 { return int32(s.Share) * int32(s.Count) }

// Ask interns a request. Equal requests get equal shapes; shapes are numbered
// in the order they are met, so only the fold of records may call it: a
// recovered state must number them alike.
func (c *Capacity) Ask(r *job.Request) Ask {
	k := c.keyOf(r)
	id, ok := c.shapeIDs[k]
	if !ok {
		id = ShapeID(len(c.shapes))
		c.shapeIDs[k] = id
		c.shapes = append(c.shapes, k.shape(id))
	}
	return Ask{Shape: id, Memory: int32(r.Memory)}
}

func (k *shapeKey) shape(id ShapeID) Shape {
	return Shape{ID: id, CPU: k.cpu, Share: k.share, Count: k.count, Profile: k.profile, Accept: k.accept}
}

// keyOf reduces a request to what placement looks at, memory aside.
func (c *Capacity) keyOf(r *job.Request) shapeKey {
	k := shapeKey{cpu: int32(r.CPU), count: int8(r.Accelerators), accept: ^uint64(0)}
	if r.Accelerators > 0 {
		k.share = int16(r.Share)
		k.accept = c.accepted(r)
		if r.Partition != "" {
			k.profile, k.share = c.profile(r.Partition)
			if k.profile == 0 {
				k.accept = 0
			} else {
				k.accept &= c.profiles[k.profile-1].offered()
			}
		}
	}
	return k
}

// accepted resolves named models and capabilities to a set of model indexes.
func (c *Capacity) accepted(r *job.Request) uint64 {
	set := ^uint64(0)
	if len(r.Models) > 0 {
		set = 0
		for _, m := range r.Models {
			if i, ok := c.modelIndex[m]; ok {
				set |= 1 << i
			}
		}
	}
	if w := &r.Capability; w.MinMemory > 0 || w.Stack != "" || len(w.Precisions) > 0 {
		for i, m := range c.models {
			if !able(c.traits[m], w) {
				set &^= 1 << i
			}
		}
	}
	return set
}

func able(t fleet.Traits, w *job.Capability) bool {
	if t.Memory < w.MinMemory || w.Stack != "" && t.Stack != w.Stack {
		return false
	}
	for _, p := range w.Precisions {
		if !slices.Contains(t.Precisions, p) {
			return false
		}
	}
	return true
}

// profile returns the index and the share of a device that a hardware
// partition stands for; index 0 for one that no model of the fleet offers.
func (c *Capacity) profile(name string) (index, share int16) {
	for i := range c.profiles {
		if c.profiles[i].name == name {
			return int16(i + 1), c.profiles[i].share
		}
	}
	return 0, int16(unit.Whole)
}

// internProfiles lists the hardware partitions that the models of the fleet
// offer, in the order of models and profiles.
func (c *Capacity) internProfiles() {
	for i, m := range c.models {
		t := c.traits[m]
		for _, q := range t.Profiles {
			k, _ := c.profile(q.Name)
			if k == 0 {
				c.profiles = append(c.profiles, profile{name: q.Name})
				k = int16(len(c.profiles))
			}
			p := &c.profiles[k-1]
			p.on[i] = slices2{int8(q.Compute), int8(q.Memory)}
			p.share = int16(int(unit.Whole) * q.Compute / max(t.ComputeSlices, 1))
		}
	}
}

// profile is a hardware partition with the slices it takes on each model; zero
// slices mean the model does not offer it.
type profile struct {
	name  string
	share int16
	on    [fleet.MaxModels]slices2
}

// offered returns the set of models that a partition exists on.
func (p *profile) offered() uint64 {
	set := uint64(0)
	for i := range p.on {
		if p.on[i].compute > 0 {
			set |= 1 << i
		}
	}
	return set
}

// slices2 counts compute and memory slices.
type slices2 struct{ compute, memory int8 }
