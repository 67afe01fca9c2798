package control_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"tianfu/control"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// TestFaultsBreakNoPromise runs random centres against an outside on which
// nothing can be relied: nodes and devices fail, reports come late, twice, in
// another order or not at all, the disk refuses, and the process ends between
// any two steps and starts again from its records, or from a snapshot and what
// came after it. After every step the books are checked; when the faults are
// over everything must end. FAULT_SEED=n repeats one seed, SEEDS=n runs so many.
func TestFaultsBreakNoPromise(t *testing.T) {
	forSeeds(t, 400, func(seed uint64) error {
		o, err := newOutside(seed, 90*time.Minute)
		if err == nil && seed/8%2 == 1 {
			err = o.limitDays()
		}
		if err == nil {
			err = o.live()
		}
		return err
	})
}

// TestFaultsThatBrokeAPromise runs seeds in which one was broken: a plan took work
// inside the guarantee of another queue, and the core ended; or limits of power are so
// tight that gangs once waited for ever: four that no check had told that they never
// fit, four that fit and whose policy never found how, and a job that fitted only while
// nodes slept.
func TestFaultsThatBrokeAPromise(t *testing.T) {
	for _, seed := range []uint64{7611, 1140, 1434, 2212, 2314, 2378, 2602, 2902, 3080, 7512} {
		o, err := newOutside(seed, 90*time.Minute)
		if err == nil {
			err = o.live()
		}
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

// TestFaultsThatBrokeABudget runs seeds in which a job waited for a budget for ever: a
// gang that drew more than a day's on the nodes there are, or was never tried where it
// draws less, and a job with a latest start that nobody had held to its budget.
func TestFaultsThatBrokeABudget(t *testing.T) {
	for _, seed := range []uint64{51, 303, 313, 419} {
		o, err := newOutside(seed, 90*time.Minute)
		if err == nil {
			err = o.limitDays()
		}
		if err == nil {
			err = o.live()
		}
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

// TestEveryPrefixGoesOn stops random histories after every single record, even
// halfway through a step, and lets a centre go on from there.
func TestEveryPrefixGoesOn(t *testing.T) {
	forSeeds(t, 8, func(seed uint64) error {
		o, err := newOutside(1e6+seed, 3*time.Minute)
		if err != nil {
			return err
		}
		o.steps = 25
		if err := o.live(); err != nil {
			return err
		}
		for n := 1; n <= len(o.records); n++ {
			p, err := newOutside(1e6+seed, 3*time.Minute)
			if err != nil {
				return err
			}
			p.torn, p.steps = true, 0
			p.records = slices.Clone(o.records[:n])
			p.now = p.records[n-1].At
			p.jobs = o.jobs
			if err = p.reopen(); err == nil {
				for id, m := range p.account.meters {
					p.seen[id] = m.told // a meter goes on from what it has told
				}
				err = p.live()
			}
			if err != nil {
				return fmt.Errorf("after record %d: %w", n, err)
			}
		}
		return nil
	})
}

// forSeeds runs a test for so many seeds.
func forSeeds(t *testing.T, seeds int, f func(uint64) error) {
	one := func(seed uint64) {
		if err := f(seed); err != nil {
			t.Fatalf("seed %d: %v\nagain: FAULT_SEED=%d go test ./control -run '%s$'", seed, err, seed, t.Name())
		}
	}
	if text := os.Getenv("FAULT_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		one(seed)
		return
	}
	if n, err := strconv.Atoi(os.Getenv("SEEDS")); err == nil && seeds > 100 {
		seeds = n
	} else if testing.Short() {
		seeds = (seeds + 3) / 4
	}
	for seed := range uint64(seeds) {
		one(seed)
	}
}

// attemptKey names an attempt, as engines do.
type attemptKey struct {
	id            job.ID
	task, attempt int32
}

func compareKeys(a, b attemptKey) int {
	return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.task, b.task), cmp.Compare(a.attempt, b.attempt))
}

// process is a task as the modelled engine has it.
type process struct {
	ends   unit.Instant
	ending control.Ending
	ended  bool
	still  unit.Instant // it stands still since then; 0 = it runs
}

// outside is everything around a core: clients, nodes, an engine, a disk.
type outside struct {
	seed    uint64
	rng     *rand.Rand
	cfg     control.Config
	state   *control.State
	now     unit.Instant
	records []control.Record // on the disk
	books   books
	shot    int // records in the latest snapshot
	image   []byte
	steps   int // with faults
	torn    bool
	calm    bool // no faults any more

	jobs     []*job.Spec // by key; what clients want
	accepted map[string]job.ID
	unasked  int // first job that no client has asked for yet
	engine   map[attemptKey]*process
	reports  []delivery

	account *account
	seen    map[fleet.NodeID]unit.Instant // until when meters have looked
	meters  map[fleet.NodeID][]meterRead
	planned bool       // plans in time are made
	coming  []delivery // of them
}

// delivery is a report on its way.
type delivery struct {
	at unit.Instant
	in control.Input
}

// newOutside draws a centre; a deadline lies at most patience ahead.
func newOutside(seed uint64, patience time.Duration) (*outside, error) {
	c, err := newScenarioOf(seed, true, false) // a budget may have work wait for days
	if err != nil {
		return nil, err
	}
	o := &outside{seed: seed, rng: c.rng, cfg: c.cfg, state: c.state, steps: 40 + c.rng.IntN(40), accepted: map[string]job.ID{}, engine: map[attemptKey]*process{},
		seen: map[fleet.NodeID]unit.Instant{}, meters: map[fleet.NodeID][]meterRead{}}
	if seed%2 == 1 {
		o.cfg.Queueing = randomQueues(o.rng, o.cfg.Fleet)
		if o.state, err = control.Open(o.cfg); err != nil {
			return nil, err
		}
	}
	for i := range 10 + o.rng.IntN(40) {
		s := randomSpec(o.rng, i, unit.At(int64(i*20)))
		if s.Gang { // whether groups of different tasks fit together on an idle fleet is not checked at the door
			s.Groups = s.Groups[:1]
		}
		if s.Tasks() > 1 && !s.Gang && o.rng.IntN(2) == 0 {
			s.Array, s.Parallel = true, int32(o.rng.IntN(3))
		}
		s.Pausable = o.rng.IntN(6) == 0
		s.Key, s.Work = fmt.Sprintf("want%d", i), []byte("work")
		s.Suspendable = o.rng.IntN(2) == 0
		if s.Tasks() > 1 && !s.Gang {
			s.StartBy = 0 // a part may have run in a good hour, and the rest then waits for the next
		}
		o.jobs = append(o.jobs, s)
	}
	if seed/2%2 == 0 {
		o.meterNodes()
		if o.state, err = control.Open(o.cfg); err != nil {
			return nil, err
		}
	}
	if seed/4%2 == 0 {
		o.wishful(patience)
	}
	o.account = newAccount(&o.cfg)
	return o, nil
}

// randomQueues gives every tenant a queue; they lend each other CPU.
func randomQueues(rng *rand.Rand, f *fleet.Fleet) *job.Queueing {
	cpu := int64(0)
	for i := range f.Nodes {
		cpu += int64(f.Nodes[i].CPU)
	}
	q := &job.Queueing{}
	for i := range 3 {
		t := job.Tenant(fmt.Sprintf("tenant%d", i))
		r := job.QueueRule{Name: job.Queue(fmt.Sprintf("queue%d", i)), Tenants: []job.Tenant{t}, Cohort: []string{"all", "all", "alone"}[i], Weight: 1,
			MinPriority: -1 << 31, MaxPriority: 1<<31 - 1, Guaranteed: []job.Amount{{Resource: "cpu", Units: cpu / int64(3+rng.IntN(6))}}}
		if rng.IntN(2) == 0 {
			r.Borrow = []job.Amount{{Resource: "cpu", Units: rng.Int64N(cpu/6 + 1)}}
		}
		if rng.IntN(2) == 0 {
			r.Lend = []job.Amount{{Resource: "cpu", Units: rng.Int64N(cpu/6 + 1)}}
		}
		q.Tenants, q.Queues = append(q.Tenants, job.TenantRule{Name: t, Weight: 1}), append(q.Queues, r)
	}
	return q
}

// quota sums up, from what is allocated alone, what every queue and every cohort
// holds, and holds it to what is declared.
func (b *books) quota(cfg *control.Config) error {
	if cfg.Queueing == nil {
		return nil
	}
	held, cohort, guaranteed := map[job.Tenant]int64{}, map[string]int64{}, map[string]int64{}
	for k, a := range b.active {
		held[b.specs[k.id].Tenant] += int64(a.CPU)
	}
	for i := range cfg.Queueing.Queues {
		q := &cfg.Queueing.Queues[i]
		has := held[q.Tenants[0]]
		cohort[q.Cohort] += has
		guaranteed[q.Cohort] += q.Guaranteed[0].Units
		if q.Borrow != nil && has > q.Guaranteed[0].Units+q.Borrow[0].Units {
			return fmt.Errorf("queue %s holds %d CPU: it is guaranteed %d and may borrow %d", q.Name, has, q.Guaranteed[0].Units, q.Borrow[0].Units)
		}
	}
	for name, has := range cohort {
		if has > guaranteed[name] {
			return fmt.Errorf("cohort %s holds %d CPU of %d", name, has, guaranteed[name])
		}
	}
	return nil
}

// live lets the faulty time pass, then the calm one, and checks the end.
func (o *outside) live() error {
	for range o.steps {
		o.now = o.now.Add(time.Duration(1 + o.rng.Int64N(int64(20*time.Second))))
		if err := o.step(o.arrivals()); err != nil {
			return err
		}
	}
	o.calm = true
	if err := o.reconcile(); err != nil { // whatever was lost on its way is told now
		return err
	}
	var heal []control.Input
	for i := range o.cfg.Fleet.Nodes {
		n := &o.cfg.Fleet.Nodes[i]
		for d := -1; d < len(n.Devices); d++ {
			heal = append(heal, control.Input{Kind: control.NodeState, Node: n.ID, Device: d, Health: fleet.Healthy})
		}
	}
	heal = append(heal, o.goodHours()...)
	for range 4000 {
		if err := o.step(append(heal, o.arrivals()...)); err != nil {
			return err
		}
		heal = nil
		next := o.next()
		if next == unit.Never {
			if err := o.over(); err != nil {
				return err
			}
			return o.close()
		}
		o.now = max(next, o.now)
	}
	return fmt.Errorf("there is no end to it")
}

// next is when anything can happen again.
func (o *outside) next() unit.Instant {
	at := o.state.NextWake()
	for _, d := range o.reports {
		at = min(at, d.at)
	}
	for _, p := range o.engine {
		if !p.ended && p.still == 0 {
			at = min(at, p.ends)
		}
	}
	if o.unasked < len(o.jobs) {
		at = min(at, o.now)
	}
	return at
}

// arrivals is what comes in by now, in any order and any number of times.
func (o *outside) arrivals() []control.Input {
	var in []control.Input
	for range 1 + o.rng.IntN(3) {
		if o.unasked < len(o.jobs) {
			o.unasked++
		}
	}
	for i, s := range o.jobs[:o.unasked] { // what was not acknowledged is asked for again
		if _, ok := o.accepted[s.Key]; !ok || !o.calm && o.rng.IntN(20) == 0 {
			in = append(in, control.Input{Kind: control.Submit, Spec: s, Tag: i + 1})
		}
	}
	o.engineRuns()
	kept := o.reports[:0]
	for _, d := range o.reports {
		if d.at > o.now {
			kept = append(kept, d)
			continue
		}
		in = append(in, d.in)
		if !o.calm && o.rng.IntN(6) == 0 { // and once more, much later
			kept = append(kept, delivery{o.now.Add(time.Duration(o.rng.Int64N(int64(3 * time.Minute)))), d.in})
		}
	}
	o.reports = kept
	if !o.calm {
		in = append(in, o.mischief()...)
		in = append(in, o.plans()...)
		in = append(in, o.told()...)
	}
	o.rng.Shuffle(len(in), func(i, k int) { in[i], in[k] = in[k], in[i] })
	in = append(in, o.readings()...) // a poller never goes back: they keep their order
	return append(in, control.Input{Kind: control.Tick})
}

// engineRuns ends what has run its time and sends reports on their way.
func (o *outside) engineRuns() {
	for _, k := range o.processes() {
		if p := o.engine[k]; !p.ended && p.still == 0 && p.ends <= o.now {
			p.ended = true
			o.tell(k, p)
		}
	}
}

func (o *outside) processes() []attemptKey {
	keys := make([]attemptKey, 0, len(o.engine))
	for k := range o.engine {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compareKeys)
	return keys
}

func (o *outside) tell(k attemptKey, p *process) {
	late := time.Duration(0)
	if !o.calm {
		late = time.Duration(o.rng.IntN(2)) * time.Duration(o.rng.Int64N(int64(time.Minute)))
		if o.rng.IntN(10) == 0 {
			return // lost on the way; told again when the centre comes back
		}
	}
	o.reports = append(o.reports, delivery{o.now.Add(late), control.Input{Kind: control.Exited, Job: k.id, Task: k.task, Attempt: k.attempt, Ending: p.ending}})
}

// mischief is what nobody asked for: nodes and devices that fail and come back,
// operators and clients that change their mind.
func (o *outside) mischief() (in []control.Input) {
	if o.rng.IntN(4) == 0 {
		n := &o.cfg.Fleet.Nodes[o.rng.IntN(len(o.cfg.Fleet.Nodes))]
		x := control.Input{Kind: control.NodeState, Node: n.ID, Device: -1, Health: fleet.Health(o.rng.IntN(3)), Cordon: o.rng.IntN(5) == 0, Drain: o.rng.IntN(6) == 0}
		if len(n.Devices) > 0 && o.rng.IntN(2) == 0 {
			x.Device = o.rng.IntN(len(n.Devices))
		}
		in = append(in, x)
	}
	if o.rng.IntN(8) == 0 {
		in = append(in, control.Input{Kind: control.Cancel, Job: job.ID(1 + o.rng.IntN(len(o.jobs)))})
	}
	return in
}

// step is one step of a driver: core, disk, answers, orders.
func (o *outside) step(in []control.Input) error {
	tagged := slices.Clone(in)
	out := o.state.Step(o.now, tagged)
	if !o.calm && o.rng.IntN(15) == 0 { // refused by the disk: nobody hears of the step
		return o.reopen()
	}
	for i := range out.Records {
		r := clone(&out.Records[i])
		o.records = append(o.records, r)
		if err := o.books.add(&o.cfg, &r); err != nil {
			return fmt.Errorf("at %d: %w", o.now, err)
		}
		if err := o.account.add(&r); err != nil {
			return fmt.Errorf("at %d: %w", o.now, err)
		}
	}
	if err := o.account.powered(out, o.state); err != nil && !o.torn {
		return fmt.Errorf("at %d: %w", o.now, err)
	}
	if o.account.days != nil {
		if err := o.account.days.check(o.now); err != nil {
			return fmt.Errorf("at %d: %w", o.now, err)
		}
	}
	if err := o.account.late(o.state, o.now); err != nil {
		return fmt.Errorf("at %d: %w", o.now, err)
	}
	if err := o.books.gangs(out.Orders, o.torn); err != nil {
		return fmt.Errorf("at %d: %w", o.now, err)
	}
	if !o.calm && o.rng.IntN(15) == 0 { // killed before anybody was told
		return o.reopen()
	}
	for _, a := range out.Accepted {
		if a.Tag == 0 {
			continue // a cap
		}
		o.accepted[o.jobs[a.Tag-1].Key] = a.Job
	}
	for _, r := range out.Refusals {
		if r.Tag > 0 {
			o.accepted[o.jobs[r.Tag-1].Key] = 0 // told that it cannot run
		}
	}
	orders := slices.Clone(out.Orders)
	for _, x := range orders {
		if !o.calm && o.rng.IntN(60) == 0 { // killed halfway through its orders
			return o.reopen()
		}
		o.carryOut(x)
	}
	if o.rng.IntN(12) == 0 {
		var b bytes.Buffer
		if err := o.state.Freeze().Encode(&b); err != nil {
			return err
		}
		o.shot, o.image = len(o.records), b.Bytes()
	}
	return nil
}

// clone copies a record as the disk would.
func clone(r *control.Record) control.Record {
	out, err := control.DecodeRecord(control.AppendRecord(nil, r))
	if err != nil {
		panic(err)
	}
	return out
}

func (o *outside) carryOut(x control.Order) {
	k := attemptKey{x.Job, x.Task, x.Attempt}
	switch p := o.engine[k]; x.Kind {
	case control.Start:
		if p == nil { // a key starts once
			run := rand.New(rand.NewPCG(o.seed<<20|uint64(k.id), uint64(k.task)<<32|uint64(k.attempt)))
			o.engine[k] = &process{ends: o.now.Add(time.Duration(1 + run.Int64N(int64(2*time.Minute)))), ending: control.Ending(min(run.IntN(5), 4) / 4)}
		}
	case control.Stop, control.Forget:
		if p == nil || p.ended {
			return
		}
		p.goOn(o.now)
		// It leaves when it likes, or ends by itself before.
		grace := o.now.Add(time.Duration(o.rng.Int64N(int64(30 * time.Second))))
		if grace < p.ends {
			p.ends, p.ending = grace, control.Evicted
		}
	case control.Suspend:
		if p != nil && !p.ended && p.still == 0 {
			p.still = o.now
		}
	case control.Resume:
		if p != nil && !p.ended {
			p.goOn(o.now)
		}
	}
}

// goOn ends that a process stands still.
func (p *process) goOn(now unit.Instant) {
	if p.still != 0 {
		p.ends, p.still = p.ends.Add(now.Sub(p.still)), 0
	}
}

// reopen is the end of the process and the start of the next: the state comes
// from the disk, and the engine tells again what was not recorded.
func (o *outside) reopen() (err error) {
	var v *control.Recovery
	from := 0
	if o.image != nil && o.rng.IntN(2) == 0 {
		s, err := control.DecodeSnapshot(bytes.NewReader(o.image))
		if err != nil {
			return err
		}
		v, from = control.RecoverFrom(s), o.shot
	} else {
		v = control.RecoverFrom(nil)
	}
	if len(o.records) == 0 {
		o.state, err = control.Open(o.cfg)
		return err
	}
	for i := from; i < len(o.records); i++ {
		r := clone(&o.records[i])
		if err := v.Add(&r); err != nil {
			return err
		}
	}
	if o.state, err = v.State(); err != nil {
		return err
	}
	o.books, o.account = books{}, newAccount(&o.cfg)
	for i := range o.records {
		if err := o.books.add(&o.cfg, &o.records[i]); err != nil {
			return err
		}
		if err := o.account.add(&o.records[i]); err != nil {
			return err
		}
		if o.account.power != nil {
			o.account.power.follow(&control.Outcome{Records: o.records[i : i+1]})
		}
	}
	return o.reconcile()
}

// reconcile compares what the core has allocated with what the engine knows, as
// live does after a restart.
func (o *outside) reconcile() error {
	o.reports = o.reports[:0]
	allocated := map[attemptKey]bool{}
	for id := job.ID(1); id <= job.ID(o.state.Jobs()); id++ {
		j, _ := o.state.Job(id)
		for i := range j.Tasks {
			t := &j.Tasks[i]
			if !t.Running {
				continue
			}
			k := attemptKey{id, t.Index, t.Attempt}
			allocated[k] = true
			if o.engine[k] == nil {
				o.carryOut(control.Order{Kind: control.Start, Job: id, Task: t.Index, Attempt: t.Attempt})
			}
			switch {
			case t.Suspended && !t.Evicting:
				o.carryOut(control.Order{Kind: control.Suspend, Job: id, Task: t.Index, Attempt: t.Attempt})
			case o.state.HasPower():
				o.carryOut(control.Order{Kind: control.Resume, Job: id, Task: t.Index, Attempt: t.Attempt})
			}
			if t.Evicting {
				o.carryOut(control.Order{Kind: control.Stop, Job: id, Task: t.Index, Attempt: t.Attempt})
			}
		}
	}
	for _, k := range o.processes() {
		switch p := o.engine[k]; {
		case allocated[k] && p.ended:
			o.reports = append(o.reports, delivery{o.now, control.Input{Kind: control.Exited, Job: k.id, Task: k.task, Attempt: k.attempt, Ending: p.ending}})
		case !allocated[k] && !p.ended:
			o.carryOut(control.Order{Kind: control.Stop, Job: k.id, Task: k.task, Attempt: k.attempt})
		}
	}
	return nil
}

// over checks the end: nothing is held, nothing runs unseen, every job that was
// accepted is there once and has ended.
func (o *outside) over() error {
	if n := len(o.books.active); n > 0 {
		return fmt.Errorf("%d attempts never ended", n)
	}
	for id := job.ID(1); id <= job.ID(o.state.Jobs()); id++ {
		if phase, _, _ := o.state.Phase(id); phase <= control.Running {
			why, _ := o.state.Why(id)
			return fmt.Errorf("%s is %s for ever: %s", id, phase, why.String())
		}
	}
	seen := map[string]job.ID{}
	for id, s := range o.books.specs {
		if other, twice := seen[s.Key]; twice {
			return fmt.Errorf("%s and %s are both %s", id, other, s.Key)
		}
		seen[s.Key] = id
	}
	for key, id := range o.accepted {
		if id != 0 && seen[key] != id {
			return fmt.Errorf("%s was acknowledged as %s and is %s", key, id, seen[key])
		}
	}
	return nil
}

// books are kept from records alone: who holds what of which node.
type books struct {
	active map[attemptKey]control.Record
	tasks  map[taskKey]attemptKey
	specs  map[job.ID]*job.Spec
	done   map[job.ID]int // tasks that ended for good, one way or the other
	down   map[[2]int32]bool
}

func (b *books) add(cfg *control.Config, r *control.Record) error {
	if b.active == nil {
		*b = books{map[attemptKey]control.Record{}, map[taskKey]attemptKey{}, map[job.ID]*job.Spec{}, map[job.ID]int{}, map[[2]int32]bool{}}
	}
	k := attemptKey{r.Job, r.Task, r.Attempt}
	switch r.Kind {
	case control.Submitted:
		b.specs[r.Job] = r.Spec
	case control.NodeChanged:
		b.down[[2]int32{r.Node, r.Device}] = r.Health != fleet.Healthy || r.Cordon || r.Drain
	case control.Allocated:
		if old, twice := b.tasks[taskKey{r.Job, r.Task}]; twice {
			return fmt.Errorf("%s/%d is allocated twice: attempts %d and %d", r.Job, r.Task, old.attempt, r.Attempt)
		}
		if b.down[[2]int32{r.Node, -1}] {
			return fmt.Errorf("%s/%d is placed on node %d, which takes no work", r.Job, r.Task, r.Node)
		}
		b.active[k], b.tasks[taskKey{r.Job, r.Task}] = *r, k
		if err := b.quota(cfg); err != nil {
			return fmt.Errorf("%s/%d: %w", r.Job, r.Task, err)
		}
		return b.node(cfg, r.Node)
	case control.Moved:
		a := b.active[k]
		a.Node, a.Devices = r.Node, r.Devices
		b.active[k] = a
		return b.node(cfg, r.Node)
	case control.Ended:
		if _, ok := b.active[k]; !ok {
			return fmt.Errorf("%s/%d attempt %d ended and did not run", r.Job, r.Task, r.Attempt)
		}
		delete(b.active, k)
		delete(b.tasks, taskKey{r.Job, r.Task})
		if r.Ending == control.Succeeded || r.Ending == control.TaskFailed {
			b.done[r.Job]++
		}
	}
	return nil
}

// node sums up what a node gives out.
func (b *books) node(cfg *control.Config, n int32) error {
	d := &cfg.Fleet.Nodes[n]
	var cpu, memory int64
	var share [fleet.MaxDevices]int64
	for _, a := range b.active {
		if a.Node != n {
			continue
		}
		cpu, memory = cpu+int64(a.CPU), memory+int64(a.Memory)
		for m := a.Devices; m != 0; m &= m - 1 {
			i := bits.TrailingZeros16(m)
			if share[i] += int64(a.Share); share[i] > int64(unit.Whole) || i >= len(d.Devices) {
				return fmt.Errorf("node %s device %d gives out %d milli", d.ID, i, share[i])
			}
		}
	}
	if cpu > int64(d.CPU) || memory > int64(d.Memory) {
		return fmt.Errorf("node %s gives out %d CPU of %d, %d MiB of %d", d.ID, cpu, d.CPU, memory, d.Memory)
	}
	return nil
}

// gangs checks that of a gang that starts all start. A history cut halfway
// through a step may hold a part of one; the store's promise rules that out.
func (b *books) gangs(orders []control.Order, torn bool) error {
	if torn {
		return nil
	}
	for _, x := range orders {
		s := b.specs[x.Job]
		if x.Kind != control.Start || !s.Gang {
			continue
		}
		runs := 0
		for k := range b.active {
			if k.id == x.Job {
				runs++
			}
		}
		if runs+b.done[x.Job] < s.Tasks() {
			return fmt.Errorf("gang %s runs %d of %d tasks, %d are done", x.Job, runs, s.Tasks(), b.done[x.Job])
		}
	}
	return nil
}
