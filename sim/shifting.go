package sim

import (
	"slices"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fault"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// Shifting says how a replay defers work to better hours.
type Shifting struct {
	Policy   string // one of sched.ShiftPolicies
	Forecast string // of carbon: perfect, persistence or own; prices are published ahead
	// Wish, CarbonPrice, Slack and Pausable are given to jobs that bring no wish
	// of their own; Slack is what the deadline leaves beyond the run time that is
	// expected.
	Wish        job.Wish
	CarbonPrice int32
	Slack       time.Duration
	Pausable    bool
}

// shifter drives the plans of a replay: it tells the core what hours cost and
// are expected to cost, and has jobs planned when they arrive and every hour.
type shifter struct {
	Shifting
	planner sched.SlotPlanner
	next    unit.Instant // when the next hour begins
	why     control.Replan
	sites   []siteOutlook
}

// siteOutlook is a site's hours and what is expected of them.
type siteOutlook struct {
	name     string
	hours    []energy.SiteHour
	first    unit.Instant
	carbon   []float64 // of every hour from first on; mg per kWh
	forecast energy.Forecaster
}

// forecastHours is how far ahead hours are forecast.
const forecastHours = 7 * 24

// believed is the part of a forecast's swings that is planned on.
const believedSwing = 0.7

// prepareShifting gives jobs their wishes and takes over what hours cost.
func (t *Timed) prepareShifting() error {
	p := t.p.Shifting
	if p == nil {
		return nil
	}
	if !slices.Contains(sched.ShiftPolicies, p.Policy) {
		return fault.New(fault.Invalid, "shift policy "+p.Policy, "is not known", "use no-wait, lowest-slot, lowest-window, carbon-time, threshold, wait-awhile or tianfu")
	}
	sh := &shifter{Shifting: *p, next: -1}
	for _, site := range t.feed.sites {
		o := siteOutlook{name: site, hours: t.p.Hours[site]}
		if p.Forecast != "perfect" {
			if err := o.expect(p.Forecast); err != nil {
				return err
			}
		}
		sh.sites = append(sh.sites, o)
	}
	if p.Forecast != "perfect" {
		t.feed = newSiteFeed(nil) // hours are told as they come
	}
	for _, i := range t.order {
		s := &t.specs[i]
		if s.Wish != job.NoWish || p.Wish == job.NoWish || s.Run() <= 0 {
			continue
		}
		s.Wish, s.CarbonPrice, s.Pausable = p.Wish, p.CarbonPrice, s.Pausable || p.Pausable
		if s.Deadline == 0 {
			s.Deadline = t.p.Workload.Jobs[i].Submit.Add(s.Run() + p.Slack)
		}
	}
	t.shift = sh
	return nil
}

// expect prepares the forecast of a site's carbon.
func (o *siteOutlook) expect(name string) error {
	f, err := energy.ForecasterOf(name)
	if err != nil {
		return err
	}
	if name == "persistence" {
		f = energy.Remembered(0)
	}
	o.forecast = energy.Distrust(f, believedSwing)
	if len(o.hours) == 0 {
		return nil
	}
	first, end := o.hours[0].From, o.hours[len(o.hours)-1].To
	o.first = first - first%unit.Instant(time.Hour)
	last := int64(0)
	for at := o.first; at < end; at = at.Add(time.Hour) {
		if h, ok := energy.SiteHourAt(o.hours, max(at, first)); ok && h.CarbonLocation != energy.NoData {
			last = h.CarbonLocation
		}
		o.carbon = append(o.carbon, float64(last))
	}
	return nil
}

// wake is when the next hour begins; the first one does with what comes first.
func (sh *shifter) wake() unit.Instant {
	if sh.next < 0 {
		return unit.Never
	}
	return sh.next
}

// tell adds what is known and expected of the hours, when one begins.
func (sh *shifter) tell(now unit.Instant, batch []control.Input) []control.Input {
	if now < sh.next {
		return batch
	}
	sh.next = now - now%unit.Instant(time.Hour) + unit.Instant(time.Hour)
	sh.why.Due, sh.why.Anew = true, true
	for k := range sh.sites {
		o := &sh.sites[k]
		at := int((now - o.first) / unit.Instant(time.Hour))
		if o.forecast == nil || now < o.first || at >= len(o.carbon) {
			continue
		}
		n := min(forecastHours, len(o.carbon)-at)
		expected := o.forecast(o.carbon, at, n)
		var hours []energy.SiteHour
		for i := range n {
			from := o.first.Add(time.Duration(at+i) * time.Hour)
			h, ok := energy.SiteHourAt(o.hours, from)
			if !ok {
				continue
			}
			h.From, h.To = from, from.Add(time.Hour)
			if i > 0 {
				h.Forecast = true
				h.CarbonLocation, h.CarbonMarket, h.CarbonMarginal = int64(expected[i]), energy.NoData, energy.NoData
				h.PUE, h.Water = hours[0].PUE, hours[0].Water
			}
			hours = append(hours, h)
		}
		if len(hours) == 0 {
			continue
		}
		batch = append(batch, control.Input{Kind: control.SiteHours, Site: o.name, Hours: hours})
	}
	return batch
}

// replan has the jobs planned that came, and all of them when an hour began or the
// fleet changed. The plan is an input of its own at the same instant.
func (t *Timed) replan() {
	sh := t.shift
	if sh == nil || !sh.why.Due || !t.state.HasWishes() {
		return
	}
	plan := t.state.PlanShifts(&sh.planner, sh.Policy, &sh.why)
	sh.why = control.Replan{}
	if len(plan) == 0 {
		return
	}
	t.Totals.Plans++
	t.batch = append(t.batch[:0], control.Input{Kind: control.Planned, Deferrals: plan})
	t.step()
}

// foldShift counts what plans did.
func (t *Timed) foldShift(r *control.Record) {
	switch r.Kind {
	case control.ShiftPlanned:
		for i := range r.Deferrals {
			if d := &r.Deferrals[i]; len(d.Runs) > 0 && d.Runs[0].From > r.At && !t.deferred[d.Job] {
				if t.deferred == nil {
					t.deferred = map[job.ID]bool{}
				}
				t.deferred[d.Job] = true
				t.Totals.Deferred++
			}
		}
	case control.DeadlineMissed:
		t.Totals.Late++
	case control.Evicting:
		if r.Cause == control.CausePaused {
			t.Totals.Pauses++
		}
	}
}

// resumed takes the work that earlier attempts of a pausable job have done off
// an attempt.
func (t *Timed) resumed(id job.ID, a Attempt) Attempt {
	if d, ok := t.state.Deferral(id); ok && d.Done > 0 {
		a.Run = max(a.Run-d.Done, 0)
	}
	return a
}
