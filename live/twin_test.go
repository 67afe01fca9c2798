package live_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"tianfu/control"
	"tianfu/engine"
	"tianfu/job"
	"tianfu/live"
	"tianfu/sim"
	"tianfu/store/memory"
	"tianfu/unit"
)

func clock() unit.Instant { return unit.Instant(time.Now().UnixNano()) }

// TestSimAndLiveAreTwins runs random scenarios once in sim, virtual time over
// the core, and once in a live centre - its own loop, workers and timers, under
// a synthetic clock. The two record logs must be equal byte for byte.
// TWIN_SEED=n runs one scenario.
func TestSimAndLiveAreTwins(t *testing.T) {
	seen := map[string]bool{}
	forSeeds(t, "TWIN_SEED", seedsOf(t, 200), func(t *testing.T, seed uint64) { twin(t, seed, seen) })
	if testing.Short() || os.Getenv("TWIN_SEED") != "" {
		return
	}
	for k := control.Opened; k <= control.Configured; k++ {
		if name := fmt.Sprintf("record %d", k); recordsOfTwins[k] && !seen[name] {
			t.Errorf("no scenario has a %s: the test does not reach what it is for", name)
		}
	}
	for c := control.CausePreempted; c <= control.CauseBooked; c++ {
		if name := fmt.Sprintf("eviction for cause %d", c); !seen[name] {
			t.Errorf("no scenario has an %s: the test does not reach what it is for", name)
		}
	}
}

// TestTwinsThatDiffered runs scenarios in which work that goes on after a step has
// nothing left to do at that instant, and ends beside what was told to leave.
func TestTwinsThatDiffered(t *testing.T) {
	for _, seed := range []uint64{1389, 1960} {
		synctest.Test(t, func(t *testing.T) { twin(t, seed, map[string]bool{}) })
	}
}

// recordsOfTwins are the records that scenarios must have, some of them each; moves
// and changes of the configuration are not among them.
var recordsOfTwins = map[control.RecordKind]bool{
	control.Opened: true, control.Submitted: true, control.Allocated: true, control.Evicting: true, control.Ended: true, control.JobExpired: true,
	control.JobCancelled: true, control.Reserved: true, control.NodeChanged: true, control.Released: true, control.OthersReserved: true,
	control.SiteHoursKnown: true, control.Metered: true, control.EnergyRead: true, control.PowerTold: true, control.BudgetSet: true,
	control.NodePowered: true, control.TaskPaused: true, control.PowerShed: true, control.ShiftPlanned: true, control.DeadlineAtRisk: true, control.DeadlineMissed: true,
}

// seedsOf is how many seeds a test takes: SEEDS=n names the number of a long run.
func seedsOf(t *testing.T, seeds int) int {
	if text := os.Getenv("SEEDS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return seeds
}

// forSeeds runs a test for so many seeds, or for the one that a variable names.
func forSeeds(t *testing.T, variable string, seeds int, f func(*testing.T, uint64)) {
	if text := os.Getenv(variable); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) { f(t, seed) })
		return
	}
	if testing.Short() {
		seeds = seeds / 5
	}
	for seed := range uint64(seeds) {
		synctest.Test(t, func(t *testing.T) { f(t, seed) })
		if t.Failed() {
			t.Fatalf("again: %s=%d go test ./live -run '%s$'", variable, seed, t.Name())
		}
	}
}

