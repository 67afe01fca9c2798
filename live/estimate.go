package live

import (
	"context"
	"sync"
	"time"

	"tianfu/control"
	"tianfu/fault"
	"tianfu/job"
	"tianfu/sim"
	"tianfu/unit"
)

// Bounds of estimates. They are worked out beside the loop, on a copy of the
// state; the loop waits for the copy only.
const (
	learnTail     = 200_000          // records that run times are learned from after a start
	estimateFresh = 10 * time.Second // an estimate is at least good for this long
	estimateTime  = 30 * time.Second // work spent on one set of estimates
	estimateWait  = 600 * time.Millisecond
	frozenFresh   = 500 * time.Millisecond // the oldest copy of the state that answers
	frozenShare   = 20                     // … or so many times what it took to copy
	estimateSteps = 20_000                 // of the core, in one run forward
)

// estimates is what the centre keeps to tell when jobs will start.
type estimates struct {
	mu      sync.Mutex
	frozen  *control.Frozen
	at      uint64        // the record that the copy was made at
	copied  time.Time     // when
	took    time.Duration // to copy
	current *estimate     // the latest that is complete, or being worked out
	before  *estimate     // the one before it: good for the jobs in it meanwhile
	closed  bool          // the centre ends: nothing new is begun
	working sync.Mutex    // held for one run forward at a time
	times   *sim.RunTimes // under working
	learned uint64        // the last record learned from; under working
}

// estimate is one set of estimates for all jobs that waited at an instant.
type estimate struct {
	asOf  unit.Instant
	jobs  int // that there were
	at    uint64
	began time.Time
	took  time.Duration
	done  chan struct{}
	by    *sim.Estimator // read after done
}

// freeze returns a copy of the state. A young one serves again, so that copying
// takes a twentieth of the loop's time at the most: a small centre answers from
// the present, a large one from half a second ago at the most.
func (c *Centre) freeze(ctx context.Context, id job.ID) (*control.Frozen, uint64, error) {
	e := &c.estimates
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.frozen == nil || time.Since(e.copied) > min(frozenFresh, frozenShare*e.took) || int(id) > e.frozen.State().Jobs() {
		if err := c.View(ctx, func(s *control.State) {
			began := time.Now()
			e.frozen, e.at, e.took = s.Freeze(), c.last, time.Since(began)
		}); err != nil {
			return nil, 0, err
		}
		e.copied = time.Now()
	}
	return e.frozen.Split(), e.at, nil
}

// maxTries is how many questions are answered on forks of the state at one time:
// each takes a core for a part of a second, a dry run for seconds, and the loop
// needs one, too.
const maxTries = 4

// try waits for its turn to work on a fork; over ends it.
func (c *Centre) try(ctx context.Context) (over func(), err error) {
	select {
	case c.tries <- struct{}{}:
		return func() { <-c.tries }, nil
	case <-c.done:
		return nil, c.closed()
	case <-ctx.Done():
		return nil, fault.New(fault.Exhausted, "centre", "others are being told why their jobs wait", "try again")
	}
}

// isEnding tells whether the centre is at its end: work beside the loop that nobody
// waits for stops then.
func (c *Centre) isEnding() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// close lets nothing new begin.
func (e *estimates) close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
}

// start returns when a job that waits is expected to start. It is false while
// that is still being worked out: it goes on, and a later call finds it.
func (c *Centre) start(ctx context.Context, f *control.Frozen, at uint64, id job.ID) (sim.StartEstimate, unit.Instant, bool) {
	e := &c.estimates
	e.mu.Lock()
	k := e.current
	switch {
	case k != nil && k.complete() && k.serves(at, id):
	case e.before != nil && e.before.serves(at, id):
		k = e.before
	case k == nil || k.complete():
		if e.closed {
			e.mu.Unlock()
			return sim.StartEstimate{}, 0, false
		}
		k = &estimate{asOf: f.Now(), jobs: f.State().Jobs(), at: at, began: time.Now(), done: make(chan struct{})}
		e.before, e.current = e.current, k
		c.background.Go(func() { c.workOut(f, k) })
	}
	e.mu.Unlock()
	timer := time.NewTimer(estimateWait)
	defer timer.Stop()
	select {
	case <-k.done:
	case <-timer.C:
		return sim.StartEstimate{}, 0, false
	case <-ctx.Done():
		return sim.StartEstimate{}, 0, false
	}
	if k.by == nil {
		return sim.StartEstimate{}, 0, false
	}
	s, ok := k.by.Start(id)
	return s, k.asOf, ok
}

func (k *estimate) complete() bool {
	select {
	case <-k.done:
		return true
	default:
		return false
	}
}

// serves tells whether complete estimates are good for a job as of a record:
// nothing happened since, or they are young. Those that took long to work out
// stay good for longer, so that a busy centre does not do little else.
func (k *estimate) serves(at uint64, id job.ID) bool {
	if k.by == nil || int(id) > k.jobs {
		return false
	}
	if _, waited := k.by.Start(id); !waited {
		return false
	}
	age := time.Since(k.began)
	return at == k.at && age < time.Minute || age < max(estimateFresh, 10*k.took)
}

// workOut makes the runs forward of a set of estimates.
func (c *Centre) workOut(f *control.Frozen, k *estimate) {
	defer close(k.done)
	k.by = c.drawn(f, k.at, 0, estimateTime)
	k.took = time.Since(k.began)
}

// drawn makes runs forward for a time, or until there are enough; nil when the
// time is too short for an interval.
func (c *Centre) drawn(f *control.Frozen, seed uint64, until job.ID, atMost time.Duration) *sim.Estimator {
	e := &c.estimates
	began := time.Now()
	e.working.Lock()
	times, err := c.learn(f.State())
	by := sim.NewEstimator(f, c.o.Now(), times, seed, until)
	e.working.Unlock()
	if err != nil {
		c.o.Logger.Warn("run times could not be learned", "error", err)
	}
	by.MaxSteps = estimateSteps
	for by.Draws < sim.FullDraws {
		spent := time.Since(began)
		if spent > atMost || by.Draws >= sim.LeastDraws && spent > atMost/10 {
			break
		}
		e.working.Lock()
		// Where more comes than can run, a run has no end of its own.
		end := time.Now().Add(atMost / (sim.LeastDraws + 1))
		by.Stop = func() bool { return c.isEnding() || time.Now().After(end) }
		by.Draw()
		e.working.Unlock()
	}
	if by.Draws < sim.LeastDraws || c.isEnding() {
		return nil
	}
	by.Close()
	return by
}

// learn, with working held, reads the records since the last time; after a start, a bounded number
// of the latest.
func (c *Centre) learn(s *control.State) (*sim.RunTimes, error) {
	e := &c.estimates
	if e.times == nil {
		e.times = sim.NewRunTimes()
		if _, last := c.o.Store.Bounds(); last > learnTail {
			e.learned = last - learnTail
		}
	}
	first, _ := c.o.Store.Bounds()
	spec := func(id job.ID) *job.Spec { j, _ := s.Summary(id); return j.Spec }
	err := c.o.Store.Read(context.Background(), max(e.learned+1, first), func(seq uint64, b []byte) error {
		r, err := control.DecodeRecord(b)
		if err != nil {
			return err
		}
		e.times.See(&r, spec)
		e.learned = seq
		return nil
	})
	return e.times, err
}
