package sched

import (
	"cmp"
	"slices"

	"tianfu/job"
)

// victimNodes bounds how many nodes with enough victims are compared for one
// task.
const victimNodes = 64

// victims is a set of allocations on one node whose leaving lets a task in.
type victims struct {
	node     int32
	allocs   []AllocID
	priority int32 // of the most important one
	late     int   // whose deadline is endangered
	lost     int64 // milli-device seconds of work thrown away
}

// futile is the last search for work to take back that found too little. While
// nothing changes, as when what arrives waits too, it need not be made again.
type futile struct {
	of       *Capacity // nil = none is known
	ask      Ask
	priority int32
	site     string
	changes  int
	freed    uint64
}

// searching returns what tells whether a search for room for a job was made
// already; false where more than the task and the fleet decides.
func (d *Decider) searching(e *entry) (futile, bool) {
	c := d.Capacity
	return futile{c, e.ask, e.spec.Priority, e.spec.Site, c.changes.end(), c.freed},
		d.Quotas == nil && d.Budgets == nil && c.windows == 0 && len(e.spec.Groups) == 1 && e.spec.Groups[0].Count == 1
}

// evicting reports whether work is already leaving for a job.
func (d *Decider) evicting(e *entry) bool {
	held := d.heldFor(e.job)
	if held == nil {
		return false
	}
	for i := range held.Nodes {
		for _, id := range d.Capacity.onNode[held.Nodes[i].Node] {
			if d.Capacity.allocs[id].Evicting {
				return true
			}
		}
	}
	return false
}

// preempt looks for work to take back so that all tasks of the head fit, and
// holds the nodes for it: of strictly lower priority, so that no two jobs can
// evict each other in turn, or borrowed from its queue, as reclaim.go says. The claim
// says why it looks.
func (d *Decider) preempt(i int32, c claim) {
	d.claim = c
	e := &d.Waiting.entries[i]
	d.apply()
	search, simple := d.searching(e)
	if simple && search == d.futile {
		return
	}
	d.listTasks(e)
	tasks := slices.Clone(d.tasks)
	if !e.spec.Gang {
		tasks = tasks[:1]
	}
	mark, kept, chosen := len(d.journal), len(d.plan.Placements), len(d.plan.Preemptions)
	leaving := 0
	if d.Quotas != nil {
		var may bool
		if leaving, may = d.claims(e); !may {
			return
		}
	}
	from := len(d.journal)
	ok := d.roomForAll(tasks, i)
	r := &Reservation{Job: e.job, At: d.now}
	for _, p := range d.plan.Placements[kept:] {
		r.addTask(e, p.Node, p.Task)
	}
	if ok && d.Quotas != nil {
		d.follow(i, from, chosen)
	}
	d.rollback(mark, kept)
	if !ok && simple {
		d.futile = search
	}
	if !ok || len(d.plan.Preemptions) == chosen && leaving == 0 {
		d.plan.Preemptions = d.plan.Preemptions[:chosen]
		return
	}
	d.promise(r)
	d.holdEvicted(e, r)
}

// heldFor returns what a job was promised in an earlier cycle, or nil.
func (d *Decider) heldFor(id job.ID) *Reservation {
	if d.Held != nil && d.Held.Job == id {
		return d.Held
	}
	for i := range d.Others {
		if d.Others[i].Job == id {
			return &d.Others[i]
		}
	}
	return nil
}

// promise adds a reservation to the plan.
func (d *Decider) promise(r *Reservation) {
	if d.plan.Reservation == nil {
		d.plan.Reservation = r
		return
	}
	d.plan.Others = append(d.plan.Others, *r)
}

// promised reports whether the plan has a reservation for a job.
func (d *Decider) promised(id job.ID) bool {
	return d.plan.Reservation != nil && d.plan.Reservation.Job == id ||
		slices.ContainsFunc(d.plan.Others, func(r Reservation) bool { return r.Job == id })
}

// addTask counts a task on a node of the reservation.
func (r *Reservation) addTask(e *entry, n, task int32) {
	g, at := 0, int32(e.spec.Groups[0].Count)
	for task >= at {
		g++
		at += int32(e.spec.Groups[g].Count)
	}
	for k := range r.Nodes {
		if r.Nodes[k].Node == n {
			r.Nodes[k].Tasks[g]++
			return
		}
	}
	counts := make([]int32, len(e.spec.Groups))
	counts[g]++
	r.Nodes = append(r.Nodes, HeldNode{Node: n, Tasks: counts})
}

// holdEvicted keeps the nodes of a preemption for the head as if the evicted
// work had left already.
func (d *Decider) holdEvicted(e *entry, r *Reservation) {
	for k := range d.plan.Preemptions {
		d.Capacity.allocs[d.plan.Preemptions[k].Alloc].Evicting = true
	}
	d.hold(e, r)
	for i := range d.kept {
		d.countFreed(&d.kept[i]) // while what is to leave counts as leaving
	}
	for k := range d.plan.Preemptions {
		d.Capacity.allocs[d.plan.Preemptions[k].Alloc].Evicting = false
	}
}

