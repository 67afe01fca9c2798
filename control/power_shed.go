package control

import (
	"cmp"
	"slices"

	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// Shed is the fact that an area drew more than it may and what was done: first
// caps on nodes, then work that can stand still was suspended, then work was
// told to leave, each from the lowest priority up.
type Shed struct {
	Area      int32
	At        unit.Instant
	Over      int64 // what had to go, in milliwatts of IT power
	ByCap     int64 // what the caps alone bring
	Capped    int32 // nodes
	Suspended int32 // jobs
	Evicted   int32 // jobs
	Short     int64 // what is still too much although all that may be shed is; 0 = it complies
	By        unit.Instant
}

// shed brings every area back to what running work may draw, the inner ones
// first: what they give up counts for those around them.
func (s *State) shed() {
	for i := int32(s.cap.Areas()) - 1; i >= 0; i-- {
		if a := s.cap.Area(i); a.Settled > a.Bound && !a.Tried {
			s.shedArea(i, a.Settled-a.Bound)
		}
	}
}

func (s *State) shedArea(area int32, over int64) {
	f := Shed{Area: area, At: s.now, Over: over, By: s.now}
	left := func() int64 {
		a := s.cap.Area(area)
		return a.Settled - a.Bound
	}
	f.Capped = s.capNodes(area, left)
	if f.ByCap = over - max(left(), 0); f.Capped > 0 {
		f.By = s.now.Add(s.cfg.Tree.CapLatency)
	}
	for _, id := range s.cap.JobsIn(area, s.cfg.Tree.Protect) {
		if left() <= 0 {
			break
		}
		if j := s.jobOf(id); j.spec.Suspendable && s.suspend(id, j, area) {
			f.Suspended++
			f.By = max(f.By, s.now.Add(s.cfg.Tree.CapLatency))
		}
	}
	for _, id := range s.cap.JobsIn(area, s.cfg.Tree.Protect) {
		if left() <= 0 {
			break
		}
		if s.evictJob(id, CausePower) {
			f.Evicted++
			f.By = max(f.By, s.now.Add(s.cfg.Tree.Grace))
		}
	}
	f.Short = max(left(), 0)
	s.record(Record{Kind: PowerShed, Shed: &f})
}

// capNodes holds nodes of an area to less, those with the least important work
// first, each as far down as needed and no further.
func (s *State) capNodes(area int32, left func() int64) (capped int32) {
	type one struct {
		node, priority int32
	}
	var list []one
	for n := range int32(s.cap.Nodes()) {
		x := s.cap.NodePower(n)
		if x.Level <= sched.CapLevels[len(sched.CapLevels)-1] || x.Settled <= x.Idle || !s.cap.Inside(n, area) {
			continue
		}
		if p := s.priorityOn(n); p < s.cfg.Tree.Protect {
			list = append(list, one{n, p})
		}
	}
	slices.SortFunc(list, func(a, b one) int { return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(a.node, b.node)) })
	for _, x := range list {
		over := left()
		if over <= 0 {
			break
		}
		now := s.cap.NodePower(x.node)
		level := sched.CapLevels[len(sched.CapLevels)-1]
		for _, l := range sched.CapLevels {
			if _, to := s.cap.AtLevel(x.node, l); l < now.Level && now.Settled-to >= over {
				level = l
				break
			}
		}
		if _, to := s.cap.AtLevel(x.node, level); now.Settled == to {
			continue
		}
		s.setLevel(x.node, level, area)
		capped++
	}
	return capped
}

// lift ends the caps on nodes that protected work has come to - no cap held
// there any more - and on those that hold nothing.
func (s *State) lift() {
	for n := range int32(s.cap.Nodes()) {
		if x := s.cap.NodePower(n); x.Level < sched.Uncapped && (s.priorityOn(n) >= s.cfg.Tree.Protect || len(s.cap.OnNode(n)) == 0) {
			s.setLevel(n, sched.Uncapped, x.For)
		}
	}
}

func (s *State) setLevel(n int32, level int16, area int32) {
	s.record(Record{Kind: NodePowered, Node: n, Share: level, Device: area})
	s.out.Orders = append(s.out.Orders, Order{Kind: CapNode, Node: n, Level: level})
}

// priorityOn returns the highest priority of what draws on a node.
func (s *State) priorityOn(n int32) int32 {
	most := int32(-1 << 31)
	for _, id := range s.cap.OnNode(n) {
		if a := s.cap.Alloc(id); !a.Suspended && !a.Evicting {
			most = max(most, a.Priority)
		}
	}
	return most
}

