package sched

import "slices"

// gpuPacking fills shared devices first, then nodes in use, then idle nodes
// (MLaaS in the Wild, NSDI 2022, as section 1.7 of the protocol restates it).
type gpuPacking struct{}

func (gpuPacking) Key(c *Capacity, n int32, s *Shape) int64 {
	if s.Count == 0 {
		return 0
	}
	nd := &c.nodes[n]
	free := int64(nd.free)
	if nd.free == nd.devices {
		return max(33-free, free)
	}
	var left [16]int16
	k := 0
	for i := range int(nd.devices) {
		if g := nd.usable(i); g >= s.Share {
			left[k] = g
			k++
		}
	}
	slices.Sort(left[:k])
	opened, tenths := int64(0), int64(0)
	for _, g := range left[:min(k, int(s.Count))] {
		if g == 1000 {
			opened++
		}
		tenths += int64(g) * 100 / 1000
	}
	if opened > 0 {
		return max(50-opened, 33)
	}
	return max(100-tenths/10, 50)
}

func (gpuPacking) Devices(c *Capacity, n int32, s *Shape) uint16 { return c.tightDevices(n, s) }
