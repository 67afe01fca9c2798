package sched

import (
	"fmt"
	"slices"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
)

// Whether groups of different tasks fit together on an idle fleet is bin packing,
// which no check at the door can decide in general. So the check looks for a
// proof that they do not, and refuses only with one: weights of the groups such
// that the weight of the whole gang is more than all nodes could hold, each at its
// best - the dual of the configuration program of Gilmore and Gomory (1961). A node
// at its best is a small knapsack; power limits and quotas of models bound sums of
// nodes, and few tasks are held to power exactly (possible_power.go). What all this
// does not rule out is taken in, and if it cannot start all the same it waits with
// its reason.

// Bounds of the search for a proof.
const (
	maxProofDomains = 4096    // of a gang that must stay in one; beyond, nothing is proven
	proofRounds     = 48      // in which weights follow what is scarce
	knapsackSteps   = 4096    // of one node; beyond, a bound stands in
	proofWeight     = 1 << 16 // of a group to begin with
	mostWeight      = 1 << 20
)

// gangProof is the search for one gang.
type gangProof struct {
	c      *Capacity
	groups []provenGroup
	most   []int64 // milli of each model that the queue could use; below 0 = no limit; nil = no quotas
	power  bool
	best   map[uint16]packed // by kind, for the present weights
	steps  int               // of the exact look at power
}

type provenGroup struct {
	shape  Shape
	memory int32
	count  int64
	weight int64
}

// packed is a kind of node at its best: how many tasks of each group it holds
// then, and their weight or more.
type packed struct {
	value int64
	tasks []int64
}

// proofClass is a number of equal nodes of a domain under one area of power.
type proofClass struct {
	kind  uint16
	leaf  int32
	count int64
}

// togetherPossible returns an error when the groups of a gang cannot run at one
// time on the idle fleet: with their nodes alone, with what the queue could use of
// each model, or under the limits of power.
func (c *Capacity) togetherPossible(s *job.Spec, q *Quotas, number int16) error {
	if !s.Gang || s.Tasks() < 2 {
		return nil
	}
	p := gangProof{c: c}
	for g := range s.Groups {
		r := &s.Groups[g].Request
		k := c.keyOf(r)
		k.accept &^= q.tooFew(number, k)
		p.groups = append(p.groups, provenGroup{shape: k.shape(0), memory: int32(r.Memory), count: int64(s.Groups[g].Count)})
	}
	level := fleet.LevelFleet
	if s.Topology.Mode == job.Must {
		level = s.Topology.Level
	}
	words := fmt.Sprintf("a gang of %d tasks in %d groups is asked for: each group fits, and not all of them at one time, ", s.Tasks(), len(s.Groups))
	if len(s.Groups) > 1 && p.never(level) {
		return fault.New(fault.Invalid, "", words+"on "+domainWords(level)+" even when idle", "ask for a smaller gang, smaller tasks or a wider topology domain")
	}
	if p.most = q.mostOfModels(c, number); p.most != nil && p.never(level) {
		return fault.New(fault.Invalid, "queue "+string(s.Queue), words+"with what the queue could use of each model on "+domainWords(level)+" when idle",
			"ask for a smaller gang, other models or a wider topology domain")
	}
	if p.power = c.power != nil && p.powerMayBind(); p.power && p.never(level) {
		return errPower("the gang")
	}
	return nil
}

// powerMayBind tells whether any declared limit could be in the way of the gang: one
// that holds its nodes in full use never is, nor one that leaves more than all tasks
// add, each all that a node of it draws beyond idling. It spares most gangs the search.
func (p *gangProof) powerMayBind() bool {
	t := p.c.power
	adds := int64(0)
	for i := range p.groups {
		g, most := &p.groups[i], int64(0)
		for k := range p.c.kinds {
			if p.c.idleSlots(&p.c.kinds[k], &g.shape, g.memory) > 0 {
				kind := &p.c.kinds[k] // not what one adds alone: a later one may wake a package of cores
				most = max(most, Milliwatts(kind.Power.FullWatts(int(kind.Devices)))-p.c.power.kinds[k].idle)
			}
		}
		adds += most * g.count
	}
	for a := range t.areas {
		d, x := &t.p.Areas[a], &t.areas[a]
		if d.Limit == 0 {
			continue
		}
		budget, _ := d.budgets(&PowerFacts{Limit: d.Limit, Overhead: max(d.Overhead, Million)})
		if x.full > budget && x.idle+adds > budget {
			return true
		}
	}
	return false
}

