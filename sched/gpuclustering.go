package sched

// gpuClustering keeps tasks of one kind together (Gandiva, OSDI 2018, as
// section 1.7 of the protocol restates it). The kind of a task is sharing, one
// device, two devices and so on.
type gpuClustering struct{}

func (gpuClustering) Key(c *Capacity, n int32, s *Shape) int64 {
	if s.Count == 0 {
		return 0
	}
	nd := &c.nodes[n]
	packed := 25 * (8000 - int64(nd.sum)) / 8000
	var kinds uint32
	for _, id := range c.onNode[n] {
		if a := &c.allocs[id]; a.Devices != 0 {
			kinds |= 1 << deviceKind(&c.shapes[a.Shape])
		}
	}
	own := uint32(1) << deviceKind(s)
	switch {
	case kinds == own:
		return packed + 75
	case kinds&own != 0:
		return packed + 50
	case kinds == 0:
		return packed + 25
	}
	return packed
}

func deviceKind(s *Shape) int {
	if s.Share < 1000 {
		return 0
	}
	return int(s.Count)
}

func (gpuClustering) Devices(c *Capacity, n int32, s *Shape) uint16 { return c.tightDevices(n, s) }
