package sim

import (
	"crypto/sha256"
	"hash"
	"math/rand/v2"
	"slices"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// Estimate says what planning is told of a job's run time.
type Estimate uint8

// Exact tells the true run time, OneToFive the true one times 1 to 5 by job
// number, as users' limits are off; None tells nothing.
const (
	Exact Estimate = iota
	OneToFive
	NoEstimate
	AsTold // what the jobs say themselves
)

// TimedParams are what a replay in time needs.
type TimedParams struct {
	Fleet    *fleet.Fleet
	Rank     []int32
	Workload *Workload
	Policy   string
	Rules    sched.Rules
	Params   sched.Config
	Power    []energy.NodeModel
	Queueing *job.Queueing   // declared tenants and queues; nil = none
	Tree     *sched.Power    // limits of power; nil = none
	Bookings []fleet.Booking // nodes kept for queues, in windows; nil = none
	// DayBudgets are of energy and carbon; Zone is whose days one is of that a
	// what-if adds.
	DayBudgets []sched.DayBudget
	Zone       fleet.Zone
	// Deferring says how long jobs without a deadline may wait for a better hour.
	Deferring control.Deferring
	Estimate  Estimate
	Failures  Failures
	Events    []NodeEvent // cordons, drains and failures at stated times
	Inputs    []Arriving  // what else arrives at stated times
	// Attempt tells how attempts go, by arrival; nil = they run as long as the
	// workload says and succeed. It must answer alike every time.
	Attempt func(arrival int, o *control.Order) Attempt
	Stopped *control.Exit // what is told of an attempt that was made to leave
	Opening unit.Instant  // when the centre is opened; 0 = with what comes first
	// PeriodEnd is when the period ends that is reported of, whatever goes on
	// after it; 0 = with the last arrival.
	PeriodEnd unit.Instant
	Record    func(*control.Record)   // sees every record; nil = nobody does
	Stop      func(unit.Instant) bool // asked after every instant whether the replay ends there; nil = never
	Hash      bool                    // hash the record log
	// Metering keeps a ledger; Hours is what hours at the sites cost.
	Metering control.Metering
	Hours    map[string][]energy.SiteHour
	// Shifting defers work to better hours; nil = every job starts as soon as it
	// can. It needs Hours.
	Shifting *Shifting
	// Every calls Sample at this interval of virtual time; 0 = never.
	Every   time.Duration
	Sample  func(at unit.Instant, s *control.State)
	History *History // what a report draws; nil = none is kept
	// Progress is called now and then with the number of jobs that ended.
	Progress func(ended int)
}

// Failures injects node failures: exponential times between failures of a node
// and to its repair, from a seed. A zero MTBF injects none.
type Failures struct {
	MTBF, MTTR time.Duration
	Seed       uint64
}

// NodeEvent is a change of a node's state at an instant.
type NodeEvent struct {
	At     unit.Instant
	Node   fleet.NodeID
	Health fleet.Health
	Cordon bool
	Drain  bool
}

// TaskResult is what became of one job.
type TaskResult struct {
	Submit, Start, End unit.Instant // Start of the last attempt; -1 = never
	First              unit.Instant // start of the first attempt; -1 = never
	Attempts           int32
	Segments           int32 // spanned by the last attempt of a gang
	Node               int32 // of task 0
	Lost               time.Duration
	Done               bool
}

// Timed drives the core through a workload in virtual time. It stands in for
// an engine: it carries out orders at once and reports exits when the run time
// is over.
type Timed struct {
	p         TimedParams
	state     *control.State
	order     []int32 // arrivals by submit time
	next      int
	specs     []job.Spec // with estimates; empty when the workload's own serve
	byID      []int32    // arrival of a job ID, from 1
	Results   []TaskResult
	hands     hands
	batch     []control.Input
	now       unit.Instant
	started   bool
	attempts  map[attemptKey]unit.Instant // start of every running task
	gangNodes map[job.ID][]int32          // nodes of gangs being placed
	Totals    Integrals
	Ledger    *Ledger       // nil = the replay is not metered
	Shedding  *PowerOutcome // nil = power is not limited
	feed      *siteFeed
	shift     *shifter // nil = nothing is shifted
	deferred  map[job.ID]bool
	kept      map[job.ID]keptWork // of pausable jobs that were evicted
	metering  bool                // the step to come is due to the ledger alone
	planning  bool                // nothing but a plan in time is due
	watts     []float64
	power     float64
	hash      hash.Hash
	buffer    []byte
	rng       *rand.Rand
	faults    faultHeap
	inputs    []Arriving // to come, in order
	ended     int
	sampleAt  unit.Instant
	Refused   map[string]int
	refusals  int
	idle      unit.Instant // since when nothing runs and nothing is to arrive; Never = something does
}

type attemptKey struct {
	id   job.ID
	task int32
}

// Integrals are sums over virtual time.
type Integrals struct {
	MilliSeconds   float64 // accelerator milli held
	CPUSeconds     float64 // milli CPU held
	LostMilliHours float64 // accelerator-hours thrown away by failures and preemptions, in thousandths
	GoodMilliHours float64 // accelerator-hours of attempts that finished or whose work a pause kept, in thousandths
	KWh            float64 // IT energy, when power is modelled
	Preemptions    int
	NodeFailures   int
	Steps          int
	PeakPending    int
	// Plans in time, jobs they deferred, pauses, and deadlines missed.
	Plans, Deferred, Pauses, Late int
	Start, End                    unit.Instant
	// Window is the integrals as they stood at the end of the period, or at the
	// last arrival where none is stated: after it a replay only drains.
	Window      *Integrals
	PFLOPSHours map[string]float64 // dense FP16, by maker; only where the peak is known
}

// NewTimed prepares a replay.
func NewTimed(p TimedParams) (*Timed, error) {
	if !p.Workload.Timed {
		return nil, fault.New(fault.Invalid, p.Workload.Name, "has no times to replay", "use --protocol inflate, or a file with submit and run times")
	}
	state, err := control.Open(control.Config{
		Fleet: p.Fleet, Rank: p.Rank, Power: p.Power, Policy: p.Policy, Params: p.Params, Rules: p.Rules, Metering: p.Metering, Queueing: p.Queueing, Tree: p.Tree,
		Bookings: p.Bookings, Deferring: p.Deferring, DayBudgets: p.DayBudgets,
	})
	if err != nil {
		return nil, err
	}
	t := &Timed{p: p, state: state, hands: hands{told: p.Stopped}, Refused: map[string]int{}, attempts: map[attemptKey]unit.Instant{}, idle: unit.Never}
	t.Totals.PFLOPSHours = map[string]float64{}
	if p.Tree != nil {
		t.Shedding = watched(p.Tree)
	}
	jobs := p.Workload.Jobs
	for i := range jobs {
		if jobs[i].Run >= 0 {
			t.order = append(t.order, int32(i))
		}
	}
	slices.SortStableFunc(t.order, func(a, b int32) int {
		x, y := &jobs[a], &jobs[b]
		switch {
		case x.Submit != y.Submit:
			return int(min(max(x.Submit-y.Submit, -1), 1))
		case x.Number != y.Number:
			return int(min(max(x.Number-y.Number, -1), 1))
		}
		return 0
	})
	t.Results = make([]TaskResult, len(jobs))
	for i := range t.Results {
		t.Results[i] = TaskResult{Submit: jobs[i].Submit, Start: -1, First: -1, End: -1, Node: -1}
	}
	t.byID = make([]int32, 1, len(t.order)+1)
	if p.Hash {
		t.hash = sha256.New()
	}
	if p.Power != nil {
		t.watts = make([]float64, state.Capacity().Nodes())
		for n := range t.watts {
			t.watts[n] = float64(state.Capacity().Watts(int32(n)))
			t.power += t.watts[n]
		}
	}
	if p.Metering.Every > 0 {
		t.Ledger = newLedger()
	}
	t.feed = newSiteFeed(p.Hours)
	t.prepareEstimates()
	t.prepareFaults()
	t.prepareInputs()
	return t, t.prepareShifting()
}

// prepareEstimates copies specs only where the estimate differs from the one
// the workload carries.
func (t *Timed) prepareEstimates() {
	jobs := t.p.Workload.Jobs
	t.specs = make([]job.Spec, len(jobs))
	for _, i := range t.order {
		t.specs[i] = *jobs[i].Spec
		s := &t.specs[i]
		switch t.p.Estimate {
		case Exact, OneToFive:
			n := jobs[i].Number
			if n == 0 {
				n = int64(i)
			}
			// What was told of work under way was told of its whole time. What ends at
			// once is not 0, which would mean unknown.
			s.ExpectedRun = max(t.p.Estimate.told(jobs[i].Age+jobs[i].Run, n)-jobs[i].Age, 1)
		case NoEstimate:
			s.ExpectedRun = 0
		}
	}
}

// told is what the user of job n tells of a run time: as it is, or one to five times
// as much; 0 = nothing.
func (e Estimate) told(run time.Duration, n int64) time.Duration {
	switch e {
	case Exact:
		return run
	case OneToFive:
		return run * time.Duration(1+n%5)
	}
	return 0
}

// State returns the centre that is driven.
func (t *Timed) State() *control.State { return t.state }

// Power returns the IT power now, in watts.
func (t *Timed) Power() float64 { return t.power }

// Run drives the workload until every job has ended, nothing can happen any
// more, or it is told to stop.
func (t *Timed) Run() {
	for {
		at := t.nextInstant()
		if at == unit.Never {
			break
		}
		t.advance(at)
		t.collect(at)
		t.step()
		t.replan()
		t.closePeriod()
		if t.p.Stop != nil && t.p.Stop(at) {
			break
		}
		if t.Ledger != nil && t.Totals.Window != nil && t.Ledger.Window == nil {
			t.Ledger.Window = t.Ledger.books()
		}
	}
	if t.Ledger != nil && t.started {
		t.batch = append(t.batch[:0], control.Input{Kind: control.CloseIntervals})
		t.step()
	}
	if t.hash != nil {
		t.hash.Write(t.buffer)
		t.buffer = t.buffer[:0]
	}
	t.Totals.End = t.now
}

// Sum returns the hash of the record log.
func (t *Timed) Sum() (out [sha256.Size]byte) {
	copy(out[:], t.hash.Sum(nil))
	return out
}

func (t *Timed) nextInstant() unit.Instant {
	if !t.started && t.p.Opening != 0 {
		return t.p.Opening
	}
	at := unit.Never
	if t.next < len(t.order) {
		at = t.p.Workload.Jobs[t.order[t.next]].Submit
	}
	at = min(at, t.hands.next())
	if len(t.inputs) > 0 && !t.inputs[0].Aside {
		at = min(at, t.inputs[0].At)
	}
	at = min(at, t.periodDue())
	alone := at == unit.Never
	if alone && t.state.Pending()+t.state.Delayed()+t.hands.paces.still == 0 {
		return unit.Never // faults and windows alone do not keep a replay alive
	}
	if len(t.inputs) > 0 {
		at = min(at, t.inputs[0].At)
	}
	if len(t.faults) > 0 {
		at = min(at, t.faults[0].event.At)
	}
	if t.started { // a replay begins with what arrives: clocks of the core may be years behind it
		at = min(at, t.state.NextWake())
	}
	if t.hopeless(alone, at) {
		return unit.Never
	}
	t.planning = false
	if t.shift != nil {
		other := at
		at = min(at, t.shift.wake(at == unit.Never))
		t.planning = at < other && t.shift.Delay > 0
	}
	wake := t.state.MeterWake()
	// The ledger alone neither begins a replay nor keeps it alive.
	t.metering = t.started && at != unit.Never && wake < at
	if t.metering {
		at, t.planning = wake, false
	}
	return max(at, t.now)
}

// advance moves the clock and integrates what is held.
func (t *Timed) advance(at unit.Instant) {
	if !t.started {
		t.started = true
		t.now, t.Totals.Start = at, at
		t.sampleAt = at
	}
	for t.p.Every > 0 && t.sampleAt <= at {
		t.integrate(t.sampleAt)
		t.p.Sample(t.sampleAt, t.state)
		t.sampleAt = t.sampleAt.Add(t.p.Every)
	}
	t.integrate(at)
	if t.p.PeriodEnd == 0 && t.next == len(t.order) && t.Totals.Window == nil {
		w := t.Totals
		w.End = t.now
		t.Totals.Window = &w
	}
}

func (t *Timed) integrate(at unit.Instant) {
	dt := at.Sub(t.now).Seconds()
	if dt > 0 {
		used := t.state.Capacity().Used()
		t.Totals.MilliSeconds += float64(float64(used.Milli) * dt)
		t.Totals.CPUSeconds += float64(float64(used.CPU) * dt)
		t.Totals.KWh += float64(t.power * dt / 3.6e6)
		if t.Shedding != nil {
			t.watchPower(at)
		}
		t.now = at
	}
}

// collect gathers everything that arrives by an instant.
func (t *Timed) collect(at unit.Instant) {
	t.batch = t.feed.due(at, t.batch[:0])
	if t.shift != nil {
		t.batch = t.shift.tell(at, t.batch)
	}
	hours := len(t.batch)
	if (t.metering || t.planning) && hours == 0 {
		return // no tick either: a ledger changes no decision, and a plan is an input of its own
	}
	t.batch = t.hands.due(at, t.batch)
	for len(t.faults) > 0 && t.faults[0].event.At <= at {
		t.batch = append(t.batch, t.nodeInput())
	}
	for len(t.inputs) > 0 && t.inputs[0].At <= at {
		t.batch = append(t.batch, t.inputs[0].Input)
		t.inputs = t.inputs[1:]
	}
	for t.next < len(t.order) && t.p.Workload.Jobs[t.order[t.next]].Submit <= at {
		t.batch = append(t.batch, control.Input{Kind: control.Submit, Spec: &t.specs[t.order[t.next]], Tag: t.next + 1})
		t.byID = append(t.byID, t.order[t.next])
		t.next++
	}
	if len(t.batch) == hours {
		t.batch = append(t.batch, control.Input{Kind: control.Tick})
	}
	if t.Ledger != nil && t.Totals.Window != nil && t.Ledger.Window == nil {
		t.batch = append(t.batch, control.Input{Kind: control.CloseIntervals})
	}
}

// step hands the batch to the core and carries out its orders; evictions are
// reported at once, which makes a further step at the same instant.
func (t *Timed) step() {
	for len(t.batch) > 0 || t.metering {
		t.metering = false
		out := t.state.Step(t.now, t.batch)
		t.Totals.Steps++
		for i := len(out.Refusals) - 1; i >= 0; i-- {
			t.refuse(out.Refusals[i])
		}
		t.follow(out)
		t.batch = t.hands.obey(t.state, out, t.batch[:0], t.begin)
		t.Totals.PeakPending = max(t.Totals.PeakPending, t.state.Pending())
	}
}

// refuse takes a job that the core did not accept out of the numbering.
func (t *Timed) refuse(r control.Refusal) {
	t.Refused[r.Err.Error()]++
	t.refusals++
	if r.Tag == 0 {
		return
	}
	arrival := t.order[r.Tag-1]
	for k := len(t.byID) - 1; k > 0; k-- {
		if t.byID[k] == arrival {
			t.byID = append(t.byID[:k], t.byID[k+1:]...)
			return
		}
	}
}

// begin runs an attempt and says how long it will.
func (t *Timed) begin(o *control.Order) Attempt {
	i := t.byID[o.Job]
	r := &t.Results[i]
	if r.First < 0 {
		r.First = t.now
	}
	r.Start = t.now
	return t.resumed(o.Job, t.attempt(o))
}
