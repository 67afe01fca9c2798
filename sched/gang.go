package sched

import (
	"slices"

	"tianfu/fleet"
	"tianfu/job"
)

// domainTries bounds how many topology domains a gang is tried in per cycle.
const domainTries = 32

// slot counts how many tasks of a gang a domain could hold.
type slot struct {
	domain, count int32
}

// startMany proposes the tasks of a job of several: all of a gang or none,
// otherwise as many as fit.
func (d *Decider) startMany(i int32, why *Reason) bool {
	e := &d.Waiting.entries[i]
	d.listTasks(e)
	d.apply()
	if !e.spec.Gang {
		return d.startLoose(i, why)
	}
	if d.Quotas != nil && !d.affordsGang(e, why) {
		return false
	}
	if d.Budgets != nil && !d.gangBudgeted(e, why) {
		return false
	}
	mark, kept := len(d.journal), len(d.plan.Placements)
	if d.startInDomain(i, why) {
		return true
	}
	if e.spec.Topology.Mode == job.Must {
		why.Dominant = Topology
		return d.startThrifty(i, why)
	}
	// No single domain holds the gang: span as few as possible, fullest
	// first, and whatever is left goes anywhere.
	fit := d.spanDomains(i, why)
	if fit == len(d.tasks) {
		return true
	}
	d.rollback(mark, kept)
	if why.Dominant == None || fit > 0 && why.Dominant != Reserved && why.Dominant != OverBudget {
		why.Dominant = GangPartial // otherwise not even one fits, and why is said
	}
	return d.startThrifty(i, why)
}

// listTasks fills d.tasks with the tasks of a pending job still to place.
func (d *Decider) listTasks(e *entry) {
	d.tasks = d.tasks[:0]
	index, at := int32(0), 0
	for g := range e.spec.Groups {
		ask := e.ask
		if e.asks != nil {
			ask = e.asks[g]
		}
		for range e.spec.Groups[g].Count {
			wanted := e.pending == nil
			if !wanted && at < len(e.pending) && e.pending[at] == index {
				wanted = true
				at++
			}
			if wanted {
				d.tasks = append(d.tasks, task{job: e.job, index: index, ask: ask, tenant: d.tenant(e), queue: d.queue(e), priority: e.spec.Priority, preempt: e.spec.Preemptible, gang: e.spec.Gang})
			}
			index++
		}
	}
}

// startLoose places what fits of a job whose tasks do not depend on each
// other. It reports true when all are placed.
func (d *Decider) startLoose(i int32, why *Reason) bool {
	all := true
	for k := range d.tasks {
		t := d.tasks[k]
		if k > 0 && !all && t.ask == d.tasks[k-1].ask {
			continue // an equal task just failed
		}
		var w Reason
		if !d.place(&t, i, &w) {
			all = false
			*why = w
		}
	}
	return all
}

// rollback takes back the proposals made since a mark, and the moves that made
// room for them.
func (d *Decider) rollback(mark, placements int) {
	for _, p := range d.plan.Placements[placements:] {
		d.giveHold(&p.Alloc)
	}
	d.givePower(placements)
	d.giveBudget(placements)
	d.plan.Placements = d.plan.Placements[:placements]
	moves := len(d.plan.Moves)
	for i := range d.journal[mark:] {
		if d.journal[mark+i].moved {
			moves--
		}
	}
	d.plan.Moves = d.plan.Moves[:moves]
	d.undo(mark)
}

// startInDomain tries to place a whole gang inside one domain of the level it
// asks for. A gang that does not say is tried in one segment.
func (d *Decider) startInDomain(i int32, why *Reason) bool {
	e := &d.Waiting.entries[i]
	level := gangLevel(e.spec)
	*why = Reason{}
	tries := 0
	for ; level < fleet.LevelFleet; level++ {
		d.countSlots(level, &d.tasks[0])
		need := int32(1)
		if e.asks == nil {
			need = int32(len(d.tasks))
		}
		slices.SortStableFunc(d.slots, func(a, b slot) int { return int(a.count - b.count) })
		for _, s := range d.slots {
			if s.count < need {
				continue
			}
			if tries++; tries > domainTries {
				break
			}
			d.within = restriction{level: level, domain: s.domain, on: true}
			if d.placeAll(i, d.tasks, why) == len(d.tasks) {
				d.within = restriction{}
				return true
			}
		}
		d.within = restriction{}
		if e.spec.Topology.Mode == job.Must {
			break
		}
	}
	if len(d.slots) == 0 || tries == 0 {
		// Not one domain is large enough; say what keeps nodes out.
		t := d.tasks[0]
		d.apply()
		if _, _, ok := d.pick(&t, e.spec, why); ok {
			*why = Reason{Dominant: GangPartial, Considered: int32(len(d.Capacity.nodes))}
		}
	}
	return false
}

func gangLevel(s *job.Spec) fleet.Level {
	if s.Topology.Mode == job.Anywhere {
		return fleet.LevelSegment
	}
	return s.Topology.Level
}

