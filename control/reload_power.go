package control

import (
	"slices"

	"tianfu/fault"
	"tianfu/sched"
	"tianfu/unit"
)

// checkPower refuses to take an area away while work or nodes are held back for
// its sake, or a cap is set on it: nobody would let them go again.
func (s *State) checkPower(next *Config) error {
	if s.cfg.Tree == nil {
		return nil
	}
	kept := func(path string) bool {
		return next.Tree != nil && slices.ContainsFunc(next.Tree.Areas, func(a sched.PowerArea) bool { return a.Path == path })
	}
	for i := range int32(s.cap.Areas()) {
		a := s.cap.Area(i)
		if path := a.Declared.Path; (a.Capped > 0 || a.Stopped > 0) && !kept(path) {
			return fault.New(fault.Conflict, "power of "+path, "would not be limited any more, and nodes or tasks are held back for its sake", "raise its limit first and let them come back, then reload again. Nothing was changed")
		}
	}
	for _, k := range s.told() {
		if !kept(k.Area) {
			return fault.New(fault.Conflict, "power of "+k.Area, "would not be limited any more, and a cap is set on it", "clear the cap first, then reload again. Nothing was changed")
		}
	}
	if next.Tree != nil {
		return nil
	}
	for n := range int32(s.cap.Nodes()) {
		if s.cap.NodePower(n).State != sched.Awake {
			return fault.New(fault.Conflict, "node "+string(s.cap.Node(n).ID), "sleeps, and without a power tree nobody would wake it", "keep the tree until it is awake. Nothing was changed")
		}
	}
	return nil
}

// told lists the caps that operators set, as against declared ones.
func (s *State) told() []sched.CapEvent {
	var out []sched.CapEvent
	for _, k := range s.power.caps {
		if !declares(s.cfg.Tree, k) {
			out = append(out, k)
		}
	}
	return out
}

func declares(p *sched.Power, k sched.CapEvent) bool {
	return p != nil && slices.ContainsFunc(p.Caps, func(d sched.CapEvent) bool { d.ID = k.ID; return d == k })
}

// carryPower keeps what the core knows of power: caps that operators set,
// batteries, what sites make, and how nodes are held. Budgets are worked out
// anew in this very step.
func (s *State) carryPower(old *State) {
	s.power = powerState{}
	s.openPower()
	p := s.cfg.Tree
	if p == nil {
		return
	}
	if old.cfg.Tree == nil {
		s.power.solar = old.power.solar
		return
	}
	s.power.caps, s.power.lastCap = nil, old.power.lastCap
	for _, k := range old.power.caps { // a declared one that was cleared stays so
		if !declares(old.cfg.Tree, k) || declares(p, k) {
			s.power.caps = append(s.power.caps, k)
		}
	}
	for _, k := range p.Caps {
		if !declares(old.cfg.Tree, k) {
			s.power.lastCap++
			k.ID = s.power.lastCap
			s.power.caps = append(s.power.caps, k)
		}
	}
	s.power.solar = old.power.solar
	area := func(i int32) int32 { return s.areaNamed(old.cfg.Tree.Areas[i].Path) }
	for i := range old.power.batteries {
		if k := area(int32(i)); k >= 0 && p.Areas[k].Battery.Capacity > 0 && old.cfg.Tree.Areas[i].Battery.Capacity > 0 {
			b := old.power.batteries[i]
			b.charge = min(b.charge, p.Areas[k].Battery.Capacity)
			s.power.batteries[k] = b
		}
	}
	for _, x := range old.power.sheds {
		if x.Area = area(x.Area); x.Area >= 0 {
			s.power.sheds = append(s.power.sheds, x)
		}
	}
	node := func(n int32) int32 {
		if k, there := s.nodes[old.cap.Node(n).ID]; there {
			return k
		}
		return -1
	}
	for _, w := range old.power.waking {
		if w.node = node(w.node); w.node >= 0 {
			s.power.waking = append(s.power.waking, w)
		}
	}
	s.cap.CarryPower(old.cap, node, area)
}

// takeAllocations moves everything that runs into the capacity of the new
// configuration.
func (s *State) takeAllocations(old *State, at unit.Instant) {
	for n := range int32(old.cap.Nodes()) {
		for _, id := range old.cap.On(n) {
			a := *old.cap.Alloc(id)
			a.Node = s.nodes[old.cap.Node(n).ID]
			if a.Suspended {
				a.For = s.areaNamed(old.cfg.Tree.Areas[a.For].Path)
			}
			spec, t := s.jobOf(a.Job).spec, s.jobOf(a.Job).task(a.Task)
			a.Queue = s.quotas.Number(spec.Queue)
			t.alloc = s.cap.Take(a, spec.Request(a.Task))
			s.charge(t.alloc, 1)
			switch {
			case s.ledger == nil:
			case old.ledger == nil:
				s.ledger.begin(t.alloc, holding{since: at})
			default:
				s.ledger.begin(t.alloc, old.ledger.held[id])
			}
		}
	}
	if s.cfg.Tree == nil {
		return
	}
	if old.cfg.Tree == nil {
		s.cap.AllIdle(at)
		return
	}
	for n := range int32(s.cap.Nodes()) {
		if _, was := old.nodes[s.cap.Node(n).ID]; !was {
			s.cap.IdleSince(n, at)
		}
	}
	s.cap.CarriedPower()
}
