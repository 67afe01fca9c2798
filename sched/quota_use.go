package sched

import (
	"fmt"
	"time"

	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// QueueUse is how a queue stands, resource by resource.
type QueueUse struct {
	Name      job.Queue
	Cohort    string
	Held      Totals
	Resources []ResourceUse
}

// ResourceUse is how a queue stands in a resource that its cohort limits. In
// the unit of the resource: milli CPU, MiB, thousandths of accelerators.
type ResourceUse struct {
	Resource   string
	Guaranteed int64
	Used       int64
	Borrowed   int64 // used beyond the guarantee
	Lent       int64 // of its guarantee, in use by others now
	Borrowable int64 // what it may still use, of guarantee and loans together
	BorrowMost int64 // its borrowing limit; -1 = none
	LendMost   int64 // the most it lends
}

// Uses returns how every declared queue stands, in the order of declaration.
func (s *Quotas) Uses() []QueueUse {
	if s == nil {
		return nil
	}
	out := make([]QueueUse, 0, len(s.queues)-1)
	for k := 1; k < len(s.queues); k++ {
		q := &s.queues[k]
		c := &s.cohorts[q.cohort]
		u := QueueUse{Name: q.name, Cohort: c.name, Held: q.held.Totals}
		for d, name := range s.names {
			if !c.limits[d] {
				continue
			}
			r := ResourceUse{Resource: name, Guaranteed: q.guaranteed[d], Used: q.used[d], Borrowed: max(0, q.used[d]-q.guaranteed[d]),
				Lent: s.lent(k, d), Borrowable: max(0, s.room(q, d)), BorrowMost: q.borrow[d], LendMost: q.lend[d]}
			if r.BorrowMost >= unlimited {
				r.BorrowMost = -1
			}
			u.Resources = append(u.Resources, r)
		}
		out = append(out, u)
	}
	return out
}

// lent returns how much of a queue's guarantee others use now: what all of the
// cohort borrow, spread over the lenders in proportion to what each leaves
// unused, in order of declaration.
func (s *Quotas) lent(k, d int) int64 {
	c := &s.cohorts[s.queues[k].cohort]
	borrowed, idle, before := int64(0), int64(0), int64(0)
	for _, o := range c.queues {
		q := &s.queues[o]
		borrowed += max(0, q.used[d]-q.guaranteed[d])
		mine := s.idle(q, d)
		if int(o) < k {
			before += mine
		}
		idle += mine
	}
	if idle == 0 {
		return 0
	}
	// The difference of two running parts, so that the parts add up.
	borrowed = min(borrowed, idle)
	part := func(upTo int64) int64 { return int64(float64(borrowed) * (float64(upTo) / float64(idle))) }
	return part(before+s.idle(&s.queues[k], d)) - part(before)
}

// idle returns what a queue lends and does not use itself.
func (s *Quotas) idle(q *queueQuota, d int) int64 {
	return max(0, min(q.lend[d], q.guaranteed[d]-q.used[d]))
}

// Describe renders what queues use, for tests that compare states.
func (s *Quotas) Describe() string {
	if s == nil {
		return ""
	}
	text := ""
	for k := range s.queues {
		text += fmt.Sprintf("past %+v\n", s.queues[k].held.Past)
	}
	for _, u := range s.Uses() {
		text += fmt.Sprintf("queue %s %+v %+v\n", u.Name, u.Held, u.Resources)
	}
	for k := range s.cohorts {
		text += fmt.Sprintf("cohort %s taken %v of %v\n", s.cohorts[k].name, s.cohorts[k].taken, s.cohorts[k].pool)
	}
	return text
}

// Part returns the dominant part of a total.
func (t *Totals) Part(total *Totals) float64 {
	part := func(v, all int64) float64 {
		if all == 0 {
			return 0
		}
		return float64(v) / float64(all)
	}
	return max(part(t.CPU, total.CPU), part(t.Memory, total.Memory), part(t.Milli, total.Milli))
}

// Set sets the amount of a resource; models are not in totals.
func (t *Totals) Set(resource string, v int64) {
	switch resource {
	case fleet.CPUs:
		t.CPU = v
	case fleet.Memory:
		t.Memory = v
	case fleet.Accelerators:
		t.Milli = v
	}
}

// Mean returns what a queue held in the past, in which the past counts half
// after every half-life.
func (s *Quotas) Mean(queue int16, at unit.Instant, halfLife time.Duration) Totals {
	return s.queues[queue].held.MeanAt(at, halfLife)
}

// Each visits the pending jobs, with the queue of each and the cause it was last
// given.
func (w *Waiting) Each(visit func(queue int16, cause Cause)) {
	for _, gi := range w.live {
		g := &w.groups[gi]
		for i := g.first; i >= 0; i = w.entries[i].next {
			visit(g.key.queue, g.reason.Dominant)
		}
	}
}

// InWords prints an amount of a resource in the unit people use.
func InWords(resource string, v int64) string { return inUnits(resource, v) }
