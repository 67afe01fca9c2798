// Package sched owns the rules of placement: Decide turns a snapshot of the
// fleet and the line of pending jobs into a plan, and Verify checks a plan
// without trusting Decide. It never changes state, knows no clock and draws no
// random number of its own. Read this file first, then decide.go; every policy
// is one file, and capacity.go and index.go make decisions cost what changed
// rather than what exists.
package sched

import (
	"time"

	"tianfu/job"
	"tianfu/unit"
)

// Backfill says what may start while the head of the queue waits.
type Backfill uint8

// Easy lets later work start if it does not delay the head's reservation
// (Lifka, JSSPP 1995); Strict lets nothing pass.
const (
	Easy Backfill = iota
	Strict
)

// Rules are the settings of a cycle.
type Rules struct {
	Backfill Backfill
	Preempt  bool
	// Depth is the most pending jobs a cycle examines; the rest wait for the
	// next. 0 = DefaultDepth.
	Depth int
}

// DefaultDepth bounds a cycle's walk of the queue.
const DefaultDepth = 1 << 20

// Snapshot is what Decide sees. It belongs to the state it was taken from and
// holds until the next record is folded in; Decide leaves it as it found it.
type Snapshot struct {
	Capacity *Capacity
	Index    *Index
	Waiting  *Waiting
	Tenants  []Usage       // by tenant number
	Quotas   *Quotas       // of the declared queues; nil = none
	HalfLife time.Duration // of what was held in the past; 0 = only the present counts
	Rules    Rules
	Held     *Reservation  // made in an earlier cycle; nil = none
	Others   []Reservation // of other heads: of other cohorts, and what queues take back
	Moved    int64         // tasks moved so far, for a policy with a budget
	Budgets  *DayBudgets   // of energy and carbon; nil = none
	// Endangers tells whether a running job that had to begin again would miss a
	// deadline that it may still meet; nil = none has a deadline.
	Endangers func(job.ID) bool
}

// Usage is what a tenant holds now and the weight of its fair share.
type Usage struct {
	Totals
	Weight int64   // at least 1
	Past   History // of what was held; nothing without a half-life
}

// share returns the dominant share of the tenant in parts per billion of the
// fleet, divided by its weight (Dominant Resource Fairness, NSDI 2011).
func (u *Usage) share(total *Totals) int64 {
	part := func(used, all int64) int64 {
		if all == 0 {
			return 0
		}
		hi := used / all * 1e9
		return hi + int64(float64(used%all)/float64(all)*1e9)
	}
	most := max(part(u.CPU, total.CPU), part(u.Memory, total.Memory), part(u.Milli, total.Milli))
	return most / max(u.Weight, 1)
}

func (u *Usage) add(a *Alloc, sign int64) {
	u.CPU += sign * int64(a.CPU)
	u.Memory += sign * int64(a.Memory)
	u.Milli += sign * int64(a.Milli())
}

// Plan is what one cycle proposes. It is valid until the next Decide.
type Plan struct {
	Placements  []Placement
	Preemptions []Preemption
	Moves       []Move
	// Reservation is what the head of the queue holds from now on; nil = none.
	Reservation *Reservation
	Others      []Reservation // of other heads: of other cohorts, and what queues take back
	// Again says that a second cycle at once may place more.
	Again bool
	// Unplaced has one line for every group of jobs that was examined and left
	// waiting.
	Unplaced []Unplaced
}

// Placement proposes a task for devices of a node. The placements of one job
// follow each other.
type Placement struct {
	Job     job.ID
	Task    int32
	Node    int32  // rank
	Devices uint16 // set of device indexes
	Handle  Handle
	Alloc   Alloc // what is granted if the plan is accepted
}

// Preemption proposes to take a running task's devices back.
type Preemption struct {
	Alloc  AllocID
	For    job.ID
	Handle Handle // of the job it is for
	// Reclaim says that it was lent by the queue of that job, which wants it back.
	Reclaim bool
}

// Move proposes another place for a running task.
type Move struct {
	Alloc   AllocID
	Job     job.ID
	Task    int32
	Node    int32
	Devices uint16
}

// Reservation is capacity held for the head of the queue from an instant on.
type Reservation struct {
	Job   job.ID
	At    unit.Instant
	Nodes []HeldNode
}

// HeldNode is a node of a reservation and how many tasks of each group it is
// to run.
type HeldNode struct {
	Node  int32
	Tasks []int32 // by group of the job
}

// Unplaced says why a pending job, and those alike behind it, did not start.
type Unplaced struct {
	Job    job.ID
	Handle Handle
	Reason Reason
}
