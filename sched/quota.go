package sched

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// Quotas is what the declared queues are guaranteed and what they use now.
// Queues count from 1 in the order they were declared; 0 is no queue, which no
// quota limits. It is changed by the fold of records and, within a cycle, by
// proposals that are taken back.
//
// A queue uses what it does not lend first, then the pool of its cohort, which
// holds what all of them lend. A resource that no queue of a cohort is
// guaranteed is not limited there.
type Quotas struct {
	names    []string // of the resources that have a quota anywhere
	model    []int16  // of each resource: the model's index, or one of the three below
	queues   []queueQuota
	cohorts  []cohortQuota
	byName   map[job.Queue]int16
	modelDim []int // resources that are models
}

// The resources that are not models.
const (
	ofCPU    int16 = -1
	ofMemory int16 = -2
	ofMilli  int16 = -3
)

// unlimited is a limit that is never reached; sums of it do not overflow.
const unlimited = math.MaxInt64 / 8

// queueQuota has one value for each resource of Quotas.names.
type queueQuota struct {
	name                     job.Queue
	cohort                   int16
	guaranteed, borrow, lend []int64
	used                     []int64
	held                     Usage // for fair share between queues
}

// cohortQuota is what a cohort shares. A queue without a cohort has one of its
// own.
type cohortQuota struct {
	name   string
	limits []bool  // the resources that are limited
	pool   []int64 // lent by all queues
	taken  []int64 // of the pool, by the lenders themselves or by borrowers
	queues []int16
}

// NewQuotas returns the quotas of declared queues with nothing in use; nil when
// none is declared.
func NewQuotas(q *job.Queueing, c *Capacity) *Quotas {
	if q == nil || len(q.Queues) == 0 {
		return nil
	}
	s := &Quotas{queues: make([]queueQuota, 1, len(q.Queues)+1), byName: map[job.Queue]int16{}}
	for i := range q.Queues {
		for _, list := range [][]job.Amount{q.Queues[i].Guaranteed, q.Queues[i].Borrow, q.Queues[i].Lend} {
			for _, a := range list {
				s.addResource(a.Resource, c)
			}
		}
	}
	cohorts := map[string]int16{}
	for i := range q.Queues {
		s.addQueue(&q.Queues[i], cohorts)
	}
	for k := range s.cohorts {
		s.cohorts[k].taken = make([]int64, len(s.names))
	}
	return s
}

func (s *Quotas) addResource(name string, c *Capacity) {
	if slices.Contains(s.names, name) {
		return
	}
	m := ofMilli
	switch name {
	case fleet.CPUs:
		m = ofCPU
	case fleet.Memory:
		m = ofMemory
	case fleet.Accelerators:
	default:
		i, known := c.modelIndex[fleet.Model(name)]
		if !known {
			return // no node has it, so nothing can use it
		}
		m = int16(i)
		s.modelDim = append(s.modelDim, len(s.names))
	}
	s.names, s.model = append(s.names, name), append(s.model, m)
}

func (s *Quotas) addQueue(r *job.QueueRule, cohorts map[string]int16) {
	n := int16(len(s.queues))
	key := "cohort " + r.Cohort
	if r.Cohort == "" {
		key = "queue " + string(r.Name)
	}
	k, ok := cohorts[key]
	if !ok {
		k = int16(len(s.cohorts))
		cohorts[key] = k
		s.cohorts = append(s.cohorts, cohortQuota{name: r.Cohort, limits: make([]bool, len(s.names)), pool: make([]int64, len(s.names))})
	}
	q := queueQuota{name: r.Name, cohort: k, used: make([]int64, len(s.names)), held: Usage{Weight: max(r.Weight, 1)}}
	var given []bool
	q.guaranteed, given = s.vector(r.Guaranteed, 0)
	q.borrow, _ = s.vector(r.Borrow, unlimited)
	q.lend, _ = s.vector(r.Lend, unlimited)
	c := &s.cohorts[k]
	for d := range s.names {
		q.lend[d] = min(q.lend[d], q.guaranteed[d])
		c.limits[d] = c.limits[d] || given[d]
		c.pool[d] += q.lend[d]
	}
	c.queues = append(c.queues, n)
	s.queues = append(s.queues, q)
	s.byName[r.Name] = n
}

