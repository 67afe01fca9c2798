package live

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tianfu/engine"
	"tianfu/fault"
	"tianfu/job"
	"tianfu/store/memory"
	"tianfu/unit"
)

// TestDeadlinesThatHavePassed submits a job after its deadline: it is refused, asked
// for a dry run too, but for the same submission again, which is the first one.
func TestDeadlinesThatHavePassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := small(t, memory.New(), &stuck{started: make(chan engine.Key, 10), reports: make(chan engine.Report)})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		work, err := (&job.Work{Command: []string{"true"}}).Encode()
		if err != nil {
			t.Fatal(err)
		}
		with := func(key string) *job.Spec {
			return &job.Spec{Name: "x", Tenant: "a", Key: key, Work: work, Deadline: unit.Instant(time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC).UnixNano()),
				Groups: []job.Group{{Name: "main", Count: 1, Request: job.Request{CPU: 1000, Memory: 64}}}}
		}
		first, err := c.Submit(ctx, with("k"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		if again, err := c.Submit(ctx, with("k")); err != nil || again != first {
			t.Errorf("the same again: %v, %v, want %v", again, err, first)
		}
		started := with("")
		started.StartBy, started.Deadline = started.Deadline, unit.Instant(time.Now().Add(time.Hour).UnixNano())
		if _, err := c.Submit(ctx, started); fault.KindOf(err) != fault.Invalid || err == nil || !strings.Contains(err.Error(), "start_by: 2000-01-01T01:00:00Z has passed") {
			t.Errorf("a latest start: %v", err)
		}
		for what, err := range map[string]error{
			"another key": func() error { _, err := c.Submit(ctx, with("other")); return err }(),
			"no key":      func() error { _, err := c.Submit(ctx, with("")); return err }(),
			"a dry run":   func() error { _, err := c.DryRun(ctx, with("")); return err }(),
		} {
			if fault.KindOf(err) != fault.Invalid || err == nil || !strings.Contains(err.Error(), "deadline: 2000-01-01T01:00:00Z has passed") {
				t.Errorf("%s: %v", what, err)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
