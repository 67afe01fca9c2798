package sim

import (
	"math/bits"
	"time"

	"tianfu/control"
	"tianfu/job"
	"tianfu/unit"
)

// RunTimes remembers the attempts that ended in a centre: from them, and from
// those that still run, an Outlook draws how long work takes. It learns from
// records.
type RunTimes struct {
	ratios map[ratioKey]*attempts
	runs   map[runKey]*attempts
	open   map[attemptKey]granted
	since  unit.Instant // what ended before is not known; Never = nothing seen yet
	Seen   int          // attempts learned from
	// Ages are what the jobs that were under way when the centre was opened had run
	// by then, from job 1 on. They did not arrive, so nothing is learned from them of
	// what is submitted; of run times they tell what can be known of work that is
	// seen from that age on.
	Ages []time.Duration
}

// age is what a job had run before the centre was opened.
func (h *RunTimes) age(id job.ID) time.Duration {
	if k := int(id) - 1; k >= 0 && k < len(h.Ages) {
		return h.Ages[k]
	}
	return 0
}

type granted struct{ from, end unit.Instant }

// ratioKey names attempts whose true run times are compared with the expected
// ones.
type ratioKey struct {
	tenant    job.Tenant
	magnitude int // of the expected time; -1 = any
	size      size
}

// size is what a task asked for, as far as it tells work of one kind from
// other work. The zero value stands for any.
type size struct {
	devices int
	share   unit.Milli
	cpu     unit.MilliCPU
}

func sizeOf(q *job.Request) size { return size{q.Accelerators, q.Share, q.CPU} }

// runKey names attempts of which nothing was expected.
type runKey struct {
	tenant job.Tenant
	any    bool // whatever was asked
	size   size
}

// enough is how many ended attempts make a narrow comparison worth more than a
// wider one.
const enough = 20

// Bounds of what is kept.
const (
	keptAttempts = 1024
	maxPools     = 4096
	maxOpen      = 1 << 20
)

// attempts are the latest that ended of a kind.
type attempts struct {
	ring []lifetime
	next int
}

// lifetime is one attempt. Its scale is what planning expected, or one second.
type lifetime struct {
	start, end unit.Instant // end is Never while it runs
	scale      time.Duration
}

func (a *attempts) add(l lifetime) {
	if len(a.ring) < keptAttempts {
		a.ring = append(a.ring, l)
		return
	}
	a.ring[a.next] = l
	a.next = (a.next + 1) % keptAttempts
}

// NewRunTimes returns a history that knows nothing yet.
func NewRunTimes() *RunTimes {
	return &RunTimes{ratios: map[ratioKey]*attempts{}, runs: map[runKey]*attempts{}, open: map[attemptKey]granted{}, since: unit.Never}
}

// See learns from a record; spec tells of a job that the record is about.
func (h *RunTimes) See(r *control.Record, spec func(job.ID) *job.Spec) {
	h.since = min(h.since, r.At)
	key := attemptKey{r.Job, r.Task}
	switch r.Kind {
	case control.Allocated:
		if len(h.open) < maxOpen {
			h.open[key] = granted{r.At.Add(-h.age(r.Job)), r.End}
		}
	case control.Ended:
		s, known := h.open[key]
		delete(h.open, key)
		if !known || r.Ending != control.Succeeded && r.Ending != control.TaskFailed {
			return
		}
		if sp := spec(r.Job); sp != nil {
			h.learn(sp, sp.Request(r.Task), s, r.At)
		}
	}
}

func (h *RunTimes) learn(spec *job.Spec, q *job.Request, s granted, end unit.Instant) {
	h.Seen++
	for _, k := range runKeys(spec.Tenant, q) {
		into(h.runs, k, lifetime{s.from, end, time.Second})
	}
	if s.end == unit.Never || s.end <= s.from {
		return
	}
	expected := s.end.Sub(s.from)
	for _, k := range ratioKeys(spec.Tenant, q, expected) {
		into(h.ratios, k, lifetime{s.from, end, expected})
	}
}

// remember learns from what ended before the first record, the latest last.
func (h *RunTimes) remember(past []Past, e Estimate) {
	if len(past) > 0 {
		h.since = past[0].Ended
	}
	for i := range past {
		p := &past[i]
		g := granted{from: p.Ended.Add(-p.Run), end: unit.Never}
		if told := e.told(p.Run, p.Number); told > 0 {
			g.end = g.from.Add(told)
		}
		h.learn(p.Spec, &p.Spec.Groups[0].Request, g, p.Ended)
	}
}

// into adds an attempt to a kind; beyond the bound only the wider kinds learn.
func into[K comparable](kinds map[K]*attempts, k K, l lifetime) {
	a := kinds[k]
	if a == nil {
		if len(kinds) >= maxPools {
			return
		}
		a = &attempts{}
		kinds[k] = a
	}
	a.add(l)
}

// ratioKeys lists the kinds that an attempt belongs to, the narrowest first.
func ratioKeys(t job.Tenant, q *job.Request, expected time.Duration) [5]ratioKey {
	m := bits.Len64(uint64(max(expected/time.Second, 0)))
	return [5]ratioKey{{t, m, sizeOf(q)}, {tenant: t, magnitude: m}, {magnitude: m}, {tenant: t, magnitude: -1}, {magnitude: -1}}
}

func runKeys(t job.Tenant, q *job.Request) [3]runKey {
	return [3]runKey{{tenant: t, size: sizeOf(q)}, {tenant: t, any: true}, {any: true}}
}
