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
	c := &planCall{jobs, now, len(ci), room}
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
	for _, i := range first {
		for t := 0; t < min(jobs[i].Deadline-now, slots) && left[i] > 0; t++ {
			take(i, t)
		}
	}
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
