package sched

import (
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"tianfu/fault"
	"tianfu/job"
	"tianfu/unit"
)

// policies is the register: one line a policy.
var policies = []struct {
	name, usage string
	args        int
	make        func(*Capacity, Config, []int64) Policy
}{
	{"firstfit", "firstfit", 0, func(*Capacity, Config, []int64) Policy { return firstFit{} }},
	{"random", "random", 0, func(_ *Capacity, cfg Config, _ []int64) Policy { return random{cfg.Seed} }},
	{"dotprod", "dotprod", 0, func(*Capacity, Config, []int64) Policy { return dotProd{} }},
	{"gpu-clustering", "gpu-clustering", 0, func(*Capacity, Config, []int64) Policy { return gpuClustering{} }},
	{"gpu-packing", "gpu-packing", 0, func(*Capacity, Config, []int64) Policy { return gpuPacking{} }},
	{"bestfit", "bestfit", 0, func(*Capacity, Config, []int64) Policy { return bestFit{} }},
	{"fgd", "fgd", 0, func(c *Capacity, cfg Config, _ []int64) Policy { return newFGD(c, cfg) }},
	{"tianfu", "tianfu", 0, func(c *Capacity, _ Config, _ []int64) Policy { return newTianfu(c) }},
	{"tianfu-migrate", "tianfu-migrate[:MOVES]", 1, func(c *Capacity, _ Config, w []int64) Policy { return newMigrating(c, w) }},
	{"pwr", "pwr", 0, func(*Capacity, Config, []int64) Policy { return pwr{} }},
	{"pwr+fgd", "pwr+fgd:W1:W2", 2, func(c *Capacity, cfg Config, w []int64) Policy { return newWeighted(c, cfg, w) }},
}

// splitName takes "pwr+fgd:100:900" apart.
func splitName(name string) (string, []int64, error) {
	base, rest, found := strings.Cut(name, ":")
	var args []int64
	for found {
		var one string
		one, rest, found = strings.Cut(rest, ":")
		v, err := strconv.ParseInt(one, 10, 32)
		if err != nil || v < 0 {
			return "", nil, fault.New(fault.Invalid, "policy "+name, "parameter "+strconv.Quote(one)+" is not a whole number from 0", "write weights such as 100:900")
		}
		args = append(args, v)
	}
	return base, args, nil
}

func join(names []string) string { return strings.Join(names, ", ") }

// Decide walks the line in queue order - priority, then fair share over
// tenants, then arrival - and proposes what may start now. The first job that
// does not fit gets a reservation, and later ones start only if they do not
// delay it. It is deterministic and leaves the snapshot as it was.
func (d *Decider) Decide(s *Snapshot, now unit.Instant) *Plan {
	d.begin(s, now)
	d.remember()
	d.order.fill(d)
	for examined := 0; ; examined++ {
		g, ok := d.order.pop(d)
		if !ok || examined >= d.depth() {
			break
		}
		if !d.visit(g) {
			break
		}
	}
	d.undo(0)
	d.dropHolds()
	return &d.plan
}

// Decider is the scratch space of Decide: buffers that live from cycle to
// cycle, and nothing that a decision depends on.
type Decider struct {
	*Snapshot
	now     unit.Instant
	plan    Plan
	order   groupOrder
	journal []step
	// next is the latest proposal, not yet entered into the capacity: most
	// cycles make one, and then it never needs to be taken back.
	next    Alloc
	pending bool
	head    job.ID        // the first that holds a reservation
	heads   []blockedHead // all that do
	past    past
	futile  futile
	refused []refusals  // by group
	byQueue [][]AllocID // what runs of each queue, once a cycle has looked
	crowds  []*crowded  // of each queue, the first job that its own work keeps out
	wants   []*wanted   // of each cohort, the first job that waits for what was lent
	claim   claim       // of the job that is being made room for
	// reclaims counts the jobs that tried to have back what their queue lent; asked
	// lists queues of which one did, or heads the line.
	reclaims  int
	asked     []int16
	owned     []int16 // queues whose first job that the quota stops was looked at
	behind    int     // jobs looked at behind one of their group
	looks     int     // at nodes for gangs that power or a budget kept out
	within    restriction
	barred    uint64    // models of which the queue of the task being placed may not use more
	keeper    *Keeper   // the first that kept a task off a node
	without   []AllocID // work that is to be taken back, as long as room is looked for
	held      []hold
	isHeld    []int32 // index in held plus one, by node; kept zero between cycles
	tasks     []task
	slots     []slot
	closed    closed
	lacks     PowerShort  // of the head
	kept      []powerHold // for the heads
	tookPower []tookPower
	power     powerFreed
	budget    budgetCycle
}

