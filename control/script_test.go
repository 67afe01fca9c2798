package control_test

import (
	"fmt"
	"math/bits"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// TestScripts runs the stories of testdata. A script opens a centre, hands it
// what arrives at stated instants and shows the records, the orders and, for
// what waits, the reason:
//
//	centre policy=NAME [preempt] [strict] [weights=tenant:2,...] [half-life=SECONDS] [metering=SECONDS]
//	queue NAME tenants=a,b cohort=c weight=2 priority=0..9 default guaranteed=gpu:4,T4:2 borrow=gpu:2 lend=gpu:1
//	power protect=5 latency=2 grace=30 sleep=AFTER,RESERVE,LATENCY,WATTS      (seconds)
//	area PATH limit=2kW reserve=200W overhead=1.2 warn=0.95 resume=0.9 battery=WH,WATTS,CHARGED   (the outer areas first)
//	budget tenant=t|site=s energy=5kWh/day carbon=1kg/day zone=Europe/London
//	reserve QUEUE FROM-TO NODE...
//	NODE cpu=8 memory=64GiB gpu=4 model=A100 rack=r1 segment=s1 pod=p1 window=100-200
//	reload at=SECONDS, then as centre
//	step at=SECONDS
//	budgets                                             (how they stand)
//	submit NAME tenant=t cpu=1 memory=1GiB gpu=1 share=0.5 partition=1g model=A|B count=2
//	       retries=2 backoff=10 after=j-1 after-any=j-2 key=k
//	       array parallel=2 (of count tasks)
//	       gang must=segment prefer=rack priority=1 preemptible run=60 start-by=100
//	exit j-1[/task] [failed|evicted|lost|stopped|not-taken]
//	       deadline=1000 wish=carbon|price|weights pausable
//	hours SITE 0-3600=400 3600-7200=100:300 ...         (g/kWh, and a price)
//	defer j-1 3600-4000 5000-5400 site=s1 model=A100    (the plan of a driver)
//	node NAME [device=0] healthy|suspect|failed|cordon|drain|full|room
//	cancel j-1
//	cap AREA 70%|1kW from=10 for=60 every=100 until=500
//	clear CAP
//	solar SITE 0-3600 500W
//	close                                               (the open intervals of the ledger)
//	facility SITE 0-3600 pue=1.3 carbon=200
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if filepath.Ext(path) != ".txt" {
			return // snapshots of versions before
		}
		var c *scriptCentre
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "centre":
				var err error
				if c, err = openScript(d); err != nil {
					return "error: " + err.Error() + "\n"
				}
				return fmt.Sprintf("%d nodes, %d devices\n", len(c.fleet.Nodes), c.fleet.Devices())
			case "budgets":
				return c.budgets()
			case "reload":
				return c.reload(t, d)
			case "step":
				return c.step(t, d)
			case "plan":
				return c.plan(t, d)
			}
			t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
			return ""
		})
	})
}

type scriptCentre struct {
	fleet   *fleet.Fleet
	state   *control.State
	records []control.Record
	names   map[job.ID]string
	attempt map[string]int32
}

func openScript(d *datadriven.TestData) (*scriptCentre, error) {
	cfg, err := scriptConfig(d)
	if err != nil {
		return nil, err
	}
	s, err := control.Open(cfg)
	return &scriptCentre{fleet: cfg.Fleet, state: s, names: map[job.ID]string{}, attempt: map[string]int32{}}, err
}

// reload hands the centre a changed configuration.
func (c *scriptCentre) reload(t *testing.T, d *datadriven.TestData) string {
	next, err := scriptConfig(d)
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	var b strings.Builder
	for _, line := range c.state.Config().Changes(&next) {
		fmt.Fprintf(&b, "change: %s\n", line)
	}
	var at int64
	d.ScanArgs(t, "at", &at)
	b.WriteString(c.run(t, at, []control.Input{{Kind: control.Configure, Config: &next}}))
	return b.String()
}

