package live

import (
	"context"
	"time"

	"tianfu/fault"
)

// roomAgain is how often a full disk is tried again.
const roomAgain = time.Second

// append makes records durable. While the disk is full it waits and tries
// again: the step is made, running tasks go on, nobody has been answered, and
// the ends that are due are recorded once there is room. Run's end gives up.
func (c *Centre) append(records [][]byte) error {
	for waited := false; ; waited = true {
		err := c.o.Store.Append(context.Background(), c.last+1, records)
		if fault.KindOf(err) != fault.Exhausted {
			if waited && err == nil {
				c.o.Logger.Warn("there is room again; the centre goes on")
			}
			return err
		}
		if !waited {
			c.o.Logger.Error("the disk is full: the centre waits for room", "error", err)
		}
		select {
		case <-time.After(roomAgain):
		case <-c.ended:
			return err
		}
	}
}