func (s *Quotas) vector(list []job.Amount, missing int64) (v []int64, given []bool) {
	v, given = make([]int64, len(s.names)), make([]bool, len(s.names))
	for d := range v {
		v[d] = missing
	}
	for _, a := range list {
		if d := slices.Index(s.names, a.Resource); d >= 0 {
			v[d], given[d] = a.Units, true
		}
	}
	return v, given
}

// Number returns the number of a queue; 0 when it is not declared.
func (s *Quotas) Number(q job.Queue) int16 {
	if s == nil {
		return 0
	}
	return s.byName[q]
}

// clone returns quotas that change on their own.
func (s *Quotas) Clone() *Quotas {
	if s == nil {
		return nil
	}
	t := *s
	t.queues, t.cohorts = slices.Clone(s.queues), slices.Clone(s.cohorts)
	for i := range t.queues {
		t.queues[i].used = slices.Clone(s.queues[i].used)
	}
	for i := range t.cohorts {
		t.cohorts[i].taken = slices.Clone(s.cohorts[i].taken)
	}
	return &t
}

// amount returns what an allocation takes of resource d.
func (s *Quotas) amount(d int, a *Alloc, model uint8) int64 {
	switch m := s.model[d]; m {
	case ofCPU:
		return int64(a.CPU)
	case ofMemory:
		return int64(a.Memory)
	case ofMilli:
		return int64(a.Milli())
	default:
		if m != int16(model) {
			return 0
		}
		return int64(a.Milli())
	}
}

// Add enters an allocation on a node of a model into the use of its queue (sign
// 1) or takes it out (-1).
func (s *Quotas) Add(a *Alloc, model uint8, sign int64) {
	if s == nil || a.Queue == 0 {
		return
	}
	q := &s.queues[a.Queue]
	c := &s.cohorts[q.cohort]
	for d := range s.names {
		v := s.amount(d, a, model)
		if v == 0 {
			continue
		}
		before := q.fromPool(d)
		q.used[d] += sign * v
		c.taken[d] += q.fromPool(d) - before
	}
	q.held.add(a, sign)
}

// fromPool returns what a queue takes of the pool of its cohort.
func (q *queueQuota) fromPool(d int) int64 {
	return max(0, q.used[d]-(q.guaranteed[d]-q.lend[d]))
}

// room returns how much more of resource d a queue may use now.
func (s *Quotas) room(q *queueQuota, d int) int64 {
	c := &s.cohorts[q.cohort]
	if !c.limits[d] {
		return unlimited
	}
	own := max(0, q.guaranteed[d]-q.lend[d]-q.used[d])
	return min(q.guaranteed[d]+q.borrow[d]-q.used[d], own+max(0, c.pool[d]-c.taken[d]))
}

// need is what one task, or a whole gang, asks of every resource: models apart.
type need struct{ cpu, memory, milli int64 }

func (n *need) of(model int16) int64 {
	switch model {
	case ofCPU:
		return n.cpu
	case ofMemory:
		return n.memory
	case ofMilli:
		return n.milli
	}
	return 0
}

// on returns what is used of a resource of a model where it runs on a node of one.
func (n *need) on(node, model int16) int64 {
	if model >= 0 && model == node {
		return n.milli
	}
	return n.of(model)
}

// add adds what an allocation holds.
func (n *need) add(a *Alloc) {
	n.cpu, n.memory, n.milli = n.cpu+int64(a.CPU), n.memory+int64(a.Memory), n.milli+int64(a.Milli())
}

// QuotaUse says how a queue stood in the resource that held a job back. In the
// unit of the resource: milli CPU, MiB, thousandths of accelerators.
type QuotaUse struct {
	Resource   string // empty = no quota is in the way
	Asked      int64
	Used       int64
	Guaranteed int64
	Borrowable int64 // beyond what is used, of guarantee and loans together
}

// short says how a queue stands in a resource it has too little of, and which
// cause that is.
func (s *Quotas) short(q *queueQuota, d int, asked int64) (Cause, QuotaUse) {
	u := QuotaUse{Resource: s.names[d], Asked: asked, Used: q.used[d], Guaranteed: q.guaranteed[d], Borrowable: max(0, s.room(q, d))}
	switch {
	case q.used[d]+asked <= q.guaranteed[d]:
		return Reclaiming, u
	case q.used[d]+asked > q.guaranteed[d]+q.borrow[d]:
		return BorrowLimit, u
	}
	return OverQuota, u
}

