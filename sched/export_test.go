package sched

// LookAtEveryNode makes decisions without what is kept to make them quicker under
// a limit of power: no large area is passed over as a whole, and no refusal is
// remembered.
func (c *Capacity) LookAtEveryNode() {
	c.windows++ // as if a window could open
	c.power.big = nil
	for i := range c.power.areas {
		c.power.areas[i].set = nil
	}
}
