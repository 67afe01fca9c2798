package live

import (
	"context"

	"tianfu/control"
	"tianfu/engine"
	"tianfu/fault"
	"tianfu/sched"
)

// SetCap lowers what an area may draw for a time and returns the cap's number
// once it is durable.
func (c *Centre) SetCap(ctx context.Context, k sched.CapEvent) (int32, error) {
	a, err := c.send(ctx, ask{input: control.Input{Kind: control.SetCap, Cap: &k}})
	return a.cap, err
}

// ClearCap ends a cap.
func (c *Centre) ClearCap(ctx context.Context, id int32) error {
	_, err := c.send(ctx, ask{input: control.Input{Kind: control.ClearCap, CapID: id}})
	return err
}

// givePower carries out an order about power. An engine without the means for it
// says so in the log and nothing else happens: the core's figures are a model
// there.
func (c *Centre) givePower(ctx context.Context, o act, k engine.Key) error {
	switch o.Kind {
	case control.Suspend, control.Resume:
		s, can := c.o.Engine.(engine.Suspender)
		if !can {
			c.o.Logger.Warn("the engine cannot suspend tasks; this one runs on", "task", k)
			return nil
		}
		err := s.Suspend(ctx, k, o.Kind == control.Suspend)
		if fault.KindOf(err) == fault.Denied {
			if o.Kind == control.Resume {
				return nil // what cannot be made to stand still runs
			}
			c.o.Logger.Warn("a task was not suspended and runs on", "task", k, "error", err)
			return nil
		}
		return err
	case control.CapNode:
		if t, can := c.o.Engine.(engine.Throttler); can && o.own {
			err := t.Throttle(ctx, int(o.Level))
			if fault.KindOf(err) == fault.Denied {
				c.o.Logger.Warn("the node is not held to its cap by all means that it has", "node", c.o.Node, "level_permille", o.Level, "error", err)
				return nil
			}
			return err
		}
	}
	c.o.Logger.Info("no engine has a knob for the power of this node", "node", o.Node, "order", o.Kind, "level_permille", o.Level)
	return nil
}

// holdAgain tells the engine, which does not remember, what its node is held to.
func (c *Centre) holdAgain() {
	if !c.state.HasPower() {
		return
	}
	capacity := c.state.Capacity()
	for n := range int32(capacity.Nodes()) {
		if capacity.Node(n).ID == c.o.Node {
			c.order(c.actOf(control.Order{Kind: control.CapNode, Node: n, Level: capacity.NodePower(n).Level}))
		}
	}
}
