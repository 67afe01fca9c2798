package live_test

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
	"tianfu/sim"
	"tianfu/unit"
)

// features gives a share of the scenarios each of what a centre may be declared
// with beyond nodes and jobs: queues with quotas and reservations, limits of
// power, better hours to wait for, a ledger.
func (s *scenario) features(span time.Duration) {
	rng := s.rng
	if rng.IntN(3) == 0 { // two sites
		for i := range s.cfg.Fleet.Nodes {
			s.cfg.Fleet.Nodes[i].Place.Site = fmt.Sprintf("s%d", i%2)
		}
	}
	if rng.IntN(2) == 0 {
		s.queues(span)
	}
	limited, metered := rng.IntN(3) == 0, rng.IntN(3) == 0
	if limited || metered {
		s.nodeModels()
	}
	if limited {
		s.power(span)
	}
	if rng.IntN(3) == 0 {
		s.wishes(span)
	}
	if metered {
		s.meters(span)
	}
	slices.SortStableFunc(s.inputs, func(a, b sim.Arriving) int { return int(min(max(a.At-b.At, -1), 1)) })
}

// tell has an input arrive.
func (s *scenario) tell(at unit.Instant, in control.Input) {
	s.inputs = append(s.inputs, sim.Arriving{At: at, Input: in})
}

// queues gives every tenant a queue and half of the centres a reservation.
func (s *scenario) queues(span time.Duration) {
	rng, f := s.rng, s.cfg.Fleet
	has := map[string]int64{}
	for i := range f.Nodes {
		n := &f.Nodes[i]
		has[fleet.CPUs] += int64(n.CPU)
		has[fleet.Memory] += int64(n.Memory)
		has[fleet.Accelerators] += 1000 * int64(len(n.Devices))
		if n.Model != "" {
			has[string(n.Model)] += 1000 * int64(len(n.Devices))
		}
	}
	var resources []string
	for _, r := range []string{fleet.CPUs, fleet.Memory, fleet.Accelerators, "A100", "T4"} {
		if has[r] > 0 && rng.IntN(2) == 0 {
			resources = append(resources, r)
		}
	}
	slices.Sort(resources)
	q := &job.Queueing{}
	if rng.IntN(2) == 0 {
		q.HalfLife = time.Duration(1+rng.IntN(20)) * time.Minute
	}
	for i := range 3 {
		t := job.Tenant(fmt.Sprintf("tenant%d", i))
		r := job.QueueRule{Name: job.Queue(fmt.Sprintf("queue%d", i)), Tenants: []job.Tenant{t}, Weight: int64(1 + rng.IntN(3)),
			MinPriority: job.MinPriority, MaxPriority: job.MaxPriority}
		if rng.IntN(4) > 0 {
			r.Cohort = "cohort"
		}
		for _, name := range resources {
			g := has[name] * int64(1+rng.IntN(5)) / 9
			r.Guaranteed = append(r.Guaranteed, job.Amount{Resource: name, Units: g})
			if r.Cohort != "" && rng.IntN(3) == 0 {
				r.Borrow = append(r.Borrow, job.Amount{Resource: name, Units: has[name] * int64(rng.IntN(4)) / 6})
			}
			if r.Cohort != "" && rng.IntN(3) == 0 {
				r.Lend = append(r.Lend, job.Amount{Resource: name, Units: g * int64(rng.IntN(4)) / 3})
			}
		}
		q.Tenants, q.Queues = append(q.Tenants, job.TenantRule{Name: t, Weight: int64(1 + i)}), append(q.Queues, r)
	}
	s.cfg.Queueing = q
	if rng.IntN(2) == 0 {
		b := fleet.Booking{Name: "booked", Queue: "queue0"}
		for i := range 1 + rng.IntN(2) {
			b.Nodes = append(b.Nodes, f.Nodes[i%len(f.Nodes)].ID)
		}
		b.Nodes = slices.Compact(b.Nodes)
		from := s.within(span)
		for range 1 + rng.IntN(3) {
			to := from.Add(s.upTo(8 * time.Minute))
			b.Spans = append(b.Spans, fleet.Window{From: from, To: to})
			from = to.Add(s.upTo(10 * time.Minute))
		}
		if rng.IntN(2) == 0 { // half of the nodes only
			for _, id := range b.Nodes {
				n := &f.Nodes[slices.IndexFunc(f.Nodes, func(n fleet.Node) bool { return n.ID == id })]
				b.Portions = append(b.Portions, fleet.Portion{CPU: n.CPU / 2, Memory: n.Memory / 2, Accelerators: len(n.Devices) / 2})
			}
		}
		s.cfg.Bookings = []fleet.Booking{b}
	}
}