// suspend makes all running tasks of a job stand still.
func (s *State) suspend(id job.ID, j *jobState, area int32) bool {
	done := false
	for i := range int32(j.spec.Tasks()) {
		t := j.task(i)
		if !t.running {
			continue
		}
		if a := s.cap.Alloc(t.alloc); !a.Suspended && !a.Evicting {
			s.record(Record{Kind: TaskPaused, Job: id, Task: i, Attempt: t.attempt, Node: a.Node, Device: area})
			s.out.Orders = append(s.out.Orders, Order{Kind: Suspend, Job: id, Task: i, Attempt: t.attempt, Node: a.Node})
			done = true
		}
	}
	return done
}

// evictJob tells all tasks of a job to leave; it goes back into the line.
func (s *State) evictJob(id job.ID, cause EvictCause) bool {
	j, done := s.jobOf(id), false
	for i := range int32(j.spec.Tasks()) {
		if t := j.task(i); t.running && !s.cap.Alloc(t.alloc).Evicting {
			s.evict(id, i, t, cause)
			done = true
		}
	}
	return done
}

// relax lets what was held back come back: suspended work first, the most
// important first, then nodes under a cap, while every area around stays below
// the part of its budget from which nothing comes back. That gap, and that new
// work must wait for suspended work of its priority, keep it from flapping.
func (s *State) relax() {
	blocked := s.resumeJobs()
	if blocked {
		return
	}
	type one struct{ node, priority int32 }
	var list []one
	for n := range int32(s.cap.Nodes()) {
		if s.cap.NodePower(n).Level < sched.Uncapped {
			list = append(list, one{n, s.priorityOn(n)})
		}
	}
	slices.SortFunc(list, func(a, b one) int { return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(a.node, b.node)) })
	for _, x := range list {
		if p, to := s.cap.NodePower(x.node), s.riseTo(x.node); to > p.Level {
			s.setLevel(x.node, to, p.For)
		}
	}
}

// riseTo returns the highest level that a capped node may have again: all of it, or as
// far as there is room. Waiting for room for all of it would hold work that fills its
// limit to half its power for as long as it runs, long after the cap has ended.
func (s *State) riseTo(n int32) int16 {
	p := s.cap.NodePower(n)
	level := p.Level
	for _, l := range risingLevels { // from the lowest, so that one without room is asked once
		if l <= p.Level {
			continue
		}
		if draw, _ := s.cap.AtLevel(n, l); !s.cap.MayRise(n, draw-p.Draw) {
			break
		}
		level = l
	}
	return level
}

// risingLevels are the levels of a node from the lowest on.
var risingLevels = append(slices.Sorted(slices.Values(sched.CapLevels[:])), sched.Uncapped)

// resumeJobs resumes suspended jobs and reports whether any must wait on.
func (s *State) resumeJobs() (blocked bool) {
	tasks := map[job.ID][]sched.AllocID{}
	var list []job.ID
	for _, id := range s.cap.Suspended() {
		a := s.cap.Alloc(id)
		if a.Evicting {
			continue
		}
		if tasks[a.Job] == nil {
			list = append(list, a.Job)
		}
		tasks[a.Job] = append(tasks[a.Job], id)
	}
	slices.SortFunc(list, func(a, b job.ID) int {
		return cmp.Or(cmp.Compare(s.jobOf(b).spec.Priority, s.jobOf(a).spec.Priority), cmp.Compare(a, b))
	})
	waits := map[int32]bool{} // areas where an earlier one waits
	for _, id := range list {
		area := s.cap.Alloc(tasks[id][0]).For
		if waits[area] || !s.cap.TryResume(tasks[id]) {
			waits[area], blocked = true, true
			continue
		}
		for _, x := range tasks[id] {
			a := s.cap.Alloc(x)
			task, attempt, node := a.Task, a.Attempt, a.Node
			s.record(Record{Kind: TaskPaused, Job: id, Task: task, Attempt: attempt, Node: node, Device: -1})
			s.out.Orders = append(s.out.Orders, Order{Kind: Resume, Job: id, Task: task, Attempt: attempt, Node: node})
		}
	}
	return blocked
}

// foldPaused folds that a task stands still, or goes on.
func (s *State) foldPaused(r *Record) {
	t := s.jobOf(r.Job).task(r.Task)
	if r.Device < 0 {
		s.cap.Resume(t.alloc, r.At)
		if s.ledger != nil {
			s.ledger.goOn(t.alloc, r.At)
		}
		return
	}
	s.cap.Suspend(t.alloc, r.Device, r.At)
	if s.ledger != nil {
		s.ledger.stop(t.alloc, r.At)
	}
}

func (s *State) foldShed(r *Record) {
	s.cap.Shed(r.Shed.Area)
	if len(s.power.sheds) == maxSheds {
		s.power.sheds = slices.Clone(s.power.sheds[1:])
	}
	s.power.sheds = append(s.power.sheds, *r.Shed)
}
