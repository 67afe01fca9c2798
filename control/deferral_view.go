package control

import (
	"sort"
	"time"

	"tianfu/energy"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// Deferral is what is planned for a job, and how it stands with its deadline.
type Deferral struct {
	Due       unit.Instant // when it should have ended; Never = at no instant
	Planned   bool
	PlannedAt unit.Instant // when the plan was taken
	Plan      sched.Deferral
	Held      unit.Instant  // it is held back until then; 0 = it is not
	Done      time.Duration // work that pauses have kept
	Begun     unit.Instant  // all of it runs since then; 0 = it does not
	Pausing   bool          // it was told to leave until the next span
	AtRisk    bool
	Missed    bool
	Risk      Reason        // why it had not started when it had to, or missed its deadline
	Late      time.Duration // how long after its deadline it ends at the earliest, by its run time; 0 = in time, or nobody knows
}

// Deferral returns what is planned for a job; false when it has neither a
// deadline nor a wish.
func (s *State) Deferral(id job.ID) (Deferral, bool) {
	j := s.jobOf(id)
	if j == nil || j.shift == nil {
		return Deferral{}, false
	}
	sh := j.shift
	return Deferral{Due: sh.due, Planned: sh.planned, PlannedAt: sh.plannedAt, Plan: sh.plan, Held: sh.latest, Done: sh.done, Begun: sh.begun, Pausing: sh.pausing,
		AtRisk: sh.atRisk, Missed: sh.missed, Risk: sh.risk, Late: s.lateBy(j)}, true
}

// lateBy returns how long after its deadline a job ends at the earliest: what has
// not started begins now. Of a job of which a part has ended and the rest runs nobody
// knows.
func (s *State) lateBy(j *jobState) time.Duration {
	if j.spec.Deadline == 0 || j.phase > Running || j.spec.Run() <= 0 {
		return 0
	}
	begun := s.now
	switch {
	case j.shift.begun > 0:
		begun = j.shift.begun
	case j.running > 0 && j.running == j.open:
		return 0
	}
	return max(begun.Add(j.left()).Sub(j.spec.Deadline), 0)
}

// Deferrable lists the jobs with a wish that have not ended, by ID.
func (s *State) Deferrable() []job.ID {
	var out []job.ID
	s.jobs.settle()
	s.jobs.living(func(id job.ID, j *jobState) {
		if j.shift != nil && j.spec.Wish != job.NoWish && j.phase <= Running {
			out = append(out, id)
		}
	})
	return out
}

// Miss is a deadline that a job missed, and why.
type Miss struct {
	Job    job.ID
	At     unit.Instant // its deadline
	Reason Reason
}

// maxMisses is how many misses are kept for people; the records have them all.
const maxMisses = 100

func (m *Miss) code(x *sched.Coder) {
	sched.Int(x, &m.Job)
	sched.Int(x, &m.At)
	m.Reason.Code(x)
}

// Misses returns the latest missed deadlines, oldest first. The slice is never
// changed: it may be kept.
func (s *State) Misses() []Miss { return s.misses }

// Expected is what the hours of a plan cost as they are known now: means over
// its runs by the time in each hour, energy.NoData where no hour is known.
type Expected struct {
	Carbon   int64 // location, average; mg CO2e per kWh
	Price    int64 // 10^-9 yuan per kWh
	Forecast bool  // any of it lies ahead of what is observed
}

// Expect returns what the hours cost that spans at a site lie in.
func (s *State) Expect(site string, runs []sched.RunSpan) Expected {
	hours := s.SiteHours(site)
	var carbon, price weighted
	out := Expected{}
	for _, r := range runs {
		first := sort.Search(len(hours), func(i int) bool { return hours[i].To > r.From })
		for i := first; i < len(hours) && hours[i].From < r.To; i++ {
			h := &hours[i]
			in := min(h.To, r.To).Sub(max(h.From, r.From))
			carbon.add(h.CarbonLocation, in)
			price.add(h.Price, in)
			out.Forecast = out.Forecast || h.Forecast
		}
	}
	out.Carbon, out.Price = carbon.mean(), price.mean()
	return out
}

// weighted is a mean over time of what is known.
type weighted struct {
	sum   float64
	known time.Duration
}

func (w *weighted) add(v int64, in time.Duration) {
	if v != energy.NoData {
		w.sum += float64(v) * in.Seconds()
		w.known += in
	}
}

func (w *weighted) mean() int64 {
	if w.known == 0 {
		return energy.NoData
	}
	return int64(w.sum / w.known.Seconds())
}
