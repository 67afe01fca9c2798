package sched

import (
	"cmp"
	"slices"
	"time"

	"tianfu/job"
)

// dayOfSlots is the day that the policy threshold looks ahead.
const dayOfSlots = 288

// priceOf returns what the slots of a site cost by the wish of a job.
func (s *SlotPlanner) priceOf(j *SlotJob, k int) *slotPrice {
	wish, carbon := j.Wish, int64(0)
	if wish == job.WishWeights {
		carbon = j.CarbonPrice
	}
	for i := range s.prices {
		if v := &s.prices[i]; v.site == k && v.wish == wish && v.carbon == carbon {
			return v
		}
	}
	site := &s.p.Sites[k]
	v := slotPrice{site: k, wish: wish, carbon: carbon, cost: make([]int64, s.p.Slots)}
	for t := range v.cost {
		switch wish {
		case job.WishCarbon:
			v.cost[t] = site.Carbon[t]
		case job.WishPrice:
			v.cost[t] = site.Money[t]
		case job.WishWeights:
			// A milligram at a yuan a tonne is 10^-9 yuan.
			v.cost[t] = site.Money[t] + site.Carbon[t]*carbon
		}
	}
	scale(v.cost)
	v.prefix = make([]int64, s.p.Slots+1)
	for t, c := range v.cost {
		v.prefix[t+1] = v.prefix[t] + c
	}
	v.sorted = make([]int32, s.p.Slots)
	for t := range v.sorted {
		v.sorted[t] = int32(t)
	}
	slices.SortStableFunc(v.sorted, func(a, b int32) int { return cmp.Compare(v.cost[a], v.cost[b]) })
	if s.p.Policy == "threshold" {
		v.limit = lowThirds(v.cost)
	}
	s.prices = append(s.prices, v)
	return &s.prices[len(s.prices)-1]
}

// slotSeconds is the seconds of a slot: what a run costs is counted by the second.
const slotSeconds = int64(SlotLength / time.Second)

// scale divides costs until sums over a plan by the second, times its slots, are
// integers.
func scale(cost []int64) {
	most := int64(0)
	for _, c := range cost {
		most = max(most, c, -c)
	}
	for ; most >= 1<<31; most /= 1024 {
		for t := range cost {
			cost[t] /= 1024
		}
	}
}

// lowThirds returns for every slot the 30th percentile of the day that begins
// with it, linear between order statistics, in integers. It changes by the hour.
func lowThirds(cost []int64) []int64 {
	out := make([]int64, len(cost))
	var day []int64
	for t := range out {
		if t%12 != 0 {
			out[t] = out[t-1]
			continue
		}
		day = append(day[:0], cost[t:min(t+dayOfSlots, len(cost))]...)
		slices.Sort(day)
		at := 3 * (len(day) - 1)
		k := at / 10
		out[t] = day[k]
		if k+1 < len(day) {
			out[t] += (day[k+1] - day[k]) / 10 * int64(at%10)
		}
	}
	return out
}

// startBits are those that a start takes in a cost, above all that a plan can sum up
// to: costs of 31 bits (scale) over 2,016 slots of 300 seconds.
const startBits = 51

// pick chooses slots at one site, among those that fit found room in. Of places,
// no-wait takes the one that starts first, whatever its hour costs.
func (s *SlotPlanner) pick(j *SlotJob, k int, asap bool) (SlotChoice, bool) {
	c, ok := s.pickSlots(j, s.priceOf(j, k), asap)
	if ok && s.p.Policy == "no-wait" {
		c.Cost += int64(c.Spans[0].From) << startBits
	}
	return c, ok
}

func (s *SlotPlanner) pickSlots(j *SlotJob, v *slotPrice, asap bool) (SlotChoice, bool) {
	if j.Running && !asap && s.p.Policy != "tianfu" && s.p.Policy != "wait-awhile" && s.p.Policy != "threshold" {
		asap = true // the policy knows no pauses
	}
	if j.Pausable && !j.Rigid && !asap {
		switch s.p.Policy {
		case "threshold":
			return s.pausing(j, v, s.belowLimit(j, v))
		case "tianfu", "wait-awhile":
			return s.pausingOrNot(j, v)
		}
	}
	if asap && j.Pausable && !j.Running {
		if c, ok := s.through(j, v, true); ok {
			return c, true
		}
		return s.pausing(j, v, s.earliest(j))
	}
	return s.through(j, v, asap)
}

// pauseGain is the part of the cost, in percent, that pauses must save to be
// worth it: leaving and coming back is work that no hour's figures show.
const pauseGain = 2

// pausingOrNot weighs the cheapest slots against the cheapest run without a
// pause.
func (s *SlotPlanner) pausingOrNot(j *SlotJob, v *slotPrice) (SlotChoice, bool) {
	whole, ok := s.through(j, v, j.Running)
	parts, may := s.pausing(j, v, s.cheapest(j, v))
	if ok && (!may || parts.Cost > whole.Cost-max(whole.Cost/100*pauseGain, 0)) {
		return whole, true
	}
	return parts, may
}

