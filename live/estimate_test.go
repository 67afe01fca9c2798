package live

import (
	"context"
	"testing"
	"time"

	"tianfu/engine"
	"tianfu/store/memory"
)

// TestEstimatesServeWhileNewOnesAreMade: a new job asks for estimates of its own, which
// take their time. Those who waited before are answered from the set before.
func TestEstimatesServeWhileNewOnesAreMade(t *testing.T) {
	c := small(t, memory.New(), &stuck{started: make(chan engine.Key, 100), reports: make(chan engine.Report)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	old := one(t, c)
	for range 64 { // one more than the node holds
		old = one(t, c)
	}
	ask := func() bool {
		t.Helper()
		f, at, err := c.freeze(ctx, old)
		if err != nil {
			t.Fatal(err)
		}
		_, _, ok := c.start(ctx, f, at, old)
		return ok
	}
	for began := time.Now(); !ask(); {
		if time.Since(began) > time.Minute {
			t.Fatal("the start of a job that waits is not estimated")
		}
	}
	one(t, c) // something has happened since
	c.estimates.mu.Lock()
	c.estimates.current.began = c.estimates.current.began.Add(-2 * estimateFresh) // … and it is not young
	c.estimates.before, c.estimates.current = c.estimates.current, &estimate{done: make(chan struct{})}
	c.estimates.before.took = 4 * estimateFresh // good for long, as it took long
	c.estimates.mu.Unlock()
	if !ask() {
		t.Error("a job is told to ask again, though what was told it is still good")
	}
}
