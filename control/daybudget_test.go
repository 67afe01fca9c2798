package control_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// budgetWorld is a random centre with budgets, and what an observer without any of
// the core's code knows of it: who ran where, from when to when, and what every
// hour comes to.
type budgetWorld struct {
	rng    *rand.Rand
	cfg    control.Config
	state  *control.State
	now    unit.Instant
	runs   []*budgetRun
	open   map[taskKey]*budgetRun
	begun  int
	hours  map[string][]energy.SiteHour
	ledger bool
	opened unit.Instant
	last   []control.Record // of the last step
}

// budgetRun is a task that runs or ran.
type budgetRun struct {
	tenant          job.Tenant
	site            string
	share, adds     float64      // watts
	start, end, out unit.Instant // end: expected; out: when it will be gone
	attempt         int32
	gone            bool
}

// randomBudgets gives a centre of the property tests budgets that bind now and then.
func randomBudgets(rng *rand.Rand, cfg *control.Config) {
	if cfg.Power == nil {
		for i := range cfg.Fleet.Nodes {
			cfg.Power = append(cfg.Power, energy.NodeModel{Base: 100, DeviceIdle: 20, DeviceFull: 300, Linear: rng.IntN(2) == 0, CPU: cfg.Fleet.Nodes[i].CPU, PackageFull: 200})
		}
	}
	zone := fleet.Zone{Name: "shifted", Shifts: []fleet.ZoneShift{{At: 0, Ahead: int32(86400 - 200 - rng.IntN(400))}}} // a day begins in the middle
	for _, t := range []job.Tenant{"tenant0", "tenant2"} {
		cfg.DayBudgets = append(cfg.DayBudgets, sched.DayBudget{Tenant: t, Zone: zone, Energy: unit.Millijoules((5 + 40*rng.Float64()) * unit.MillijoulesPerKWh)})
	}
	if rng.IntN(2) == 0 {
		cfg.DayBudgets = append(cfg.DayBudgets, sched.DayBudget{Site: "s", Zone: zone, Energy: unit.Millijoules((200 + 100*rng.Float64()) * unit.MillijoulesPerKWh)})
	}
}

const hourLong = unit.Instant(time.Hour)

func newBudgetWorld(seed uint64) *budgetWorld {
	w := &budgetWorld{rng: rand.New(rand.NewPCG(seed, 0x62756467)), open: map[taskKey]*budgetRun{}, hours: map[string][]energy.SiteHour{}}
	r := w.rng
	f := &fleet.Fleet{Name: "budgets", Traits: map[fleet.Model]fleet.Traits{"A100": {Memory: 80 << 10}}}
	sites := []string{"s", "t"}[:1+r.IntN(2)]
	for i := range 1 + r.IntN(4) {
		f.Nodes = append(f.Nodes, fleet.Node{ID: fleet.NodeID(fmt.Sprintf("n%d", i)), CPU: 32000, Memory: 256 << 10, Model: "A100",
			Devices: make([]fleet.Device, 4), Place: fleet.Place{Site: sites[i%len(sites)]}})
		w.cfg.Power = append(w.cfg.Power, energy.NodeModel{Base: unit.Watts(r.IntN(200)), DeviceIdle: unit.Watts(r.IntN(50)), DeviceFull: unit.Watts(300 + r.IntN(300)),
			Linear: true, CPU: 32000, PackageIdle: 40, PackageFull: unit.Watts(100 + r.IntN(200))})
	}
	w.cfg.Fleet, w.cfg.Policy = f, []string{"tianfu", "firstfit", "bestfit"}[r.IntN(3)]
	w.cfg.Rules.Preempt = r.IntN(2) == 0
	zone := []string{"UTC", "Asia/Shanghai", "Europe/Madrid", "America/New_York"}[r.IntN(4)]
	l, err := time.LoadLocation(zone)
	if err != nil {
		l, zone = time.UTC, "UTC"
	}
	z := fleet.ZoneOf(zone, l)
	// The days around a change of the clocks, in both directions.
	w.now = unit.Instant(time.Date(2026, []time.Month{3, 10, 11}[r.IntN(3)], 20+r.IntN(9), r.IntN(24), 0, 0, 0, time.UTC).UnixNano())
	most := 4 * 0.6 * 1.5 * 8 // kWh: four devices for eight hours at the worst overhead, and what goes with them
	for _, t := range []job.Tenant{"a", "b"} {
		b := sched.DayBudget{Tenant: t, Zone: z}
		if r.IntN(4) > 0 {
			b.Energy = unit.Millijoules((most + 8 + 10*r.Float64()) * unit.MillijoulesPerKWh)
		}
		if r.IntN(3) == 0 || b.Energy == 0 {
			b.Carbon = unit.Micrograms((most + 8 + 5*r.Float64()) * 0.8 * 1e9)
		}
		w.cfg.DayBudgets = append(w.cfg.DayBudgets, b)
	}
	if r.IntN(2) == 0 {
		idle := 0.0
		for i := range f.Nodes {
			if f.Nodes[i].Place.Site == "s" {
				idle += float64(w.cfg.Power[i].IdleWatts(4)) / 1000
			}
		}
		w.cfg.DayBudgets = append(w.cfg.DayBudgets, sched.DayBudget{Site: "s", Zone: z, Energy: unit.Millijoules((idle*25*1.5 + most + 20*r.Float64()) * unit.MillijoulesPerKWh)})
	}
	if w.ledger = r.IntN(2) == 0; w.ledger {
		w.cfg.Metering = control.Metering{Every: []time.Duration{10 * time.Minute, time.Hour, 7 * time.Hour}[r.IntN(3)]}
	}
	return w
}

