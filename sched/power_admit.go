package sched

import (
	"tianfu/job"
	"tianfu/unit"
)

// This file is where a decision meets the power tree: what a task adds on a
// node, whether every area around the node may draw that much more, and how a
// reservation keeps power for the head of the line.

// drawWith returns what node n draws with a task of a shape on devices. For
// protected work a cap on the node is lifted.
func (c *Capacity) drawWith(n int32, s *Shape, devices uint16, priority int32) int64 {
	t := c.power
	if priority >= t.p.Protect {
		t.nodes[n].firm++
		defer func() { t.nodes[n].firm-- }()
	}
	l := c.drawnOf(&c.nodes[n])
	if t.nodes[n].still > 0 {
		c.without(&l, n, false)
	}
	l.add(s, devices)
	return t.heldTo(c, n, &l)
}

func (l *drawn) add(s *Shape, devices uint16) {
	l.cpu += s.CPU
	if s.Profile != 0 {
		l.parted |= devices
		return
	}
	for i := range l.dev {
		if devices>>i&1 != 0 {
			l.dev[i] += s.Share
		}
	}
}

// leastOf returns a lower bound of what a task of a shape adds on any node.
func (t *powerTree) leastOf(c *Capacity, s *Shape) int64 {
	for int(s.ID) >= len(t.least) {
		t.least = append(t.least, -1)
	}
	least := t.least[s.ID]
	if least < 0 {
		least = Unlimited
		for i := range c.kinds {
			k := &c.kinds[i]
			if k.CPU < s.CPU || s.Count > 0 && (k.Devices < uint8(s.Count) || s.Accept>>k.Model&1 == 0) {
				continue
			}
			least = min(least, k.leastAdded(s))
		}
		t.least[s.ID] = least
	}
	if t.capped > 0 {
		return least * int64(CapLevels[len(CapLevels)-1]) / Uncapped
	}
	return least
}

// leastAdded is the lower bound on nodes of a kind; a few milliwatts are taken
// off for rounding.
func (k *Kind) leastAdded(s *Shape) int64 {
	m := &k.Power
	w := unit.Watts(0)
	if m.CoresPerPackage == 0 {
		w += m.CPUWatts(unit.MilliCPU(s.CPU)) - m.CPUWatts(0)
	}
	switch {
	case s.Profile != 0 || s.Count == 0:
	case s.Share == int16(unit.Whole):
		w += unit.Watts(float64(s.Count) * float64(m.DeviceWatts(unit.Whole)-m.DeviceWatts(0)))
	case m.Linear:
		w += m.DeviceWatts(unit.Milli(s.Share)) - m.DeviceWatts(0)
	}
	return max(int64(float64(w)*1000)-4, 0)
}

// behind tells whether suspended work of an area goes before new work of a
// priority.
func (y *areaNow) behind(priority int32) bool { return y.suspended > 0 && priority <= y.floor }

// powered checks every area around a node for a task on devices of it.
func (d *Decider) powered(n int32, t *task, spec *job.Spec, devices uint16) Cause {
	c := d.Capacity
	if c.power.leaf[n] < 0 {
		return None
	}
	s := &c.shapes[t.ask.Shape]
	more := c.drawWith(n, s, devices, t.priority) - c.power.nodes[n].draw
	if cause := d.bears(n, t, spec, more); cause != None || c.power.nodes[n].still == 0 {
		return cause
	}
	return d.staysWithin(n, s, devices, t.priority, more)
}

// staysWithin checks a task that adds little beside work that leaves: what the two
// draw together - a divided device, a package of cores - would have gone with that
// work, and now stays.
func (d *Decider) staysWithin(n int32, s *Shape, devices uint16, priority int32, more int64) Cause {
	c, t := d.Capacity, d.Capacity.power
	if priority >= t.p.Protect {
		t.nodes[n].firm++
		defer func() { t.nodes[n].firm-- }()
	}
	l := c.drawnOf(&c.nodes[n])
	c.without(&l, n, true)
	l.add(s, devices)
	later := t.heldTo(c, n, &l) - t.nodes[n].settled
	if later <= more {
		return None
	}
	for a := t.leaf[n]; a >= 0; a = t.areas[a].parent {
		if y := &t.areas[a]; y.settled+later > y.budget {
			d.blame(a, later, priority)
			return PowerCap
		}
	}
	return None
}

