package sched

import (
	"math"
	"math/bits"

	"tianfu/unit"
)

// tianfu is our own policy, and the default. It charges a placement what it
// takes from the work still to come, in thousandths of a device, and takes the
// cheapest node:
//
//   - stranding: idle devices of a node that the CPU left there cannot feed,
//     at the CPU a device needs on average in the mix seen so far;
//   - residue: what a share takes from the rest of its device, at the dual
//     prices of cutting devices into the mix of shares seen so far (see
//     cutting.go), so that a rest no task wants is worth nothing;
//   - scarcity: capacity of a model that later tasks will ask for by name, at
//     the ratio of that demand to what is left of the model;
//   - large gangs: opening a node that still has many free devices, at the
//     part of demand that asks for several devices on one node;
//   - a node without devices is preferred by a task that needs none, by two
//     steps of cost;
//   - power: the watts the placement adds, at a price that makes a device's
//     watts worth a device on an empty fleet and nothing on a full one.
//
// Everything is learnt from the fleet and from the arrivals up to the present
// one. A task that fits is always placed.
type tianfu struct {
	seen   []int64 // tasks observed, by shape
	total  int64
	next   int64                      // rebuild the tables when total reaches it
	named  map[uint64]int64           // milli asked by tasks that accept only some models, by set
	milli  int64                      // milli asked by all device tasks
	value  [int(unit.Whole) + 1]int32 // of what is left of a device
	price  [int(unit.Whole) + 1]int32 // of a share
	spare  [noModel + 1]int64         // free milli one milli CPU can feed, times 1<<16
	scarce [noModel + 1]int64         // price of a milli of a model, in thousandths
	opened int64                      // cost of each free device on a node that is opened further
	watts  float64                    // milli a watt is worth on an empty fleet
}

const (
	// band is the step in which costs are compared, in milli; costs within a
	// step are ties, and ties go to the lowest rank, which packs.
	band = 20
	// residueWeight sets the dual prices of shares above the other costs: a
	// wrong cut stays for the life of its neighbour, a dear node only until the
	// fleet fills.
	residueWeight = 4
	// scarcityWeight does the same for a model that tasks name: what is taken
	// from it now cannot be given to them.
	scarcityWeight = 3
	// openWeight is the cost of each free device on a node opened further, in
	// milli, if all demand came in blocks of several devices.
	openWeight = 100
	// powerWeight is the price of a device's watts on an empty fleet, in devices.
	powerWeight = 0.8
	// packageWeight is the part of a CPU package's watts that is charged to the
	// task that wakes it: others will share it.
	packageWeight = 0.1
	// scarceFrom is the CPU asked for each device, over the CPU the fleet has for
	// each, from which CPU counts as short; scarceOver later it wholly does.
	scarceFrom, scarceOver = 0.97, 0.05
	// aloneWeight is the weight of tasks without devices once CPU is short: they
	// come again and again, while a device is taken once.
	aloneWeight = 2
	// firstRebuild tasks are seen before the first tables are made; each later
	// set is made when that many again have come.
	firstRebuild = 32
	// priceEvery tasks the scarcity prices follow what is left.
	priceEvery = 64
)

func newTianfu(c *Capacity) *tianfu {
	p := &tianfu{next: firstRebuild, named: map[uint64]int64{}}
	var sum float64
	for n := range c.nodes {
		k := &c.kinds[c.nodes[n].kind]
		sum += float64(k.Devices) * float64(k.Power.DeviceWatts(unit.Whole)-k.Power.DeviceWatts(0))
	}
	if sum > 0 {
		p.watts = float64(c.total.Milli) / sum
	}
	p.rebuild(c)
	return p
}

