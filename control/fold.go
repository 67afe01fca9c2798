package control

import (
	"container/heap"
	"slices"
	"time"

	"tianfu/job"
	"tianfu/meter"
	"tianfu/sched"
	"tianfu/unit"
)

// fold applies one record to the state. It decides nothing: everything it
// needs is in the record or already in the state.
func (s *State) fold(r *Record) {
	s.dirty = s.dirty || r.Kind != Metered && r.Kind != EnergyRead // which no cycle looks at
	switch r.Kind {
	case Opened:
		s.opened = true
		if s.ledger != nil {
			s.openIntervals(r.At)
		}
		if s.budgets != nil {
			for i := range s.budgets.until {
				s.budgets.until[i] = r.At
			}
		}
		if s.cfg.Tree != nil {
			s.cap.AllIdle(r.At)
		}
	case Configured:
		s.foldConfigured(r)
	case Submitted:
		s.foldSubmitted(r)
	case Allocated:
		s.foldAllocated(r)
	case Evicting:
		s.foldEvicting(r)
	case Ended:
		s.foldEnded(r)
	case JobExpired:
		s.close(r.Job, Expired)
	case JobCancelled:
		s.close(r.Job, Cancelled)
	case Released:
		s.foldReleased(r)
	case Reserved:
		s.held = r.Held
	case OthersReserved:
		s.others = r.Others
	case Booked, Unbooked:
		s.foldBooked(r)
	case NodeChanged:
		s.cap.SetHealth(r.Node, int(r.Device), r.Health, r.Cordon, r.Drain)
	case NodeShort:
		s.cap.SetShortOfDisk(r.Node, r.Short)
	case SiteHoursKnown:
		s.foldSiteHours(r)
		s.power.stale = true
	case Moved:
		s.foldMoved(r)
	case ShiftPlanned:
		s.foldShiftPlanned(r)
	case DeadlineAtRisk, DeadlineMissed:
		s.foldJudged(r)
	case Metered:
		s.foldMetered(r)
	case EnergyRead:
		s.foldEnergyRead(r)
	case PowerTold:
		s.foldTold(r)
	case BudgetSet:
		s.foldBudget(r)
	case NodePowered:
		s.foldNodePowered(r)
	case TaskPaused:
		s.foldPaused(r)
	case PowerShed:
		s.foldShed(r)
	default:
		panic("control: record of an unknown kind")
	}
}

func (s *State) foldMoved(r *Record) {
	t := s.jobOf(r.Job).task(r.Task)
	s.moves++
	s.charge(t.alloc, -1)
	defer func() { s.charge(t.alloc, 1) }()
	if s.ledger == nil {
		t.alloc = s.cap.Move(t.alloc, r.Node, r.Devices, r.At)
		return
	}
	s.leave(t.alloc, r.At, meter.Unknown)
	h, from := s.ledger.held[t.alloc], s.cap.Alloc(t.alloc).Node
	t.alloc = s.cap.Move(t.alloc, r.Node, r.Devices, r.At)
	s.ledger.begin(t.alloc, holding{since: r.At, told: h.told, closed: h.told})
	s.noteStage(from, r.At)
	s.noteStage(r.Node, r.At)
}

func (s *State) foldSubmitted(r *Record) {
	tasks := r.Spec.Tasks()
	j := s.jobs.add(jobState{spec: r.Spec, submitted: r.At, open: int32(tasks)})
	if tasks > 1 {
		j.more = make([]taskState, tasks)
	}
	if k := (submitKey{r.Spec.Tenant, r.Spec.Key}); k.key != "" {
		s.keys[k] = r.Job
	}
	for _, d := range r.Spec.After {
		if other := s.jobOf(d.Job); other.phase <= Running {
			s.waiters[d.Job] = append(s.waiters[d.Job], r.Job)
			j.holds++
		}
	}
	s.foldShifting(r.Job, j)
	if j.holds == 0 {
		s.enter(r.Job, j)
	}
	for g := range r.Spec.Groups {
		s.index.Observe(&r.Spec.Groups[g].Request, r.Spec.Groups[g].Count)
	}
	switch {
	case r.Spec.StartBy == 0:
	case len(s.due) == 0:
		s.due = append(s.due, dueJob{r.Spec.StartBy, r.Job})
	default:
		heap.Push(&s.due, dueJob{r.Spec.StartBy, r.Job})
	}
}

