package live

import (
	"context"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tianfu/engine"
	"tianfu/fault"
	"tianfu/store/memory"
)

// tardy is an engine that takes orders at once and has their logs a while later.
type tardy struct {
	stuck
	has atomic.Bool
}

type said struct{ io.ReadCloser }

func (said) Offset() int64 { return 0 }

func (e *tardy) Logs(_ context.Context, q engine.LogQuery) (engine.Log, error) {
	if !e.has.Load() {
		return nil, fault.New(fault.NotFound, q.Key.String(), "no such task here", "")
	}
	return said{io.NopCloser(strings.NewReader("hello"))}, nil
}

// TestLogsOfWhatIsAboutToStart asks for the log of a task that the core has placed and
// the engine has not got yet: who follows it waits, who does not is told why.
func TestLogsOfWhatIsAboutToStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &tardy{stuck: stuck{started: make(chan engine.Key, 10), reports: make(chan engine.Report)}}
		c := small(t, memory.New(), e)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		id := one(t, c)
		synctest.Wait()
		q := LogQuery{Job: id, Attempt: 1}
		if _, err := c.Logs(ctx, q); fault.KindOf(err) != fault.NotFound || err == nil || !strings.Contains(err.Error(), "j-1/0: has been placed and has not started yet") {
			t.Errorf("who does not follow: %v", err)
		}
		q.Follow = true
		q.Attempt = 2
		if _, err := c.Logs(ctx, q); fault.KindOf(err) != fault.NotFound || err == nil {
			t.Errorf("an attempt that is not: %v", err)
		}
		q.Attempt = 1
		time.AfterFunc(time.Minute, func() { e.has.Store(true) })
		log, err := c.Logs(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := io.ReadAll(log); string(text) != "hello" {
			t.Errorf("it says %q", text)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
