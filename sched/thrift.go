package sched

import (
	"tianfu/fleet"
	"tianfu/job"
)

// thriftyLooks bounds the nodes that a cycle looks at for the sake of gangs that
// power or a budget kept out.
const thriftyLooks = 1 << 14

// startThrifty tries a gang that power or a budget of a day kept out once more, each
// task where it adds the least. A policy chooses nodes and devices for other ends,
// and where a limit is tight it may spend what is left for a whole gang on its first
// tasks: such a gang would wait for ever, and all that stands behind it, although it
// fits. For power only the first in line is tried so; what is behind has the policy's
// places or waits.
func (d *Decider) startThrifty(i int32, why *Reason) bool {
	e, c := &d.Waiting.entries[i], d.Capacity
	short := why.Over
	if c.power != nil && why.Excluded[PowerCap] > 0 && (d.head == 0 || d.head == e.job) && d.inDomains(i, d.placeThrifty) {
		return true
	}
	return d.Budgets != nil && why.Excluded[OverBudget] > 0 && d.inDomains(i, func(i int32) bool { return d.placeFrugal(i, &short) })
}

// inDomains tries a way to place a gang in every domain that may hold it.
func (d *Decider) inDomains(i int32, place func(int32) bool) bool {
	e := &d.Waiting.entries[i]
	level := e.spec.Topology.Level
	if e.spec.Topology.Mode != job.Must || level >= fleet.LevelFleet {
		return place(i)
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
		placed := place(i)
		if d.within = (restriction{}); placed {
			return true
		}
	}
	return false
}

// placeFrugal proposes all tasks of the gang, or none: as many as fit where one takes
// least of the budget that has too little left, then where it takes the next more.
func (d *Decider) placeFrugal(i int32, short *BudgetShort) bool {
	d.apply()
	mark, kept, k := len(d.journal), len(d.plan.Placements), &d.budget
	k.ration = &ration{budget: short.Budget, carbon: short.Carbon}
	defer func() { k.ration = nil }()
	var steps []int64
	for n, at := 0, 0; n < len(d.tasks); n++ {
		t := d.tasks[n]
		if n == 0 || t.ask != d.tasks[n-1].ask {
			steps, at = d.steps(&t, d.Waiting.entries[i].spec), 0
		}
		if d.looks += len(steps); d.looks > thriftyLooks {
			at = len(steps)
		}
		for ; at < len(steps); at++ {
			var why Reason
			if k.ration.most = steps[at]; d.place(&t, i, &why) {
				break
			}
		}
		if at == len(steps) {
			d.rollback(mark, kept)
			return false
		}
	}
	return true
}

// placeThrifty proposes all tasks of the gang, or none of them: each where it adds
// least or, where that is too much, as many on one node as add least each, for nodes
// draw in steps: the first task of a package of cores wakes all of it, and those
// that follow it cost little.
func (d *Decider) placeThrifty(i int32) bool {
	return d.placeBundles(i, 1) || len(d.tasks) > 2 && d.placeBundles(i, len(d.tasks))
}

// placeBundles proposes the tasks, up to so many of them at one time.
func (d *Decider) placeBundles(i int32, most int) bool {
	d.apply()
	mark, kept := len(d.journal), len(d.plan.Placements)
	for k := 0; k < len(d.tasks); {
		alike := 1
		for alike < most && k+alike < len(d.tasks) && d.tasks[k+alike].ask == d.tasks[k].ask {
			alike++
		}
		n, count := d.thriftiest(i, d.tasks[k:k+alike])
		if count == 0 {
			d.rollback(mark, kept)
			return false
		}
		d.bundle(i, n, d.tasks[k:k+count])
		k += count
	}
	return true
}

// thriftiest returns the node where a task adds the least, and how many of the tasks
// do so together; of equal ones the lowest rank. It counts none where none may start.
func (d *Decider) thriftiest(i int32, tasks []task) (node int32, count int) {
	c, si := d.Capacity, d.Index.sync(tasks[0].ask.Shape)
	if d.looks += len(tasks) * len(c.nodes); d.looks > thriftyLooks {
		return -1, 0
	}
	var nodes []int32
	for _, b := range si.order {
		set := &si.buckets[b].nodes
		for n := set.next(0); set.count > 0 && n >= 0; n = set.next(n + 1) {
			nodes = append(nodes, n)
		}
	}
	mark, kept := len(d.journal), len(d.plan.Placements)
	least := int64(Unlimited)
	for _, n := range nodes {
		before := c.power.nodes[n].draw
		for k := range tasks {
			if d.bundle(i, n, tasks[k:k+1]) == 0 {
				break
			}
			more := c.power.nodes[n].draw - before
			if a, b := more*int64(max(count, 1)), least*int64(k+1); count == 0 || a < b || a == b && n < node {
				node, count, least = n, k+1, more
			}
		}
		d.rollback(mark, kept)
	}
	return node, count
}

// bundle proposes tasks on one node, as many of them as may start there.
func (d *Decider) bundle(i, n int32, tasks []task) (count int) {
	for k := range tasks {
		t := tasks[k]
		if d.Quotas != nil && !d.affords(&t, &Reason{}) || d.Capacity.slotsOf(n, t.ask) < 1 {
			return k
		}
		devices, cause := d.admit(n, &t, d.Waiting.entries[i].spec)
		if cause != None {
			return k
		}
		d.propose(&t, i, n, devices)
		d.apply()
	}
	return len(tasks)
}