// step is one change to the capacity that the cycle will take back.
type step struct {
	id      AllocID
	removed bool
	moved   bool // the tenant's usage is unchanged
	at      int  // where a removed one stood on its node
	alloc   Alloc
}

func (d *Decider) begin(s *Snapshot, now unit.Instant) {
	d.Snapshot, d.now = s, now
	s.Waiting.cycle++
	p := &d.plan
	p.Placements, p.Preemptions, p.Moves = p.Placements[:0], p.Preemptions[:0], p.Moves[:0]
	p.Unplaced, p.Reservation, p.Others, p.Again = p.Unplaced[:0], nil, p.Others[:0], false
	d.head, d.heads, d.pending, d.barred, d.reclaims, d.behind, d.looks = 0, d.heads[:0], false, 0, 0, 0, 0
	d.asked, d.owned = d.asked[:0], d.owned[:0]
	d.journal = d.journal[:0]
	d.within = restriction{}
	d.closed.nodes, d.closed.all = nil, false
	d.kept, d.tookPower = d.kept[:0], d.tookPower[:0]
	d.beginBudgets()
	if len(d.isHeld) < len(s.Capacity.nodes) {
		d.isHeld = make([]int32, len(s.Capacity.nodes))
	}
}

func (d *Decider) depth() int {
	if d.Rules.Depth > 0 {
		return d.Rules.Depth
	}
	return DefaultDepth
}

// visit examines the job at the cursor of a group. It returns false when the
// cycle is over.
func (d *Decider) visit(o *groupCursor) bool {
	g := &d.Waiting.groups[o.group]
	e := &d.Waiting.entries[o.entry]
	next := e.next
	if g.tried == d.Capacity.freed+1 {
		// Nothing was freed since this group did not fit.
		return d.block(o, e, g.reason)
	}
	var why Reason
	placed := d.start(o.entry, &why)
	if placed {
		if d.Quotas != nil {
			d.uncrowd(o.entry)
		}
		d.order.advance(d, o, next)
		return true
	}
	if why.Excluded[Reserved]+why.Excluded[NoMemory]+why.Excluded[Maintenance]+why.Excluded[Booked]+why.Excluded[OverBudget] == 0 && why.Dominant != QuotaKept {
		// What does not fit stops its whole group; memory, windows, budgets and
		// reservations may let the next job through.
		g.tried = d.Capacity.freed + 1
		g.reason = why
		return d.block(o, e, why)
	}
	g.reason = why
	keep := d.block(o, e, why)
	if keep && d.lookBehind() {
		d.order.advance(d, o, next)
	}
	return keep
}

// maxBehind bounds how many jobs a cycle looks at behind one of their group that
// did not fit, where queues or budgets are declared and lines are long: each of them may
// fit beside a reservation, but looking at all of them would make the cycle cost
// what waits.
const maxBehind = 2000

func (d *Decider) lookBehind() bool {
	d.behind++
	return d.Quotas == nil && d.Budgets == nil || d.behind <= maxBehind
}

