package control

import (
	"bytes"
	"cmp"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// InputKind says what an input is. Reports come before commands.
type InputKind uint8

// The inputs.
const (
	Exited         InputKind = 1   // report: an attempt ended
	NodeState      InputKind = 2   // report or command: health, cordon or drain of a node or device
	Submit         InputKind = 3   // command: a new job
	Cancel         InputKind = 4   // command: end a job
	Planned        InputKind = 30  // command: a plan in time, made on a snapshot
	SiteHours      InputKind = 5   // report: what hours at a site cost, observed or forecast
	EnergyMeasured InputKind = 35  // report: what a meter and engines said of a span of time
	NodeDisk       InputKind = 6   // report: a node has too little disk for new work, or has it again
	CloseIntervals InputKind = 36  // command: close the open intervals of the ledger now
	Book           InputKind = 20  // command: keep nodes for a queue in windows
	Unbook         InputKind = 21  // command: end such a reservation
	SetCap         InputKind = 25  // command: lower what an area may draw for a time
	ClearCap       InputKind = 26  // command: end a cap
	Solar          InputKind = 27  // report: what is made on a site
	Configure      InputKind = 40  // command: a changed configuration
	Tick           InputKind = 255 // nothing but the time; the greatest of all
)

// Ending says how an attempt ended.
type Ending uint8

// The endings of an attempt.
const (
	Succeeded Ending = iota
	TaskFailed
	Evicted  // it was told to leave
	NodeLost // its node failed
	Stopped  // its job was cancelled
	NotTaken // its node could not take it, and may soon: no fault of the task
)

var endings = [...]string{"succeeded", "failed", "evicted", "node lost", "stopped", "not taken"}

// String names the ending as users see it.
func (e Ending) String() string { return endings[min(int(e), len(endings)-1)] }

// Input is one thing that arrived: a command, a report or a tick.
type Input struct {
	Kind    InputKind
	Job     job.ID
	Task    int32
	Attempt int32
	Ending  Ending
	Spec    *job.Spec
	Node    fleet.NodeID
	Device  int // -1 = the node itself
	Health  fleet.Health
	Cordon  bool
	Drain   bool
	Short   bool              // of disk
	Exit    *Exit             // of an exited report; nil when nobody told
	Site    string            // of a report of site hours
	Hours   []energy.SiteHour // in order of time
	Reading *EnergyReading    // of an energy report
	Cap     *sched.CapEvent
	CapID   int32
	Solar   []SolarHour // of a report of what a site makes, in order of time
	Booked  *BookingTold
	Name    string // of a reservation to end
	// Deferrals are a plan in time.
	Deferrals []sched.Deferral
	Config    *Config // of a changed configuration
	Tag       int     // the driver's own; it comes back with what became of the input
}

// Exit is how an attempt ended and what it used, as its engine says.
type Exit struct {
	Code   int32  // exit code; -1 = none
	Detail string // such as "exit", "out-of-memory", "SIGKILL"
	Usage  Usage
}

// Usage is what an attempt used from its start to its end.
type Usage struct {
	CPUMicros   int64 // CPU time, user and system
	MemoryPeak  int64 // bytes
	ByteSeconds int64 // memory over time
	WallMicros  int64
}

// turn says when in a step an input is looked at: ends first, then what hours
// cost, then commands as they came, then the tick.
func (k InputKind) turn() int {
	switch k {
	case Exited:
		return 0
	case SiteHours, Solar:
		return 1
	case Tick:
		return 3
	}
	return 2
}

func compareInputs(a, b Input) int {
	if a.Kind != Exited || b.Kind != Exited {
		return cmp.Compare(a.Kind.turn(), b.Kind.turn())
	}
	return cmp.Or(cmp.Compare(a.Job, b.Job), cmp.Compare(a.Task, b.Task), cmp.Compare(a.Attempt, b.Attempt))
}

// accept turns one input into records, or says why not.
func (s *State) accept(in *Input) error {
	switch in.Kind {
	case Exited:
		return s.exited(in)
	case NodeState:
		return s.nodeState(in)
	case NodeDisk:
		return s.nodeDisk(in)
	case Submit:
		return s.submit(in)
	case Cancel:
		return s.cancel(in)
	case SiteHours:
		return s.siteHours(in)
	case Planned:
		return s.planned(in)
	case EnergyMeasured:
		return s.energyMeasured(in)
	case CloseIntervals:
		s.closeAll()
		return nil
	case Book:
		return s.book(in)
	case Unbook:
		return s.unbook(in)
	case SetCap:
		return s.setCap(in)
	case ClearCap:
		return s.clearCap(in)
	case Solar:
		return s.solarHours(in)
	case Configure:
		return s.configure(in)
	case Tick:
		s.dirty = true
		return nil
	}
	return fault.Invalidf("input", "kind %d is not known", in.Kind)
}

// submit takes a job in, or refuses one that the fleet could not run even when
// idle: it would wait for ever. With a latest start it does not, and is taken
// in to end with its reason; not so one of which a part could start, nor any under
// limits of power: beside nodes that sleep it may start once, and when it comes back
// into the line its latest start binds it no more.
func (s *State) submit(in *Input) error {
	if err := in.Spec.Check(); err != nil {
		return err
	}
	if k := (submitKey{in.Spec.Tenant, in.Spec.Key}); k.key != "" {
		if id, twice := s.keys[k]; twice {
			if !repeats(in.Spec, s.jobOf(id).spec) {
				return fault.New(fault.Conflict, "job "+in.Spec.Name, "its key was used for "+id.String()+", which is another job", "give every job a key of its own")
			}
			s.out.Accepted = append(s.out.Accepted, Accepted{Tag: in.Tag, Job: id})
			return nil
		}
	}
	for _, d := range in.Spec.After {
		if s.jobOf(d.Job) == nil {
			return fault.New(fault.NotFound, "job "+in.Spec.Name+": after", d.Job.String()+" does not exist", "submit what it waits for first")
		}
	}
	spec, err := s.route(in.Spec)
	if err != nil {
		return err
	}
	if spec.StartBy == 0 || len(spec.Groups) > 1 && !spec.Gang || s.cfg.Tree != nil {
		if err := s.cap.Possible(spec, s.quotas, s.quotas.Number(spec.Queue)); err != nil {
			return fault.Wrap(err, "job "+spec.Name, "submit")
		}
	}
	if err := s.cap.PossibleBudget(spec, s.cfg.DayBudgets); err != nil {
		return fault.Wrap(err, "job "+spec.Name, "submit")
	}
	id := job.ID(s.jobs.len() + 1)
	s.record(Record{Kind: Submitted, Job: id, Spec: spec})
	s.out.Accepted = append(s.out.Accepted, Accepted{Tag: in.Tag, Job: id})
	if len(spec.After) > 0 {
		switch met, failed := s.dependencies(spec); {
		case failed != 0:
			s.record(Record{Kind: JobCancelled, Job: id, Cancel: CancelDependency, For: failed})
		case met && !s.jobOf(id).queued:
			s.record(Record{Kind: Released, Job: id})
		}
	}
	return nil
}

// repeats tells whether a submission is one that was taken before, which then had a
// queue chosen for it if it named none.
func repeats(again, taken *job.Spec) bool {
	named := *again
	if named.Queue == "" {
		named.Queue = taken.Queue
	}
	return bytes.Equal(appendSpec(nil, &named), appendSpec(nil, taken))
}

// exited takes the report that an attempt ended. A late or repeated report is
// not an error: it is about an attempt that the state no longer runs.
func (s *State) exited(in *Input) error {
	j := s.jobOf(in.Job)
	if j == nil || in.Task < 0 || int(in.Task) >= j.spec.Tasks() {
		return fault.New(fault.NotFound, in.Job.String(), "no such job or task", "")
	}
	t := j.task(in.Task)
	if !t.running || t.attempt != in.Attempt {
		return nil
	}
	s.record(Record{Kind: Ended, Job: in.Job, Task: in.Task, Attempt: in.Attempt, Ending: in.Ending, Node: s.cap.Alloc(t.alloc).Node, Exit: in.Exit})
	s.afterEnd(in.Job, j, in.Ending)
	return nil
}

// afterEnd carries the loss of one task to its gang, and work that has lost
// its place back into the line.
func (s *State) afterEnd(id job.ID, j *jobState, e Ending) {
	if !j.spec.Gang || e == Succeeded || j.running == 0 {
		return
	}
	for i := range int32(j.spec.Tasks()) {
		if t := j.task(i); t.running {
			s.evict(id, i, t, CauseGang)
		}
	}
}

// evict tells a running task to leave, once.
func (s *State) evict(id job.ID, task int32, t *taskState, cause EvictCause) {
	if s.cap.Alloc(t.alloc).Evicting {
		return
	}
	if s.cap.Alloc(t.alloc).Suspended { // it must hear that it is to leave
		s.out.Orders = append(s.out.Orders, Order{Kind: Resume, Job: id, Task: task, Attempt: t.attempt, Node: s.cap.Alloc(t.alloc).Node})
	}
	s.record(Record{Kind: Evicting, Job: id, Task: task, Attempt: t.attempt, Cause: cause})
	s.out.Orders = append(s.out.Orders, Order{Kind: Stop, Job: id, Task: task, Attempt: t.attempt, Node: s.cap.Alloc(t.alloc).Node})
}

// cancel ends a job: at once if it waits, by eviction if it runs.
func (s *State) cancel(in *Input) error {
	j := s.jobOf(in.Job)
	if j == nil {
		return fault.New(fault.NotFound, in.Job.String(), "no such job", "")
	}
	if j.phase > Running {
		return fault.New(fault.Conflict, in.Job.String(), "has ended already", "")
	}
	s.record(Record{Kind: JobCancelled, Job: in.Job})
	for i := range int32(j.spec.Tasks()) {
		if t := j.task(i); t.running {
			s.evict(in.Job, i, t, CauseCancel)
		}
	}
	return nil
}

// nodeState takes a change of health, cordon or drain. Work on a failed node
// is lost at once; work on a draining one is told to leave.
func (s *State) nodeState(in *Input) error {
	n, ok := s.nodes[in.Node]
	if !ok {
		return fault.New(fault.NotFound, "node "+string(in.Node), "no such node", "")
	}
	if in.Device >= s.cap.DevicesOf(n) {
		return fault.New(fault.NotFound, "node "+string(in.Node), "no such device", "devices count from 0; -1 names the node")
	}
	s.record(Record{Kind: NodeChanged, Node: n, Device: int32(in.Device), Health: in.Health, Cordon: in.Cordon, Drain: in.Drain})
	for _, a := range s.cap.Running(n) {
		id, task := a.Job, a.Task
		if in.Device >= 0 && a.Devices>>in.Device&1 == 0 {
			continue
		}
		j := s.jobOf(id)
		switch {
		case in.Health == fleet.Failed:
			s.record(Record{Kind: Ended, Job: id, Task: task, Attempt: a.Attempt, Ending: NodeLost, Node: n})
			s.out.Orders = append(s.out.Orders, Order{Kind: Forget, Job: id, Task: task, Attempt: a.Attempt, Node: n})
			s.afterEnd(id, j, NodeLost)
		case in.Drain:
			s.evict(id, task, j.task(task), CauseDrain)
		}
	}
	s.keepElsewhere()
	s.leaveParts(n) // a device less may be one that is kept
	return nil
}

// nodeDisk takes that a node has too little disk for new work, or has it again.
// What runs there goes on.
func (s *State) nodeDisk(in *Input) error {
	n, ok := s.nodes[in.Node]
	if !ok {
		return fault.New(fault.NotFound, "node "+string(in.Node), "no such node", "")
	}
	if s.cap.Node(n).ShortOfDisk != in.Short {
		s.record(Record{Kind: NodeShort, Node: n, Short: in.Short})
	}
	return nil
}

// windowEdge is the opening or the end of a maintenance window.
type windowEdge struct {
	at    unit.Instant
	node  int32
	opens bool
	queue job.Queue    // of a reservation, whose jobs stay; empty = maintenance
	until unit.Instant // end of the window of a reservation
	part  bool         // of one of a portion of the node: others leave as far as they are in its way
}

func (a windowEdge) compare(b windowEdge) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.node, b.node))
}

type windowList []windowEdge

// passWindows tells what still runs to leave nodes whose window has opened,
// and wakes the cycle when one ends.
func (s *State) passWindows() {
	for len(s.windows) > 0 && s.windows[0].at <= s.now {
		edge := s.windows[0]
		s.windows = s.windows[1:]
		s.dirty = true
		if edge.part && edge.opens {
			s.keepElsewhere() // where nothing had room when its node failed
			s.leaveParts(edge.node)
		}
		if edge.part || !edge.opens {
			continue
		}
		for _, a := range s.cap.Running(edge.node) {
			switch j := s.jobOf(a.Job); {
			case edge.queue == "":
				s.evict(a.Job, a.Task, j.task(a.Task), CauseMaintenance)
			case j.spec.Queue != edge.queue:
				s.evict(a.Job, a.Task, j.task(a.Task), CauseBooked)
			}
		}
	}
}
