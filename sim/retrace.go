package sim

import (
	"maps"
	"slices"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// Retrace makes a workload of a centre's records, to run a period of it again:
// what was submitted, and how long it truly ran. What was there when the period
// begins arrives then, with the rest of its run. What has not ended runs as long
// as it was expected to, or twice as long as it has; what was cancelled before
// it ran is left out. Jobs keep their order, their deadlines and their
// dependencies.
type Retrace struct {
	from   unit.Instant
	jobs   map[job.ID]*retraced
	starts map[attemptKey]granted
	before map[int32]NodeEvent // of each node, the latest before the period
	events []NodeEvent
	node   func(int32) fleet.NodeID
	hours  map[string]map[unit.Instant]energy.SiteHour // by site and beginning
	caps   []sched.CapEvent                            // that were told, to when they were cleared
}

type retraced struct {
	spec    *job.Spec
	submit  unit.Instant
	begun   unit.Instant // of the first task of the latest attempts; -1 = none runs
	end     unit.Instant // that planning expects
	running int
	ran     time.Duration // the longest that a task ran to its end
	ended   unit.Instant  // of the last attempt; -1 = none has
	over    bool
	dropped bool // cancelled, or expired
}

// RetraceFrom prepares to read records, from the first on; node names a rank.
func RetraceFrom(from unit.Instant, node func(int32) fleet.NodeID) *Retrace {
	return &Retrace{from: from, jobs: map[job.ID]*retraced{}, starts: map[attemptKey]granted{}, before: map[int32]NodeEvent{}, node: node, hours: map[string]map[unit.Instant]energy.SiteHour{}}
}

// See takes the next record; spec tells of jobs submitted before the first.
func (h *Retrace) See(r *control.Record, summary func(job.ID) (control.Job, bool)) {
	switch r.Kind {
	case control.Submitted:
		h.jobs[r.Job] = &retraced{spec: r.Spec, submit: r.At, begun: -1, ended: -1}
		return
	case control.NodeChanged:
		h.nodeChanged(r)
		return
	case control.SiteHoursKnown:
		h.SeeHours(r.Site, r.Hours)
		return
	case control.PowerTold:
		if r.CapEvent != nil {
			h.caps = tellCap(h.caps, r.CapEvent)
		}
		return
	case control.Allocated, control.Ended, control.JobCancelled, control.JobExpired:
	default:
		return
	}
	j := h.jobs[r.Job]
	if j == nil {
		s, ok := summary(r.Job)
		if !ok {
			return
		}
		j = &retraced{spec: s.Spec, submit: s.Submitted, begun: -1, ended: -1}
		h.jobs[r.Job] = j
	}
	key := attemptKey{r.Job, r.Task}
	switch r.Kind {
	case control.Allocated:
		h.starts[key] = granted{r.At, r.End}
		if j.running == 0 {
			j.begun, j.end = r.At, r.End
		}
		j.running++
	case control.Ended:
		from := h.starts[key].from
		delete(h.starts, key)
		j.running = max(j.running-1, 0)
		if r.Ending == control.Succeeded || r.Ending == control.TaskFailed || j.dropped {
			j.ran, j.ended = max(j.ran, r.At.Sub(from)), r.At
			j.over = j.running == 0
		}
	default:
		j.dropped, j.over = true, j.running == 0
		j.ended = max(j.ended, r.At)
	}
}

// tellCap adds a cap, or the end of one that is there.
func tellCap(caps []sched.CapEvent, k *sched.CapEvent) []sched.CapEvent {
	for i := range caps {
		x := &caps[i]
		if x.Area == k.Area && x.From == k.From && x.Part == k.Part && x.Limit == k.Limit && x.Every == k.Every {
			x.To = k.To
			return caps
		}
	}
	return append(caps, *k)
}

// Tree returns the power tree of the period: the declared one with the caps that were
// told and cleared. Standing are those that the centre has now: the records that set
// them may be gone.
func (h *Retrace) Tree(declared *sched.Power, standing []sched.CapEvent) *sched.Power {
	if declared == nil {
		return nil
	}
	out := *declared
	out.Caps = slices.Clone(declared.Caps)
	for _, list := range [][]sched.CapEvent{standing, h.caps} {
		for i := range list {
			k := &list[i]
			if slices.ContainsFunc(out.Areas, func(a sched.PowerArea) bool { return a.Path == k.Area }) {
				out.Caps = tellCap(out.Caps, k)
			}
		}
	}
	return &out
}

func (h *Retrace) nodeChanged(r *control.Record) {
	if r.Device >= 0 {
		return // a device that fails for a while changes a period little
	}
	e := NodeEvent{At: r.At, Node: h.node(r.Node), Health: r.Health, Cordon: r.Cordon, Drain: r.Drain}
	if r.At < h.from {
		e.At = h.from
		h.before[r.Node] = e
		return
	}
	h.events = append(h.events, e)
}

// SeeHours takes what was told of hours at a site, the latest last. The core forgets
// hours that are long past; a period may have them.
func (h *Retrace) SeeHours(site string, hours []energy.SiteHour) {
	known := h.hours[site]
	if known == nil {
		known = map[unit.Instant]energy.SiteHour{}
		h.hours[site] = known
	}
	for _, x := range hours {
		if old, there := known[x.From]; x.To > h.from && (!there || old.Forecast || !x.Forecast) {
			known[x.From] = x
		}
	}
}

// Hours returns what hours at the sites cost, in order; nil when nothing was told.
// Where steps of two lengths were told, the later one begins where the other ends.
func (h *Retrace) Hours() map[string][]energy.SiteHour {
	if len(h.hours) == 0 {
		return nil
	}
	out := map[string][]energy.SiteHour{}
	for site, known := range h.hours {
		var list []energy.SiteHour
		for _, from := range slices.Sorted(maps.Keys(known)) {
			x := known[from]
			if n := len(list); n > 0 && x.From < list[n-1].To {
				x.From = list[n-1].To
			}
			if x.From < x.To {
				list = append(list, x)
			}
		}
		if len(list) > 0 {
			out[site] = list
		}
	}
	return out
}

// unknownRun is given to work of which nothing is known: it never ran, and
// nobody said how long it would.
const unknownRun = time.Hour

// Workload returns the period until now.
func (h *Retrace) Workload(name string, now unit.Instant) (*Workload, []NodeEvent) {
	w := &Workload{Name: name, Path: name, Timed: true, Skipped: map[string]int{}}
	ids := make([]job.ID, 0, len(h.jobs))
	for id := range h.jobs {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	number := map[job.ID]job.ID{}
	for _, id := range ids {
		j := h.jobs[id]
		switch {
		case j.over && j.ended < h.from:
			continue
		case j.dropped && j.ran == 0 && j.running == 0:
			w.Skipped["cancelled or expired before they ran"]++
			continue
		}
		number[id] = job.ID(len(w.Jobs) + 1)
		w.Jobs = append(w.Jobs, Arrival{Spec: h.specOf(j, number), Submit: max(j.submit, h.from), Run: h.runOf(j, now), Number: int64(id)})
	}
	events := make([]NodeEvent, 0, len(h.before)+len(h.events))
	for _, e := range h.before {
		events = append(events, e)
	}
	slices.SortFunc(events, func(a, b NodeEvent) int {
		if a.Node < b.Node {
			return -1
		}
		return 1
	})
	return w, append(events, h.events...)
}

// specOf is the spec with its dependencies under their new numbers; those that
// were met before the period are gone.
func (h *Retrace) specOf(j *retraced, number map[job.ID]job.ID) *job.Spec {
	s := *j.spec
	s.Key, s.After = "", nil
	for _, d := range j.spec.After {
		if id, there := number[d.Job]; there {
			s.After = append(s.After, job.Dependency{Job: id, AnyEnd: d.AnyEnd})
		}
	}
	return &s
}

// runOf is how long a job runs in the period.
func (h *Retrace) runOf(j *retraced, now unit.Instant) time.Duration {
	run := j.ran
	switch {
	case j.running > 0:
		run = max(2*now.Sub(j.begun), run)
		if j.end != unit.Never {
			run = max(j.end.Sub(j.begun), now.Sub(j.begun))
		}
	case run == 0 && j.spec.ExpectedRun > 0:
		run = j.spec.ExpectedRun
	case run == 0:
		run = unknownRun
	}
	if j.begun >= 0 && j.begun < h.from {
		run -= h.from.Sub(j.begun)
	}
	return max(run, 1)
}
