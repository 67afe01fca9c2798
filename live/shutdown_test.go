package live

import (
	"context"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tianfu/control"
	"tianfu/engine"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/store/memory"
	"tianfu/unit"
)

// stuck is an engine that takes every order but the starts of one job, which it
// refuses with an error of a kind.
type stuck struct {
	mu      sync.Mutex
	job     job.ID
	kind    fault.Kind
	started chan engine.Key
	reports chan engine.Report
}

func (e *stuck) Start(_ context.Context, o engine.Order) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if o.Key.Job == e.job {
		return fault.New(e.kind, o.Key.String(), "no room", "")
	}
	e.started <- o.Key
	return nil
}

// takeAll has the engine take every order from now on.
func (e *stuck) takeAll() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.job = 0
}
func (e *stuck) Stop(context.Context, engine.Key, time.Duration) error { return nil }
func (e *stuck) Ack(context.Context, engine.Key) error                 { return nil }
func (e *stuck) Forget(context.Context, engine.Key) error              { return nil }
func (e *stuck) Tasks(context.Context) ([]engine.Status, error)        { return nil, nil }
func (e *stuck) Reports() <-chan engine.Report                         { return e.reports }
func (e *stuck) Close() error                                          { return nil }
func (e *stuck) Probe(context.Context) (engine.Probe, error)           { return engine.Probe{}, nil }
func (e *stuck) Logs(context.Context, engine.LogQuery) (engine.Log, error) {
	return nil, fault.New(fault.NotFound, "log", "there is none", "")
}

func small(t *testing.T, s *memory.Store, e engine.Engine) *Centre {
	t.Helper()
	w, _, err := fleet.ParseWorld("test", []byte("name: test\nsites:\n  - {name: here, time_zone: UTC}\ncatalogue:\n  skus:\n    - {name: m, vcpu: 64, memory: 64GiB}\nnodes:\n  - {name: n1, sku: m, place: here}\n"))
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := Open(t.Context(), Options{Config: control.Config{Fleet: w.Fleet(), Policy: "bestfit"}, Store: s, Engine: e, Node: "n1",
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: func() unit.Instant { return unit.Instant(time.Now().UnixNano()) }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func one(t *testing.T, c *Centre) job.ID {
	t.Helper()
	w := job.Work{Command: []string{"true"}}
	work, err := w.Encode()
	if err != nil {
		t.Fatal(err)
	}
	id, err := c.Submit(t.Context(), &job.Spec{Name: "x", Tenant: "a", Work: work, Groups: []job.Group{{Name: "main", Count: 1, Request: job.Request{CPU: 1000, Memory: 64}}}})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestRunEndsWhileWorkWaits ends a centre at the very moment when work beside the
// loop waits for a look at the state: neither waits for the other for ever.
func TestRunEndsWhileWorkWaits(t *testing.T) {
	for range 20 { // the loop may answer the last look, or not
		c := small(t, memory.New(), &stuck{started: make(chan engine.Key, 1), reports: make(chan engine.Report)})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		hold, held := make(chan struct{}), make(chan struct{})
		go c.View(t.Context(), func(*control.State) { close(held); <-hold })
		<-held
		go c.freeze(t.Context(), 0) // keeps the estimates locked until it has its copy
		for len(c.asks) == 0 {
			runtime.Gosched()
		}
		cancel()
		close(hold)
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("the centre does not end")
		}
	}
}

// TestOneStartHoldsNoOtherUp gives orders while one cannot be carried out.
func TestOneStartHoldsNoOtherUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &stuck{job: 1, kind: fault.Unavailable, started: make(chan engine.Key, 100), reports: make(chan engine.Report)}
		c := small(t, memory.New(), e)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		for range 2 * workers {
			one(t, c) // two for every worker, that of the first job too
		}
		synctest.Wait()
		if n := len(e.started); n != 2*workers-2 {
			t.Errorf("%d tasks are started beside the one that cannot be, want %d", n, 2*workers-2)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestEventsGoOnOverRestarts reads events of a centre that ends and begins again:
// who comes back with a number of before is told that there is a gap, and never
// takes new events for old ones.
func TestEventsGoOnOverRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		var last uint64
		for life := range 3 {
			e := &stuck{started: make(chan engine.Key, 100), reports: make(chan engine.Report)}
			c := small(t, s, e)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- c.Run(ctx) }()
			gap := c.LastEvent() != last // where every record was an event, all were seen
			if p := c.Events(last); len(p.Events) > 0 || p.Last < last || p.Gap != gap {
				t.Errorf("life %d: after %d: %+v", life, last, p)
			}
			id := one(t, c)
			synctest.Wait()
			p := c.Events(last)
			if p.Gap != gap || len(p.Events) != 2 || p.Events[0].Job != id || p.Events[0].Sequence <= last || p.Last != p.Events[1].Sequence || !p.Open {
				t.Errorf("life %d: after %d: %+v", life, last, p)
			}
			last = p.Last
			if p := c.Events(last + 100); !p.Gap || p.Last != last {
				t.Errorf("life %d: after what was never told: %+v", life, p)
			}
			if told := c.EventsTold(); told != 2 {
				t.Errorf("life %d: %d events were told", life, told)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if c.Events(last).Open {
				t.Error("more is to come of a centre that has ended")
			}
		}
	})
}

// TestEventsComeInPages fills the feed beyond what one look returns.
func TestEventsComeInPages(t *testing.T) {
	c := &Centre{events: newFeed(10)}
	const n = maxEvents + 5
	for i := range uint64(n) {
		c.events.events = append(c.events.events, Event{Sequence: 11 + i})
	}
	c.events.next += n
	p := c.Events(10)
	if len(p.Events) != maxEvents || p.Gap || !p.Open || p.Last != 10+maxEvents {
		t.Fatalf("%d events up to %d, gap %v", len(p.Events), p.Last, p.Gap)
	}
	select {
	case <-p.More:
	default:
		t.Error("the rest is not announced")
	}
	if p = c.Events(p.Last); len(p.Events) != 5 || p.Last != 10+n {
		t.Errorf("%d events up to %d", len(p.Events), p.Last)
	}
}

// TestFewQuestionsAtOneTime asks why and for a dry run while as many questions are
// answered as may be: one waits, and gives up with its caller.
func TestFewQuestionsAtOneTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := small(t, memory.New(), &stuck{started: make(chan engine.Key, 100), reports: make(chan engine.Report)})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		id := one(t, c)
		for range maxTries {
			if _, err := c.try(ctx); err != nil {
				t.Fatal(err)
			}
		}
		short, stop := context.WithTimeout(ctx, time.Second)
		defer stop()
		if _, err := c.Why(short, id); fault.KindOf(err) != fault.Exhausted || err == nil {
			t.Errorf("why: %v", err)
		}
		if _, err := c.DryRun(short, &job.Spec{}); fault.KindOf(err) != fault.Exhausted || err == nil {
			t.Errorf("a dry run: %v", err)
		}
		answered := make(chan error, 1)
		go func() { _, err := c.Why(ctx, id); answered <- err }()
		synctest.Wait()
		<-c.tries
		if err := <-answered; err != nil {
			t.Errorf("after its turn has come: %v", err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
