package sched

import (
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
)

// possiblePower returns an error when the declared limits would not let a single
// task of a job run anywhere although nothing else does: it would wait for ever.
// Caps pass, so they are left out; every other node counts as idle and awake. Of
// a gang as a whole possible_gang.go asks.
func (c *Capacity) possiblePower(s *job.Spec, q *Quotas, number int16) error {
	t := c.power
	for g := range s.Groups {
		r := &s.Groups[g].Request
		k := roomKey{c.keyOf(r), int32(r.Memory), fleet.LevelFleet}
		k.accept &^= q.tooFew(number, k.shapeKey)
		ok, known := t.possible[k]
		if !known {
			if len(t.possible) >= maxRooms {
				clear(t.possible)
			}
			ok = c.taskUnderPower(&k)
			t.possible[k] = ok
		}
		if !ok {
			return errPower("a task")
		}
	}
	return nil
}

func errPower(what string) error {
	return fault.New(fault.Invalid, "", what+" adds more than the power limits around every node that could run it leave, even when all else is idle",
		"ask for less, accept other models, or raise power: in the world file")
}

// taskUnderPower reports whether any node could run a task, alone.
func (c *Capacity) taskUnderPower(k *roomKey) bool {
	t := c.power
	shape := k.shape(0)
	for n := range c.nodes {
		kind := &c.kinds[c.nodes[n].kind]
		if c.idleSlots(kind, &shape, k.memory) == 0 {
			continue
		}
		if t.bears(int32(n), c.addedAlone(c.nodes[n].kind, &shape)) {
			return true
		}
	}
	return false
}

// addedAlone is what a task adds to the draw of an idle node of a kind that could
// hold it.
func (c *Capacity) addedAlone(kind uint16, s *Shape) int64 {
	k := &c.kinds[kind]
	var l drawn
	l.add(s, uint16(1)<<s.Count-1)
	return milliwatts(k, &l) - c.power.kinds[kind].idle
}

// bears reports whether every area around a node may draw so much beyond idling
// by its declared limit.
func (t *powerTree) bears(n int32, more int64) bool {
	for a := t.leaf[n]; a >= 0; a = t.areas[a].parent {
		d := &t.p.Areas[a]
		budget, _ := d.budgets(&PowerFacts{Limit: d.Limit, Overhead: max(d.Overhead, Million)})
		if more > 0 && t.areas[a].idle+more > budget {
			return false
		}
	}
	return true
}
