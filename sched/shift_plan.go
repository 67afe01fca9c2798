package sched

import (
	"cmp"
	"slices"
)

// Deferrable is a job that may pause, as the planner sees it. Slots are equal
// steps of time from a common origin.
type Deferrable struct {
	ID       int
	CPUs     int
	Left     int // slots still to run
	Deadline int // it must have ended when this slot begins
}

// SlotPlan says in which slots each job runs: Runs[i] belongs to job i of the
// call, in order of time.
type SlotPlan struct {
	Runs [][]int
	Late []int // jobs, by index, that no room was found for in time
}

// Planner makes plans; it keeps buffers between calls.
type Planner struct {
	free  []int
	hours []span
	// Of a slot, the jobs in front: with no slot to spare, with some, with too few.
	tight, loose, lost []int
}

// span is a run of slots of one intensity.
type span struct {
	ci   float64
	from int
	to   int
}

// Plan chooses slots for jobs from now on, so that carbon is low and every
// deadline holds that room allows. ci is the intensity expected of every slot
// from now; room is the CPUs of every slot, 0 for no bound.
//
// It stands beside SlotPlanner, which plans a centre, because the protocol it is
// for (bounded, of docs/green.md) is a problem of its own: one pool of CPUs, no
// start and no pause costs anything, forecasts are real numbers, and a job may be
// cut in any slot, so that every slot is filled in one sweep over the hours.
// SlotPlanner chooses job by job, in integers, under memory, accelerators and
// power at several sites; held to this protocol it would be compared with an
// oracle for a problem that it does not solve.
//
// It is the greedy of CarbonFlex (algorithm 1 at fixed scale): cheapest slots
// first, within them the earliest deadline first. A job that the greedy leaves
// short is put in front and the rest planned around it, until none is short or
// nothing changes.
//
// What is in front is what keeps deadlines under a tight bound, and there it is
// not enough that the earliest deadline goes first: see front.
func (p *Planner) Plan(jobs []Deferrable, now int, ci []float64, room int) SlotPlan {
	order := make([]int, len(jobs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(jobs[a].Deadline, jobs[b].Deadline), cmp.Compare(jobs[a].ID, jobs[b].ID))
	})
	p.spans(ci)
	var first []int // jobs put in front, in order of deadline
	c := &planCall{jobs: jobs, now: now, slots: len(ci), room: room}
	for {
		out := p.greedy(c, first, order)
		grown := false
		for _, i := range out.Late {
			if !slices.Contains(first, i) {
				first = append(first, i)
				grown = true
			}
		}
		if !grown {
			if len(out.Late) > 0 {
				c.leastSpare = true
				if other := p.greedy(c, first, order); len(other.Late) < len(out.Late) {
					return other
				}
			}
			return out
		}
		slices.SortFunc(first, func(a, b int) int {
			return cmp.Or(cmp.Compare(jobs[a].Deadline, jobs[b].Deadline), cmp.Compare(jobs[a].ID, jobs[b].ID))
		})
	}
}

// spans cuts the time ahead into runs of equal intensity, cheapest first.
func (p *Planner) spans(ci []float64) {
	p.hours = p.hours[:0]
	for t := 0; t < len(ci); {
		end := t + 1
		for end < len(ci) && ci[end] == ci[t] {
			end++
		}
		p.hours = append(p.hours, span{ci[t], t, end})
		t = end
	}
	slices.SortStableFunc(p.hours, func(a, b span) int { return cmp.Or(cmp.Compare(a.ci, b.ci), cmp.Compare(a.from, b.from)) })
}

// planCall is what one call of Plan was asked.
type planCall struct {
	jobs             []Deferrable
	now, slots, room int
	leastSpare       bool // how front chooses
}

// front gives the jobs in first, in order of deadline, the earliest slots there
// are, slot after slot: a job that must run in every slot until its deadline goes
// before all that can still wait, whatever their deadlines, and these by deadline.
//
// By deadline alone, job after job, a long job that has just enough slots left
// stands behind short ones that end sooner and could have waited, and is late
// although there was room for all: a job runs in one slot at a time, and cannot
// make up for a slot it missed. One that has missed such a slot is late whatever
// is done, and takes only what the others leave.
func (p *Planner) front(c *planCall, first, left []int, take func(i, t int) bool) {
	end := 0
	for _, i := range first {
		end = max(end, min(c.jobs[i].Deadline-c.now, c.slots))
	}
	for t := range end {
		p.tight, p.loose, p.lost = p.tight[:0], p.loose[:0], p.lost[:0]
		for _, i := range first {
			switch spare := c.jobs[i].Deadline - c.now - t - left[i]; {
			case left[i] == 0 || t >= c.jobs[i].Deadline-c.now:
			case spare > 0:
				p.loose = append(p.loose, i)
			case spare == 0:
				p.tight = append(p.tight, i)
			default:
				p.lost = append(p.lost, i)
			}
		}
		if c.leastSpare {
			slices.SortStableFunc(p.loose, func(a, b int) int {
				return cmp.Compare(c.jobs[a].Deadline-left[a], c.jobs[b].Deadline-left[b])
			})
		}
		for _, list := range [...][]int{p.tight, p.loose, p.lost} {
			for _, i := range list {
				take(i, t)
			}
		}
	}
}

// greedy fills slots; jobs in first take the earliest slots there are before
// anybody else chooses.
func (p *Planner) greedy(c *planCall, first, order []int) SlotPlan {
	jobs, now, slots, room := c.jobs, c.now, c.slots, c.room
	p.free = slices.Grow(p.free[:0], slots)[:slots]
	for t := range p.free {
		p.free[t] = room
	}
	out := SlotPlan{Runs: make([][]int, len(jobs))}
	left := make([]int, len(jobs))
	for i := range jobs {
		left[i] = jobs[i].Left
	}
	take := func(i, t int) bool {
		if room > 0 {
			if p.free[t] < jobs[i].CPUs {
				return false
			}
			p.free[t] -= jobs[i].CPUs
		}
		out.Runs[i] = append(out.Runs[i], t)
		left[i]--
		return true
	}
	p.front(c, first, left, take)
	for h := 0; h < len(p.hours); {
		// Spans of one intensity are one: deadline decides between them.
		end := h + 1
		for end < len(p.hours) && p.hours[end].ci == p.hours[h].ci {
			end++
		}
		for _, i := range order {
			if slices.Contains(first, i) {
				continue // it has had every slot there is room in
			}
			for _, s := range p.hours[h:end] {
				for t := s.from; t < min(s.to, jobs[i].Deadline-now) && left[i] > 0; t++ {
					take(i, t)
				}
			}
		}
		h = end
	}
	for i := range jobs {
		if left[i] > 0 {
			out.Late = append(out.Late, i)
		}
		slices.Sort(out.Runs[i])
		for k := range out.Runs[i] {
			out.Runs[i][k] += now
		}
	}
	return out
}
