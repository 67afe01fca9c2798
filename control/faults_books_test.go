package control_test

import (
	"fmt"
	"slices"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/meter"
	"tianfu/sched"
	"tianfu/unit"
)

// This file gives the centres of faults_test.go a ledger with meters, deadlines
// with plans in time, and what operators tell of power; and keeps a second
// account of each, from records alone.

// account is the second account of energy, power and plans.
type account struct {
	cfg    *control.Config
	ledger meter.Checker
	closed map[string]unit.Instant        // the last page's end, by site
	meters map[fleet.NodeID]*meterAccount // nodes with a meter
	power  *powerBook                     // nil = power is not limited
	days   *budgetBook                    // nil = no budget of a day is declared
	leaves map[taskKey]bool               // told to leave
	plans  map[job.ID]sched.Deferral      // that stand
	begun  map[job.ID]bool                // a task of it has run
	missed map[job.ID]bool
	spec   map[job.ID]*job.Spec
	done   map[job.ID]bool
}

// meterAccount is what a meter told and what the ledger booked for its node.
type meterAccount struct {
	told   unit.Instant // until then; 0 = nothing yet
	since  unit.Instant // from when on the ledger goes by it
	read   unit.Millijoules
	booked unit.Millijoules
	owed   int64
}

func newAccount(cfg *control.Config) *account {
	a := &account{cfg: cfg, closed: map[string]unit.Instant{}, meters: map[fleet.NodeID]*meterAccount{}, leaves: map[taskKey]bool{},
		plans: map[job.ID]sched.Deferral{}, begun: map[job.ID]bool{}, missed: map[job.ID]bool{}, spec: map[job.ID]*job.Spec{}, done: map[job.ID]bool{}}
	if cfg.Tree != nil {
		a.power = newPowerBook(cfg)
	}
	if len(cfg.DayBudgets) > 0 {
		a.days = newBudgetBook(cfg)
	}
	return a
}

// add books a record; what it says of power is booked step by step.
func (a *account) add(r *control.Record) error {
	k := taskKey{r.Job, r.Task}
	if a.days != nil {
		a.days.add(r)
	}
	switch r.Kind {
	case control.Opened:
		for i := range a.cfg.Fleet.Nodes {
			a.closed[a.cfg.Fleet.Nodes[i].Place.Site] = r.At
		}
	case control.Submitted:
		a.spec[r.Job] = r.Spec
	case control.Evicting:
		a.leaves[k] = true
	case control.Ended:
		delete(a.leaves, k)
	case control.EnergyRead:
		a.read(r)
	case control.Metered:
		return a.page(r.Page)
	case control.ShiftPlanned:
		for _, d := range r.Deferrals {
			if delete(a.plans, d.Job); len(d.Runs) > 0 {
				a.plans[d.Job] = d
			}
		}
	case control.Allocated:
		if d, planned := a.plans[r.Job]; planned && !a.begun[r.Job] && d.Runs[0].From > r.At {
			return fmt.Errorf("%s starts although its plan has it begin at %v", r.Job, d.Runs[0].From)
		}
		a.begun[r.Job] = true
	case control.DeadlineMissed:
		if a.missed[r.Job] || a.spec[r.Job].Deadline > r.At || r.Reason.Dominant == sched.None {
			return fmt.Errorf("%s has missed its deadline of %v: again, too early or without a reason: %s", r.Job, a.spec[r.Job].Deadline, r.Reason.String())
		}
		a.missed[r.Job] = true
	}
	return nil
}

// read books what a meter told: a span that begins where the last one ended, or
// the same one again.
func (a *account) read(r *control.Record) {
	n := &a.cfg.Fleet.Nodes[r.Node]
	m, q := a.meters[n.ID], r.Reading
	if m == nil {
		m = &meterAccount{since: a.closed[n.Place.Site]}
		a.meters[n.ID] = m
	}
	if q.To <= m.told {
		return
	}
	energy := q.Energy
	if from := max(q.From, m.since); from > q.From { // of what came before, the model has been booked
		if energy = 0; from < q.To {
			energy = q.Energy - meter.PartOf(q.Energy, int64(from-q.From), int64(q.To-q.From))
		}
	}
	m.told, m.read = q.To, m.read+energy
}

