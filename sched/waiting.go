package sched

import (
	"slices"

	"tianfu/job"
)

// Waiting is the line of pending jobs. Jobs alike in priority, tenant and what
// they ask form a group, first come first served; a cycle walks groups, so
// that what fits nowhere is looked at once, not once a job.
type Waiting struct {
	entries []entry
	unused  []int32
	groups  []group
	find    map[groupKey]int32
	live    []int32 // groups with entries
	gangs   map[gangKey]int32
	jobs    int
	cycle   uint64 // counts cycles
}

// entry is one pending job, or what is left to place of it.
type entry struct {
	job        job.ID
	spec       *job.Spec
	seq        uint64  // arrival order
	ask        Ask     // of the first group of tasks
	asks       []Ask   // of every group; nil for a job of one group
	pending    []int32 // tasks still to place; nil = all
	next, prev int32
	group      int32
}

type groupKey struct {
	priority int32
	tenant   int16
	queue    int16  // number of the declared queue; 0 = none
	sig      int32  // shape of a single task, or a gang signature below zero
	site     string // where a plan has it run; empty = anywhere
}

// gangKey says which jobs of several tasks are alike.
type gangKey struct {
	ask      Ask
	count    int32
	gang     bool
	topology job.Topology
	alone    job.ID // a job of several groups is like no other
}

type group struct {
	key         groupKey
	first, last int32 // entries
	live        int32 // index in Waiting.live, or -1
	// tried is Capacity.freed plus one when the group was last found not to
	// fit; until capacity is freed it need not be tried again.
	tried  uint64
	reason Reason
	looked uint64 // the cycle that gave the reason
}

// NewWaiting returns an empty line.
func NewWaiting() *Waiting {
	return &Waiting{find: map[groupKey]int32{}, gangs: map[gangKey]int32{}}
}

// Len returns the number of pending jobs.
func (w *Waiting) Len() int { return w.jobs }

// Jobs lists the pending jobs, in no order that means anything.
func (w *Waiting) Jobs() []job.ID {
	out := make([]job.ID, 0, w.jobs)
	for i := range w.entries {
		if w.entries[i].spec != nil {
			out = append(out, w.entries[i].job)
		}
	}
	return out
}

// Handle locates a pending job in the line.
type Handle int32

// Owner is who a job belongs to: the numbers of its tenant and of its queue, 0
// when no queue is declared.
type Owner struct{ Tenant, Queue int16 }

// Add puts a job at the end of its group. pending lists the tasks still to
// place, nil meaning all.
func (w *Waiting) Add(c *Capacity, id job.ID, spec *job.Spec, owner Owner, pending []int32) Handle {
	e := entry{job: id, spec: spec, seq: uint64(id), pending: pending, next: -1, prev: -1}
	e.ask = c.Ask(&spec.Groups[0].Request)
	sig := int32(e.ask.Shape)
	if len(spec.Groups) > 1 || spec.Groups[0].Count > 1 {
		k := gangKey{ask: e.ask, count: int32(spec.Groups[0].Count), gang: spec.Gang, topology: spec.Topology}
		if len(spec.Groups) > 1 {
			k.alone = id
			for i := range spec.Groups {
				e.asks = append(e.asks, c.Ask(&spec.Groups[i].Request))
			}
		}
		sig = w.gangSignature(k)
	}
	i := int32(len(w.entries))
	if n := len(w.unused); n > 0 {
		i = w.unused[n-1]
		w.unused = w.unused[:n-1]
		w.entries[i] = e
	} else {
		w.entries = append(w.entries, e)
	}
	w.link(i, groupKey{priority: spec.Priority, tenant: owner.Tenant, queue: owner.Queue, sig: sig, site: spec.Site})
	w.jobs++
	return Handle(i)
}

func (w *Waiting) gangSignature(k gangKey) int32 {
	sig, ok := w.gangs[k]
	if !ok {
		sig = -1 - int32(len(w.gangs))
		w.gangs[k] = sig
	}
	return sig
}

