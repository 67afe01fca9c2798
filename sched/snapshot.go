package sched

import (
	"maps"
	"slices"

	"tianfu/fleet"
	"tianfu/job"
)

// This file codes what the scheduler keeps from cycle to cycle, for a snapshot
// of the state. What can be worked out from the declared fleet and from what is
// coded is not; snapshot_test.go lists every field and which it is.

// Code codes who holds what and which nodes take work. A capacity that reads
// must be new, of the same fleet.
func (c *Capacity) Code(x *Coder) {
	x.Section("capacity")
	for n := range c.specs {
		s := &c.specs[n]
		Int(x, &s.Health)
		x.Bool(&s.Cordoned)
		x.Bool(&s.Drain)
		if x.Version >= 5 {
			x.Bool(&s.ShortOfDisk)
		}
		devices := slices.Clone(s.Devices) // the declared fleet stays as it is
		for i := range devices {
			Int(x, &devices[i].Health)
			x.Bool(&devices[i].Cordoned)
		}
		s.Devices = devices
	}
	List(x, &c.shapes, func(s *Shape) { s.code(x) })
	slots := uint64(len(c.allocs))
	x.Uvarint(&slots)
	List(x, &c.unused, func(id *AllocID) { Int(x, id) })
	if x.Reading() {
		if slots > 1<<30 || x.err != nil {
			x.Fail("%d allocations", slots)
			return
		}
		c.allocs = make([]Alloc, min(slots, uint64(len(c.unused))+1<<20))
	}
	for n := range c.onNode {
		List(x, &c.onNode[n], func(id *AllocID) {
			Int(x, id)
			if x.Reading() {
				for int(*id) >= len(c.allocs) && uint64(*id) < slots {
					c.allocs = append(c.allocs, Alloc{})
				}
			}
			if *id < 0 || int(*id) >= len(c.allocs) {
				x.Fail("allocation %d of %d", *id, slots)
				return
			}
			c.allocs[*id].code(x)
		})
	}
	if c.power != nil {
		c.power.code(x)
	}
	if x.Reading() && x.err == nil {
		if c.allocs = c.allocs[:min(slots, uint64(len(c.allocs)))]; uint64(len(c.allocs)) < slots {
			x.Fail("%d allocations, of %d", len(c.allocs), slots)
			return
		}
		c.workOut()
	}
	if c.power != nil && x.Reading() && x.err == nil {
		c.workOutPower()
	}
	x.Uvarint(&c.freed)
}

// workOut finds what follows from the parts that were read.
func (c *Capacity) workOut() {
	for i := range c.shapes {
		s := &c.shapes[i]
		s.ID = ShapeID(i)
		c.shapeIDs[shapeKey{s.CPU, s.Share, s.Count, s.Profile, s.Accept}] = s.ID
	}
	for n, list := range c.onNode {
		for _, id := range list {
			a := &c.allocs[id]
			c.used.CPU += int64(a.CPU)
			c.used.Memory += int64(a.Memory)
			c.used.Milli += int64(a.Milli())
			if a.Preemptible {
				c.preemptible++
			}
			c.ends.add(a.End, id, a)
		}
		c.refresh(int32(n))
	}
}

func (s *Shape) code(x *Coder) {
	Int(x, &s.CPU)
	Int(x, &s.Share)
	Int(x, &s.Count)
	Int(x, &s.Profile)
	x.Uvarint(&s.Accept)
}

func (a *Alloc) code(x *Coder) {
	Int(x, &a.Job)
	Int(x, &a.Task)
	Int(x, &a.Attempt)
	Int(x, &a.Node)
	Int(x, &a.CPU)
	Int(x, &a.Memory)
	Int(x, &a.Devices)
	Int(x, &a.Share)
	Int(x, &a.Profile)
	Int(x, &a.Tenant)
	Int(x, &a.Priority)
	x.Bool(&a.Preemptible)
	x.Bool(&a.Gang)
	Int(x, &a.Queue)
	x.Bool(&a.Evicting)
	Int(x, &a.Start)
	Int(x, &a.End)
	Int(x, &a.Shape)
	x.Bool(&a.Suspended)
	if a.Suspended {
		Int(x, &a.For)
		Int(x, &a.Left)
	}
}

