package sim

import (
	"math/rand/v2"
	"time"

	"tianfu/control"
	"tianfu/job"
	"tianfu/unit"
)

// Bounds of what recent submissions say of those to come.
const (
	arrivalWindow = 24 * time.Hour
	leastWindow   = time.Hour
	maxRecent     = 20_000
	leastMoments  = 20 // fewer moments of arrival say nothing of a rate
)

// Recent is what was submitted to a centre lately, at most a day back: what is
// to come is taken to be like it. A centre that has seen fewer than twenty
// moments of arrival expects none.
type Recent struct {
	jobs   []recentJob
	window time.Duration
}

type recentJob struct {
	offset time.Duration // from the beginning of the window
	spec   *job.Spec
}

// RecentOf looks at the latest submissions of a state, after the job given.
func RecentOf(s *control.State, now unit.Instant, after job.ID) *Recent {
	r := &Recent{}
	moments, last := 0, unit.Instant(-1)
	begin := now
	for id := s.Jobs(); id > int(after) && len(r.jobs) < maxRecent; id-- {
		j, _ := s.Summary(job.ID(id))
		if j.Submitted < now.Add(-arrivalWindow) {
			begin = now.Add(-arrivalWindow)
			break
		}
		if j.Submitted != last {
			moments, last = moments+1, j.Submitted
		}
		begin = j.Submitted
		r.jobs = append(r.jobs, recentJob{offset: time.Duration(j.Submitted), spec: afresh(j.Spec)})
	}
	r.window = max(now.Sub(begin), leastWindow)
	if moments < leastMoments {
		r.jobs = nil
	}
	first := now.Add(-r.window)
	for i := range r.jobs {
		r.jobs[i].offset -= time.Duration(first)
	}
	return r
}

// afresh is a spec to submit again: without what ties it to its own time.
func afresh(s *job.Spec) *job.Spec {
	if s.Key == "" && s.StartBy == 0 && s.Deadline == 0 && len(s.After) == 0 {
		return s
	}
	c := *s
	c.Key, c.StartBy, c.Deadline, c.After = "", 0, 0, nil
	return &c
}

// Arrivals are submissions to come: the recent ones once more, from a moment
// drawn among them on and around, so that bursts stay bursts.
type Arrivals struct {
	r     *Recent
	at    int          // the next, counted down: jobs are kept latest first
	start unit.Instant // of the round that at is in
}

// Arrivals returns one draw of what arrives after now.
func (r *Recent) Arrivals(now unit.Instant, rng *rand.Rand) *Arrivals {
	if len(r.jobs) == 0 {
		return nil
	}
	from := time.Duration(rng.Int64N(int64(r.window)))
	a := &Arrivals{r: r, at: len(r.jobs) - 1, start: now.Add(-from)}
	for a.at >= 0 && r.jobs[a.at].offset < from {
		a.at--
	}
	a.wrap()
	return a
}

func (a *Arrivals) wrap() {
	if a.at < 0 {
		a.at, a.start = len(a.r.jobs)-1, a.start.Add(a.r.window)
	}
}

func (a *Arrivals) next() unit.Instant { return a.start.Add(a.r.jobs[a.at].offset) }

// due adds the submissions that have come by an instant to a batch, and when
// each came to a list.
func (a *Arrivals) due(at unit.Instant, batch []control.Input, came []unit.Instant) ([]control.Input, []unit.Instant) {
	for a.next() <= at {
		came = append(came, a.next())
		batch = append(batch, control.Input{Kind: control.Submit, Spec: a.r.jobs[a.at].spec})
		a.at--
		a.wrap()
	}
	return batch, came
}