func scriptConfig(d *datadriven.TestData) (control.Config, error) {
	cfg := control.Config{Policy: "tianfu", Weights: map[job.Tenant]int64{}}
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "at": // of a reload
		case "policy":
			cfg.Policy = a.Vals[0]
		case "preempt":
			cfg.Rules.Preempt = true
		case "strict":
			cfg.Rules.Backfill = sched.Strict
		case "half-life":
			n, err := strconv.Atoi(a.Vals[0])
			if err != nil {
				return cfg, err
			}
			cfg.Queueing = &job.Queueing{HalfLife: time.Duration(n) * time.Second}
		case "metering":
			cfg.Metering.Every = scriptSeconds(a.Vals[0])
		case "allowance":
			if err := setAllowance(&cfg, a.Vals[0]); err != nil {
				return cfg, err
			}
		case "weights":
			for _, w := range a.Vals {
				name, n, _ := strings.Cut(w, ":")
				cfg.Weights[job.Tenant(name)], _ = strconv.ParseInt(n, 10, 64)
			}
		default:
			return cfg, fmt.Errorf("unknown argument %s", a.Key)
		}
	}
	f := &fleet.Fleet{Name: "script", Traits: map[fleet.Model]fleet.Traits{
		"A100": {Memory: 80 << 10, Precisions: []string{"fp16", "bf16"}, Stack: "cuda", ComputeSlices: 7, MemorySlices: 8,
			Profiles: []fleet.Profile{{Name: "1g", Compute: 1, Memory: 1}, {Name: "3g", Compute: 3, Memory: 4}}},
		"T4": {Memory: 16 << 10, Precisions: []string{"fp16"}, Stack: "cuda"},
	}}
	for line := range strings.Lines(d.Input) {
		w := strings.Fields(line)
		if w[0] == "power" || w[0] == "area" {
			if err := setPower(&cfg, w); err != nil {
				return cfg, err
			}
			continue
		}
		if w[0] == "budget" {
			if err := setBudget(&cfg, w[1:]); err != nil {
				return cfg, err
			}
			continue
		}
		if w[0] == "reserve" { // QUEUE FROM-TO NODE...
			b, err := scriptBooking(w[1], w[1:])
			if err != nil {
				return cfg, err
			}
			cfg.Bookings = append(cfg.Bookings, b)
			continue
		}
		if w[0] == "queue" {
			if err := setQueue(&cfg, w[1:]); err != nil {
				return cfg, err
			}
			continue
		}
		n := fleet.Node{ID: fleet.NodeID(w[0])}
		for _, kv := range w[1:] {
			if v, ok := strings.CutPrefix(kv, "watts="); ok { // base, a device idle and full; a full CPU draws 100 W
				m := energy.NodeModel{CPU: n.CPU, PackageFull: 100, Linear: true}
				if _, err := fmt.Sscanf(v, "%g,%g,%g", &m.Base, &m.DeviceIdle, &m.DeviceFull); err != nil {
					return cfg, err
				}
				cfg.Power = append(cfg.Power, m)
				continue
			}
			if err := setNode(&n, kv); err != nil {
				return cfg, err
			}
		}
		f.Nodes = append(f.Nodes, n)
	}
	cfg.Fleet = f
	return cfg, nil
}

// scriptBooking reads QUEUE FROM-TO NODE...
func scriptBooking(name string, w []string) (fleet.Booking, error) {
	var from, to int64
	if _, err := fmt.Sscanf(w[1], "%d-%d", &from, &to); err != nil {
		return fleet.Booking{}, err
	}
	b := fleet.Booking{Name: name, Queue: w[0], Spans: []fleet.Window{{From: unit.At(from), To: unit.At(to)}}}
	for _, n := range w[2:] {
		b.Nodes = append(b.Nodes, fleet.NodeID(n))
	}
	return b, nil
}

