package control

import (
	"maps"
	"slices"

	"tianfu/job"
)

// Fork returns a copy of the state that goes on alone: for dry runs, estimates
// and what-if. It decides as the state would. Keys of submissions are
// forgotten: a fork answers "what if this were submitted", not "was it
// already". It keeps no ledger.
func (s *State) Fork() *State {
	s.jobs.settle()
	return s.copy()
}

// copy copies what changes and shares what does not.
func (s *State) copy() *State {
	f := &State{
		cfg: s.cfg, now: s.now, cap: s.cap.Clone(), waiting: s.waiting.Clone(), tenants: slices.Clone(s.tenants), quotas: s.quotas.Clone(),
		numbers: maps.Clone(s.numbers), names: slices.Clone(s.names), nodes: s.nodes, jobs: s.jobs.clone(), held: s.held, others: s.others,
		due: slices.Clone(s.due), later: slices.Clone(s.later), pauses: slices.Clone(s.pauses), judged: slices.Clone(s.judged), waiters: maps.Clone(s.waiters), settle: slices.Clone(s.settle),
		keys: map[submitKey]job.ID{}, windows: slices.Clone(s.windows), booked: s.booked, dirty: s.dirty, opened: s.opened, moves: s.moves,
		hours: slices.Clone(s.hours), power: s.power.clone(), budgets: s.budgets.clone(), misses: s.misses,
	}
	for id, list := range f.waiters {
		f.waiters[id] = slices.Clone(list)
	}
	f.index = s.index.Clone(f.cap)
	return f
}
