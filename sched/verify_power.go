package sched

import (
	"fmt"
	"math"
	"math/bits"

	"tianfu/unit"
)

// powerCheck is what the verifier keeps of nodes that did not change, so that
// it need not work their draw out again.
type powerCheck struct {
	of     *Capacity
	seen   []int // change of each node that its draw is of
	draws  []int64
	before []int64 // by area, without the plan
	after  []int64
	placed []bool
}

// checkPower sums up what every node draws, from the allocations and the plan,
// over all areas around it, and holds the sums of those where the plan puts
// work to what the facts allow. Sums are also compared with those that Decide
// used.
func (v *Verifier) checkPower(s *Snapshot, p *Plan) error {
	c := s.Capacity
	if c.power == nil || len(p.Placements) == 0 && len(p.Moves) == 0 {
		return nil
	}
	t, k := c.power, &v.power
	if k.of != c || len(k.draws) != len(c.nodes) {
		*k = powerCheck{of: c, seen: make([]int, len(c.nodes)), draws: make([]int64, len(c.nodes)), before: make([]int64, len(t.areas)),
			after: make([]int64, len(t.areas)), placed: make([]bool, len(t.areas))}
	}
	clear(k.before)
	clear(k.after)
	clear(k.placed)
	for i := range p.Placements {
		v.puts(c, p.Placements[i].Node)
	}
	for i := range p.Moves {
		v.puts(c, p.Moves[i].Node)
	}
	for n := range c.nodes {
		if last := c.changes.last[n]; k.seen[n] != last || last == 0 {
			k.draws[n], k.seen[n] = drawOfLoad(c, int32(n), v.running(c, int32(n)), v.firm(s, nil, int32(n))), last
		}
		before := k.draws[n]
		after := before
		if l := v.work[int32(n)]; l != nil {
			after = drawOfLoad(c, int32(n), v.awake(c, int32(n), *l), v.firm(s, p, int32(n)))
		}
		for a := innermostOf(c, int32(n)); a >= 0; a = t.p.Areas[a].Parent {
			k.before[a] += before
			k.after[a] += after
		}
	}
	for a := range t.areas {
		if k.before[a] != t.areas[a].draw {
			return fmt.Errorf("power: %s is taken to draw %d mW, its nodes draw %d", t.p.Areas[a].Path, t.areas[a].draw, k.before[a])
		}
		if most := allowed(&t.p.Areas[a], &t.areas[a].facts); k.placed[a] && k.after[a] > most && k.after[a] > k.before[a] {
			return fmt.Errorf("power: %s would draw %d mW of %d", t.p.Areas[a].Path, k.after[a], most)
		}
	}
	return nil
}

func innermostOf(c *Capacity, n int32) int32 { return c.power.leaf[n] }

// puts notes every area around a node that gets work.
func (v *Verifier) puts(c *Capacity, n int32) {
	for a := innermostOf(c, n); a >= 0; a = c.power.p.Areas[a].Parent {
		v.power.placed[a] = true
	}
}

// allowed works out from the facts what new work may bring the IT power of an
// area to.
func allowed(a *PowerArea, f *PowerFacts) int64 {
	if f.Limit == 0 {
		return math.MaxInt64
	}
	feed := f.Limit
	if a.Limit > 0 && a.Limit-a.Reserve < feed {
		feed = a.Limit - a.Reserve
	}
	if feed < 0 {
		feed = 0
	}
	if f.Battery < 0 {
		feed += f.Battery
	}
	hi, lo := bits.Mul64(uint64(max(feed+f.Solar, 0)), Million)
	q, _ := bits.Div64(hi, lo, uint64(f.Overhead))
	return int64(q)
}

// running sums up what runs on a node and is not suspended.
func (v *Verifier) running(c *Capacity, n int32) load {
	l := load{}
	for _, id := range c.onNode[n] {
		a := &c.allocs[id]
		if a.Suspended {
			continue
		}
		l.cpu += int64(a.CPU)
		for m := a.Devices; m != 0; m &= m - 1 {
			i := bits.TrailingZeros16(m)
			if a.Profile != 0 {
				l.partedDevices |= 1 << i
			} else {
				l.dev[i] += int32(a.Share)
			}
		}
	}
	return l
}

// awake takes suspended work out of a load that counts all; partitions are
// looked for again, with those of the plan, whose devices the load has.
func (v *Verifier) awake(c *Capacity, n int32, l load) load {
	var still uint16
	for _, id := range c.onNode[n] {
		a := &c.allocs[id]
		if !a.Suspended {
			continue
		}
		if a.Profile != 0 {
			still |= a.Devices
		}
		l.cpu -= int64(a.CPU)
		for m := a.Devices; m != 0 && a.Profile == 0; m &= m - 1 {
			l.dev[bits.TrailingZeros16(m)] -= int32(a.Share)
		}
	}
	if still == 0 {
		return l
	}
	run := v.running(c, n)
	// A device where only suspended partitions were before draws if the plan put
	// one there too; to be safe it counts as drawing when slices were added.
	for m := still &^ run.partedDevices; m != 0; m &= m - 1 {
		i := bits.TrailingZeros16(m)
		slices := 0
		for _, id := range c.onNode[n] {
			if a := &c.allocs[id]; a.Profile != 0 && a.Devices>>i&1 != 0 {
				slices += int(c.profiles[a.Profile-1].on[c.nodes[n].model].compute)
			}
		}
		if l.parts[i].compute == slices {
			l.partedDevices &^= 1 << i
		}
	}
	return l
}

// firm tells whether protected work is on a node, with the plan if there is one:
// then no cap holds it.
func (v *Verifier) firm(s *Snapshot, p *Plan, n int32) bool {
	c := s.Capacity
	gone := func(id AllocID) bool {
		if p != nil {
			for i := range p.Moves {
				if p.Moves[i].Alloc == id {
					return true
				}
			}
		}
		return false
	}
	for _, id := range c.onNode[n] {
		if c.allocs[id].Priority >= c.power.p.Protect && !gone(id) {
			return true
		}
	}
	if p == nil {
		return false
	}
	for i := range p.Placements {
		if x := &p.Placements[i]; x.Node == n && x.Alloc.Priority >= c.power.p.Protect {
			return true
		}
	}
	for i := range p.Moves {
		if x := &p.Moves[i]; x.Node == n && c.allocs[x.Alloc].Priority >= c.power.p.Protect {
			return true
		}
	}
	return false
}

// drawOfLoad returns what a node draws with a load, in milliwatts.
func drawOfLoad(c *Capacity, n int32, l load, firm bool) int64 {
	x := &c.power.nodes[n]
	if x.state == Asleep {
		return c.power.p.Sleep.Draw
	}
	k := &c.kinds[c.nodes[n].kind]
	sum := func(l *load) int64 {
		w := k.Power.Base + k.Power.CPUWatts(unit.MilliCPU(l.cpu))
		for i := range len(c.specs[n].Devices) {
			share := unit.Milli(l.dev[i])
			if l.partedDevices&(1<<i) != 0 {
				share = unit.Whole
			}
			w += k.Power.DeviceWatts(share)
		}
		return int64(math.Round(float64(w) * 1000))
	}
	idle := sum(&load{})
	if firm {
		return sum(&l)
	}
	return idle + (sum(&l)-idle)*int64(x.level)/1000
}
