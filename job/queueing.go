package job

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tianfu/fault"
	"tianfu/fleet"
)

// Queueing is what an operator declares of tenants and queues. It is never
// changed. Nil means that nothing is declared: every tenant may submit to any
// queue, and no quota holds.
type Queueing struct {
	Tenants  []TenantRule
	Queues   []QueueRule
	HalfLife time.Duration // of what was held in the past; 0 = only the present counts
}

// TenantRule is a declared tenant.
type TenantRule struct {
	Name   Tenant
	Weight int64
}

// QueueRule is a declared queue.
type QueueRule struct {
	Name                     Queue
	Tenants                  []Tenant
	Cohort                   string
	Default                  bool
	Weight                   int64
	MinPriority, MaxPriority int32
	Guaranteed, Borrow, Lend []Amount // by resource, in order
}

// Amount is a quantity of a resource: milli CPU, MiB, or thousandths of
// accelerators, of all or of one model.
type Amount struct {
	Resource string
	Units    int64
}

// QueueingOf takes tenants and queues out of a world that was checked; nil when
// it declares none.
func QueueingOf(w *fleet.World) *Queueing {
	if len(w.Tenants) == 0 && len(w.Queues) == 0 && w.FairShare.HalfLife == 0 {
		return nil
	}
	q := &Queueing{HalfLife: w.FairShare.HalfLife}
	for i := range w.Tenants {
		q.Tenants = append(q.Tenants, TenantRule{Tenant(w.Tenants[i].Name), int64(w.Tenants[i].Weight)})
	}
	for i := range w.Queues {
		d := &w.Queues[i]
		r := QueueRule{Name: Queue(d.Name), Cohort: d.Cohort, Default: d.Default, Weight: int64(d.Weight),
			Guaranteed: amounts(d.Guaranteed), Borrow: amounts(d.Borrow), Lend: amounts(d.Lend)}
		r.MinPriority, r.MaxPriority, _ = d.Range() // was checked with the world
		for _, t := range d.Tenants {
			r.Tenants = append(r.Tenants, Tenant(t))
		}
		q.Queues = append(q.Queues, r)
	}
	return q
}

func amounts(declared fleet.Amounts) []Amount {
	var out []Amount
	for r, text := range declared {
		v, _ := fleet.Amount(r, text) // was checked with the world
		out = append(out, Amount{r, v})
	}
	slices.SortFunc(out, func(a, b Amount) int {
		if a.Resource < b.Resource {
			return -1
		}
		return 1
	})
	return out
}

// Find returns the number of a queue, or -1.
func (q *Queueing) Find(name Queue) int {
	return slices.IndexFunc(q.Queues, func(r QueueRule) bool { return r.Name == name })
}

// Declared refuses a tenant that the world does not declare, where it declares any.
func (q *Queueing) Declared(t Tenant) error {
	if q == nil || len(q.Tenants) == 0 || slices.ContainsFunc(q.Tenants, func(r TenantRule) bool { return r.Name == t }) {
		return nil
	}
	const most = 20
	var names []string
	for i := range q.Tenants[:min(len(q.Tenants), most)] {
		names = append(names, string(q.Tenants[i].Name))
	}
	words := strings.Join(names, ", ")
	if more := len(q.Tenants) - most; more > 0 {
		words += fmt.Sprintf(" and %d more", more)
	}
	return fault.New(fault.Invalid, "tenant "+string(t), "is not declared in the world", "declare it, or choose one of: "+words)
}

// Route returns the number of the queue that a submission goes to, or says why
// it may not: the one it names; otherwise the tenant's default, or its only
// one.
func (q *Queueing) Route(s *Spec) (int, error) {
	if s.Queue != "" {
		k := q.Find(s.Queue)
		// Another tenant's queue is refused as one that is not there is: nobody learns
		// the names of others' queues by trying.
		if k < 0 || !slices.Contains(q.Queues[k].Tenants, s.Tenant) {
			return -1, fault.New(fault.Invalid, "queue "+string(s.Queue), "is none of tenant "+string(s.Tenant), "its queues: "+q.open(s.Tenant))
		}
		return k, q.Queues[k].admit(s)
	}
	only := -1
	for k := range q.Queues {
		if !slices.Contains(q.Queues[k].Tenants, s.Tenant) {
			continue
		}
		if q.Queues[k].Default {
			return k, q.Queues[k].admit(s)
		}
		if only >= 0 {
			return -1, fault.New(fault.Invalid, "queue", "is missing, and tenant "+string(s.Tenant)+" has no default", "name one of "+q.open(s.Tenant))
		}
		only = k
	}
	if only < 0 {
		return -1, fault.New(fault.Denied, "tenant "+string(s.Tenant), "owns no queue", "name a tenant that has one (tenant: in the job file, --tenant), or ask the operator for one")
	}
	return only, q.Queues[only].admit(s)
}

// admit says why a job of one of its tenants may not go to a queue.
func (r *QueueRule) admit(s *Spec) error {
	if s.Priority < r.MinPriority || s.Priority > r.MaxPriority {
		return fault.Invalidf("priority", "%d is not allowed in queue %s: choose from %d to %d", s.Priority, r.Name, r.MinPriority, r.MaxPriority)
	}
	return nil
}

// open lists the queues of a tenant in words.
func (q *Queueing) open(t Tenant) string {
	words := ""
	for k := range q.Queues {
		if slices.Contains(q.Queues[k].Tenants, t) {
			if words != "" {
				words += ", "
			}
			words += string(q.Queues[k].Name)
		}
	}
	if words == "" {
		return "none"
	}
	return words
}