func twin(t *testing.T, seed uint64, seen map[string]bool) {
	s := newScenario(seed, clock())
	want := s.simulated(t)
	r := &twinRun{t: t, s: s}
	r.engine = s.engine()
	r.store = &watchedStore{memory.New(), r.engine}
	r.engine.done = func(id job.ID) (done time.Duration) {
		err := r.centre.View(t.Context(), func(st *control.State) {
			d, _ := st.Deferral(id)
			done = d.Done
		})
		if err != nil {
			t.Error(err)
		}
		return done
	}
	r.drive()
	var got []control.Record
	err := r.store.Read(t.Context(), 1, func(seq uint64, b []byte) error {
		rec, err := control.DecodeRecord(b)
		got = append(got, rec)
		seen[fmt.Sprintf("record %d", rec.Kind)] = true
		if rec.Kind == control.Evicting {
			seen[fmt.Sprintf("eviction for cause %d", rec.Cause)] = true
		}
		if n := int(seq); n <= len(want) && !bytes.Equal(b, want[n-1]) {
			w, _ := control.DecodeRecord(want[n-1])
			return fmt.Errorf("record %d of %d: sim has\n%s\nlive has\n%s", seq, len(want), show(&w), show(&rec))
		}
		return err
	})
	if err == nil && len(got) != len(want) {
		err = fmt.Errorf("sim has %d records, live %d", len(want), len(got))
	}
	if err != nil {
		t.Errorf("seed %d, policy %s: %v", seed, s.cfg.Policy, err)
	}
	if len(r.engine.bare) > 0 {
		t.Errorf("seed %d: given devices without their stack: %v", seed, r.engine.bare)
	}
	if len(r.engine.twice) > 0 {
		t.Errorf("seed %d: ordered to start twice: %v", seed, r.engine.twice)
	}
}

func show(r *control.Record) string {
	return fmt.Sprintf("kind %d at %d: %s task %d attempt %d node %d devices %b ending %d cause %d for %s exit %+v", r.Kind, r.At, r.Job, r.Task, r.Attempt, r.Node, r.Devices, r.Ending, r.Cause, r.For, r.Exit)
}

