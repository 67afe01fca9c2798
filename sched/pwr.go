package sched

import "tianfu/unit"

// pwr takes the node whose power grows least (PWR, CCGrid 2025, arXiv
// 2412.17484): the score is the fall in watts, truncated, 0 or negative. For a
// share the device that adds least, lowest index first. Min-max over the
// feasible nodes keeps the best on top, so alone it needs no second look.
type pwr struct{}

func (pwr) Key(c *Capacity, n int32, s *Shape) int64 {
	watts, _ := c.addedWatts(n, s)
	return -int64(watts)
}

func (pwr) Devices(c *Capacity, n int32, s *Shape) uint16 {
	if s.Count != 1 || s.Share == int16(unit.Whole) || s.Profile != 0 {
		return c.firstDevices(n, s)
	}
	_, set := c.addedWatts(n, s)
	return set
}

// addedWatts returns how much more node n draws with a task of the shape, and
// for a share the device that adds least.
func (c *Capacity) addedWatts(n int32, s *Shape) (unit.Watts, uint16) {
	nd := &c.nodes[n]
	k := &c.kinds[nd.kind]
	used := unit.MilliCPU(k.CPU - nd.cpu)
	cpu := k.Power.CPUWatts(used+unit.MilliCPU(s.CPU)) - k.Power.CPUWatts(used)
	if s.Count == 0 {
		return cpu, 0
	}
	if s.Count != 1 || s.Share == int16(unit.Whole) || s.Profile != 0 {
		one := k.Power.DeviceWatts(unit.Milli(s.Share)) - k.Power.DeviceWatts(0)
		return cpu + unit.Watts(float64(s.Count)*float64(one)), 0
	}
	best, set, last := unit.Watts(0), uint16(0), int16(-1)
	for i := range int(nd.devices) {
		g := nd.usable(i)
		if g < s.Share || g == last {
			continue
		}
		last = g
		held := unit.Whole - unit.Milli(g)
		w := k.Power.DeviceWatts(held+unit.Milli(s.Share)) - k.Power.DeviceWatts(held)
		if set == 0 || w < best {
			best, set = w, 1<<i
		}
	}
	return cpu + best, set
}

// Watts returns what node n draws now by its model, what it always draws included.
func (c *Capacity) Watts(n int32) unit.Watts {
	if c.power != nil { // with what is held back of it
		return unit.Watts(float64(c.power.nodes[n].draw) / 1000)
	}
	nd := &c.nodes[n]
	k := &c.kinds[nd.kind]
	w := k.Power.Base + k.Power.CPUWatts(unit.MilliCPU(k.CPU-nd.cpu))
	for i := range int(nd.devices) {
		w += k.Power.DeviceWatts(unit.Whole - unit.Milli(nd.dev[i]))
	}
	return w
}
