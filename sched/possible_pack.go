package sched

import (
	"cmp"
	"slices"
)

// wants are what one task, or one idle node, has of what tasks share: CPU, memory,
// slices of devices, devices that take no second task, and the number of tasks.
type wants [5]int64

// wantsOf returns what a task takes on a kind of node. It leaves out what cannot be
// summed up, so a set of tasks that a node holds is never above it.
func (c *Capacity) wantsOf(k *Kind, s *Shape, memory int32) wants {
	w := wants{int64(s.CPU), int64(memory), 0, 0, 1}
	each := c.slicesOf(k)
	switch {
	case s.Profile != 0:
		w[2] = int64(c.profiles[s.Profile-1].on[k.Model].compute) * 1000
	case s.Count > 0:
		w[2] = int64(s.Milli()) * each
		if s.Share > 500 {
			w[3] = int64(s.Count)
		}
	}
	return w
}

// slicesOf is into how many compute slices a device of the kind is divided.
func (c *Capacity) slicesOf(k *Kind) int64 {
	if int(k.Model) >= len(c.models) {
		return 1
	}
	return int64(max(c.traits[c.models[k.Model]].ComputeSlices, 1))
}

// pack returns a kind of node at its best for the present weights.
func (p *gangProof) pack(kind uint16) packed {
	if b, known := p.best[kind]; known {
		return b
	}
	c := p.c
	k := &c.kinds[kind]
	x := knapsack{left: wants{int64(k.CPU), int64(k.Memory), int64(k.Devices) * 1000 * c.slicesOf(k), int64(k.Devices), int64(k.Tasks)}}
	for i := range p.groups {
		g := &p.groups[i]
		it := item{weight: g.weight, most: min(int64(c.idleSlots(k, &g.shape, g.memory)), g.count)}
		if it.most > 0 {
			it.wants = c.wantsOf(k, &g.shape, g.memory)
		}
		x.items = append(x.items, it)
	}
	p.best[kind] = x.solve()
	return x.best
}

// knapsack looks for the most weight that fits into what there is.
type knapsack struct {
	items []item
	bound []int64 // weight of all items from here on
	left  wants
	now   []int64
	best  packed
	steps int
}

type item struct {
	wants  wants
	weight int64
	most   int64
}

// solve returns the most weight, or a bound of it.
func (x *knapsack) solve() packed {
	x.bound = make([]int64, len(x.items)+1)
	for i := len(x.items) - 1; i >= 0; i-- {
		x.bound[i] = x.bound[i+1] + x.items[i].weight*x.items[i].most
	}
	x.now = make([]int64, len(x.items))
	x.best.tasks = make([]int64, len(x.items))
	whole := x.left
	x.search(0, 0)
	if x.steps > knapsackSteps {
		x.best.value = x.relaxed(&whole)
	}
	return x.best
}

func (x *knapsack) search(i int, value int64) {
	if x.steps++; x.steps > knapsackSteps {
		return
	}
	if value > x.best.value {
		x.best.value = value
		copy(x.best.tasks, x.now)
	}
	if i == len(x.items) || value+x.bound[i] <= x.best.value {
		return
	}
	it := &x.items[i]
	n := it.most
	for d, w := range it.wants {
		if w > 0 {
			n = min(n, x.left[d]/w)
		}
	}
	for ; n >= 0; n-- {
		for d, w := range it.wants {
			x.left[d] -= n * w
		}
		x.now[i] = n
		x.search(i+1, value+n*it.weight)
		x.now[i] = 0
		for d, w := range it.wants {
			x.left[d] += n * w
		}
	}
}

// relaxed is a bound of the weight a node holds where the search was given up: in
// each respect by itself, in parts of tasks.
func (x *knapsack) relaxed(whole *wants) int64 {
	bound := x.bound[0]
	for d, room := range whole {
		rest, dense := int64(0), int64(0)
		for i := range x.items {
			it := &x.items[i]
			if it.wants[d] == 0 {
				rest += it.weight * it.most
			} else {
				dense = max(dense, ceilMulDiv(it.weight, room, it.wants[d]))
			}
		}
		bound = min(bound, rest+dense)
	}
	return bound
}

// costly is a number of tasks that each take a part of one thing of which there is
// a limit: power, or what a queue could use of a model.
type costly struct{ weight, cost, most int64 }

// mostWithin returns the most weight that stays within a limit, or a bound of it.
func mostWithin(limit int64, items []costly) int64 {
	slices.SortStableFunc(items, func(a, b costly) int { // dense first; what costs nothing before all
		l, r := ceilMulDiv(b.weight, mostWeight, max(b.cost, 1)), ceilMulDiv(a.weight, mostWeight, max(a.cost, 1))
		return cmp.Or(cmp.Compare(min(a.cost, 1), min(b.cost, 1)), cmp.Compare(l, r), cmp.Compare(a.cost, b.cost))
	})
	x := budgeted{items: items}
	x.search(0, limit, 0)
	if x.steps > knapsackSteps {
		return inParts(limit, items)
	}
	return x.best
}

// inParts is the weight that stays within a limit where tasks may be divided; the
// items come dense first.
func inParts(limit int64, items []costly) (sum int64) {
	for _, it := range items {
		if it.cost == 0 || it.most <= limit/it.cost {
			sum += it.weight * it.most
			limit -= it.cost * it.most
			continue
		}
		return sum + ceilMulDiv(it.weight, limit, it.cost)
	}
	return sum
}

// budgeted is a search among costly items by branch and bound.
type budgeted struct {
	items []costly
	best  int64
	steps int
}

func (x *budgeted) search(i int, left, value int64) {
	x.best = max(x.best, value)
	if x.steps++; x.steps > knapsackSteps || i == len(x.items) || value+inParts(left, x.items[i:]) <= x.best {
		return
	}
	it := &x.items[i]
	n := it.most
	if it.cost > 0 {
		n = min(n, left/it.cost)
	}
	for ; n >= 0; n-- {
		x.search(i+1, left-n*it.cost, value+n*it.weight)
	}
}
