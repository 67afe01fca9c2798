package control_test

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/meter"
	"tianfu/sched"
	"tianfu/unit"
)

// This file gives the centres of faults_test.go budgets of a day, and keeps an
// account of them from records alone: whenever work starts that a budget counts, what
// its day and the next come to must be within it. What comes later - a meter that shows
// more than the model, work that runs longer than it said - may be more.

// limitDays declares budgets that bind now and then. Two days end while there are
// faults. The chance is of its own, so that centres without budgets live as
// they did.
func (o *outside) limitDays() (err error) {
	rng := rand.New(rand.NewPCG(o.seed, 11))
	if o.cfg.Power == nil {
		for i := range o.cfg.Fleet.Nodes {
			o.cfg.Power = append(o.cfg.Power, energy.NodeModel{Base: 100, DeviceIdle: 20, DeviceFull: 300, Linear: i%2 == 0, CPU: o.cfg.Fleet.Nodes[i].CPU, PackageIdle: 20, PackageFull: 200})
		}
	}
	first := int32(100 + rng.IntN(300))
	second := first + int32(50+rng.IntN(300))
	zone := fleet.Zone{Name: "shifted", Shifts: []fleet.ZoneShift{{Ahead: -first}, {At: unit.At(int64(second)), Ahead: 86400 - second}}}
	kWh := func(least, more float64) unit.Millijoules {
		return unit.Millijoules((least + more*rng.Float64()) * unit.MillijoulesPerKWh)
	}
	for i := range 3 {
		b := sched.DayBudget{Tenant: job.Tenant(fmt.Sprintf("tenant%d", i)), Zone: zone}
		switch k := rng.IntN(4); {
		case k == 0:
			continue
		case o.cfg.Tree != nil: // enough for any job, on any node: the door judges limits of power and budgets apart
			b.Energy = kWh(200, 200)
		case k == 1: // too little for work of which nobody knows how long it runs
			b.Energy = kWh(0.01, 0.1)
		default:
			b.Energy = kWh(4, 30)
		}
		if rng.IntN(3) == 0 {
			b.Carbon = unit.Micrograms(float64(b.Energy.KWh()) * (0.2 + rng.Float64()) * 1e9)
		}
		o.cfg.DayBudgets = append(o.cfg.DayBudgets, b)
	}
	if rng.IntN(2) == 0 {
		idle, least := 0.0, 0.0
		if o.cfg.Tree != nil {
			least = 200
		}
		for i := range o.cfg.Fleet.Nodes {
			idle += float64(o.cfg.Power[i].IdleWatts(len(o.cfg.Fleet.Nodes[i].Devices))) / 1000
		}
		o.cfg.DayBudgets = append(o.cfg.DayBudgets, sched.DayBudget{Site: "s", Zone: zone, Energy: kWh(idle*24+least, 40)})
	}
	o.account = newAccount(&o.cfg)
	o.state, err = control.Open(o.cfg)
	return err
}

// budgetBook is the account. Pages of the ledger say what was drawn up to the last of
// them, and the model of the nodes what is drawn since.
type budgetBook struct {
	cfg     *control.Config
	hours   []energy.SiteHour
	until   unit.Instant // pages are booked
	runs    map[attemptKey]*budgetTask
	gone    []*budgetTask // since the last page
	spent   []map[unit.Instant]comesTo
	asleep  []bool
	tenants map[job.ID]job.Tenant
	last    unit.Instant  // of the records
	started []*budgetTask // at it
}

// comesTo is energy in kWh and the carbon that goes with it in kg.
type comesTo struct{ kwh, kg float64 }

// budgetTask is a task that runs, or ran since the last page.
type budgetTask struct {
	tenant   job.Tenant
	record   control.Record // how it was allocated
	from, to unit.Instant   // to: as expected
	left     time.Duration  // while it stands still; below 0 = nobody knows
	leaves   bool
}