// link puts entry i into its group in arrival order: a job that comes back
// after an eviction stands where it stood.
func (w *Waiting) link(i int32, k groupKey) {
	gi, ok := w.find[k]
	if !ok {
		gi = int32(len(w.groups))
		w.find[k] = gi
		w.groups = append(w.groups, group{key: k, first: -1, last: -1, live: -1})
	}
	g := &w.groups[gi]
	e := &w.entries[i]
	e.group = gi
	after := g.last
	for after >= 0 && w.entries[after].seq > e.seq {
		after = w.entries[after].prev
	}
	e.prev = after
	if after >= 0 {
		e.next = w.entries[after].next
		w.entries[after].next = i
	} else {
		e.next = g.first
		g.first = i
	}
	if e.next >= 0 {
		w.entries[e.next].prev = i
	} else {
		g.last = i
	}
	if g.live < 0 {
		g.live = int32(len(w.live))
		w.live = append(w.live, gi)
	}
}

// Remove takes a job out of the line.
func (w *Waiting) Remove(h Handle) {
	i := int32(h)
	e := &w.entries[i]
	g := &w.groups[e.group]
	if e.prev >= 0 {
		w.entries[e.prev].next = e.next
	} else {
		g.first = e.next
	}
	if e.next >= 0 {
		w.entries[e.next].prev = e.prev
	} else {
		g.last = e.prev
	}
	if g.first < 0 {
		end := w.live[len(w.live)-1]
		w.live[g.live] = end
		w.groups[end].live = g.live
		w.live = w.live[:len(w.live)-1]
		g.live = -1
		g.tried = 0
	}
	*e = entry{}
	w.unused = append(w.unused, i)
	w.jobs--
}

// SetPending replaces the tasks still to place of a job that stays in the
// line.
func (w *Waiting) SetPending(h Handle, pending []int32) { w.entries[h].pending = pending }

// Ask returns what a task of a pending job asks for.
func (w *Waiting) Ask(h Handle, task int32) Ask {
	e := &w.entries[h]
	if e.asks == nil {
		return e.ask
	}
	for g := range e.spec.Groups {
		if n := int32(e.spec.Groups[g].Count); task < n {
			return e.asks[g]
		} else {
			task -= n
		}
	}
	panic("sched: the job has no such task")
}

// Reason returns why the group of a pending job was last not placed.
func (w *Waiting) Reason(h Handle) Reason { return w.groups[w.entries[h].group].reason }

// ReasonNow returns the reason that the last cycle gave; false when it did not
// come as far as the job.
func (w *Waiting) ReasonNow(h Handle) (Reason, bool) {
	g := &w.groups[w.entries[h].group]
	return g.reason, g.looked == w.cycle
}

// task is one task of a job as Decide and the policies see it.
type task struct {
	job      job.ID
	index    int32
	ask      Ask
	tenant   int16
	queue    int16
	priority int32
	preempt  bool // may be preempted
	gang     bool
}

// at returns the entry behind a handle, or nil.
func (w *Waiting) at(h Handle) *entry {
	if h < 0 || int(h) >= len(w.entries) || w.entries[h].spec == nil {
		return nil
	}
	return &w.entries[h]
}

// waitingTasks returns how many tasks of the job are still to place.
func (e *entry) waitingTasks() int {
	if e.pending != nil {
		return len(e.pending)
	}
	return e.spec.Tasks()
}

// request returns what a task still to place asks, or nil.
func (e *entry) request(index int32) *job.Request {
	if index < 0 || e.pending != nil && !slices.Contains(e.pending, index) {
		return nil
	}
	return e.spec.Request(index)
}

// OverBudget counts the jobs that wait for a budget of a day, by its number: those
// of the groups that the last looks at them left waiting for it.
func (w *Waiting) OverBudget() map[int32]int {
	out := map[int32]int{}
	for _, gi := range w.live {
		if g := &w.groups[gi]; g.reason.Dominant == OverBudget {
			out[g.reason.Over.Budget] += len(w.members(g))
		}
	}
	return out
}
