package control_test

import (
	"fmt"
	"math/bits"
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

// scenario drives a random centre: jobs of every kind, exits, failures,
// cordons, drains, cancellations, late and repeated reports.
type scenario struct {
	rng     *rand.Rand
	cfg     control.Config
	state   *control.State
	now     unit.Instant
	running map[taskKey]control.Order
	evicted []control.Order // told to leave, report outstanding
	stale   []control.Input // reports to repeat
	records []control.Record
	jobs    []*job.Spec
	first   control.Config // before any change
	stable  bool           // changes leave the nodes and their order as they are
	power   *rand.Rand     // of every second centre, which has a power tree
	books   *rand.Rand     // of those with queues, where reservations are made and ended
}

type taskKey struct {
	id   job.ID
	task int32
}

var scriptModels = []fleet.Model{"A100", "T4", "P100"}

func randomFleet(rng *rand.Rand) *fleet.Fleet {
	f := &fleet.Fleet{Name: "random", Traits: map[fleet.Model]fleet.Traits{
		"A100": {Memory: 80 << 10, Precisions: []string{"fp16", "bf16"}, Stack: "cuda", ComputeSlices: 7, MemorySlices: 8,
			Profiles: []fleet.Profile{{Name: "1g", Compute: 1, Memory: 1}, {Name: "3g", Compute: 3, Memory: 4}}},
		"T4":   {Memory: 16 << 10, Precisions: []string{"fp16"}, Stack: "cuda"},
		"P100": {Memory: 16 << 10, Stack: "cuda"},
	}}
	for i := range 2 + rng.IntN(12) {
		n := fleet.Node{
			ID: fleet.NodeID(fmt.Sprintf("n%d", i)), CPU: unit.MilliCPU(1000 * (4 + rng.IntN(60))), Memory: unit.MiB(1024 * (8 + rng.IntN(120))),
			Place: fleet.Place{Site: "s", Rack: fmt.Sprintf("r%d", i/3)}, Segment: fmt.Sprintf("seg%d", i/4), Pod: fmt.Sprintf("pod%d", i/8),
		}
		if rng.IntN(5) > 0 {
			n.Model = scriptModels[rng.IntN(3)]
			n.Devices = make([]fleet.Device, 1+rng.IntN(8))
		}
		if i%6 == 5 {
			n.Tasks = 2 + i%5
		}
		if rng.IntN(8) == 0 {
			from := unit.At(int64(rng.IntN(500)))
			n.Maintenance = []fleet.Window{{From: from, To: from.Add(time.Duration(1+rng.IntN(200)) * time.Second)}}
		}
		f.Nodes = append(f.Nodes, n)
	}
	return f
}

func randomSpec(rng *rand.Rand, number int, now unit.Instant) *job.Spec {
	s := &job.Spec{
		Name: fmt.Sprintf("job%d", number), Tenant: job.Tenant(fmt.Sprintf("tenant%d", rng.IntN(3))),
		Priority: int32(rng.IntN(3)), Preemptible: rng.IntN(2) == 0, ExpectedRun: time.Duration(rng.IntN(4)*40) * time.Second,
	}
	groups := 1
	if rng.IntN(6) == 0 {
		groups = 2
	}
	for range groups {
		r := job.Request{CPU: unit.MilliCPU(rng.IntN(8000)), Memory: unit.MiB(rng.IntN(8192))}
		switch rng.IntN(6) {
		case 0, 1:
			r.Accelerators, r.Share = 1+rng.IntN(4), unit.Whole
		case 2:
			r.Accelerators, r.Share = 1, unit.Milli(1+rng.IntN(999))
		case 3:
			r.Accelerators, r.Share, r.Partition = 1, unit.Whole, []string{"1g", "3g"}[rng.IntN(2)]
		}
		if r.Accelerators > 0 && r.Partition == "" && rng.IntN(3) == 0 {
			r.Models = []fleet.Model{scriptModels[rng.IntN(3)]}
		}
		s.Groups = append(s.Groups, job.Group{Name: "g", Count: 1, Request: r})
	}
	if rng.IntN(3) == 0 {
		s.Groups[0].Count = 1 + rng.IntN(5)
		s.Gang = rng.IntN(2) == 0
		if s.Gang {
			s.Topology = job.Topology{Mode: job.TopologyMode(rng.IntN(3)), Level: fleet.Level(rng.IntN(4))}
		}
	}
	if rng.IntN(3) == 0 {
		s.Retries, s.Backoff = rng.IntN(3), time.Duration(rng.IntN(3)*15)*time.Second
	}
	if len(s.Groups) == 1 && !s.Gang && s.Backoff == 0 && rng.IntN(4) == 0 {
		s.Array, s.Groups[0].Count = true, 1+rng.IntN(12)
		s.Parallel = int32(rng.IntN(4))
		if number%2 == 0 {
			s.Retries, s.Backoff = 2, 15*time.Second
		}
	}
	if number > 2 && rng.IntN(4) == 0 {
		for range 1 + rng.IntN(2) {
			s.After = append(s.After, job.Dependency{Job: job.ID(1 + rng.IntN(number/2+1)), AnyEnd: rng.IntN(2) == 0})
		}
	}
	if rng.IntN(5) == 0 {
		s.Key, s.Work = fmt.Sprintf("key%d", rng.IntN(20)), []byte("work")
	}
	if rng.IntN(5) == 0 {
		s.StartBy = now.Add(time.Duration(rng.IntN(200)) * time.Second)
		if number%2 == 0 {
			s.Deadline = s.StartBy.Add(time.Hour)
		}
	}
	return s
}

func newScenario(seed uint64) (*scenario, error) { return newScenarioOf(seed, false, false) }

// newPowered gives every second centre a power tree, and every second pair budgets.
func newPowered(seed uint64) (*scenario, error) { return newScenarioOf(seed, true, seed%4 >= 2) }

func newScenarioOf(seed uint64, powered, budgets bool) (*scenario, error) {
	rng := rand.New(rand.NewPCG(seed, 1))
	policies := []string{"tianfu", "tianfu-migrate", "fgd", "bestfit", "firstfit", "random", "dotprod", "gpu-packing", "gpu-clustering"}
	c := &scenario{rng: rng, running: map[taskKey]control.Order{}}
	c.cfg = control.Config{
		Fleet: randomFleet(rng), Policy: policies[rng.IntN(len(policies))],
		Rules: sched.Rules{Preempt: rng.IntN(2) == 0, Backfill: sched.Backfill(rng.IntN(2))}, Params: sched.Config{Seed: seed},
		Weights: map[job.Tenant]int64{"tenant1": 3},
	}
	if seed%2 == 1 {
		c.cfg.Queueing = randomQueueing(rng, c.cfg.Fleet)
		c.books = rand.New(rand.NewPCG(seed, 3))
		if seed%4 == 1 {
			c.cfg.Bookings = []fleet.Booking{{Name: "booked", Queue: "queue0", Nodes: []fleet.NodeID{c.cfg.Fleet.Nodes[0].ID}, Spans: []fleet.Window{{From: unit.At(100), To: unit.At(200)}, {From: unit.At(400), To: unit.At(450)}}}}
		}
	}
	if powered && seed%2 == 0 {
		c.power = rand.New(rand.NewPCG(seed, 2))
		randomPower(c.power, &c.cfg)
	}
	if budgets {
		randomBudgets(rand.New(rand.NewPCG(seed, 4)), &c.cfg)
	}
	c.first = c.cfg
	var err error
	c.state, err = control.Open(c.cfg)
	return c, err
}

// batch draws what arrives at an instant.
func (c *scenario) batch() []control.Input {
	var in []control.Input
	for range c.rng.IntN(4) {
		s := randomSpec(c.rng, len(c.jobs), c.now)
		c.jobs = append(c.jobs, s)
		s.Suspendable = c.power != nil && c.power.IntN(2) == 0
		in = append(in, control.Input{Kind: control.Submit, Spec: s})
	}
	for _, k := range c.sortedRunning() {
		if c.rng.IntN(5) == 0 {
			o := c.running[k]
			in = append(in, control.Input{Kind: control.Exited, Job: o.Job, Task: o.Task, Attempt: o.Attempt, Ending: control.Ending(c.rng.IntN(2))})
		}
	}
	kept := c.evicted[:0]
	for _, o := range c.evicted {
		if c.rng.IntN(2) == 0 {
			kept = append(kept, o)
			continue
		}
		ending := control.Evicted
		if c.rng.IntN(4) == 0 {
			ending = control.Succeeded // it ended by itself before it was told
		}
		in = append(in, control.Input{Kind: control.Exited, Job: o.Job, Task: o.Task, Attempt: o.Attempt, Ending: ending})
	}
	c.evicted = kept
	if len(c.stale) > 0 && c.rng.IntN(2) == 0 {
		in = append(in, c.stale[c.rng.IntN(len(c.stale))])
	}
	if c.power != nil {
		in = append(in, c.told()...)
	}
	if c.books != nil && c.books.IntN(4) == 0 {
		in = append(in, c.book())
	}
	if c.rng.IntN(6) == 0 {
		in = append(in, c.hours())
	}
	if c.rng.IntN(9) == 0 {
		in = append(in, c.reload())
	}
	if c.rng.IntN(4) == 0 {
		n := &c.cfg.Fleet.Nodes[c.rng.IntN(len(c.cfg.Fleet.Nodes))]
		device := -1
		if len(n.Devices) > 0 && c.rng.IntN(2) == 0 {
			device = c.rng.IntN(len(n.Devices))
		}
		in = append(in, control.Input{Kind: control.NodeState, Node: n.ID, Device: device,
			Health: fleet.Health(c.rng.IntN(3)), Cordon: c.rng.IntN(4) == 0, Drain: c.rng.IntN(6) == 0})
	}
	if len(c.jobs) > 0 && c.rng.IntN(6) == 0 {
		in = append(in, control.Input{Kind: control.Cancel, Job: job.ID(1 + c.rng.IntN(len(c.jobs)))})
	}
	return append(in, control.Input{Kind: control.Tick})
}

// book makes a reservation, now and then one that is to be refused, or ends one.
func (c *scenario) book() control.Input {
	rng := c.books
	name := fmt.Sprintf("told%d", rng.IntN(6))
	if rng.IntN(3) == 0 {
		return control.Input{Kind: control.Unbook, Name: name}
	}
	b := &control.BookingTold{}
	if rng.IntN(2) == 0 {
		b.Key = fmt.Sprintf("key%d", rng.IntN(6))
	}
	from := c.now.Add(time.Duration(rng.IntN(120)-20) * time.Second)
	p := fleet.Booking{Name: name, Queue: fmt.Sprintf("queue%d", rng.IntN(3))}
	for range 1 + rng.IntN(2) {
		p.Spans = append(p.Spans, fleet.Window{From: from, To: from.Add(time.Duration(10+rng.IntN(60)) * time.Second)})
		from = p.Spans[len(p.Spans)-1].To.Add(time.Duration(rng.IntN(30)) * time.Second)
	}
	for range 1 + rng.IntN(2) {
		p.Nodes = append(p.Nodes, c.cfg.Fleet.Nodes[rng.IntN(len(c.cfg.Fleet.Nodes))].ID)
	}
	if rng.IntN(2) == 0 {
		b.Ask = c.askFor(p)
	} else {
		b.Parts = []fleet.Booking{p}
	}
	return control.Input{Kind: control.Book, Booked: b}
}

// reload changes the configuration: nodes come, go, change places in the order
// and what they have. What running work does not bear is refused.
func (c *scenario) reload() control.Input {
	next, f := c.cfg, *c.cfg.Fleet
	f.Nodes = slices.Clone(f.Nodes)
	kind := c.rng.IntN(5)
	if c.stable {
		kind = 3 + kind%2
	} else {
		c.rng.Shuffle(len(f.Nodes), func(i, j int) { f.Nodes[i], f.Nodes[j] = f.Nodes[j], f.Nodes[i] })
	}
	n := &f.Nodes[c.rng.IntN(len(f.Nodes))]
	switch kind {
	case 0:
		f.Nodes = append(f.Nodes, fleet.Node{ID: fleet.NodeID(fmt.Sprintf("new%d", len(c.records))), CPU: 16_000, Memory: 64 << 10, Model: "A100", Devices: make([]fleet.Device, 4)})
	case 1:
		if len(f.Nodes) > 1 {
			f.Nodes = f.Nodes[1:]
		}
	case 2:
		n.CPU, n.Memory = n.CPU/2+unit.MilliCPU(c.rng.IntN(8000)), n.Memory+unit.MiB(c.rng.IntN(4096))-2048
	case 3:
		n.Cordoned = !n.Cordoned
	case 4:
		n.Drain = !n.Drain
	}
	if c.cfg.Power != nil {
		next.Power = nil
		for i := range f.Nodes {
			at := slices.IndexFunc(c.cfg.Fleet.Nodes, func(n fleet.Node) bool { return n.ID == f.Nodes[i].ID })
			next.Power = append(next.Power, c.cfg.Power[max(at, 0)])
		}
	}
	next.Fleet = &f
	return control.Input{Kind: control.Configure, Config: &next}
}

// hours reports some hours of a site of the fleet, observed or forecast.
func (c *scenario) hours() control.Input {
	in := control.Input{Kind: control.SiteHours, Site: c.cfg.Fleet.Nodes[c.rng.IntN(len(c.cfg.Fleet.Nodes))].Place.Site}
	at := c.now - c.now%unit.At(60)
	for range 1 + c.rng.IntN(5) {
		h := energy.SiteHour{From: at, To: at.Add(time.Minute), CarbonLocation: c.rng.Int64N(900_000), CarbonMarket: energy.NoData, CarbonMarginal: energy.NoData,
			Price: c.rng.Int64N(2e9) - 1e8, PUE: 1_000_000 + c.rng.Int64N(500_000), Water: energy.NoData, Forecast: c.rng.IntN(2) == 0}
		in.Hours = append(in.Hours, h)
		at = h.To
	}
	return in
}

func (c *scenario) sortedRunning() []taskKey {
	var keys []taskKey
	for k := range c.running {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b taskKey) int {
		if a.id != b.id {
			return int(a.id) - int(b.id)
		}
		return int(a.task - b.task)
	})
	return keys
}