// tell reports what the hours of the sites come to, for days ahead; some are not
// known.
func (w *budgetWorld) tell() []control.Input {
	var out []control.Input
	for _, site := range []string{"s", "t"} {
		if !slices.ContainsFunc(w.cfg.Fleet.Nodes, func(n fleet.Node) bool { return n.Place.Site == site }) {
			continue
		}
		var hours []energy.SiteHour
		from := w.now - w.now%hourLong - 48*hourLong
		for k := range 24 * 25 {
			h := energy.SiteHour{From: from + unit.Instant(k)*hourLong, To: from + unit.Instant(k+1)*hourLong, CarbonLocation: int64(100+w.rng.IntN(700)) * 1000,
				PUE: 1_000_000 + int64(w.rng.IntN(500_000)), CarbonMarket: energy.NoData, CarbonMarginal: energy.NoData, Price: energy.NoData, Water: energy.NoData}
			hours = append(hours, h)
		}
		w.hours[site] = hours
		out = append(out, control.Input{Kind: control.SiteHours, Site: site, Hours: hours})
	}
	return out
}

// comes to, in kWh and kg, of watts at a site from one instant to another.
func (w *budgetWorld) drawn(site string, watts float64, from, to unit.Instant) (kwh, kg float64) {
	for at := from; at < to; {
		end := min(at-at%hourLong+hourLong, to)
		pue, carbon := 1.0, 0.0
		if h, ok := energy.SiteHourAt(w.hours[site], at); ok {
			pue, carbon = float64(h.PUE)/1e6, float64(h.CarbonLocation)/1e6
		} else if last := w.hours[site]; len(last) > 0 && at >= last[len(last)-1].To {
			pue, carbon = float64(last[len(last)-1].PUE)/1e6, float64(last[len(last)-1].CarbonLocation)/1e6
		}
		e := watts / 1000 * end.Sub(at).Hours() * pue
		kwh, kg = kwh+e, kg+e*carbon
		at = end
	}
	return kwh, kg
}

// total is what a budget comes to in the day of an instant: what has run, what
// runs, to its expected end or without one, and idle nodes.
func (w *budgetWorld) total(b *sched.DayBudget, day unit.Instant) (kwh, kg float64) {
	from, to := b.Zone.DayOf(day)
	add := func(site string, watts float64, s, e unit.Instant) {
		x, y := w.drawn(site, watts, max(s, from), min(e, to))
		kwh, kg = kwh+x, kg+y
	}
	for _, r := range w.runs {
		watts := r.adds
		switch {
		case b.Tenant != "":
			if watts += r.share; r.tenant != b.Tenant {
				continue
			}
		case r.site != b.Site:
			continue
		}
		end := r.end
		switch {
		case r.gone:
			end = r.out
		case end <= w.now:
			end = unit.Never
		}
		add(r.site, watts, r.start, end)
	}
	if b.Site != "" {
		for i := range w.cfg.Fleet.Nodes {
			if w.cfg.Fleet.Nodes[i].Place.Site == b.Site {
				add(b.Site, float64(w.cfg.Power[i].IdleWatts(4)), max(from, w.opened), to)
			}
		}
	}
	return kwh, kg
}

