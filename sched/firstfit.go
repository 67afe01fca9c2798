package sched

// firstFit takes the lowest rank that fits and the lowest device index.
type firstFit struct{}

func (firstFit) Key(*Capacity, int32, *Shape) int64 { return 0 }

func (firstFit) Devices(c *Capacity, n int32, s *Shape) uint16 { return c.firstDevices(n, s) }