// Observe counts a task. Tables are remade when the number of tasks has
// doubled: the mix is then known better by a step that can matter.
func (p *tianfu) Observe(c *Capacity, a Ask) bool {
	for int(a.Shape) >= len(p.seen) {
		p.seen = append(p.seen, 0)
	}
	s := &c.shapes[a.Shape]
	p.seen[a.Shape]++
	p.total++
	if s.Count > 0 {
		p.milli += int64(s.Milli())
		if open := c.openTo(s); open != c.allModels() {
			p.named[open] += int64(s.Milli())
		}
	}
	if p.total%priceEvery == 0 {
		p.reprice(c)
	}
	if p.total < p.next {
		return false
	}
	p.next *= 2
	p.rebuild(c)
	return true
}

func (c *Capacity) allModels() uint64 { return 1<<len(c.models) - 1 }

// openTo returns the models of the fleet that a shape accepts.
func (c *Capacity) openTo(s *Shape) uint64 { return s.Accept & c.allModels() }

// reprice sets the price of each model: the demand by name still to come until
// the fleet is full, over what is left of the model.
func (p *tianfu) reprice(c *Capacity) {
	if p.milli == 0 {
		return
	}
	var left, want [noModel]float64
	var all float64
	for m := range c.models {
		// A hundredth of the model is never taken as gone, so that the last
		// residues do not send prices to infinity.
		left[m] = float64(c.modelFree[m]) + float64(c.modelTotal[m])/100
		all += left[m]
	}
	for set, milli := range p.named { // sums of whole numbers: order does not show
		var sum float64
		for b := set; b != 0; b &= b - 1 {
			sum += left[bits.TrailingZeros64(b)]
		}
		for b := set; b != 0 && sum > 0; b &= b - 1 {
			m := bits.TrailingZeros64(b)
			want[m] += math.Floor(float64(milli) * left[m] / sum)
		}
	}
	for m := range c.models {
		if left[m] > 0 {
			p.scarce[m] = int64(1000 * scarcityWeight * want[m] / float64(p.milli) * all / left[m])
		}
	}
}

// rebuild remakes what Key reads from the mix seen so far.
func (p *tianfu) rebuild(c *Capacity) {
	var several int64
	shares := make([]int64, int(unit.Whole)+1)
	for id, n := range p.seen {
		s := &c.shapes[id]
		if s.Count > 1 {
			several += n * int64(s.Milli())
		}
		if s.Count == 1 && s.Share < int16(unit.Whole) && s.Profile == 0 {
			shares[s.Share] += n
		}
	}
	p.opened = 0
	if p.milli > 0 {
		p.opened = openWeight * several / p.milli
	}
	alone := p.contended(c)
	for m := range c.models {
		var cpu, milli int64
		for id, n := range p.seen {
			if s := &c.shapes[id]; s.Count > 0 && s.Accept>>m&1 != 0 {
				cpu += n * int64(s.CPU)
				milli += n * int64(s.Milli())
			}
		}
		p.spare[m] = math.MaxInt32 << 16 / 1000
		cpu += int64(alone * float64(milli))
		if cpu > 0 {
			p.spare[m] = milli << 16 / cpu
		}
	}
	price, value := cutPrices(shares)
	for g := range value {
		p.value[g] = int32(residueWeight * 1000 * value[g])
		p.price[g] = int32(residueWeight * 1000 * price[g])
	}
	p.reprice(c)
}

// contended returns the milli CPU that tasks without devices take from each
// milli of device, as far as CPU is short in the mix seen so far. While CPU is
// plenty they take none: they fit beside the devices, and counting them would
// spread work that could be packed.
func (p *tianfu) contended(c *Capacity) float64 {
	var alone, all int64
	for id, n := range p.seen {
		s := &c.shapes[id]
		all += n * int64(s.CPU)
		if s.Count == 0 {
			alone += n * int64(s.CPU)
		}
	}
	if p.milli == 0 || c.total.CPU == 0 {
		return 0
	}
	asked := float64(all) / float64(p.milli) * float64(c.total.Milli) / float64(c.total.CPU)
	short := min(max((asked-scarceFrom)/scarceOver, 0), 1)
	return aloneWeight * short * float64(alone) / float64(p.milli)
}