// placeAll proposes tasks one by one, or none of them. It returns how many fit
// before one did not.
func (d *Decider) placeAll(i int32, tasks []task, why *Reason) int {
	d.apply()
	mark, kept := len(d.journal), len(d.plan.Placements)
	for k := range tasks {
		t := tasks[k]
		if !d.place(&t, i, why) {
			d.rollback(mark, kept)
			return k
		}
	}
	d.apply()
	return len(tasks)
}

// spanDomains fills the domains with most room first, and returns how many tasks
// fit.
func (d *Decider) spanDomains(i int32, why *Reason) int {
	e := &d.Waiting.entries[i]
	if e.asks != nil {
		return d.placeAll(i, d.tasks, why)
	}
	level := gangLevel(e.spec)
	d.countSlots(level, &d.tasks[0])
	slices.SortStableFunc(d.slots, func(a, b slot) int { return int(b.count - a.count) })
	rest := d.tasks
	for k := 0; k < len(d.slots) && len(rest) > 0; k++ {
		d.within = restriction{level: level, domain: d.slots[k].domain, on: true}
		for len(rest) > 0 {
			t := rest[0]
			var w Reason
			if !d.place(&t, i, &w) {
				break
			}
			rest = rest[1:]
		}
		d.apply()
	}
	d.within = restriction{}
	return len(d.tasks) - len(rest) + d.placeAll(i, rest, why)
}

// countSlots fills d.slots with how many tasks like t each domain of a level
// could hold, in domain order.
func (d *Decider) countSlots(level fleet.Level, t *task) {
	c := d.Capacity
	dom := c.domains[level].of(c, level)
	si := d.Index.sync(t.ask.Shape)
	counts := c.domains[level].counts
	d.slots = d.slots[:0]
	for _, b := range si.order {
		set := &si.buckets[b].nodes
		if set.count == 0 {
			continue
		}
		for n := set.next(0); n >= 0; n = set.next(n + 1) {
			if k := c.slotsOf(n, t.ask); k > 0 {
				if counts[dom[n]] == 0 {
					d.slots = append(d.slots, slot{domain: dom[n]})
				}
				counts[dom[n]] += k
			}
		}
	}
	for i := range d.slots {
		d.slots[i].count = counts[d.slots[i].domain]
		counts[d.slots[i].domain] = 0
	}
	slices.SortFunc(d.slots, func(a, b slot) int { return int(a.domain - b.domain) })
}

// slotsOf returns how many tasks of an ask node n could take beside what it
// runs.
func (c *Capacity) slotsOf(n int32, ask Ask) int32 {
	s := &c.shapes[ask.Shape]
	if s.Profile == 0 {
		return c.nodes[n].slots(s, ask.Memory)
	}
	plain := Shape{CPU: s.CPU}
	return min(c.nodes[n].slots(&plain, ask.Memory), c.partitionSlots(n, s))
}

func (nd *node) slots(s *Shape, memory int32) int32 {
	k := nd.room
	if s.CPU > 0 {
		k = min(k, nd.cpu/s.CPU)
	}
	if memory > 0 {
		k = min(k, nd.mem/memory)
	}
	switch {
	case s.Count == 0:
	case s.Profile != 0:
		k = min(k, 1)
	case s.Count == 1 && s.Share < 1000:
		fit := int32(0)
		for i := range int(nd.devices) {
			fit += int32(nd.usable(i) / s.Share)
		}
		k = min(k, fit)
	default:
		k = min(k, int32(nd.free)/int32(s.Count))
	}
	return max(k, 0)
}

// domainTable numbers the domains of a level; nodes with equal numbers share
// one. It is built when first asked for: most fleets use few levels.
type domainTable struct {
	id     []int32
	counts []int32 // scratch, zero between uses
}

func (t *domainTable) of(c *Capacity, level fleet.Level) []int32 {
	if t.id == nil {
		t.id = make([]int32, len(c.nodes))
		numbers := map[string]int32{}
		for n := range c.specs {
			name := c.specs[n].Domain(level)
			id, ok := numbers[name]
			if !ok {
				id = int32(len(numbers))
				numbers[name] = id
			}
			t.id[n] = id
		}
		t.counts = make([]int32, len(numbers))
	}
	return t.id
}

// Domain returns the number of the domain of node n at a level.
func (c *Capacity) Domain(level fleet.Level, n int32) int32 {
	return c.domains[level].of(c, level)[n]
}

// restore puts a removed allocation back under its number and where it stood on
// its node: what a cycle takes back leaves no trace.
func (c *Capacity) restore(id AllocID, a Alloc, at int) {
	for k := len(c.unused) - 1; k >= 0; k-- {
		if c.unused[k] == id {
			c.unused = append(c.unused[:k], c.unused[k+1:]...)
			break
		}
	}
	c.unused = append(c.unused, id)
	c.add(a)
	list := c.onNode[a.Node]
	copy(list[at+1:], list[at:])
	list[at] = id
}
