package sched

import (
	"cmp"
	"slices"

	"tianfu/job"
)

// Who may take work back from whom, once queues are declared:
//
//   - in one queue, a job takes preemptible work of strictly lower priority;
//   - a job inside the guarantee of its queue takes what other queues of its
//     cohort borrowed, preemptible or not and whatever its priority: it was lent
//     until asked for;
//   - other queues' work of strictly lower priority is taken if it is preemptible
//     and beyond the guarantee of its queue.
//
// A job that borrows stands in the line behind all that do not, so it takes only
// what would borrow too when it comes back; otherwise the two would take each
// other's place in turn: return.go.
//
// Work inside a guarantee is never taken by another queue, so what is reclaimed
// cannot be reclaimed in turn. Victims are the least important first, of those work
// whose deadline is in no danger, then the latest started. A gang leaves whole; one
// that straddles the guarantee of its queue is taken only when nothing beyond the
// guarantee is enough.

// followers bounds how many jobs alike reclaim along with the head.
const followers = 64

// claim is what the job being made room for may take.
type claim struct {
	queue    int16
	own      bool // the quota of its queue stops it: work of that queue
	beside   bool // it waits behind a head of its cohort, and leaves the nodes alone that heads hold
	inside   bool // it stays within the guarantee of its queue
	borrows  bool // it would hold more than its queue is guaranteed
	straddle bool // gangs that straddle a guarantee may be taken
	gangs    map[job.ID][]AllocID
	borrowed []AllocID // of other queues of the cohort, in the order they are taken
	listed   bool
	spared   []job.ID // would start again before the job, once all that it takes has left
	// fresh is what this cycle has proposed, by queue and resource, what it takes for
	// other jobs, and what was told to leave before: none of it makes the work that
	// runs on borrowed.
	fresh map[int16][]int64
}

// claims says what a pending job may take, of what is to be asked of it. What is
// leaving already counts as gone, here and until the cycle's proposals for the job are
// taken back.
func (d *Decider) claims(e *entry) (leaving int, may bool) {
	d.claim.queue = d.queue(e)
	may = d.Rules.Preempt && d.Capacity.preemptible > 0
	d.claim.fresh = d.proposals()
	q := &d.Quotas.queues[d.claim.queue]
	if d.claim.queue != 0 {
		d.claim.borrows = d.borrows(q, e)
		d.claim.inside = d.Quotas.lending(d.claim.queue) && !d.claim.borrows
	}
	if !d.claim.inside && !d.claim.own {
		d.countLeaving()
		return 0, may
	}
	for id := range d.Capacity.allocs {
		a := &d.Capacity.allocs[id]
		if a.Job == 0 || !a.Evicting || a.Queue == 0 {
			continue
		}
		if a.Queue == d.claim.queue || !d.claim.own && d.Quotas.queues[a.Queue].cohort == q.cohort {
			d.withdraw(AllocID(id))
			leaving++
		}
	}
	return leaving, true
}

// mayReclaim decides whether a blocked job behind a head of its cohort may take back
// what its queue lent: the first that could of every queue. A guarantee does not wait
// for another queue's job that needs something else.
func (d *Decider) mayReclaim(e *entry) bool {
	queue := d.queue(e)
	return d.Quotas != nil && queue != 0 && d.reclaims < maxHeads && len(d.heads) < maxHeads && !slices.Contains(d.asked, queue) &&
		d.Quotas.lending(queue) && !d.borrows(&d.Quotas.queues[queue], e)
}

// takeBack lets a job that is no head, or that a quota stops, take work, and tells
// whether that will make room for it.
func (d *Decider) takeBack(o *groupCursor, e *entry, c claim) bool {
	d.reclaims++
	d.asked = append(d.asked, d.queue(e))
	d.preempt(o.entry, c)
	if !d.promised(e.job) {
		return false
	}
	d.addHead(e)
	return true
}