// bears checks every area around a node for a task that adds so much more.
func (d *Decider) bears(n int32, t *task, spec *job.Spec, more int64) Cause {
	tree := d.Capacity.power
	for a := tree.leaf[n]; a >= 0; a = tree.areas[a].parent {
		if y := &tree.areas[a]; y.draw+more > y.budget && more > 0 || y.behind(t.priority) {
			d.blame(a, more, t.priority)
			return PowerCap
		}
	}
	for i := range d.kept {
		if k := &d.kept[i]; t.job != k.held.Job && d.expectedEnd(spec, n) > k.at && !d.besidePower(k, n, more) {
			return Reserved
		}
	}
	return None
}

// poweredOn does the same for a copy of node n from which work was taken.
func (d *Decider) poweredOn(n int32, nd *node, s *Shape, priority int32) bool {
	c := d.Capacity
	tree := c.power
	x := *nd
	x.placeOn(s, 0)
	l := c.drawnOf(&x)
	to := tree.heldTo(c, n, &l)
	if priority >= tree.p.Protect {
		to = milliwatts(&c.kinds[c.nodes[n].kind], &l)
	}
	more := to - tree.nodes[n].draw
	for a := tree.leaf[n]; a >= 0; a = tree.areas[a].parent {
		if y := &tree.areas[a]; y.draw+more > y.budget && more > 0 || y.behind(priority) {
			return false
		}
	}
	return true
}

// neverPowered tells whether a node could not bear a task even if all other work
// on it left.
func (d *Decider) neverPowered(n int32, s *Shape, priority int32) bool {
	c := d.Capacity
	tree := c.power
	more := tree.kinds[c.nodes[n].kind].idle + tree.leastOf(c, s) - tree.nodes[n].draw
	for a := tree.leaf[n]; a >= 0; a = tree.areas[a].parent {
		if y := &tree.areas[a]; more > 0 && y.draw+more > y.budget || y.behind(priority) {
			return true
		}
	}
	return false
}

// powerHold is power kept for a head of the line from an instant on.
type powerHold struct {
	at    unit.Instant
	areas []keptPower
	// What is kept was worked out with this; counted tells that what ends by then
	// frees is in it. Most cycles never need to know.
	held    *Reservation
	adds    []int64
	counted bool
}

// powerFreed is the scratch of a look at expected ends, zero between uses.
type powerFreed struct {
	freed []int64 // by area
	nodes []int32 // whose draw has fallen
	draws []int64 // by node, of those
	left  []node  // by node, what is left of those
	seen  []bool
}

// keptPower is what the head leaves over of an area, or less than that while
// what ends is not counted.
type keptPower struct {
	area  int32
	extra int64
}

// tookPower is what a proposal took of that, so that it can be given back.
type tookPower struct {
	placement, hold, area int32
	milliwatts            int64
}

func (d *Decider) besidePower(h *powerHold, n int32, more int64) bool {
	for i := range h.areas {
		k := &h.areas[i]
		if more <= k.extra || !d.Capacity.Inside(n, k.area) {
			continue
		}
		if d.countFreed(h); more > k.extra {
			return false
		}
	}
	return true
}

func (d *Decider) takePower(a *Alloc) {
	c := d.Capacity
	more := c.drawWith(a.Node, &c.shapes[a.Shape], a.Devices, a.Priority) - c.power.nodes[a.Node].draw
	for i := range d.kept {
		h := &d.kept[i]
		if a.Job == h.held.Job || a.End <= h.at {
			continue
		}
		for j := range h.areas {
			if k := &h.areas[j]; c.Inside(a.Node, k.area) {
				k.extra -= more
				d.tookPower = append(d.tookPower, tookPower{int32(len(d.plan.Placements)), int32(i), int32(j), more})
			}
		}
	}
}