// upTo draws a time above zero, to the nanosecond.
func (s *scenario) upTo(most time.Duration) time.Duration {
	return time.Millisecond + time.Duration(s.rng.Int64N(int64(most)))
}

// nodeModels says what nodes draw.
func (s *scenario) nodeModels() {
	rng := s.rng
	for i := range s.cfg.Fleet.Nodes {
		n := &s.cfg.Fleet.Nodes[i]
		m := energy.NodeModel{Base: unit.Watts(20 + rng.IntN(50)), CPU: n.CPU, PackageIdle: 15, PackageFull: unit.Watts(100 + rng.IntN(200))}
		if rng.IntN(2) == 0 {
			m.CoresPerPackage = 4 + rng.IntN(8)
		}
		if len(n.Devices) > 0 {
			m.DeviceIdle, m.DeviceFull, m.Linear = unit.Watts(10+rng.IntN(40)), unit.Watts(100+rng.IntN(300)), rng.IntN(2) == 0
		}
		s.cfg.Power = append(s.cfg.Power, m)
	}
}

// power limits what sites and racks draw: from just above idle to beyond full,
// with reserves, batteries, sleep, and caps that come and go.
func (s *scenario) power(span time.Duration) {
	rng := s.rng
	t := &sched.Power{Protect: int32(1 + rng.IntN(4)), CapLatency: 2 * time.Second, Grace: 10 * time.Second}
	if t.Protect > 2 {
		t.Protect = sched.NoProtect
	}
	s.cfg.Tree = t
	for _, site := range s.sites() {
		root := int32(len(t.Areas))
		s.area(site, "site", -1, func(n *fleet.Node) bool { return n.Place.Site == site })
		for i := range 3 {
			rack := fmt.Sprintf("r%d", i)
			in := func(n *fleet.Node) bool { return n.Place.Site == site && n.Place.Rack == rack }
			if slices.ContainsFunc(s.cfg.Fleet.Nodes, func(n fleet.Node) bool { return in(&n) }) && rng.IntN(3) > 0 {
				s.area(site+"/"+rack, "rack", root, in)
			}
		}
	}
	if rng.IntN(2) == 0 {
		t.Sleep = sched.PowerSleep{After: s.upTo(time.Minute), Reserve: int32(rng.IntN(2)), Latency: s.upTo(30 * time.Second), Draw: 3000}
	}
	if rng.IntN(3) == 0 {
		from := s.within(span)
		t.Caps = append(t.Caps, sched.CapEvent{Area: t.Areas[0].Path, Part: 700_000, From: from, To: from.Add(s.upTo(time.Minute)), Every: 90 * time.Second, Until: from.Add(10 * time.Minute)})
	}
	for i := range rng.IntN(8) {
		a := &t.Areas[rng.IntN(len(t.Areas))]
		k := &sched.CapEvent{Area: a.Path, Part: 600_000 + rng.Int64N(400_000), From: s.within(span)}
		at := k.From.Add(-s.upTo(time.Second))
		k.To = k.From.Add(s.upTo(5 * time.Minute))
		s.tell(at, control.Input{Kind: control.SetCap, Cap: k})
		if rng.IntN(4) == 0 {
			s.tell(at.Add(s.upTo(time.Minute)), control.Input{Kind: control.ClearCap, CapID: int32(1 + i)})
		}
	}
	for range rng.IntN(3) {
		x := control.Input{Kind: control.Solar, Site: s.sites()[0]}
		at := s.within(span)
		from := at
		for range 1 + rng.IntN(4) {
			to := from.Add(s.upTo(3 * time.Minute))
			x.Solar = append(x.Solar, control.SolarHour{From: from, To: to, Milliwatts: rng.Int64N(500_000)})
			from = to
		}
		s.tell(at, x)
	}
	for i := range s.jobs {
		s.jobs[i].Spec.Suspendable = rng.IntN(2) == 0
	}
}

// area limits the nodes that are in it.
func (s *scenario) area(path, level string, parent int32, in func(*fleet.Node) bool) {
	rng := s.rng
	var idle, full float64
	for i := range s.cfg.Fleet.Nodes {
		if n := &s.cfg.Fleet.Nodes[i]; in(n) {
			idle += float64(s.cfg.Power[i].IdleWatts(len(n.Devices)))
			full += float64(s.cfg.Power[i].FullWatts(len(n.Devices)))
		}
	}
	a := sched.PowerArea{Path: path, Level: level, Parent: parent, Limit: int64(1000 * (idle + (0.2+rng.Float64())*(full-idle))), Warn: sched.DefaultWarn, Resume: 800_000 + int64(rng.IntN(200_000))}
	if rng.IntN(3) == 0 {
		a.Reserve = a.Limit / 20
	}
	if parent < 0 {
		a.Overhead = 1_000_000 + int64(rng.IntN(500_000))
		a.Limit = a.Limit / 1000 * a.Overhead / 1000
		if rng.IntN(2) == 0 {
			a.Battery = sched.Battery{Capacity: unit.Millijoules(rng.Int64N(1e9)), Power: rng.Int64N(1e6), Efficiency: 700_000 + int64(rng.IntN(300_000))}
			a.Battery.Charge = a.Battery.Capacity / 2
		}
	}
	s.cfg.Tree.Areas = append(s.cfg.Tree.Areas, a)
}