// follow keeps the books of an engine.
func (c *scenario) follow(o *control.Outcome) {
	for i := range o.Records {
		r := o.Records[i]
		c.records = append(c.records, r)
		if r.Kind == control.Configured {
			c.cfg = *r.Config
		}
		if r.Kind == control.Ended {
			delete(c.running, taskKey{r.Job, r.Task})
			c.stale = append(c.stale, control.Input{Kind: control.Exited, Job: r.Job, Task: r.Task, Attempt: r.Attempt, Ending: control.Succeeded})
		}
	}
	for _, x := range o.Orders {
		switch x.Kind {
		case control.Start:
			c.running[taskKey{x.Job, x.Task}] = x
		case control.Stop:
			c.evicted = append(c.evicted, x)
		}
	}
}

// check sums up the fleet from the records alone and holds it to the rules.
func (c *scenario) check() error {
	type held struct {
		tasks    int
		cpu, mem int64
		dev      [fleet.MaxDevices]int64
	}
	nodes := make([]held, len(c.cfg.Fleet.Nodes))
	active := map[taskKey]control.Record{}
	specs := map[job.ID]*job.Spec{}
	names := c.first.Fleet.Nodes // by rank
	phase := map[job.ID]int{}
	for _, r := range c.records {
		k := taskKey{r.Job, r.Task}
		switch r.Kind {
		case control.Submitted:
			specs[r.Job] = r.Spec
		case control.Allocated:
			if old, twice := active[k]; twice {
				return fmt.Errorf("%s/%d is allocated twice: attempts %d and %d", r.Job, r.Task, old.Attempt, r.Attempt)
			}
			active[k] = r
			phase[r.Job]++
		case control.Configured:
			rank := map[fleet.NodeID]int32{}
			for i := range r.Config.Fleet.Nodes {
				rank[r.Config.Fleet.Nodes[i].ID] = int32(i)
			}
			for k, a := range active {
				n, there := rank[names[a.Node].ID]
				if !there {
					return fmt.Errorf("%s/%d runs on %s, which was removed", k.id, k.task, names[a.Node].ID)
				}
				a.Node = n
				active[k] = a
			}
			names = r.Config.Fleet.Nodes
		case control.Moved:
			a := active[k]
			a.Node, a.Devices = r.Node, r.Devices
			active[k] = a
		case control.Ended:
			if a, ok := active[k]; !ok || a.Attempt != r.Attempt {
				return fmt.Errorf("%s/%d attempt %d ended without running", r.Job, r.Task, r.Attempt)
			}
			delete(active, k)
		}
	}
	for k, a := range active {
		n := &nodes[a.Node]
		n.tasks++
		n.cpu += int64(a.CPU)
		n.mem += int64(a.Memory)
		for m := a.Devices; m != 0; m &= m - 1 {
			n.dev[bits.TrailingZeros16(m)] += int64(a.Share)
		}
		if want := specs[k.id].Request(k.task); bits.OnesCount16(a.Devices) != want.Accelerators || a.CPU != int32(want.CPU) {
			return fmt.Errorf("%s/%d holds %d devices and %d CPU, asked for %d and %d", k.id, k.task, bits.OnesCount16(a.Devices), a.CPU, want.Accelerators, want.CPU)
		}
	}
	for i := range nodes {
		d := &c.cfg.Fleet.Nodes[i]
		if nodes[i].cpu > int64(d.CPU) || nodes[i].mem > int64(d.Memory) {
			return fmt.Errorf("node %s holds %d CPU of %d, %d MiB of %d", d.ID, nodes[i].cpu, d.CPU, nodes[i].mem, d.Memory)
		}
		if d.Tasks > 0 && nodes[i].tasks > d.Tasks {
			return fmt.Errorf("node %s runs %d tasks of %d", d.ID, nodes[i].tasks, d.Tasks)
		}
		for k, share := range nodes[i].dev {
			if share > int64(unit.Whole) || share > 0 && k >= len(d.Devices) {
				return fmt.Errorf("node %s device %d holds %d milli", d.ID, k, share)
			}
		}
	}
	return nil
}

