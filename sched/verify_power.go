package sched

import (
	"fmt"
	"math"
	"math/bits"

	"tianfu/unit"
)

// powerCheck is what the verifier keeps of nodes that did not change, so that
// it need not work their draw out again: a check costs the changes and the plan,
// not the fleet.
type powerCheck struct {
	of     *Capacity
	seen   int     // changes of the capacity that the sums are of; -1 = none yet
	draws  []int64 // by node
	before []int64 // by area, without the plan
	more   []int64 // by area, what the plan adds
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
		*k = powerCheck{of: c, seen: -1, draws: make([]int64, len(c.nodes)), before: make([]int64, len(t.areas)),
			more: make([]int64, len(t.areas)), placed: make([]bool, len(t.areas))}
	}
	v.sumUp(s)
	clear(k.more)
	clear(k.placed)
	for i := range p.Placements {
		v.puts(c, p.Placements[i].Node)
	}
	for i := range p.Moves {
		v.puts(c, p.Moves[i].Node)
	}
	for _, n := range v.touched {
		more := drawOfLoad(c, n, v.awake(c, n, *v.work[n]), v.firm(s, p, n)) - k.draws[n]
		for a := innermostOf(c, n); a >= 0; a = t.p.Areas[a].Parent {
			k.more[a] += more
		}
	}
	for a := range t.areas {
		if k.before[a] != t.areas[a].draw {
			return fmt.Errorf("power: %s is taken to draw %d mW, its nodes draw %d", t.p.Areas[a].Path, t.areas[a].draw, k.before[a])
		}
		if k.placed[a] && k.more[a] > 0 {
			if most := allowed(&t.p.Areas[a], &t.areas[a].facts); k.before[a]+k.more[a] > most {
				return fmt.Errorf("power: %s would draw %d mW of %d", t.p.Areas[a].Path, k.before[a]+k.more[a], most)
			}
		}
	}
	return nil
}

// sumUp brings the sums up to the present: the draw of every node that changed
// since the last check is worked out again from what runs there.
func (v *Verifier) sumUp(s *Snapshot) {
	c, k := s.Capacity, &v.power
	again := func(n int32) {
		draw := drawOfLoad(c, n, v.running(c, n), v.firm(s, nil, n))
		if draw == k.draws[n] {
			return
		}
		for a := innermostOf(c, n); a >= 0; a = c.power.p.Areas[a].Parent {
			k.before[a] += draw - k.draws[n]
		}
		k.draws[n] = draw
	}
	log := &c.changes
	if k.seen < log.base {
		for n := range c.nodes {
			again(int32(n))
		}
	} else {
		for i := k.seen; i < log.end(); i++ {
			if n := log.log[i-log.base]; log.last[n] == i+1 { // otherwise a later entry stands for it
				again(n)
			}
		}
	}
	k.seen = log.end()
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