// Code codes the line. spec returns a job of the state, whose capacity c is.
func (w *Waiting) Code(x *Coder, c *Capacity, spec func(job.ID) *job.Spec) {
	x.Section("line")
	x.Uvarint(&w.cycle)
	w.codeGangs(x)
	slots := uint64(len(w.entries))
	x.Uvarint(&slots)
	List(x, &w.unused, func(i *int32) { Int(x, i) })
	if x.Reading() {
		if slots > 1<<30 || x.err != nil {
			x.Fail("a line of %d", slots)
			return
		}
		w.entries = make([]entry, 0, min(slots, 1<<16))
	}
	gi := int32(-1)
	List(x, &w.groups, func(g *group) {
		gi++
		g.code(x)
		if x.Reading() {
			w.find[g.key] = gi
		}
		members := w.members(g)
		if x.Reading() {
			g.first, g.last, g.live = -1, -1, -1
		}
		List(x, &members, func(i *int32) {
			Int(x, i)
			if x.Reading() {
				for int(*i) >= len(w.entries) && uint64(*i) < slots && *i >= 0 {
					w.entries = append(w.entries, entry{})
				}
			}
			if *i < 0 || int(*i) >= len(w.entries) {
				x.Fail("place %d of %d in the line", *i, slots)
				return
			}
			e := &w.entries[*i]
			e.code(x, c, spec)
			if x.Reading() {
				w.chain(g, gi, *i)
			}
		})
	})
	List(x, &w.live, func(i *int32) { Int(x, i) })
	for k, i := range w.live {
		if i < 0 || int(i) >= len(w.groups) {
			x.Fail("group %d of %d", i, len(w.groups))
			return
		}
		w.groups[i].live = int32(k)
	}
	for x.Reading() && uint64(len(w.entries)) < slots && x.err == nil {
		w.entries = append(w.entries, entry{})
	}
}

// members lists the entries of a group in order.
func (w *Waiting) members(g *group) []int32 {
	var out []int32
	for i := g.first; i >= 0 && int(i) < len(w.entries); i = w.entries[i].next {
		out = append(out, i)
	}
	return out
}

// chain puts an entry that was read behind those of its group.
func (w *Waiting) chain(g *group, gi, i int32) {
	e := &w.entries[i]
	e.group, e.prev, e.next = gi, g.last, -1
	if g.last >= 0 {
		w.entries[g.last].next = i
	} else {
		g.first = i
	}
	g.last = i
	w.jobs++
}

func (g *group) code(x *Coder) {
	Int(x, &g.key.priority)
	Int(x, &g.key.tenant)
	Int(x, &g.key.queue)
	Int(x, &g.key.sig)
	Text(x, &g.key.site)
	x.Uvarint(&g.tried)
	g.reason.Code(x)
	x.Uvarint(&g.looked)
	if x.Reading() {
		g.first = -1
	}
}

// Code codes a reason.
func (r *Reason) Code(x *Coder) {
	Int(x, &r.Dominant)
	Int(x, &r.Considered)
	causes := len(r.Excluded)
	if x.Version < 3 {
		causes = int(NodeFull) // as many as there were
	} else if x.Version < 4 {
		causes = int(OverBudget)
	} else if x.Version < 5 {
		causes = int(NoDisk)
	}
	for i := range causes {
		Int(x, &r.Excluded[i])
	}
	Int(x, &r.Ahead)
	if p := &r.Short; r.Excluded[PowerCap] > 0 {
		Int(x, &p.Area)
		Int(x, &p.Need)
		Int(x, &p.Draw)
		Int(x, &p.Budget)
		x.Bool(&p.Behind)
	}
	if r.Excluded[OverBudget] > 0 {
		r.Over.code(x)
	}
	Text(x, &r.Quota.Resource)
	for _, v := range []*int64{&r.Quota.Asked, &r.Quota.Used, &r.Quota.Guaranteed, &r.Quota.Borrowable} {
		Int(x, v)
	}
	if x.Version >= 5 {
		r.codeKeeper(x)
	}
}

func (r *Reason) codeKeeper(x *Coder) {
	named := r.Keeper != nil
	if x.Bool(&named); !named {
		return
	}
	if x.Reading() {
		r.Keeper = &Keeper{}
	}
	Int(x, &r.Keeper.From)
	Int(x, &r.Keeper.To)
	Text(x, &r.Keeper.Name)
	Text(x, &r.Keeper.Queue)
}