// checkGangs holds every step to "whole or not at all": the placements of a
// gang in one plan are all that wait.
func (c *scenario) checkGangs(o *control.Outcome) error {
	started := map[job.ID]int{}
	for _, x := range o.Orders {
		if x.Kind == control.Start {
			started[x.Job]++
		}
	}
	for id, n := range started {
		s := c.specOf(id)
		if !s.Gang {
			continue
		}
		running := 0
		for k := range c.running {
			if k.id == id {
				running++
			}
		}
		done := 0
		for _, r := range c.records {
			if r.Kind == control.Ended && r.Job == id && (r.Ending == control.Succeeded || r.Ending == control.TaskFailed) {
				done++
			}
		}
		if running+done < s.Tasks() {
			return fmt.Errorf("gang %s started %d tasks: %d run and %d are done of %d", id, n, running, done, s.Tasks())
		}
	}
	return nil
}

func (c *scenario) specOf(id job.ID) *job.Spec {
	for i := range c.records {
		if r := &c.records[i]; r.Kind == control.Submitted && r.Job == id {
			return r.Spec
		}
	}
	return nil
}

// TestRandomCentresKeepTheirPromises runs random centres and holds every step
// to the invariants: nothing allocated beyond what exists, gangs whole, the
// state equal to the fold of its records, and every job that waits has a
// reason that is true.
func TestRandomCentresKeepTheirPromises(t *testing.T) {
	seeds := 300
	if testing.Short() {
		seeds = 60
	}
	for seed := range uint64(seeds) {
		c, err := newScenario(seed)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for step := range 60 {
			c.now = c.now.Add(time.Duration(1+c.rng.IntN(20)) * time.Second)
			o := c.state.Step(c.now, c.batch())
			c.follow(o)
			if err := c.check(); err != nil {
				t.Fatalf("seed %d step %d policy %s: %v", seed, step, c.cfg.Policy, err)
			}
			if err := c.checkQuotas(); err != nil {
				t.Fatalf("seed %d step %d policy %s: %v", seed, step, c.cfg.Policy, err)
			}
			if err := c.checkPortions(); err != nil {
				t.Fatalf("seed %d step %d policy %s: %v", seed, step, c.cfg.Policy, err)
			}
			if err := c.checkGangs(o); err != nil {
				t.Fatalf("seed %d step %d policy %s: %v", seed, step, c.cfg.Policy, err)
			}
			if o.Plan != nil {
				checkReasons(t, c, o.Plan, fmt.Sprintf("seed %d step %d policy %s", seed, step, c.cfg.Policy))
			}
			if step%13 == 5 {
				checkRecovery(t, c.state, c.records)
			}
		}
	}
}