// scriptAsk reads QUEUE FROM-TO and amounts.
func scriptAsk(name string, w []string) (*control.BookingTold, error) {
	at, err := scriptBooking(name, w[:2])
	if err != nil {
		return nil, err
	}
	a := &control.BookingAsk{Name: name, Queue: at.Queue, Sites: []fleet.SiteSpans{{Spans: at.Spans}}}
	for _, kv := range w[2:] {
		k, v, _ := strings.Cut(kv, "=")
		switch k {
		case "cpu":
			a.CPU, err = unit.ParseMilliCPU(v)
		case "memory":
			a.Memory, err = unit.ParseMiB(v)
		case "gpu":
			a.Accelerators, err = strconv.Atoi(v)
		case "model":
			a.Model = fleet.Model(v)
		case "nodes":
			for n := range strings.SplitSeq(v, ",") {
				a.Nodes = append(a.Nodes, fleet.NodeID(n))
			}
		default:
			err = fmt.Errorf("unknown key %s", k)
		}
		if err != nil {
			return nil, err
		}
	}
	return &control.BookingTold{Ask: a}, nil
}

func setNode(n *fleet.Node, kv string) (err error) {
	k, v, _ := strings.Cut(kv, "=")
	switch k {
	case "cpu":
		n.CPU, err = unit.ParseMilliCPU(v)
	case "memory":
		n.Memory, err = unit.ParseMiB(v)
	case "gpu":
		g, err := strconv.Atoi(v)
		if err != nil {
			return err
		}
		n.Devices = make([]fleet.Device, g)
	case "model":
		n.Model = fleet.Model(v)
	case "tasks":
		n.Tasks, err = strconv.Atoi(v)
	case "site":
		n.Place.Site = v
	case "rack":
		n.Place.Rack = v
	case "segment":
		n.Segment = v
	case "pod":
		n.Pod = v
	case "window":
		var from, to int64
		if _, err := fmt.Sscanf(v, "%d-%d", &from, &to); err != nil {
			return err
		}
		n.Maintenance = append(n.Maintenance, fleet.Window{From: unit.At(from), To: unit.At(to)})
	default:
		return fmt.Errorf("unknown key %s", k)
	}
	return err
}

// setQueue declares a queue, and its tenants where they are new.
func setQueue(cfg *control.Config, w []string) error {
	if cfg.Queueing == nil {
		cfg.Queueing = &job.Queueing{}
	}
	q := job.QueueRule{Name: job.Queue(w[0]), Weight: 1, MinPriority: job.MinPriority, MaxPriority: job.MaxPriority}
	for _, kv := range w[1:] {
		k, v, _ := strings.Cut(kv, "=")
		var err error
		switch k {
		case "tenants":
			for t := range strings.SplitSeq(v, ",") {
				q.Tenants = append(q.Tenants, job.Tenant(t))
			}
		case "cohort":
			q.Cohort = v
		case "default":
			q.Default = true
		case "weight":
			q.Weight, err = strconv.ParseInt(v, 10, 64)
		case "priority":
			declared := fleet.Queue{Priority: v}
			q.MinPriority, q.MaxPriority, err = declared.Range()
		case "guaranteed":
			q.Guaranteed, err = scriptAmounts(v)
		case "borrow":
			q.Borrow, err = scriptAmounts(v)
		case "lend":
			q.Lend, err = scriptAmounts(v)
		default:
			err = fmt.Errorf("unknown key %s", k)
		}
		if err != nil {
			return err
		}
	}
	cfg.Queueing.Queues = append(cfg.Queueing.Queues, q)
	return nil
}

func scriptAmounts(s string) ([]job.Amount, error) {
	var out []job.Amount
	for one := range strings.SplitSeq(s, ",") {
		r, v, _ := strings.Cut(one, ":")
		if r == "gpu" {
			r = fleet.Accelerators
		}
		n, err := fleet.Amount(r, v)
		if err != nil {
			return nil, err
		}
		out = append(out, job.Amount{Resource: r, Units: n})
	}
	slices.SortFunc(out, func(a, b job.Amount) int { return strings.Compare(a.Resource, b.Resource) })
	return out, nil
}

// step hands the inputs of a script line by line to the core.
func (c *scriptCentre) step(t *testing.T, d *datadriven.TestData) string {
	var at int64
	d.ScanArgs(t, "at", &at)
	var batch []control.Input
	for line := range strings.Lines(d.Input) {
		in, err := c.input(strings.Fields(line))
		if err != nil {
			t.Fatalf("%s: %v", d.Pos, err)
		}
		batch = append(batch, in)
	}
	batch = joinDeferrals(batch)
	return c.run(t, at, batch)
}