func newBudgetBook(cfg *control.Config) *budgetBook {
	b := &budgetBook{cfg: cfg, runs: map[attemptKey]*budgetTask{}, asleep: make([]bool, len(cfg.Fleet.Nodes)), tenants: map[job.ID]job.Tenant{}}
	for range cfg.DayBudgets {
		b.spent = append(b.spent, map[unit.Instant]comesTo{})
	}
	return b
}

func (b *budgetBook) add(r *control.Record) {
	if r.At > b.last {
		b.last, b.started = r.At, nil
	}
	k := attemptKey{r.Job, r.Task, r.Attempt}
	switch r.Kind {
	case control.Opened:
		b.until = r.At
	case control.Submitted:
		b.tenants[r.Job] = r.Spec.Tenant
	case control.SiteHoursKnown:
		b.hours = energy.MergeSiteHours(b.hours, r.Hours, 0)
	case control.NodePowered:
		if r.Share == 0 {
			b.asleep[r.Node] = uint8(r.CPU) == sched.Asleep
		}
	case control.Allocated:
		b.runs[k] = &budgetTask{tenant: b.tenants[r.Job], record: *r, from: r.At, to: r.End}
		b.started = append(b.started, b.runs[k])
	case control.Moved:
		b.runs[k].record.Node, b.runs[k].record.Devices = r.Node, r.Devices
	case control.TaskPaused:
		switch t := b.runs[k]; {
		case r.Device < 0 && t.left >= 0:
			t.to = r.At.Add(t.left)
		case r.Device >= 0: // until when is not known
			if t.left = -1; t.to != unit.Never {
				t.left = max(t.to.Sub(r.At), 0)
			}
			t.to = unit.Never
		}
	case control.Evicting:
		b.runs[k].leaves, b.runs[k].to = true, r.At
	case control.Ended:
		t := b.runs[k]
		delete(b.runs, k)
		if t.to, t.leaves = r.At, true; b.cfg.Metering.Every > 0 {
			b.gone = append(b.gone, t)
			return
		}
		for i := range b.cfg.DayBudgets { // without pages it is spent as it ends
			x := &b.cfg.DayBudgets[i]
			day, next := x.Zone.DayOf(r.At)
			b.spend(i, day, b.drawn(b.watts(x, t), max(t.from, day), min(t.to, next)))
		}
	case control.Metered:
		b.page(r.Page)
	}
}

func (b *budgetBook) spend(i int, day unit.Instant, d comesTo) {
	old := b.spent[i][day]
	b.spent[i][day] = comesTo{old.kwh + d.kwh, old.kg + d.kg}
}

func (b *budgetBook) page(p *meter.Page) {
	_, known := b.rates(p.From)
	for i := range b.cfg.DayBudgets {
		x := &b.cfg.DayBudgets[i]
		day, _ := x.Zone.DayOf(p.From)
		for n := range p.Nodes {
			for k := range p.Nodes[n].Parts {
				part := &p.Nodes[n].Parts[k]
				if x.Tenant != "" && (part.Line != meter.TaskLine || b.tenants[part.Job] != x.Tenant) {
					continue
				}
				d := comesTo{float64(part.Energy().KWh()), part.CarbonLocation.Kilograms()}
				if p.Hour.CarbonLocation == energy.NoData {
					d.kg = d.kwh * known
				}
				b.spend(i, day, d)
			}
		}
	}
	b.until = p.To
	kept := b.gone[:0]
	for _, t := range b.gone {
		if t.to > p.To {
			kept = append(kept, t)
		}
	}
	b.gone = kept
}

// rates is what a watt comes to at an instant, by the latest that is known before it:
// the overhead, and kg for a kWh.
func (b *budgetBook) rates(at unit.Instant) (pue, kg float64) {
	pue = 1
	for i := range b.hours {
		h := &b.hours[i]
		if h.From > at {
			break
		}
		if h.PUE != energy.NoData {
			pue = float64(h.PUE) / 1e6
		}
		if h.CarbonLocation != energy.NoData {
			kg = float64(h.CarbonLocation) / 1e6
		}
	}
	return pue, kg
}