// cheapest returns the victims that cost least: the least important ones, then
// the fewest, then those that endanger the fewest deadlines, then the least work
// lost, then the lowest rank.
func (d *Decider) cheapest(t *task, e *entry) (victims, bool) {
	var best victims
	found := 0
	for n := range d.Capacity.nodes {
		v, ok := d.victimsOn(int32(n), t, e)
		if !ok {
			continue
		}
		if found == 0 || v.cheaper(&best) {
			best = v
		}
		if found++; found == victimNodes {
			break
		}
	}
	return best, found > 0
}

func (v *victims) cheaper(o *victims) bool {
	switch {
	case v.priority != o.priority:
		return v.priority < o.priority
	case len(v.allocs) != len(o.allocs):
		return len(v.allocs) < len(o.allocs)
	case v.late != o.late:
		return v.late < o.late
	}
	return v.lost < o.lost
}

// victimsOn returns a smallest set of lower-priority allocations on node n
// whose leaving lets the task in.
func (d *Decider) victimsOn(n int32, t *task, e *entry) (victims, bool) {
	c := d.Capacity
	v := victims{node: n, priority: -1 << 31}
	nd := c.nodes[n]
	s := &c.shapes[t.ask.Shape]
	if nd.blocked != None || s.Count > 0 && s.Accept>>nd.model&1 == 0 || s.Profile != 0 ||
		c.windows > 0 && d.entersWindow(n, e.spec) || c.elsewhere(n, e.spec) ||
		d.within.on && c.Domain(d.within.level, n) != d.within.domain || d.barred>>nd.model&1 != 0 || d.shuts(n) || d.claim.beside && d.isHeld[n] != 0 {
		return v, false
	}
	if c.power != nil && d.neverPowered(n, s, t.priority) {
		return v, false
	}
	var pool []AllocID
	for _, id := range c.onNode[n] {
		if d.mayTake(id, t) {
			pool = append(pool, id)
		}
	}
	if len(pool) == 0 {
		return v, false
	}
	slices.SortStableFunc(pool, d.sooner)
	fits := func(x *node, gone []AllocID) bool {
		return x.slots(s, t.ask.Memory) >= 1 && (c.power == nil || d.poweredOn(n, x, s, t.priority)) &&
			(!c.hasParts(n) || d.partsLeave(n, t, e.spec, gone)) && (!d.claim.own || d.allows(t, n))
	}
	take := 0
	for ; take < len(pool) && !fits(&nd, pool[:take]); take++ {
		if d.Quotas != nil {
			if !d.mayTake(pool[take], t) { // with those before it, its queue would fall below its guarantee
				pool = slices.Delete(pool, take, take+1)
				take--
				continue
			}
			d.chargeUnit(pool[take], -1)
		}
		nd.release(&c.allocs[pool[take]])
		nd.summarise()
	}
	gone := slices.Clone(pool[:take])
	enough := fits(&nd, gone)
	if d.Quotas != nil {
		for _, id := range pool[:take] {
			d.chargeUnit(id, 1)
		}
	}
	if !enough {
		return v, false
	}
	// Spare those that turn out not to be needed, the most important first.
	for k := take - 1; k >= 0; k-- {
		x := nd
		x.take(&c.allocs[pool[k]])
		x.summarise()
		if rest := slices.Delete(slices.Clone(gone), k, k+1); fits(&x, rest) {
			nd, gone = x, rest
			continue
		}
		d.addTo(&v, pool[k])
	}
	return v, true
}

// sooner is the order in which victims are taken: the least important first, of those
// work whose deadline is in no danger, then the latest started, which loses least.
func (d *Decider) sooner(x, y AllocID) int {
	a, b := &d.Capacity.allocs[x], &d.Capacity.allocs[y]
	if k := cmp.Compare(a.Priority, b.Priority); k != 0 {
		return k
	}
	if late := d.endangers(x); late != d.endangers(y) {
		if late {
			return 1
		}
		return -1
	}
	return cmp.Compare(b.Start, a.Start)
}

func (d *Decider) endangers(id AllocID) bool {
	return d.Endangers != nil && d.Endangers(d.Capacity.allocs[id].Job)
}

func (d *Decider) addTo(v *victims, id AllocID) {
	a := &d.Capacity.allocs[id]
	v.allocs = append(v.allocs, id)
	v.priority = max(v.priority, a.Priority)
	if d.endangers(id) {
		v.late++
	}
	v.lost += int64(d.now.Sub(a.Start).Seconds()) * int64(max(a.Milli(), 1))
}