// step hands inputs to the core and looks at what it does.
func (w *budgetWorld) step(t *testing.T, batch []control.Input) {
	out := w.state.Step(w.now, batch)
	w.last = slices.Clone(out.Records)
	for _, x := range out.Refusals {
		t.Fatalf("refused: %v", x.Err)
	}
	var started []*budgetRun
	for i := range out.Records {
		r := &out.Records[i]
		switch r.Kind {
		case control.Allocated:
			j, _ := w.state.Summary(r.Job)
			n := &w.cfg.Fleet.Nodes[r.Node]
			m, q := &w.cfg.Power[r.Node], j.Spec.Request(r.Task)
			milli := float64(q.Accelerators) * float64(q.Share)
			part := max(float64(q.CPU)/float64(n.CPU), float64(q.Memory)/float64(n.Memory), milli/4000)
			run := &budgetRun{tenant: j.Spec.Tenant, site: n.Place.Site, start: w.now, end: r.End, attempt: r.Attempt,
				share: part*float64(m.Base+m.CPUWatts(0)) + float64(m.DeviceIdle)*milli/1000,
				adds:  float64(m.CPUWatts(q.CPU)-m.CPUWatts(0)) + float64(q.Accelerators)*float64(m.DeviceWatts(q.Share)-m.DeviceIdle)}
			run.out = r.End
			if w.rng.IntN(3) == 0 { // it takes less, or more, than was expected
				run.out = w.now.Add(time.Duration(float64(r.End.Sub(w.now)) * (0.3 + w.rng.Float64())))
			}
			w.runs, w.open[taskKey{r.Job, r.Task}] = append(w.runs, run), run
			w.begun++
			started = append(started, run)
		case control.Ended:
			k := taskKey{r.Job, r.Task}
			w.open[k].gone, w.open[k].out = true, w.now
			delete(w.open, k)
		}
	}
	for i := range w.cfg.DayBudgets {
		b := &w.cfg.DayBudgets[i]
		_, next := b.Zone.DayOf(w.now)
		for _, day := range []unit.Instant{w.now, next} {
			if !slices.ContainsFunc(started, func(r *budgetRun) bool {
				return r.end > day && (b.Tenant == r.tenant || b.Site != "" && b.Site == r.site)
			}) {
				continue // what was started draws nothing of it
			}
			kwh, kg := w.total(b, day)
			if w.ledger && day == w.now { // which may have less, as compare says and holds it to
				x := w.state.DayBudgets()[i]
				kwh, kg = min(kwh, float64((x.Spent.Energy+x.Committed.Energy).KWh())), min(kg, (x.Spent.Carbon+x.Committed.Carbon).Kilograms())
			}
			if b.Energy > 0 && kwh > float64(b.Energy.KWh())*(1+1e-6)+1e-6 || b.Carbon > 0 && kg > b.Carbon.Kilograms()*(1+1e-6)+1e-6 {
				t.Fatalf("at %s work was started although %s comes to %.6f kWh and %.6f kg in the day of %s, of %v and %v", w.now, b, kwh, kg, day, b.Energy.KWh(), b.Carbon)
			}
		}
	}
}

// due lists the tasks that are gone by now.
func (w *budgetWorld) due() (batch []control.Input) {
	for k, r := range w.open {
		if r.out <= w.now {
			batch = append(batch, control.Input{Kind: control.Exited, Job: k.id, Task: k.task, Attempt: r.attempt})
		}
	}
	return batch
}

func (w *budgetWorld) spec(number int) *job.Spec {
	r := w.rng
	s := &job.Spec{Name: fmt.Sprintf("job%d", number), Tenant: job.Tenant([]string{"a", "b", "c"}[r.IntN(3)]), Priority: int32(r.IntN(2)),
		ExpectedRun: time.Duration(1+r.IntN(480)) * time.Minute}
	q := job.Request{CPU: unit.MilliCPU(r.IntN(4000)), Memory: unit.MiB(r.IntN(8192)), Accelerators: 1 + r.IntN(2), Share: unit.Whole}
	if r.IntN(4) == 0 {
		q.Accelerators, q.Share = 1, unit.Milli(100+r.IntN(900))
	}
	count := 1
	if r.IntN(4) == 0 {
		count = 2
		q.Accelerators = 1
		s.Gang = r.IntN(2) == 0
	}
	s.Groups = []job.Group{{Name: "g", Count: count, Request: q}}
	return s
}

