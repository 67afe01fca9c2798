package control

import (
	"container/heap"
	"slices"

	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// foldShifting notes the deadline and the wish of a job that has one.
func (s *State) foldShifting(id job.ID, j *jobState) {
	if j.spec.Deadline == 0 && j.spec.Wish == job.NoWish {
		return
	}
	j.shift = &shiftState{due: s.dueOf(j.spec, j.submitted)}
	if j.spec.Deadline == 0 {
		return
	}
	if run := j.spec.Run(); run > 0 {
		heap.Push(&s.judged, dueJob{j.spec.Deadline.Add(-run), id})
	}
	heap.Push(&s.judged, dueJob{j.spec.Deadline, id})
}

// enter lets a job into the line, or holds it for a plan.
func (s *State) enter(id job.ID, j *jobState) {
	if j.shift != nil && s.waitsForHours(j) {
		s.deferUntil(id, j, min(s.now.Add(planPatience), j.latestStart()))
		return
	}
	if j.spec.Parallel > 0 {
		s.enqueue(id, j, s.pendingOf(j)) // the first elements of an array
		return
	}
	s.enqueue(id, j, nil)
}

func (s *State) foldReleased(r *Record) {
	j := s.jobOf(r.Job)
	depended := j.holds > 0
	j.rested(r.At)
	if j.eligible > r.At {
		return // elements of it are ready, and a plan holds it
	}
	j.eligible, j.holds = 0, 0
	if depended {
		s.enter(r.Job, j)
		return
	}
	if j.shift != nil {
		j.shift.latest = 0
	}
	s.reline(r.Job, j)
}

func (s *State) foldShiftPlanned(r *Record) {
	for i := range r.Deferrals {
		d := &r.Deferrals[i]
		j := s.jobOf(d.Job)
		j.shift.plan, j.shift.planned, j.shift.plannedAt = *d, len(d.Runs) > 0, r.At
		if !j.shift.planned {
			j.shift.plan = sched.Deferral{}
		}
		switch {
		case j.running > 0:
			s.planPause(d.Job, j)
		case j.shift.planned && d.Runs[0].From > r.At:
			s.deferUntil(d.Job, j, d.Runs[0].From)
		case !j.queued:
			j.eligible, j.shift.latest = 0, 0
			s.reline(d.Job, j)
		default:
			s.requeue(d.Job, j)
		}
	}
	s.later = slices.DeleteFunc(s.later, func(d dueJob) bool { return !s.jobOf(d.id).mayAwait(d.at) })
	heap.Init(&s.later)
}

// requeue takes a job in the line to where the line would have it now: its plan
// may have given it another site, or none.
func (s *State) requeue(id job.ID, j *jobState) {
	if !j.queued || !s.manySites() {
		return
	}
	pending := s.pendingOf(j)
	s.waiting.Remove(j.handle)
	s.enqueue(id, j, pending)
}

// planPause notes when a job that runs is to pause.
func (s *State) planPause(id job.ID, j *jobState) {
	if len(j.shift.plan.Runs) > 1 {
		heap.Push(&s.pauses, dueJob{j.shift.plan.Runs[0].To, id})
	}
}

// foldBegun notes that all of a job runs, which is when its work counts from.
func (s *State) foldBegun(id job.ID, j *jobState, at unit.Instant) {
	if j.running < j.open {
		return
	}
	j.shift.begun = at
	if j.shift.planned {
		s.planPause(id, j)
	}
}

// foldLeft counts the work of a job whose first task leaves, where leaving does
// not lose it, and finds the next span of its plan.
func (s *State) foldLeft(j *jobState, r *Record) {
	sh := j.shift
	if sh.begun > 0 && r.Ending == Evicted && j.spec.Pausable {
		sh.done += r.At.Sub(sh.begun)
		sh.lineSpec = nil
	}
	sh.begun = 0
	if !sh.pausing {
		sh.broken = sh.broken || r.Ending != Succeeded
		return
	}
	if r.Ending == Evicted && sh.plan.Runs[0].From > r.At {
		j.eligible, sh.latest = sh.plan.Runs[0].From, sh.plan.Runs[0].From
	}
	if j.running == 0 {
		sh.pausing = false
	}
}

func (s *State) foldEvicting(r *Record) {
	j := s.jobOf(r.Job)
	s.cap.Evict(j.task(r.Task).alloc, r.At)
	if r.Cause == CausePaused && !j.shift.pausing {
		j.shift.pausing = true
		j.shift.plan.Runs = j.shift.plan.Runs[1:]
	}
}

func (s *State) foldJudged(r *Record) {
	j := s.jobOf(r.Job)
	sh := j.shift
	if r.Kind == DeadlineAtRisk {
		sh.atRisk, sh.risk = true, r.Reason
		s.requeue(r.Job, j)
		return
	}
	sh.missed, sh.risk = true, r.Reason
	if len(s.misses) == maxMisses {
		s.misses = s.misses[1:]
	}
	s.misses = append(slices.Clip(s.misses), Miss{r.Job, j.spec.Deadline, r.Reason})
}

// tidyDeferrals drops, after recovery, what the steps that are not recorded had
// passed.
func (s *State) tidyDeferrals() {
	s.pauses = slices.DeleteFunc(s.pauses, func(d dueJob) bool { return !s.jobOf(d.id).pausesAt(d.at) })
	heap.Init(&s.pauses)
	s.judged = slices.DeleteFunc(s.judged, func(d dueJob) bool {
		return d.at <= s.now && s.jobOf(d.id).judgedAt(d.at) || s.jobOf(d.id).phase > Running
	})
	heap.Init(&s.judged)
}

// judgedAt tells whether an instant at which a job is judged has been dealt with.
// A history may end between the instant and the record of what was missed.
func (j *jobState) judgedAt(at unit.Instant) bool {
	if at < j.spec.Deadline {
		return j.started || j.shift.atRisk
	}
	return j.shift.missed
}

func (j *jobState) cloneShift() {
	if j.shift != nil {
		c := *j.shift
		j.shift = &c
	}
}

func (j *jobState) codeShift(x *sched.Coder) {
	has := j.shift != nil
	x.Bool(&has)
	if !has {
		return
	}
	if x.Reading() {
		j.shift = &shiftState{}
	}
	sh := j.shift
	sched.Int(x, &sh.due)
	x.Bool(&sh.planned)
	if sh.planned {
		sh.plan.Code(x)
		sched.Int(x, &sh.plannedAt)
	}
	sched.Int(x, &sh.latest)
	x.Bool(&sh.broken)
	x.Bool(&sh.pausing)
	sched.Int(x, &sh.begun)
	sched.Int(x, &sh.done)
	x.Bool(&sh.atRisk)
	x.Bool(&sh.missed)
	if sh.atRisk || sh.missed {
		sh.risk.Code(x)
	}
}
