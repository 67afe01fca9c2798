package sched

import (
	"tianfu/fleet"
	"tianfu/unit"
)

// Free is what nobody holds of devices that take work, in milli.
type Free struct {
	Whole   int64 // wholly free devices
	Partial int64 // rests of shared devices
}

// Free sums up the free device capacity.
func (c *Capacity) Free() Free {
	var f Free
	for n := range c.nodes {
		nd := &c.nodes[n]
		if nd.blocked != None {
			continue
		}
		whole := int64(nd.free) * int64(unit.Whole)
		f.Whole += whole
		f.Partial += int64(nd.sum) - whole
	}
	return f
}

// Fullness returns the part of node n in use, 0 to 1: of its devices, or of
// its CPU when it has none; -1 when it takes no work.
func (c *Capacity) Fullness(n int32) float64 {
	nd := &c.nodes[n]
	k := &c.kinds[nd.kind]
	if nd.blocked != None {
		return -1
	}
	if k.Devices > 0 {
		held := 0
		for i := range int(nd.devices) {
			held += int(unit.Whole) - int(nd.dev[i])
		}
		return float64(held) / float64(int(k.Devices)*int(unit.Whole))
	}
	if k.CPU == 0 {
		return 0
	}
	return float64(k.CPU-nd.cpu) / float64(k.CPU)
}

// FreeByDomain counts wholly free devices by topology domain and model.
func (c *Capacity) FreeByDomain(level fleet.Level) []int64 {
	dom := c.domains[level].of(c, level)
	type key struct {
		domain int32
		model  uint8
	}
	index := map[key]int{}
	var out []int64
	for n := range c.nodes {
		nd := &c.nodes[n]
		if nd.blocked != None || nd.free == 0 {
			continue
		}
		k := key{dom[n], nd.model}
		i, ok := index[k]
		if !ok {
			i = len(out)
			index[k] = i
			out = append(out, 0)
		}
		out[i] += int64(nd.free)
	}
	return out
}

// Left is what a node has left.
type Left struct {
	CPU    unit.MilliCPU
	Memory unit.MiB
	Milli  int32 // over usable devices
	Whole  int   // devices wholly free
	Tasks  int   // that may still start; a large number where nothing bounds them
}

// Left returns what node n has left.
func (c *Capacity) Left(n int32) Left {
	nd := &c.nodes[n]
	return Left{unit.MilliCPU(nd.cpu), unit.MiB(nd.mem), nd.sum, int(nd.free), int(max(nd.room, 0))}
}