// checkReasons recounts, from what the state holds, why a single task waits.
func checkReasons(t *testing.T, c *scenario, p *sched.Plan, at string) {
	t.Helper()
	for i := range p.Unplaced {
		u := &p.Unplaced[i]
		why, waits := c.state.Why(u.Job)
		if !waits {
			continue
		}
		if why.Dominant == sched.None || why.Considered == 0 && why.Ahead == 0 && why.Quota.Resource == "" {
			t.Fatalf("%s: %s waits without a reason: %+v", at, u.Job, why)
		}
		spec := c.specOf(u.Job)
		if q := &why.Quota; q.Resource != "" {
			if q.Asked <= q.Borrowable && why.Dominant != sched.QuotaKept {
				t.Fatalf("%s: %s waits for a quota that has room: %s", at, u.Job, why.String())
			}
			continue
		}
		if spec.Tasks() != 1 || c.cfg.Rules.Backfill == sched.Strict && why.Ahead != 0 {
			continue
		}
		r := &spec.Groups[0].Request
		cp := c.state.Capacity()
		fits := 0
		for n := range int32(cp.Nodes()) {
			left, d := cp.Left(n), cp.Node(n)
			if d.Health == fleet.Healthy && !d.Cordoned && !d.Drain && left.CPU >= r.CPU && left.Memory >= r.Memory && left.Tasks > 0 && r.Accelerators == 0 && len(d.Maintenance) == 0 {
				fits++
			}
		}
		if fits > 0 && why.Excluded[sched.Reserved]+why.Excluded[sched.Booked] == 0 && why.Ahead == 0 && r.Accelerators == 0 && why.Excluded[sched.PowerCap]+why.Excluded[sched.NodeAsleep]+why.Excluded[sched.OverBudget] == 0 {
			t.Fatalf("%s: %s waits although %d nodes have room: %s", at, u.Job, fits, why.String())
		}
		sum := int32(0)
		for _, n := range why.Excluded {
			sum += n
		}
		if sum > int32(cp.Nodes()) {
			t.Fatalf("%s: %s: %d nodes excluded of %d: %s", at, u.Job, sum, cp.Nodes(), why.String())
		}
	}
}