// stranded returns the free milli of a node that cpu left there cannot feed.
func (p *tianfu) stranded(model uint8, cpu, sum int32) int64 {
	return max(int64(sum)-int64(cpu)*p.spare[model]>>16, 0)
}

// cost returns what placing the shape on node n takes from later work, power
// and scarcity aside, the watts it adds in tenths, and the device of a share.
func (p *tianfu) cost(c *Capacity, n int32, s *Shape) (milli, deciwatts int64, device uint16) {
	nd := &c.nodes[n]
	k := &c.kinds[nd.kind]
	used := unit.MilliCPU(k.CPU - nd.cpu)
	woken := k.Power.CPUWatts(used+unit.MilliCPU(s.CPU)) - k.Power.CPUWatts(used)
	watts := float64(packageWeight * woken)
	if nd.sum > 0 {
		milli = p.stranded(nd.model, nd.cpu-s.CPU, nd.sum-s.Milli()) - p.stranded(nd.model, nd.cpu, nd.sum)
	}
	switch {
	case s.Count == 0 && nd.devices > 0:
		milli += 2*band + p.opened*int64(nd.free)
	case s.Count == 0:
	case s.Count > 1 || s.Share == int16(unit.Whole) || s.Profile != 0:
		milli += p.opened * int64(nd.free)
		watts += float64(s.Count) * float64(k.Power.DeviceWatts(unit.Milli(s.Share))-k.Power.DeviceWatts(0))
	default:
		residue, w, set := p.residue(nd, k, s)
		milli += residue
		watts += w
		device = set
	}
	return milli, int64(10 * watts), device
}

// residue returns the best device of a node for a share: what the share takes
// from it, and the watts it adds.
func (p *tianfu) residue(nd *node, k *Kind, s *Shape) (milli int64, watts float64, device uint16) {
	best := int64(math.MaxInt64)
	last := int16(-1)
	for i, g := range nd.dev[:nd.devices] {
		if g < s.Share || g == last || (nd.hidden|nd.parted)>>i&1 != 0 {
			continue
		}
		last = g
		v := int64(p.value[g] - p.value[g-s.Share] - p.price[s.Share])
		held := unit.Whole - unit.Milli(g)
		w := float64(k.Power.DeviceWatts(held+unit.Milli(s.Share)) - k.Power.DeviceWatts(held))
		if all := v + int64(p.watts/8*w); all < best {
			best, milli, watts, device = all, v, w, 1<<i
		}
	}
	return milli, watts, device
}

// Key packs cost in bands, watts and model: what Scores weighs by load.
func (p *tianfu) Key(c *Capacity, n int32, s *Shape) int64 {
	milli, watts, _ := p.cost(c, n, s)
	return (milli+band*1<<20+band/2)/band<<32 | (watts+1<<20)<<8 | int64(c.nodes[n].model)
}

// Scores is the negative cost in bands, with watts priced at the present load.
func (p *tianfu) Scores(c *Capacity, s *Shape, keys, scores []int64) {
	load := 0.0
	if c.total.Milli > 0 {
		load = float64(c.used.Milli) / float64(c.total.Milli)
	}
	watt := int64(powerWeight * p.watts * (1 - float64(load*load)) * 1024 / 10)
	for i, k := range keys {
		milli := (k>>32 - 1<<20) * band
		milli += watt * (k>>8&(1<<24-1) - 1<<20) >> 10
		milli += p.scarce[k&0xff] * int64(s.Milli()) / 1000
		scores[i] = -((milli + band*1<<20 + band/2) / band)
	}
}

// Devices takes the lowest free devices, and for a share the device its cost
// was taken from.
func (p *tianfu) Devices(c *Capacity, n int32, s *Shape) uint16 {
	if s.Count != 1 || s.Share == int16(unit.Whole) || s.Profile != 0 {
		return c.firstDevices(n, s)
	}
	_, _, set := p.residue(&c.nodes[n], &c.kinds[c.nodes[n].kind], s)
	return set
}