// block notes why a job waits; the first one becomes the head and holds a
// reservation. It returns false when nothing may pass the head. A job that its
// queue's quota or a budget stops is no head: others may use what it may not.
func (d *Decider) block(o *groupCursor, e *entry, why Reason) bool {
	ahead, may := d.mayHead(e)
	if why.Dominant == OverBudget {
		d.keepNextDay(e)
	}
	switch {
	case why.stopped():
		if why.Dominant == Reclaiming {
			d.want(o.entry)
		}
		if why.Dominant == Reclaiming && d.reclaims < maxHeads && (may || d.mayReclaim(e)) {
			d.takeBack(o, e, claim{beside: !may})
		} else if (why.Dominant == OverQuota || why.Dominant == BorrowLimit) && d.mayTakeOwn(e) {
			d.takeBack(o, e, claim{beside: !may, own: true})
		}
	case !may:
		if !d.mayReclaim(e) || !d.takeBack(o, e, claim{beside: true}) {
			why.Ahead = ahead
		}
	default:
		d.addHead(e)
		d.asked = append(d.asked, d.queue(e))
		d.lacks = why.Short
		if (d.Rules.Preempt && d.Capacity.preemptible > 0 || d.Quotas != nil) && !d.evicting(e) {
			d.preempt(o.entry, claim{})
		}
		if d.Rules.Backfill == Strict {
			d.note(o, e, why)
			return false
		}
		if !d.promised(e.job) {
			d.reserve(o.entry)
		}
		d.keepGuarantee(o, e)
	}
	d.note(o, e, why)
	return true
}

// maxHeads bounds how many jobs hold a reservation: finding one may cost a look
// at the whole fleet.
const maxHeads = 16

// blockedHead is the first job of a cohort that does not fit.
type blockedHead struct {
	cohort int16
	job    job.ID
}

// mayHead decides whether a blocked job holds a reservation: the first of its
// cohort does, so that no cohort's large jobs starve under another's small ones.
// Without declared queues there is one head in all. If not, it says who does.
func (d *Decider) mayHead(e *entry) (ahead job.ID, may bool) {
	cohort := d.cohort(e)
	for _, h := range d.heads {
		if h.cohort == cohort {
			return h.job, false
		}
	}
	return d.head, len(d.heads) < maxHeads
}

func (d *Decider) addHead(e *entry) {
	if d.head == 0 {
		d.head = e.job
	}
	d.heads = append(d.heads, blockedHead{d.cohort(e), e.job})
}

// cohort returns the number of a job's cohort; -1 without a queue.
func (d *Decider) cohort(e *entry) int16 {
	if q := d.queue(e); q != 0 {
		return d.Quotas.queues[q].cohort
	}
	return -1
}

func (d *Decider) note(o *groupCursor, e *entry, why Reason) {
	g := &d.Waiting.groups[o.group]
	g.looked = d.Waiting.cycle
	d.plan.Unplaced = append(d.plan.Unplaced, Unplaced{Job: e.job, Handle: Handle(o.entry), Reason: why})
}

// start proposes placements for a pending job. On failure everything proposed
// for it is taken back and why is filled in.
func (d *Decider) start(i int32, why *Reason) bool {
	e := &d.Waiting.entries[i]
	if e.asks == nil && e.spec.Groups[0].Count == 1 {
		t := task{job: e.job, ask: e.ask, tenant: d.tenant(e), queue: d.queue(e), priority: e.spec.Priority, preempt: e.spec.Preemptible, gang: e.spec.Gang}
		return d.place(&t, i, why)
	}
	return d.startMany(i, why)
}

func (d *Decider) tenant(e *entry) int16 { return d.Waiting.groups[e.group].key.tenant }

func (d *Decider) queue(e *entry) int16 { return d.Waiting.groups[e.group].key.queue }

// place proposes a node and devices for one task.
func (d *Decider) place(t *task, i int32, why *Reason) bool {
	d.apply()
	if d.Budgets != nil && !d.budgeted(t, d.Waiting.entries[i].spec, why) {
		return false
	}
	if d.Quotas != nil {
		if !t.gang { // first, for what the quota is kept from must not reclaim either
			if kept, must := d.keptFrom(t.queue, d.needOf(t), &d.Waiting.entries[i]); must {
				*why = kept
				return false
			}
		}
		if !d.affords(t, why) {
			return false
		}
	}
	like, alike := d.like(t, i)
	if alike {
		if known := d.refusedAs(&like, i); known != nil {
			*why = *known
			return d.placeByMoves(t, i)
		}
	}
	n, devices, ok := d.pick(t, d.Waiting.entries[i].spec, why)
	if !ok {
		if alike {
			d.refuse(like, i, why)
		}
		return d.placeByMoves(t, i)
	}
	d.propose(t, i, n, devices)
	return true
}

