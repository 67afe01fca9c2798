package sched

import (
	"cmp"
	"slices"

	"tianfu/job"
	"tianfu/unit"
)

// This file changes the power tree; only the fold of records calls it.

// HasPower tells whether there is a power tree.
func (c *Capacity) HasPower() bool { return c.power != nil }

// SetFacts sets what the budget of an area follows from.
func (c *Capacity) SetFacts(area int32, f PowerFacts) {
	t := c.power
	y := &t.areas[area]
	was := y.settled > y.bound
	y.facts = f
	before := y.budget
	y.budget, y.bound = t.p.Areas[area].budgets(&f)
	t.count(was, y.settled > y.bound)
	if y.budget > before {
		c.freed++
	}
}

// SetLevel holds a node to a level for the sake of an area; Uncapped ends it.
func (c *Capacity) SetLevel(n int32, level int16, area int32) {
	t := c.power
	x := &t.nodes[n]
	if x.level < Uncapped {
		t.areas[x.area].capped--
		t.capped--
	}
	x.level, x.area = level, area
	if level < Uncapped {
		t.areas[area].capped++
		t.capped++
	}
	c.freed++
	c.changes.touch(n)
	c.updatePower(n)
}

// SetWake puts a node to sleep, begins to wake it, or says that it is awake.
func (c *Capacity) SetWake(n int32, state uint8, ready, now unit.Instant) {
	x := &c.power.nodes[n]
	if x.state == Awake {
		c.power.busy(c, n)
	}
	if x.state == Asleep {
		c.power.sleepers--
	}
	if state == Asleep {
		c.power.sleepers++
	}
	x.state, x.ready = state, ready
	if state == Awake {
		c.power.idles(c, n, now)
	}
	c.refresh(n)
}

// Suspend notes that an allocation stands still for the sake of an area. It
// keeps what it holds and draws nothing; planning cannot know when it leaves.
func (c *Capacity) Suspend(id AllocID, area int32, now unit.Instant) {
	a := &c.allocs[id]
	c.ends.remove(a.End, a)
	if a.Left = -1; a.End != unit.Never {
		a.Left = max(a.End.Sub(now), 0)
	}
	a.End = unit.Never
	c.moves(id)
	a.Suspended, a.For = true, area
	c.stands(id)
	c.freed++
	c.changes.touch(a.Node)
	c.updatePower(a.Node)
}

// stands enters an allocation that stands still, or is told to leave.
func (c *Capacity) stands(id AllocID) {
	a, t := &c.allocs[id], c.power
	if a.Suspended || a.Evicting {
		t.nodes[a.Node].still++
	}
	if a.Priority >= t.p.Protect {
		t.nodes[a.Node].firm++
	}
	if a.Suspended {
		i, _ := slices.BinarySearch(t.suspended, id)
		t.suspended = slices.Insert(t.suspended, i, id)
		t.hold(a.For, a.Priority)
	}
}

// moves takes out again what stands entered.
func (c *Capacity) moves(id AllocID) {
	a, t := &c.allocs[id], c.power
	if a.Suspended || a.Evicting {
		t.nodes[a.Node].still--
	}
	if a.Priority >= t.p.Protect {
		t.nodes[a.Node].firm--
	}
	if !a.Suspended {
		return
	}
	i, _ := slices.BinarySearch(t.suspended, id)
	t.suspended = slices.Delete(t.suspended, i, i+1)
	y := &t.areas[a.For]
	y.suspended, y.floor = 0, 0
	for _, x := range t.suspended {
		if b := &c.allocs[x]; b.For == a.For {
			t.hold(b.For, b.Priority)
		}
	}
}

func (t *powerTree) hold(area, priority int32) {
	y := &t.areas[area]
	if y.suspended++; y.suspended == 1 || priority > y.floor {
		y.floor = priority
	}
}

// Resume notes that a suspended allocation goes on.
func (c *Capacity) Resume(id AllocID, now unit.Instant) {
	a := &c.allocs[id]
	c.moves(id)
	if a.Suspended, a.For = false, 0; a.Left >= 0 {
		a.End = now.Add(a.Left)
	}
	a.Left = 0
	c.stands(id)
	c.ends.add(a.End, id, a)
	c.freed++ // what waited behind it may start
	c.changes.touch(a.Node)
	c.updatePower(a.Node)
}

// Shed notes that an area was shed as far as it could be, so that it is not
// tried again before it draws more or may draw less.
func (c *Capacity) Shed(area int32) {
	y := &c.power.areas[area]
	y.shedDraw, y.shedBound = y.settled, y.bound
}

// AreaState is an area as it stands, for people and for the rules of control.
type AreaState struct {
	Declared        *PowerArea
	Facts           PowerFacts
	Budget, Bound   int64
	Draw, Settled   int64 // IT power
	Capped, Stopped int32 // nodes capped and tasks suspended for its sake
	Nodes           int32
	Tried           bool // it was shed as far as it can be
}

