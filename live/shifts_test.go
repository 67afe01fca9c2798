package live_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/engine"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/live"
	"tianfu/store/memory"
	"tianfu/unit"
)

// shiftRun is a live centre of one node under a synthetic clock that begins at
// midnight, with the carbon of every hour told by a series.
type shiftRun struct {
	t       *testing.T
	store   *memory.Store
	engine  *modelled
	options live.Options
	centre  *live.Centre
	stop    func()
}

func newShiftRun(t *testing.T, carbon []float64, run map[job.ID]time.Duration) *shiftRun {
	opening := clock()
	if opening%unit.Instant(24*time.Hour) != 0 {
		t.Fatalf("the synthetic clock begins at %s", opening)
	}
	r := &shiftRun{t: t, store: memory.New()}
	var mu sync.Mutex // the engine starts several at once
	began := map[job.ID]unit.Instant{}
	done := map[job.ID]time.Duration{}
	r.engine = newModelled(clock, func(k engine.Key) (time.Duration, engine.Exit) {
		mu.Lock()
		defer mu.Unlock()
		// A pausable task goes on where its last attempt was told to leave.
		if at, again := began[k.Job]; again {
			done[k.Job] += r.stoppedAt(k.Job, k.Generation-1).Sub(at)
		}
		began[k.Job] = clock()
		return run[k.Job] - done[k.Job], engine.Exit{Cause: engine.CauseExit}
	})
	series := &energy.Series{Name: "carbon", Start: opening, Step: time.Hour, Values: carbon}
	r.options = live.Options{
		Config: control.Config{Policy: "firstfit", Fleet: &fleet.Fleet{Name: "one", Nodes: []fleet.Node{{ID: "n1", CPU: 8000, Memory: 16384, Place: fleet.Place{Site: "s1"}}}}},
		Store:  r.store, Engine: r.engine, Node: "n1", Now: clock, Logger: slog.New(slog.DiscardHandler), SnapshotEvery: 5,
		Signals: []live.SiteSignals{{Site: "s1", Sources: []live.SignalSource{{Source: energy.Source{Name: "carbon", Trust: energy.OperatorMeter, Series: series}}}}},
	}
	r.open()
	return r
}

// stoppedAt is when an attempt ended; the test calls it within the engine.
func (r *shiftRun) stoppedAt(id job.ID, attempt uint32) unit.Instant {
	r.engine.mu.Lock()
	defer r.engine.mu.Unlock()
	return r.engine.tasks[engine.Key{Job: id, Generation: attempt}].end.At
}

func (r *shiftRun) open() {
	ctx, cancel := context.WithCancel(r.t.Context())
	c, _, err := live.Open(ctx, r.options)
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
	synctest.Wait()
}

// restart is the end of the process and the start of the next one.
func (r *shiftRun) restart() {
	r.stop()
	again := r.engine.reopen()
	r.open()
	for _, x := range again {
		r.engine.reports <- x
	}
	synctest.Wait()
}

// until lets time pass up to an hour of the day, and tasks end meanwhile.
func (r *shiftRun) until(hour, minute int) {
	at := clock() - clock()%unit.Instant(24*time.Hour) + unit.Instant(time.Duration(hour)*time.Hour+time.Duration(minute)*time.Minute)
	for {
		synctest.Wait()
		for _, x := range r.engine.due() {
			r.engine.reports <- x
		}
		synctest.Wait()
		if clock() >= at {
			return
		}
		timer := time.NewTimer(max(min(at, r.engine.next()).Sub(clock()), 0))
		select {
		case <-timer.C:
		case <-r.engine.kick:
			timer.Stop()
		}
	}
}

