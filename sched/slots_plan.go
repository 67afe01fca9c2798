package sched

import (
	"cmp"
	"math/bits"
	"slices"

	"tianfu/job"
)

// SlotPlanner plans in slots; it keeps buffers between calls.
//
// Jobs are planned one by one, each in the slots that its policy likes best of
// those with room for it; for pausing jobs that is the greedy of CarbonFlex. Ours
// plans what will use the most energy first: a long run needs room without a
// break, and small ones fit into what it leaves, but a few small ones in the best
// hour keep a long one out of all that hold it. The published policies go by the
// earliest deadline. A job that comes short is put in front: those in
// front take the earliest slots there are, in order of deadline, and the rest is
// planned around them. What comes short even there goes before all others in the
// next try, as in squeaky wheel optimisation (Joslin and Clements, JAIR 10, 1999),
// and after some tries all of them are in front, until none comes short or the tries
// are used up. In the last one they are in order of deadline alone: so no deadline
// is missed that all would meet when everybody starts as early as there is room, in
// that order. The try with the fewest late jobs wins.
type SlotPlanner struct {
	// Late lists, by ID, the jobs that were late when a caller last planned
	// everything; the planner itself does not read it.
	Late   []job.ID
	p      *SlotProblem
	sites  []SlotSite // what is left, in this try
	prices []slotPrice
	order  []int   // by deadline
	large  []int   // what is not in front, in the order of the policy
	ahead  []int   // what is in front, in order
	front  []int   // see SlotJob.Front
	stuck  []bool  // running work that goes on to its end, whatever the rest does
	fits   []int32 // slots with room from here on, by slot
	picked []int32
}

// slotPrice is what the slots of a site cost by a wish.
type slotPrice struct {
	site   int
	wish   job.Wish
	carbon int64
	cost   []int64
	prefix []int64
	sorted []int32 // slots from cheap to dear
	limit  []int64 // the 30th percentile of the day ahead, for the policy threshold
}

// Bounds of how often a plan is made anew around jobs that came short: before all
// are in front, and after that, times the jobs, those whose plans stand among them,
// for each try books these too, and at most.
const (
	slotTries = 3
	slotWork  = 10_000
	slotMore  = 200
)

// Plan solves a problem.
func (s *SlotPlanner) Plan(p *SlotProblem) SlotResult {
	s.p = p
	s.prices = s.prices[:0]
	s.order = s.order[:0]
	for i := range p.Jobs {
		if p.Jobs[i].Kept == nil {
			s.order = append(s.order, i)
		}
	}
	slices.SortFunc(s.order, func(a, b int) int {
		x, y := &p.Jobs[a], &p.Jobs[b]
		return cmp.Or(cmp.Compare(x.Due, y.Due), cmp.Compare(x.ID, y.ID))
	})
	s.large = append(s.large[:0], s.order...)
	if p.Policy == "tianfu" {
		slices.SortStableFunc(s.large, func(a, b int) int {
			x, y := &p.Jobs[a], &p.Jobs[b]
			return cmp.Or(cmp.Compare(y.energy(), x.energy()), cmp.Compare(y.Run, x.Run))
		})
	}
	s.front = slices.Grow(s.front[:0], len(p.Jobs))[:len(p.Jobs)]
	s.stuck = slices.Grow(s.stuck[:0], len(p.Jobs))[:len(p.Jobs)]
	for i := range p.Jobs {
		j := &p.Jobs[i]
		s.front[i] = j.Front
		s.stuck[i] = j.Running && p.length(j.Run, 0) > min(j.Due, p.Slots)
	}
	best := s.try()
	again := func() (late []int) {
		next := s.try()
		if next.cutOff < best.cutOff || next.cutOff == best.cutOff && len(next.Late) < len(best.Late) {
			best = next
		}
		return next.Late
	}
	tries := slotTries + min(slotWork/max(len(p.Jobs), 1), slotMore)
	for try, late := 1, best.Late; try < tries && len(late) > 0; try++ {
		s.promote(late)
		if try >= slotTries {
			s.putAllInFront()
		}
		late = again()
	}
	if len(best.Late) > 0 {
		clear(s.front)
		s.putAllInFront()
		again()
	}
	return best
}