func (c *scriptCentre) run(t *testing.T, at int64, batch []control.Input) string {
	o := c.state.Step(unit.At(at), batch)
	var b strings.Builder
	for _, r := range o.Refusals {
		fmt.Fprintf(&b, "refused: %v\n", r.Err)
	}
	for i := range o.Records {
		c.describe(&b, &o.Records[i])
	}
	c.records = append(c.records, slices.Clone(o.Records)...)
	if o.Plan != nil {
		for i := range o.Plan.Unplaced {
			u := &o.Plan.Unplaced[i]
			if _, waits := c.state.Why(u.Job); !waits {
				continue // its latest start has passed in this very step
			}
			fmt.Fprintf(&b, "waiting %s: %s\n", c.name(u.Job), u.Reason.String())
		}
	}
	c.held(&b)
	checkRecovery(t, c.state, c.records)
	return b.String()
}

func (c *scriptCentre) name(id job.ID) string { return id.String() + " (" + c.names[id] + ")" }

func (c *scriptCentre) describe(b *strings.Builder, r *control.Record) {
	node := func() string { return string(c.fleet.Nodes[r.Node].ID) }
	switch r.Kind {
	case control.Opened:
		fmt.Fprintln(b, "opened")
	case control.Configured:
		c.fleet = r.Config.Fleet
		fmt.Fprintf(b, "configured: %d nodes\n", len(c.fleet.Nodes))
	case control.Submitted:
		c.names[r.Job] = r.Spec.Name
		fmt.Fprintf(b, "submitted %s\n", c.name(r.Job))
	case control.Allocated:
		c.attempt[fmt.Sprintf("%s/%d", r.Job, r.Task)] = r.Attempt
		fmt.Fprintf(b, "allocated %s/%d attempt %d on %s", c.name(r.Job), r.Task, r.Attempt, node())
		for i, m := 0, r.Devices; m != 0; i, m = i+1, m&(m-1) {
			fmt.Fprintf(b, "%s%d", [2]string{" devices ", ","}[min(i, 1)], bits.TrailingZeros16(m))
		}
		if r.Share > 0 && r.Share < int16(unit.Whole) {
			fmt.Fprintf(b, " share %v", unit.Milli(r.Share))
		}
		fmt.Fprintln(b)
	case control.Evicting:
		fmt.Fprintf(b, "evicting %s/%d: %s", c.name(r.Job), r.Task, [...]string{"preempted", "gang", "cancelled", "drain", "maintenance", "power", "paused", "reclaimed", "reserved node"}[r.Cause])
		if r.For != 0 {
			fmt.Fprintf(b, " for %s", c.name(r.For))
		}
		fmt.Fprintln(b)
	case control.Ended:
		fmt.Fprintf(b, "ended %s/%d: %s\n", c.name(r.Job), r.Task, [...]string{"succeeded", "failed", "evicted", "node lost", "stopped", "not taken"}[r.Ending])
	case control.JobExpired:
		fmt.Fprintf(b, "expired %s: %s\n", c.name(r.Job), r.Reason.String())
	case control.JobCancelled:
		fmt.Fprintf(b, "cancelled %s", c.name(r.Job))
		if r.Cancel == control.CancelDependency {
			fmt.Fprintf(b, ": %s cannot complete", c.name(r.For))
		}
		fmt.Fprintln(b)
	case control.Released:
		fmt.Fprintf(b, "released %s\n", c.name(r.Job))
	case control.Reserved:
		if r.Held == nil {
			fmt.Fprintln(b, "reservation given up")
			return
		}
		fmt.Fprintf(b, "reserved for %s at %s:", c.name(r.Held.Job), atSecond(r.Held.At))
		for _, n := range r.Held.Nodes {
			fmt.Fprintf(b, " %s %v", c.fleet.Nodes[n.Node].ID, n.Tasks)
		}
		fmt.Fprintln(b)
	case control.OthersReserved:
		if len(r.Others) == 0 {
			fmt.Fprintln(b, "other reservations given up")
		}
		for i := range r.Others {
			fmt.Fprintf(b, "reserved too for %s at %s:", c.name(r.Others[i].Job), atSecond(r.Others[i].At))
			for _, n := range r.Others[i].Nodes {
				fmt.Fprintf(b, " %s %v", c.fleet.Nodes[n.Node].ID, n.Tasks)
			}
			fmt.Fprintln(b)
		}
	case control.Booked:
		p := &r.Booked.Parts[0]
		fmt.Fprintf(b, "reservation %s for %s: %v from %s to %s\n", p.Name, p.Queue, p.Nodes, atSecond(p.Spans[0].From), atSecond(p.Spans[0].To))
		for k := range p.Portions {
			fmt.Fprintf(b, "  of %s: %s\n", p.Nodes[k], p.Portions[k].String())
		}
	case control.Unbooked:
		fmt.Fprintf(b, "reservation %s ended\n", r.Name)
	case control.NodeShort:
		fmt.Fprintf(b, "node %s short of disk %v\n", node(), r.Short)
	case control.NodeChanged:
		fmt.Fprintf(b, "node %s device %d: %s cordon=%v drain=%v\n", node(), r.Device, r.Health, r.Cordon, r.Drain)
	case control.ShiftPlanned, control.DeadlineAtRisk, control.DeadlineMissed, control.SiteHoursKnown:
		c.describeDeferral(b, r)
	case control.PowerTold, control.BudgetSet, control.NodePowered, control.TaskPaused, control.PowerShed:
		c.describePower(b, r)
	case control.Metered:
		c.describePage(b, r.Page)
	case control.Moved:
		fmt.Fprintf(b, "moved %s/%d to %s\n", c.name(r.Job), r.Task, node())
	}
}

