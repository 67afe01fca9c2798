package sched

import (
	"cmp"
	"math/bits"
	"slices"

	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// portion is an amount of a node that is kept for the jobs of a queue in a window. It
// is an amount and not certain devices: whichever are free serve. The queue may use
// the rest of the node too, by the rules for all; what it uses there counts as its
// part, so that others lose no more than was kept.
type portion struct {
	Keeper
	queue    int16
	cpu, mem int32
	devices  int
	tasks    int32 // places, where a node bounds its tasks: one for each device, at least one
}

// keptBack is what parts of other queues keep of a node beyond what these queues use.
type keptBack struct {
	cpu, mem, tasks int32
	devices         int // wholly free ones
	of              *portion
}

// enterParts enters a reservation of portions.
func (c *Capacity) enterParts(b *fleet.Booking, n int32, p fleet.Portion, queue int16) {
	if c.parts == nil {
		c.parts = make([][]portion, len(c.nodes))
	}
	for _, w := range b.Spans {
		c.parts[n] = append(c.parts[n], portion{Keeper{w, b.Name, job.Queue(b.Queue)}, queue, int32(p.CPU), int32(p.Memory), p.Accelerators, int32(max(p.Accelerators, 1))})
	}
}

// sortParts puts the windows of every node in order.
func (c *Capacity) sortParts() {
	for n := range c.parts {
		slices.SortStableFunc(c.parts[n], func(a, b portion) int { return cmp.Compare(a.From, b.From) })
	}
}

// hasParts reports whether portions of node n are kept for anyone.
func (c *Capacity) hasParts(n int32) bool { return c.parts != nil && len(c.parts[n]) > 0 }

// partTimes lists the instants, from one on and before another, at which most is
// kept of a node: the first, and those at which a window opens. Between them less
// can be kept only, and work can only end.
func (c *Capacity) partTimes(n int32, from, until unit.Instant) []unit.Instant {
	var out []unit.Instant
	open := false
	for i := range c.parts[n] {
		p := &c.parts[n][i]
		if p.From >= until {
			break
		}
		if p.From > from && (len(out) == 0 || out[len(out)-1] != p.From) {
			out = append(out, p.From)
		}
		open = open || p.From <= from && p.To > from
	}
	if open {
		out = append([]unit.Instant{from}, out...)
	}
	return out
}

// present says of work of a node whether it runs at an instant, as far as planning
// knows.
type present func(id AllocID, a *Alloc) bool

// queuePair names a queue for which nothing is kept from what asks, or two; 0 = none.
type queuePair [2]int16

// keptAt returns what is kept of node n at an instant for other queues than those
// named, beyond what runs there of theirs. Devices that are theirs in part only, as
// with devices that something else takes, are not theirs.
func (c *Capacity) keptAt(n int32, at unit.Instant, but queuePair, runs present, taken uint16) (k keptBack) {
	list := c.parts[n]
	for i := range list {
		p := &list[i]
		if p.From > at {
			break
		}
		if p.To <= at || p.queue == but[0] || p.queue == but[1] || c.partBefore(n, i, at) {
			continue
		}
		sum := *p // with other parts of the same queue
		for j := i + 1; j < len(list) && list[j].From <= at; j++ {
			if q := &list[j]; q.queue == p.queue && q.To > at {
				sum.cpu, sum.mem, sum.tasks, sum.devices = sum.cpu+q.cpu, sum.mem+q.mem, sum.tasks+q.tasks, sum.devices+q.devices
			}
		}
		mine, others := uint16(0), taken
		for _, id := range c.onNode[n] {
			a := &c.allocs[id]
			if !runs(id, a) {
				continue
			}
			if a.Queue != p.queue {
				others |= a.Devices
				continue
			}
			sum.cpu, sum.mem, sum.tasks = sum.cpu-a.CPU, sum.mem-a.Memory, sum.tasks-1
			mine |= a.Devices
		}
		sum.devices -= bits.OnesCount16(mine &^ others &^ c.nodes[n].hidden)
		k.cpu, k.mem, k.tasks, k.devices = k.cpu+max(sum.cpu, 0), k.mem+max(sum.mem, 0), k.tasks+max(sum.tasks, 0), k.devices+max(sum.devices, 0)
		k.of = p
	}
	return k
}

// partBefore reports whether an open part before part i is of the same queue: its
// sum holds both.
func (c *Capacity) partBefore(n int32, i int, at unit.Instant) bool {
	for j := range c.parts[n][:i] {
		if q := &c.parts[n][j]; q.queue == c.parts[n][i].queue && q.To > at {
			return true
		}
	}
	return false
}

// whole returns the devices that are wholly free.
func (nd *node) whole() (set uint16) {
	for i := range int(nd.devices) {
		if nd.usable(i) == int16(unit.Whole) {
			set |= 1 << i
		}
	}
	return set
}

// only returns what is left of node n when just some of its work runs there.
func (c *Capacity) only(n int32, runs present) node {
	nd := c.nodes[n]
	nd.parted = 0
	for _, id := range c.onNode[n] {
		if a := &c.allocs[id]; !runs(id, a) {
			nd.release(a)
		} else if a.Profile != 0 {
			nd.parted |= a.Devices
		}
	}
	nd.summarise()
	return nd
}

// runsAt is what runs at an instant: everything now, and later what is not expected
// to have ended; never what is to be taken back.
func (d *Decider) runsAt(at unit.Instant) present {
	return func(id AllocID, a *Alloc) bool {
		return !slices.Contains(d.without, id) && (at <= d.now || d.leaves(a) > at)
	}
}

// boundedEnd returns when a job that starts at an instant on node n is taken to have
// left, where a reservation of others may come before.
func (d *Decider) boundedEnd(spec *job.Spec, n int32, from unit.Instant) unit.Instant {
	if run := d.Capacity.runOn(spec, d.Capacity.nodes[n].model); run > 0 {
		return from.Add(run)
	}
	return from.Add(bookedAhead)
}

// besideParts returns the devices that a task may have on node n beside what parts
// keep for other queues from now to its expected end: those given or, of a share of
// a device, others. It is false when there are none.
func (d *Decider) besideParts(n int32, t *task, spec *job.Spec, devices uint16) (uint16, bool) {
	c := d.Capacity
	s := &c.shapes[t.ask.Shape]
	fits, other := d.leavesParts(n, t, spec, devices)
	if fits || !other || s.Count != 1 || s.Profile != 0 || s.Share == int16(unit.Whole) {
		return devices, fits
	}
	for i := range int(c.nodes[n].devices) {
		if c.nodes[n].usable(i) >= s.Share {
			if fits, _ = d.leavesParts(n, t, spec, 1<<i); fits {
				return 1 << i, true
			}
		}
	}
	return 0, false
}

// leavesParts reports whether a task leaves on node n what parts keep, at every
// instant at which most is kept until it ends; if not, whether other devices might.
func (d *Decider) leavesParts(n int32, t *task, spec *job.Spec, devices uint16) (fits, other bool) {
	c := d.Capacity
	s := &c.shapes[t.ask.Shape]
	for _, at := range c.partTimes(n, d.now, d.boundedEnd(spec, n, d.now)) {
		runs := d.runsAt(at)
		k := c.keptAt(n, at, queuePair{t.queue}, runs, devices)
		if k.of == nil {
			continue
		}
		nd := c.only(n, runs)
		if s.CPU > 0 && nd.cpu-k.cpu < s.CPU || t.ask.Memory > 0 && nd.mem-k.mem < t.ask.Memory || nd.room-k.tasks < 1 {
			d.keptBy(&k.of.Keeper)
			return false, false
		}
		if devices != 0 && k.devices > 0 && bits.OnesCount16(nd.whole()&^devices) < k.devices {
			d.keptBy(&k.of.Keeper)
			return false, true
		}
	}
	return true, false
}

// partsLeave reports whether parts leave room on node n for a task from now to its
// expected end, once some work has been taken back.
func (d *Decider) partsLeave(n int32, t *task, spec *job.Spec, gone []AllocID) bool {
	c := d.Capacity
	d.without = gone
	defer func() { d.without = nil }()
	for _, at := range c.partTimes(n, d.now, d.boundedEnd(spec, n, d.now)) {
		runs := d.runsAt(at)
		k, nd := c.keptAt(n, at, queuePair{t.queue}, runs, 0), c.only(n, runs)
		nd.cpu, nd.mem, nd.room = nd.cpu-k.cpu, nd.mem-k.mem, nd.room-k.tasks
		nd.hideWhole(k.devices)
		if nd.slots(&c.shapes[t.ask.Shape], t.ask.Memory) < 1 {
			return false
		}
	}
	return true
}

// openFor returns what node n has for a job from an instant on, as planning knows,
// without what parts keep for other queues until it would end.
func (d *Decider) openFor(e *entry, n int32, from unit.Instant) node {
	nd := d.nodeAt(n, from)
	if !d.Capacity.hasParts(n) {
		return nd
	}
	c, queue := d.Capacity, d.queue(e)
	whole := bits.OnesCount16(nd.whole())
	cpu, mem, room, spare := nd.cpu, nd.mem, nd.room, whole
	for _, at := range c.partTimes(n, from, d.boundedEnd(e.spec, n, from)) {
		k := c.keptAt(n, at, queuePair{queue}, func(_ AllocID, a *Alloc) bool { return d.leaves(a) > at }, 0)
		if k.of == nil {
			continue
		}
		x := d.nodeAt(n, at)
		cpu, mem, room = min(cpu, x.cpu-k.cpu), min(mem, x.mem-k.mem), min(room, x.room-k.tasks)
		spare = min(spare, bits.OnesCount16(x.whole())-k.devices)
	}
	nd.cpu, nd.mem, nd.room = cpu, mem, room
	nd.hideWhole(whole - spare)
	return nd
}

// ownPart reports whether a task fits what is kept for its queue on node n by now and
// not used yet. Then it may have it, whatever the head of the line was promised: that
// is an estimate, and this is a right.
func (d *Decider) ownPart(n int32, t *task, devices uint16) bool {
	left, open := d.Capacity.unusedPart(n, d.now, t.queue, devices)
	return open && left.cpu >= d.Capacity.shapes[t.ask.Shape].CPU && left.mem >= t.ask.Memory && left.devices >= 0
}

// leftBeside returns what a hold leaves over without what parts keep then for others
// than a task and the job that holds.
func (d *Decider) leftBeside(h *hold, n int32, t *task, spec *job.Spec) node {
	x := h.extra
	var most keptBack
	for _, at := range d.Capacity.partTimes(n, h.at, d.boundedEnd(spec, n, d.now)) {
		k := d.Capacity.keptAt(n, at, queuePair{t.queue, h.queue}, d.runsAt(at), 0)
		most.cpu, most.mem, most.tasks, most.devices = max(most.cpu, k.cpu), max(most.mem, k.mem), max(most.tasks, k.tasks), max(most.devices, k.devices)
	}
	x.cpu, x.mem, x.room = x.cpu-most.cpu, x.mem-most.mem, x.room-most.tasks
	x.hideWhole(most.devices)
	return x
}

// hideWhole takes wholly free devices away from a copy of a node, the last first.
func (nd *node) hideWhole(count int) {
	for i := int(nd.devices) - 1; i >= 0 && count > 0; i-- {
		if nd.usable(i) == int16(unit.Whole) {
			nd.hidden |= 1 << i
			count--
		}
	}
	nd.summarise()
}

// Surplus lists the work of node n that has to leave, as portions of the node are
// kept for other queues by now: the least important, and of these the latest started,
// and no more than that.
func (c *Capacity) Surplus(n int32, now unit.Instant) []AllocID {
	if !c.hasParts(n) {
		return nil
	}
	var pool []AllocID
	for _, id := range c.onNode[n] {
		if a := &c.allocs[id]; !a.Evicting && !c.withinPart(n, now, a.Queue) {
			pool = append(pool, id)
		}
	}
	slices.SortStableFunc(pool, func(x, y AllocID) int {
		a, b := &c.allocs[x], &c.allocs[y]
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Start, b.Start))
	})
	least := c.lacking(n, now, pool)
	for k := 0; k < len(pool); { // the most important first
		if rest := slices.Delete(slices.Clone(pool), k, k+1); c.lacking(n, now, rest) == least {
			pool = rest
		} else {
			k++
		}
	}
	return pool
}

