package sched

import (
	"slices"

	"tianfu/job"
	"tianfu/unit"
)

// crowded is the first job of a queue that would fit into the guarantee of its
// queue if the queue's own work did not fill it: a large gang among small jobs,
// say. Jobs that borrow come late in the line, so small ones that fit would take
// what it waits for, one after the other, for ever. So its queue keeps quota for
// it, as nodes are kept for the head of the line: a job behind it in the queue
// starts only if it ends before the quota is enough, or leaves enough. Where run
// times are not known that is never, and the queue drains.
type crowded struct {
	groupCursor
	need  need
	ready bool
	head  bool         // it fits into the guarantee, and waits for room
	kept  bool         // something was refused for its sake
	at    unit.Instant // when enough of the queue's work has ended
	after []int64      // what of the guarantee is used then, of what runs or is proposed
}

// crowd notes the first crowded job of every queue.
func (d *Decider) crowd(c *groupCursor) {
	queue := d.Waiting.groups[c.group].key.queue
	if queue == 0 || !c.borrows {
		return
	}
	for int(queue) >= len(d.crowds) {
		d.crowds = append(d.crowds, nil)
	}
	if first := d.crowds[queue]; first != nil && !c.ahead(&first.groupCursor) {
		return
	}
	e := &d.Waiting.entries[c.entry]
	n := d.needOfEntry(e)
	q := &d.Quotas.queues[queue]
	for k, m := range d.Quotas.model {
		if d.Quotas.cohorts[q.cohort].limits[k] && n.of(m) > q.guaranteed[k] {
			return // larger than the guarantee: it may borrow, but nothing is promised
		}
	}
	d.crowds[queue] = &crowded{groupCursor: *c, need: n}
}

// keepGuarantee has its queue keep quota for a head inside the guarantee, until the
// instant it was promised. What passes it in the queue might otherwise fill the
// guarantee: then the head would borrow, and whatever does not would come before it,
// on the nodes that are held for it too.
func (d *Decider) keepGuarantee(o *groupCursor, e *entry) {
	queue := d.queue(e)
	if d.Quotas == nil || queue == 0 || o.borrows || !d.promised(e.job) {
		return
	}
	for int(queue) >= len(d.crowds) {
		d.crowds = append(d.crowds, nil)
	}
	if d.crowds[queue] == nil {
		d.crowds[queue] = &crowded{groupCursor: *o, need: d.needOfEntry(e), head: true, at: d.promisedAt(e.job)}
	}
}

// promisedAt returns when the plan has a reservation for a job; Never without one.
func (d *Decider) promisedAt(id job.ID) unit.Instant {
	if r := d.plan.Reservation; r != nil && r.Job == id {
		return r.At
	}
	for i := range d.plan.Others {
		if d.plan.Others[i].Job == id {
			return d.plan.Others[i].At
		}
	}
	return unit.Never
}

// ahead compares two jobs of one queue: by priority, share and arrival.
func (a *groupCursor) ahead(b *groupCursor) bool {
	x, y := *a, *b
	x.borrows, y.borrows = false, false
	return x.before(&y)
}

// uncrowd forgets a crowded job that has started after all. What was refused for
// its sake is to be looked at again.
func (d *Decider) uncrowd(entry int32) {
	queue := d.queue(&d.Waiting.entries[entry])
	if int(queue) < len(d.crowds) && d.crowds[queue] != nil && d.crowds[queue].entry == entry {
		d.plan.Again = d.plan.Again || d.crowds[queue].kept
		d.crowds[queue] = nil
	}
}

// wanted is the first job of a cohort that waits for what others borrowed from its
// queue. What comes back goes to it: nobody borrows of that meanwhile, or work that
// was taken back would start again before enough of it has come back, and be taken
// again, for ever.
type wanted struct {
	entry int32
	queue int16
	need  need
}

// want notes what a job waits to have back.
func (d *Decider) want(entry int32) {
	e := &d.Waiting.entries[entry]
	queue := d.queue(e)
	cohort := d.Quotas.queues[queue].cohort
	for int(cohort) >= len(d.wants) {
		d.wants = append(d.wants, nil)
	}
	if d.wants[cohort] == nil {
		d.wants[cohort] = &wanted{entry, queue, d.needOfEntry(e)}
	}
}

// wantedFrom returns the job that waits to have back what a queue's cohort lent;
// nil when it is the job being looked at, or none is.
func (d *Decider) wantedFrom(queue int16) *wanted {
	cohort := d.Quotas.queues[queue].cohort
	if int(cohort) >= len(d.wants) || d.wants[cohort] == nil || d.wants[cohort].entry == d.order.at.entry {
		return nil
	}
	return d.wants[cohort]
}

// lentAway reports whether a job, or a task of it, that borrows must leave what
// another queue of its cohort waits to have back.
func (d *Decider) lentAway(queue int16, n *need) (Reason, bool) {
	w := d.wantedFrom(queue)
	if w == nil {
		return Reason{}, false
	}
	from, to := &d.Quotas.queues[queue], &d.Quotas.queues[w.queue]
	for k, m := range d.Quotas.model {
		v := n.of(m)
		if v > 0 && w.need.of(m) > d.Quotas.room(to, k) && (d.order.at.borrows || from.used[k]+v > from.guaranteed[k]) {
			_, use := d.Quotas.short(from, k, v)
			return Reason{Dominant: QuotaKept, Quota: use, Ahead: d.Waiting.entries[w.entry].job}, true
		}
	}
	return Reason{}, false
}