// Area returns an area as it stands.
func (c *Capacity) Area(i int32) AreaState {
	t := c.power
	y := &t.areas[i]
	return AreaState{Declared: &t.p.Areas[i], Facts: y.facts, Budget: y.budget, Bound: y.bound, Draw: y.draw, Settled: y.settled,
		Capped: y.capped, Stopped: y.suspended, Nodes: y.nodes, Tried: y.settled <= y.shedDraw && y.bound == y.shedBound}
}

// Areas returns the number of areas; 0 without a power tree.
func (c *Capacity) Areas() int {
	if c.power == nil {
		return 0
	}
	return len(c.power.areas)
}

// OverPower tells whether any area would draw more than it may once everything
// told to leave has left.
func (c *Capacity) OverPower() bool { return c.power.over > 0 }

// HeldBack tells whether a node is capped or a task suspended for power.
func (c *Capacity) HeldBack() bool { return c.power.capped > 0 || len(c.power.suspended) > 0 }

// MayRelax tells whether any area that something is held back for draws less
// than where it comes back.
func (c *Capacity) MayRelax() bool {
	t := c.power
	for i := range t.areas {
		y := &t.areas[i]
		if (y.capped > 0 || y.suspended > 0) && y.draw < t.backTo(int32(i)) {
			return true
		}
	}
	return false
}

// Suspended returns the allocations that stand still.
func (c *Capacity) Suspended() []AllocID { return c.power.suspended }

// NodePower is the power of a node as it stands.
type NodePower struct {
	Draw, Settled, Idle int64
	Level               int16 // thousandths of its dynamic draw that it is held to
	State               uint8 // Awake, Asleep or Waking
	Ready               unit.Instant
	Since               unit.Instant // idle
	For                 int32        // area for whose sake it is capped
}

// NodePower returns the power of a node.
func (c *Capacity) NodePower(n int32) NodePower {
	x := &c.power.nodes[n]
	return NodePower{Draw: x.draw, Settled: x.settled, Idle: c.power.kinds[c.nodes[n].kind].idle, Level: x.level, State: x.state, Ready: x.ready, Since: x.since, For: x.area}
}

// HeldTo returns the level that holds on a node now: that of its cap, unless
// protected work is there.
func (c *Capacity) HeldTo(n int32) int16 {
	if x := &c.power.nodes[n]; x.firm == 0 {
		return x.level
	}
	return Uncapped
}

// Leaf returns the innermost area of a node, Around the area around an area; -1
// = none.
func (c *Capacity) Leaf(n int32) int32 { return c.power.leaf[n] }

// Around returns the area that an area stands in; -1 = none.
func (c *Capacity) Around(area int32) int32 { return c.power.areas[area].parent }

// Inside tells whether a node stands in an area.
func (c *Capacity) Inside(n, area int32) bool {
	t := c.power
	for a := t.leaf[n]; a >= 0; a = t.areas[a].parent {
		if a == area {
			return true
		}
	}
	return false
}

// OnNode returns the allocations of a node. The caller must not change it.
func (c *Capacity) OnNode(n int32) []AllocID { return c.onNode[n] }

// AtLevel returns what node n would draw and settle at if held to another level.
func (c *Capacity) AtLevel(n int32, level int16) (draw, settled int64) {
	x := &c.power.nodes[n]
	was := x.level
	x.level = level
	draw, settled = c.drawOf(n)
	x.level = was
	return draw, settled
}

// MayRise tells whether node n may draw so much more, up to the part of every
// area's budget where what was held back comes back.
func (c *Capacity) MayRise(n int32, by int64) bool {
	t := c.power
	for a := t.leaf[n]; a >= 0; a = t.areas[a].parent {
		y := &t.areas[a]
		to := y.budget
		if y.capped > 0 || y.suspended > 0 {
			to = t.backTo(a)
		}
		if by > 0 && y.draw+by > to {
			return false
		}
	}
	return true
}

// backTo is up to which draw of an area what was held back comes back: a part of
// the budget, or all of it where nothing works but what idles. Otherwise work that
// needs more than the part, or than idling leaves of it, would stand still for
// ever.
func (t *powerTree) backTo(a int32) int64 {
	if y := &t.areas[a]; y.draw <= y.idle {
		return y.budget
	}
	return part(t.areas[a].budget, t.p.Areas[a].Resume)
}