// lacking returns what node n lacks of what is kept of it when some work has left.
func (c *Capacity) lacking(n int32, now unit.Instant, gone []AllocID) keptBack {
	runs := func(id AllocID, a *Alloc) bool { return !a.Evicting && !slices.Contains(gone, id) }
	k, nd := c.keptAt(n, now, queuePair{}, runs, 0), c.only(n, runs)
	return keptBack{cpu: max(k.cpu-nd.cpu, 0), mem: max(k.mem-nd.mem, 0), tasks: max(k.tasks-nd.room, 0), devices: max(k.devices-bits.OnesCount16(nd.whole()), 0)}
}

// withinPart reports whether a queue has a part of node n that is open, and uses no
// more than it.
func (c *Capacity) withinPart(n int32, now unit.Instant, queue int16) bool {
	left, open := c.unusedPart(n, now, queue, 0)
	return open && left.cpu >= 0 && left.mem >= 0 && left.devices >= 0
}

// unusedPart returns what a queue does not use of what is kept for it on node n by now,
// below zero where it uses more, and whether anything is. It may take more devices.
func (c *Capacity) unusedPart(n int32, now unit.Instant, queue int16, devices uint16) (left portion, open bool) {
	for i := range c.parts[n] {
		if p := &c.parts[n][i]; p.queue == queue && p.From <= now && p.To > now {
			left.cpu, left.mem, left.devices = left.cpu+p.cpu, left.mem+p.mem, left.devices+p.devices
			open = true
		}
	}
	for _, id := range c.onNode[n] {
		if a := &c.allocs[id]; a.Queue == queue && !a.Evicting {
			left.cpu, left.mem = left.cpu-a.CPU, left.mem-a.Memory
			devices |= a.Devices
		}
	}
	left.devices -= bits.OnesCount16(devices)
	return left, open
}