// lentModels returns the models that a task would borrow and another queue of its
// cohort waits to have back. A job that accepts others too may have its place in the
// line of those that borrow nothing.
func (d *Decider) lentModels(queue int16, milli int64) (set uint64, ahead job.ID, use QuotaUse) {
	w := d.wantedFrom(queue)
	if w == nil || w.need.milli == 0 {
		return 0, 0, QuotaUse{}
	}
	e := &d.Waiting.entries[w.entry]
	accept := d.Capacity.shapes[e.ask.Shape].Accept
	if e.asks != nil {
		accept = d.present()
	}
	from, to := &d.Quotas.queues[queue], &d.Quotas.queues[w.queue]
	for _, k := range d.Quotas.modelDim {
		m := d.Quotas.model[k]
		if accept>>m&1 != 0 && w.need.milli > d.Quotas.room(to, k) && from.used[k]+milli > from.guaranteed[k] {
			set |= 1 << m
			_, use = d.Quotas.short(from, k, milli)
		}
	}
	return set, e.job, use
}

// keptFrom reports whether a task, or a gang, must leave quota to the crowded
// job of its queue, or to one that waits for what was lent.
func (d *Decider) keptFrom(queue int16, n *need, e *entry) (Reason, bool) {
	if kept, must := d.lentAway(queue, n); must {
		return kept, true
	}
	if int(queue) >= len(d.crowds) || d.crowds[queue] == nil || d.crowds[queue].entry == d.order.at.entry {
		return Reason{}, false
	}
	c := d.crowds[queue]
	if !c.ahead(&d.order.at) {
		return Reason{}, false
	}
	q := &d.Quotas.queues[queue]
	if !c.ready {
		d.foresee(c, queue)
	}
	for k, m := range d.Quotas.model {
		v := n.of(m)
		short := c.need.of(m) > 0 && (c.head || q.used[k]+c.need.of(m) > q.guaranteed[k])
		if v == 0 || !short || !d.Quotas.cohorts[q.cohort].limits[k] || c.after[k]+c.need.of(m)+v <= q.guaranteed[k] {
			continue
		}
		if c.at == unit.Never || e.spec.ExpectedRun <= 0 || d.now.Add(e.spec.ExpectedRun) > c.at {
			c.kept = true
			_, use := d.Quotas.short(q, k, v)
			return Reason{Dominant: QuotaKept, Quota: use, Ahead: d.Waiting.entries[c.entry].job}, true
		}
	}
	return Reason{}, false
}

// foresee finds when enough of a queue's work has ended for its crowded job.
func (d *Decider) foresee(c *crowded, queue int16) {
	c.ready = true
	q := &d.Quotas.queues[queue]
	c.after = slices.Clone(q.used)
	ends := d.running(queue)
	if c.head {
		for _, id := range ends {
			if a := &d.Capacity.allocs[id]; d.leaves(a) <= c.at {
				d.leavesCrowd(c, a)
			}
		}
		return
	}
	c.at = d.now
	slices.SortFunc(ends, func(x, y AllocID) int {
		a, b := &d.Capacity.allocs[x], &d.Capacity.allocs[y]
		switch t, u := d.leaves(a), d.leaves(b); {
		case t != u:
			return int(min(max(t-u, -1), 1))
		case a.Job != b.Job:
			return int(min(max(int64(a.Job)-int64(b.Job), -1), 1))
		}
		return int(a.Task - b.Task)
	})
	for _, id := range ends {
		if d.enough(c, q) {
			return
		}
		a := &d.Capacity.allocs[id]
		c.at = max(c.at, d.leaves(a))
		d.leavesCrowd(c, a)
	}
	if !d.enough(c, q) {
		c.at = unit.Never
	}
}

func (d *Decider) leavesCrowd(c *crowded, a *Alloc) {
	for k := range c.after {
		c.after[k] -= d.Quotas.amount(k, a, d.Capacity.nodes[a.Node].model)
	}
}

// running lists what runs, or is proposed, of a queue. One look at all of it
// serves every queue: what a cycle proposes later is charged as it comes.
func (d *Decider) running(queue int16) []AllocID {
	if len(d.byQueue) == 0 {
		d.byQueue = make([][]AllocID, len(d.Quotas.queues))
		for id := range d.Capacity.allocs {
			if a := &d.Capacity.allocs[id]; a.Job != 0 && a.Queue != 0 {
				d.byQueue[a.Queue] = append(d.byQueue[a.Queue], AllocID(id))
			}
		}
	}
	list := d.byQueue[queue]
	return slices.DeleteFunc(list, func(id AllocID) bool { return d.Capacity.allocs[id].Job == 0 || d.Capacity.allocs[id].Queue != queue })
}

func (d *Decider) enough(c *crowded, q *queueQuota) bool {
	for k, m := range d.Quotas.model {
		if d.Quotas.cohorts[q.cohort].limits[k] && c.need.of(m) > 0 && c.after[k]+c.need.of(m) > q.guaranteed[k] {
			return false
		}
	}
	return true
}

// chargeCrowd keeps what will be used when the crowded job may start up to date
// with the cycle's proposals.
func (d *Decider) chargeCrowd(a *Alloc, sign int64) {
	if int(a.Queue) >= len(d.crowds) || d.crowds[a.Queue] == nil {
		return
	}
	if c := d.crowds[a.Queue]; c.ready && d.leaves(a) > c.at {
		for k := range c.after {
			c.after[k] += sign * d.Quotas.amount(k, a, d.Capacity.nodes[a.Node].model)
		}
	}
}
