package sched

import (
	"slices"
	"time"

	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// hold is a node kept for the head of the queue: from an instant on, only what
// is extra may be used by others.
type hold struct {
	node  int32
	at    unit.Instant
	extra node
	queue int16 // of the job that holds; 0 = none, or several
	tasks []Ask // held for; kept only where several jobs may hold a node
}

func (h *hold) keep(d *Decider, e *entry, counts []int32) {
	for g, count := range counts {
		for range count {
			h.tasks = append(h.tasks, d.askOf(e, g))
		}
	}
}

// sweepLimit bounds how many expected ends a search for a reservation looks
// at.
const sweepLimit = 1 << 17

// reserve finds the earliest instant at which the head fits if running work
// ends as expected, and holds the nodes. The nodes of an earlier reservation
// for the same job are kept as long as they still serve, so that the promise
// does not wander.
func (d *Decider) reserve(i int32) {
	e := &d.Waiting.entries[i]
	d.apply()
	d.listTasks(e)
	r := d.keepHeld(e)
	if r == nil && len(d.tasks) == 1 {
		r = d.sweepOne(e)
	} else if r == nil {
		r = d.sweepGang(e)
	}
	if d.Capacity.power != nil {
		r = d.withPower(e, r)
	}
	if r == nil {
		return
	}
	d.promise(r)
	d.hold(e, r)
}

// hold works out what the reservation leaves to others on each node.
func (d *Decider) hold(e *entry, r *Reservation) {
	if d.Capacity.power != nil {
		defer d.holdPower(r, d.addsOf(e, r)) // what it adds to nodes that do not hold it yet
	}
	for k := range r.Nodes {
		h := &r.Nodes[k]
		nd := d.nodeAt(h.Node, r.At)
		for g, count := range h.Tasks {
			for range count {
				nd.placeOn(d.shapeOf(e, g), d.askOf(e, g).Memory)
			}
		}
		if k := d.isHeld[h.Node]; k != 0 { // for another head too
			x := &d.held[k-1]
			x.at, x.queue = min(x.at, r.At), 0
			x.extra.lower(&nd)
			x.keep(d, e, h.Tasks)
			continue
		}
		d.held = append(d.held, hold{node: h.Node, at: r.At, extra: nd, queue: d.queue(e)})
		d.isHeld[h.Node] = int32(len(d.held))
		if d.Quotas != nil {
			d.held[len(d.held)-1].keep(d, e, h.Tasks)
		}
	}
}

func (d *Decider) askOf(e *entry, g int) Ask {
	if e.asks != nil {
		return e.asks[g]
	}
	return e.ask
}

func (d *Decider) shapeOf(e *entry, g int) *Shape { return &d.Capacity.shapes[d.askOf(e, g).Shape] }

func (d *Decider) dropHolds() {
	for i := range d.held {
		d.isHeld[d.held[i].node] = 0
	}
	d.held = d.held[:0]
}

// leaves returns when an allocation is expected to be gone. One told to leave
// is as good as gone; one past its expected end may leave any moment, and is
// given as much again as it has overrun, at least a second.
func (d *Decider) leaves(a *Alloc) unit.Instant {
	if a.Evicting {
		return d.now
	}
	if a.End <= d.now {
		return d.now.Add(max(time.Second, d.now.Sub(a.End)))
	}
	return a.End
}

// nodeAt returns what is left of node n once everything expected to end by t
// has ended.
func (d *Decider) nodeAt(n int32, t unit.Instant) node {
	nd := d.Capacity.nodes[n]
	for _, id := range d.Capacity.onNode[n] {
		if a := &d.Capacity.allocs[id]; d.leaves(a) <= t {
			nd.release(a)
		}
	}
	nd.summarise()
	if k := d.isHeld[n]; k != 0 {
		for _, ask := range d.held[k-1].tasks {
			nd.placeOn(&d.Capacity.shapes[ask.Shape], ask.Memory)
		}
	}
	return nd
}

// release gives back what an allocation holds, on a copy of a node. A device
// in partitions stays closed to others: they seldom empty together.
func (nd *node) release(a *Alloc) {
	nd.cpu += a.CPU
	nd.mem += a.Memory
	nd.room++
	for i := range int(nd.devices) {
		if a.Devices>>i&1 != 0 && a.Profile == 0 {
			nd.dev[i] += a.Share
		}
	}
}

// lower leaves of a copy of a node what another copy of it has too: two heads hold it
// from different instants on, and what ends between them is not free at the first.
func (nd *node) lower(to *node) {
	nd.cpu, nd.mem, nd.room = min(nd.cpu, to.cpu), min(nd.mem, to.mem), min(nd.room, to.room)
	for i := range int(nd.devices) {
		nd.dev[i] = min(nd.dev[i], to.dev[i])
	}
	nd.summarise()
}

// placeOn puts one task on a copy of a node, on the tightest devices.
func (nd *node) placeOn(s *Shape, memory int32) {
	nd.cpu -= s.CPU
	nd.mem -= memory
	nd.room--
	for left := int(s.Count); left > 0; left-- {
		best := -1
		for i := range int(nd.devices) {
			if g := nd.usable(i); g >= s.Share && (best < 0 || g < nd.dev[best]) {
				best = i
			}
		}
		if best < 0 {
			return
		}
		nd.dev[best] -= s.Share
	}
	nd.summarise()
}

// besideHold decides whether a task may use a held node: it does if it ends in
// time, or if it fits into what the head leaves over.
func (d *Decider) besideHold(h *hold, n int32, t *task, spec *job.Spec, devices uint16) (uint16, Cause) {
	if d.expectedEnd(spec, n) <= h.at {
		return devices, None
	}
	s := &d.Capacity.shapes[t.ask.Shape]
	x := &h.extra
	if d.Capacity.hasParts(n) {
		left := d.leftBeside(h, n, t, spec)
		x = &left
	}
	if x.cpu < s.CPU || x.mem < t.ask.Memory || x.room < 1 {
		return 0, Reserved
	}
	if s.Profile != 0 {
		return 0, Reserved
	}
	var fit uint16
	now := &d.Capacity.nodes[n]
	for i := range int(now.devices) {
		if min(x.usable(i), now.usable(i)) >= s.Share {
			fit |= 1 << i
		}
	}
	if devices&^fit == 0 {
		return devices, None
	}
	if fit = lowest(fit, int(s.Count)); DeviceCount(fit) < int(s.Count) {
		return 0, Reserved
	}
	return fit, None
}

// takeHold charges a proposal that outlasts the hold to what the head leaves
// over; giveHold takes that back.
func (d *Decider) takeHold(a *Alloc) {
	if k := d.isHeld[a.Node]; k != 0 && a.Job != d.head && a.End > d.held[k-1].at {
		x := &d.held[k-1].extra
		x.take(a)
		x.summarise()
	}
	if len(d.kept) > 0 {
		d.takePower(a)
	}
}

func (d *Decider) giveHold(a *Alloc) {
	if k := d.isHeld[a.Node]; k != 0 && a.Job != d.head && a.End > d.held[k-1].at {
		x := &d.held[k-1].extra
		x.release(a)
		x.summarise()
	}
}

// keepHeld renews the reservation made in an earlier cycle, if it is for the
// same job and its nodes will still serve.
func (d *Decider) keepHeld(e *entry) *Reservation {
	held := d.heldFor(e.job)
	if held == nil {
		return nil
	}
	r := &Reservation{Job: e.job, At: d.now, Nodes: held.Nodes}
	for k := range r.Nodes {
		at, ok := d.earliest(&r.Nodes[k], e)
		if !ok {
			return nil
		}
		r.At = max(r.At, at)
	}
	if d.Capacity.power != nil {
		if r = d.withPower(e, r); r == nil {
			return nil
		}
	}
	if r.At > held.At {
		return nil // the promise slipped: look again everywhere
	}
	return r
}

// earliest returns when a held node can take the tasks meant for it.
func (d *Decider) earliest(h *HeldNode, e *entry) (unit.Instant, bool) {
	c := d.Capacity
	if c.nodes[h.Node].blocked != None || c.windows > 0 && d.entersWindow(h.Node, e.spec) || c.elsewhere(h.Node, e.spec) {
		return 0, false
	}
	ends := []unit.Instant{d.now}
	for _, id := range c.onNode[h.Node] {
		if t := d.leaves(&c.allocs[id]); t != unit.Never {
			ends = append(ends, t)
		}
	}
	slices.Sort(ends)
	for _, t := range slices.Compact(ends) {
		nd := d.openFor(e, h.Node, t)
		if d.holds(&nd, h.Tasks, e) {
			return t, true
		}
	}
	return 0, false
}

// holds reports whether a copy of a node has room for counts of each group.
func (d *Decider) holds(nd *node, counts []int32, e *entry) bool {
	x := *nd
	for g, count := range counts {
		s, mem := d.shapeOf(e, g), d.askOf(e, g).Memory
		for range count {
			if x.slots(s, mem) < 1 || s.Count > 0 && s.Accept>>x.model&1 == 0 {
				return false
			}
			x.placeOn(s, mem)
		}
	}
	return true
}

// sweepOne finds the earliest expected end after which one node holds a
// single task.
func (d *Decider) sweepOne(e *entry) *Reservation {
	c := d.Capacity
	s := &c.shapes[d.tasks[0].ask.Shape]
	mem := d.tasks[0].ask.Memory
	var found *Reservation
	looked := 0
	d.eachEnd(func(t unit.Instant, a *Alloc) bool {
		if looked++; looked > sweepLimit || found != nil && t > found.At {
			return false
		}
		n := a.Node
		if c.nodes[n].blocked != None || s.Count > 0 && s.Accept>>c.nodes[n].model&1 == 0 ||
			c.windows > 0 && d.entersWindow(n, e.spec) || c.elsewhere(n, e.spec) {
			return true
		}
		nd := d.openFor(e, n, t)
		if nd.slots(s, mem) < 1 {
			return true
		}
		if found == nil || n < found.Nodes[0].Node {
			found = &Reservation{Job: e.job, At: t, Nodes: []HeldNode{{Node: n, Tasks: d.oneTask(e)}}}
		}
		return true
	})
	return found
}

// oneTask counts the single task left of a job by group.
func (d *Decider) oneTask(e *entry) []int32 {
	counts := make([]int32, len(e.spec.Groups))
	at := int32(0)
	for g := range counts {
		if at += int32(e.spec.Groups[g].Count); d.tasks[0].index < at {
			counts[g] = 1
			break
		}
	}
	return counts
}

// eachEnd walks running allocations by expected end: those told to leave and
// those overdue first.
func (d *Decider) eachEnd(visit func(unit.Instant, *Alloc) bool) {
	c := d.Capacity
	if c.ends.tree == nil {
		return
	}
	type late struct {
		at unit.Instant
		e  ending
	}
	var overdue []late
	c.ends.tree.Scan(func(e ending) bool {
		if e.at > d.now {
			return false
		}
		overdue = append(overdue, late{d.leaves(&c.allocs[e.id]), e})
		return true
	})
	slices.SortStableFunc(overdue, func(a, b late) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	next := 0
	stopped := false
	c.ends.tree.Ascend(ending{at: d.now + 1}, func(e ending) bool {
		for next < len(overdue) && overdue[next].at <= e.at {
			if !visit(overdue[next].at, &c.allocs[overdue[next].e.id]) {
				stopped = true
				return false
			}
			next++
		}
		stopped = !visit(e.at, &c.allocs[e.id])
		return !stopped
	})
	for ; !stopped && next < len(overdue); next++ {
		stopped = !visit(overdue[next].at, &c.allocs[overdue[next].e.id])
	}
}

// sweepGang finds, by bisection over the expected ends, the earliest instant
// at which all tasks of a job fit, in one domain if they must.
func (d *Decider) sweepGang(e *entry) *Reservation {
	var ends []unit.Instant
	d.eachEnd(func(t unit.Instant, _ *Alloc) bool {
		if len(ends) == 0 || ends[len(ends)-1] != t {
			ends = append(ends, t)
		}
		return len(ends) < sweepLimit
	})
	var found []HeldNode
	at, _ := slices.BinarySearchFunc(ends, 0, func(t unit.Instant, _ int) int {
		if nodes := d.virtual(e, t); nodes != nil {
			found = nodes
			return 1
		}
		return -1
	})
	if at == len(ends) {
		return nil
	}
	if nodes := d.virtual(e, ends[at]); nodes != nil {
		found = nodes
	}
	return &Reservation{Job: e.job, At: ends[at], Nodes: found}
}

// virtual places all tasks of a job first-fit on the fleet as it will be at t,
// and returns the nodes, or nil.
func (d *Decider) virtual(e *entry, t unit.Instant) []HeldNode {
	c := d.Capacity
	level := fleet.LevelFleet
	if e.spec.Topology.Mode == job.Must {
		level = e.spec.Topology.Level
	}
	dom := c.domains[level].of(c, level)
	byDomain := map[int32][]int32{}
	var order []int32
	for n := range c.nodes {
		if c.nodes[n].blocked != None || c.windows > 0 && d.entersWindow(int32(n), e.spec) || c.elsewhere(int32(n), e.spec) {
			continue
		}
		if byDomain[dom[n]] == nil {
			order = append(order, dom[n])
		}
		byDomain[dom[n]] = append(byDomain[dom[n]], int32(n))
	}
	for _, id := range order {
		if nodes := d.virtualIn(e, t, byDomain[id]); nodes != nil {
			return nodes
		}
	}
	return nil
}

func (d *Decider) virtualIn(e *entry, t unit.Instant, nodes []int32) []HeldNode {
	left := make([]int32, len(e.spec.Groups))
	total := int32(0)
	at := int32(0)
	k := 0
	for g := range left {
		at += int32(e.spec.Groups[g].Count)
		for k < len(d.tasks) && d.tasks[k].index < at {
			left[g]++
			total++
			k++
		}
	}
	var out []HeldNode
	for _, n := range nodes {
		nd := d.openFor(e, n, t)
		counts := make([]int32, len(left))
		used := false
		for g := range left {
			s, mem := d.shapeOf(e, g), d.askOf(e, g).Memory
			if s.Count > 0 && s.Accept>>nd.model&1 == 0 {
				continue
			}
			for left[g] > 0 && nd.slots(s, mem) >= 1 {
				nd.placeOn(s, mem)
				left[g]--
				counts[g]++
				total--
				used = true
			}
		}
		if used {
			out = append(out, HeldNode{Node: n, Tasks: counts})
		}
		if total == 0 {
			return out
		}
	}
	return nil
}
