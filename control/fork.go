package control

import (
	"maps"
	"slices"

	"tianfu/job"
	"tianfu/sched"
)

// Fork returns a copy of the state that goes on alone: for dry runs, estimates
// and what-if. It shares what never changes. What a learning policy has learnt
// is left behind, so the fork may choose other nodes; whether something fits
// does not depend on it. Keys of submissions are forgotten: a fork answers
// "what if this were submitted", not "was it already".
func (s *State) Fork() (*State, error) {
	f := &State{
		cfg: s.cfg, now: s.now, cap: s.cap.Clone(), waiting: s.waiting.Clone(), tenants: slices.Clone(s.tenants),
		numbers: maps.Clone(s.numbers), names: slices.Clone(s.names), nodes: s.nodes, jobs: slices.Clone(s.jobs), held: s.held,
		due: slices.Clone(s.due), later: slices.Clone(s.later), waiters: map[job.ID][]job.ID{}, settle: slices.Clone(s.settle),
		keys: map[submitKey]job.ID{}, windows: slices.Clone(s.windows), dirty: s.dirty, opened: s.opened, moves: s.moves,
		hours: slices.Clone(s.hours), power: s.power.clone(),
	}
	for id, list := range s.waiters {
		f.waiters[id] = slices.Clone(list)
	}
	for i := range f.jobs {
		if j := &f.jobs[i]; j.phase <= Running || j.running > 0 {
			j.more = slices.Clone(j.more)
		}
	}
	p, err := sched.New(s.cfg.Policy, f.cap, s.cfg.Params)
	if err != nil {
		return nil, err
	}
	f.index = sched.NewIndex(f.cap, p)
	return f, nil
}
