package sched

import (
	"cmp"
	"fmt"
	"slices"

	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// booked is a window in which only jobs of a queue run on a node.
type booked = Keeper

// bookedAhead is how far ahead a reservation keeps off work whose run time is
// unknown: it does not fit before one.
const bookedAhead = 30 * 24 * 60 * 60 * 1e9

// Book enters the reservations in place of those entered before; number finds a
// node, and quotas the number of a queue.
func (c *Capacity) Book(list []fleet.Booking, number func(fleet.NodeID) (int32, bool), quotas *Quotas) {
	if len(list) == 0 && c.booked == nil {
		return
	}
	c.booked, c.parts, c.windows = make([][]booked, len(c.nodes)), nil, 0
	for n := range c.specs {
		if len(c.specs[n].Maintenance) > 0 {
			c.windows++
		}
	}
	for i := range list {
		for k, id := range list[i].Nodes {
			n, ok := number(id)
			if !ok {
				continue
			}
			if len(c.booked[n]) == 0 && len(c.specs[n].Maintenance) == 0 && !c.hasParts(n) {
				c.windows++
			}
			if list[i].Portions != nil {
				c.enterParts(&list[i], n, list[i].Portions[k], quotas.Number(job.Queue(list[i].Queue)))
				continue
			}
			for _, s := range list[i].Spans {
				c.booked[n] = append(c.booked[n], booked{s, list[i].Name, job.Queue(list[i].Queue)})
			}
		}
	}
	for n := range c.booked {
		slices.SortFunc(c.booked[n], func(a, b booked) int { return cmp.Compare(a.From, b.From) })
	}
	c.sortParts()
}

// entersBooked reports whether a task started now on node n would run in a
// window that is another queue's.
func (d *Decider) entersBooked(n int32, spec *job.Spec) bool {
	if d.Capacity.booked == nil || len(d.Capacity.booked[n]) == 0 {
		return false
	}
	end := d.expectedEnd(spec, n)
	if end == unit.Never {
		end = d.now.Add(bookedAhead)
	}
	list := d.Capacity.booked[n]
	k, _ := slices.BinarySearchFunc(list, d.now, func(b booked, now unit.Instant) int {
		if b.To <= now {
			return -1
		}
		return 1
	})
	for ; k < len(list) && list[k].From < end; k++ {
		if list[k].Queue != spec.Queue {
			d.keptBy(&list[k])
			return true
		}
	}
	return false
}

// keptBy notes the first reservation that keeps a task off a node.
func (d *Decider) keptBy(k *Keeper) {
	if d.keeper == nil {
		d.keeper = k
	}
}

// unbooked checks a placement against the reservations, window by window.
func (v *Verifier) unbooked(c *Capacity, p *Placement, queue job.Queue, now unit.Instant) error {
	if c.booked == nil {
		return nil
	}
	for _, b := range c.booked[p.Node] {
		if b.Queue != queue && now < b.To && (now >= b.From || p.Alloc.End != unit.Never && p.Alloc.End > b.From) {
			return fmtBooked(p, c, b)
		}
	}
	return nil
}

func fmtBooked(p *Placement, c *Capacity, b booked) error {
	return fmt.Errorf("%s/%d on node %s would run in a window that is reserved for queue %s", p.Job, p.Task, c.specs[p.Node].ID, b.Queue)
}