// givePower takes back what proposals from a number on took of what is kept.
func (d *Decider) givePower(placements int) {
	log := d.tookPower
	for len(log) > 0 && int(log[len(log)-1].placement) >= placements {
		x := &log[len(log)-1]
		d.kept[x.hold].areas[x.area].extra += x.milliwatts
		log = log[:len(log)-1]
	}
	d.tookPower = log
}

// withPower moves a reservation to when power allows it as well: the earliest
// expected end from which on every area around its nodes could carry the head.
// Where only power lacks there is no reservation yet, and the first node that
// would do is taken. It returns nil when no expected end frees enough.
func (d *Decider) withPower(e *entry, r *Reservation) *Reservation {
	if r == nil || d.lacks != (PowerShort{}) && len(d.tasks) == 1 && r.At > d.now {
		if n := d.anyNode(e); n >= 0 {
			r = &Reservation{Job: e.job, At: d.now, Nodes: []HeldNode{{Node: n, Tasks: d.oneTask(e)}}}
		}
	}
	if r == nil {
		return nil
	}
	adds := d.addsOf(e, r)
	found := d.fitsPower(r, adds)
	if !found {
		reached := false // the instant of the reservation, which need not be one of an end
		d.eachEnd(func(t unit.Instant, a *Alloc) bool {
			if t > r.At && !reached {
				if reached = true; d.fitsPower(r, adds) {
					found = true
					return false
				}
			}
			d.ends(a, t)
			if t < r.At || !d.fitsPower(r, adds) {
				return true
			}
			found, r.At = true, t
			return false
		})
		found = found || !reached && d.fitsPower(r, adds)
	}
	d.forget()
	if !found {
		return nil
	}
	return r
}

// anyNode returns the first node that could run the single task now but for
// power.
func (d *Decider) anyNode(e *entry) int32 {
	c := d.Capacity
	t := &d.tasks[0]
	si := d.Index.sync(t.ask.Shape)
	for _, b := range si.order {
		for n := si.buckets[b].nodes.next(0); n >= 0 && si.buckets[b].nodes.count > 0; n = si.buckets[b].nodes.next(n + 1) {
			if c.nodes[n].mem < t.ask.Memory || c.windows > 0 && d.entersWindow(n, e.spec) {
				continue
			}
			if !c.hasParts(n) {
				return n
			}
			if nd := d.openFor(e, n, d.now); nd.slots(&c.shapes[t.ask.Shape], t.ask.Memory) > 0 {
				return n
			}
		}
	}
	return -1
}

// addsOf returns what the head adds on each node of its reservation.
func (d *Decider) addsOf(e *entry, r *Reservation) []int64 {
	c := d.Capacity
	out := make([]int64, len(r.Nodes))
	for i := range r.Nodes {
		h := &r.Nodes[i]
		nd := d.nodeAt(h.Node, r.At)
		before := c.drawnOf(&nd)
		for g, count := range h.Tasks {
			for range count {
				nd.placeOn(d.shapeOf(e, g), d.askOf(e, g).Memory)
			}
		}
		after := c.drawnOf(&nd)
		out[i] = c.power.heldTo(c, h.Node, &after) - c.power.heldTo(c, h.Node, &before)
	}
	return out
}

// ends notes what the end of an allocation by t frees in every area around it.
// Ends come in their order; what was told to leave is gone at the first.
func (d *Decider) ends(a *Alloc, t unit.Instant) {
	h, n := &d.power, a.Node
	switch seen := d.sees(n); {
	case d.isHeld[n] != 0:
		h.left[n] = d.nodeAt(n, t)
	case !seen:
		h.left[n] = d.nodeAt(n, d.now)
		fallthrough
	default:
		if !a.Evicting {
			h.left[n].release(a)
		}
	}
	d.falls(n, &h.left[n])
}

