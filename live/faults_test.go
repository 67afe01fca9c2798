package live_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tianfu/control"
	"tianfu/engine"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/live"
	"tianfu/meter"
	"tianfu/store/memory"
	"tianfu/unit"
)

// TestFaultsLoseNoWork runs random scenarios on a live centre to which all that
// can go wrong does: it is killed with orders on their way, the disk refuses a
// batch, takes it and fails, is slow or nearly full, orders do not arrive, reports come late, again
// and in another order. Clients repeat what was not acknowledged under its key.
// Every acknowledged job is there once, every attempt starts at most once, the
// ledger has every instant once and sums to the meters, and when the faults are
// over everything ends. FAULT_SEED=n runs one scenario.
func TestFaultsLoseNoWork(t *testing.T) {
	forSeeds(t, "FAULT_SEED", seedsOf(t, 150), faults)
}

func faults(t *testing.T, seed uint64) {
	s := newScenario(1e6+seed, clock())
	r := &faultRun{t: t, s: s, rng: rand.New(rand.NewPCG(seed, 3)), acknowledged: map[string]job.ID{}}
	r.engine = s.engine()
	r.store = &faultyStore{Store: memory.New(), engine: r.engine}
	r.plan()
	r.open()
	defer func() { r.stop() }()
	r.drive()
	if !t.Failed() {
		r.check()
	}
	if t.Failed() {
		t.Logf("seed %d, policy %s, %d kills", seed, s.cfg.Policy, r.kills)
	}
}

// faultyStore refuses the next batch, takes it and fails all the same, or takes
// its time. While it is full it has no room for new work.
type faultyStore struct {
	*memory.Store
	engine *modelled
	next   atomic.Int32 // fate of the next batch
	full   atomic.Bool
}

// fate is what becomes of a batch.
type fate = int32

const (
	kept fate = iota
	refused
	keptAndFailed
	slow
)

// Room is nil while new work may be taken.
func (s *faultyStore) Room() error {
	if s.full.Load() {
		return fault.New(fault.Exhausted, "disk", "is nearly full", "")
	}
	return nil
}

func (s *faultyStore) Append(ctx context.Context, first uint64, records [][]byte) error {
	next := s.next.Swap(kept)
	switch next {
	case refused:
		return fault.New(fault.Exhausted, "disk", "is full", "")
	case slow:
		time.Sleep(7 * time.Second) // longer than much that is on its way
	}
	if err := s.Store.Append(ctx, first, records); err != nil {
		return err
	}
	if err := s.engine.obey(records); err != nil || next != keptAndFailed {
		return err
	}
	return fault.New(fault.Unavailable, "disk", "did not answer", "")
}

// wish is what a client asks for, again and again until it is answered.
type wish struct {
	at  unit.Instant
	ask func(context.Context, *live.Centre) error
}

type faultRun struct {
	t      *testing.T
	s      *scenario
	rng    *rand.Rand
	store  *faultyStore
	engine *modelled
	centre *live.Centre
	ended  chan error
	stop   func()
	wishes []wish // by instant
	late   []late
	told   []engine.Report
	quiet  unit.Instant // no faults from here on
	kills  int
	gone   bool         // the centre has ended
	closed unit.Instant // the ledger's end

	mu           sync.Mutex // of wishes and what follows, while requests are under way
	acknowledged map[string]job.ID
}

// late is a report on its way.
type late struct {
	at     unit.Instant
	report engine.Report
}

