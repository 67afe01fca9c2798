package control

import (
	"slices"

	"tianfu/meter"
	"tianfu/sched"
	"tianfu/unit"
)

// This file tells the ledger what the power tree does to nodes and tasks, so
// that modelled energy is of what the tree counts: the same levels, the same
// standing still, the same sleep. Slices that snapshots may share are never
// changed in place.

// noteStage notes how a node is held from now on, as part of the fold. A cap
// does not hold while protected work is there, so whoever comes or goes may
// change it.
func (s *State) noteStage(n int32, at unit.Instant) {
	l := s.ledger
	if l == nil || s.cfg.Tree == nil {
		return
	}
	now := meter.Stage{From: at, Level: s.cap.HeldTo(n)}
	if s.cap.NodePower(n).State == sched.Asleep {
		now.Level, now.Asleep, now.Draw = sched.Uncapped, true, s.cfg.Tree.Sleep.Draw
	}
	nl := &l.nodes[n]
	was, kept := meter.Stage{Level: sched.Uncapped}, nl.stages
	if k := len(kept); k > 0 && kept[k-1].From >= at { // it changes again within the instant
		kept = kept[:k-1]
	}
	if k := len(kept); k > 0 {
		was = kept[k-1]
	}
	if was.From = at; was != now {
		kept = append(slices.Clip(kept), now)
	}
	if nl.stages = kept; len(kept) == 0 {
		nl.stages = nil
	}
}

// noteStages notes how all nodes are held, and what stands still, when a changed
// configuration has built the power tree anew.
func (s *State) noteStages(at unit.Instant) {
	if s.ledger == nil || s.cfg.Tree == nil {
		return
	}
	for n := range int32(s.cap.Nodes()) {
		s.noteStage(n, at)
		for _, id := range s.cap.On(n) {
			if h := &s.ledger.held[id]; s.cap.Alloc(id).Suspended && (len(h.still) == 0 || h.still[len(h.still)-1].To != unit.Never) {
				s.ledger.stop(id, at)
			}
		}
	}
}

// stop notes that an allocation stands still, goOn that it does no more.
func (l *ledger) stop(id sched.AllocID, at unit.Instant) {
	h := &l.held[id]
	h.still = append(slices.Clip(h.still), meter.Span{From: at, To: unit.Never})
}

func (l *ledger) goOn(id sched.AllocID, at unit.Instant) {
	h := &l.held[id]
	h.still = slices.Clone(stillUntil(h.still, at))
}

// stillUntil returns the spans before an instant, the last ended there.
func stillUntil(still []meter.Span, at unit.Instant) []meter.Span {
	for k := len(still); k > 0; k-- {
		switch last := still[k-1]; {
		case last.From >= at:
		case last.To <= at:
			return still[:k]
		default:
			out := slices.Clone(still[:k])
			out[k-1].To = at
			return out
		}
	}
	return nil
}

// passStill drops the spans that a page has metered.
func passStill(still []meter.Span, to unit.Instant) []meter.Span {
	for len(still) > 0 && still[0].To <= to {
		still = still[1:]
	}
	if len(still) == 0 {
		return nil
	}
	return still
}

// stagesUntil returns the stages that began before an instant.
func stagesUntil(stages []meter.Stage, to unit.Instant) []meter.Stage {
	k := len(stages)
	for k > 0 && stages[k-1].From >= to {
		k--
	}
	return stages[:k:k]
}

// passStages drops what a page has metered but the stage that goes on.
func (nl *nodeLedger) passStages(to unit.Instant) {
	for len(nl.stages) > 1 && nl.stages[1].From <= to {
		nl.stages = nl.stages[1:]
	}
	if len(nl.stages) > 0 && nl.stages[0].From <= to && nl.stages[0].Plain() {
		nl.stages = nl.stages[1:]
	}
	if len(nl.stages) == 0 {
		nl.stages = nil
	}
}
