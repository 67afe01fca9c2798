package live

import (
	"context"

	"tianfu/control"
)

// Book keeps nodes for a queue and returns once that is durable.
func (c *Centre) Book(ctx context.Context, b *control.BookingTold) error {
	_, err := c.send(ctx, ask{input: control.Input{Kind: control.Book, Booked: b}})
	return err
}

// Unbook ends a reservation that was made while the centre runs.
func (c *Centre) Unbook(ctx context.Context, name string, when Guard) error {
	_, err := c.send(ctx, ask{when: when, input: control.Input{Kind: control.Unbook, Name: name}})
	return err
}
