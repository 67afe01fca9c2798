package sim

import (
	"cmp"
	"slices"
	"time"

	"tianfu/control"
	"tianfu/job"
	"tianfu/unit"
)

// maxIdle is how long a replay goes on in which nothing runs and nothing is to
// arrive: longer than anything that a waiting job may wait for. Without it,
// repairs and windows to come would keep a job that can never start waiting for
// ever.
const maxIdle = 366 * 24 * time.Hour

// periodDue is when the stated period ends; Never when it has, or none is stated.
func (t *Timed) periodDue() unit.Instant {
	if t.p.PeriodEnd == 0 || t.Totals.Window != nil {
		return unit.Never
	}
	return t.p.PeriodEnd
}

// hopeless tells whether a replay has only waited for longer than maxIdle when
// it comes to an instant; alone = nothing runs and nothing is to arrive.
func (t *Timed) hopeless(alone bool, at unit.Instant) bool {
	if !alone {
		t.idle = unit.Never
		return false
	}
	t.idle = min(t.idle, t.now)
	return at != unit.Never && at.Sub(t.idle) > maxIdle
}

// closePeriod notes what the stated period came to, once all that happened by
// its end is done.
func (t *Timed) closePeriod() {
	if at := t.periodDue(); at == unit.Never || at > t.now {
		return
	}
	if t.Ledger != nil {
		t.batch = append(t.batch[:0], control.Input{Kind: control.CloseIntervals})
		t.step()
		t.Ledger.Window = t.Ledger.books()
	}
	w := t.Totals
	w.End = t.now
	t.Totals.Window = &w
}

// wholePeriod says that the period ended with the run.
func (t *Timed) wholePeriod() {
	w := t.Totals
	t.Totals.Window = &w
	if t.Ledger != nil {
		t.Ledger.Window = t.Ledger.books()
	}
}

// lastEnd is when the last job that ended did so; not before the last arrival.
func (t *Timed) lastEnd() unit.Instant {
	at := t.Totals.Start
	for _, i := range t.order {
		at = max(at, t.Results[i].Submit, t.Results[i].End)
	}
	return at
}

// unfinished counts the jobs that were not done by an instant. Those that the
// core refused are not counted.
func (t *Timed) unfinished(by unit.Instant) (n int) {
	for _, i := range t.byID[1:] {
		if r := &t.Results[i]; !r.Done || r.End > by {
			n++
		}
	}
	return n
}

// stuck are the jobs that had not ended when nothing could happen any more, and
// what was in the way of the first; never counts those that did not start at all.
func (t *Timed) stuck() (jobs []string, never int, why string) {
	for id, i := range t.byID {
		if id == 0 || t.Results[i].Done {
			continue
		}
		if t.Results[i].First < 0 {
			never++
		}
		jobs = append(jobs, t.p.Workload.Jobs[i].Spec.Name)
		if why == "" {
			if r, waits := t.state.Why(job.ID(id)); waits {
				why = r.String()
			}
		}
	}
	return jobs, never, why
}

// waits are the times until the first start, in order. A job that never started
// has waited until an instant, at least.
func (t *Timed) waits(until unit.Instant) []time.Duration {
	var out []time.Duration
	for _, i := range t.byID[1:] {
		r := &t.Results[i]
		if r.First < 0 {
			out = append(out, max(until, r.Submit).Sub(r.Submit))
		} else {
			out = append(out, r.First.Sub(r.Submit))
		}
	}
	slices.SortFunc(out, cmp.Compare[time.Duration])
	return out
}

// share is the wait that a part of the jobs, in hundredths, did not exceed.
func share(waits []time.Duration, percent int) time.Duration {
	if len(waits) == 0 {
		return 0
	}
	return waits[(len(waits)-1)*percent/100]
}