// proposals sums up what the cycle has proposed so far, to start and to take.
func (d *Decider) proposals() map[int16][]int64 {
	out := map[int16][]int64{}
	for i := range d.journal {
		if st := &d.journal[i]; !st.removed && !st.moved {
			d.sumUp(out, &st.alloc)
		}
	}
	for i := range d.plan.Preemptions {
		d.sumUp(out, &d.Capacity.allocs[d.plan.Preemptions[i].Alloc])
	}
	return out
}

// countLeaving adds what was told to leave, where that is not withdrawn: what runs
// on is inside its guarantee if it is without them.
func (d *Decider) countLeaving() {
	for id := range d.Capacity.allocs {
		if a := &d.Capacity.allocs[id]; a.Job != 0 && a.Evicting {
			d.sumUp(d.claim.fresh, a)
		}
	}
}

func (d *Decider) sumUp(sums map[int16][]int64, a *Alloc) {
	if a.Queue == 0 {
		return
	}
	v := sums[a.Queue]
	if v == nil {
		v = make([]int64, len(d.Quotas.names))
		sums[a.Queue] = v
	}
	for k := range v {
		v[k] += d.Quotas.amount(k, a, d.Capacity.nodes[a.Node].model)
	}
}

// lending reports whether another queue of the cohort holds more than it is
// guaranteed.
func (s *Quotas) lending(number int16) bool {
	c := &s.cohorts[s.queues[number].cohort]
	for _, o := range c.queues {
		for d := range s.names {
			if q := &s.queues[o]; o != number && c.limits[d] && q.used[d] > q.guaranteed[d] {
				return true
			}
		}
	}
	return false
}

// mayTake decides whether an allocation may be taken back for a task.
func (d *Decider) mayTake(id AllocID, t *task) bool {
	a := &d.Capacity.allocs[id]
	if a.Evicting || a.Attempt == 0 || d.planned(id) || slices.Contains(d.claim.spared, a.Job) {
		return false
	}
	lower := a.Preemptible && a.Priority < t.priority
	if d.claim.own {
		return lower && a.Queue == t.queue
	}
	if d.Quotas == nil {
		return lower
	}
	lower = lower && d.Rules.Preempt && !d.returnsBefore(id)
	if a.Queue == t.queue || a.Queue == 0 {
		return lower
	}
	if d.reclaimable(a, t) && d.beyond(id, -1, d.claim.straddle) && !d.returnsAhead(id, t.priority) {
		return true
	}
	return lower && (d.beyond(id, -1, false) || d.unlimited(id))
}

// lent reports whether an allocation is of another queue of the cohort, and the task
// inside the guarantee of its own.
func (d *Decider) lent(a *Alloc, t *task) bool {
	return d.claim.inside && a.Queue != 0 && a.Queue != t.queue && d.Quotas.queues[a.Queue].cohort == d.Quotas.queues[t.queue].cohort
}

// reclaimable reports whether the place of an allocation that was lent may be taken:
// the task is inside the guarantee there too. Of a job that accepts several models the
// one may be guaranteed and the other borrowed, and what it borrows could be taken
// back in turn.
func (d *Decider) reclaimable(a *Alloc, t *task) bool {
	return d.lent(a, t) && d.Quotas.holds(&d.Quotas.queues[t.queue], d.Capacity.nodes[a.Node].model, int64(d.Capacity.shapes[t.ask.Shape].Milli()))
}

// unit lists the allocations that leave with one: of a gang all, else itself.
func (d *Decider) unit(id AllocID) []AllocID {
	a := &d.Capacity.allocs[id]
	if !a.Gang {
		return []AllocID{id}
	}
	if d.claim.gangs == nil {
		d.claim.gangs = map[job.ID][]AllocID{}
		for k := range d.Capacity.allocs {
			if b := &d.Capacity.allocs[k]; b.Job != 0 && b.Gang && b.Attempt > 0 && !b.Evicting {
				d.claim.gangs[b.Job] = append(d.claim.gangs[b.Job], AllocID(k))
			}
		}
	}
	return d.claim.gangs[a.Job]
}

