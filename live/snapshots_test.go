package live

import (
	"context"
	"testing"
	"time"

	"tianfu/engine"
	"tianfu/store/memory"
)

// TestNothingToForgetIsNoFailure makes snapshots of a centre whose records must all be
// kept yet: each is made, and none is called a failure. Then all but what the older
// snapshot needs is forgotten.
func TestNothingToForgetIsNoFailure(t *testing.T) {
	s := memory.New()
	c := small(t, s, &stuck{started: make(chan engine.Key, 100), reports: make(chan engine.Report)})
	c.o.KeepRecords = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	for range 3 {
		one(t, c)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	first, _ := s.Bounds()
	for at := c.last - 2; at <= c.last; at++ {
		if err := c.saveSnapshot(t.Context(), at, c.state.Freeze()); err != nil {
			t.Errorf("the snapshot of record %d: %v", at, err)
		}
	}
	if now, _ := s.Bounds(); now != first {
		t.Errorf("records from %d on are kept, and were from %d on: they are not an hour old", now, first)
	}
	c.o.KeepRecords = time.Nanosecond
	if err := c.saveSnapshot(t.Context(), c.last, c.state.Freeze()); err != nil {
		t.Error(err)
	}
	if now, _ := s.Bounds(); now == first {
		t.Error("nothing was forgotten")
	}
}