// TestBudgetsHoldAndNobodyStarves runs random centres with budgets over the days
// around changes of the clocks. Whenever work is started, what was drawn in the day,
// what runs will draw and what was started must be within every budget that counts
// it, in that day and in the next, by an account of its own; and when nothing new
// is submitted, all that waits starts within days. Half way the centre is written
// down and read again, and its history folded again.
func TestBudgetsHoldAndNobodyStarves(t *testing.T) {
	seeds := 150
	if testing.Short() {
		seeds = 25
	}
	waited := 0
	for seed := range uint64(seeds) {
		w := newBudgetWorld(seed)
		s, err := control.Open(w.cfg)
		if err != nil {
			t.Fatal(err)
		}
		w.state, w.opened = s, w.now
		var records []control.Record
		keep := func(batch []control.Input) {
			w.step(t, batch)
			records = append(records, w.last...)
		}
		keep(w.tell())
		jobs := 30 + w.rng.IntN(60)
		arrive := w.now
		for submitted, steps := 0, 0; submitted < jobs || w.state.Pending() > 0 || len(w.open) > 0; steps++ {
			next := w.state.NextWake()
			for _, r := range w.open {
				next = min(next, r.out)
			}
			if submitted < jobs {
				next = min(next, arrive)
			}
			if next == unit.Never || steps > 20_000 || next > w.opened.Add(20*24*time.Hour) {
				t.Fatalf("seed %d: at %s %d jobs wait for ever: %s", seed, w.now, w.state.Pending(), w.reasons())
			}
			w.now = max(next, w.now)
			batch := w.due()
			slices.SortFunc(batch, func(a, b control.Input) int { return int(a.Job-b.Job)*100 + int(a.Task-b.Task) })
			for submitted < jobs && arrive <= w.now {
				submitted++
				batch = append(batch, control.Input{Kind: control.Submit, Spec: w.spec(submitted)})
				arrive = arrive.Add(time.Duration(w.rng.ExpFloat64() * float64(40*time.Minute)))
			}
			if len(batch) == 0 {
				batch = append(batch, control.Input{Kind: control.Tick})
			}
			keep(batch)
			for _, b := range w.state.DayBudgets() {
				waited += b.Waiting
				w.compare(t, seed, &b)
			}
			if submitted == jobs/2 {
				var image bytes.Buffer
				if err := w.state.Freeze().Encode(&image); err != nil {
					t.Fatal(err)
				}
				if w.state, err = control.DecodeSnapshot(&image); err != nil {
					t.Fatal(err)
				}
			}
		}
		checkRecovery(t, w.state, records)
	}
	if waited == 0 {
		t.Error("no job ever waited for a budget: the test shows nothing")
	}
}

// compare holds the core's account of the present day to the observer's. Where
// reservations of a node add up to more than it, the ledger gives each less of the
// idle draw than its share, which the observer does not.
func (w *budgetWorld) compare(t *testing.T, seed uint64, b *control.DayBudget) {
	kwh, kg := w.total(&b.DayBudget, w.now)
	off := func(got, want float64) bool {
		least := want - 1e-3 - want*1e-4
		if w.ledger {
			least = want*0.9 - 1e-3
		}
		return got < least || got > want+1e-3+want*1e-4
	}
	if got := float64((b.Spent.Energy + b.Committed.Energy).KWh()); b.Energy > 0 && off(got, kwh) {
		t.Fatalf("seed %d: at %s %s is said to come to %.6f kWh in the day, it comes to %.6f (ledger %v)", seed, w.now, b, got, kwh, w.ledger)
	}
	if got := (b.Spent.Carbon + b.Committed.Carbon).Kilograms(); b.Carbon > 0 && off(got, kg) {
		t.Fatalf("seed %d: at %s %s is said to come to %.6f kg in the day, it comes to %.6f (ledger %v)", seed, w.now, b, got, kg, w.ledger)
	}
}

func (w *budgetWorld) reasons() (out []string) {
	for _, id := range w.state.Unstarted() {
		if r, ok := w.state.Why(id); ok {
			out = append(out, r.String())
		}
	}
	return out
}