// placeByMoves tries what only a policy that moves tasks may.
func (d *Decider) placeByMoves(t *task, i int32) bool {
	p, may := d.Index.policy.(migrating)
	return may && d.migrate(p, t, i)
}

func (d *Decider) propose(t *task, i int32, n int32, devices uint16) {
	spec := d.Waiting.entries[i].spec
	s := &d.Capacity.shapes[t.ask.Shape]
	a := Alloc{
		Job: t.job, Task: t.index, Node: n, CPU: s.CPU, Memory: t.ask.Memory,
		Devices: devices, Share: s.Share, Profile: s.Profile, Tenant: t.tenant,
		Priority: t.priority, Preemptible: t.preempt, Gang: t.gang, Queue: t.queue, Shape: s.ID,
		Start: d.now, End: d.expectedEnd(spec, n),
	}
	d.takeHold(&a)
	if d.Budgets != nil {
		d.takeBudget(&a)
	}
	d.next, d.pending = a, true
	d.plan.Placements = append(d.plan.Placements, Placement{
		Job: t.job, Task: t.index, Node: n, Devices: devices, Handle: Handle(i), Alloc: a,
	})
}

// expectedEnd returns when planning may expect a job started now on node n to
// leave; Never when nothing was said.
func (d *Decider) expectedEnd(spec *job.Spec, n int32) unit.Instant {
	return d.endOn(spec, d.Capacity.nodes[n].model)
}

// endOn returns the same of nodes of a model.
func (d *Decider) endOn(spec *job.Spec, model uint8) unit.Instant {
	run := d.Capacity.runOn(spec, model)
	if run <= 0 {
		return unit.Never
	}
	return d.now.Add(run)
}

// runOn returns the run time that planning may assume on nodes of a model; 0 =
// nothing was said.
func (c *Capacity) runOn(spec *job.Spec, model uint8) time.Duration {
	if int(model) < len(c.models) {
		return spec.ExpectedOn(c.models[model])
	}
	return spec.ExpectedRun
}

// apply enters the outstanding proposal into the capacity.
func (d *Decider) apply() {
	if !d.pending {
		return
	}
	d.pending = false
	id := d.Capacity.add(d.next)
	d.Tenants[d.next.Tenant].add(&d.next, 1)
	d.charge(&d.next, 1)
	d.journal = append(d.journal, step{id: id, alloc: d.next})
}

// withdraw removes a running allocation for the rest of the cycle.
func (d *Decider) withdraw(id AllocID) {
	a := d.Capacity.allocs[id]
	d.journal = append(d.journal, step{id: id, removed: true, alloc: a, at: slices.Index(d.Capacity.onNode[a.Node], id)})
	freed := d.Capacity.freed
	d.Capacity.remove(id)
	d.Capacity.freed = freed
	d.charge(&a, -1)
}

// undo takes back the cycle's changes down to a mark in the journal.
func (d *Decider) undo(mark int) {
	d.pending = false
	freed := d.Capacity.freed
	for i := len(d.journal) - 1; i >= mark; i-- {
		st := &d.journal[i]
		if st.removed {
			d.Capacity.restore(st.id, st.alloc, st.at)
			d.charge(&st.alloc, 1)
			continue
		}
		if !st.moved {
			d.Tenants[st.alloc.Tenant].add(&st.alloc, -1)
		}
		d.Capacity.remove(st.id)
		d.charge(&st.alloc, -1)
	}
	d.journal = d.journal[:mark]
	d.Capacity.freed = freed
}

// DeviceCount returns how many devices a set names.
func DeviceCount(set uint16) int { return bits.OnesCount16(set) }