// through finds the best start of a run without a pause.
func (s *SlotPlanner) through(j *SlotJob, v *slotPrice, asap bool) (SlotChoice, bool) {
	best, cost, first := -1, int64(0), -1
	last := len(s.fits) - 1
	if j.StartBy >= 0 {
		last = min(last, j.StartBy)
	}
	if j.Running {
		last = 0
	}
	n := s.p.length(j.Run, 1)
	for t := 0; t <= last; t++ {
		length := n
		if t == 0 {
			length = s.p.length(j.Run, 0)
		}
		if int(s.fits[t]) < length {
			continue
		}
		c := s.costOf(j, v, t, length)
		if first < 0 {
			first = t
		}
		if best < 0 || s.prefers(v, t, best, [3]int64{c, cost, s.costOf(j, v, first, s.p.length(j.Run, first))}, n) {
			best, cost = t, c
		}
		if asap || s.p.Policy == "no-wait" || s.p.Policy == "threshold" && v.cost[t] < v.limit[t] {
			best, cost = t, c
			break
		}
	}
	if best < 0 {
		return SlotChoice{}, false
	}
	return SlotChoice{Spans: []SlotSpan{{best, best + s.p.length(j.Run, best)}}, Cost: cost}, true
}

// costOf is what a run costs that begins in a slot: of the first and the last one
// only the part that it runs in. It counts the same seconds wherever the run begins,
// for where all slots are alike nothing is gained by waiting for the next one.
func (s *SlotPlanner) costOf(j *SlotJob, v *slotPrice, t, length int) int64 {
	c := (v.prefix[t+length] - v.prefix[t]) * slotSeconds
	over := int64(length)*slotSeconds - int64((j.Run+time.Second-1)/time.Second)
	if t == 0 {
		passed := int64(s.p.Passed / time.Second)
		c -= v.cost[0] * passed
		over -= passed
	}
	return c - v.cost[t+length-1]*over
}

// prefers tells whether a policy would rather start at t than at the best so far.
// costs are those of the two runs, and of one that starts as soon as it can.
func (s *SlotPlanner) prefers(v *slotPrice, t, best int, costs [3]int64, length int) bool {
	c, least, now := costs[0], costs[1], costs[2]
	switch s.p.Policy {
	case "lowest-slot":
		return v.cost[t] < v.cost[best]
	case "carbon-time":
		// Saved for each slot until the job would end, without dividing.
		return (now-c)*int64(best+length) > (now-least)*int64(t+length)
	case "threshold":
		return true // no slot was below the limit so far: it waits until its slack is spent
	case "no-wait":
		return false
	}
	return c < least
}

// cheapest picks the cheapest slots with room, of equal ones the earlier.
func (s *SlotPlanner) cheapest(j *SlotJob, v *slotPrice) []int32 {
	s.picked = s.picked[:0]
	need := s.p.length(j.Run, 1)
	if j.Running {
		s.picked = append(s.picked, 0)
		need = s.p.length(j.Run, 0)
	}
	for _, t := range v.sorted {
		if len(s.picked) >= need {
			break
		}
		if int(t) >= len(s.fits) || s.fits[t] == 0 || t == 0 && j.Running {
			continue
		}
		s.picked = append(s.picked, t)
		if t == 0 {
			need = s.p.length(j.Run, 0)
		}
	}
	if len(s.picked) < need {
		return nil
	}
	slices.Sort(s.picked)
	return s.picked
}

// earliest picks the first slots with room.
func (s *SlotPlanner) earliest(j *SlotJob) []int32 {
	s.picked = s.picked[:0]
	need := s.p.length(j.Run, 1)
	for t := int32(0); int(t) < len(s.fits) && len(s.picked) < need; t++ {
		if s.fits[t] > 0 {
			s.picked = append(s.picked, t)
			if t == 0 {
				need = s.p.length(j.Run, 0)
			}
		}
	}
	if len(s.picked) < need {
		return nil
	}
	return s.picked
}

// belowLimit picks the slots below the threshold, and all once the slack is
// spent.
func (s *SlotPlanner) belowLimit(j *SlotJob, v *slotPrice) []int32 {
	s.picked = s.picked[:0]
	need := s.p.length(j.Run, 1)
	room := 0
	for t := range s.fits {
		room += min(int(s.fits[t]), 1)
	}
	for t := int32(0); int(t) < len(s.fits) && len(s.picked) < need; t++ {
		if s.fits[t] == 0 {
			continue
		}
		if v.cost[t] < v.limit[t] || t == 0 && j.Running || room <= need-len(s.picked) {
			s.picked = append(s.picked, t)
			if t == 0 {
				need = s.p.length(j.Run, 0)
			}
		}
		room--
	}
	if len(s.picked) < need {
		return nil
	}
	return s.picked
}

// pausing joins slots to spans.
func (s *SlotPlanner) pausing(j *SlotJob, v *slotPrice, slots []int32) (SlotChoice, bool) {
	if len(slots) == 0 || j.StartBy >= 0 && int(slots[0]) > j.StartBy {
		return SlotChoice{}, false
	}
	var c SlotChoice
	for _, t := range slots {
		c.Cost += v.cost[t] * slotSeconds
		if n := len(c.Spans); n > 0 && c.Spans[n-1].To == int(t) {
			c.Spans[n-1].To++
			continue
		}
		c.Spans = append(c.Spans, SlotSpan{int(t), int(t) + 1})
	}
	return c, true
}