// simulated returns the record log of the scenario in virtual time.
func (s *scenario) simulated(t *testing.T) (log [][]byte) {
	exitOf := func(e engine.Exit) *control.Exit {
		detail := string(e.Cause)
		if e.Signal != "" {
			detail += " " + e.Signal
		}
		return &control.Exit{Code: int32(e.Code), Detail: detail}
	}
	replay, err := sim.NewTimed(sim.TimedParams{
		Fleet: s.cfg.Fleet, Policy: s.cfg.Policy, Rules: s.cfg.Rules, Params: s.cfg.Params, Estimate: s.estimate,
		Power: s.cfg.Power, Tree: s.cfg.Tree, Queueing: s.cfg.Queueing, Bookings: s.cfg.Bookings, Deferring: s.cfg.Deferring, Metering: s.cfg.Metering,
		Shifting: &sim.Shifting{Policy: live.DefaultShiftPolicy, Forecast: "perfect", Delay: live.PlanDelay, Apart: live.PlanApart},
		Workload: &sim.Workload{Name: "twin", Jobs: s.jobs, Timed: true}, Events: s.events, Inputs: s.inputs, Opening: s.opening,
		Attempt: func(_ int, o *control.Order) sim.Attempt {
			run, exit := s.outcome(o.Job, o.Task, o.Attempt)
			a := sim.Attempt{Run: run, Exit: exitOf(exit)}
			if !exit.OK() {
				a.Ending = control.TaskFailed
			}
			return a
		},
		Stopped: exitOf(stoppedExit),
		Record:  func(r *control.Record) { log = append(log, control.AppendRecord(nil, r)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if replay.Ledger != nil {
		replay.Ledger.Window = &sim.Books{} // a report wants the books at the last arrival; nobody does here
	}
	replay.Run()
	return log
}

// twinRun drives a live centre through a scenario.
type twinRun struct {
	t      *testing.T
	s      *scenario
	store  *watchedStore
	engine *modelled
	centre *live.Centre
	stop   func()
	job    int // next to arrive
	event  int
	input  int
}

func (r *twinRun) open() {
	ctx, cancel := context.WithCancel(r.t.Context())
	c, _, err := live.Open(ctx, live.Options{Config: r.s.cfg, Store: r.store, Engine: r.engine, Now: clock, Logger: slog.New(slog.DiscardHandler), SnapshotEvery: 40})
	if err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	r.centre = c
	r.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
	}
}

// drive lets the centre live until nothing can happen any more, as sim does.
func (r *twinRun) drive() {
	r.open()
	defer func() { r.stop() }()
	for {
		synctest.Wait()
		if reports := r.engine.due(); len(reports) > 0 {
			r.arrive(func() { r.deliver(reports) })
			continue
		}
		at, own, tie := r.next()
		if at == unit.Never {
			if r.s.cfg.Metering.Every > 0 {
				r.send(func() { tell(r.t.Context(), r.centre, control.Input{Kind: control.CloseIntervals}) })
			}
			return
		}
		early := time.Duration(0)
		if tie {
			early = 1 // the loop is held before it wakes by itself
		}
		timer := time.NewTimer(at.Sub(clock()) - early)
		select {
		case <-timer.C:
		case <-r.engine.kick:
			timer.Stop()
			continue
		}
		if own {
			r.happen(at)
		}
	}
}

// next is the next instant at which something happens, and whether it comes
// from outside the centre. In a tie the centre wakes by itself at that instant too.
func (r *twinRun) next() (at unit.Instant, own, tie bool) {
	waiting, wake := 0, unit.Never
	err := r.centre.View(r.t.Context(), func(st *control.State) { waiting, wake = st.Pending()+st.Delayed(), st.NextWake() })
	if err != nil {
		r.t.Fatal(err)
	}
	at = r.engine.next()
	if r.job < len(r.s.jobs) {
		at = min(at, r.s.jobs[r.job].Submit)
	}
	if r.input < len(r.s.inputs) {
		at = min(at, r.s.inputs[r.input].At)
	}
	waiting += r.engine.standing()
	if at == unit.Never && waiting == 0 {
		return at, false, false
	}
	if r.event < len(r.s.events) {
		at = min(at, r.s.events[r.event].At)
	}
	return min(at, wake), at <= wake, at == wake
}

// happen brings about what the scenario has for an instant.
func (r *twinRun) happen(now unit.Instant) {
	ctx := r.t.Context()
	r.arrive(func() {
		time.Sleep(now.Sub(clock()))
		r.deliver(r.engine.due())
		for ; r.event < len(r.s.events) && r.s.events[r.event].At <= now; r.event++ {
			e := r.s.events[r.event]
			r.send(func() {
				r.centre.ReportNode(ctx, live.NodeReport{Node: e.Node, Device: -1, Health: e.Health, Cordon: e.Cordon, Drain: e.Drain})
			})
		}
		for ; r.input < len(r.s.inputs) && r.s.inputs[r.input].At <= now; r.input++ {
			in := r.s.inputs[r.input].Input
			r.send(func() { tell(ctx, r.centre, in) })
		}
		for ; r.job < len(r.s.jobs) && r.s.jobs[r.job].Submit <= now; r.job++ {
			spec := r.s.spec(r.job)
			r.send(func() { r.centre.Submit(ctx, spec) })
		}
	})
}

// tell makes the request that an input is.
func tell(ctx context.Context, c *live.Centre, in control.Input) error {
	switch in.Kind {
	case control.Cancel:
		return c.Cancel(ctx, in.Job, nil)
	case control.SetCap:
		_, err := c.SetCap(ctx, *in.Cap)
		return err
	case control.ClearCap:
		return c.ClearCap(ctx, in.CapID)
	}
	return c.Send(ctx, in)
}

func (r *twinRun) deliver(reports []engine.Report) {
	for _, x := range reports {
		r.engine.reports <- x
	}
}

// send makes a request of a goroutine of its own and returns when it waits for
// its answer.
func (r *twinRun) send(f func()) {
	go f()
	synctest.Wait()
}

// arrive holds the loop while f has things arrive, so that all of them are one
// batch, as what arrives at one instant is in sim.
func (r *twinRun) arrive(f func()) {
	if err := r.centre.View(r.t.Context(), func(*control.State) { f() }); err != nil {
		r.t.Fatal(err)
	}
	synctest.Wait()
}
