package sched

import (
	"slices"

	"tianfu/job"
)

// What is taken back stands in the line again. If it stands there before the job it
// was taken for, it starts again in its old place and is taken again, for ever: so
// it is not taken. This file says what would: of one allocation as it is looked at,
// and of all that a job takes together once they are chosen, for a queue that loses
// much no longer borrows, and what does not borrow comes first.

// maxSpared bounds how often a job looks for other work to take.
const maxSpared = 4

// returnsBefore reports whether an allocation that is taken would come back into
// the line before the job it is taken for: that job borrows, and it would not. It
// would start again in its old place and be taken again, for ever.
func (d *Decider) returnsBefore(id AllocID) bool {
	return d.claim.borrows && (d.Capacity.allocs[id].Queue == 0 || !d.beyond(id, -1, true))
}

// returnsAhead reports whether lent work that is taken back would come into the line
// before the job it is taken for, and so start again in its old place and be taken
// again, for ever: it borrows where it runs, and in the line it does not, for it
// accepts a model too of which its queue has enough left.
func (d *Decider) returnsAhead(id AllocID, priority int32) bool {
	a := &d.Capacity.allocs[id]
	if a.Priority <= priority {
		return false
	}
	q := d.Quotas.queues[a.Queue]
	q.used = slices.Clone(q.used)
	for k := range q.used {
		q.used[k] -= d.sizeOf(id, k)
	}
	var n need
	for _, u := range d.unit(id) {
		n.add(&d.Capacity.allocs[u])
	}
	return !d.Quotas.borrows(&q, &n, d.Capacity.shapes[a.Shape].Accept&d.present())
}

// roomForAll takes work back until all tasks fit. Where some of it would start again
// before the job once all has left, it takes other work, or none.
func (d *Decider) roomForAll(tasks []task, i int32) bool {
	from, kept, chosen := len(d.journal), len(d.plan.Placements), len(d.plan.Preemptions)
	for range maxSpared {
		if !d.roomFor(tasks, i) {
			return false
		}
		if d.Quotas == nil {
			return true // all that it takes is less important
		}
		back := d.returning(&d.Waiting.entries[i], from, chosen)
		if len(back) == 0 {
			return true
		}
		d.claim.spared = append(d.claim.spared, back...)
		d.claim.straddle = false
		d.rollback(from, kept)
		d.plan.Preemptions = d.plan.Preemptions[:chosen]
	}
	return false
}

func (d *Decider) roomFor(tasks []task, i int32) bool {
	for k := range tasks {
		t := tasks[k]
		var why Reason
		if !d.place(&t, i, &why) && !d.makeRoom(&t, i, &why) {
			return false
		}
	}
	return true
}

// returning lists the jobs that would come into the line before the one they are
// taken for, once all has left that the journal takes from a mark on, what the
// cycle takes for others, and what was told to leave before.
func (d *Decider) returning(e *entry, from, chosen int) (back []job.ID) {
	d.apply()
	borrows := false
	if d.claim.queue != 0 {
		q := d.onceLeft(d.claim.queue, from, chosen)
		borrows = d.borrows(&q, e)
	}
	for i := from; i < len(d.journal); i++ {
		a := &d.journal[i].alloc
		if !d.evicts(i) || slices.Contains(back, a.Job) || a.Priority <= e.spec.Priority && !borrows {
			continue
		}
		again := false
		if a.Queue != 0 {
			q, n := d.onceLeft(a.Queue, from, chosen), d.needAgain(i, from)
			again = d.Quotas.borrows(&q, &n, d.Capacity.shapes[a.Shape].Accept&d.present())
		}
		if !again && borrows || again == borrows && a.Priority > e.spec.Priority {
			back = append(back, a.Job)
		}
	}
	return back
}

// evicts tells whether a step of the journal takes work back, and does not move it.
func (d *Decider) evicts(i int) bool {
	return d.journal[i].removed && (i+1 == len(d.journal) || !d.journal[i+1].moved)
}

// needAgain is what the job of a step of the journal asks in the line: the whole of
// a gang, a task of any other.
func (d *Decider) needAgain(i, from int) (n need) {
	of := &d.journal[i].alloc
	for k := from; k < len(d.journal); k++ {
		a := &d.journal[k].alloc
		if k == i || of.Gang && a.Job == of.Job && d.evicts(k) {
			n.add(a)
		}
	}
	return n
}

// onceLeft is a queue as it stands when everything has left that is to, and nothing has
// started of what the journal proposes from a mark on.
func (d *Decider) onceLeft(number int16, from, chosen int) queueQuota {
	q := d.Quotas.queues[number]
	q.used = slices.Clone(q.used)
	take := func(a *Alloc) {
		if a.Queue != number {
			return
		}
		for k := range q.used {
			q.used[k] -= d.Quotas.amount(k, a, d.Capacity.nodes[a.Node].model)
		}
	}
	for i := from; i < len(d.journal); i++ {
		if st := &d.journal[i]; !st.removed && !st.moved {
			take(&st.alloc)
		}
	}
	for _, p := range d.plan.Preemptions[:chosen] {
		take(&d.Capacity.allocs[p.Alloc])
	}
	for id := range d.Capacity.allocs {
		if a := &d.Capacity.allocs[id]; a.Job != 0 && a.Evicting {
			take(a)
		}
	}
	return q
}