// never tells whether it is proven that no domain of a level holds the gang.
func (p *gangProof) never(level fleet.Level) bool {
	c := p.c
	dom := c.domains[level].of(c, level)
	type place struct {
		domain, leaf int32
		kind         uint16
	}
	at := map[place]int{}
	classes := map[int32][]proofClass{}
	var order []int32
	for n := range c.nodes {
		x := place{domain: dom[n], leaf: -1, kind: c.nodes[n].kind}
		if p.power {
			x.leaf = c.power.leaf[n]
		}
		list := classes[x.domain]
		if list == nil {
			order = append(order, x.domain)
		}
		i, known := at[x]
		if !known {
			i = len(list)
			at[x] = i
			list = append(list, proofClass{kind: x.kind, leaf: x.leaf})
		}
		list[i].count++
		classes[x.domain] = list
	}
	if len(order) > maxProofDomains {
		return false
	}
	proven := map[string]bool{} // domains of equal nodes are alike
	for _, d := range order {
		key := fmt.Sprint(classes[d])
		if !proven[key] && !p.neverIn(classes[d]) {
			return false
		}
		proven[key] = true
	}
	return true
}

// neverIn looks for weights that prove that the nodes of a domain do not hold the
// gang: first those that may be scarce - tasks, room, CPU, memory, accelerators,
// power - then, from room on, such as follow what is short.
func (p *gangProof) neverIn(classes []proofClass) bool {
	for _, scarce := range [...]func(*provenGroup) int64{
		func(*provenGroup) int64 { return 1 },
		func(g *provenGroup) int64 { return int64(g.shape.CPU) },
		func(g *provenGroup) int64 { return int64(g.memory) },
		func(g *provenGroup) int64 { return int64(g.shape.Milli()) },
		func(g *provenGroup) int64 { return p.leastPower(g, classes) },
		func(g *provenGroup) int64 { return p.roomShare(g, classes) },
	} {
		most := int64(0)
		for i := range p.groups {
			p.groups[i].weight = scarce(&p.groups[i])
			most = max(most, p.groups[i].weight)
		}
		if most == 0 {
			continue
		}
		for i := range p.groups {
			w := &p.groups[i].weight
			*w = ceilMulDiv(*w, proofWeight, most)
		}
		if over, _ := p.outweighs(classes); over {
			return true
		}
	}
	for range proofRounds {
		over, short := p.outweighs(classes)
		if over {
			return true
		}
		for i := range p.groups {
			w := &p.groups[i].weight
			if step := *w/8 + 1; short[i] {
				*w = min(*w+step, mostWeight)
			} else {
				*w = max(*w-step, 0)
			}
		}
	}
	return p.power && p.tooHungry(classes)
}

// outweighs tells whether the gang weighs more than the nodes hold at their best,
// and of which groups they hold too few then.
func (p *gangProof) outweighs(classes []proofClass) (over bool, short []bool) {
	p.best = map[uint16]packed{}
	gang := int64(0)
	held := make([]int64, len(p.groups))
	for i := range p.groups {
		gang += p.groups[i].weight * p.groups[i].count
	}
	sum := int64(0)
	for _, x := range classes {
		b := p.pack(x.kind)
		sum += b.value * x.count
		for i, n := range b.tasks {
			held[i] += n * x.count
		}
	}
	short = make([]bool, len(p.groups))
	for i := range short {
		short[i] = held[i] < p.groups[i].count
	}
	if p.most != nil {
		sum = min(sum, p.byModel(classes))
	}
	if p.power {
		sum = min(sum, p.byPower(classes))
	}
	return gang > sum, short
}

// byModel bounds what the nodes of each model hold by what the queue could use of
// it.
func (p *gangProof) byModel(classes []proofClass) int64 {
	var nodes [noModel + 1]int64
	for _, x := range classes {
		nodes[p.c.kinds[x.kind].Model] += p.pack(x.kind).value * x.count
	}
	sum := int64(0)
	for m := range nodes {
		if m < len(p.most) && p.most[m] >= 0 {
			var items []costly
			for i := range p.groups {
				if g := &p.groups[i]; g.shape.Count == 0 || g.shape.Accept>>m&1 != 0 {
					items = append(items, costly{g.weight, int64(g.shape.Milli()), g.count})
				}
			}
			nodes[m] = min(nodes[m], mostWithin(p.most[m], items))
		}
		sum += nodes[m]
	}
	return sum
}

