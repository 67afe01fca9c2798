package sched

import (
	"tianfu/fleet"
	"tianfu/job"
)

// thriftyLooks bounds the nodes that a cycle looks at for the sake of gangs that
// power kept out.
const thriftyLooks = 1 << 14

// startThrifty tries a gang that power kept out once more, each task where it adds
// the least. A policy chooses nodes and devices for other ends, and where a limit
// is tight it may spend the power of a whole gang on its first tasks: such a gang
// would wait for ever, and all that stands behind it, although it fits. Only the
// first in line is tried so; what is behind has the policy's places or waits.
func (d *Decider) startThrifty(i int32, why *Reason) bool {
	e, c := &d.Waiting.entries[i], d.Capacity
	if c.power == nil || why.Excluded[PowerCap] == 0 || d.head != 0 && d.head != e.job {
		return false
	}
	level := e.spec.Topology.Level
	if e.spec.Topology.Mode != job.Must || level >= fleet.LevelFleet {
		return d.placeThrifty(i)
	}
	need := int32(1)
	if e.asks == nil {
		need = int32(len(d.tasks))
	}
	d.countSlots(level, &d.tasks[0])
	for _, s := range d.slots {
		if s.count < need {
			continue
		}
		d.within = restriction{level: level, domain: s.domain, on: true}
		placed := d.placeThrifty(i)
		if d.within = (restriction{}); placed {
			return true
		}
	}
	return false
}

// placeThrifty proposes all tasks of the gang, or none of them.
func (d *Decider) placeThrifty(i int32) bool {
	if d.looks += len(d.tasks) * len(d.Capacity.nodes); d.looks > thriftyLooks {
		return false
	}
	d.apply()
	mark, kept := len(d.journal), len(d.plan.Placements)
	for k := range d.tasks {
		t := d.tasks[k]
		d.apply()
		n, devices := int32(-1), uint16(0)
		if d.Quotas == nil || d.affords(&t, &Reason{}) {
			n, devices = d.thriftiest(&t, d.Waiting.entries[i].spec)
		}
		if n < 0 {
			d.rollback(mark, kept)
			return false
		}
		d.propose(&t, i, n, devices)
	}
	d.apply()
	return true
}

// thriftiest returns the node, and the devices of it, where a task adds the least;
// of equal ones the lowest rank.
func (d *Decider) thriftiest(t *task, spec *job.Spec) (node int32, devices uint16) {
	c, si := d.Capacity, d.Index.sync(t.ask.Shape)
	s := &c.shapes[t.ask.Shape]
	node = -1
	least := int64(Unlimited)
	for _, b := range si.order {
		set := &si.buckets[b].nodes
		for n := set.next(0); set.count > 0 && n >= 0; n = set.next(n + 1) {
			dv, cause := d.admit(n, t, spec)
			if cause != None {
				continue
			}
			if more := c.drawWith(n, s, dv, t.priority) - c.power.nodes[n].draw; more < least || more == least && n < node {
				node, devices, least = n, dv, more
			}
		}
	}
	return node, devices
}
