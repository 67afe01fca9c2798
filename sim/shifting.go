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
	// Delay passes from what asks for a plan - a job with a wish that came, hours
	// that became known, an hour that begins - until it is made, as in a live
	// centre; 0 = it is made at once. Apart is the least time between two plans then.
	Delay, Apart time.Duration
}

// shifter drives the plans of a replay: it tells the core what hours cost and
// are expected to cost, and has jobs planned when they arrive and every hour.
type shifter struct {
	Shifting
	planner sched.SlotPlanner
	next    unit.Instant // when the next hour begins
	why     control.Replan
	asked   unit.Instant // with a delay: when the plan that was asked for is due
	ready   bool         // with a delay: the plan is due now
	made    unit.Instant // with a delay: when the last plan was
	refused int          // plans in a row
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

// prepareShifting gives jobs their wishes and takes over what hours cost.
func (t *Timed) prepareShifting() error {
	p := t.p.Shifting
	if p == nil {
		return nil
	}
	if !slices.Contains(sched.ShiftPolicies, p.Policy) {
		return fault.New(fault.Invalid, "shift policy "+p.Policy, "is not known", "use no-wait, lowest-slot, lowest-window, carbon-time, threshold, wait-awhile or tianfu")
	}
	sh := &shifter{Shifting: *p, next: -1, asked: unit.Never, made: -unit.Instant(p.Apart)}
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
	var err error
	if o.forecast, err = energy.PlannedOn(name, 0); err != nil {
		return err
	}
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

// wake is when the next hour begins, or the next plan is due; the first hour
// does with what comes first. alone says that nothing else is to come: then an
// hour counts only where there is something to tell of it, or a replay with a job
// that can never start would have no end.
func (sh *shifter) wake(alone bool) unit.Instant {
	switch {
	case sh.next < 0 || alone && !sh.tells():
		return unit.Never
	case sh.Delay > 0:
		return sh.due()
	}
	return sh.next
}

// due is when the next plan is made, where plans take their time.
func (sh *shifter) due() unit.Instant { return min(sh.asked, sh.after(sh.next)) }

// after is when a plan is made that is asked for at an instant.
func (sh *shifter) after(at unit.Instant) unit.Instant {
	return max(at.Add(sh.Delay), sh.made.Add(sh.Apart))
}

// tells tells whether there are hours to come that something is told of.
func (sh *shifter) tells() bool {
	return slices.ContainsFunc(sh.sites, func(o siteOutlook) bool {
		return o.forecast != nil && sh.next < o.first.Add(time.Duration(len(o.carbon))*time.Hour)
	})
}

// see notes what a plan should know of, and that one is asked for.
func (sh *shifter) see(r *control.Record) {
	sh.why.See(r)
	if sh.why.Due && sh.Delay > 0 && sh.asked == unit.Never {
		sh.asked = sh.after(r.At)
	}
}

// tell adds what is known and expected of the hours, when one begins.
func (sh *shifter) tell(now unit.Instant, batch []control.Input) []control.Input {
	first := sh.next < 0
	sh.ready = !first && sh.Delay > 0 && now >= sh.due()
	if now < sh.next || sh.Delay > 0 && !first && !sh.ready {
		return batch
	}
	sh.next = now - now%unit.Instant(time.Hour) + unit.Instant(time.Hour)
	if sh.Delay == 0 || !first {
		sh.why.Due, sh.why.Anew = true, true
	}
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
	if sh == nil || !sh.wanted() {
		return
	}
	wishes := t.state.HasWishes()
	if !wishes && sh.Delay == 0 {
		return
	}
	why, refusals := sh.why, t.refusals
	sh.why = control.Replan{}
	var plan []sched.Deferral
	switch {
	case sh.Delay == 0 && !why.Anew && sh.Policy != "tianfu":
		plan = t.state.PlanShifts(&sh.planner, sh.Policy, &why)
	case wishes:
		sh.made = t.now
		why.Anew = why.Anew || sh.refused > 0
		plan = PlanShifts(t.state.Freeze(), t.now, &sh.planner, sh.Policy, &why)
	}
	if len(plan) > 0 {
		t.Totals.Plans++
		t.batch = append(t.batch[:0], control.Input{Kind: control.Planned, Deferrals: plan})
		t.step()
	}
	t.retry(t.refusals > refusals)
}

// wanted tells whether a plan is to be made now.
func (sh *shifter) wanted() bool {
	if sh.Delay == 0 {
		return sh.why.Due
	}
	if sh.ready {
		sh.asked = unit.Never
	}
	return sh.ready
}

// planTries is how often a plan that is refused is made in a row.
const planTries = 3

// retry has a plan that was refused made again, as a live centre does.
func (t *Timed) retry(refused bool) {
	sh := t.shift
	if !refused || sh.Delay == 0 {
		sh.refused = 0
	} else if sh.refused++; sh.refused < planTries {
		sh.asked = sh.after(t.now)
	}
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
