package sched

import (
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// restriction confines picks to one topology domain while a gang is placed.
type restriction struct {
	level  fleet.Level
	domain int32
	on     bool
}

// pick returns the best node for a task and the devices on it: the best bucket
// first, the lowest rank in it first, skipping nodes that memory, a window, a
// domain or a reservation rules out. When there is none, why has the counts.
func (d *Decider) pick(t *task, spec *job.Spec, why *Reason) (int32, uint16, bool) {
	x := d.Index
	si := x.sync(t.ask.Shape)
	s := &d.Capacity.shapes[t.ask.Shape]
	*why, d.keeper = Reason{}, nil
	if d.Capacity.power != nil {
		d.closeNodes(si, s, t, spec)
	}
	n, devices := d.search(si, s, t, spec, why)
	d.closed.adds = nil // of this task only
	if n >= 0 {
		return n, devices, true
	}
	for cause := Cordoned; cause < NumCauses; cause++ {
		why.Excluded[cause] += si.buckets[cause].nodes.count
	}
	if d.Capacity.power != nil {
		d.shortOf(si, why)
	}
	if why.Excluded[OverBudget] > 0 {
		why.Over = d.budget.short
	}
	if why.Excluded[Booked] > 0 {
		why.Keeper = d.keeper
	}
	why.Considered = int32(len(si.bucket))
	why.dominate()
	return -1, 0, false
}

// search returns the node that the policy prefers of those that take the task.
func (d *Decider) search(si *shapeIndex, s *Shape, t *task, spec *job.Spec, why *Reason) (n int32, devices uint16) {
	if d.closed.all {
		return -1, 0
	}
	switch p := d.Index.policy.(type) {
	case sampler:
		return d.sample(p, si, t, spec, why)
	case Chooser:
		return d.choose(p, si, s, t, spec, why)
	default:
		n = -1
		for _, b := range si.order {
			if si.buckets[b].nodes.count == 0 {
				continue
			}
			if n, devices = d.first(&si.buckets[b].nodes, t, spec, why); n >= 0 {
				break
			}
		}
	}
	return n, devices
}

// first returns the lowest rank of a set that nothing else rules out.
func (d *Decider) first(set *nodeSet, t *task, spec *job.Spec, why *Reason) (int32, uint16) {
	for n := d.nextOpen(set, 0); n >= 0; n = d.nextOpen(set, n+1) {
		if devices, cause := d.admit(n, t, spec); cause == None {
			return n, devices
		} else {
			why.Excluded[cause]++
		}
	}
	return -1, 0
}

// elsewhere tells whether a plan in time has the job run at another site than
// that of node n.
func (c *Capacity) elsewhere(n int32, spec *job.Spec) bool {
	return spec.Site != "" && c.specs[n].Place.Site != spec.Site
}

// nextOpen returns the lowest member of a set at or above n that power does not
// rule out.
func (d *Decider) nextOpen(set *nodeSet, n int32) int32 {
	if d.closed.nodes == nil {
		return set.next(n)
	}
	return set.nextBut(n, d.closed.nodes)
}

// admit checks what the buckets do not know and returns the devices to take.
func (d *Decider) admit(n int32, t *task, spec *job.Spec) (uint16, Cause) {
	c := d.Capacity
	if c.nodes[n].mem < t.ask.Memory {
		return 0, NoMemory
	}
	if d.within.on && c.domains[d.within.level].of(c, d.within.level)[n] != d.within.domain {
		return 0, Topology
	}
	if c.elsewhere(n, spec) {
		return 0, Topology
	}
	if c.windows > 0 && d.entersWindow(n, spec) {
		if d.entersBooked(n, spec) {
			return 0, Booked
		}
		return 0, Maintenance
	}
	if d.barred>>c.nodes[n].model&1 != 0 {
		return 0, OverQuota
	}
	if d.shuts(n) {
		return 0, OverBudget
	}
	if c.hasParts(n) {
		return d.admitBeside(n, t, spec)
	}
	if adds := d.closed.adds; adds != nil && d.isHeld[n] == 0 {
		if cause := d.bears(n, t, spec, adds.of[n]); cause != None {
			return 0, cause
		}
		return d.Index.policy.Devices(c, n, &c.shapes[t.ask.Shape]), None
	}
	devices := d.Index.policy.Devices(c, n, &c.shapes[t.ask.Shape])
	if h := d.isHeld[n]; h != 0 && t.job != d.head {
		var cause Cause
		if devices, cause = d.besideHold(&d.held[h-1], n, t, spec, devices); cause != None {
			return 0, cause
		}
	}
	if c.power != nil {
		return devices, d.powered(n, t, spec, devices)
	}
	return devices, None
}

// admitBeside goes on with a node of which portions are kept for some queue.
func (d *Decider) admitBeside(n int32, t *task, spec *job.Spec) (uint16, Cause) {
	c := d.Capacity
	devices, ok := d.besideParts(n, t, spec, d.Index.policy.Devices(c, n, &c.shapes[t.ask.Shape]))
	if !ok {
		return 0, Booked
	}
	if h := d.isHeld[n]; h != 0 && t.job != d.head && !d.ownPart(n, t, devices) {
		others, cause := d.besideHold(&d.held[h-1], n, t, spec, devices)
		if cause != None {
			return 0, cause
		}
		if others != devices {
			if again, ok := d.besideParts(n, t, spec, others); !ok || again != others {
				return 0, Booked
			}
		}
		devices = others
	}
	if c.power != nil {
		return devices, d.powered(n, t, spec, devices)
	}
	return devices, None
}

// lookahead is how far ahead a window keeps off work whose run time is
// unknown.
const lookahead = 24 * 60 * 60 * 1e9

// entersWindow reports whether a task started now on node n would still run
// when a maintenance window of the node opens.
func (d *Decider) entersWindow(n int32, spec *job.Spec) bool {
	if d.entersBooked(n, spec) {
		return true
	}
	end := d.expectedEnd(spec, n)
	if end == unit.Never {
		end = d.now.Add(lookahead)
	}
	for _, w := range d.Capacity.specs[n].Maintenance {
		if d.now < w.To && end > w.From {
			return true
		}
	}
	return false
}

// choose scores the distinct keys of the feasible nodes and tries them from
// the best down; equal scores tie, and the lowest rank among them wins.
func (d *Decider) choose(p Chooser, si *shapeIndex, s *Shape, t *task, spec *job.Spec, why *Reason) (int32, uint16) {
	x := d.Index
	x.keys, x.picked = x.keys[:0], x.picked[:0]
	for _, b := range si.order {
		if si.buckets[b].nodes.count > 0 {
			x.keys = append(x.keys, si.buckets[b].key)
			x.picked = append(x.picked, b)
		}
	}
	if len(x.keys) == 0 {
		return -1, 0
	}
	if cap(x.scores) < len(x.keys) {
		x.scores = make([]int64, 2*len(x.keys))
	}
	scores := x.scores[:len(x.keys)]
	p.Scores(d.Capacity, s, x.keys, scores)
	for len(scores) > 0 {
		best := scores[0]
		for _, v := range scores[1:] {
			best = max(best, v)
		}
		node, devices, kept := int32(-1), uint16(0), 0
		for i, v := range scores {
			if v != best {
				scores[kept], x.picked[kept] = v, x.picked[i]
				kept++
				continue
			}
			n, dv := d.first(&si.buckets[x.picked[i]].nodes, t, spec, why)
			if n >= 0 && (node < 0 || n < node) {
				node, devices = n, dv
			}
		}
		if node >= 0 {
			return node, devices
		}
		scores = scores[:kept]
	}
	return -1, 0
}

// sample draws among the feasible nodes.
func (d *Decider) sample(p sampler, si *shapeIndex, t *task, spec *job.Spec, why *Reason) (int32, uint16) {
	var fit int32
	for _, b := range si.order {
		set := &si.buckets[b].nodes
		for n := d.nextOpen(set, 0); n >= 0 && set.count > 0; n = d.nextOpen(set, n+1) {
			if _, cause := d.admit(n, t, spec); cause == None {
				fit++
			} else {
				why.Excluded[cause]++
			}
		}
	}
	if fit == 0 {
		return -1, 0
	}
	k := int32(p.draw(t) % uint64(fit))
	for _, b := range si.order {
		set := &si.buckets[b].nodes
		for n := d.nextOpen(set, 0); n >= 0 && set.count > 0; n = d.nextOpen(set, n+1) {
			if devices, cause := d.admit(n, t, spec); cause == None {
				if k == 0 {
					return n, devices
				}
				k--
			}
		}
	}
	return -1, 0
}
