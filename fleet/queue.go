package fleet

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tianfu/fault"
	"tianfu/unit"
)

// Bounds of declared tenants and queues.
const (
	maxTenants     = 100_000
	maxQueues      = 10_000
	maxWeight      = 1_000_000
	minHalfLife    = time.Minute
	maxHalfLife    = 10 * 366 * 24 * time.Hour
	maxPriority    = 1_000_000 // as job holds it
	maxAccelerator = 1_000_000 // accelerators in one amount

	// DefaultHalfLife is how long held capacity takes to count half.
	DefaultHalfLife = 7 * 24 * time.Hour
)

// Tenant is who owns queues and submits to them.
type Tenant struct {
	at
	Name   string
	Weight int // of its fair share; 0 = 1
	Budget Budget
}

// Queue is a waiting line with an owner and a quota. Queues with the same
// cohort lend each other what they do not use.
type Queue struct {
	at
	Name       string
	Tenants    []string // who may submit; none = it only lends
	Cohort     string   // empty = it neither lends nor borrows
	Default    bool     // where its tenants' jobs go that name no queue
	Weight     int      // of its fair share; 0 = 1
	Priority   string   // the priorities allowed, such as 0..100; empty = all
	Guaranteed Amounts  // what it has whenever it asks
	Borrow     Amounts  // the most it takes of what others lend; left out = no limit
	Lend       Amounts  // the most others take of its guarantee; left out = all
}

// FairShare says how what was held in the past counts in the order of the line.
type FairShare struct {
	at
	HalfLife time.Duration // 0 = DefaultHalfLife where the section is there
}

// Amounts are quantities by resource: cpu, memory, accelerators, or the name of
// an accelerator model.
type Amounts map[string]string

// String renders "accelerators 8, cpu 64", in order.
func (a Amounts) String() string {
	var words []string
	for _, r := range sortedKeys(a) {
		words = append(words, r+" "+a[r])
	}
	return strings.Join(words, ", ")
}

// The resources that are not accelerator models.
const (
	CPUs         = "cpu"          // in milli CPU
	Memory       = "memory"       // in MiB
	Accelerators = "accelerators" // in thousandths
)

