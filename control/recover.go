package control

import (
	"container/heap"
	"slices"
)

// Recovery folds a history into the state it describes, record by record, so
// that a long one need not be in memory at once. It begins with the record that
// opened the centre, or with a snapshot and the records after it.
type Recovery struct {
	s *State // nil before the first record
}

// RecoverFrom goes on from a snapshot; nil begins with the first record. The
// state is the recovery's from then on.
func RecoverFrom(s *State) *Recovery { return &Recovery{s: s} }

// Add folds the next record.
func (v *Recovery) Add(r *Record) error {
	if v.s == nil {
		if r.Kind != Opened || r.Config == nil {
			return errNotOpened
		}
		s, err := Open(*r.Config)
		if err != nil {
			return err
		}
		v.s = s
	}
	s := v.s
	s.now = r.At
	s.fold(r)
	for len(s.windows) > 0 && s.windows[0].at <= r.At {
		s.windows = s.windows[1:]
	}
	return nil
}

// Empty tells whether nothing was folded yet.
func (v *Recovery) Empty() bool { return v.s == nil }

// State returns what the records so far describe.
func (v *Recovery) State() (*State, error) {
	s := v.s
	if s == nil {
		return nil, errNotOpened
	}
	s.due = slices.DeleteFunc(s.due, func(d dueJob) bool { return s.jobOf(d.id).phase != Pending || s.jobOf(d.id).started })
	heap.Init(&s.due)
	s.later = slices.DeleteFunc(s.later, func(d dueJob) bool { return !s.jobOf(d.id).mayAwait(d.at) })
	heap.Init(&s.later)
	s.tidyDeferrals()
	return s, nil
}
