package sched

import (
	"fmt"
	"math/bits"

	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// Verifier checks plans against the declared fleet and the running
// allocations. It reads none of the caches that Decide uses and shares none of
// its code: what a node has left is summed up again from what runs there.
type Verifier struct {
	touched []int32
	work    map[int32]*load
	free    []*load
	jobs    map[job.ID]int
	power   powerCheck
	cycles  uint64          // with work of queues
	left    []tally         // what queues use without what the plan takes back; nil = nothing yet
	taken   map[job.ID]bool // jobs that the plan took work of
}

// load is what a node holds, as the verifier counts it.
type load struct {
	cpu, mem      int64
	tasks         int
	dev           [fleet.MaxDevices]int32
	parts         [fleet.MaxDevices]struct{ compute, memory int }
	partedDevices uint16
}

// Verify returns an error that names the first thing wrong with a plan: a
// placement on a node that is closed, of a wrong model or too full; a device
// over-allocated; a gang in parts; a topology wish that must hold and does
// not; a preemption of work that is not lower in priority.
func (v *Verifier) Verify(s *Snapshot, p *Plan, now unit.Instant) error {
	v.reset()
	for i := range p.Preemptions {
		if err := v.preemption(s, &p.Preemptions[i]); err != nil {
			return err
		}
		v.leave(s, &p.Preemptions[i])
	}
	if err := v.moves(s, p); err != nil {
		return err
	}
	for i := 0; i < len(p.Placements); {
		j := i + 1
		for j < len(p.Placements) && p.Placements[j].Job == p.Placements[i].Job {
			j++
		}
		if err := v.jobPlacements(s, p.Placements[i:j], now); err != nil {
			return err
		}
		i = j
	}
	if err := v.quotas(s, p); err != nil {
		return err
	}
	if err := v.checkBudgets(s, p, now); err != nil {
		return err
	}
	if err := v.checkPortions(s, p, now); err != nil {
		return err
	}
	return v.checkPower(s, p)
}

// runningOf counts the tasks of a job that hold something.
func (s *Snapshot) runningOf(id job.ID) int {
	n := 0
	for i := range s.Capacity.allocs {
		if s.Capacity.allocs[i].Job == id {
			n++
		}
	}
	return n
}

func (v *Verifier) reset() {
	if v.work == nil {
		v.work = map[int32]*load{}
		v.jobs = map[job.ID]int{}
	}
	for _, n := range v.touched {
		v.free = append(v.free, v.work[n])
		delete(v.work, n)
	}
	v.touched = v.touched[:0]
	clear(v.jobs)
	clear(v.taken)
	v.left = nil
}

func (v *Verifier) preemption(s *Snapshot, p *Preemption) error {
	if int(p.Alloc) < 0 || int(p.Alloc) >= len(s.Capacity.allocs) {
		return fmt.Errorf("preemption of allocation %d, which does not exist", p.Alloc)
	}
	a := &s.Capacity.allocs[p.Alloc]
	e := s.Waiting.at(p.Handle)
	switch {
	case a.Job == 0:
		return fmt.Errorf("preemption of allocation %d, which is not running", p.Alloc)
	case e == nil || e.job != p.For:
		return fmt.Errorf("preemption for %s, which is not waiting", p.For)
	case p.Reclaim:
		return v.reclaim(s, a, e)
	case s.Quotas != nil && a.Queue != 0 && a.Queue != s.Quotas.byName[e.spec.Queue] && v.guaranteed(s, a):
		return fmt.Errorf("preemption of %s, which is inside the guarantee of another queue", a.Job)
	case !a.Preemptible:
		return fmt.Errorf("preemption of %s, which is not preemptible", a.Job)
	case a.Priority >= e.spec.Priority:
		return fmt.Errorf("preemption of %s at priority %d for %s at %d", a.Job, a.Priority, p.For, e.spec.Priority)
	}
	return nil
}

// jobPlacements checks the placements of one job.
func (v *Verifier) jobPlacements(s *Snapshot, ps []Placement, now unit.Instant) error {
	first := &ps[0]
	e := s.Waiting.at(first.Handle)
	if e == nil || e.job != first.Job {
		return fmt.Errorf("placement of %s, which is not waiting", first.Job)
	}
	if v.jobs[first.Job] != 0 {
		return fmt.Errorf("%s is placed twice", first.Job)
	}
	if e.asks != nil || len(ps) > 1 || e.spec.Gang {
		v.jobs[first.Job] = len(ps)
	} else if len(v.jobs) > 0 || len(ps) != 1 {
		v.jobs[first.Job] = 1
	}
	if most := int(e.spec.Parallel); most > 0 && s.runningOf(first.Job)+len(ps) > most {
		return fmt.Errorf("%d tasks of %s are placed beside %d that run: %d may", len(ps), first.Job, s.runningOf(first.Job), most)
	}
	if e.spec.Gang && len(ps) != e.waitingTasks() {
		return fmt.Errorf("gang %s is placed in part: %d of %d tasks", first.Job, len(ps), e.waitingTasks())
	}
	last := int32(-1)
	for i := range ps {
		p := &ps[i]
		if p.Task <= last && i > 0 {
			return fmt.Errorf("%s/%d is placed twice or out of order", p.Job, p.Task)
		}
		last = p.Task
		r := e.request(p.Task)
		if r == nil {
			return fmt.Errorf("%s has no task %d to place", p.Job, p.Task)
		}
		if err := v.placement(s, p, e, r, now); err != nil {
			return err
		}
	}
	return v.topology(s, e.spec, ps)
}

// placement checks one task against its node and books it.
func (v *Verifier) placement(s *Snapshot, p *Placement, e *entry, r *job.Request, now unit.Instant) error {
	c := s.Capacity
	if p.Node < 0 || int(p.Node) >= len(c.specs) {
		return fmt.Errorf("%s/%d on node %d, which does not exist", p.Job, p.Task, p.Node)
	}
	n := &c.specs[p.Node]
	if n.Health != fleet.Healthy || n.Cordoned || n.Drain || n.ShortOfDisk {
		return fmt.Errorf("%s/%d on node %s, which takes no work", p.Job, p.Task, n.ID)
	}
	if e.spec.Site != "" && n.Place.Site != e.spec.Site {
		return fmt.Errorf("%s/%d on node %s at site %q, planned for %q", p.Job, p.Task, n.ID, n.Place.Site, e.spec.Site)
	}
	for _, w := range n.Maintenance {
		if now >= w.From && now < w.To {
			return fmt.Errorf("%s/%d on node %s inside a maintenance window", p.Job, p.Task, n.ID)
		}
	}
	if err := v.unbooked(c, p, e.spec.Queue, now); err != nil {
		return err
	}
	if err := v.model(c, p, r, n); err != nil {
		return err
	}
	l := v.load(c, p.Node)
	l.cpu += int64(r.CPU)
	l.mem += int64(r.Memory)
	l.tasks++
	if n.Tasks > 0 && l.tasks > n.Tasks {
		return fmt.Errorf("%s/%d on node %s: %d tasks where %d may run", p.Job, p.Task, n.ID, l.tasks, n.Tasks)
	}
	if l.cpu > int64(n.CPU) {
		return fmt.Errorf("%s/%d on node %s: %d milli CPU granted of %d", p.Job, p.Task, n.ID, l.cpu, n.CPU)
	}
	if l.mem > int64(n.Memory) {
		return fmt.Errorf("%s/%d on node %s: %d MiB granted of %d", p.Job, p.Task, n.ID, l.mem, n.Memory)
	}
	if a := &p.Alloc; a.Job != p.Job || a.Task != p.Task || a.Node != p.Node || a.Devices != p.Devices ||
		int64(a.CPU) != int64(r.CPU) || int64(a.Memory) != int64(r.Memory) {
		return fmt.Errorf("%s/%d: the grant differs from the placement", p.Job, p.Task)
	}
	return v.devices(c, p, r, n, l)
}

func (v *Verifier) model(c *Capacity, p *Placement, r *job.Request, n *fleet.Node) error {
	if bits.OnesCount16(p.Devices) != r.Accelerators {
		return fmt.Errorf("%s/%d on node %s: %d devices granted, %d asked", p.Job, p.Task, n.ID, bits.OnesCount16(p.Devices), r.Accelerators)
	}
	if r.Accelerators == 0 {
		return nil
	}
	ok := len(r.Models) == 0
	for _, m := range r.Models {
		ok = ok || m == n.Model
	}
	if !ok || !able(c.traits[n.Model], &r.Capability) && (r.Capability.MinMemory > 0 || r.Capability.Stack != "" || len(r.Capability.Precisions) > 0) {
		return fmt.Errorf("%s/%d on node %s: model %s is not accepted", p.Job, p.Task, n.ID, n.Model)
	}
	return nil
}

// devices books the devices of a placement and checks that none is granted
// beyond a whole.
func (v *Verifier) devices(c *Capacity, p *Placement, r *job.Request, n *fleet.Node, l *load) error {
	for m := p.Devices; m != 0; m &= m - 1 {
		i := bits.TrailingZeros16(m)
		if i >= len(n.Devices) || n.Devices[i].Cordoned || n.Devices[i].Health != fleet.Healthy {
			return fmt.Errorf("%s/%d on node %s: device %d takes no work", p.Job, p.Task, n.ID, i)
		}
		if r.Partition != "" {
			if err := v.partition(c, p, r, n, l, i); err != nil {
				return err
			}
			continue
		}
		l.dev[i] += int32(r.Share)
		if l.dev[i] > int32(unit.Whole) || l.partedDevices>>i&1 != 0 {
			return fmt.Errorf("%s/%d on node %s: device %d over-allocated", p.Job, p.Task, n.ID, i)
		}
	}
	return nil
}

func (v *Verifier) partition(c *Capacity, p *Placement, r *job.Request, n *fleet.Node, l *load, i int) error {
	t := c.traits[n.Model]
	for _, q := range t.Profiles {
		if q.Name == r.Partition {
			l.parts[i].compute += q.Compute
			l.parts[i].memory += q.Memory
			l.partedDevices |= 1 << i
			if l.dev[i] > 0 || l.parts[i].compute > t.ComputeSlices || l.parts[i].memory > t.MemorySlices {
				return fmt.Errorf("%s/%d on node %s: device %d has no room for partition %s", p.Job, p.Task, n.ID, i, r.Partition)
			}
			return nil
		}
	}
	return fmt.Errorf("%s/%d on node %s: %s offers no partition %s", p.Job, p.Task, n.ID, n.Model, r.Partition)
}

// load sums up what runs on a node.
func (v *Verifier) load(c *Capacity, n int32) *load {
	if l := v.work[n]; l != nil {
		return l
	}
	var l *load
	if k := len(v.free); k > 0 {
		l = v.free[k-1]
		v.free = v.free[:k-1]
		*l = load{}
	} else {
		l = &load{}
	}
	for _, id := range c.onNode[n] {
		a := &c.allocs[id]
		l.cpu += int64(a.CPU)
		l.mem += int64(a.Memory)
		l.tasks++
		for m := a.Devices; m != 0; m &= m - 1 {
			i := bits.TrailingZeros16(m)
			if a.Profile == 0 {
				l.dev[i] += int32(a.Share)
				continue
			}
			q := c.profiles[a.Profile-1].on[c.nodes[n].model]
			l.parts[i].compute += int(q.compute)
			l.parts[i].memory += int(q.memory)
			l.partedDevices |= 1 << i
		}
	}
	v.work[n] = l
	v.touched = append(v.touched, n)
	return l
}

// topology checks a wish that must hold.
func (v *Verifier) topology(s *Snapshot, spec *job.Spec, ps []Placement) error {
	if spec.Topology.Mode != job.Must || len(ps) < 2 {
		return nil
	}
	level := spec.Topology.Level
	want := s.Capacity.specs[ps[0].Node].Domain(level)
	for i := 1; i < len(ps); i++ {
		if s.Capacity.specs[ps[i].Node].Domain(level) != want {
			return fmt.Errorf("gang %s leaves its topology domain", ps[0].Job)
		}
	}
	return nil
}

// moves books every moved task where it goes and checks that it fits there, in
// the order given, so that a placement may use what moves leave.
func (v *Verifier) moves(s *Snapshot, p *Plan) error {
	c := s.Capacity
	for i := range p.Moves {
		m := &p.Moves[i]
		if int(m.Alloc) < 0 || int(m.Alloc) >= len(c.allocs) || c.allocs[m.Alloc].Job != m.Job || m.Job == 0 || c.allocs[m.Alloc].Task != m.Task {
			return fmt.Errorf("move of %s/%d, which is not running as allocation %d", m.Job, m.Task, m.Alloc)
		}
		if m.Node < 0 || int(m.Node) >= len(c.specs) {
			return fmt.Errorf("move of %s/%d to node %d, which does not exist", m.Job, m.Task, m.Node)
		}
		for k := range p.Moves[:i] {
			if p.Moves[k].Alloc == m.Alloc {
				return fmt.Errorf("%s/%d is moved twice", m.Job, m.Task)
			}
		}
		a, to := &c.allocs[m.Alloc], &c.specs[m.Node]
		if to.Health != fleet.Healthy || to.Cordoned || to.Drain || to.ShortOfDisk || a.Profile != 0 || c.shapes[a.Shape].Accept>>c.nodes[m.Node].model&1 == 0 && a.Devices != 0 ||
			bits.OnesCount16(m.Devices) != bits.OnesCount16(a.Devices) {
			return fmt.Errorf("move of %s/%d to node %s, which may not run it", m.Job, m.Task, to.ID)
		}
		from, l := v.load(c, a.Node), v.load(c, m.Node)
		from.cpu -= int64(a.CPU)
		from.mem -= int64(a.Memory)
		from.tasks, l.tasks = from.tasks-1, l.tasks+1
		l.cpu += int64(a.CPU)
		l.mem += int64(a.Memory)
		for b := a.Devices; b != 0; b &= b - 1 {
			from.dev[bits.TrailingZeros16(b)] -= int32(a.Share)
		}
		for b := m.Devices; b != 0; b &= b - 1 {
			k := bits.TrailingZeros16(b)
			if k >= len(to.Devices) || to.Devices[k].Cordoned || to.Devices[k].Health != fleet.Healthy || l.partedDevices>>k&1 != 0 {
				return fmt.Errorf("move of %s/%d to node %s: device %d takes no work", m.Job, m.Task, to.ID, k)
			}
			if l.dev[k] += int32(a.Share); l.dev[k] > int32(unit.Whole) {
				return fmt.Errorf("move of %s/%d to node %s: device %d over-allocated", m.Job, m.Task, to.ID, k)
			}
		}
		if l.cpu > int64(to.CPU) || l.mem > int64(to.Memory) || to.Tasks > 0 && l.tasks > to.Tasks {
			return fmt.Errorf("move of %s/%d to node %s, which has no room", m.Job, m.Task, to.ID)
		}
	}
	return nil
}
