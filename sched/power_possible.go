package sched

import (
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
)

// possiblePower returns an error when the declared limits would not let a job
// run although nothing else does: it would wait for ever. Caps pass, so they
// are left out; every other node counts as idle and awake.
func (c *Capacity) possiblePower(s *job.Spec) error {
	t := c.power
	if s.Gang {
		if !c.gangUnderPower(s) {
			return errPower("the gang")
		}
		return nil
	}
	for g := range s.Groups {
		r := &s.Groups[g].Request
		k := roomKey{c.keyOf(r), int32(r.Memory), fleet.LevelFleet}
		ok, known := t.possible[k]
		if !known {
			if len(t.possible) >= maxRooms {
				clear(t.possible)
			}
			one := job.Spec{Groups: []job.Group{{Count: 1, Request: *r}}}
			ok = c.gangUnderPower(&one)
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

// gangUnderPower puts all tasks of a job first-fit on the idle fleet, in one
// domain if it must, and reports whether every area bears it.
func (c *Capacity) gangUnderPower(s *job.Spec) bool {
	level := fleet.LevelFleet
	if s.Topology.Mode == job.Must {
		level = s.Topology.Level
	}
	dom := c.domains[level].of(c, level)
	tried := map[int32]bool{}
	for n := range c.nodes {
		if !tried[dom[n]] {
			tried[dom[n]] = true
			if c.domainUnderPower(s, dom, dom[n]) {
				return true
			}
		}
	}
	return false
}

func (c *Capacity) domainUnderPower(s *job.Spec, dom []int32, domain int32) bool {
	t := c.power
	added := map[int32]int64{}
	left := make([]int, len(s.Groups))
	total := 0
	for g := range s.Groups {
		left[g] = s.Groups[g].Count
		total += left[g]
	}
	for n := range c.nodes {
		if dom[n] != domain {
			continue
		}
		k := &c.kinds[c.nodes[n].kind]
		nd := c.idleNode(int32(n))
		draw := t.kinds[nd.kind].idle
		for g := range left {
			key := c.keyOf(&s.Groups[g].Request)
			shape, memory := key.shape(0), int32(s.Groups[g].Request.Memory)
			for left[g] > 0 && c.idleSlots(k, &shape, memory) > 0 && (shape.Profile != 0 || nd.slots(&shape, memory) > 0) {
				x := nd
				if shape.Profile != 0 {
					x.cpu -= shape.CPU
					x.mem -= memory
					x.parted |= 1
					if x.cpu < 0 || x.mem < 0 {
						break
					}
				} else {
					x.placeOn(&shape, memory)
				}
				l := c.drawnOf(&x)
				to := milliwatts(k, &l)
				if !t.bears(int32(n), to-draw, added) {
					break
				}
				nd, draw = x, to
				left[g]--
				if total--; total == 0 {
					return true
				}
			}
		}
	}
	return false
}

// idleNode returns a copy of node n as it is when nothing runs.
func (c *Capacity) idleNode(n int32) node {
	k := &c.kinds[c.nodes[n].kind]
	nd := node{kind: c.nodes[n].kind, cpu: k.CPU, mem: k.Memory, devices: k.Devices, model: k.Model}
	for i := range int(k.Devices) {
		nd.dev[i] = 1000
	}
	nd.summarise()
	return nd
}

// bears books what a node adds beyond idling and reports whether every area
// around it may draw that by its declared limit.
func (t *powerTree) bears(n int32, more int64, added map[int32]int64) bool {
	for a := t.leaf[n]; a >= 0; a = t.areas[a].parent {
		d := &t.p.Areas[a]
		budget, _ := d.budgets(&PowerFacts{Limit: d.Limit, Overhead: max(d.Overhead, Million)})
		if more > 0 && t.areas[a].idle+added[a]+more > budget {
			return false
		}
	}
	for a := t.leaf[n]; a >= 0; a = t.areas[a].parent {
		added[a] += more
	}
	return true
}
