package sched

import "slices"

// A job that the quota of its queue stops takes preemptible work of strictly lower
// priority of that queue, as it would where nodes lack room: what is on one node, if
// that is enough of both, else the least important until the quota suffices.

// mayTakeOwn decides whether a job that the quota stops may look for such work: the
// first of every queue.
func (d *Decider) mayTakeOwn(e *entry) bool {
	queue := d.queue(e)
	if !d.Rules.Preempt || d.Capacity.preemptible == 0 || d.reclaims >= maxHeads || len(d.heads) >= maxHeads || slices.Contains(d.asked, queue) || slices.Contains(d.owned, queue) {
		return false
	}
	d.owned = append(d.owned, queue)
	return slices.ContainsFunc(d.running(queue), func(id AllocID) bool {
		a := &d.Capacity.allocs[id]
		return a.Attempt > 0 && (a.Evicting || a.Preemptible && a.Priority < e.spec.Priority)
	})
}

// allows reports whether the quota of a task's queue is enough for it on node n.
func (d *Decider) allows(t *task, n int32) bool {
	q, need, model := &d.Quotas.queues[t.queue], d.needOf(t), int16(d.Capacity.nodes[n].model)
	for k, m := range d.Quotas.model {
		if need.on(model, m) > d.Quotas.room(q, k) {
			return false
		}
	}
	return true
}

// makeOwnRoom takes work of the queue until quota and a node suffice for a task, and
// proposes it.
func (d *Decider) makeOwnRoom(t *task, i int32) bool {
	e := &d.Waiting.entries[i]
	d.barred = 0 // what it may use more of once other work has left
	if v, found := d.cheapest(t, e); found {
		for _, id := range v.allocs {
			d.evictFor(id, i, t)
		}
		d.propose(t, i, v.node, d.Index.policy.Devices(d.Capacity, v.node, &d.Capacity.shapes[t.ask.Shape]))
		return true
	}
	own := slices.DeleteFunc(slices.Clone(d.running(t.queue)), func(id AllocID) bool { return !d.mayTake(id, t) })
	slices.SortStableFunc(own, d.sooner)
	for _, id := range own {
		if d.Capacity.allocs[id].Job == 0 || d.planned(id) {
			continue // it left with its gang
		}
		d.evictFor(id, i, t)
		var why Reason
		if d.place(t, i, &why) {
			return true
		}
	}
	return false
}
