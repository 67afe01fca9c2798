package sched

import (
	"fmt"
	"strconv"
	"strings"

	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// Cause is one thing that can stand between a task and a node.
type Cause uint8

// The causes, in the order in which a node is examined: a node is counted once,
// under the first that excludes it.
const (
	None        Cause = iota
	Cordoned          // the node takes no new work
	Unhealthy         // the node has failed
	WrongModel        // no accepted accelerator model
	NoDevices         // too few devices with enough left
	NoCPU             // too little CPU left
	NoMemory          // too little memory left
	Maintenance       // the task would run into a maintenance window
	Reserved          // capacity is held for the job ahead
	Topology          // no topology domain holds the whole gang
	GangPartial       // some tasks fit, the whole gang does not
	BehindHead        // queue order: an earlier job waits and backfill is off
	Dependency        // a job it waits for has not ended
	Backoff           // it failed, and its next try is due later
	NodeAsleep        // the node sleeps, or wakes and is not ready yet
	PowerCap          // an area around the node may not draw more
	OverQuota         // its queue has used its guarantee, and too little is left to borrow
	BorrowLimit       // its queue may not borrow as much
	Reclaiming        // other queues hold what its queue is guaranteed, until it is taken back
	Deferred          // it waits on purpose for a greener or cheaper hour
	Overran           // it ran longer than it was expected to
	QuotaKept         // its queue keeps its quota for the job ahead
	Booked            // the task would run into a window reserved for another queue
	NodeFull          // the node runs as many tasks as it may
	Interrupted       // it was told to leave, or lost its node, after it had started
	OverBudget        // too little is left of a day's budget of energy or carbon
	NoDisk            // the node has too little disk left for new work
	NumCauses
)

var causeWords = [NumCauses]string{
	"none", "cordoned", "unhealthy", "wrong model", "not enough free devices",
	"not enough CPU", "not enough memory", "maintenance window", "reserved for the job ahead",
	"no topology domain large enough", "gang only fits in part", "waits behind the head of the queue",
	"waits for another job to end", "failed and waits for its next try",
	"node asleep", "power limit",
	"queue over its quota", "queue at its borrowing limit",
	"waits for what others borrowed from its queue",
	"deferred to a better hour", "ran longer than expected",
	"quota kept for the job ahead", "reserved for another queue",
	"node full of tasks",
	"interrupted after it had started",
	"day's budget",
	"node short of disk",
}

// String names the cause in words.
func (c Cause) String() string {
	if c < NumCauses {
		return causeWords[c]
	}
	return fmt.Sprintf("cause %d", uint8(c))
}

// Reason says why a job was not placed in a cycle: the dominant cause and the
// counts behind it. Nodes that would have held the task are in no count.
type Reason struct {
	Dominant   Cause
	Considered int32            // nodes examined
	Excluded   [NumCauses]int32 // nodes ruled out, by first cause
	Ahead      job.ID           // the job whose reservation or turn blocks; 0 = none
	Short      PowerShort       // where power is what lacks
	Quota      QuotaUse         // how its queue stands, when quota is in the way
	Over       BudgetShort      // where a budget of a day is what lacks
	Keeper     *Keeper          // where a reservation is in the way: one that is
}

// Keeper names a reservation that keeps a task off a node, and its window. It is of
// the moment, and never changed: records leave it out.
type Keeper struct {
	fleet.Window
	Name  string
	Queue job.Queue
}

// PowerShort says which area of the power tree has too little left for a task,
// in milliwatts of IT power.
type PowerShort struct {
	Area   int32 // number of the area
	Need   int64 // what the task adds, at the least
	Draw   int64 // of the area now
	Budget int64 // what it may draw
	Behind bool  // there may be power, but suspended work goes first
}

// dominate sets the dominant cause: what rules out most of the nodes that are
// of an accepted model and open, for that is what could change.
func (r *Reason) dominate() {
	best, n := None, int32(0)
	if r.Excluded[PowerCap] > 0 {
		r.Dominant = PowerCap // nothing else is in the way on these nodes
		return
	}
	for c := NoDevices; c < NumCauses; c++ {
		if r.Excluded[c] > n && c != OverBudget { // other nodes are within the budget: that they are full is the reason
			best, n = c, r.Excluded[c]
		}
	}
	if best == None && r.Excluded[OverBudget] > 0 {
		best = OverBudget
	}
	if best == None {
		for c := Cordoned; c <= WrongModel; c++ {
			if r.Excluded[c] > n {
				best, n = c, r.Excluded[c]
			}
		}
	}
	r.Dominant = best
}

// String renders the reason as one line.
func (r *Reason) String() string {
	var b strings.Builder
	b.WriteString(r.Dominant.String())
	sep := ": "
	for c := Cordoned; c < NumCauses; c++ {
		if r.Excluded[c] > 0 && (c != OverBudget || r.Dominant != OverBudget) {
			fmt.Fprintf(&b, "%s%d %s", sep, r.Excluded[c], c)
			sep = ", "
		}
	}
	if r.Considered > 0 {
		fmt.Fprintf(&b, " (of %s)", unit.Count(int(r.Considered), "node"))
	}
	if p := &r.Short; r.Excluded[PowerCap] > 0 && p.Behind {
		fmt.Fprintf(&b, ", suspended work goes first")
	} else if r.Excluded[PowerCap] > 0 {
		fmt.Fprintf(&b, ", %s W more where %s of %s W are drawn", watts(p.Need), watts(p.Draw), watts(p.Budget))
	}
	if r.Excluded[OverBudget] > 0 {
		b.WriteString(", " + r.Over.String())
		sep = ", "
	}
	if r.Quota.Resource != "" {
		fmt.Fprintf(&b, "%s%s", sep, r.Quota.String())
	}
	switch {
	case r.Ahead == 0:
	case r.Dominant == Dependency:
		fmt.Fprintf(&b, ": %s", r.Ahead)
	default:
		fmt.Fprintf(&b, " behind %s", r.Ahead)
	}
	return b.String()
}

// watts renders milliwatts as watts.
func watts(milli int64) string { return strconv.FormatFloat(float64(milli)/1000, 'f', -1, 64) }