// plan writes down what clients and monitors will ask for.
func (r *faultRun) plan() {
	s := r.s
	r.quiet = s.opening.Add(25 * time.Minute)
	for i := range s.jobs {
		spec := s.spec(i)
		spec.Key = fmt.Sprintf("key%d", i)
		r.wishes = append(r.wishes, wish{s.jobs[i].Submit, func(ctx context.Context, c *live.Centre) error {
			id, err := c.Submit(ctx, spec)
			if err == nil {
				r.mu.Lock()
				r.acknowledged[spec.Key] = id
				r.mu.Unlock()
			}
			return err
		}})
	}
	report := func(at unit.Instant, n live.NodeReport) {
		r.wishes = append(r.wishes, wish{at, func(ctx context.Context, c *live.Centre) error { return c.ReportNode(ctx, n) }})
	}
	for _, e := range s.events {
		if e.At < r.quiet {
			report(e.At, live.NodeReport{Node: e.Node, Device: -1, Health: e.Health, Cordon: e.Cordon, Drain: e.Drain})
		}
	}
	for i := range s.cfg.Fleet.Nodes { // and all is well in the end
		report(r.quiet.Add(time.Duration(i)), live.NodeReport{Node: s.cfg.Fleet.Nodes[i].ID, Device: -1, Health: fleet.Healthy})
	}
	for _, x := range s.inputs {
		r.wishes = append(r.wishes, wish{x.At, func(ctx context.Context, c *live.Centre) error { return tell(ctx, c, x.Input) }})
	}
	slices.SortStableFunc(r.wishes, func(a, b wish) int { return int(min(max(a.at-b.at, -1), 1)) })
}

func (r *faultRun) open() {
	r.store.next.Store(kept)
	ctx, cancel := context.WithCancel(r.t.Context())
	c, _, err := live.Open(ctx, live.Options{Config: r.s.cfg, Store: r.store, Engine: r.engine, Now: clock, Logger: slog.New(slog.DiscardHandler), SnapshotEvery: uint64(10 + r.rng.IntN(100))})
	if err != nil {
		r.t.Fatal(err)
	}
	r.ended = make(chan error, 1)
	r.gone = false
	go func() { r.ended <- c.Run(ctx) }()
	r.centre = c
	r.stop = func() {
		cancel()
		if !r.gone {
			<-r.ended
			r.gone = true
		}
	}
}

// drive lets time pass until nothing can happen any more.
func (r *faultRun) drive() {
	idle := 0
	for range 20_000 {
		synctest.Wait()
		if r.dead() || clock() < r.quiet && r.rng.IntN(25) == 0 {
			r.restart()
			continue
		}
		for _, x := range r.engine.due() {
			r.send(x)
		}
		at := r.next()
		if at == unit.Never { // only orders that did not arrive may be on their way again
			if idle++; idle > 1 {
				r.close()
				return
			}
			at = clock().Add(20 * time.Second)
		} else {
			idle = 0
		}
		timer := time.NewTimer(max(at.Sub(clock()), 0))
		select {
		case <-timer.C:
			r.happen()
		case <-r.engine.kick:
			timer.Stop()
		}
	}
	r.t.Error("there is no end to it")
}

// close ends the ledger.
func (r *faultRun) close() {
	if r.s.cfg.Metering.Every == 0 {
		return
	}
	r.closed = clock()
	if err := r.centre.Send(r.t.Context(), control.Input{Kind: control.CloseIntervals}); err != nil {
		r.t.Error(err)
	}
}

func (r *faultRun) dead() bool {
	select {
	case err := <-r.ended:
		r.gone = true
		if err == nil {
			r.t.Error("the centre ended and did not say why")
		}
		return true
	default:
		return false
	}
}

// restart is the end of the process and the start of the next one. What the
// engine could not say, or what was not heard, it says again.
func (r *faultRun) restart() {
	r.kills++
	r.stop()
	r.late = r.late[:0]
	again := r.engine.reopen()
	r.open()
	for _, x := range again {
		r.send(x)
	}
}

// send has a report on its way: while there are faults it may take its time, and
// arrive more than once.
func (r *faultRun) send(x engine.Report) {
	at := clock()
	if at >= r.quiet {
		r.late = append(r.late, late{at, x})
		return
	}
	r.told = append(r.told, x)
	for range 1 + r.rng.IntN(2) {
		r.late = append(r.late, late{at.Add(time.Duration(r.rng.IntN(3)) * time.Duration(r.rng.Int64N(int64(time.Minute)))), x})
	}
	if r.rng.IntN(8) == 0 { // one from long ago
		r.late = append(r.late, late{at, r.told[r.rng.IntN(len(r.told))]})
	}
}

func (r *faultRun) next() unit.Instant {
	at := unit.Never
	if len(r.wishes) > 0 {
		at = r.wishes[0].at
	}
	for _, x := range r.late {
		at = min(at, x.at)
	}
	wake := unit.Never
	if err := r.centre.View(r.t.Context(), func(st *control.State) { wake = st.NextWake() }); err != nil {
		return clock()
	}
	if wake != unit.Never {
		wake++ // the centre wakes by itself
	}
	return min(at, wake, r.engine.next())
}