// promote puts jobs that came short in front, and those that were there already
// before all others.
func (s *SlotPlanner) promote(late []int) {
	top := slices.Max(s.front)
	for _, i := range late {
		if s.front[i] > 0 {
			s.front[i] = top + 1
		}
		s.front[i], s.stuck[i] = max(s.front[i], 1), s.p.Jobs[i].Running
	}
}

// putAllInFront puts there all that may be late, behind those that are there: if
// none is, in order of deadline alone.
func (s *SlotPlanner) putAllInFront() {
	for i := range s.p.Jobs {
		if j := &s.p.Jobs[i]; !j.Rigid {
			s.front[i], s.stuck[i] = max(s.front[i], 1), j.Running
		}
	}
}

// try plans everything once.
func (s *SlotPlanner) try() SlotResult {
	p := s.p
	out := SlotResult{Choices: make([]SlotChoice, len(p.Jobs))}
	s.fresh()
	s.ahead = s.ahead[:0]
	for _, i := range s.order {
		if s.front[i] > 0 {
			s.ahead = append(s.ahead, i)
		}
	}
	slices.SortStableFunc(s.ahead, func(a, b int) int { return s.front[b] - s.front[a] })
	for i := range p.Jobs {
		if j := &p.Jobs[i]; j.Running {
			now := SlotChoice{Site: bits.TrailingZeros64(j.Sites), Model: s.modelNow(j), Spans: []SlotSpan{{0, 1}}}
			if s.stuck[i] {
				now.Spans[0].To = min(p.length(j.Run, 0), p.Slots)
				out.Choices[i] = now
				if now.Spans[0].To > j.Due {
					out.Late, out.Choices[i] = append(out.Late, i), SlotChoice{}
				}
			}
			goesOn := *j
			goesOn.Running = false
			s.take(&goesOn, &now)
		}
	}
	for i := range p.Jobs {
		if k := p.Jobs[i].Kept; k != nil {
			out.Choices[i] = *k
			s.take(&p.Jobs[i], k)
		}
	}
	for pass, order := range [...][]int{s.ahead, s.order, s.large} {
		for _, i := range order {
			j := &p.Jobs[i]
			if s.stuck[i] || pass > 0 && (s.front[i] > 0 || (pass == 1) != j.Rigid) {
				continue
			}
			c, ok := s.choose(j, pass == 0 || j.Rigid)
			if !ok {
				if !j.Rigid {
					out.Late = append(out.Late, i)
				}
				if j.Running {
					out.cutOff++
				}
				continue
			}
			s.take(j, &c)
			out.Choices[i] = c
		}
	}
	return out
}

// modelNow is the model of the accelerators that running work holds.
func (s *SlotPlanner) modelNow(j *SlotJob) int {
	if j.Models == 0 {
		return -1
	}
	return bits.TrailingZeros64(j.Models)
}

// fresh copies what the sites have left.
func (s *SlotPlanner) fresh() {
	for len(s.sites) < len(s.p.Sites) {
		s.sites = append(s.sites, SlotSite{})
	}
	for k := range s.p.Sites {
		from, to := &s.p.Sites[k], &s.sites[k]
		to.CPU = append(to.CPU[:0], from.CPU...)
		to.Memory = append(to.Memory[:0], from.Memory...)
		to.Power = append(to.Power[:0], from.Power...)
		to.Tasks = append(to.Tasks[:0], from.Tasks...)
		for len(to.Milli) < len(from.Milli) {
			to.Milli = append(to.Milli, nil)
		}
		for m := range from.Milli {
			to.Milli[m] = append(to.Milli[m][:0], from.Milli[m]...)
		}
	}
}