// beyond reports whether an allocation is beyond the guarantee of its queue in
// resource r, or in any that it uses (-1): its queue keeps its guarantee without
// it, or, straddling, holds more than that with it.
func (d *Decider) beyond(id AllocID, r int, straddle bool) bool {
	number := d.Capacity.allocs[id].Queue
	q, fresh := &d.Quotas.queues[number], d.claim.fresh[number]
	limits := d.Quotas.cohorts[q.cohort].limits
	for k := range d.Quotas.names {
		used := q.used[k]
		if fresh != nil {
			used -= fresh[k]
		}
		if !limits[k] || r >= 0 && k != r || used <= q.guaranteed[k] {
			continue
		}
		if size := d.sizeOf(id, k); size > 0 && (straddle || used-size >= q.guaranteed[k]) {
			return true
		}
	}
	return false
}

// sizeOf returns what leaves of a resource with an allocation.
func (d *Decider) sizeOf(id AllocID, k int) int64 {
	size := int64(0)
	for _, u := range d.unit(id) {
		a := &d.Capacity.allocs[u]
		size += d.Quotas.amount(k, a, d.Capacity.nodes[a.Node].model)
	}
	return size
}

// unlimited reports whether an allocation uses nothing that its queue has a
// quota of.
func (d *Decider) unlimited(id AllocID) bool {
	limits := d.Quotas.cohorts[d.Quotas.queues[d.Capacity.allocs[id].Queue].cohort].limits
	for k := range d.Quotas.names {
		if limits[k] && d.sizeOf(id, k) > 0 {
			return false
		}
	}
	return true
}

// makeRoom takes work back until a task of the job fits, and proposes it.
func (d *Decider) makeRoom(t *task, i int32, why *Reason) bool {
	e := &d.Waiting.entries[i]
	if d.claim.inside {
		d.barred = d.Quotas.unclaimable(&d.Quotas.queues[t.queue], d.needOf(t).milli)
	}
	if d.claim.own {
		return d.makeOwnRoom(t, i)
	}
	if why.stopped() {
		if !d.claim.inside || why.Dominant != Reclaiming {
			return false
		}
		// The quota is what lacks; there may be room on nodes.
		var w Reason
		if n, devices, ok := d.pick(t, e.spec, &w); ok {
			if !d.refill(t, i, n) {
				return false
			}
			d.propose(t, i, n, devices)
			return true
		}
	}
	v, found := d.cheapest(t, e)
	if !found && d.claim.inside {
		d.claim.straddle = true
		v, found = d.cheapest(t, e)
	}
	if !found {
		return false
	}
	if d.Quotas != nil {
		slices.Reverse(v.allocs) // as they were chosen, so that each is beyond the guarantee when its turn comes
	}
	for _, id := range v.allocs {
		d.evictFor(id, i, t)
	}
	if d.Quotas != nil && t.queue != 0 && !d.refill(t, i, v.node) {
		return false
	}
	d.propose(t, i, v.node, d.Index.policy.Devices(d.Capacity, v.node, &d.Capacity.shapes[t.ask.Shape]))
	return true
}

// evictFor plans the eviction of an allocation and of what leaves with it.
func (d *Decider) evictFor(id AllocID, i int32, t *task) {
	e := &d.Waiting.entries[i]
	if d.Quotas == nil {
		d.plan.Preemptions = append(d.plan.Preemptions, Preemption{Alloc: id, For: e.job, Handle: Handle(i)})
		d.withdraw(id)
		return
	}
	reclaim := d.lent(&d.Capacity.allocs[id], t) && d.beyond(id, -1, d.claim.straddle)
	for _, u := range d.unit(id) {
		if d.Capacity.allocs[u].Job == 0 || d.planned(u) {
			continue
		}
		d.plan.Preemptions = append(d.plan.Preemptions, Preemption{Alloc: u, For: e.job, Handle: Handle(i), Reclaim: reclaim})
		d.withdraw(u)
	}
}