// happen lets arrive what is due, under faults while there are any.
func (r *faultRun) happen() {
	now, faulty := clock(), clock() < r.quiet
	r.engine.set(faulty && r.rng.IntN(5) == 0)
	if faulty && r.rng.IntN(12) == 0 {
		r.store.next.Store(fate(1 + r.rng.IntN(3)))
	}
	r.store.full.Store(faulty && r.rng.IntN(12) == 0)
	var asked []wish
	for len(r.wishes) > 0 && r.wishes[0].at <= now {
		asked = append(asked, r.wishes[0])
		r.wishes = r.wishes[1:]
	}
	// Reports that wait when the centre dies are told again by the next one.
	err := r.centre.View(r.t.Context(), func(*control.State) {
		r.late = slices.DeleteFunc(r.late, func(x late) bool {
			if x.at <= now {
				r.engine.reports <- x.report
			}
			return x.at <= now
		})
		for _, w := range asked {
			go func() {
				if err := w.ask(r.t.Context(), r.centre); again(err) {
					r.mu.Lock() // all of them are answered at once when the centre ends
					defer r.mu.Unlock()
					r.wishes = append([]wish{{now, w.ask}}, r.wishes...)
				}
			}()
			synctest.Wait()
		}
	})
	if err != nil {
		r.wishes = append(asked, r.wishes...)
	}
	synctest.Wait()
}

// again tells whether a client repeats what it asked for: it was not answered, or
// there was no room.
func again(err error) bool {
	kind := fault.KindOf(err)
	return err != nil && (kind == fault.Unavailable || kind == fault.Exhausted)
}

// check holds the history to what was promised.
func (r *faultRun) check() {
	var ledger meter.Checker
	metered := map[string]unit.Instant{}
	open := map[engine.Key]bool{}
	allocated := map[engine.Key]bool{}
	submitted := map[job.ID]string{}
	err := r.store.Read(r.t.Context(), 1, func(_ uint64, b []byte) error {
		x, err := control.DecodeRecord(b)
		k := engine.Key{Job: x.Job, Task: int(x.Task), Generation: uint32(x.Attempt)}
		switch x.Kind {
		case control.Submitted:
			submitted[x.Job] = x.Spec.Key
		case control.Allocated:
			if allocated[k] {
				r.t.Errorf("%s is allocated twice", k)
			}
			allocated[k], open[k] = true, true
		case control.Ended:
			if !open[k] {
				r.t.Errorf("%s ended and did not run", k)
			}
			delete(open, k)
		case control.Metered: // each page follows the one before, and its lines sum to the meters
			if wrong := ledger.Check(x.Page); wrong != nil {
				r.t.Error(wrong)
			}
			metered[x.Page.Site] = x.Page.To
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	if r.s.cfg.Metering.Every > 0 {
		for _, site := range r.s.sites() {
			if metered[site] != r.closed {
				r.t.Errorf("site %s is metered until %v, not %v", site, metered[site], r.closed)
			}
		}
	}
	for key, id := range r.acknowledged {
		if submitted[id] != key {
			r.t.Errorf("%s was acknowledged for %s, which is %q", id, key, submitted[id])
		}
	}
	if len(submitted) != len(r.acknowledged) {
		r.t.Errorf("%d jobs were acknowledged, there are %d", len(r.acknowledged), len(submitted))
	}
	for k := range open {
		r.t.Errorf("%s never ended", k)
	}
	for k, task := range r.engine.tasks {
		if !allocated[k] {
			r.t.Errorf("%s was started and never allocated", k)
		}
		if task.state != engine.Acked {
			r.t.Errorf("%s is %s in the end", k, task.state)
		}
	}
	err = r.centre.View(r.t.Context(), func(st *control.State) {
		for id := job.ID(1); id <= job.ID(st.Jobs()); id++ {
			if j, _ := st.Job(id); j.Phase <= control.Running {
				why, _ := st.Why(id)
				r.t.Errorf("%s is %s for ever: %s", id, j.Phase, why.String())
			}
		}
	})
	if err != nil {
		r.t.Error(err)
	}
}
