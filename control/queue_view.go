package control

import (
	"tianfu/job"
	"tianfu/sched"
)

// QueueView is how a declared queue stands.
type QueueView struct {
	Rule *job.QueueRule
	sched.QueueUse
	Running     int     // tasks that hold something
	Pending     int     // jobs in the line
	Reasons     []Tally // why they wait, in the order of the causes
	Share       float64 // dominant part of the fleet that it holds now
	Mean        float64 // the same, of what it held in the past
	Entitlement float64 // dominant part of the fleet that it is guaranteed
}

// Tally counts the pending jobs of a cause.
type Tally struct {
	Cause sched.Cause
	Jobs  int
}

// AmountInWords prints an amount of a resource in the unit people use.
func AmountInWords(resource string, v int64) string { return sched.InWords(resource, v) }

// Queues returns how the declared queues stand, in the order of declaration.
func (s *State) Queues() []QueueView {
	uses := s.quotas.Uses()
	out := make([]QueueView, len(uses))
	total := s.cap.Total()
	for i := range uses {
		v := &out[i]
		v.Rule, v.QueueUse = &s.cfg.Queueing.Queues[i], uses[i]
		v.Share = uses[i].Held.Part(&total)
		mean := s.quotas.Mean(int16(i+1), s.now, s.cfg.halfLife())
		v.Mean = mean.Part(&total)
		var guaranteed sched.Totals
		for _, r := range uses[i].Resources {
			guaranteed.Set(r.Resource, r.Guaranteed)
		}
		v.Entitlement = guaranteed.Part(&total)
	}
	s.cap.EachRunning(func(id sched.AllocID) {
		if q := s.cap.Alloc(id).Queue; q > 0 {
			out[q-1].Running++
		}
	})
	causes := make([][sched.NumCauses]int, len(out))
	s.waiting.Each(func(queue int16, cause sched.Cause) {
		if queue > 0 {
			out[queue-1].Pending++
			causes[queue-1][cause]++
		}
	})
	for i := range out {
		for c, n := range causes[i] {
			if n > 0 {
				out[i].Reasons = append(out[i].Reasons, Tally{sched.Cause(c), n})
			}
		}
	}
	return out
}
