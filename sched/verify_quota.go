package sched

import (
	"fmt"

	"tianfu/fleet"
	"tianfu/job"
)

// tally is what a queue uses, as the verifier counts it: by resource name.
type tally map[string]int64

func (t tally) add(r *job.Request, n *fleet.Node, times int64) {
	t[fleet.CPUs] += times * int64(r.CPU)
	t[fleet.Memory] += times * int64(r.Memory)
	devices := times * int64(r.Accelerators) * int64(r.Share)
	if r.Partition != "" {
		return // its share is the capacity's to say; addAlloc counts it
	}
	t[fleet.Accelerators] += devices
	t[string(n.Model)] += devices
}

func (t tally) addAlloc(a *Alloc, n *fleet.Node, times int64) {
	t[fleet.CPUs] += times * int64(a.CPU)
	t[fleet.Memory] += times * int64(a.Memory)
	t[fleet.Accelerators] += times * int64(a.Milli())
	t[string(n.Model)] += times * int64(a.Milli())
}

// quotas checks every queue that the plan starts work for: with it the queue
// stays within its guarantee and its borrowing limit, and its cohort within
// what its queues lend. What runs is counted again now and then, and taken from
// the state in between: counting costs what runs, and a cycle must not.
func (v *Verifier) quotas(s *Snapshot, p *Plan) error {
	if s.Quotas == nil || len(p.Placements) == 0 {
		return nil
	}
	used := v.inUse(s)
	v.cycles++
	if v.cycles%(1+uint64(len(s.Capacity.allocs))/512) == 0 {
		if err := recount(s, used); err != nil {
			return err
		}
	}
	touched := map[int16]bool{}
	for i := range p.Moves {
		a := &s.Capacity.allocs[p.Moves[i].Alloc]
		if a.Queue != 0 {
			used[a.Queue].addAlloc(a, &s.Capacity.specs[a.Node], -1)
			used[a.Queue].addAlloc(a, &s.Capacity.specs[p.Moves[i].Node], 1)
		}
	}
	for i := range p.Placements {
		a := &p.Placements[i].Alloc
		e := s.Waiting.at(p.Placements[i].Handle)
		if want := s.Quotas.byName[e.spec.Queue]; a.Queue != want {
			return fmt.Errorf("%s of queue %q is counted to another", a.Job, e.spec.Queue)
		}
		if a.Queue == 0 {
			continue
		}
		n := &s.Capacity.specs[a.Node]
		if r := e.spec.Request(a.Task); r.Partition == "" {
			used[a.Queue].add(r, n, 1)
		} else {
			used[a.Queue].addAlloc(a, n, 1)
		}
		touched[a.Queue] = true
	}
	for i := range p.Placements {
		k := p.Placements[i].Alloc.Queue
		if !touched[k] {
			continue
		}
		touched[k] = false
		if err := within(s.Quotas, k, used); err != nil {
			return err
		}
	}
	return nil
}

// inUse takes what queues use from the state.
func (v *Verifier) inUse(s *Snapshot) []tally {
	out := make([]tally, len(s.Quotas.queues))
	for k := 1; k < len(out); k++ {
		out[k] = tally{}
		for d, name := range s.Quotas.names {
			out[k][name] = s.Quotas.queues[k].used[d]
		}
	}
	return out
}

// recount sums up what runs and compares.
func recount(s *Snapshot, used []tally) error {
	sums := make([]tally, len(used))
	for k := range sums {
		sums[k] = tally{}
	}
	for n := range s.Capacity.onNode {
		for _, id := range s.Capacity.onNode[n] {
			a := &s.Capacity.allocs[id]
			sums[a.Queue].addAlloc(a, &s.Capacity.specs[n], 1)
		}
	}
	for k := 1; k < len(used); k++ {
		for name, v := range used[k] {
			if sums[k][name] != v {
				return fmt.Errorf("queue %s uses %d of %s, and is said to use %d", s.Quotas.queues[k].name, sums[k][name], name, v)
			}
		}
	}
	return nil
}