func atSecond(t unit.Instant) string {
	if t == unit.Never {
		return "unknown"
	}
	return strconv.FormatInt(t.Seconds(), 10)
}

func (c *scriptCentre) input(w []string) (control.Input, error) {
	switch w[0] {
	case "cap", "clear", "solar", "facility":
		return powerInput(w)
	case "book": // NAME QUEUE FROM-TO NODE...
		b, err := scriptBooking(w[1], w[2:])
		return control.Input{Kind: control.Book, Booked: &control.BookingTold{Parts: []fleet.Booking{b}}}, err
	case "keep": // NAME QUEUE FROM-TO cpu= memory= gpu= model= nodes=
		b, err := scriptAsk(w[1], w[2:])
		return control.Input{Kind: control.Book, Booked: b}, err
	case "unbook":
		return control.Input{Kind: control.Unbook, Name: w[1]}, nil
	case "close":
		return control.Input{Kind: control.CloseIntervals}, nil
	case "tick":
		return control.Input{Kind: control.Tick}, nil
	case "cancel":
		id, _, err := parseTask(w[1])
		return control.Input{Kind: control.Cancel, Job: id}, err
	case "exit":
		id, task, err := parseTask(w[1])
		in := control.Input{Kind: control.Exited, Job: id, Task: task, Attempt: c.attempt[fmt.Sprintf("%s/%d", id, task)]}
		for _, s := range w[2:] {
			if a, ok := strings.CutPrefix(s, "attempt="); ok {
				n, _ := strconv.Atoi(a)
				in.Attempt = int32(n)
				continue
			}
			in.Ending = map[string]control.Ending{"failed": control.TaskFailed, "evicted": control.Evicted, "lost": control.NodeLost, "stopped": control.Stopped, "not-taken": control.NotTaken}[s]
		}
		return in, err
	case "node":
		in := control.Input{Kind: control.NodeState, Node: fleet.NodeID(w[1]), Device: -1}
		for _, s := range w[2:] {
			switch k, v, _ := strings.Cut(s, "="); k {
			case "device":
				in.Device, _ = strconv.Atoi(v)
			case "suspect":
				in.Health = fleet.Suspect
			case "failed":
				in.Health = fleet.Failed
			case "cordon":
				in.Cordon = true
			case "drain":
				in.Drain = true
			case "full", "room":
				in.Kind, in.Short = control.NodeDisk, s == "full"
			case "healthy":
			default:
				return in, fmt.Errorf("unknown word %s", s)
			}
		}
		return in, nil
	case "hours":
		return scriptHours(w[1:])
	case "defer":
		return scriptDeferral(w[1:])
	case "submit":
		spec, err := parseSubmit(w[1:])
		return control.Input{Kind: control.Submit, Spec: spec}, err
	}
	return control.Input{}, fmt.Errorf("unknown input %s", w[0])
}

