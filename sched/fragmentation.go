package sched

import (
	"slices"

	"tianfu/fleet"
	"tianfu/unit"
)

// Fragmentation measures how much of a node's free accelerator capacity the
// typical tasks cannot use (FGD, USENIX ATC 2023, section 3; section 1.6 of the
// protocol). All arithmetic is in integers: milli of a device times the weight
// of a class, so the measure is exact and alike on every machine.
//
// For a node with g_i milli left on device i and c CPU left it holds
//
//	F = W*G - sum over classes that fit of w * (sum of g_i >= share)
//
// and the second term is a sum over devices of g_i * v[c][g_i], plus a term in
// the number of free devices for classes of several devices.
type Fragmentation struct {
	weight int64 // W: of all classes, CPU-only ones too
	steps  [int(unit.Whole) + 1]uint8
	shares int // distinct share steps
	models []*fragTable
	none   *fragTable
}

// fragTable holds the terms of one accelerator model.
type fragTable struct {
	cpus   []int32 // class CPU requests, ascending: index i = classes with cpu <= cpus[i-1]
	single []int64 // [cpu index * shares + share step]: weight of one-device classes that fit
	multi  []int64 // [cpu index * (MaxDevices+1) + free devices]: weight * 1000 * free
}

// NewFragmentation prepares the measure for the models of a capacity.
func NewFragmentation(c *Capacity, typical []TypicalClass) *Fragmentation {
	f := &Fragmentation{}
	shares := []unit.Milli{}
	for _, t := range typical {
		f.weight += t.Weight
		if t.Count == 1 && !slices.Contains(shares, t.Share) {
			shares = append(shares, t.Share)
		}
	}
	slices.Sort(shares)
	f.shares = len(shares) + 1
	step := 0
	for g := range f.steps {
		for step < len(shares) && shares[step] <= unit.Milli(g) {
			step++
		}
		f.steps[g] = uint8(step)
	}
	for _, m := range c.models {
		f.models = append(f.models, f.table(typical, m, shares))
	}
	f.none = f.table(nil, "", nil)
	return f
}

func (f *Fragmentation) table(typical []TypicalClass, m fleet.Model, shares []unit.Milli) *fragTable {
	t := &fragTable{}
	for _, k := range typical {
		if !slices.Contains(t.cpus, int32(k.CPU)) {
			t.cpus = append(t.cpus, int32(k.CPU))
		}
	}
	slices.Sort(t.cpus)
	t.single = make([]int64, (len(t.cpus)+1)*f.shares)
	t.multi = make([]int64, (len(t.cpus)+1)*(fleet.MaxDevices+1))
	for _, k := range typical {
		if k.Count == 0 || len(k.Models) > 0 && !slices.Contains(k.Models, m) {
			continue
		}
		for i := range t.cpus {
			if int32(k.CPU) > t.cpus[i] {
				continue
			}
			if k.Count == 1 {
				for j := slices.Index(shares, k.Share) + 1; j < f.shares; j++ {
					t.single[(i+1)*f.shares+j] += k.Weight
				}
				continue
			}
			for free := k.Count; free <= fleet.MaxDevices; free++ {
				t.multi[(i+1)*(fleet.MaxDevices+1)+free] += k.Weight * 1000 * int64(free)
			}
		}
	}
	return t
}

func (f *Fragmentation) of(model uint8) *fragTable {
	if int(model) < len(f.models) {
		return f.models[model]
	}
	return f.none
}

// row returns how many distinct class CPU requests are at most cpu.
func (t *fragTable) row(cpu int32) int {
	lo, hi := 0, len(t.cpus)
	for lo < hi {
		mid := (lo + hi) / 2
		if t.cpus[mid] <= cpu {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// usable returns weight times milli that typical tasks can use on a node with
// row cpu left.
func (f *Fragmentation) usable(t *fragTable, row int, nd *node) int64 {
	single := t.single[row*f.shares : (row+1)*f.shares]
	gone := nd.hidden | nd.parted
	var u int64
	for i, g := range nd.dev[:nd.devices] {
		if gone>>i&1 == 0 && g > 0 {
			u += int64(g) * single[f.steps[g]]
		}
	}
	return u + t.multi[row*(fleet.MaxDevices+1)+int(nd.free)]
}

// Node returns the fragmented milli of node n, times Weight.
func (f *Fragmentation) Node(c *Capacity, n int32) int64 {
	nd := &c.nodes[n]
	t := f.of(nd.model)
	return f.weight*int64(nd.sum) - f.usable(t, t.row(nd.cpu), nd)
}

// Weight is the sum of class weights that Node is multiplied by.
func (f *Fragmentation) Weight() int64 { return f.weight }