// page holds a page to its sums.
func (a *account) page(p *meter.Page) error {
	if p.From != a.closed[p.Site] {
		return fmt.Errorf("site %s is metered from %v, and was until %v", p.Site, p.From, a.closed[p.Site])
	}
	a.closed[p.Site] = p.To
	for i := range p.Nodes {
		if n := &p.Nodes[i]; n.Node >= 0 {
			if m := a.meters[a.cfg.Fleet.Nodes[n.Node].ID]; m != nil {
				m.booked, m.owed = m.booked+n.IT(), n.Carry.Owed
			}
		}
	}
	return a.ledger.Check(p)
}

// whole holds what the ledger booked for nodes with meters to what the meters
// told, when all of it has come.
func (a *account) whole() error {
	for id, m := range a.meters {
		if m.booked != m.read+unit.Millijoules(m.owed) {
			return fmt.Errorf("node %s: the ledger has %d mJ, the meter told %d, %d are owed", id, m.booked, m.read, m.owed)
		}
	}
	return nil
}

// powered holds a step to the limits of power: what it added stays inside every
// area, and what is not told to leave draws no more than running work may, or all
// that may be shed is.
func (a *account) powered(o *control.Outcome, s *control.State) error {
	if a.power == nil {
		return nil
	}
	if err := a.power.check(a.power.follow(o)); err != nil {
		return err
	}
	stays := *a.power
	stays.tasks = map[taskKey]control.Record{}
	for k, r := range a.power.tasks {
		if !a.leaves[k] {
			stays.tasks[k] = r
		}
	}
	for i, x := range s.Areas() {
		short := slices.ContainsFunc(a.power.sheds, func(f control.Shed) bool { return f.Area == int32(i) && f.Short > 0 })
		if draw := stays.draw(int32(i)); draw > x.Bound && !short {
			return fmt.Errorf("%s draws %d mW once all have left that were told to, of %d, and nothing more is shed", x.Declared.Path, draw, x.Bound)
		}
	}
	return nil
}

// late holds the jobs that have not ended by their deadline to a record of it.
func (a *account) late(s *control.State, now unit.Instant) error {
	for id, spec := range a.spec {
		if spec.Deadline == 0 || spec.Deadline > now || a.missed[id] || a.done[id] {
			continue
		}
		if phase, _, _ := s.Phase(id); phase > control.Running {
			a.done[id] = true // it ended in this step, or before
			continue
		}
		return fmt.Errorf("%s has not ended by %v, and no record says so", id, spec.Deadline)
	}
	return nil
}

// meterNodes gives a centre a ledger and, where it has none, power models.
func (o *outside) meterNodes() {
	o.cfg.Metering = control.Metering{Every: time.Duration(20+o.rng.IntN(300)) * time.Second, Lag: time.Duration(o.rng.IntN(3)*15) * time.Second}
	for i := range o.cfg.Fleet.Nodes {
		if o.cfg.Tree != nil {
			break // it has models
		}
		n := &o.cfg.Fleet.Nodes[i]
		o.cfg.Power = append(o.cfg.Power, energy.NodeModel{Base: 80.5, DeviceIdle: 25, DeviceFull: 250, Linear: i%3 == 0, CPU: n.CPU, PackageIdle: 15, PackageFull: 120})
	}
}

// meterRead is a reading on its way; it is told until it is in the records.
type meterRead struct {
	at unit.Instant
	in control.Input
}

// readings has every second node's meter tell what it saw since it last spoke:
// at once or late, and again when nobody answered.
func (o *outside) readings() (in []control.Input) {
	if o.cfg.Metering.Every == 0 || len(o.records) == 0 {
		return nil
	}
	opened := o.records[0].At
	for i := 0; i < len(o.cfg.Fleet.Nodes); i += 2 {
		id := o.cfg.Fleet.Nodes[i].ID
		from, seen := o.seen[id]
		if !seen {
			from = opened
		}
		if o.now > from && (o.calm || o.rng.IntN(3) > 0) {
			r := &control.EnergyReading{From: from, To: o.now, Basis: meter.Measured, Energy: unit.Millijoules(float64(o.now-from) / 1e6 * (50 + float64(o.rng.IntN(1500))))}
			at := o.now
			if !o.calm {
				at = at.Add(time.Duration(o.rng.IntN(2)) * time.Duration(o.rng.Int64N(int64(3*time.Minute))))
			}
			o.meters[id] = append(o.meters[id], meterRead{at, control.Input{Kind: control.EnergyMeasured, Node: id, Reading: r}})
			o.seen[id] = o.now
		}
		told := unit.Instant(0)
		if m := o.account.meters[id]; m != nil {
			told = m.told
		}
		for list := o.meters[id]; len(list) > 3 && list[2].in.Reading.To <= told; list = list[1:] {
			o.meters[id] = list[1:]
		}
		for _, x := range o.meters[id] { // in order: one that is late keeps those after it
			if x.at > o.now && !o.calm {
				break
			}
			if x.in.Reading.To > told || o.rng.IntN(30) == 0 {
				in = append(in, x.in)
			}
		}
	}
	return in
}

