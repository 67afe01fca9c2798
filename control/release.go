package control

import (
	"container/heap"

	"tianfu/job"
)

// release lets jobs into the line whose backoff is over, or that of elements of
// them, or whose dependencies are met.
func (s *State) release() {
	for len(s.later) > 0 && s.later[0].at <= s.now {
		d := heap.Pop(&s.later).(dueJob)
		j := s.jobOf(d.id)
		if j.phase <= Running && (j.eligible == d.at && !j.queued || j.eligible != d.at && j.awaits(d.at)) {
			s.record(Record{Kind: Released, Job: d.id})
		}
	}
	s.settleAll()
}

// settleAll looks at the jobs that wait for one that has ended: each enters the
// line, is cancelled, or waits on. A cancellation can settle further jobs; they
// are looked at in turn. It reports whether any entered the line.
func (s *State) settleAll() bool {
	entered := false
	for len(s.settle) > 0 {
		id := s.settle[0]
		s.settle = s.settle[1:]
		j := s.jobOf(id)
		if j.phase != Pending || j.holds == 0 {
			continue
		}
		switch met, failed := s.dependencies(j.spec); {
		case failed != 0:
			s.record(Record{Kind: JobCancelled, Job: id, Cancel: CancelDependency, For: failed})
		case met:
			s.record(Record{Kind: Released, Job: id})
			entered = true
		}
	}
	return entered
}

// over notes, as part of the fold, that a job has ended for good.
func (s *State) over(id job.ID) {
	if list, ok := s.waiters[id]; ok {
		s.settle = append(s.settle, list...)
		delete(s.waiters, id)
	}
}

// dependencies tells whether all jobs that spec waits for have ended as it
// wants, and which one cannot any more.
func (s *State) dependencies(spec *job.Spec) (met bool, failed job.ID) {
	met = true
	for _, d := range spec.After {
		switch p := s.jobOf(d.Job).phase; {
		case p <= Running:
			met = false
		case p != Completed && !d.AnyEnd:
			return false, d.Job
		}
	}
	return met, 0
}