// TestRecoveredCentreGoesOnAlike recovers a centre at random instants and
// drives both with the same inputs: from then on their records are equal.
func TestRecoveredCentreGoesOnAlike(t *testing.T) {
	for seed := range uint64(60) {
		c, err := newPowered(1000 + seed)
		if err != nil {
			t.Fatal(err)
		}
		var twin *control.State
		cut := 5 + int(seed%40)
		for step := range 60 {
			if step == cut {
				if twin, err = control.Recover(c.records); err != nil {
					t.Fatal(err)
				}
			}
			c.now = c.now.Add(time.Duration(1+c.rng.IntN(20)) * time.Second)
			in := c.batch()
			o := c.state.Step(c.now, slices.Clone(in))
			if twin != nil {
				o2 := twin.Step(c.now, slices.Clone(in))
				if a, b := render(o.Records), render(o2.Records); a != b {
					t.Fatalf("seed %d step %d policy %s (recovered at step %d): records differ\nlive\n%s\nrecovered\n%s", 1000+seed, step, c.cfg.Policy, cut, a, b)
				}
			}
			c.follow(o)
		}
	}
}

func render(rs []control.Record) string {
	var b []byte
	for i := range rs {
		b = control.AppendRecord(b, &rs[i])
		b = append(b, '\n')
	}
	return fmt.Sprintf("%q", b)
}

