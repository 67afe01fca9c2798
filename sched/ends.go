package sched

import (
	"github.com/tidwall/btree"

	"tianfu/job"
	"tianfu/unit"
)

// endOrder keeps running allocations by the end that planning expects, so that
// a reservation looks at the earliest ends first. Allocations without an
// expected end are not in it: nothing may be planned on their leaving.
type endOrder struct {
	tree *btree.BTreeG[ending]
}

type ending struct {
	at   unit.Instant
	job  job.ID
	task int32
	id   AllocID
}

func (a ending) before(b ending) bool {
	switch {
	case a.at != b.at:
		return a.at < b.at
	case a.job != b.job:
		return a.job < b.job
	}
	return a.task < b.task
}

func (e *endOrder) add(at unit.Instant, id AllocID, a *Alloc) {
	if at == unit.Never {
		return
	}
	if e.tree == nil {
		e.tree = btree.NewBTreeGOptions(ending.before, btree.Options{NoLocks: true, Degree: 64})
	}
	e.tree.Set(ending{at, a.Job, a.Task, id})
}

func (e *endOrder) remove(at unit.Instant, a *Alloc) {
	if at != unit.Never {
		e.tree.Delete(ending{at: at, job: a.Job, task: a.Task})
	}
}

func (e *endOrder) clone() endOrder {
	if e.tree == nil {
		return endOrder{}
	}
	return endOrder{tree: e.tree.Copy()}
}