// byPower bounds what the nodes of each area hold by what it may draw beyond
// idling, from the inner areas out.
func (p *gangProof) byPower(classes []proofClass) int64 {
	t := p.c.power
	held := make([]int64, len(t.areas))
	inside := make([][]proofClass, len(t.areas)) // by kind
	sum := int64(0)
	for _, x := range classes {
		value := p.pack(x.kind).value * x.count
		if x.leaf < 0 {
			sum += value
			continue
		}
		held[x.leaf] += value
		for a := x.leaf; a >= 0; a = t.areas[a].parent {
			k := slices.IndexFunc(inside[a], func(y proofClass) bool { return y.kind == x.kind })
			if k < 0 {
				k = len(inside[a])
				inside[a] = append(inside[a], proofClass{kind: x.kind})
			}
			inside[a][k].count += x.count
		}
	}
	for a := len(held) - 1; a >= 0; a-- {
		if len(inside[a]) > 0 {
			held[a] = min(held[a], p.powerBound(int32(a), inside[a]))
		}
		if up := t.areas[a].parent; up >= 0 {
			held[up] += held[a]
		} else {
			sum += held[a]
		}
	}
	return sum
}

// powerBound is the weight of what an area may hold by its declared limit. Caps
// pass, so they do not count.
func (p *gangProof) powerBound(a int32, inside []proofClass) int64 {
	t := p.c.power
	d := &t.p.Areas[a]
	if d.Limit == 0 {
		return Unlimited
	}
	budget, _ := d.budgets(&PowerFacts{Limit: d.Limit, Overhead: max(d.Overhead, Million)})
	left := max(budget-t.areas[a].idle, 0)
	var items []costly
	for i := range p.groups {
		g := &p.groups[i]
		for _, x := range inside {
			// Beside others a task may add less than alone, but the node draws no less.
			if slots := int64(p.c.idleSlots(&p.c.kinds[x.kind], &g.shape, g.memory)); slots > 0 && p.c.addedAlone(x.kind, &g.shape) <= left {
				items = append(items, costly{g.weight, p.least(x.kind, g), min(x.count*slots, g.count)})
			}
		}
	}
	return mostWithin(left, items)
}

// least is a lower bound of what a task adds to the draw of a node of a kind,
// whatever of the gang is there too.
func (p *gangProof) least(kind uint16, g *provenGroup) int64 {
	k := &p.c.kinds[kind]
	if len(p.groups) == 1 && g.shape.Profile == 0 {
		return p.c.leastOfEqual(kind, &g.shape, g.memory)
	}
	least := k.leastAdded(&g.shape)
	if n := int64(k.Power.CoresPerPackage); n > 0 && k.CPU%2000 == 0 { // packages are taken whole: no less than in proportion
		least += int64(g.shape.CPU) * int64(float64(k.Power.PackageFull-k.Power.PackageIdle)*1000) / (2000 * n)
	}
	return max(least, 0)
}

// leastOfEqual is the least that a task adds on average on a node of a kind that
// holds nothing but its like.
func (c *Capacity) leastOfEqual(kind uint16, s *Shape, memory int32) int64 {
	k := &c.kinds[kind]
	nd := node{kind: kind, cpu: k.CPU, mem: k.Memory, room: k.Tasks, devices: k.Devices, model: k.Model}
	for i := range int(k.Devices) {
		nd.dev[i] = 1000
	}
	nd.summarise()
	least, idle := int64(Unlimited), c.power.kinds[kind].idle
	for n := int64(1); nd.slots(s, memory) > 0; n++ {
		nd.placeOn(s, memory)
		l := c.drawnOf(&nd)
		least = min(least, max(milliwatts(k, &l)-idle, 0)/n)
		if n > job.MaxTasks {
			break
		}
	}
	return least
}

// leastPower is the least that a task of a group adds anywhere.
func (p *gangProof) leastPower(g *provenGroup, classes []proofClass) int64 {
	if !p.power {
		return 0
	}
	least := int64(Unlimited)
	for _, x := range classes {
		if p.c.idleSlots(&p.c.kinds[x.kind], &g.shape, g.memory) > 0 {
			least = min(least, p.least(x.kind, g))
		}
	}
	if least == Unlimited {
		return 0
	}
	return least
}

// roomShare is the part of the nodes that one task of a group takes when only
// its like are there.
func (p *gangProof) roomShare(g *provenGroup, classes []proofClass) int64 {
	room := int64(0)
	for _, x := range classes {
		room += x.count * int64(p.c.idleSlots(&p.c.kinds[x.kind], &g.shape, g.memory))
	}
	return (1 << 40) / max(room, 1)
}
