package sched

import (
	"cmp"
	"math/bits"
	"slices"

	"tianfu/job"
	"tianfu/unit"
)

// migrating is tianfu with a budget of moves: when a task for one device fits
// nowhere, up to two small tasks are moved off a device into rests elsewhere,
// so that the device is free for it. The budget is in moves for each thousand
// tasks that arrived.
type migrating struct {
	*tianfu
	perThousand int64
}

// Bounds of a search for moves.
const (
	defaultMoves   = 50 // for each thousand arrived tasks
	movesForTask   = 2
	deviceAttempts = 16
)

func newMigrating(c *Capacity, args []int64) migrating {
	p := migrating{newTianfu(c), defaultMoves}
	if len(args) == 1 {
		p.perThousand = args[0]
	}
	return p
}

// allowance returns how many moves the budget still holds after so many.
func (p migrating) allowance(moved int64) int64 { return p.total*p.perThousand/1000 - moved }

// vacatable is a device that a task could have if what it runs moved away.
type vacatable struct {
	node   int32
	device uint16
	used   int16
}

// migrate tries to place a task by moving others. On failure nothing is
// changed.
func (d *Decider) migrate(p migrating, t *task, i int32) bool {
	s := &d.Capacity.shapes[t.ask.Shape]
	if s.Count != 1 || s.Profile != 0 || p.allowance(d.Moved+int64(len(d.plan.Moves))) < 1 || len(d.held) > 0 {
		return false
	}
	spec := d.Waiting.entries[i].spec
	for _, v := range d.vacatable(s, t.ask.Memory) {
		mark, kept := len(d.journal), len(d.plan.Moves)
		if d.vacate(p, &v, s) && d.Capacity.excludes(v.node, s) == None {
			if devices, cause := d.admit(v.node, t, spec); cause == None {
				d.propose(t, i, v.node, devices)
				return true
			}
		}
		d.undo(mark)
		d.plan.Moves = d.plan.Moves[:kept]
	}
	return false
}

// vacatable lists the devices with least to move, bounded in number.
func (d *Decider) vacatable(s *Shape, memory int32) []vacatable {
	c := d.Capacity
	var out []vacatable
	for n := range c.nodes {
		nd := &c.nodes[n]
		if nd.blocked != None || s.Accept>>nd.model&1 == 0 || nd.sum < int32(s.Share) && nd.sum < 300 {
			continue
		}
		for k := range int(nd.devices) {
			if g := nd.usable(k); g > 0 && g < s.Share && g >= int16(unit.Whole)/4 {
				out = append(out, vacatable{int32(n), 1 << k, int16(unit.Whole) - g})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b vacatable) int { return cmp.Compare(a.used, b.used) })
	return out[:min(len(out), deviceAttempts)]
}

// vacate moves what runs on a device elsewhere, as far as the shape needs.
func (d *Decider) vacate(p migrating, v *vacatable, s *Shape) bool {
	c := d.Capacity
	var there []AllocID
	for _, id := range c.onNode[v.node] {
		if c.allocs[id].Devices&v.device != 0 {
			there = append(there, id)
		}
	}
	if len(there) > movesForTask || p.allowance(d.Moved+int64(len(d.plan.Moves))) < int64(len(there)) {
		return false
	}
	device := bits.TrailingZeros16(v.device)
	for _, id := range there {
		if c.nodes[v.node].usable(device) >= s.Share {
			break
		}
		a := c.allocs[id]
		if a.Profile != 0 || a.Evicting || a.Suspended || d.proposed(&a) {
			return false
		}
		d.withdraw(id)
		n, devices, ok := d.elsewhere(&a, v.node)
		if !ok {
			return false
		}
		to := a
		to.Node, to.Devices = n, devices
		d.journal = append(d.journal, step{id: c.add(to), alloc: to, moved: true})
		d.charge(&to, 1)
		d.plan.Moves = append(d.plan.Moves, Move{Alloc: id, Job: a.Job, Task: a.Task, Node: n, Devices: devices})
	}
	return c.nodes[v.node].usable(device) >= s.Share
}

// proposed tells what this cycle has placed or moved itself: it does not run
// there yet, so it cannot be moved.
func (d *Decider) proposed(a *Alloc) bool {
	return a.Attempt == 0 || slices.ContainsFunc(d.plan.Moves, func(m Move) bool { return m.Job == a.Job && m.Task == a.Task })
}

// elsewhere finds a partly used device on another node for a running task: a
// move must not open a device that a whole task could have.
func (d *Decider) elsewhere(a *Alloc, from int32) (int32, uint16, bool) {
	x := d.Index
	si := x.sync(a.Shape)
	t := task{job: a.Job, ask: Ask{a.Shape, a.Memory}, tenant: a.Tenant, priority: a.Priority, preempt: a.Preemptible}
	spec := &job.Spec{}
	if a.End != unit.Never {
		spec.ExpectedRun = max(a.End.Sub(d.now), 1)
	}
	barred := d.barred
	d.barred = 0 // of the task that waits, not of this one
	defer func() { d.barred = barred }()
	var why Reason
	best, set, least := int32(-1), uint16(0), int64(0)
	for _, b := range si.order {
		for n := si.buckets[b].nodes.next(0); n >= 0 && si.buckets[b].nodes.count > 0; n = si.buckets[b].nodes.next(n + 1) {
			devices, cause := d.admit(n, &t, spec)
			if cause != None || n == from || d.Quotas != nil && d.Capacity.nodes[n].model != d.Capacity.nodes[from].model {
				why.Excluded[cause]++
				continue
			}
			if g := d.Capacity.nodes[n].usable(bits.TrailingZeros16(devices)); g < int16(unit.Whole) {
				if v := si.buckets[b].key; best < 0 || v < least {
					best, set, least = n, devices, v
				}
				break
			}
		}
	}
	return best, set, best >= 0
}