// sees begins to follow the draw of a node, and tells whether it was followed.
func (d *Decider) sees(n int32) bool {
	c, h := d.Capacity, &d.power
	if len(h.draws) < len(c.nodes) || len(h.freed) < len(c.power.areas) {
		h.draws, h.seen, h.left, h.freed = make([]int64, len(c.nodes)), make([]bool, len(c.nodes)), make([]node, len(c.nodes)), make([]int64, len(c.power.areas))
	}
	if h.seen[n] {
		return true
	}
	h.seen[n], h.draws[n] = true, c.power.nodes[n].draw
	h.nodes = append(h.nodes, n)
	return false
}

// falls books that the draw of a node falls to what is left running on it.
func (d *Decider) falls(n int32, nd *node) {
	c, h := d.Capacity, &d.power
	l := c.drawnOf(nd)
	to := min(c.power.heldTo(c, n, &l), h.draws[n])
	for k := c.power.leaf[n]; k >= 0; k = c.power.areas[k].parent {
		h.freed[k] += h.draws[n] - to
	}
	h.draws[n] = to
}

// forget clears what ends has noted.
func (d *Decider) forget() {
	for _, n := range d.power.nodes {
		d.power.seen[n] = false
		for a := d.Capacity.power.leaf[n]; a >= 0; a = d.Capacity.power.areas[a].parent {
			d.power.freed[a] = 0
		}
	}
	d.power.nodes = d.power.nodes[:0]
}

// left returns what an area has left with what was noted as freed and without
// what the head adds in it.
func (d *Decider) left(area int32, r *Reservation, adds []int64) int64 {
	y := &d.Capacity.power.areas[area]
	if y.budget == Unlimited {
		return Unlimited
	}
	left := y.budget - y.draw
	if int(area) < len(d.power.freed) {
		left += d.power.freed[area]
	}
	for i := range r.Nodes {
		if d.Capacity.Inside(r.Nodes[i].Node, area) {
			left -= adds[i]
		}
	}
	return left
}

func (d *Decider) fitsPower(r *Reservation, adds []int64) bool {
	t := d.Capacity.power
	for i := range r.Nodes {
		for a := t.leaf[r.Nodes[i].Node]; a >= 0; a = t.areas[a].parent {
			if d.left(a, r, adds) < 0 {
				return false
			}
		}
	}
	return true
}

// holdPower keeps power for a head from the instant of its reservation on. Every
// head needs it, not the first alone: work is taken back for each, and what stands
// behind them would start again in the power that this frees, for ever. What ends
// until then is not counted yet: that takes a look at all that runs.
func (d *Decider) holdPower(r *Reservation, adds []int64) {
	t, h := d.Capacity.power, powerHold{at: r.At, held: r, adds: adds}
	for i := range r.Nodes {
		for a := t.leaf[r.Nodes[i].Node]; a >= 0; a = t.areas[a].parent {
			if t.areas[a].budget != Unlimited && !h.keeps(a) {
				h.areas = append(h.areas, keptPower{a, d.left(a, r, h.adds)})
			}
		}
	}
	if len(h.areas) > 0 {
		d.kept = append(d.kept, h)
	}
}

// countFreed adds what is expected to end by the instant of the reservation to
// what a head leaves over.
func (d *Decider) countFreed(h *powerHold) {
	if h.counted {
		return
	}
	h.counted = true
	d.eachEnd(func(at unit.Instant, a *Alloc) bool {
		if at > h.at {
			return false
		}
		d.sees(a.Node)
		return true
	})
	for _, n := range d.power.nodes {
		nd := d.nodeAt(n, h.at)
		d.falls(n, &nd)
	}
	for i := range h.areas {
		k := &h.areas[i]
		k.extra = d.left(k.area, h.held, h.adds)
	}
	d.forget()
}

func (h *powerHold) keeps(area int32) bool {
	for i := range h.areas {
		if h.areas[i].area == area {
			return true
		}
	}
	return false
}
