package sched

import (
	"math"
	"time"

	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// SlotLength is the step in which the planner counts time, MaxSlots how far it
// looks: a week.
const (
	SlotLength = 5 * time.Minute
	MaxSlots   = 2016
)

// SlotSite is what a site has left in every slot, and what a kilowatt-hour of IT
// energy costs there: carbon in mg, money in 10^-9 yuan, overhead included.
type SlotSite struct {
	Name        string
	CPU, Memory []int64
	Tasks       []int64   // that its nodes still take; nil = not limited
	Milli       [][]int64 // of accelerators, by model of the problem
	Power       []int64   // milliwatts; nil = not limited
	Carbon      []int64
	Money       []int64

	meanCarbon, meanMoney int64 // of what is known; energy.NoData = nothing is
}

// SlotJob is a job as the planner sees it.
type SlotJob struct {
	ID     job.ID
	Load   Load
	Power  int64  // milliwatts it adds while it runs
	Models uint64 // accepted models of the problem, as a set; 0 = it asks for none
	Sites  uint64 // sites of the problem that may run it, as a set
	// Holding has, by site, the models on whose nodes its tasks have room (SiteNodes);
	// nil = sums are all that is known.
	Holding []uint64
	Run     time.Duration
	Due     int // it must have ended when this slot begins
	// StartBy is the last slot it may start in; -1 = any.
	StartBy int
	// NotBefore is the first slot it may start in; what runs goes on.
	NotBefore   int
	Wish        job.Wish
	CarbonPrice int64 // yuan a tonne
	Pausable    bool
	// Running says that it runs now: it goes on in slot 0, at its site, and its
	// plan says when it pauses.
	Running bool
	// Rigid work wishes for nothing: it is expected to start as soon as it fits.
	Rigid bool
	// Front has it take the earliest slots there are, before the others: the higher
	// the sooner; 0 = it is planned in its turn.
	Front int
	// Kept is a plan that stands; the job is not planned again.
	Kept *SlotChoice
}

// energy is what a job will use, in milliwatt seconds; 0 where power is not
// modelled.
func (j *SlotJob) energy() int64 { return j.Power * int64(j.Run/time.Second) }

// SlotChoice says where and in which slots a job runs.
type SlotChoice struct {
	Site, Model int // Model -1 = none
	Spans       []SlotSpan
	Cost        int64 // by the job's wish, for a kilowatt, times the seconds of a slot
}

// SlotSpan is slots [From, To).
type SlotSpan struct{ From, To int }

// SlotProblem is one planning problem. The first slot began at Origin and is
// partly over: Passed of it has gone by.
type SlotProblem struct {
	Origin unit.Instant
	Passed time.Duration
	Slots  int
	Models []fleet.Model
	Sites  []SlotSite
	Jobs   []SlotJob
	Policy string // of shifting: see ShiftPolicies
}

// ShiftPolicies are the policies of shifting under their published names, and
// ours.
var ShiftPolicies = []string{"no-wait", "lowest-slot", "lowest-window", "carbon-time", "threshold", "wait-awhile", "tianfu"}

// SlotResult is a plan. Choices[i] belongs to job i; one without spans found no
// room in time. Late lists these, but for rigid work.
type SlotResult struct {
	Choices []SlotChoice
	Late    []int
	cutOff  int // running jobs that others have left no room to go on
}

// length returns how many slots a run takes that begins in a slot: in the first
// one what has gone by is lost.
func (p *SlotProblem) length(run time.Duration, from int) int {
	if from == 0 {
		run += p.Passed
	}
	return max(int((run+SlotLength-1)/SlotLength), 1)
}

// Span returns slots as a time. In the first slot it begins now.
func (p *SlotProblem) Span(s SlotSpan) RunSpan {
	r := RunSpan{p.Origin.Add(time.Duration(s.From) * SlotLength), p.Origin.Add(time.Duration(s.To) * SlotLength)}
	if s.From == 0 {
		r.From = p.Origin.Add(p.Passed)
	}
	return r
}

// SlotCosts fills what a kilowatt-hour costs in every slot from the hours known
// of a site. An hour that nobody has said anything of costs the mean of those
// that are known, so that it neither draws work nor repels it.
func (p *SlotProblem) SlotCosts(site *SlotSite, hours []energy.SiteHour) {
	site.Carbon, site.meanCarbon = p.costs(hours, func(h *energy.SiteHour) int64 { return h.CarbonLocation })
	site.Money, site.meanMoney = p.costs(hours, func(h *energy.SiteHour) int64 { return h.Price })
}

// LevelSites has sites of which nothing is known cost what the others do on
// average.
func (p *SlotProblem) LevelSites() {
	for _, of := range []func(*SlotSite) ([]int64, int64){
		func(s *SlotSite) ([]int64, int64) { return s.Carbon, s.meanCarbon },
		func(s *SlotSite) ([]int64, int64) { return s.Money, s.meanMoney },
	} {
		sum, known := int64(0), int64(0)
		for k := range p.Sites {
			if _, mean := of(&p.Sites[k]); mean != energy.NoData {
				sum, known = sum+mean, known+1
			}
		}
		for k := range p.Sites {
			cost, mean := of(&p.Sites[k])
			for t := range cost {
				if mean == energy.NoData && known > 0 {
					cost[t] = sum / known
				}
			}
		}
	}
}

func (p *SlotProblem) costs(hours []energy.SiteHour, of func(*energy.SiteHour) int64) (cost []int64, mean int64) {
	out := make([]int64, p.Slots)
	var sum, known int64
	for t := range out {
		out[t] = energy.NoData
		h, ok := energy.SiteHourAt(hours, max(p.Origin.Add(time.Duration(t)*SlotLength), p.Origin.Add(p.Passed)))
		if !ok || of(&h) == energy.NoData {
			continue
		}
		pue := h.PUE
		if pue == energy.NoData {
			pue = Million
		}
		out[t] = int64(math.Round(float64(of(&h)) / Million * float64(pue)))
		sum += out[t] / int64(p.Slots)
		known++
	}
	mean = energy.NoData
	fill := int64(0)
	if known > 0 {
		mean = sum * int64(p.Slots) / known
		fill = mean
	}
	for t := range out {
		if out[t] == energy.NoData {
			out[t] = fill
		}
	}
	return out, mean
}

// Saves tells what a choice is expected to save against a run that begins now,
// at the same site.
func (p *SlotProblem) Saves(j *SlotJob, c *SlotChoice) Saving {
	of := func(cost []int64) int64 {
		sum, n := int64(0), 0
		for _, s := range c.Spans {
			for t := s.From; t < min(s.To, len(cost)); t++ {
				sum -= cost[t]
				n++
			}
		}
		for t := range min(n, len(cost)) {
			sum += cost[t]
		}
		// For a kilowatt over a slot of a twelfth of an hour, to the job's power.
		return int64(math.Round(float64(sum) / 12 * float64(j.Power) / 1e6))
	}
	site := &p.Sites[c.Site]
	return Saving{of(site.Carbon), of(site.Money)}
}
