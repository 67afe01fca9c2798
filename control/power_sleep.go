package control

import (
	"slices"
	"time"

	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// mostWanted bounds for how many waiting tasks of a kind nodes are woken.
const mostWanted = 4096

// stepSleep wakes nodes that the line needs, and puts idle ones to sleep while
// nothing waits: so a node that was woken in vain stays awake until the line is
// empty, and none is put to sleep and woken in turn. Where nodes do not sleep any
// more, those that do are woken as power allows.
func (s *State) stepSleep() {
	if s.cfg.Tree.Sleep.After == 0 {
		for n := int32(0); n < int32(s.cap.Nodes()) && s.cap.Sleepers() > 0; n++ {
			if x := s.cap.NodePower(n); x.State == sched.Asleep && s.cap.MayRise(n, x.Idle-x.Draw) {
				s.rouse(n)
			}
		}
		return
	}
	s.power.sleepy = unit.Never
	if s.waiting.Len() > 0 {
		if s.out.Plan != nil && s.cap.Sleepers() > 0 {
			s.wakeFor(s.out.Plan)
		}
		return
	}
	s.power.sleepy = s.cap.Sleepy(s.now, func(n int32) {
		s.record(Record{Kind: NodePowered, Node: n, CPU: int32(sched.Asleep)})
		s.out.Orders = append(s.out.Orders, Order{Kind: SleepNode, Node: n})
	})
}

// wakeFor wakes as many sleeping nodes as hold what waits, no more than power
// allows, counting those that are on their way.
func (s *State) wakeFor(plan *sched.Plan) {
	taken := map[int32]bool{}
	for i := range plan.Unplaced {
		u := &plan.Unplaced[i]
		if s.phaseOver(u.Job) {
			continue
		}
		for _, want := range s.waiting.Wants(u.Handle, mostWanted) {
			want.Tasks = s.wake(want, sched.Waking, taken)
			s.wake(want, sched.Asleep, taken)
		}
	}
}

// wake counts the nodes in a state that could hold what is wanted and wakes
// those that sleep. It returns how many tasks have no node yet.
func (s *State) wake(want sched.Want, state uint8, taken map[int32]bool) int {
	for n := int32(0); n < int32(s.cap.Nodes()) && want.Tasks > 0; n++ {
		x := s.cap.NodePower(n)
		if x.State != state || taken[n] {
			continue
		}
		slots := int(s.cap.CouldHold(n, want.Ask))
		if slots == 0 || state == sched.Asleep && !s.cap.MayRise(n, x.Idle-x.Draw) {
			continue
		}
		taken[n] = true
		want.Tasks -= slots
		if state == sched.Asleep {
			s.rouse(n)
		}
	}
	return want.Tasks
}

func (s *State) rouse(n int32) {
	s.record(Record{Kind: NodePowered, Node: n, CPU: int32(sched.Waking), End: s.now.Add(max(s.cfg.Tree.Sleep.Latency, time.Nanosecond))})
	s.out.Orders = append(s.out.Orders, Order{Kind: WakeNode, Node: n})
}

func (s *State) phaseOver(id job.ID) bool { return s.jobOf(id).phase > Running || !s.jobOf(id).queued }

// awaken says of nodes whose wake latency is over that they take work.
func (s *State) awaken() {
	for len(s.power.waking) > 0 && s.power.waking[0].at <= s.now {
		s.record(Record{Kind: NodePowered, Node: s.power.waking[0].node, CPU: int32(sched.Awake)})
	}
}

// foldNodePowered folds that a node is held to a level, sleeps or wakes.
func (s *State) foldNodePowered(r *Record) {
	defer s.noteStage(r.Node, r.At)
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
