package httpapi

import (
	"fmt"
	"math"

	"tianfu/control"
	"tianfu/job"
	"tianfu/unit"
)

// plainReason says in a sentence what stands in the way. shown is the reason as
// the caller may see it: it names the job that blocks only where it may.
func plainReason(r *control.Reason, s *job.Spec, free *control.Room, shown *Reason) string {
	if text := plainLack(r, s, free, shown); text != "" {
		return text
	}
	who := "a job that stands before it"
	if shown.Ahead != "" {
		who = shown.Ahead
	}
	switch r.Dominant {
	case control.CauseReserved:
		return "what is free is held for " + who + ", which comes first and would otherwise start later"
	case control.CauseGangPartial:
		return fmt.Sprintf("some of its %d tasks would fit, but not all of them at once", s.Tasks())
	case control.CauseBehindHead:
		return "it is not its turn: " + who + " waits as well"
	case control.CauseDependency:
		for _, d := range s.After {
			if d.Job.String() == shown.Ahead && !d.AnyEnd {
				return "it waits for " + who + " to complete"
			}
		}
		return "it waits for " + who + " to end"
	case control.CauseOverQuota:
		return "its queue uses all that it is guaranteed, and too little is left to borrow"
	case control.CauseOverBudget:
		return plainBudget(shown.Budget)
	case control.CauseBorrowLimit:
		return "its queue may not borrow as much"
	case control.CauseReclaiming:
		return "other queues hold what its queue is guaranteed; it is being taken back"
	case control.CauseQuotaKept:
		return "what its queue may still use is kept for " + who + ", which comes first and needs more than is left"
	case control.CauseDeferred:
		return "it is held back on purpose for a greener or cheaper hour"
	case control.CauseBackoff:
		return "a try of it failed, and the next is due after a pause"
	case control.CauseOverran:
		return "it ran longer than was expected of it"
	case control.CauseInterrupted:
		return "it was told to leave, or lost its node, after it had started"
	}
	return r.Dominant.String()
}

// plainLack says what the nodes lack; empty when it is not the nodes.
func plainLack(r *control.Reason, s *job.Spec, free *control.Room, shown *Reason) string {
	q := &s.Groups[0].Request
	could := "nodes that could take it"
	if q.Accelerators > 0 {
		could = "nodes with an accelerator that it accepts"
	}
	switch r.Dominant {
	case control.CauseNoDevices:
		if q.Accelerators > 1 && q.Share == unit.Whole && free.Devices >= int64(q.Accelerators)*int64(unit.Whole) {
			return fmt.Sprintf("%s accelerators that it accepts are free, but scattered over %s: the best has %s, a task needs %d on one",
				number(free.Devices), unit.Count(free.Over, "node"), number(free.Most), q.Accelerators)
		}
		return fmt.Sprintf("no node has enough of the accelerators that it accepts free: %s are, on %d of %s", number(free.Devices), free.Over, unit.Count(free.Nodes, "node"))
	case control.CauseNoCPU:
		if q.Accelerators > 0 {
			return fmt.Sprintf("nodes with enough free accelerators have too little CPU left: the best has %s of the %s that a task needs", number(free.MostCPU), q.CPU)
		}
		return fmt.Sprintf("no node has enough CPU free: the best has %s of the %s that a task needs", number(free.MostCPU), q.CPU)
	case control.CauseNoMemory:
		return fmt.Sprintf("no node that has the rest free has enough memory: the most that is free on one is %s of the %s that a task needs", free.Memory, q.Memory)
	case control.CauseCordoned:
		return "the " + could + " are cordoned: they accept no new work"
	case control.CauseUnhealthy:
		return "the " + could + " have failed"
	case control.CauseWrongModel:
		return "no node has an accelerator that it accepts"
	case control.CauseWindow:
		return "it would run into a maintenance window of the nodes that have room"
	case control.CauseNodeFull:
		return "the nodes it could run on run as many tasks as they may at one time; see tasks in tianfu node show"
	case control.CauseNoDisk:
		return "the nodes it could run on have too little disk left for new work; it starts once there is room"
	case control.CauseOthersHours:
		return plainKeeper(shown.Reserved)
	case control.CauseNodeAsleep:
		return "the nodes with room are asleep, or wake up"
	case control.CauseTopology:
		return fmt.Sprintf("no single %s has room for all its %d tasks", s.Topology.Level, s.Tasks())
	case control.CausePowerCap:
		return plainPower(shown.Power)
	}
	return ""
}

// plainPower says which area lacks power, and for which cap.
func plainPower(p *PowerShort) string {
	if p == nil {
		return "an area around the nodes that could take it may not draw more power"
	}
	text := fmt.Sprintf("a task would add %.0f W or more to the area %s, which draws %.0f W and may draw %.0f W", p.Need, p.Area, p.Draw, p.Budget)
	if p.Behind {
		text = "work that was suspended for want of power in the area " + p.Area + " goes first"
	}
	if p.Cap != nil {
		text += ": " + p.Cap.String()
	}
	return text
}

// plainKeeper says which reservation is in the way, as far as the caller may know.
func plainKeeper(r *ReservedFor) string {
	const end = "now or before it would have ended"
	switch {
	case r == nil:
		return "the nodes with room are reserved for another queue, " + end
	case r.Reservation == "":
		return fmt.Sprintf("what the nodes have room for is reserved for another queue, %s: from %s to %s", end, r.From, r.To)
	}
	return fmt.Sprintf("what the nodes have room for is reserved for queue %s, %s: reservation %s from %s to %s", r.Queue, end, r.Reservation, r.From, r.To)
}

func number(milli int64) string {
	if milli%1000 == 0 {
		return fmt.Sprint(milli / 1000)
	}
	return fmt.Sprint(math.Round(float64(milli)/10) / 100)
}

// plainBudget says what a budget of the day has left.
func plainBudget(b *BudgetShort) string {
	if b == nil {
		return "a budget of the day has too little left"
	}
	amount := func(v float64) string { return fmt.Sprint(math.Round(v*1000)/1000) + " " + b.Unit }
	if b.Never {
		return fmt.Sprintf("it would draw %s in a day, and the budget of %s %s is %s a day: ask for less or a shorter run, or have the budget raised", amount(b.Need), b.Of, b.Name, amount(b.Limit))
	}
	day, renews := "today", "it begins anew at "+b.Renews
	if b.NextDay {
		day = "tomorrow, into which it would run"
	}
	return fmt.Sprintf("it would draw %s of the budget of %s %s %s, where %s are spent and %s committed of %s; %s",
		amount(b.Need), b.Of, b.Name, day, amount(b.Spent), amount(b.Committed), amount(b.Limit), renews)
}
