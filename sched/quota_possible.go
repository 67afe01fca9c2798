package sched

import (
	"fmt"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
)

// possible returns an error when a job asks for more than its queue could ever
// use, of guarantee and loans together: one task of it, or the whole of a gang.
func (s *Quotas) possible(c *Capacity, number int16, spec *job.Spec) error {
	if s == nil || number == 0 {
		return nil
	}
	q := &s.queues[number]
	var all need
	for i := range spec.Groups {
		r := &spec.Groups[i].Request
		k := c.keyOf(r)
		times := int64(1)
		if spec.Gang {
			times = int64(spec.Groups[i].Count)
		}
		n := need{times * int64(r.CPU), times * int64(r.Memory), times * int64(k.share) * int64(k.count)}
		if r.Accelerators > 0 {
			if err := s.possibleModels(q, k.accept&(1<<len(c.models)-1), n.milli, spec.Gang); err != nil {
				return err
			}
			if err := s.possibleNodes(c, q, k, r); err != nil {
				return err
			}
			if spec.Gang && spec.Groups[i].Count > 1 {
				if err := s.possibleGang(c, q, k, spec, &spec.Groups[i]); err != nil {
					return err
				}
			}
		}
		if spec.Gang {
			all.cpu, all.memory, all.milli = all.cpu+n.cpu, all.memory+n.memory, all.milli+n.milli
		} else {
			all.cpu, all.memory, all.milli = max(all.cpu, n.cpu), max(all.memory, n.memory), max(all.milli, n.milli)
		}
	}
	for d, m := range s.model {
		if most := s.most(q, d); all.of(m) > most {
			return s.never(q, d, all.of(m), most)
		}
	}
	return nil
}

// tooFew returns the models of which a queue could not use enough for one task.
func (s *Quotas) tooFew(number int16, k shapeKey) (models uint64) {
	if s == nil || number == 0 || k.count == 0 {
		return 0
	}
	for _, d := range s.modelDim {
		if s.most(&s.queues[number], d) < int64(k.share)*int64(k.count) {
			models |= 1 << s.model[d]
		}
	}
	return models
}

// mostOfModels returns what a queue could use of every model, below 0 where
// nothing limits it; nil where nothing does.
func (s *Quotas) mostOfModels(c *Capacity, number int16) []int64 {
	if s == nil || number == 0 || len(s.modelDim) == 0 {
		return nil
	}
	out := make([]int64, len(c.models))
	for m := range out {
		out[m] = -1
	}
	limited := false
	for _, d := range s.modelDim {
		if most, m := s.most(&s.queues[number], d), int(s.model[d]); most != unlimited && m < len(out) {
			out[m], limited = most, true
		}
	}
	if !limited {
		return nil
	}
	return out
}

// most returns what a queue could use of a resource with all that others lend.
func (s *Quotas) most(q *queueQuota, d int) int64 {
	c := &s.cohorts[q.cohort]
	if !c.limits[d] {
		return unlimited
	}
	return min(q.guaranteed[d]+q.borrow[d], q.guaranteed[d]-q.lend[d]+c.pool[d])
}

// possibleModels checks what is asked of the accepted models: of one of them, or
// of all of them together for a gang, whose tasks may differ.
func (s *Quotas) possibleModels(q *queueQuota, accept uint64, milli int64, gang bool) error {
	sum, first := int64(0), -1
	for _, d := range s.modelDim {
		if accept>>s.model[d]&1 == 0 {
			continue
		}
		accept &^= 1 << s.model[d]
		if most := s.most(q, d); gang {
			sum += most
		} else {
			sum = max(sum, most)
		}
		if first < 0 {
			first = d
		}
	}
	if accept != 0 || first < 0 || milli <= sum {
		return nil
	}
	return s.never(q, first, milli, sum)
}

// possibleNodes checks that a node that is large enough is of a model that the
// queue could use enough of.
func (s *Quotas) possibleNodes(c *Capacity, q *queueQuota, k shapeKey, r *job.Request) error {
	one, first := int64(k.share)*int64(k.count), -1
	for _, d := range s.modelDim {
		if k.accept>>s.model[d]&1 != 0 && s.most(q, d) < one {
			k.accept &^= 1 << s.model[d]
			first = max(first, d)
		}
	}
	if first < 0 || int32(r.Memory) <= c.largestFor(k) {
		return nil
	}
	return s.never(q, first, one, s.most(q, first))
}

// possibleGang counts how many tasks of a gang a domain holds when idle, of no
// model more than the queue could use.
func (s *Quotas) possibleGang(c *Capacity, q *queueQuota, k shapeKey, spec *job.Spec, g *job.Group) error {
	one := int64(k.share) * int64(k.count)
	most := map[uint8]int64{}
	for _, d := range s.modelDim {
		if k.accept>>s.model[d]&1 != 0 && s.most(q, d) < one*int64(g.Count) {
			most[uint8(s.model[d])] = s.most(q, d) / one
		}
	}
	if len(most) == 0 {
		return nil // the check against the fleet is enough
	}
	level := fleet.LevelFleet
	if spec.Topology.Mode == job.Must {
		level = spec.Topology.Level
	}
	type part struct {
		domain int32
		model  uint8
	}
	shape, domain := k.shape(0), c.domains[level].of(c, level)
	counts, sums, best := map[part]int64{}, map[int32]int64{}, int64(0)
	for n := range c.nodes {
		kind := &c.kinds[c.nodes[n].kind]
		p := part{domain[n], kind.Model}
		add := int64(c.idleSlots(kind, &shape, int32(g.Request.Memory)))
		if limit, ok := most[kind.Model]; ok {
			add = min(add, limit-counts[p])
		}
		counts[p] += add
		sums[p.domain] += add
		best = max(best, sums[p.domain])
	}
	if best >= int64(g.Count) {
		return nil
	}
	return fault.New(fault.Invalid, "queue "+string(q.name), fmt.Sprintf("a gang of %d tasks is asked for; with what the queue could use of each model, %s holds %d of them even when idle",
		g.Count, domainWords(level), best), "ask for a smaller gang, other models or a wider topology domain")
}

func domainWords(level fleet.Level) string {
	if level == fleet.LevelFleet {
		return "the whole fleet"
	}
	return "the best " + level.String()
}

func (s *Quotas) never(q *queueQuota, d int, asked, most int64) error {
	return fault.New(fault.Invalid, "queue "+string(q.name), fmt.Sprintf("can never use %s: it is guaranteed %s and could have at most %s with what others lend",
		named(s.names[d], asked), inUnits(s.names[d], q.guaranteed[d]), inUnits(s.names[d], most)), "ask for less, or submit to another queue")
}