func (r *shiftRun) submit(run, within time.Duration, pausable bool) job.ID {
	encoded, err := (&job.Work{Command: []string{"true"}}).Encode()
	if err != nil {
		r.t.Fatal(err)
	}
	id, err := r.centre.Submit(r.t.Context(), &job.Spec{
		Name: "work", Tenant: "lab", Wish: job.WishCarbon, ExpectedRun: run, Deadline: clock().Add(within), Pausable: pausable, Work: encoded,
		Groups: []job.Group{{Name: "main", Count: 1, Request: job.Request{CPU: 1000}}},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	synctest.Wait()
	return id
}

// shows holds a job to a phase, and what is planned for it to spans written as
// times of the day.
func (r *shiftRun) shows(id job.ID, want control.Phase, spans ...string) {
	r.t.Helper()
	err := r.centre.View(r.t.Context(), func(st *control.State) {
		if j, _ := st.Job(id); j.Phase != want {
			r.t.Errorf("%s: %s is %s, want %s", clock(), id, j.Phase, want)
		}
		d, _ := st.Deferral(id)
		var got []string
		for _, s := range d.Plan.Runs {
			got = append(got, s.From.String()[11:16]+"-"+s.To.String()[11:16])
		}
		if len(got) != len(spans) {
			r.t.Errorf("%s: %s is planned for %v, want %v", clock(), id, got, spans)
			return
		}
		for i := range got {
			if got[i] != spans[i] {
				r.t.Errorf("%s: %s is planned for %v, want %v", clock(), id, got, spans)
			}
		}
		if why, waits := st.Why(id); want == control.Pending && (!waits || why.Dominant != control.CauseDeferred) {
			r.t.Errorf("%s: %s waits for %q", clock(), id, why.String())
		}
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// TestNoReasonToWait: a job with a wish that comes in the cheapest hour starts as soon
// as it has been looked at, not with the next slot, though the hour's slots cost alike
// and the first is partly over; one that comes right after it, a plan later.
func TestNoReasonToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newShiftRun(t, []float64{0.1, 0.1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5}, map[job.ID]time.Duration{1: 20 * time.Minute, 2: 20 * time.Minute})
		defer func() { r.stop() }()
		time.Sleep(6*time.Minute + 1700*time.Millisecond)
		first := r.submit(20*time.Minute, 8*time.Hour, false)
		time.Sleep(live.PlanDelay)
		synctest.Wait()
		r.shows(first, control.Running, "00:06-00:30")
		second := r.submit(20*time.Minute, 8*time.Hour, true)
		time.Sleep(live.PlanApart)
		synctest.Wait()
		r.shows(second, control.Running, "00:06-00:30")
	})
}

// TestLiveShifts is a night in a live centre: a job waits for the clean hour, one
// that may pause runs in the two cleanest, one with little time starts in the
// dirtiest, and the process is ended and begun again at every turn.
func TestLiveShifts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newShiftRun(t, []float64{0.15, 0.5, 0.1, 0.4, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5},
			map[job.ID]time.Duration{1: time.Hour, 2: 110 * time.Minute, 3: 20 * time.Minute, 4: 20 * time.Minute})
		defer func() { r.stop() }()
		waits := r.submit(time.Hour, 12*time.Hour, false)
		pauses := r.submit(110*time.Minute, 12*time.Hour, true)
		r.until(0, 1)
		r.shows(waits, control.Pending, "02:00-03:00")
		r.shows(pauses, control.Running, "00:00-00:55", "02:00-03:00")

		r.restart()
		r.until(0, 30)
		r.shows(waits, control.Pending, "02:00-03:00")
		r.shows(pauses, control.Running, "00:00-00:55", "02:00-03:00")

		r.until(1, 1)
		r.shows(pauses, control.Pending, "02:00-03:00")
		r.restart()
		r.shows(waits, control.Pending, "02:00-03:00")
		r.shows(pauses, control.Pending, "02:00-03:00")

		// Little time: it starts in the dirtiest hour, as late as its deadline allows
		// with a minute to spare. With less to spare the last slots are not for it,
		// and the others are alike.
		hurries := r.submit(20*time.Minute, 65*time.Minute, false)
		tight := r.submit(20*time.Minute, 64*time.Minute, false)
		r.until(1, 11)
		r.restart()
		r.shows(hurries, control.Pending, "01:45-02:05")
		r.shows(tight, control.Running, "01:01-01:25")
		r.shows(waits, control.Pending, "02:00-03:00")
		r.until(1, 46)
		r.shows(hurries, control.Running, "01:45-02:05")

		r.until(2, 1)
		r.shows(waits, control.Running, "02:00-03:00")
		r.shows(pauses, control.Running, "02:00-03:00")
		r.restart()
		r.until(3, 1)
		r.shows(hurries, control.Completed, "01:45-02:05")
		r.shows(waits, control.Completed, "02:00-03:00")
		r.shows(pauses, control.Completed, "02:00-03:00")
		if len(r.engine.twice) > 0 {
			t.Errorf("started twice: %v", r.engine.twice)
		}
		for _, id := range []job.ID{waits, pauses, hurries, tight} {
			err := r.centre.View(t.Context(), func(st *control.State) {
				if d, _ := st.Deferral(id); d.Missed || d.AtRisk {
					t.Errorf("%s is late: %+v", id, d)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}