// limits finds the first resource, models apart, that a queue has too little of;
// when several are short, one beyond the guarantee counts first, for there
// reclaiming does not help.
func (s *Quotas) limits(q *queueQuota, n *need) (Cause, QuotaUse) {
	cause, use := None, QuotaUse{}
	for d, m := range s.model {
		if v := n.of(m); v > 0 && v > s.room(q, d) {
			if c, u := s.short(q, d, v); cause == None || cause == Reclaiming {
				cause, use = c, u
			}
		}
	}
	return cause, use
}

// barred returns the models of which a queue may not use so much more, as a set,
// and how it stands in the first of them.
func (s *Quotas) barred(q *queueQuota, accept uint64, milli int64) (set uint64, cause Cause, use QuotaUse) {
	for _, d := range s.modelDim {
		if accept>>s.model[d]&1 == 0 || milli <= s.room(q, d) {
			continue
		}
		set |= 1 << s.model[d]
		if c, u := s.short(q, d, milli); cause == None || c == Reclaiming {
			cause, use = c, u // of several models one is enough
		}
	}
	return set, cause, use
}

// unclaimable returns the models of which a queue has too little left and is not
// guaranteed enough to reclaim it.
func (s *Quotas) unclaimable(q *queueQuota, milli int64) (set uint64) {
	for _, d := range s.modelDim {
		if milli > s.room(q, d) && q.used[d]+milli > q.guaranteed[d] {
			set |= 1 << s.model[d]
		}
	}
	return set
}

// holds reports whether a queue is guaranteed so much more of a model.
func (s *Quotas) holds(q *queueQuota, model uint8, milli int64) bool {
	limits := s.cohorts[q.cohort].limits
	for _, d := range s.modelDim {
		if limits[d] && s.model[d] == int16(model) && q.used[d]+milli > q.guaranteed[d] {
			return false
		}
	}
	return true
}

// spread tells whether all accepted models together leave a queue so much; one
// without a quota is enough.
func (s *Quotas) spread(q *queueQuota, accept uint64, milli int64) (Cause, QuotaUse) {
	left, first := int64(0), -1
	for _, d := range s.modelDim {
		if accept>>s.model[d]&1 != 0 {
			accept &^= 1 << s.model[d]
			left += max(0, s.room(q, d))
			if first < 0 {
				first = d
			}
		}
	}
	if accept != 0 || first < 0 || milli <= left {
		return None, QuotaUse{}
	}
	return s.short(q, first, milli)
}

// borrows reports whether a job would use more than its queue is guaranteed.
func (s *Quotas) borrows(q *queueQuota, n *need, accept uint64) bool {
	limits := s.cohorts[q.cohort].limits
	for d, m := range s.model {
		if v := n.of(m); limits[d] && v > 0 && q.used[d]+v > q.guaranteed[d] {
			return true
		}
	}
	if n.milli == 0 || len(s.modelDim) == 0 {
		return false
	}
	over := uint64(0)
	for _, d := range s.modelDim {
		if limits[d] && q.used[d]+n.milli > q.guaranteed[d] {
			over |= 1 << s.model[d]
		}
	}
	return accept&^over == 0
}

// inUnits prints an amount of a resource in the unit people use.
func inUnits(resource string, v int64) string {
	switch {
	case resource == fleet.Memory && v <= math.MaxInt32:
		return unit.MiB(v).String()
	case resource == fleet.Memory:
		return strconv.FormatInt(v>>10, 10) + "GiB"
	}
	return strconv.FormatFloat(float64(v)/1000, 'f', -1, 64)
}

// named prints an amount of a resource with its name: 1 accelerator, 4GiB memory.
func named(resource string, v int64) string {
	if resource == fleet.Accelerators && v == int64(unit.Whole) {
		return "1 accelerator"
	}
	return inUnits(resource, v) + " " + resource
}

// String says how the queue stood, in words.
func (u *QuotaUse) String() string {
	return fmt.Sprintf("%s asked, %s used, %s guaranteed, %s left to use",
		named(u.Resource, u.Asked), inUnits(u.Resource, u.Used), inUnits(u.Resource, u.Guaranteed), inUnits(u.Resource, u.Borrowable))
}