func (s *scenario) sites() (out []string) {
	for i := range s.cfg.Fleet.Nodes {
		if site := s.cfg.Fleet.Nodes[i].Place.Site; !slices.Contains(out, site) {
			out = append(out, site)
		}
	}
	return out
}

// wishes gives jobs deadlines and wishes, and tells what hours cost, again and
// again, as forecasts change.
func (s *scenario) wishes(span time.Duration) {
	rng := s.rng
	for i := range 1 + rng.IntN(4) {
		at := s.within(span)
		if i == 0 {
			at = s.opening.Add(s.upTo(2 * time.Second)) // or nobody waits
		}
		for _, site := range s.sites() {
			at = at.Add(s.upTo(time.Second))
			s.tell(at, control.Input{Kind: control.SiteHours, Site: site, Hours: s.hours(at, 4+rng.IntN(20))})
		}
	}
	if rng.IntN(2) == 0 {
		s.cfg.Deferring.Allowance[job.Batch] = s.upTo(3 * time.Hour)
	}
	for i := range s.jobs {
		j, at := s.jobs[i].Spec, s.jobs[i].Submit
		if rng.IntN(2) == 0 {
			j.Wish = job.Wish(1 + rng.IntN(3))
			if j.Wish == job.WishWeights {
				j.CarbonPrice = int32(rng.IntN(1000))
			}
			j.Pausable = rng.IntN(2) == 0
		}
		if rng.IntN(2) == 0 {
			j.Deadline = max(at, j.StartBy).Add(s.upTo(5 * time.Hour))
		}
	}
}

// hours draws what the hours of a site cost; those ahead are forecasts.
func (s *scenario) hours(now unit.Instant, n int) (out []energy.SiteHour) {
	rng := s.rng
	from := now - now%unit.Instant(time.Hour)
	for i := range n {
		h := energy.SiteHour{From: from, To: from.Add(time.Hour), CarbonLocation: rng.Int64N(900_000), CarbonMarket: energy.NoData, CarbonMarginal: energy.NoData,
			Price: rng.Int64N(2e9) - 1e8, PUE: 1_000_000 + rng.Int64N(500_000), Water: energy.NoData, Forecast: i > 0}
		if rng.IntN(10) == 0 {
			h.PUE = energy.NoData
		}
		out = append(out, h)
		from = h.To
	}
	return out
}

// meters keeps a ledger; some nodes have meters, which tell late, leave holes and
// repeat themselves.
func (s *scenario) meters(span time.Duration) {
	rng := s.rng
	s.cfg.Metering = control.Metering{Every: time.Duration(2+rng.IntN(20)) * 5 * time.Second, Lag: time.Duration(rng.IntN(3)*15) * time.Second}
	for range rng.IntN(30) {
		n := &s.cfg.Fleet.Nodes[rng.IntN(len(s.cfg.Fleet.Nodes))]
		at := s.within(span)
		to := max(at.Add(-s.upTo(20*time.Second)), s.opening+2)
		r := &control.EnergyReading{From: max(to.Add(-s.upTo(2*time.Minute)), s.opening), To: to, Basis: meter.Measured}
		r.Energy = unit.Millijoules(float64(r.To-r.From) / 1e6 * float64(50+rng.IntN(1500)))
		if rng.IntN(4) == 0 {
			r.Energy = meter.Unknown
		}
		id := job.ID(1 + rng.IntN(len(s.jobs)))
		for task := range int32(rng.IntN(3)) {
			r.Used = append(r.Used, control.TaskUse{Job: id, Task: task, Attempt: 1, CPUMicros: rng.Int64N(1e9)})
		}
		s.tell(at, control.Input{Kind: control.EnergyMeasured, Node: n.ID, Reading: r})
	}
	if rng.IntN(3) == 0 {
		for _, site := range s.sites() {
			at := s.within(span)
			s.tell(at, control.Input{Kind: control.SiteHours, Site: site, Hours: s.hours(at, 1+rng.IntN(3))})
		}
	}
}
