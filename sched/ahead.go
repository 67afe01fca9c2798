package sched

import (
	"tianfu/job"
	"tianfu/unit"
)

// Ahead is what stands in the line before a job.
type Ahead struct {
	Jobs    int
	Tasks   int
	Devices int64 // asked for, in milli
	CPU     int64 // milli
}

// AheadOf counts what stands before a job in the order that a cycle would walk
// now. Shares move as work starts, so a count is true of its instant only.
func AheadOf(s *Snapshot, h Handle) (out Ahead) {
	e := s.Waiting.at(h)
	if e == nil {
		return out
	}
	d := Decider{Snapshot: s}
	mine := d.order.cursor(&d, e.group, int32(h))
	for i := range s.Waiting.entries {
		x := &s.Waiting.entries[i]
		if x.spec == nil || int32(i) == int32(h) {
			continue
		}
		if c := d.order.cursor(&d, x.group, int32(i)); !c.before(&mine) {
			continue
		}
		out.Jobs++
		at := int32(0)
		for g := range x.spec.Groups {
			n := x.waitingOf(at, int32(x.spec.Groups[g].Count))
			at += int32(x.spec.Groups[g].Count)
			q := &x.spec.Groups[g].Request
			out.Tasks += int(n)
			out.Devices += n * int64(q.Accelerators) * int64(q.Share)
			out.CPU += n * int64(q.CPU)
		}
	}
	return out
}

// waitingOf counts the tasks still to place among count from a number on.
func (e *entry) waitingOf(from, count int32) (n int64) {
	if e.pending == nil {
		return int64(count)
	}
	for _, t := range e.pending {
		if t >= from && t < from+count {
			n++
		}
	}
	return n
}

// Room is what lies free for a request, wherever it is.
type Room struct {
	Nodes   int      // open, and of an accepted model
	Devices int64    // free, in milli
	Over    int      // nodes that have any of it
	Most    int64    // free on the best node, in milli
	CPU     int64    // free, in milli
	MostCPU int64    // on the best node
	Memory  unit.MiB // free on the node that has most
}

// RoomFor sums up what is free on the nodes that could take a task if they were
// empty.
func (c *Capacity) RoomFor(q *job.Request) (out Room) {
	s := c.keyOf(q)
	for n := range c.nodes {
		nd := &c.nodes[n]
		if nd.blocked != None || s.count > 0 && (nd.devices == 0 || s.accept>>nd.model&1 == 0) {
			continue
		}
		out.Nodes++
		free := int64(nd.sum)
		if q.Share == unit.Whole {
			free = int64(nd.free) * int64(unit.Whole)
		}
		out.Devices, out.Most = out.Devices+free, max(out.Most, free)
		out.CPU, out.MostCPU = out.CPU+int64(nd.cpu), max(out.MostCPU, int64(nd.cpu))
		out.Memory = max(out.Memory, unit.MiB(nd.mem))
		if s.count > 0 && free > 0 || s.count == 0 && nd.cpu > 0 {
			out.Over++
		}
	}
	return out
}