// Amount reads the quantity of a resource, in the unit the core counts it in.
func Amount(resource, s string) (int64, error) {
	switch resource {
	case CPUs:
		v, err := unit.ParseMilliCPU(s)
		return int64(v), err
	case Memory:
		if s == "0" {
			return 0, nil
		}
		v, err := unit.ParseMiB(s)
		return int64(v), err
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f < 0 || f > maxAccelerator || f != f {
		return 0, fault.New(fault.Invalid, "", strconv.Quote(s)+" is no number of accelerators", fmt.Sprintf("write a number such as 8 or 0.5, up to %d", maxAccelerator))
	}
	return int64(f*float64(unit.Whole) + 0.5), nil
}

// Range reads the priorities that a queue allows; all of them when nothing is
// said.
func (q *Queue) Range() (low, high int32, err error) {
	if q.Priority == "" {
		return -maxPriority, maxPriority, nil
	}
	from, to, found := strings.Cut(q.Priority, "..")
	if !found {
		to = from
	}
	a, errA := strconv.ParseInt(from, 10, 32)
	b, errB := strconv.ParseInt(to, 10, 32)
	if errA != nil || errB != nil || a > b || a < -maxPriority || b > maxPriority {
		return 0, 0, fault.New(fault.Invalid, "", "priority: "+strconv.Quote(q.Priority)+" is no range of priorities", "write the lowest and the highest, such as 0..100")
	}
	return int32(a), int32(b), nil
}

// queueing checks tenants and queues; it comes after the nodes.
func (b *builder) queueing() {
	w := b.w
	if len(w.Tenants) > maxTenants || len(w.Queues) > maxQueues {
		b.fail(0, "", "%d tenants and %d queues; %d and %d are the most", len(w.Tenants), len(w.Queues), maxTenants, maxQueues)
		return
	}
	if f := &w.FairShare; f.line != 0 {
		if f.HalfLife == 0 {
			f.HalfLife = DefaultHalfLife
		}
		if f.HalfLife < minHalfLife || f.HalfLife > maxHalfLife {
			b.fail(f.line, "choose from 1m to ten years, such as 168h", "half_life of %v", f.HalfLife)
		}
	}
	used := map[string]bool{} // by tenant: it has a queue
	for i := range w.Tenants {
		t := &w.Tenants[i]
		if _, twice := used[t.Name]; twice || !plainName(t.Name) {
			b.fail(t.line, "give it a printable name of its own, of at most 128 bytes", "tenant %q has no name, or that of another", t.Name)
		}
		used[t.Name] = false
		t.Weight = b.weight(t.line, "tenant "+t.Name, t.Weight)
		b.budget(&t.Budget, "tenant "+t.Name, "")
	}
	q := &quotas{seen: map[string]int{}, models: map[Model]int64{}, defaults: map[string]string{}, pools: map[string]*pool{}, sum: map[string]int64{}}
	for i := range w.nodes {
		n := &w.nodes[i]
		q.fleet.cpu += int64(n.CPU)
		q.fleet.memory += int64(n.Memory)
		q.fleet.milli += int64(len(n.Devices)) * int64(unit.Whole)
		if n.Model != "" {
			q.models[n.Model] += int64(len(n.Devices)) * int64(unit.Whole)
		}
	}
	for i := range w.Queues {
		b.queue(&w.Queues[i], q, used)
	}
	b.cohorts(q)
	for i := range w.Tenants {
		if t := &w.Tenants[i]; len(w.Queues) > 0 && !used[t.Name] {
			b.warn(t.line, "add it to the tenants of a queue", "tenant %s owns no queue and can submit nothing", t.Name)
		}
	}
}

// quotas is what is known of the queues while they are checked.
type quotas struct {
	seen     map[string]int // line of each queue
	defaults map[string]string
	fleet    struct{ cpu, memory, milli int64 }
	models   map[Model]int64
	pools    map[string]*pool // by cohort, or by queue without one
	sum      map[string]int64 // guaranteed to all queues
}

// pool is what the queues of a cohort share. A resource that none of them is
// guaranteed is not limited by quota.
type pool struct {
	line    int
	queues  int
	sum     map[string]int64
	limited map[string]int // line of a borrowing limit
}

func (b *builder) weight(line int, what string, w int) int {
	if w > maxWeight {
		b.fail(line, "", "%s: a weight of %d; %d is the most", what, w, maxWeight)
	}
	return max(w, 1)
}

func (b *builder) queue(q *Queue, all *quotas, used map[string]bool) {
	what := "queue " + q.Name
	if first, twice := all.seen[q.Name]; twice || !plainName(q.Name) {
		b.fail(q.line, "give it a printable name of its own, of at most 128 bytes", "queue %q has no name, or that of another (line %d)", q.Name, first)
	}
	all.seen[q.Name] = q.line
	q.Weight = b.weight(q.line, what, q.Weight)
	if _, _, err := q.Range(); err != nil {
		b.fail(q.line, "", "%s: %s", what, err)
	}
	if q.Cohort != "" && !plainName(q.Cohort) {
		b.fail(q.line, "use at most 128 printable bytes", "%s: cohort %q", what, q.Cohort)
	}
	for k, t := range q.Tenants {
		if _, known := used[t]; !known {
			b.fail(q.line, "declare it under tenants:", "%s: unknown tenant %q", what, t)
			continue
		}
		if slices.Contains(q.Tenants[:k], t) {
			b.fail(q.line, "remove one of them", "%s names tenant %q twice", what, t)
		}
		used[t] = true
		if other, ok := all.defaults[t]; ok && q.Default {
			b.fail(q.line, "choose one", "queues %s and %s are both the default of tenant %q", other, q.Name, t)
		} else if q.Default {
			all.defaults[t] = q.Name
		}
	}
	switch {
	case q.Cohort == "" && len(q.Borrow)+len(q.Lend) > 0:
		b.fail(q.line, "name the cohort it borrows in, or remove the limits", "%s has a borrowing or lending limit and no cohort", what)
	case len(q.Tenants) == 0 && q.Cohort == "":
		b.warn(q.line, "give it tenants, or a cohort to lend to", "%s has no tenants and no cohort: nobody can use it", what)
	case len(q.Tenants) == 0 && q.Default:
		b.fail(q.line, "give it tenants", "%s is a default of nobody", what)
	}
	b.quota(q, all)
}

// quota checks the amounts of a queue and adds its guarantee up.
func (b *builder) quota(q *Queue, all *quotas) {
	guaranteed := b.amounts(q, "guaranteed", q.Guaranteed, all)
	borrow, lend := b.amounts(q, "borrow", q.Borrow, all), b.amounts(q, "lend", q.Lend, all)
	name := "cohort " + q.Cohort
	if q.Cohort == "" {
		name = "queue " + q.Name
	}
	p := all.pools[name]
	if p == nil {
		p = &pool{line: q.line, sum: map[string]int64{}, limited: map[string]int{}}
		all.pools[name] = p
	}
	p.queues++
	models := int64(0)
	for _, r := range sortedKeys(guaranteed) {
		v := guaranteed[r]
		all.sum[r] += v
		p.sum[r] += v
		if r != CPUs && r != Memory && r != Accelerators {
			models += v
		}
	}
	if v, ok := guaranteed[Accelerators]; ok && models > v {
		b.fail(q.line, "raise accelerators: or lower the models", "queue %s is guaranteed %s accelerators in all, but %s by model", q.Name, thousandths(v), thousandths(models))
	}
	for _, r := range sortedKeys(lend) {
		if lend[r] > guaranteed[r] {
			b.fail(q.line, "lend at most what is guaranteed", "queue %s lends %s of %s, but is guaranteed %s", q.Name, q.Lend[r], r, orNone(q.Guaranteed[r]))
		}
	}
	for r := range borrow {
		p.limited[r] = q.line
	}
}

// amounts reads amounts and refuses unknown resources.
func (b *builder) amounts(q *Queue, key string, a Amounts, all *quotas) map[string]int64 {
	out := make(map[string]int64, len(a))
	for _, r := range sortedKeys(a) {
		if r != CPUs && r != Memory && r != Accelerators && all.models[Model(r)] == 0 {
			b.fail(q.line, "use cpu, memory, accelerators, or an accelerator model of the fleet", "queue %s: %s: %q is neither a resource nor a model that a node has", q.Name, key, r)
			continue
		}
		v, err := Amount(r, a[r])
		if err != nil {
			b.fail(q.line, "", "queue %s: %s: %s: %s", q.Name, key, r, err)
			continue
		}
		out[r] = v
	}
	return out
}

// cohorts compares what is guaranteed with what the fleet has.
func (b *builder) cohorts(all *quotas) {
	if len(b.w.Queues) == 0 {
		return
	}
	line := b.w.Queues[0].line
	for _, r := range sortedKeys(all.sum) {
		sum, has, governed := all.sum[r], all.has(r), 0
		for _, p := range all.pools {
			if _, ok := p.sum[r]; ok {
				governed++
			}
		}
		switch {
		case sum > has:
			b.warn(line, "lower some guarantees: not all can be kept at once", "all queues together are guaranteed %s, the fleet has %s", inWords(r, sum), inWords(r, has))
		case sum < has && governed == len(all.pools):
			b.warn(line, "declare a queue without tenants that lends the rest", "all queues together are guaranteed %s of the fleet's %s: nobody can use the rest", inWords(r, sum), inWords(r, has))
		}
	}
	for _, name := range sortedKeys(all.pools) {
		p := all.pools[name]
		if strings.HasPrefix(name, "cohort ") && p.queues == 1 {
			b.warn(p.line, "put a second queue into it", "%s has one queue, which can neither lend nor borrow", name)
		}
		for _, r := range sortedKeys(p.limited) {
			if _, ok := p.sum[r]; !ok {
				b.warn(p.limited[r], "guarantee some of it to a queue of the cohort", "%s: nobody is guaranteed %s, so a limit to borrowing it has no effect", name, r)
			}
		}
	}
}

func (q *quotas) has(resource string) int64 {
	switch resource {
	case CPUs:
		return q.fleet.cpu
	case Memory:
		return q.fleet.memory
	case Accelerators:
		return q.fleet.milli
	}
	return q.models[Model(resource)]
}

// inWords prints an amount with its resource.
func inWords(resource string, v int64) string {
	switch resource {
	case CPUs:
		return thousandths(v) + " CPUs"
	case Memory:
		return strconv.FormatInt(v, 10) + "MiB memory"
	case Accelerators:
		return thousandths(v) + " accelerators"
	}
	return thousandths(v) + " " + resource
}

func thousandths(v int64) string { return strconv.FormatFloat(float64(v)/1000, 'f', -1, 64) }

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func sortedKeys[M ~map[string]V, V any](m M) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// plainName accepts 1 to 128 printable bytes, as jobs do.
func plainName(s string) bool {
	if len(s) == 0 || len(s) > 128 {
		return false
	}
	for _, r := range s {
		if r < 0x20 || r == 0x7f || r == '�' {
			return false
		}
	}
	return true
}
