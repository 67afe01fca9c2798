package control

import (
	"container/heap"
	"slices"

	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// cycle is snapshot, decide, verify, record.
func (s *State) cycle() {
	s.cycleOnce()
	if s.out.Plan.Again {
		s.cycleOnce()
	}
}

func (s *State) cycleOnce() {
	snap := s.snapshot()
	plan := s.decider.Decide(&snap, s.now)
	if err := s.verifier.Verify(&snap, plan, s.now); err != nil {
		panic("control: a plan failed verification: " + err.Error())
	}
	s.out.Plan = plan
	s.commit(plan)
}

// snapshot is the state as the scheduler sees it.
func (s *State) snapshot() sched.Snapshot {
	snap := sched.Snapshot{
		Capacity: s.cap, Index: s.index, Waiting: s.waiting, Tenants: s.tenants, Quotas: s.quotas,
		Rules: s.cfg.Rules, HalfLife: s.cfg.halfLife(), Held: s.held, Others: s.others, Moved: s.moves,
		Budgets: s.dayBudgets(),
	}
	if len(s.judged) > 0 {
		snap.Endangers = s.endangers
	}
	return snap
}

// commit records what a verified plan proposes and orders it.
func (s *State) commit(plan *sched.Plan) {
	for i := range plan.Moves {
		m := &plan.Moves[i]
		attempt := s.jobOf(m.Job).task(m.Task).attempt
		s.out.Orders = append(s.out.Orders, Order{Kind: Shift, Job: m.Job, Task: m.Task, Attempt: attempt, Node: m.Node, Devices: m.Devices})
		s.record(Record{Kind: Moved, Job: m.Job, Task: m.Task, Attempt: attempt, Node: m.Node, Devices: m.Devices})
	}
	for i := range plan.Placements {
		a := &plan.Placements[i].Alloc
		attempt := s.jobOf(a.Job).task(a.Task).attempt + 1
		s.record(Record{
			Kind: Allocated, Job: a.Job, Task: a.Task, Attempt: attempt, Node: a.Node, Devices: a.Devices,
			Share: a.Share, CPU: a.CPU, Memory: a.Memory, Profile: a.Profile, End: a.End,
		})
		s.out.Orders = append(s.out.Orders, Order{Kind: Start, Job: a.Job, Task: a.Task, Attempt: attempt, Node: a.Node, Devices: a.Devices})
	}
	for i := range plan.Preemptions {
		p := &plan.Preemptions[i]
		a := s.cap.Alloc(p.Alloc)
		id, task := a.Job, a.Task
		j := s.jobOf(id)
		t := j.task(task)
		cause := CausePreempted
		if p.Reclaim {
			cause = CauseReclaimed
		}
		s.record(Record{Kind: Evicting, Job: id, Task: task, Attempt: t.attempt, Cause: cause, For: p.For})
		s.out.Orders = append(s.out.Orders, Order{Kind: Stop, Job: id, Task: task, Attempt: t.attempt, Node: a.Node})
	}
	if !sameReservation(s.held, plan.Reservation, s.now) {
		s.record(Record{Kind: Reserved, Held: plan.Reservation})
	}
	if !slices.EqualFunc(s.others, plan.Others, func(a, b sched.Reservation) bool { return sameReservation(&a, &b, s.now) }) {
		s.record(Record{Kind: OthersReserved, Others: slices.Clone(plan.Others)})
	}
}

// sameReservation tells whether a reservation need not be recorded again. One
// that is due waits only for work that was told to leave: its instant moves on
// with the clock and says nothing new.
func sameReservation(a, b *sched.Reservation, now unit.Instant) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Job != b.Job || a.At != b.At && (a.At > now || b.At > now) || len(a.Nodes) != len(b.Nodes) {
		return false
	}
	for i := range a.Nodes {
		if a.Nodes[i].Node != b.Nodes[i].Node {
			return false
		}
	}
	return true
}

// dueHeap orders pending jobs by their latest start.
type dueHeap []dueJob

type dueJob struct {
	at unit.Instant
	id job.ID
}

func (h dueHeap) Len() int { return len(h) }
func (h dueHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].id < h[j].id
}
func (h dueHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push and Pop serve container/heap.
func (h *dueHeap) Push(x any) { *h = append(*h, x.(dueJob)) }

// Pop removes the last element.
func (h *dueHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// expire ends the jobs whose latest start has come and that this step's cycle
// could not place, each with its reason. It reports whether there were any.
func (s *State) expire() (any bool) {
	for len(s.due) > 0 && s.due[0].at <= s.now {
		id := s.due[0].id
		if len(s.due) == 1 {
			s.due = s.due[:0]
		} else {
			heap.Pop(&s.due)
		}
		j := s.jobOf(id)
		if j.phase != Pending || j.started {
			continue
		}
		why := sched.Reason{Dominant: sched.BehindHead}
		if !j.queued {
			why = s.whyOf(j)
		} else if r, looked := s.waiting.ReasonNow(j.handle); looked {
			why = r
		}
		s.record(Record{Kind: JobExpired, Job: id, Reason: why})
		any = true
	}
	return any
}
