package sched

// dotProd takes the node whose remains point least along the request, as the
// openb experiments define it (section 1.7 of the protocol): the smallest
// product wins.
type dotProd struct{}

func (dotProd) Key(c *Capacity, n int32, s *Shape) int64 {
	nd := &c.nodes[n]
	cpu := float64(nd.cpu) / 128000 * (float64(s.CPU) / 128000)
	gpu := float64(nd.sum) / 8000 * (float64(s.Milli()) / 8000)
	return int64(100 * (1 - float64(0.5*cpu) - float64(0.5*gpu)))
}

func (dotProd) Devices(c *Capacity, n int32, s *Shape) uint16 { return c.tightDevices(n, s) }