// TryResume reports whether all of a job's suspended tasks could go on within
// every budget. It leaves the tree as it was.
func (c *Capacity) TryResume(ids []AllocID) bool {
	t := c.power
	var around []int32
	var to []int64 // as it is while they stand still
	for _, id := range ids {
		for a := t.leaf[c.allocs[id].Node]; a >= 0 && !slices.Contains(around, a); a = t.areas[a].parent {
			most := t.areas[a].budget
			if y := &t.areas[a]; y.capped > 0 || y.suspended > 0 {
				most = t.backTo(a)
			}
			around, to = append(around, a), append(to, max(most, t.areas[a].draw)) // what adds nothing may go on where idling alone is too much, as it may start there
		}
	}
	for _, id := range ids {
		a := &c.allocs[id]
		a.Suspended = false
		c.power.nodes[a.Node].still--
		c.updatePower(a.Node)
	}
	ok := true
	for i, a := range around {
		ok = ok && t.areas[a].draw <= to[i]
	}
	for _, id := range ids {
		a := &c.allocs[id]
		a.Suspended = true
		c.power.nodes[a.Node].still++
		c.updatePower(a.Node)
	}
	return ok
}

// clone copies the tree for a clone of the capacity.
func (t *powerTree) clone() *powerTree {
	if t == nil {
		return nil
	}
	u := *t
	u.areas, u.nodes, u.suspended, u.idle, u.least = slices.Clone(t.areas), slices.Clone(t.nodes), slices.Clone(t.suspended), slices.Clone(t.idle), nil
	u.possible = map[roomKey]bool{}
	u.idleCount = make(map[idleGroup]int32, len(t.idleCount))
	for k, v := range t.idleCount {
		u.idleCount[k] = v
	}
	return &u
}

// code codes what does not follow from the allocations: facts, levels, sleep.
func (t *powerTree) code(x *Coder) {
	x.Section("power")
	for i := range t.areas {
		y := &t.areas[i]
		for _, v := range []*int64{&y.facts.Limit, &y.facts.Overhead, &y.facts.Solar, &y.facts.Battery, &y.shedDraw, &y.shedBound} {
			Int(x, v)
		}
	}
	for n := range t.nodes {
		y := &t.nodes[n]
		Int(x, &y.level)
		Int(x, &y.state)
		Int(x, &y.area)
		Int(x, &y.since)
		Int(x, &y.ready)
	}
	List(x, &t.suspended, func(id *AllocID) { Int(x, id) })
}

// workOutPower finds the draws again, once allocations are known.
func (c *Capacity) workOutPower() {
	t := c.power
	t.over, t.capped, t.sleepers, t.idle = 0, 0, 0, nil
	clear(t.idleCount)
	for i := range t.areas {
		y := &t.areas[i]
		y.draw, y.settled, y.capped, y.suspended, y.floor = 0, 0, 0, 0, 0
		y.facts.Overhead = max(y.facts.Overhead, Million)
		y.budget, y.bound = t.p.Areas[i].budgets(&y.facts)
		t.count(false, 0 > y.bound)
	}
	for n := range t.nodes {
		x := &t.nodes[n]
		x.draw, x.settled, x.still, x.firm = 0, 0, 0, 0
		for _, id := range c.onNode[n] {
			a := &c.allocs[id]
			if a.Suspended || a.Evicting {
				x.still++
			}
			if a.Priority >= t.p.Protect {
				x.firm++
			}
		}
		if x.level < Uncapped {
			t.areas[x.area].capped++
			t.capped++
		}
		if x.state == Asleep {
			t.sleepers++
		}
		c.updatePower(int32(n))
		if t.p.Sleep.After > 0 && x.state == Awake && len(c.onNode[n]) == 0 {
			t.idle = append(t.idle, idleNode{int32(n), x.since})
			t.idleCount[c.idleGroup(int32(n))]++
		}
	}
	slices.SortFunc(t.idle, func(a, b idleNode) int { return cmp.Or(cmp.Compare(a.since, b.since), cmp.Compare(a.node, b.node)) })
	for _, id := range t.suspended {
		a := &c.allocs[id]
		t.hold(a.For, a.Priority)
	}
}

// JobsIn lists the jobs that draw in an area and may be shed, the first to be
// shed first: the lowest priority, of equals the preemptible and then the
// latest started.
func (c *Capacity) JobsIn(area int32, below int32) []job.ID {
	type one struct {
		id       job.ID
		priority int32
		firm     bool
		start    unit.Instant
	}
	var list []one
	seen := map[job.ID]bool{}
	for n := range c.nodes {
		if !c.Inside(int32(n), area) {
			continue
		}
		for _, id := range c.onNode[n] {
			a := &c.allocs[id]
			if a.Suspended || a.Evicting || a.Priority >= below || seen[a.Job] {
				continue
			}
			seen[a.Job] = true
			list = append(list, one{a.Job, a.Priority, !a.Preemptible, a.Start})
		}
	}
	slices.SortFunc(list, func(a, b one) int {
		if k := cmp.Compare(a.priority, b.priority); k != 0 {
			return k
		}
		if a.firm != b.firm {
			if a.firm {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(b.start, a.start), cmp.Compare(b.id, a.id))
	})
	out := make([]job.ID, len(list))
	for i := range list {
		out[i] = list[i].id
	}
	return out
}