func (e *entry) code(x *Coder, c *Capacity, spec func(job.ID) *job.Spec) {
	Int(x, &e.job)
	x.Uvarint(&e.seq)
	all := e.pending == nil
	x.Bool(&all)
	List(x, &e.pending, func(i *int32) { Int(x, i) })
	if !all && e.pending == nil {
		e.pending = []int32{}
	}
	if !x.Reading() || x.err != nil {
		return
	}
	if e.spec = spec(e.job); e.spec == nil || len(e.spec.Groups) == 0 {
		x.Fail("job %s waits and is not known", e.job)
		return
	}
	e.ask = c.Ask(&e.spec.Groups[0].Request)
	if len(e.spec.Groups) > 1 {
		for i := range e.spec.Groups {
			e.asks = append(e.asks, c.Ask(&e.spec.Groups[i].Request))
		}
	}
}

// codeGangs codes the signatures of jobs of several tasks, which are numbered
// in the order they were met.
func (w *Waiting) codeGangs(x *Coder) {
	keys := make([]gangKey, len(w.gangs))
	for k, sig := range w.gangs {
		keys[-1-sig] = k
	}
	List(x, &keys, func(k *gangKey) {
		Int(x, &k.ask.Shape)
		Int(x, &k.ask.Memory)
		Int(x, &k.count)
		x.Bool(&k.gang)
		Int(x, &k.topology.Mode)
		Int(x, &k.topology.Level)
		Int(x, &k.alone)
	})
	if x.Reading() {
		for _, k := range keys {
			w.gangs[k] = -1 - int32(len(w.gangs))
		}
	}
}

// copying is a policy that keeps something of its own as it decides.
type copying interface{ clone() Policy }

// remembering is one that has learnt something worth keeping.
type remembering interface {
	copying
	code(x *Coder)
}

// Code codes what the policy has learnt.
func (x *Index) Code(c *Coder) {
	c.Section("policy")
	if p, ok := x.policy.(remembering); ok {
		p.code(c)
	}
}

// Clone returns an index of a clone of the capacity, with what the policy has
// learnt.
func (x *Index) Clone(of *Capacity) *Index {
	p := x.policy
	if r, ok := p.(copying); ok {
		p = r.clone()
	}
	return NewIndex(of, p)
}

func (p *tianfu) clone() Policy {
	q := *p
	q.seen, q.named = slices.Clone(p.seen), maps.Clone(p.named)
	return &q
}

func (p *fgd) clone() Policy {
	q := *p
	q.memo = slices.Clone(p.memo)
	return &q
}

func (p weighted) clone() Policy {
	p.fgd = p.fgd.clone().(*fgd)
	return p
}

func (p migrating) clone() Policy {
	p.tianfu = p.tianfu.clone().(*tianfu)
	return p
}

func (p *tianfu) code(x *Coder) {
	List(x, &p.seen, func(n *int64) { Int(x, n) })
	Int(x, &p.total)
	Int(x, &p.next)
	Map(x, p.named, func(set *uint64, milli *int64) { x.Uvarint(set); Int(x, milli) })
	Int(x, &p.milli)
	for i := range p.value {
		Int(x, &p.value[i])
		Int(x, &p.price[i])
	}
	for m := range fleet.MaxModels + 1 {
		Int(x, &p.spare[m])
		Int(x, &p.scarce[m])
	}
	Int(x, &p.opened)
}

// Code codes what a tenant holds.
func (u *Usage) Code(x *Coder) {
	Int(x, &u.CPU)
	Int(x, &u.Memory)
	Int(x, &u.Milli)
	Int(x, &u.Weight)
	u.Past.Code(x)
}

// Code codes a reservation.
func (r *Reservation) Code(x *Coder) {
	Int(x, &r.Job)
	Int(x, &r.At)
	List(x, &r.Nodes, func(n *HeldNode) {
		Int(x, &n.Node)
		List(x, &n.Tasks, func(t *int32) { Int(x, t) })
	})
}

// Code codes what a plan says of a job.
func (d *Deferral) Code(x *Coder) {
	Int(x, &d.Job)
	List(x, &d.Runs, func(r *RunSpan) {
		Int(x, &r.From)
		Int(x, &r.To)
	})
	Text(x, &d.Site)
	Text(x, &d.Model)
	Int(x, &d.Saves.Carbon)
	Int(x, &d.Saves.Money)
}