func (b *budgetBook) drawn(watts float64, from, to unit.Instant) (out comesTo) {
	for at := from; at < to && watts > 0; {
		end := to
		for i := range b.hours {
			if b.hours[i].From > at {
				end = min(end, b.hours[i].From)
				break
			}
		}
		pue, kg := b.rates(at)
		e := watts / 1000 * end.Sub(at).Hours() * pue
		out, at = comesTo{out.kwh + e, out.kg + e*kg}, end
	}
	return out
}

// watts is what a budget counts of a task: of a tenant's, with its share of what the
// node draws anyway.
func (b *budgetBook) watts(x *sched.DayBudget, t *budgetTask) float64 {
	r := &t.record
	n, m := &b.cfg.Fleet.Nodes[r.Node], &b.cfg.Power[r.Node]
	devices := float64(bits.OnesCount16(r.Devices))
	share := unit.Milli(r.Share)
	if r.Profile != 0 {
		share = unit.Whole
	}
	adds := float64(m.CPUWatts(unit.MilliCPU(r.CPU)) - m.CPUWatts(0))
	if devices > 0 {
		adds += devices * float64(m.DeviceWatts(share)-m.DeviceIdle)
	}
	switch {
	case x.Site != "":
		return adds
	case x.Tenant != t.tenant:
		return 0
	}
	milli := devices * float64(r.Share)
	part := max(float64(r.CPU)/float64(n.CPU), float64(r.Memory)/float64(n.Memory))
	if milli > 0 {
		part = max(part, milli/float64(1000*len(n.Devices)))
	}
	return adds + min(part, 1)*float64(m.Base+m.CPUWatts(0)) + float64(m.DeviceIdle)*milli/1000
}

// idle is what the nodes draw with nothing on them; awake, as far as that is ahead.
func (b *budgetBook) idle(ahead bool) (watts float64) {
	for i := range b.cfg.Fleet.Nodes {
		if b.asleep[i] && !ahead {
			watts += float64(b.cfg.Tree.Sleep.Draw) / 1000
			continue
		}
		watts += float64(b.cfg.Power[i].IdleWatts(len(b.cfg.Fleet.Nodes[i].Devices)))
	}
	return watts
}

// comes is what a budget comes to in a day: what was drawn, and what runs will draw
// by what is expected of it, or without an end.
func (b *budgetBook) comes(i int, day, next, now unit.Instant) comesTo {
	x, sum := &b.cfg.DayBudgets[i], b.spent[i][day]
	add := func(watts float64, from, to unit.Instant) {
		d := b.drawn(watts, max(from, b.until, day), min(to, next))
		sum = comesTo{sum.kwh + d.kwh, sum.kg + d.kg}
	}
	for _, t := range b.runs {
		to := t.to
		if to <= now && !t.leaves {
			to = unit.Never
		}
		add(b.watts(x, t), t.from, max(to, now))
	}
	for _, t := range b.gone {
		add(b.watts(x, t), t.from, t.to)
	}
	if x.Site != "" {
		add(b.idle(false), 0, now)
		add(b.idle(true), now, unit.Never)
	}
	return sum
}

// check holds the budgets that count what was started to what the days come to in
// which it is to draw.
func (b *budgetBook) check(now unit.Instant) error {
	if b.last < now {
		return nil
	}
	for i := range b.cfg.DayBudgets {
		x, from, to := &b.cfg.DayBudgets[i], unit.Instant(0), now
		for range 2 {
			from, to = x.Zone.DayOf(to)
			touched := false
			for _, t := range b.started {
				touched = touched || b.watts(x, t) > 0 && max(t.to, now) > from
			}
			if !touched {
				continue
			}
			d := b.comes(i, from, to, now)
			if x.Energy > 0 && d.kwh > float64(x.Energy.KWh())+1e-6 || x.Carbon > 0 && d.kg > x.Carbon.Kilograms()+1e-6 {
				return fmt.Errorf("work starts although %s comes to %.6f kWh and %.6f kg in the day from %v, of %v and %v", x, d.kwh, d.kg, from, x.Energy.KWh(), x.Carbon)
			}
		}
	}
	return nil
}
