package sched

// bestFit leaves the least CPU and accelerator capacity behind: section 1.7 of
// the protocol, with weights of one half and the largest node's 128 CPUs and 8
// devices as the units. Min-max to 0-100 with integer division keeps the order
// at the top, so the plain score decides alike.
type bestFit struct{}

func (bestFit) Key(c *Capacity, n int32, s *Shape) int64 {
	nd := &c.nodes[n]
	cpu := float64(nd.cpu-s.CPU) / 128000
	gpu := float64(nd.sum-s.Milli()) / 8000
	return int64(100 * (1 - float64(0.5*cpu) - float64(0.5*gpu)))
}

func (bestFit) Devices(c *Capacity, n int32, s *Shape) uint16 { return c.tightDevices(n, s) }