// take books a choice.
func (s *SlotPlanner) take(j *SlotJob, c *SlotChoice) {
	site := &s.sites[c.Site]
	for _, span := range c.Spans {
		if span.From == 0 && j.Running {
			span.From = 1 // the first slot is booked
		}
		for t := span.From; t < min(span.To, s.p.Slots); t++ {
			site.CPU[t] -= j.Load.CPU
			site.Memory[t] -= j.Load.Memory
		}
		if c.Model >= 0 {
			milli := site.Milli[c.Model]
			for t := span.From; t < min(span.To, s.p.Slots); t++ {
				milli[t] -= j.Load.Milli
			}
		}
		for t := span.From; t < min(span.To, len(site.Tasks)); t++ {
			site.Tasks[t] -= j.Load.Tasks
		}
		for t := span.From; t < min(span.To, len(site.Power)); t++ {
			site.Power[t] -= j.Power
		}
	}
}

// choose finds the best place and time of a job: over the sites and models that
// it may use, the least cost; of equal ones the earlier start, then the first
// site and model. In front, the earliest end counts and nothing else.
func (s *SlotPlanner) choose(j *SlotJob, asap bool) (best SlotChoice, found bool) {
	for k := range s.p.Sites {
		if j.Sites>>k&1 == 0 {
			continue
		}
		models := j.Models
		for {
			m := -1
			if j.Models != 0 {
				m = bits.TrailingZeros64(models)
			}
			if j.holds(k, m) && s.fit(j, k, m) {
				c, ok := s.pick(j, k, asap)
				c.Site, c.Model = k, m
				if ok && (!found || s.better(&c, &best, asap)) {
					best, found = c, true
				}
			}
			if models &= models - 1; models == 0 || j.Models == 0 {
				break
			}
		}
	}
	return best, found
}

func (s *SlotPlanner) better(a, b *SlotChoice, asap bool) bool {
	endA, endB := a.Spans[len(a.Spans)-1].To, b.Spans[len(b.Spans)-1].To
	if asap {
		return endA < endB || endA == endB && a.Cost < b.Cost
	}
	return a.Cost < b.Cost || a.Cost == b.Cost && a.Spans[0].From < b.Spans[0].From
}

// fit notes for every slot up to the deadline how many slots from it on have
// room. It reports whether any has.
func (s *SlotPlanner) fit(j *SlotJob, k, m int) bool {
	site := &s.sites[k]
	due := min(j.Due, s.p.Slots)
	if due <= 0 {
		return false
	}
	s.fits = slices.Grow(s.fits[:0], due)[:due]
	cpu, memory := site.CPU[:due], site.Memory[:due]
	var milli, power, tasks []int64
	if m >= 0 {
		milli = site.Milli[m][:due]
	}
	if len(site.Power) > 0 {
		power = site.Power[:due]
	}
	if len(site.Tasks) > 0 {
		tasks = site.Tasks[:due]
	}
	run, any := int32(0), false
	for t := due - 1; t >= 0; t-- {
		if t == 0 && j.Running {
			run++ // it has its room already
			any = true
		} else if t < j.NotBefore && !j.Running || cpu[t] < j.Load.CPU || memory[t] < j.Load.Memory || milli != nil && milli[t] < j.Load.Milli || power != nil && power[t] < j.Power || tasks != nil && tasks[t] < j.Load.Tasks {
			run = 0
		} else {
			run++
			any = true
		}
		s.fits[t] = run
	}
	return any
}

// TouchMost is how many standing plans a driver gives up at once; the others are
// looked at when everything is planned again.
const TouchMost = 500

// Touch gives up the standing plans that a change of what some slots cost may
// improve or spoil, at most so many: first those that run in the slots. It
// returns how many were given up.
func (p *SlotProblem) Touch(site, from, to, most int) int {
	n := 0
	for pass := range 2 {
		for i := range p.Jobs {
			j := &p.Jobs[i]
			if n == most {
				return n
			}
			if j.Kept == nil || j.Rigid || j.Wish == job.NoWish || j.Sites>>site&1 == 0 {
				continue
			}
			runs := j.Kept.Site == site && slices.ContainsFunc(j.Kept.Spans, func(s SlotSpan) bool { return s.From < to && from < s.To })
			if runs == (pass == 0) && (pass == 0 || from < j.Due) {
				j.Kept = nil
				n++
			}
		}
	}
	return n
}
