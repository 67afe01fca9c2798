package sched

import (
	"fmt"
	"slices"
	"strings"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// Possible returns an error when a job could not run on the declared fleet even
// if that were healthy, open and idle, all by itself: a task that no node holds,
// a gang that is larger than the fleet or than every topology domain it must stay
// in, one that asks for more than its queue could ever use, or adds more than the
// limits of power leave. Such a job would wait for ever. q may be nil: then no
// quota holds. A job that could run is never refused; of a gang of different
// groups one that cannot may pass (possible_gang.go says why).
func (c *Capacity) Possible(s *job.Spec, q *Quotas, number int16) error {
	for g := range s.Groups {
		if err := c.possible(&s.Groups[g].Request); err != nil {
			return err
		}
		if s.Gang && s.Groups[g].Count > 1 {
			if err := c.possibleGang(s, &s.Groups[g]); err != nil {
				return err
			}
		}
	}
	if err := q.possible(c, number, s); err != nil {
		return err
	}
	if c.power != nil {
		if err := c.possiblePower(s, q, number); err != nil {
			return err
		}
	}
	return c.togetherPossible(s, q, number)
}

func (c *Capacity) possible(r *job.Request) error {
	if int32(r.Memory) <= c.largestFor(c.keyOf(r)) {
		return nil
	}
	what := fmt.Sprintf("no node of the fleet can run a task with %s CPU", r.CPU)
	if r.Memory > 0 {
		what += fmt.Sprintf(" and %s memory", r.Memory)
	}
	if r.Accelerators > 0 {
		what += " and " + unit.Count(r.Accelerators, "accelerator")
		if r.Share < unit.Whole {
			what += fmt.Sprintf(" (%s of it)", r.Share)
		}
		for i, m := range r.Models {
			what += []string{" of ", " or "}[min(i, 1)] + string(m)
		}
		if r.Partition != "" {
			what += " as partition " + r.Partition
		}
		if m := r.Capability.MinMemory; m > 0 {
			what += fmt.Sprintf(" with at least %s each", m)
		}
		if len(r.Capability.Precisions) > 0 {
			what += " that compute in " + strings.Join(r.Capability.Precisions, " and ")
		}
		if r.Capability.Stack != "" {
			what += " of the stack " + r.Capability.Stack
		}
	}
	return fault.New(fault.Invalid, "", what+" even when idle; "+c.most(r.Accelerators > 0), "ask for less, accept other models, or split the task")
}

// most says what nodes have at most, in words: of accelerators each model.
func (c *Capacity) most(accelerators bool) string {
	var cpu unit.MilliCPU
	var memory unit.MiB
	devices := map[fleet.Model]int{}
	for n := range int32(c.Nodes()) {
		d := c.Node(n)
		cpu, memory = max(cpu, d.CPU), max(memory, d.Memory)
		if d.Model != "" {
			devices[d.Model] = max(devices[d.Model], len(d.Devices))
		}
	}
	if !accelerators {
		return fmt.Sprintf("nodes have at most %s CPU and %s memory", cpu, memory)
	}
	var list []string
	for m, n := range devices {
		list = append(list, fmt.Sprintf("%d %s", n, m))
	}
	slices.Sort(list)
	switch more := len(list) - 8; {
	case len(list) == 0:
		return "no node has accelerators"
	case more > 0:
		list = append(list[:8], fmt.Sprintf("%d more models", more))
	}
	return "nodes have at most " + strings.Join(list, ", ")
}

func (c *Capacity) possibleGang(s *job.Spec, g *job.Group) error {
	level := fleet.LevelFleet
	where := "the whole fleet"
	if s.Topology.Mode == job.Must {
		level = s.Topology.Level
		where = "the largest " + level.String()
	}
	if room := c.idleRoom(roomKey{c.keyOf(&g.Request), int32(g.Request.Memory), level}); int32(g.Count) > room {
		return fault.New(fault.Invalid, "", fmt.Sprintf("a gang of %d tasks is asked for, %s holds %d of them even when idle", g.Count, where, room),
			"ask for a smaller gang, smaller tasks or a wider topology domain")
	}
	return nil
}

// roomKey asks how many tasks of a kind an idle domain of a level holds.
type roomKey struct {
	shapeKey
	memory int32
	level  fleet.Level
}

// maxRooms bounds what is remembered of gangs asked for.
const maxRooms = 1 << 12

// idleRoom returns the most tasks of an ask that one domain of a level holds
// when all its nodes are idle and open.
func (c *Capacity) idleRoom(k roomKey) int32 {
	if room, ok := c.rooms[k]; ok {
		return room
	}
	if len(c.rooms) >= maxRooms {
		clear(c.rooms)
	}
	shape := k.shape(0)
	domain := c.domains[k.level].of(c, k.level)
	counts := map[int32]int64{}
	most := int64(0)
	for n := range c.nodes {
		counts[domain[n]] += int64(c.idleSlots(&c.kinds[c.nodes[n].kind], &shape, k.memory))
		most = max(most, counts[domain[n]])
	}
	c.rooms[k] = int32(min(most, 1<<30))
	return c.rooms[k]
}

// idleSlots returns how many tasks an idle node of a kind holds.
func (c *Capacity) idleSlots(k *Kind, s *Shape, memory int32) int32 {
	if s.Count > 0 && (k.Devices < uint8(s.Count) || s.Accept>>k.Model&1 == 0) {
		return 0
	}
	idle := node{cpu: k.CPU, mem: k.Memory, room: k.Tasks, devices: k.Devices, free: k.Devices}
	for i := range int(k.Devices) {
		idle.dev[i] = int16(unit.Whole)
	}
	if s.Profile == 0 {
		return idle.slots(s, memory)
	}
	t, want := c.traits[c.models[k.Model]], c.profiles[s.Profile-1].on[k.Model]
	plain := Shape{CPU: s.CPU}
	return min(idle.slots(&plain, memory), int32(want.times(t.ComputeSlices, t.MemorySlices))*int32(k.Devices))
}

// largestFor returns the most memory of a node that could run the shape when
// idle, or -1.
func (c *Capacity) largestFor(key shapeKey) int32 {
	if best, ok := c.largest[key]; ok {
		return best
	}
	if len(c.largest) >= maxRooms {
		clear(c.largest)
	}
	best := int32(-1)
	for i := range c.kinds {
		k := &c.kinds[i]
		if key.count > 0 && (k.Devices < uint8(key.count) || key.accept>>k.Model&1 == 0) || k.CPU < key.cpu {
			continue
		}
		best = max(best, k.Memory)
	}
	c.largest[key] = best
	return best
}
