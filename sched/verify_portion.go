package sched

import (
	"fmt"
	"math/bits"
	"slices"

	"tianfu/fleet"
	"tianfu/unit"
)

// checkPortions holds the placements of a plan to what reservations keep of nodes: at
// no instant from now to its expected end does a task, with what else runs there by
// then, leave a queue less than is kept for it - except what was too little before.
func (v *Verifier) checkPortions(s *Snapshot, p *Plan, now unit.Instant) error {
	c := s.Capacity
	if c.parts == nil {
		return nil
	}
	for i := range p.Placements {
		at := &p.Placements[i]
		for k := range c.parts[at.Node] {
			opens, end := max(c.parts[at.Node][k].From, now), at.Alloc.End
			if end == unit.Never {
				end = now.Add(bookedAhead)
			}
			if end <= opens && opens > now || c.parts[at.Node][k].To <= now {
				continue
			}
			if err := v.besidePortions(s, p, i, opens, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// besidePortions checks one placement at the instant a window opens.
func (v *Verifier) besidePortions(s *Snapshot, p *Plan, i int, opens, now unit.Instant) error {
	c, one := s.Capacity, &p.Placements[i]
	n := one.Node
	var work []Alloc
	for _, id := range c.onNode[n] {
		if a := c.allocs[id]; (opens == now || a.End > opens) && !slices.ContainsFunc(p.Moves, func(m Move) bool { return m.Alloc == id }) {
			work = append(work, a)
		}
	}
	for _, m := range p.Moves {
		if a := c.allocs[m.Alloc]; m.Node == n && (opens == now || a.End > opens) {
			a.Devices = m.Devices
			work = append(work, a)
		}
	}
	for k := range p.Placements[:i+1] {
		if a := p.Placements[k].Alloc; a.Node == n && a.End > opens {
			work = append(work, a)
		}
	}
	rights := map[int16]fleet.Portion{}
	for k := range c.parts[n] {
		if q := &c.parts[n][k]; q.From <= opens && q.To > opens && q.queue != one.Alloc.Queue {
			rights[q.queue] = rights[q.queue].And(fleet.Portion{CPU: unit.MilliCPU(q.cpu), Memory: unit.MiB(q.mem), Accelerators: q.devices})
		}
	}
	var used, kept fleet.Portion
	var touched uint16
	for k := range work {
		used.CPU, used.Memory = used.CPU+unit.MilliCPU(work[k].CPU), used.Memory+unit.MiB(work[k].Memory)
		touched |= work[k].Devices
	}
	for queue, right := range rights {
		var theirs fleet.Portion
		var devices, others uint16
		for k := range work {
			if work[k].Queue == queue {
				theirs.CPU, theirs.Memory = theirs.CPU+unit.MilliCPU(work[k].CPU), theirs.Memory+unit.MiB(work[k].Memory)
				devices |= work[k].Devices
			} else {
				others |= work[k].Devices
			}
		}
		theirs.Accelerators = bits.OnesCount16(devices &^ others)
		kept = kept.And(right.Without(theirs)) // a sum: the order of the queues does not show
	}
	spec := &c.specs[n]
	for k := range spec.Devices {
		if spec.Devices[k].Cordoned || spec.Devices[k].Health != fleet.Healthy {
			touched |= 1 << k
		}
	}
	lacks := func(has, used, kept int64) bool { return kept > 0 && used+kept > has }
	if a := &one.Alloc; lacks(int64(spec.CPU), int64(used.CPU), int64(kept.CPU)) && a.CPU > 0 ||
		lacks(int64(spec.Memory), int64(used.Memory), int64(kept.Memory)) && a.Memory > 0 ||
		lacks(int64(len(spec.Devices)), int64(bits.OnesCount16(touched)), int64(kept.Accelerators)) && a.Devices != 0 {
		return fmt.Errorf("%s/%d on node %s would use what is kept there for another queue", one.Job, one.Task, spec.ID)
	}
	return nil
}
