package control

import (
	"container/heap"
	"fmt"
	"time"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// Deferring says how long jobs without a deadline of their own may wait for a
// better hour, by class. The zero value lets none wait.
type Deferring struct {
	Allowance [job.LongRun + 1]time.Duration
}

// MaxAllowance bounds what a class may be allowed.
const MaxAllowance = 31 * 24 * time.Hour

// Bounds of a plan in time.
const (
	MaxDeferrals = 100_000
	MaxRunSpans  = 4096
)

// planPatience is how long a job that wishes to wait is held for the first plan
// that says when it runs. Planning is quick; without a planner the job must not
// stand for nothing.
const planPatience = 5 * time.Minute

// safeMargin is kept between the latest start without a plan and the last
// instant that would do, and between the end of a plan and the deadline: to start
// and to end takes time too.
const safeMargin = time.Minute

// shiftState is what the core keeps of a job that has a deadline or a wish.
type shiftState struct {
	due       unit.Instant // when it should have ended; Never = at no instant
	plan      sched.Deferral
	planned   bool
	plannedAt unit.Instant
	latest    unit.Instant  // it is held until then at most; 0 = it is not held
	broken    bool          // an attempt was ended by something other than its plan
	pausing   bool          // told to leave until the next span of its plan
	begun     unit.Instant  // all of it runs since then; 0 = it does not
	done      time.Duration // work that an eviction did not lose
	risk      sched.Reason  // why it had not started when it had to, or missed its deadline
	atRisk    bool
	missed    bool
	lineSpec  *job.Spec // what the line knows of it; nil = to be worked out
}

// dueOf returns when a job's work should have ended.
func (s *State) dueOf(spec *job.Spec, submitted unit.Instant) unit.Instant {
	return spec.Due(submitted, s.cfg.Deferring.Allowance[spec.Class])
}

// left returns how long a job may still have to run; 0 = nobody knows.
func (j *jobState) left() time.Duration {
	run := j.spec.Run()
	if j.shift == nil || run <= 0 || j.shift.done == 0 {
		return run
	}
	return max(run-j.shift.done, time.Second)
}

// lineSpec is the job as the line sees it: with the run time that is left, and
// at the site of its plan where there are several. When it has not started when
// it had to, any site will do.
func (s *State) lineSpec(j *jobState) *job.Spec {
	sh := j.shift
	if sh == nil || j.spec.Run() <= 0 {
		return j.spec
	}
	site := ""
	if sh.planned && !sh.atRisk && s.manySites() {
		site = sh.plan.Site
	}
	if sh.done == 0 && site == "" {
		return j.spec
	}
	if sh.lineSpec == nil || sh.lineSpec.Site != site {
		rest := *j.spec
		rest.Site = site
		rest.ExpectedRun = max(rest.ExpectedRun-j.shift.done, time.Second)
		if rest.ExpectedRunOn != nil {
			rest.ExpectedRunOn = make(map[fleet.Model]time.Duration, len(j.spec.ExpectedRunOn))
			for m, run := range j.spec.ExpectedRunOn {
				rest.ExpectedRunOn[m] = max(run-j.shift.done, time.Second)
			}
		}
		j.shift.lineSpec = &rest
	}
	return j.shift.lineSpec
}

// waitsForHours tells whether a job that could enter the line would rather wait
// for a plan: it has a wish and slack, and there are hours to choose from.
func (s *State) waitsForHours(j *jobState) bool {
	if j.spec.Wish == job.NoWish || len(s.hours) == 0 || j.shift == nil || j.shift.planned || j.spec.Run() <= 0 || j.shift.due == unit.Never {
		return false
	}
	return j.latestStart() > s.now
}

// latestStart is the last instant at which a job may start and still end in
// time, with a margin for starting itself.
func (j *jobState) latestStart() unit.Instant {
	at := j.shift.due.Add(-j.left() - safeMargin)
	if j.spec.StartBy != 0 {
		at = min(at, j.spec.StartBy.Add(-safeMargin))
	}
	return at
}

// endangers tells whether a running job that had to begin again now would miss its
// deadline; where nobody knows how long it runs, it might. One that has missed it has
// no more to lose.
func (s *State) endangers(id job.ID) bool {
	j := s.jobOf(id)
	switch {
	case j.shift == nil || j.spec.Deadline == 0 || s.now >= j.spec.Deadline:
		return false
	case j.spec.Run() <= 0:
		return true
	}
	left := j.left()
	if j.spec.Pausable && j.shift.begun > 0 { // leaving does not lose what it has done
		left -= s.now.Sub(j.shift.begun)
	}
	return s.now.Add(left+safeMargin) > j.spec.Deadline
}

// deferUntil holds a pending job back, as part of the fold.
func (s *State) deferUntil(id job.ID, j *jobState, at unit.Instant) {
	if j.queued {
		s.waiting.Remove(j.handle)
		j.queued = false
		if s.held != nil && s.held.Job == id {
			s.held = nil
		}
	}
	if j.eligible != at || j.shift.latest == 0 {
		heap.Push(&s.later, dueJob{at, id})
	}
	j.eligible, j.shift.latest = at, at
}

// planned takes a plan in time: when jobs run, where, and when they pause. The
// driver made it on a snapshot, so what has started or ended since is passed
// over; the rest must hold what was promised and fit, together with what runs
// and with what earlier plans have said, at every instant.
func (s *State) planned(in *Input) error {
	if len(in.Deferrals) == 0 || len(in.Deferrals) > MaxDeferrals {
		return fault.New(fault.Invalid, "plan in time", fmt.Sprintf("%d jobs", len(in.Deferrals)), fmt.Sprintf("name 1 to %d", MaxDeferrals))
	}
	kept := make([]sched.Deferral, 0, len(in.Deferrals))
	named := make(map[job.ID]bool, len(in.Deferrals))
	for i := range in.Deferrals {
		d := &in.Deferrals[i]
		j := s.jobOf(d.Job)
		if j == nil || named[d.Job] || len(d.Runs) > MaxRunSpans {
			return fault.New(fault.Invalid, "plan in time", d.Job.String()+" does not exist, is named twice or has too many spans", "plan on a snapshot of this centre")
		}
		named[d.Job] = true
		p, may := s.promise(j)
		if !may {
			continue
		}
		if err := sched.VerifyDeferral(d, &p, s.now); err != nil {
			return refusedPlan(err)
		}
		if len(d.Runs) > 0 && !s.hasSite(d.Site) {
			return refusedPlan(fmt.Errorf("%s is to run at site %q, where no node stands", d.Job, d.Site))
		}
		kept = append(kept, *d)
	}
	if len(kept) == 0 {
		return nil
	}
	going := map[job.ID]bool{} // what is named and runs on as it does is among what runs
	for i := range kept {
		if len(kept[i].Runs) > 0 {
			going[kept[i].Job] = true
		}
	}
	uses := s.running(going)
	for i := range kept {
		uses = s.occupy(uses, &kept[i], true)
	}
	uses = s.standing(uses, named)
	if err := sched.VerifyRoom(s.cap, uses, s.now); err != nil {
		return refusedPlan(err)
	}
	if err := s.verifyPower(uses); err != nil {
		return refusedPlan(err)
	}
	s.record(Record{Kind: ShiftPlanned, Deferrals: kept})
	return nil
}

func refusedPlan(err error) error {
	e := fault.New(fault.Conflict, "plan in time", err.Error(), "plan again on a fresh snapshot")
	return e
}

// manySites tells whether nodes stand at more than one site.
func (s *State) manySites() bool {
	nodes := s.cfg.Fleet.Nodes
	for i := range nodes {
		if nodes[i].Place.Site != nodes[0].Place.Site {
			return true
		}
	}
	return false
}

func (s *State) hasSite(site string) bool {
	for i := range s.cfg.Fleet.Nodes {
		if s.cfg.Fleet.Nodes[i].Place.Site == site {
			return true
		}
	}
	return false
}

// promise returns what a plan must keep to for a job; false when it may say
// nothing of it: it has ended, waits for another, runs and cannot pause, or has
// work both running and waiting.
func (s *State) promise(j *jobState) (sched.Promise, bool) {
	p := sched.Promise{Load: sched.LoadOf(j.spec), Left: j.left(), Due: unit.Never, StartBy: j.spec.StartBy, Pausable: j.spec.Pausable}
	switch {
	case j.shift == nil || j.phase > Running || j.holds > 0 || p.Left <= 0:
		return p, false
	case !j.queued && j.running == 0 && j.shift.latest == 0:
		return p, false // a backoff holds it
	case j.running > 0 && (!j.spec.Pausable || int(j.running) < int(j.open) || j.shift.begun == 0 || j.shift.pausing):
		return p, false
	case j.started:
		p.StartBy = 0
	}
	p.Due = j.shift.due
	if j.running > 0 {
		p.Running = true
		p.Left = max(p.Left-s.now.Sub(j.shift.begun), 0)
	}
	return p, true
}

// occupy adds what a deferral takes while it runs.
func (s *State) occupy(uses []sched.Occupation, d *sched.Deferral, fresh bool) []sched.Occupation {
	spec := s.jobOf(d.Job).spec
	o := sched.Occupation{Load: sched.LoadOf(spec), Site: d.Site, Model: d.Model, New: fresh}
	for _, r := range d.Runs {
		o.From, o.To = r.From, r.To
		uses = append(uses, o)
	}
	return uses
}

// standing adds what earlier plans have said of the time to come, but for some
// jobs. Of work that runs, the run under way is among what runs.
func (s *State) standing(uses []sched.Occupation, but map[job.ID]bool) []sched.Occupation {
	s.jobs.settle()
	s.jobs.living(func(id job.ID, j *jobState) {
		if _, listed := but[id]; listed || j.shift == nil || !j.shift.planned {
			return
		}
		rest := j.shift.plan
		switch {
		case j.running > 0 && len(rest.Runs) > 1:
			rest.Runs = rest.Runs[1:]
		case j.phase != Pending || j.queued:
			return
		}
		uses = s.occupy(uses, &rest, false)
	})
	return uses
}

// overdueFor is how long work that has outrun its expected end is taken to go
// on.
const overdueFor = 5 * time.Minute

// running lists what runs, on nodes that take work, with its expected end, but
// for some jobs. Work that is to pause by its plan ends there.
func (s *State) running(but map[job.ID]bool) []sched.Occupation {
	var out []sched.Occupation
	for n := range int32(s.cap.Nodes()) {
		node := s.cap.Node(n)
		if node.Health != fleet.Healthy || node.Cordoned || node.Drain {
			continue
		}
		for _, a := range s.cap.Running(n) {
			if but[a.Job] {
				continue
			}
			o := sched.Occupation{Load: sched.Load{CPU: int64(a.CPU), Memory: int64(a.Memory), Milli: int64(a.Milli()), Tasks: 1}, Site: node.Place.Site, From: s.now, To: a.End}
			if o.Milli > 0 {
				o.Model = node.Model
			}
			if o.To <= s.now {
				o.To = s.now.Add(overdueFor)
			}
			if j := s.jobOf(a.Job); j.shift != nil && j.shift.planned && len(j.shift.plan.Runs) > 1 {
				o.To = max(min(o.To, j.shift.plan.Runs[0].To), s.now+1)
			}
			out = append(out, o)
		}
	}
	return out
}

// pause tells jobs to leave whose plan has them pause now.
func (s *State) pause() {
	for len(s.pauses) > 0 && s.pauses[0].at <= s.now {
		d := popDue(&s.pauses)
		j := s.jobOf(d.id)
		if !j.pausesAt(d.at) {
			continue
		}
		for i := range int32(j.spec.Tasks()) {
			if t := j.task(i); t.running {
				s.evict(d.id, i, t, CausePaused)
			}
		}
	}
}

// pausesAt tells whether the plan of a running job has it pause at an instant.
func (j *jobState) pausesAt(at unit.Instant) bool {
	return j.running > 0 && j.phase == Running && j.shift.planned && !j.shift.pausing && len(j.shift.plan.Runs) > 1 && j.shift.plan.Runs[0].To == at
}

// judge notes which jobs have not started when they had to, and which have
// missed their deadline, each with its reason. It reports whether a job may now
// start where its plan would not have it.
func (s *State) judge() (freed bool) {
	for len(s.judged) > 0 && s.judged[0].at <= s.now {
		d := popDue(&s.judged)
		j := s.jobOf(d.id)
		switch {
		case j.phase > Running:
		case d.at < j.spec.Deadline && !j.started && !j.shift.atRisk:
			s.record(Record{Kind: DeadlineAtRisk, Job: d.id, Reason: s.whyNow(j)})
			freed = freed || j.queued && j.shift.planned && s.manySites()
		case d.at >= j.spec.Deadline && !j.shift.missed:
			why := sched.Reason{Dominant: sched.Overran}
			switch {
			case j.shift.atRisk:
				why = j.shift.risk
			case j.shift.broken:
				why.Dominant = sched.Interrupted
			case j.running == 0:
				why = s.whyNow(j)
			}
			s.record(Record{Kind: DeadlineMissed, Job: d.id, Reason: why})
		}
	}
	return freed
}

// whyNow is the reason of a pending job, as far as the last cycle came to it.
func (s *State) whyNow(j *jobState) sched.Reason {
	if !j.queued {
		return s.whyOf(j)
	}
	if r, looked := s.waiting.ReasonNow(j.handle); looked {
		return r
	}
	return sched.Reason{Dominant: sched.BehindHead}
}

func popDue(h *dueHeap) dueJob {
	d := (*h)[0]
	if len(*h) == 1 {
		*h = (*h)[:0]
	} else {
		heap.Pop(h)
	}
	return d
}
