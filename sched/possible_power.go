package sched

import "tianfu/unit"

// Weights see power in proportion, but nodes draw it in steps: the first task of a
// package of cores or of a divided device wakes all of it. Where limits are tight
// that is the difference between a gang that starts and one that never does. So
// gangs of few tasks are looked at exactly: the least that an area draws when it
// holds so many tasks of each group, from its nodes and the areas in it, and no more
// of them than its limit bears. What a node holds and draws is never
// underestimated, so nothing that could run is refused; the converse is up to the
// policy, which chooses devices for other ends than power.

// Bounds of the look: beyond, nothing is proven.
const (
	mostHoldings = 1 << 12 // numbers of tasks of each group that an area may hold
	holdingSteps = 1 << 20 // for one gang
)

// holding is how many tasks of each group a node holds and the least it draws for them
// beyond idling.
type holding struct {
	tasks []int64
	at    int // among the holdings of an area
	least int64
}

// holdings is what areas may hold of one gang.
type holdings struct {
	p     *gangProof
	tasks [][]int64 // by number of a holding
	by    []int     // from a holding to one with one more task of a group
}

// tooHungry tells whether it is proven that no choice of nodes of a domain holds
// the gang within the limits around them.
func (p *gangProof) tooHungry(classes []proofClass) bool {
	t := p.c.power
	h, gang := holdings{p: p}, int64(0)
	number := int64(1)
	for i := range p.groups {
		h.by = append(h.by, int(number))
		if number *= p.groups[i].count + 1; number > mostHoldings {
			return false
		}
		gang += p.groups[i].count
	}
	for n := range int(number) {
		tasks := make([]int64, len(p.groups))
		for i := range p.groups {
			tasks[i] = int64(n/h.by[i]) % (p.groups[i].count + 1)
		}
		h.tasks = append(h.tasks, tasks)
	}
	held := make([][]int64, len(t.areas)+1) // the last is all that is in no area or is an outermost one
	for _, x := range classes {
		into := &held[len(t.areas)]
		if x.leaf >= 0 {
			into = &held[x.leaf]
		}
		node := h.ofNode(x.kind)
		for range min(x.count, gang) { // each node that is used holds one or more
			*into = h.with(*into, node)
		}
	}
	for a := len(t.areas) - 1; a >= 0; a-- {
		if held[a] == nil {
			continue
		}
		d, up := &t.p.Areas[a], t.areas[a].parent
		budget, _ := d.budgets(&PowerFacts{Limit: d.Limit, Overhead: max(d.Overhead, Million)})
		for n, least := range held[a] {
			if least > 0 && t.areas[a].idle+least > budget {
				held[a][n] = Unlimited
			}
		}
		if up < 0 {
			up = int32(len(t.areas))
		}
		held[up] = h.with(held[up], h.ofArea(held[a]))
	}
	all := held[len(t.areas)]
	return h.p.steps <= holdingSteps && all != nil && all[len(all)-1] >= Unlimited
}

// with returns the least that an area draws with one node or area more in it.
func (h *holdings) with(held []int64, more []holding) []int64 {
	out := make([]int64, len(h.tasks))
	for n := range out {
		out[n] = Unlimited
	}
	if held == nil {
		held = append(make([]int64, 0, len(out)), out...)
		held[0] = 0
	}
	for n, least := range held {
		if least >= Unlimited {
			continue
		}
		if h.p.steps += len(more); h.p.steps > holdingSteps {
			return out
		}
		for i := range more {
			if x := &more[i]; h.room(n, x) {
				out[n+x.at] = min(out[n+x.at], least+x.least)
			}
		}
	}
	return out
}

// room tells whether a holding and more are not above the gang.
func (h *holdings) room(n int, x *holding) bool {
	for i, tasks := range x.tasks {
		if h.tasks[n][i]+tasks > h.p.groups[i].count {
			return false
		}
	}
	return true
}

// ofArea lists what an area may hold.
func (h *holdings) ofArea(held []int64) (out []holding) {
	for n, least := range held {
		if least < Unlimited {
			out = append(out, holding{h.tasks[n], n, least})
		}
	}
	return out
}

// ofNode lists what a node of a kind may hold: whatever its parts do not rule out
// when they are summed up.
func (h *holdings) ofNode(kind uint16) (out []holding) {
	c := h.p.c
	k := &c.kinds[kind]
	all := wants{int64(k.CPU), int64(k.Memory), int64(k.Devices) * 1000 * c.slicesOf(k), int64(k.Devices), int64(k.Tasks)}
	each := make([]wants, len(h.p.groups))
	slots := make([]int64, len(h.p.groups))
	for i := range h.p.groups {
		g := &h.p.groups[i]
		if slots[i] = int64(c.idleSlots(k, &g.shape, g.memory)); slots[i] > 0 {
			each[i] = c.wantsOf(k, &g.shape, g.memory)
		}
	}
	for n, tasks := range h.tasks {
		if h.p.steps++; h.p.steps > holdingSteps {
			return out
		}
		var sum wants
		fits := true
		for i, count := range tasks {
			fits = fits && count <= slots[i]
			for d := range sum {
				sum[d] += count * each[i][d]
			}
		}
		for d := range sum {
			fits = fits && sum[d] <= all[d]
		}
		if fits {
			out = append(out, holding{tasks, n, h.leastDrawn(kind, tasks)})
		}
	}
	return out
}

// leastDrawn is a lower bound of what a node of a kind draws for tasks beyond
// idling: the CPUs as they are, and the fewest devices, the fullest.
func (h *holdings) leastDrawn(kind uint16, tasks []int64) int64 {
	k := &h.p.c.kinds[kind]
	cpu, whole, parts, parted := int64(0), int64(0), int64(0), int64(0)
	for i, count := range tasks {
		switch s := &h.p.groups[i].shape; {
		case count == 0:
		case s.Profile != 0:
			parted = max(parted, h.fewest(kind, s, count))
			fallthrough
		case s.Count == 0:
			cpu += count * int64(s.CPU)
		case s.Share == int16(unit.Whole):
			whole += count * int64(s.Count)
			cpu += count * int64(s.CPU)
		default:
			parts += count * int64(s.Milli())
			cpu += count * int64(s.CPU)
		}
	}
	var x drawn
	x.cpu = int32(min(cpu, int64(k.CPU)))
	n := 0
	for ; whole > 0 && n < int(k.Devices); n, whole = n+1, whole-1 {
		x.dev[n] = int16(unit.Whole)
	}
	for ; parted > 0 && n < int(k.Devices); n, parted = n+1, parted-1 {
		x.parted |= 1 << n
	}
	for ; parts > 0 && n < int(k.Devices); n++ {
		x.dev[n] = int16(min(parts, int64(unit.Whole)))
		parts -= int64(x.dev[n])
	}
	return max(milliwatts(k, &x)-h.p.c.power.kinds[kind].idle, 0)
}

// fewest is a lower bound of the devices that so many parts of a profile take.
func (h *holdings) fewest(kind uint16, s *Shape, count int64) int64 {
	c := h.p.c
	k := &c.kinds[kind]
	t, want := c.traits[c.models[k.Model]], c.profiles[s.Profile-1].on[k.Model]
	each := int64(max(want.times(t.ComputeSlices, t.MemorySlices), 1))
	return (count + each - 1) / each
}
