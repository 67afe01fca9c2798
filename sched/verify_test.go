package sched_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// bench is a small centre in front of Decide: capacity, line and a plan.
type bench struct {
	snap    sched.Snapshot
	decider sched.Decider
	verify  sched.Verifier
	plan    *sched.Plan
	now     unit.Instant
	next    job.ID
	allocs  map[string]sched.AllocID
}

func newBench(t *testing.T) *bench {
	t.Helper()
	f := &fleet.Fleet{Traits: map[fleet.Model]fleet.Traits{"A100": {ComputeSlices: 7, MemorySlices: 8,
		Profiles: []fleet.Profile{{Name: "3g", Compute: 3, Memory: 4}}}}}
	node := func(id, segment string, model fleet.Model, devices int) *fleet.Node {
		f.Nodes = append(f.Nodes, fleet.Node{ID: fleet.NodeID(id), CPU: 16000, Memory: 1 << 15, Model: model, Devices: make([]fleet.Device, devices), Segment: segment})
		return &f.Nodes[len(f.Nodes)-1]
	}
	node("a1", "s1", "A100", 4)
	node("a2", "s1", "A100", 4)
	node("t1", "s2", "T4", 4)
	node("closed", "s2", "T4", 4).Cordoned = true
	node("broken", "s2", "T4", 4).Devices[1].Health = fleet.Failed
	node("window", "s2", "T4", 4).Maintenance = []fleet.Window{{From: 0, To: unit.At(1000)}}
	c := sched.NewCapacity(f, nil, nil)
	p, err := sched.New("firstfit", c, sched.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{now: unit.At(10), allocs: map[string]sched.AllocID{},
		snap: sched.Snapshot{Capacity: c, Index: sched.NewIndex(c, p), Waiting: sched.NewWaiting(), Tenants: make([]sched.Usage, 1), Rules: sched.Rules{Preempt: true}}}
}

func (b *bench) wait(s job.Spec) {
	b.next++
	s.Name, s.Tenant, s.ExpectedRun = "j", "t", time.Minute
	b.snap.Waiting.Add(b.snap.Capacity, b.next, &s, sched.Owner{}, nil)
}

// run grants a running task of priority 5.
func (b *bench) run(name string, a sched.Alloc) {
	b.next++
	a.Job, a.CPU, a.Memory, a.Priority, a.Attempt = b.next, 1000, 100, 5, 1
	a.Shape = b.snap.Capacity.Ask(&job.Request{CPU: 1000, Memory: 100, Accelerators: sched.DeviceCount(a.Devices), Share: unit.Milli(a.Share)}).Shape
	a.End = unit.Never
	b.allocs[name] = b.snap.Capacity.Grant(a)
}

func (b *bench) decide(t *testing.T) {
	t.Helper()
	b.plan = b.decider.Decide(&b.snap, b.now)
	if err := b.verify.Verify(&b.snap, b.plan, b.now); err != nil {
		t.Fatalf("the plan as decided: %v", err)
	}
}

// busyBench has work running on a1 and t1, and a plan that places a gang which
// must stay in one segment, a share, a plain CPU task and a partition, and
// preempts the soft task of t1 for an urgent job.
func busyBench(t *testing.T) *bench {
	b := newBench(t)
	b.run("fixed", sched.Alloc{Node: 0, Devices: 1, Share: 1000})
	b.run("soft", sched.Alloc{Node: 2, Devices: 1, Share: 400, Preemptible: true})
	whole := func(n int) job.Request {
		return job.Request{CPU: 2000, Memory: 1000, Accelerators: n, Share: unit.Whole, Models: []fleet.Model{"A100"}}
	}
	b.wait(job.Spec{Gang: true, Topology: job.Topology{Mode: job.Must, Level: fleet.LevelSegment}, Groups: []job.Group{{Name: "g", Count: 3, Request: whole(2)}}})
	b.wait(job.Spec{Groups: []job.Group{{Name: "g", Count: 1, Request: job.Request{CPU: 1000, Accelerators: 1, Share: 600, Models: []fleet.Model{"T4"}}}}})
	b.wait(job.Spec{Groups: []job.Group{{Name: "g", Count: 1, Request: job.Request{CPU: 14000, Memory: 30000}}}})
	b.wait(job.Spec{Groups: []job.Group{{Name: "g", Count: 1, Request: job.Request{CPU: 1000, Accelerators: 1, Share: unit.Whole, Partition: "3g"}}}})
	b.wait(job.Spec{Priority: 9, Groups: []job.Group{{Name: "g", Count: 1, Request: job.Request{CPU: 1000, Accelerators: 4, Share: unit.Whole, Models: []fleet.Model{"T4"}}}}})
	b.decide(t)
	if len(b.plan.Placements) < 5 || len(b.plan.Preemptions) != 1 {
		t.Fatalf("the bench places %d tasks and preempts %d", len(b.plan.Placements), len(b.plan.Preemptions))
	}
	return b
}

// TestVerifyRejectsCorruptedPlans changes a good plan in one place at a time.
func TestVerifyRejectsCorruptedPlans(t *testing.T) {
	of := func(b *bench, job job.ID, task int32) *sched.Placement {
		for i := range b.plan.Placements {
			if p := &b.plan.Placements[i]; p.Job == job && p.Task == task {
				return p
			}
		}
		t.Fatalf("no placement of %s/%d in %+v", job, task, b.plan.Placements)
		return nil
	}
	put := func(p *sched.Placement, node int32, devices uint16) {
		p.Node, p.Devices, p.Alloc.Node, p.Alloc.Devices = node, devices, node, devices
	}
	const gang, share, cpu, slice = 3, 4, 5, 6
	corruptions := []struct {
		name, want string
		corrupt    func(b *bench)
	}{
		{"node beyond the fleet", "does not exist", func(b *bench) { put(of(b, share, 0), 99, 1) }},
		{"negative node", "does not exist", func(b *bench) { put(of(b, share, 0), -1, 1) }},
		{"cordoned node", "takes no work", func(b *bench) { put(of(b, share, 0), 3, 1) }},
		{"failed device", "device 1 takes no work", func(b *bench) { put(of(b, share, 0), 4, 2) }},
		{"device beyond the node", "device 7 takes no work", func(b *bench) { put(of(b, share, 0), 2, 1<<7) }},
		{"maintenance window", "maintenance window", func(b *bench) { put(of(b, share, 0), 5, 1) }},
		{"wrong model", "is not accepted", func(b *bench) { put(of(b, share, 0), 0, 1<<3) }},
		{"too few devices", "1 devices granted, 2 asked", func(b *bench) { p := of(b, gang, 0); put(p, p.Node, 1<<1) }},
		{"too many devices", "devices granted", func(b *bench) { p := of(b, share, 0); put(p, p.Node, 3) }},
		{"device in use", "over-allocated", func(b *bench) { p := of(b, gang, 0); put(p, 0, 1|2) }},
		{"devices of another placement", "over-allocated", func(b *bench) { p, q := of(b, gang, 0), of(b, gang, 1); put(p, q.Node, q.Devices) }},
		{"gang in part", "in part", func(b *bench) {
			b.plan.Placements = slices.DeleteFunc(b.plan.Placements, func(p sched.Placement) bool { return p.Job == gang && p.Task == 1 })
		}},
		{"task twice", "twice or out of order", func(b *bench) {
			of(b, gang, 1).Task = 0
			b.plan.Placements[slices.IndexFunc(b.plan.Placements, func(p sched.Placement) bool { return p.Job == gang })].Task = 0
		}},
		{"task the job has not", "has no task", func(b *bench) { of(b, gang, 2).Task = 8 }},
		{"job twice", "is placed twice", func(b *bench) {
			again := slices.Clone(b.plan.Placements)
			b.plan.Placements = append(b.plan.Placements, again...)
		}},
		{"job not waiting", "is not waiting", func(b *bench) { of(b, share, 0).Job = 77 }},
		{"handle of nobody", "is not waiting", func(b *bench) { of(b, share, 0).Handle = 1 << 20 }},
		{"gang out of its segment", "leaves its topology domain", func(b *bench) { b.snap.Capacity.Node(1).Segment = "elsewhere" }},
		{"too much CPU", "milli CPU granted", func(b *bench) { p := of(b, cpu, 0); put(p, of(b, gang, 0).Node, 0) }},
		{"too much memory", "MiB granted", func(b *bench) { b.snap.Capacity.Node(of(b, cpu, 0).Node).Memory = 20000 }},
		{"grant unlike the placement", "differs", func(b *bench) { of(b, share, 0).Alloc.CPU++ }},
		{"partition on a device in use", "no room for partition", func(b *bench) { p := of(b, slice, 0); put(p, 0, 1) }},
		{"preemption of nobody", "does not exist", func(b *bench) { b.plan.Preemptions[0].Alloc = 1 << 20 }},
		{"preemption of the protected", "not preemptible", func(b *bench) { b.plan.Preemptions[0].Alloc = b.allocs["fixed"] }},
		{"preemption for nobody", "is not waiting", func(b *bench) { b.plan.Preemptions[0].For = 70 }},
		{"preemption of an equal", "at priority", func(b *bench) { b.snap.Capacity.Alloc(b.allocs["soft"]).Priority = 9 }},
		{"move of nobody", "not running", func(b *bench) {
			b.plan.Moves = append(b.plan.Moves, sched.Move{Alloc: b.allocs["soft"], Job: 99, Node: 2, Devices: 2})
		}},
		{"move beyond the fleet", "does not exist", func(b *bench) {
			b.plan.Moves = append(b.plan.Moves, sched.Move{Alloc: b.allocs["soft"], Job: 2, Node: 99, Devices: 2})
		}},
		{"move to a closed node", "may not run it", func(b *bench) {
			b.plan.Moves = append(b.plan.Moves, sched.Move{Alloc: b.allocs["soft"], Job: 2, Node: 3, Devices: 2})
		}},
		{"move onto a held device", "over-allocated", func(b *bench) {
			b.plan.Moves = append(b.plan.Moves, sched.Move{Alloc: b.allocs["soft"], Job: 2, Node: 0, Devices: 1})
		}},
		{"move twice", "moved twice", func(b *bench) {
			m := sched.Move{Alloc: b.allocs["soft"], Job: 2, Node: 2, Devices: 2}
			b.plan.Moves = append(b.plan.Moves, m, m)
		}},
	}
	for _, c := range corruptions {
		t.Run(c.name, func(t *testing.T) {
			b := busyBench(t)
			c.corrupt(b)
			err := b.verify.Verify(&b.snap, b.plan, b.now)
			if err == nil {
				t.Fatal("the corrupted plan was accepted")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Fatalf("rejected with %q, want it to say %q", err, c.want)
			}
		})
	}
}