// within checks a queue and its cohort against what was declared.
func within(q *Quotas, k int16, used []tally) error {
	me := &q.queues[k]
	for d, name := range q.names {
		limited, lent, taken := false, int64(0), int64(0)
		for o := range q.queues {
			x := &q.queues[o]
			if o == 0 || x.cohort != me.cohort {
				continue
			}
			limited = limited || q.cohorts[x.cohort].limits[d]
			lent += x.lend[d]
			if over := used[o][name] - (x.guaranteed[d] - x.lend[d]); over > 0 {
				taken += over
			}
		}
		switch {
		case !limited || used[k][name] <= me.used[d]: // what it had before is no fault of the plan
		case used[k][name] > me.guaranteed[d]+me.borrow[d]:
			return fmt.Errorf("queue %s would use %d of %s: it is guaranteed %d and may borrow %d", me.name, used[k][name], name, me.guaranteed[d], me.borrow[d])
		case taken > lent:
			return fmt.Errorf("queue %s would use %d of %s: its cohort lends %d and %d would be taken", me.name, used[k][name], name, lent, taken)
		}
	}
	return nil
}

// leave takes an evicted allocation off the books of its queue.
func (v *Verifier) leave(s *Snapshot, p *Preemption) {
	if s.Quotas == nil {
		return
	}
	a := &s.Capacity.allocs[p.Alloc]
	v.books(s)[a.Queue].addAlloc(a, &s.Capacity.specs[a.Node], -1)
	if v.taken == nil {
		v.taken = map[job.ID]bool{}
	}
	v.taken[a.Job] = true
}

// books returns what queues use without what leaves: what was told to before is as
// good as gone.
func (v *Verifier) books(s *Snapshot) []tally {
	if v.left != nil {
		return v.left
	}
	v.left = v.inUse(s)
	for id := range s.Capacity.allocs {
		if a := &s.Capacity.allocs[id]; a.Job != 0 && a.Evicting && a.Queue != 0 {
			v.left[a.Queue].addAlloc(a, &s.Capacity.specs[a.Node], -1)
		}
	}
	return v.left
}

// guaranteed reports whether an allocation is inside the guarantee of its queue
// in everything it uses, and uses something that is limited.
func (v *Verifier) guaranteed(s *Snapshot, a *Alloc) bool {
	if v.taken[a.Job] {
		return false // the rest of a gang leaves with it
	}
	q := &s.Quotas.queues[a.Queue]
	used, one := v.books(s)[a.Queue], tally{}
	one.addAlloc(a, &s.Capacity.specs[a.Node], 1)
	for id := range s.Capacity.allocs { // a gang leaves whole
		if b := &s.Capacity.allocs[id]; a.Gang && b.Job == a.Job && b != a {
			one.addAlloc(b, &s.Capacity.specs[b.Node], 1)
		}
	}
	limited := false
	for d, name := range s.Quotas.names {
		if !s.Quotas.cohorts[q.cohort].limits[d] || one[name] == 0 {
			continue
		}
		if limited = true; used[name] > q.guaranteed[d] {
			return false
		}
	}
	return limited
}

// reclaim checks that what is taken back was lent: it is beyond the guarantee of
// its queue, and the job it is taken for stays within that of its own, in the
// same cohort.
func (v *Verifier) reclaim(s *Snapshot, a *Alloc, e *entry) error {
	k := s.Quotas.Number(e.spec.Queue)
	if k == 0 || a.Queue == 0 || a.Queue == k || s.Quotas.queues[k].cohort != s.Quotas.queues[a.Queue].cohort {
		return fmt.Errorf("%s reclaims from %s, whose queue lends it nothing", e.job, a.Job)
	}
	if v.guaranteed(s, a) {
		return fmt.Errorf("%s reclaims from %s, which is inside the guarantee of its queue", e.job, a.Job)
	}
	q, used := &s.Quotas.queues[k], v.books(s)[k]
	r := &e.spec.Groups[0].Request
	for d, name := range s.Quotas.names {
		asked := map[string]int64{fleet.CPUs: int64(r.CPU), fleet.Memory: int64(r.Memory)}[name]
		if s.Quotas.cohorts[q.cohort].limits[d] && asked > 0 && used[name]+asked > q.guaranteed[d] {
			return fmt.Errorf("%s reclaims, and with it its queue would use %d of %s: it is guaranteed %d", e.job, used[name]+asked, name, q.guaranteed[d])
		}
	}
	return nil
}
