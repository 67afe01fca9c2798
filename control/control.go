// Package control owns the whole state of a centre and the one cycle that
// changes it. Step takes everything that arrived by an instant and returns
// records (facts, to persist) and orders (acts, to carry out); the state is the
// fold of its records, so recovery, audit, replay, dry run and simulation are
// one mechanism. It never reads a clock, draws a random number or touches a
// file. Read this file first, then cycle.go and fold.go.
package control

import (
	"slices"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// Config is what a centre is opened with. It is persisted as the first record.
type Config struct {
	Fleet   *fleet.Fleet
	Rank    []int32            // rank of each node; nil = declaration order
	Power   []energy.NodeModel // of each node; nil = not modelled
	Policy  string
	Params  sched.Config
	Rules   sched.Rules
	Weights map[job.Tenant]int64 // fair-share weights; absent = 1
	// Queueing has the declared tenants and queues; nil = none.
	Queueing *job.Queueing
	// Bookings keep nodes for queues, in windows written out.
	Bookings []fleet.Booking
	// Metering says how the ledger is kept.
	Metering Metering
	// Tree is the power tree; nil = power is not limited. It needs models.
	Tree *sched.Power
	// DayBudgets are of energy and carbon, of tenants and sites. They need models.
	DayBudgets []sched.DayBudget
	// Deferring says how long jobs without a deadline may wait for a better hour.
	Deferring Deferring
}

// State is a centre: its fleet, its jobs and who holds what. It is not safe
// for concurrent use; a driver owns it.
type State struct {
	cfg     Config
	now     unit.Instant
	cap     *sched.Capacity
	index   *sched.Index
	waiting *sched.Waiting
	tenants []sched.Usage
	quotas  *sched.Quotas // of the declared queues; nil = none
	numbers map[job.Tenant]int16
	names   []job.Tenant
	nodes   map[fleet.NodeID]int32
	jobs    jobTable // by ID, from 1
	held    *sched.Reservation
	others  []sched.Reservation // of other heads: of other cohorts, and what queues take back; replaced, never changed
	due     dueHeap             // pending jobs with a latest start
	later   dueHeap             // jobs in backoff, or with elements in one, by the instant they enter the line again
	waiters map[job.ID][]job.ID // jobs held by a dependency, by what they wait for
	settle  []job.ID            // jobs whose dependency has ended, to be looked at
	keys    map[submitKey]job.ID
	windows windowList
	booked  []BookingTold // reservations made while the centre runs; replaced, never changed
	pauses  dueHeap       // running jobs with a plan that has them pause
	misses  []Miss        // deadlines, the latest missed, oldest first
	judged  dueHeap       // jobs with a deadline, at their last start and at the deadline
	hours   []siteTable   // by name of the site
	ledger  *ledger       // nil = none is kept
	power   powerState
	budgets *budgetState // nil = none is declared

	decider  sched.Decider
	verifier sched.Verifier
	dirty    bool // something changed since the last cycle
	opened   bool // the record that opens the centre is out
	out      Outcome
	moves    int64
}

// jobState is what the core keeps of a job.
type jobState struct {
	spec      *job.Spec
	submitted unit.Instant
	handle    sched.Handle // in the line; valid while queued
	queued    bool
	phase     Phase
	failed    bool  // a task failed for good: the job has, once all have ended
	started   bool  // a task of it has run: a latest start binds no more
	running   int32 // tasks holding an allocation
	open      int32 // tasks not yet ended for good
	one       taskState
	more      []taskState  // of a job of several tasks
	failures  int32        // tries of its tasks that failed and were allowed another
	holds     int32        // dependencies not yet met
	eligible  unit.Instant // a backoff or a plan holds it until then
	resting   int32        // tasks that a backoff of their own holds
	shift     *shiftState  // of a job with a deadline or a wish
}

// submitKey is what makes a submission idempotent.
type submitKey struct {
	tenant job.Tenant
	key    string
}

type taskState struct {
	alloc    sched.AllocID // while running
	attempt  int32         // tries begun
	running  bool
	done     bool
	failures int32        // tries that failed and were allowed another
	eligible unit.Instant // a backoff of its own holds it until then; 0 = none
	tries    []Try        // the latest attempts that have ended, oldest first; replaced, never changed
	exit     *Exit        // of the last attempt, where the engine told of it
}

func (j *jobState) task(i int32) *taskState {
	if j.more == nil {
		return &j.one
	}
	return &j.more[i]
}

// Phase is where a job stands.
type Phase uint8

// The phases of a job.
const (
	Pending Phase = iota
	Running
	Completed
	FailedJob
	Cancelled
	Expired
)

// Outcome is what a Step returns. Its slices are valid until the next Step.
type Outcome struct {
	Records  []Record
	Orders   []Order
	Refusals []Refusal
	// Accepted has the ID of every submission that was not refused, in the order
	// of their inputs; one repeated under its key has the ID it had.
	Accepted []Accepted
	Plan     *sched.Plan // of this step's cycle; nil when none ran
}

// Refusal says why an input was not accepted; nothing changed.
type Refusal struct {
	Tag int // of the input
	Err error
}

// Accepted says which job a submission became.
type Accepted struct {
	Tag int // of the input
	Job job.ID
	Cap int32 // of a cap that was set
}

// Open returns the state of a new centre. Its first Step records it.
func Open(cfg Config) (*State, error) {
	s := &State{cfg: cfg, numbers: map[job.Tenant]int16{}, nodes: map[fleet.NodeID]int32{}, waiting: sched.NewWaiting(),
		waiters: map[job.ID][]job.ID{}, keys: map[submitKey]job.ID{}}
	if err := cfg.checkBudgets(); err != nil {
		return nil, err
	}
	s.cap = sched.NewCapacity(cfg.Fleet, cfg.Rank, cfg.Power)
	p, err := sched.New(cfg.Policy, s.cap, cfg.Params)
	if err != nil {
		return nil, err
	}
	s.index = sched.NewIndex(s.cap, p)
	s.quotas = sched.NewQuotas(cfg.Queueing, s.cap)
	for i := range cfg.Fleet.Nodes {
		r := int32(i)
		if cfg.Rank != nil {
			r = cfg.Rank[i]
		}
		id := cfg.Fleet.Nodes[i].ID
		if _, twice := s.nodes[id]; twice {
			return nil, fault.New(fault.Invalid, "node "+string(id), "declared twice", "give every node a name of its own")
		}
		s.nodes[id] = r
		for _, w := range cfg.Fleet.Nodes[i].Maintenance {
			s.windows = append(s.windows, windowEdge{at: w.From, node: r, opens: true}, windowEdge{at: w.To, node: r})
		}
	}
	s.rebook(allWindows)
	s.ledger = newLedger(s)
	s.openPower()
	s.openBudgets()
	return s, nil
}

// Step takes all inputs that arrived by now and returns what became of them.
// The core orders simultaneous inputs itself: reports by job, task and
// attempt, then commands as they came. It panics on a broken invariant, before
// anything can be persisted.
func (s *State) Step(now unit.Instant, batch []Input) *Outcome {
	if now < s.now {
		panic("control: time went backwards")
	}
	s.dirty = s.dirty || s.budgetEdge() <= now // a new day of a budget
	s.now = now
	o := &s.out
	o.Records, o.Orders, o.Refusals, o.Plan = o.Records[:0], o.Orders[:0], o.Refusals[:0], nil
	o.Accepted = o.Accepted[:0]
	if len(batch) > 1 {
		slices.SortStableFunc(batch, compareInputs)
	}
	if !s.opened {
		s.opened = true
		opened := s.cfg // a change of it in this very step is another record's
		s.record(Record{Kind: Opened, Config: &opened})
	}
	if s.ledger != nil && s.ledger.next <= now {
		s.closeIntervals()
		s.dirty = s.dirty || s.budgets != nil // what was spent may be less than the model said
	}
	for i := range batch {
		if err := s.accept(&batch[i]); err != nil {
			o.Refusals = append(o.Refusals, Refusal{Tag: batch[i].Tag, Err: err})
		}
	}
	s.passWindows()
	s.stepPower()
	s.release()
	s.pause()
	if (s.dirty || len(s.due) > 0 && s.due[0].at <= now) && s.waiting.Len() > 0 {
		s.cycle()
	}
	// What an expired job held, or a job that enters the line now, is looked at
	// in this step: nothing else may come for long.
	expired := s.expire()
	if s.settleAll() || expired && s.waiting.Len() > 0 {
		s.cycle()
	}
	if s.cfg.Tree != nil {
		if len(s.out.Records) > 0 && s.cap.HeldBack() {
			s.lift()
		}
		s.stepSleep()
	}
	if s.judge() {
		s.cycle()
	}
	s.dirty = false
	return o
}

// Now returns the instant of the last step.
func (s *State) Now() unit.Instant { return s.now }

// NextWake returns when the state needs a tick although nothing arrives: a
// latest start passes, a maintenance window opens or closes, a backoff is over. Never when nothing is due.
func (s *State) NextWake() unit.Instant {
	at := unit.Never
	if len(s.due) > 0 {
		at = min(at, s.due[0].at)
	}
	if len(s.windows) > 0 {
		at = min(at, s.windows[0].at)
	}
	for _, h := range [...]dueHeap{s.later, s.pauses, s.judged} {
		if len(h) > 0 {
			at = min(at, h[0].at)
		}
	}
	if s.budgets != nil && s.waiting.Len() > 0 {
		at = min(at, s.budgetEdge())
	}
	if s.cfg.Tree != nil {
		at = min(at, s.nextPower())
	}
	return at
}

// record folds a fact into the state and adds it to the step's outcome.
func (s *State) record(r Record) {
	r.At = s.now
	r.Reason.Keeper = nil // of the moment: no record has it
	s.out.Records = append(s.out.Records, r)
	s.fold(&s.out.Records[len(s.out.Records)-1])
}

// tenant returns the number of a tenant, giving out the next one at first
// sight.
func (s *State) tenant(t job.Tenant) int16 {
	n, ok := s.numbers[t]
	if !ok {
		n = int16(len(s.names))
		s.numbers[t] = n
		s.names = append(s.names, t)
		s.tenants = append(s.tenants, sched.Usage{Weight: s.cfg.weightOf(t)})
	}
	return n
}
