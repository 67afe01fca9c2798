package sched

import (
	"slices"

	"tianfu/unit"
)

// idleGroup is where idle nodes are counted: those of one model at one site.
type idleGroup struct{ site, model string }

type idleNode struct {
	node  int32
	since unit.Instant
}

func (c *Capacity) idleGroup(n int32) idleGroup {
	return idleGroup{c.specs[n].Place.Site, string(c.specs[n].Model)}
}

// idles notes that a node holds nothing from an instant on, busy that it does.
func (t *powerTree) idles(c *Capacity, n int32, since unit.Instant) {
	if t.p.Sleep.After == 0 || len(c.onNode[n]) > 0 || t.nodes[n].state != Awake {
		return
	}
	t.nodes[n].since = since
	t.idle = append(t.idle, idleNode{n, since})
	for i := len(t.idle) - 1; i > 0 && t.idle[i-1].since == since && t.idle[i-1].node > n; i-- {
		t.idle[i-1], t.idle[i] = t.idle[i], t.idle[i-1]
	}
	t.idleCount[c.idleGroup(n)]++
}

func (t *powerTree) busy(c *Capacity, n int32) {
	if t.p.Sleep.After == 0 || len(c.onNode[n]) > 0 || t.nodes[n].state != Awake {
		return
	}
	t.idle = slices.DeleteFunc(t.idle, func(x idleNode) bool { return x.node == n })
	t.idleCount[c.idleGroup(n)]--
}

// AllIdle notes that no node holds anything, when a centre is opened.
func (c *Capacity) AllIdle(now unit.Instant) {
	for n := range c.nodes {
		c.power.idles(c, int32(n), now)
	}
}

// Sleepy calls put for idle nodes that may be put to sleep, the longest idle
// first, and returns when the next will be due.
func (c *Capacity) Sleepy(now unit.Instant, put func(n int32)) unit.Instant {
	t := c.power
	if t.p.Sleep.After == 0 {
		return unit.Never
	}
	next := unit.Never
	var due []int32
	taken := map[idleGroup]int32{}
	for _, x := range t.idle {
		g := c.idleGroup(x.node)
		if t.idleCount[g]-taken[g] <= t.p.Sleep.Reserve || c.nodes[x.node].blocked != None {
			continue
		}
		if at := x.since.Add(t.p.Sleep.After); at > now {
			next = min(next, at)
			break // they became idle in this order
		}
		taken[g]++
		due = append(due, x.node)
	}
	for _, n := range due {
		put(n)
	}
	return next
}

// CouldHold returns how many tasks of an ask the node would hold if idle.
func (c *Capacity) CouldHold(n int32, ask Ask) int32 {
	return c.idleSlots(&c.kinds[c.nodes[n].kind], &c.shapes[ask.Shape], ask.Memory)
}

// Want is what tasks that wait ask for and how many they are.
type Want struct {
	Ask   Ask
	Tasks int
}

// Wants returns what the jobs of a group that waits ask for, up to a bound.
func (w *Waiting) Wants(h Handle, most int) []Want {
	e := &w.entries[h]
	asks := e.asks
	if asks == nil {
		asks = []Ask{e.ask}
	}
	out := make([]Want, len(asks))
	for i := range asks {
		out[i].Ask = asks[i]
	}
	for i := w.groups[e.group].first; i >= 0 && out[0].Tasks < most; i = w.entries[i].next {
		x := &w.entries[i]
		if len(asks) == 1 {
			out[0].Tasks += x.waitingTasks()
			continue
		}
		for g := range x.spec.Groups {
			out[g].Tasks += x.spec.Groups[g].Count
		}
	}
	return out
}

// Sleepers returns how many nodes sleep.
func (c *Capacity) Sleepers() int32 { return c.power.sleepers }