func parseTask(s string) (job.ID, int32, error) {
	var id uint64
	var task int32
	if strings.Contains(s, "/") {
		_, err := fmt.Sscanf(s, "j-%d/%d", &id, &task)
		return job.ID(id), task, err
	}
	_, err := fmt.Sscanf(s, "j-%d", &id)
	return job.ID(id), 0, err
}

func parseSubmit(w []string) (*job.Spec, error) {
	s := &job.Spec{Name: w[0], Tenant: "t", Groups: []job.Group{{Name: "main", Count: 1}}}
	r := &s.Groups[0].Request
	for _, kv := range w[1:] {
		k, v, _ := strings.Cut(kv, "=")
		var err error
		switch k {
		case "tenant":
			s.Tenant = job.Tenant(v)
		case "queue":
			s.Queue = job.Queue(v)
		case "cpu":
			r.CPU, err = unit.ParseMilliCPU(v)
		case "memory":
			r.Memory, err = unit.ParseMiB(v)
		case "gpu":
			r.Accelerators, err = strconv.Atoi(v)
			r.Share = unit.Whole
		case "share":
			r.Accelerators = 1
			r.Share, err = unit.ParseMilli(v)
		case "partition":
			r.Accelerators, r.Share, r.Partition = 1, unit.Whole, v
		case "model":
			for m := range strings.SplitSeq(v, "|") {
				r.Models = append(r.Models, fleet.Model(m))
			}
		case "min-memory":
			r.Capability.MinMemory, err = unit.ParseMiB(v)
		case "precision":
			r.Capability.Precisions = strings.Split(v, "|")
		case "count":
			s.Groups[0].Count, err = strconv.Atoi(v)
		case "gang":
			s.Gang = true
		case "must", "prefer":
			s.Topology.Mode = map[string]job.TopologyMode{"must": job.Must, "prefer": job.Prefer}[k]
			s.Topology.Level, err = fleet.ParseLevel(v)
		case "priority":
			n, e := strconv.Atoi(v)
			s.Priority, err = int32(n), e
		case "preemptible":
			s.Preemptible = true
		case "suspendable":
			s.Suspendable = true
		case "run":
			n, e := strconv.Atoi(v)
			s.ExpectedRun, err = time.Duration(n)*time.Second, e
		case "array":
			s.Array = true
		case "parallel":
			n, e := strconv.Atoi(v)
			s.Parallel, err = int32(n), e
		case "retries":
			s.Retries, err = strconv.Atoi(v)
		case "backoff":
			n, e := strconv.Atoi(v)
			s.Backoff, err = time.Duration(n)*time.Second, e
		case "after", "after-any":
			id, _, e := parseTask(v)
			s.After, err = append(s.After, job.Dependency{Job: id, AnyEnd: k == "after-any"}), e
		case "key":
			s.Key = v
		case "start-by":
			n, e := strconv.Atoi(v)
			s.StartBy, err = unit.At(int64(n)), e
		default:
			err = setShift(s, k, v)
		}
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// checkRecovery folds the records of a run into a fresh state and compares
// what a user can see of the two.
func checkRecovery(t *testing.T, live *control.State, records []control.Record) {
	t.Helper()
	back, err := control.Recover(records)
	if err != nil {
		t.Fatalf("recover: %v", err)
	}
	if a, b := live.Describe(), back.Describe(); a != b {
		x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
		for i := range x {
			if i >= len(y) || x[i] != y[i] {
				t.Fatalf("the fold of the records differs from the state at line %d:\nlive      %s\nrecovered %s", i, x[i], y[min(i, len(y)-1)])
			}
		}
	}
}
