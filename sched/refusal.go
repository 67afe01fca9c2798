package sched

import "tianfu/unit"

// refusal is why a task found no node. Tasks of a group differ only in memory and
// in when they are expected to end; so where a reservation lets the next of a group
// be looked at, one that is alike is refused for the same reason without a search.
type refusal struct {
	ask     Ask
	outlast int    // how many reservations begin before its expected end
	barred  uint64 // models that its queue may not use
	why     Reason
}

// refusals are those of a group while nothing changes.
type refusals struct {
	at   moment
	list []refusal
}

// moment tells states of a cycle apart: what takes or frees capacity, proposes or
// reserves makes another one.
type moment struct {
	cycle                         uint64
	changes, placements, promised int
}

// maxRefusals bounds how many a group keeps.
const maxRefusals = 64

func (d *Decider) moment() moment {
	m := moment{d.Waiting.cycle, d.Capacity.changes.end(), len(d.plan.Placements), len(d.plan.Others)}
	if d.plan.Reservation != nil {
		m.promised++
	}
	return m
}

// like returns the refusal that a task would meet if it were looked at now, without
// its reason. There is none where more than what it holds decides.
func (d *Decider) like(t *task, i int32) (r refusal, ok bool) {
	e := &d.Waiting.entries[i]
	if d.within.on || d.budget.any || d.Capacity.windows > 0 || t.job == d.head || e.spec.ExpectedRunOn != nil {
		return r, false
	}
	r = refusal{ask: t.ask, barred: d.barred}
	end := unit.Never
	if e.spec.ExpectedRun > 0 {
		end = d.now.Add(e.spec.ExpectedRun)
	}
	if p := d.plan.Reservation; p != nil && p.At < end {
		r.outlast++
	}
	for k := range d.plan.Others {
		if d.plan.Others[k].At < end {
			r.outlast++
		}
	}
	return r, true
}

// refusedAs returns why one like it was refused; nil when none was.
func (d *Decider) refusedAs(r *refusal, i int32) *Reason {
	g := int(d.Waiting.entries[i].group)
	if g >= len(d.refused) || d.refused[g].at != d.moment() {
		return nil
	}
	for k := range d.refused[g].list {
		if x := &d.refused[g].list[k]; x.ask == r.ask && x.outlast == r.outlast && x.barred == r.barred {
			return &x.why
		}
	}
	return nil
}

// refuse notes why a task found no node.
func (d *Decider) refuse(r refusal, i int32, why *Reason) {
	g := int(d.Waiting.entries[i].group)
	for g >= len(d.refused) {
		d.refused = append(d.refused, refusals{})
	}
	x := &d.refused[g]
	if now := d.moment(); x.at != now {
		x.at, x.list = now, x.list[:0]
	}
	if len(x.list) < maxRefusals {
		r.why = *why
		x.list = append(x.list, r)
	}
}