// wishful gives jobs deadlines and wishes.
func (o *outside) wishful(most time.Duration) {
	o.planned = true
	for i, s := range o.jobs {
		if o.rng.IntN(2) == 0 {
			s.Wish, s.Pausable = job.Wish(1+o.rng.IntN(2)), o.rng.IntN(2) == 0
		}
		if o.rng.IntN(2) == 0 {
			s.Deadline = max(unit.At(int64(i*20)), s.StartBy).Add(time.Duration(1 + o.rng.Int64N(int64(most))))
		}
	}
}

// plans are made on a state that may be gone when they come, and come twice; what
// hours cost changes as they pass.
func (o *outside) plans() (in []control.Input) {
	if !o.planned {
		return nil
	}
	site := o.cfg.Fleet.Nodes[0].Place.Site
	if o.rng.IntN(10) == 0 || len(o.state.SiteHours(site)) == 0 {
		x := control.Input{Kind: control.SiteHours, Site: site}
		from := o.now - o.now%unit.Instant(time.Hour)
		for i := range 3 + o.rng.IntN(20) {
			h := energy.SiteHour{From: from, To: from.Add(time.Hour), CarbonLocation: o.rng.Int64N(900_000), CarbonMarket: energy.NoData, CarbonMarginal: energy.NoData,
				Price: o.rng.Int64N(2e9) - 1e8, PUE: 1_000_000 + o.rng.Int64N(500_000), Water: energy.NoData, Forecast: i > 0}
			x.Hours = append(x.Hours, h)
			from = h.To
		}
		in = append(in, x)
	}
	kept := o.coming[:0]
	for _, d := range o.coming {
		if d.at > o.now {
			kept = append(kept, d)
			continue
		}
		in = append(in, d.in)
		if o.rng.IntN(5) == 0 {
			kept = append(kept, delivery{o.now.Add(time.Duration(o.rng.Int64N(int64(time.Minute)))), d.in})
		}
	}
	o.coming = kept
	if o.rng.IntN(3) == 0 && o.state.HasWishes() {
		var planner sched.SlotPlanner
		if plan := o.state.PlanShifts(&planner, "tianfu", &control.Replan{Anew: o.rng.IntN(3) == 0, Due: true}); len(plan) > 0 {
			o.coming = append(o.coming, delivery{o.now.Add(time.Duration(1 + o.rng.Int64N(int64(30*time.Second)))), control.Input{Kind: control.Planned, Deferrals: plan}})
		}
	}
	return in
}

// goodHours have no overhead: what is possible by the limits that are declared can
// start.
func (o *outside) goodHours() []control.Input {
	x := control.Input{Kind: control.SiteHours, Site: o.cfg.Fleet.Nodes[0].Place.Site}
	hours := 8
	if len(o.cfg.DayBudgets) > 0 {
		hours = 40 // beyond all that was told before
	}
	for i := range hours {
		from := o.now.Add(time.Duration(i) * time.Hour)
		x.Hours = append(x.Hours, energy.SiteHour{From: from, To: from.Add(time.Hour), CarbonLocation: 1, CarbonMarket: energy.NoData, CarbonMarginal: energy.NoData, Price: 1, PUE: 1_000_000, Water: energy.NoData})
	}
	return []control.Input{x}
}

// told is what operators and meters say of power.
func (o *outside) told() []control.Input {
	if o.cfg.Tree == nil {
		return nil
	}
	c := scenario{cfg: o.cfg, power: o.rng, now: o.now}
	return c.told()
}

// close ends the ledger: all meters tell, then once more with the end of the open
// intervals, which takes the corrections of the first time in.
func (o *outside) close() error {
	if o.cfg.Metering.Every == 0 {
		return nil
	}
	for range 2 {
		if err := o.step(append(o.readings(), control.Input{Kind: control.CloseIntervals})); err != nil {
			return err
		}
		o.now = o.now.Add(time.Second + 7)
	}
	return o.account.whole()
}
