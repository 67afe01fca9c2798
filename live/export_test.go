package live

import (
	"context"

	"tianfu/control"
)

// Send hands the core an input, as the parts of a centre that read meters,
// signals and engines do.
func (c *Centre) Send(ctx context.Context, in control.Input) error {
	_, err := c.send(ctx, ask{input: in})
	return err
}