// TestForkGoesOnAlone forks random centres: a step of the fork leaves the
// original as it was, and what the fork did is what the original then does.
func TestForkGoesOnAlone(t *testing.T) {
	for seed := range uint64(60) {
		c, err := newPowered(2000 + seed)
		if err != nil {
			t.Fatal(err)
		}
		for step := range 40 {
			c.now = c.now.Add(time.Duration(1+c.rng.IntN(20)) * time.Second)
			in := c.batch()
			for i := range in {
				if in[i].Spec != nil {
					in[i].Spec.Key = ""
				}
			}
			before := c.state.Describe()
			fork := c.state.Fork()
			if got := fork.Describe(); got != before {
				t.Fatalf("seed %d step %d: the fork differs from the state", 2000+seed, step)
			}
			forked := render(fork.Step(c.now, slices.Clone(in)).Records)
			if after := c.state.Describe(); after != before {
				t.Fatalf("seed %d step %d: a step of the fork changed the state", 2000+seed, step)
			}
			o := c.state.Step(c.now, slices.Clone(in))
			if real := render(o.Records); real != forked {
				t.Fatalf("seed %d step %d policy %s: the fork did\n%s\nthe state did\n%s", 2000+seed, step, c.cfg.Policy, forked, real)
			}
			c.follow(o)
		}
	}
}