func (d *Decider) planned(id AllocID) bool {
	return slices.ContainsFunc(d.plan.Preemptions, func(p Preemption) bool { return p.Alloc == id })
}

func (d *Decider) needOf(t *task) *need {
	s := &d.Capacity.shapes[t.ask.Shape]
	return &need{int64(s.CPU), int64(t.ask.Memory), int64(s.Milli())}
}

// refill takes back what others borrowed until the quota of the task's queue
// suffices for it on node n. Each resource must be one that the queue is
// guaranteed enough of.
func (d *Decider) refill(t *task, i, n int32) bool {
	q, need := &d.Quotas.queues[t.queue], d.needOf(t)
	model := int16(d.Capacity.nodes[n].model)
	for k, m := range d.Quotas.model {
		v := need.on(model, m)
		for v > d.Quotas.room(q, k) {
			if !d.claim.inside || q.used[k]+v > q.guaranteed[k] {
				return false
			}
			id, straddle, found := d.nextBorrowed(q, k, t.priority)
			if !found {
				return false
			}
			d.claim.straddle = d.claim.straddle || straddle
			d.evictFor(id, i, t)
		}
	}
	return true
}

// nextBorrowed returns the next allocation to take back in resource k for a job of a
// priority.
func (d *Decider) nextBorrowed(q *queueQuota, k int, priority int32) (id AllocID, straddle, found bool) {
	c := &d.claim
	if !c.listed {
		c.listed = true
		for id := range d.Capacity.allocs {
			a := &d.Capacity.allocs[id]
			if a.Job != 0 && a.Attempt > 0 && !a.Evicting && a.Queue != 0 && a.Queue != c.queue && d.Quotas.queues[a.Queue].cohort == q.cohort {
				c.borrowed = append(c.borrowed, AllocID(id))
			}
		}
		slices.SortFunc(c.borrowed, func(x, y AllocID) int {
			a, b := &d.Capacity.allocs[x], &d.Capacity.allocs[y]
			return cmp.Or(d.sooner(x, y), cmp.Compare(b.Job, a.Job), cmp.Compare(b.Task, a.Task))
		})
	}
	for _, straddle := range []bool{false, true} {
		for _, id := range c.borrowed {
			// What the cycle takes for another job already would free nothing, for ever.
			if a := &d.Capacity.allocs[id]; a.Job != 0 && !d.planned(id) && !slices.Contains(c.spared, a.Job) && d.beyond(id, k, straddle) && !d.returnsAhead(id, priority) {
				return id, straddle, true
			}
		}
	}
	return 0, false, false
}

// follow lets the jobs alike behind the head reclaim along with it, so that a
// queue with many small jobs has its guarantee back in one round. The marks are of
// the journal and the preemptions before the head.
func (d *Decider) follow(i int32, from, before int) {
	e := &d.Waiting.entries[i]
	if !d.claim.inside || e.spec.Tasks() != 1 {
		return
	}
	q := &d.Quotas.queues[d.claim.queue]
	for n, next := 0, e.next; n < followers && next >= 0; n, next = n+1, d.Waiting.entries[next].next {
		f := &d.Waiting.entries[next]
		d.apply()
		if d.borrows(q, f) {
			return
		}
		d.listTasks(f)
		t := d.tasks[0]
		mark, kept, chosen := len(d.journal), len(d.plan.Placements), len(d.plan.Preemptions)
		var why Reason
		if !d.place(&t, next, &why) && (!d.makeRoom(&t, next, &why) || len(d.returning(e, from, before)) > 0) {
			d.rollback(mark, kept)
			d.plan.Preemptions = d.plan.Preemptions[:chosen]
			return
		}
	}
}