// enqueue puts a job, or the tasks of it that lost their place, into the line.
func (s *State) enqueue(id job.ID, j *jobState, pending []int32) {
	j.handle = s.waiting.Add(s.cap, id, s.lineSpec(j), s.owner(j.spec), pending)
	j.queued = true
}

func (s *State) foldAllocated(r *Record) {
	j := s.jobOf(r.Job)
	t := j.task(r.Task)
	t.attempt, t.running = r.Attempt, true
	own := s.owner(j.spec)
	n := own.Tenant
	t.alloc = s.cap.Grant(sched.Alloc{
		Job: r.Job, Task: r.Task, Attempt: r.Attempt, Node: r.Node, CPU: r.CPU, Memory: r.Memory, Devices: r.Devices,
		Share: r.Share, Profile: r.Profile, Shape: s.waiting.Ask(j.handle, r.Task).Shape, Tenant: n, Priority: j.spec.Priority,
		Preemptible: j.spec.Preemptible, Gang: j.spec.Gang, Queue: own.Queue, Start: r.At, End: r.End,
	})
	s.use(n, t.alloc, 1)
	if s.ledger != nil {
		s.ledger.begin(t.alloc, holding{since: r.At})
		s.noteStage(r.Node, r.At)
	}
	s.charge(t.alloc, 1)
	j.running++
	j.phase = Running
	j.started = true
	if j.shift != nil {
		s.foldBegun(r.Job, j, r.At)
	}
	if j.more == nil {
		s.waiting.Remove(j.handle)
		j.queued = false
		return
	}
	s.reline(r.Job, j)
}

// reline gives a job its place in the line for what of it may be placed now, or
// takes it out when nothing may.
func (s *State) reline(id job.ID, j *jobState) {
	pending := s.pendingOf(j)
	switch {
	case j.more != nil && len(pending) == 0:
		if j.queued {
			s.waiting.Remove(j.handle)
			j.queued = false
		}
	case j.queued:
		s.waiting.SetPending(j.handle, pending)
	default:
		s.enqueue(id, j, pending)
	}
}

// pendingOf lists the tasks of a job that neither run nor are done, and that may
// be placed beside those that run.
func (s *State) pendingOf(j *jobState) []int32 {
	if j.more == nil {
		return nil
	}
	room := len(j.more)
	if j.spec.Parallel > 0 {
		room = int(j.spec.Parallel - j.running)
	}
	var out []int32
	for i := range j.more {
		if t := &j.more[i]; !t.running && !t.done && t.eligible == 0 && len(out) < room {
			out = append(out, int32(i))
		}
	}
	return out
}

func (s *State) foldEnded(r *Record) {
	j := s.jobOf(r.Job)
	t := j.task(r.Task)
	n := s.tenant(j.spec.Tenant)
	s.use(n, t.alloc, -1)
	if s.ledger != nil {
		used := int64(-1)
		if r.Exit != nil && r.Exit.Usage.WallMicros > 0 {
			used = r.Exit.Usage.CPUMicros
		}
		s.leave(t.alloc, r.At, used)
	}
	s.charge(t.alloc, -1)
	if s.budgets != nil {
		s.budgetEnded(t.alloc, r.At)
	}
	s.tried(t, r)
	node := s.cap.Alloc(t.alloc).Node
	s.cap.Release(t.alloc, r.At)
	s.noteStage(node, r.At)
	t.running = false
	if r.Exit != nil {
		t.exit = r.Exit
	}
	j.running--
	if j.shift != nil {
		s.foldLeft(j, r)
	}
	over := j.phase > Running || j.spec.Gang && j.failed
	again := !over && (r.Ending == Evicted || r.Ending == NodeLost || r.Ending == NotTaken)
	failures := j.failures
	if j.spec.Array {
		failures = t.failures
	}
	if r.Ending == TaskFailed && !over && int(failures) < j.spec.Retries {
		again = true
		s.rest(r, j, t)
		t.failures++
		j.failures++
	}
	if !again {
		t.done = true
		j.open--
		j.failed = j.failed || r.Ending == TaskFailed
		s.taskDone(r.Job, j)
		s.nextElements(r.Job, j)
		return
	}
	s.backInLine(r.Job, j)
}

