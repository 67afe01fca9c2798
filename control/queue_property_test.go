package control_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"tianfu/control"
	"tianfu/fleet"
	"tianfu/job"
)

// randomQueueing gives each of the three random tenants a queue of its own, in
// one cohort or in none, and now and then a pool that only lends.
func randomQueueing(rng *rand.Rand, f *fleet.Fleet) *job.Queueing {
	q := &job.Queueing{}
	has := map[string]int64{}
	for i := range f.Nodes {
		n := &f.Nodes[i]
		has[fleet.CPUs] += int64(n.CPU)
		has[fleet.Memory] += int64(n.Memory)
		has[fleet.Accelerators] += 1000 * int64(len(n.Devices))
		if n.Model != "" {
			has[string(n.Model)] += 1000 * int64(len(n.Devices))
		}
	}
	var resources []string
	for _, r := range []string{fleet.CPUs, fleet.Memory, fleet.Accelerators, "A100", "T4"} {
		if has[r] > 0 && (r == fleet.Accelerators || rng.IntN(3) == 0) {
			resources = append(resources, r)
		}
	}
	slices.Sort(resources)
	for i := range 3 + rng.IntN(2) {
		r := job.QueueRule{Name: job.Queue(fmt.Sprintf("queue%d", i)), Weight: int64(1 + rng.IntN(3)), MinPriority: job.MinPriority, MaxPriority: job.MaxPriority}
		if i < 3 {
			r.Tenants = []job.Tenant{job.Tenant(fmt.Sprintf("tenant%d", i))}
		}
		if rng.IntN(5) > 0 {
			r.Cohort = "cohort"
		}
		for _, name := range resources {
			g := has[name] * int64(rng.IntN(5)) / 12
			r.Guaranteed = append(r.Guaranteed, job.Amount{Resource: name, Units: g})
			if r.Cohort != "" && rng.IntN(3) == 0 {
				r.Borrow = append(r.Borrow, job.Amount{Resource: name, Units: has[name] * int64(rng.IntN(4)) / 6})
			}
			if r.Cohort != "" && rng.IntN(3) == 0 {
				r.Lend = append(r.Lend, job.Amount{Resource: name, Units: g * int64(rng.IntN(4)) / 3})
			}
		}
		q.Queues = append(q.Queues, r)
	}
	if rng.IntN(3) == 0 {
		q.HalfLife = time.Minute
	}
	return q
}

// queueBooks sums up what queues use from the records alone.
type queueBooks map[job.Queue]map[string]int64

func (c *scenario) queueBooks() queueBooks {
	books := queueBooks{}
	for i := range c.cfg.Queueing.Queues {
		books[c.cfg.Queueing.Queues[i].Name] = map[string]int64{}
	}
	specs := map[job.ID]*job.Spec{}
	active := map[taskKey]control.Record{}
	nodes, model := c.first.Fleet.Nodes, map[taskKey]fleet.Model{} // by rank at the time of the record
	for _, r := range c.records {
		k := taskKey{r.Job, r.Task}
		switch r.Kind {
		case control.Submitted:
			specs[r.Job] = r.Spec
		case control.Allocated:
			active[k], model[k] = r, nodes[r.Node].Model
		case control.Moved:
			a := active[k]
			a.Node, a.Devices = r.Node, r.Devices
			active[k], model[k] = a, nodes[r.Node].Model
		case control.Configured:
			nodes = r.Config.Fleet.Nodes
		case control.Ended:
			delete(active, k)
		}
	}
	for k, a := range active {
		use := books[specs[k.id].Queue]
		devices := int64(0)
		for m := a.Devices; m != 0; m &= m - 1 {
			devices += int64(a.Share)
		}
		use[fleet.CPUs] += int64(a.CPU)
		use[fleet.Memory] += int64(a.Memory)
		use[fleet.Accelerators] += devices
		use[string(model[k])] += devices
	}
	return books
}

// checkQuotas holds what runs to the declared quotas, by their words: no queue
// above guarantee and borrowing limit, no cohort above what its queues lend.
func (c *scenario) checkQuotas() error {
	if c.cfg.Queueing == nil {
		return nil
	}
	books := c.queueBooks()
	for i := range c.cfg.Queueing.Queues {
		q := &c.cfg.Queueing.Queues[i]
		for _, g := range q.Guaranteed {
			used := books[q.Name][g.Resource]
			if b := amountOf(q.Borrow, g.Resource, 1<<40); used > g.Units+b {
				return fmt.Errorf("queue %s uses %d of %s: guaranteed %d, limit %d", q.Name, used, g.Resource, g.Units, b)
			}
			lent, taken := int64(0), int64(0)
			for k := range c.cfg.Queueing.Queues {
				o := &c.cfg.Queueing.Queues[k]
				if o.Name != q.Name && (q.Cohort == "" || o.Cohort != q.Cohort) {
					continue
				}
				own := amountOf(o.Guaranteed, g.Resource, 0)
				lend := min(own, amountOf(o.Lend, g.Resource, 1<<40))
				lent += lend
				taken += max(0, books[o.Name][g.Resource]-(own-lend))
			}
			if taken > lent {
				return fmt.Errorf("queue %s: %d of %s is taken where %d is lent", q.Name, taken, g.Resource, lent)
			}
		}
	}
	return nil
}

func amountOf(list []job.Amount, resource string, missing int64) int64 {
	for _, a := range list {
		if strings.EqualFold(a.Resource, resource) {
			return a.Units
		}
	}
	return missing
}
