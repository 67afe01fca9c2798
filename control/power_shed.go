package control

import (
	"cmp"
	"slices"
	"time"

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
			if l < now.Level && now.Settled-s.cap.AtLevel(x.node, l) >= over {
				level = l
				break
			}
		}
		if now.Settled == s.cap.AtLevel(x.node, level) {
			continue
		}
		s.setLevel(x.node, level, area)
		capped++
	}
	return capped
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
		p := s.cap.NodePower(x.node)
		if by := max(s.cap.AtLevel(x.node, sched.Uncapped)-p.Settled, 0); s.cap.MayRise(x.node, by) {
			s.setLevel(x.node, sched.Uncapped, p.For)
		}
	}
}

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
		return
	}
	s.cap.Suspend(t.alloc, r.Device, r.At)
}

func (s *State) foldShed(r *Record) {
	s.cap.Shed(r.Shed.Area)
	if len(s.power.sheds) == maxSheds {
		s.power.sheds = slices.Clone(s.power.sheds[1:])
	}
	s.power.sheds = append(s.power.sheds, *r.Shed)
}

// foldNodePowered folds that a node is held to a level, sleeps or wakes.
func (s *State) foldNodePowered(r *Record) {
	if r.Share > 0 {
		s.cap.SetLevel(r.Node, r.Share, r.Device)
		return
	}
	s.power.waking = slices.DeleteFunc(s.power.waking, func(w wakeUp) bool { return w.node == r.Node })
	if uint8(r.CPU) == sched.Waking {
		s.power.waking = append(s.power.waking, wakeUp{r.End, r.Node})
	}
	s.cap.SetWake(r.Node, uint8(r.CPU), r.End, r.At)
}

// awaken says of nodes whose wake latency is over that they take work.
func (s *State) awaken() {
	for len(s.power.waking) > 0 && s.power.waking[0].at <= s.now {
		s.record(Record{Kind: NodePowered, Node: s.power.waking[0].node, CPU: int32(sched.Awake)})
	}
}

// mostWanted bounds for how many waiting tasks of a kind nodes are woken.
const mostWanted = 4096

// stepSleep wakes nodes that the line needs, and puts idle ones to sleep.
func (s *State) stepSleep() {
	z := &s.cfg.Tree.Sleep
	if z.After == 0 {
		return
	}
	if s.out.Plan != nil {
		s.wakeFor(s.out.Plan)
	}
	s.power.sleepy = s.cap.Sleepy(s.now, func(n int32) {
		if s.held != nil && slices.ContainsFunc(s.held.Nodes, func(h sched.HeldNode) bool { return h.Node == n }) {
			return
		}
		s.record(Record{Kind: NodePowered, Node: n, CPU: int32(sched.Asleep)})
		s.out.Orders = append(s.out.Orders, Order{Kind: SleepNode, Node: n})
	})
}

// wakeFor wakes as many sleeping nodes as hold what waits for want of them, no
// more than power allows, counting those that are on their way.
func (s *State) wakeFor(plan *sched.Plan) {
	taken := map[int32]bool{}
	for i := range plan.Unplaced {
		u := &plan.Unplaced[i]
		if u.Reason.Excluded[sched.NodeAsleep] == 0 || s.phaseOver(u.Job) {
			continue
		}
		ask, want := s.waiting.Wants(u.Handle, mostWanted)
		for _, state := range []uint8{sched.Waking, sched.Asleep} {
			for n := int32(0); n < int32(s.cap.Nodes()) && want > 0; n++ {
				x := s.cap.NodePower(n)
				if x.State != state || taken[n] {
					continue
				}
				slots := int(s.cap.CouldHold(n, ask))
				if slots == 0 || state == sched.Asleep && !s.cap.MayRise(n, x.Idle-x.Draw) {
					continue
				}
				taken[n] = true
				want -= slots
				if state == sched.Asleep {
					s.record(Record{Kind: NodePowered, Node: n, CPU: int32(sched.Waking), End: s.now.Add(max(s.cfg.Tree.Sleep.Latency, time.Nanosecond))})
					s.out.Orders = append(s.out.Orders, Order{Kind: WakeNode, Node: n})
				}
			}
		}
	}
}

func (s *State) phaseOver(id job.ID) bool { return s.jobOf(id).phase > Running || !s.jobOf(id).queued }