// taskDone looks at what is left of a job whose task ended for good: nothing, or
// the rest of a gang of which the last one that ran has ended. That goes back
// into the line, unless the gang has failed: then it is not tried again.
func (s *State) taskDone(id job.ID, j *jobState) {
	left := j.spec.Gang && j.running == 0
	switch {
	case j.phase > Running:
	case j.open == 0 || left && j.failed:
		j.phase = Completed
		if j.failed {
			j.phase = FailedJob
		}
		s.over(id)
	case left:
		s.backInLine(id, j)
	}
}

// nextElements lets elements of an array follow one that is done, where only so
// many may run at one time.
func (s *State) nextElements(id job.ID, j *jobState) {
	if j.spec.Parallel == 0 || j.phase > Running || j.holds > 0 || j.eligible > 0 {
		return
	}
	s.reline(id, j)
}

// rest has a task that failed wait its backoff, while others of its job go on. A
// gang waits as one, and so does a job of a single task.
func (s *State) rest(r *Record, j *jobState, t *taskState) {
	until := r.At.Add(backoff(j.spec.Backoff, t.failures))
	switch {
	case j.more == nil || j.spec.Gang:
		j.eligible = r.At.Add(backoff(j.spec.Backoff, j.failures))
	case until > r.At:
		t.eligible = until
		j.resting++
		heap.Push(&s.later, dueJob{until, r.Job})
	}
}

// rested ends the backoffs of elements that are over.
func (j *jobState) rested(now unit.Instant) {
	if j.resting == 0 {
		return
	}
	for i := range j.more {
		if t := &j.more[i]; t.eligible != 0 && t.eligible <= now {
			t.eligible = 0
			j.resting--
		}
	}
}

// awaits tells whether an instant is one that a job, or an element of it, waits
// for.
func (j *jobState) awaits(at unit.Instant) bool {
	return j.eligible == at || j.resting > 0 && slices.ContainsFunc(j.more, func(t taskState) bool { return t.eligible == at })
}

// mayAwait tells the same without a look at every element, which each of the many
// instants of a large array would cost; an instant too many is passed over when it
// comes.
func (j *jobState) mayAwait(at unit.Instant) bool {
	return j.eligible == at || j.resting > 0
}

// backoff doubles with every failure before, up to the bound.
func backoff(first time.Duration, failures int32) time.Duration {
	for ; failures > 0 && first < job.MaxBackoff; failures-- {
		first *= 2
	}
	return min(first, job.MaxBackoff)
}

// backInLine puts work that lost its place into the line again: a gang when all
// of it has left, the rest at once, and none before its backoff is over.
func (s *State) backInLine(id job.ID, j *jobState) {
	if j.more == nil || j.spec.Gang {
		if j.running > 0 {
			return
		}
		j.phase = Pending
	}
	if j.eligible <= s.now {
		j.eligible = 0 // over, though no record said so: a recovered centre must not release it again
	}
	switch {
	case j.eligible > s.now:
		if j.queued {
			s.waiting.Remove(j.handle)
			j.queued = false
		}
		heap.Push(&s.later, dueJob{j.eligible, id})
	default:
		s.reline(id, j)
	}
}

// close ends a job that holds nothing any more or soon will not.
func (s *State) close(id job.ID, p Phase) {
	j := s.jobOf(id)
	j.phase = p
	s.over(id)
	if j.queued {
		s.waiting.Remove(j.handle)
		j.queued = false
	}
	if s.held != nil && s.held.Job == id {
		s.held = nil
	}
	if slices.ContainsFunc(s.others, func(r sched.Reservation) bool { return r.Job == id }) {
		s.others = slices.DeleteFunc(slices.Clone(s.others), func(r sched.Reservation) bool { return r.Job == id })
	}
}
