package control

import (
	"slices"

	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// Capacity returns what the fleet has left. The caller must not change it.
func (s *State) Capacity() *sched.Capacity { return s.cap }

// Pending returns the number of jobs in the line.
func (s *State) Pending() int { return s.waiting.Len() }

// Delayed returns the number of jobs that a backoff keeps out of the line.
func (s *State) Delayed() int { return len(s.later) }

// Unstarted lists the jobs that have a task to start: those in the line, those
// in a backoff and those that wait for another, by ID.
func (s *State) Unstarted() []job.ID {
	out := s.waiting.Jobs()
	for _, d := range s.later {
		if j := s.jobOf(d.id); j.mayAwait(d.at) && j.phase <= Running && !j.queued {
			out = append(out, d.id)
		}
	}
	for _, list := range s.waiters {
		out = append(out, list...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Moves returns how many running tasks were moved so far.
func (s *State) Moves() int64 { return s.moves }

// Phase returns where a job stands and when it was submitted.
func (s *State) Phase(id job.ID) (Phase, unit.Instant, bool) {
	j := s.jobOf(id)
	if j == nil {
		return 0, 0, false
	}
	return j.phase, j.submitted, true
}

// Why returns why a pending job was not placed when it was last looked at.
func (s *State) Why(id job.ID) (sched.Reason, bool) {
	j := s.jobOf(id)
	if j == nil || j.phase > Running || !j.queued && j.holds == 0 && j.eligible == 0 && j.resting == 0 {
		return sched.Reason{}, false
	}
	return s.whyOf(j), true
}

// Ahead returns what stands in the line before a job; nothing when it is not in
// the line.
func (s *State) Ahead(id job.ID) sched.Ahead {
	j := s.jobOf(id)
	if j == nil || !j.queued {
		return sched.Ahead{}
	}
	snap := s.snapshot()
	return sched.AheadOf(&snap, j.handle)
}

// Room returns what lies free for the tasks of a group of a job.
func (s *State) Room(q *job.Request) sched.Room { return s.cap.RoomFor(q) }

func (s *State) whyOf(j *jobState) sched.Reason {
	switch {
	case j.queued:
		r := s.waiting.Reason(j.handle)
		if r.Dominant == sched.None { // no cycle has come to it
			r.Dominant = sched.BehindHead
		}
		return r
	case j.holds > 0:
		r := sched.Reason{Dominant: sched.Dependency}
		for _, d := range j.spec.After {
			if s.jobOf(d.Job).phase <= Running {
				r.Ahead = d.Job
				break
			}
		}
		return r
	}
	if j.shift != nil && j.shift.latest != 0 {
		return sched.Reason{Dominant: sched.Deferred}
	}
	return sched.Reason{Dominant: sched.Backoff}
}

// Reservation returns what the head of the line holds; nil = nothing.
func (s *State) Reservation() *sched.Reservation { return s.held }

var phases = [...]string{"pending", "running", "completed", "failed", "cancelled", "expired"}

// String names the phase as users see it.
func (p Phase) String() string { return phases[p] }

// Causes that the rooms above put in words of their own.
const (
	CauseNoDevices   = sched.NoDevices
	CauseNoCPU       = sched.NoCPU
	CauseReserved    = sched.Reserved
	CauseGangPartial = sched.GangPartial
	CauseBehindHead  = sched.BehindHead
	CauseDependency  = sched.Dependency
	CausePowerCap    = sched.PowerCap
	CauseDeferred    = sched.Deferred
	CauseOverQuota   = sched.OverQuota
	CauseBorrowLimit = sched.BorrowLimit
	CauseReclaiming  = sched.Reclaiming
	CauseCordoned    = sched.Cordoned
	CauseUnhealthy   = sched.Unhealthy
	CauseWrongModel  = sched.WrongModel
	CauseNoMemory    = sched.NoMemory
	CauseTopology    = sched.Topology
	CauseBackoff     = sched.Backoff
	CauseNodeAsleep  = sched.NodeAsleep
	CauseOverran     = sched.Overran
	CauseInterrupted = sched.Interrupted
	CauseQuotaKept   = sched.QuotaKept
	CauseWindow      = sched.Maintenance // the node's, not that a task was told to leave for it
	CauseOthersHours = sched.Booked
	CauseNodeFull    = sched.NodeFull
	CauseOverBudget  = sched.OverBudget
	CauseNoDisk      = sched.NoDisk
)

// Job is a job as it stands. It shares the spec with the state, which is never
// changed.
type Job struct {
	ID        job.ID
	Spec      *job.Spec
	Phase     Phase
	Submitted unit.Instant
	Failures  int          // tries that failed and were allowed another
	Eligible  unit.Instant // a backoff holds it, or a task of it, until then; 0 = none
	Running   int          // tasks holding a node
	Resting   int          // tasks that a backoff of their own holds
	Done      int          // tasks that ended for good
	Tasks     []Task
}

// Task is one task of a job as it stands.
type Task struct {
	Index     int32
	Attempt   int32        // tries begun
	Eligible  unit.Instant // a backoff of its own holds it until then; 0 = none
	Running   bool
	Done      bool
	Evicting  bool
	Suspended bool         // stands still for power
	For       int32        // area of the power tree for whose sake it stands still
	Node      fleet.NodeID // while it runs
	Devices   uint16       // set of device indexes, while it runs
	Start     unit.Instant // of the attempt that runs
	End       unit.Instant // expected; Never = unknown
	Exit      *Exit        // of the last attempt that ended; nil = none told
	Tries     []Try        // the latest attempts that have ended, oldest first
}

// Reason says why a job waits; Cause is one thing that can stand between a task
// and a node. They are sched's own, named here for the rooms above.
type (
	Reason = sched.Reason
	Cause  = sched.Cause
	Ahead  = sched.Ahead
	Room   = sched.Room
)

// Jobs returns the number of jobs ever accepted; their IDs count from 1.
func (s *State) Jobs() int { return s.jobs.len() }

// Keyed tells whether a tenant has submitted a job under a key.
func (s *State) Keyed(t job.Tenant, key string) bool {
	_, there := s.keys[submitKey{t, key}]
	return there
}

// Summary returns a job without its tasks; false when there is none.
func (s *State) Summary(id job.ID) (Job, bool) {
	j := s.jobOf(id)
	if j == nil {
		return Job{}, false
	}
	return Job{ID: id, Spec: j.spec, Phase: j.phase, Submitted: j.submitted, Failures: int(j.failures), Eligible: j.nextTry(), Running: int(j.running), Resting: int(j.resting), Done: j.spec.Tasks() - int(j.open)}, true
}

// nextTry returns until when a backoff or a plan holds the job; where it holds
// elements only, the first of them.
func (j *jobState) nextTry() unit.Instant {
	if j.resting == 0 || j.eligible != 0 {
		return j.eligible
	}
	first := unit.Never
	for i := range j.more {
		if at := j.more[i].eligible; at != 0 {
			first = min(first, at)
		}
	}
	return first
}

// Job returns a job with its tasks; false when there is none.
func (s *State) Job(id job.ID) (Job, bool) {
	out, ok := s.Summary(id)
	if !ok {
		return out, false
	}
	j := s.jobOf(id)
	for i := range int32(j.spec.Tasks()) {
		out.Tasks = append(out.Tasks, s.taskOf(j, i))
	}
	return out, true
}

// Task returns one task of a job, without looking at its others; false when there
// is none.
func (s *State) Task(id job.ID, index int32) (Task, bool) {
	j := s.jobOf(id)
	if j == nil || index < 0 || int(index) >= j.spec.Tasks() {
		return Task{}, false
	}
	return s.taskOf(j, index), true
}

func (s *State) taskOf(j *jobState, index int32) Task {
	t := j.task(index)
	v := Task{Index: index, Attempt: t.attempt, Eligible: t.eligible, Running: t.running, Done: t.done, End: unit.Never, Exit: t.exit, Tries: t.tries}
	if t.running {
		a := s.cap.Alloc(t.alloc)
		v.Node, v.Devices, v.Start, v.End, v.Evicting = s.cap.Node(a.Node).ID, a.Devices, a.Start, a.End, a.Evicting
		v.Suspended, v.For = a.Suspended, a.For
	}
	return v
}

// NodeRank returns the number of a node; false when there is none.
func (s *State) NodeRank(id fleet.NodeID) (int32, bool) {
	n, ok := s.nodes[id]
	return n, ok
}

// Tenant is what a tenant holds now.
type Tenant struct {
	Name job.Tenant
	Used sched.Totals
}

// Tenants returns what every tenant holds, in the order they were first seen.
func (s *State) Tenants() []Tenant {
	out := make([]Tenant, len(s.names))
	for i, name := range s.names {
		out[i] = Tenant{name, s.tenants[i].Totals}
	}
	return out
}
