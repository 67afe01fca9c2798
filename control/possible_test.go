package control_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// TestOnlyTheImpossibleIsRefused draws small centres and gangs of several groups
// and tries every way to place them: what can be placed is never refused, and of
// what cannot nearly all is.
func TestOnlyTheImpossibleIsRefused(t *testing.T) {
	refused, passed, possible := 0, 0, 0
	for seed := range uint64(1500) {
		rng := rand.New(rand.NewPCG(seed, 7))
		cfg, spec := smallCentre(rng)
		state, err := control.Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		out := state.Step(0, []control.Input{{Kind: control.Submit, Spec: spec, Tag: 1}})
		fits := everyWay(&cfg, spec)
		switch no := len(out.Refusals) > 0; {
		case fits && no:
			t.Fatalf("seed %d: could run, and is refused: %v", seed, out.Refusals[0].Err)
		case fits:
			possible++
		case no:
			refused++
		default:
			passed++
		}
	}
	if possible < 300 || refused < 300 || passed*20 > refused {
		t.Errorf("%d could run; of what could not %d were refused and %d taken in", possible, refused, passed)
	}
	t.Logf("%d could run; of what could not %d were refused and %d taken in", possible, refused, passed)
}

// TestGangsOfEqualTasksStartUnderPower draws small centres with limits of power and
// gangs of equal tasks and tries every way to place them: what cannot be placed is
// refused, all of it, and what can starts on the idle centre, whatever the policy
// prefers.
func TestGangsOfEqualTasksStartUnderPower(t *testing.T) {
	policies := []string{"tianfu", "fgd", "bestfit", "firstfit", "random", "dotprod", "gpu-packing", "gpu-clustering"}
	started, refused := 0, 0
	for seed := uint64(0); started+refused < 1500; seed++ {
		rng := rand.New(rand.NewPCG(seed, 8))
		cfg, spec := smallCentre(rng)
		if cfg.Tree == nil {
			continue
		}
		for i := range cfg.Tree.Areas {
			cfg.Tree.Areas[i].Battery = sched.Battery{} // while it is charged less is left
		}
		spec.Groups = spec.Groups[:1]
		spec.Groups[0].Count = 2 + rng.IntN(4)
		cfg.Policy = policies[rng.IntN(len(policies))]
		state, err := control.Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		out := state.Step(0, []control.Input{{Kind: control.Submit, Spec: spec, Tag: 1}, {Kind: control.Tick}})
		switch fits := everyWay(&cfg, spec); {
		case fits && len(out.Refusals) > 0:
			t.Fatalf("seed %d: could run, and is refused: %v", seed, out.Refusals[0].Err)
		case fits && len(out.Orders) != spec.Tasks():
			why, _ := state.Why(1)
			t.Errorf("seed %d, %s: could run, and waits: %s", seed, cfg.Policy, why.String())
		case !fits && len(out.Refusals) == 0:
			t.Errorf("seed %d: cannot run, and is taken in", seed)
		case fits:
			started++
		default:
			refused++
		}
	}
	if min(started, refused) < 300 {
		t.Errorf("%d started, %d refused: the test does not reach what it is for", started, refused)
	}
}

// smallCentre draws one to four nodes, at times with a quota of a model or limits
// of power, and a gang of a few tasks.
func smallCentre(rng *rand.Rand) (control.Config, *job.Spec) {
	f := &fleet.Fleet{Name: "small", Traits: map[fleet.Model]fleet.Traits{"A100": {Stack: "cuda"}, "T4": {Stack: "cuda"}}}
	for i := range 1 + rng.IntN(4) {
		n := fleet.Node{ID: fleet.NodeID(fmt.Sprintf("n%d", i)), CPU: unit.MilliCPU(2000 * (2 + rng.IntN(5))), Memory: unit.MiB(1024 * (2 + rng.IntN(6))), Place: fleet.Place{Site: "s", Rack: fmt.Sprintf("r%d", i/2)}}
		if rng.IntN(3) > 0 {
			n.Model, n.Devices = []fleet.Model{"A100", "T4"}[rng.IntN(2)], make([]fleet.Device, 1+rng.IntN(3))
		}
		if rng.IntN(3) == 0 {
			n.Tasks = 1 + rng.IntN(3)
		}
		f.Nodes = append(f.Nodes, n)
	}
	s := &job.Spec{Name: "gang", Tenant: "tenant0", Gang: true}
	if rng.IntN(3) == 0 {
		s.Topology = job.Topology{Mode: job.Must, Level: fleet.LevelRack}
	}
	for range 1 + rng.IntN(3) {
		r := job.Request{CPU: unit.MilliCPU(1000 * (1 + rng.IntN(6))), Memory: unit.MiB(512 * rng.IntN(6))}
		switch rng.IntN(4) {
		case 0:
			r.Accelerators, r.Share = 1+rng.IntN(2), unit.Whole
		case 1:
			r.Accelerators, r.Share = 1, unit.Milli(100*(1+rng.IntN(9)))
		}
		if r.Accelerators > 0 && rng.IntN(3) == 0 {
			r.Models = []fleet.Model{"A100"}
		}
		s.Groups = append(s.Groups, job.Group{Count: 1 + rng.IntN(3), Request: r})
	}
	cfg := control.Config{Fleet: f, Policy: "bestfit"}
	switch rng.IntN(3) {
	case 0:
		cfg.Queueing = &job.Queueing{Tenants: []job.TenantRule{{Name: "tenant0", Weight: 1}}, Queues: []job.QueueRule{{Name: "queue0", Tenants: []job.Tenant{"tenant0"}, Weight: 1,
			MinPriority: job.MinPriority, MaxPriority: job.MaxPriority, Guaranteed: []job.Amount{{Resource: "A100", Units: 500 * int64(rng.IntN(6))}}}}}
	case 1:
		randomPower(rng, &cfg)
		cfg.Tree.Caps = nil
		for i := range cfg.Power {
			cfg.Power[i] = energy.NodeModel{Base: 30, CPU: f.Nodes[i].CPU, PackageIdle: 10, PackageFull: 110, DeviceIdle: 20, DeviceFull: 120, Linear: i%2 == 0}
		}
	}
	return cfg, s
}

// everyWay tries every assignment of the tasks to nodes and devices. What of power
// and quotas an assignment would break is looked at when it is complete.
func everyWay(cfg *control.Config, s *job.Spec) bool {
	var tasks []*job.Request
	for g := range s.Groups {
		for range s.Groups[g].Count {
			tasks = append(tasks, &s.Groups[g].Request)
		}
	}
	used := make([]usedNode, len(cfg.Fleet.Nodes))
	var place func(i int) bool
	place = func(i int) bool {
		if i == len(tasks) {
			return withinLimits(cfg, used)
		}
		r := tasks[i]
		for n := range used {
			d, u := &cfg.Fleet.Nodes[n], &used[n]
			if s.Topology.Mode == job.Must && !inOneRack(cfg, used, n) {
				continue
			}
			if d.Tasks > 0 && u.tasks == d.Tasks || u.cpu+int64(r.CPU) > int64(d.CPU) || u.memory+int64(r.Memory) > int64(d.Memory) || r.Accelerators > 0 && len(r.Models) > 0 && d.Model != "A100" {
				continue
			}
			before := *u
			for _, set := range devicesFor(d, u, r) {
				u.cpu, u.memory, u.tasks = u.cpu+int64(r.CPU), u.memory+int64(r.Memory), u.tasks+1
				for k := range d.Devices {
					if set>>k&1 != 0 {
						u.dev[k] += int64(r.Share)
					}
				}
				if place(i + 1) {
					return true
				}
				*u = before
			}
		}
		return false
	}
	return place(0)
}

type usedNode struct {
	cpu, memory int64
	tasks       int
	dev         [4]int64
}

// devicesFor lists the sets of devices that a task could take.
func devicesFor(d *fleet.Node, u *usedNode, r *job.Request) (out []int) {
	for set := range 1 << len(d.Devices) {
		count, ok := 0, true
		for k := range d.Devices {
			if set>>k&1 != 0 {
				count++
				ok = ok && u.dev[k]+int64(r.Share) <= 1000
			}
		}
		if ok && count == r.Accelerators {
			out = append(out, set)
		}
	}
	return out
}

func inOneRack(cfg *control.Config, used []usedNode, n int) bool {
	for k := range used {
		if used[k].tasks > 0 && cfg.Fleet.Nodes[k].Place.Rack != cfg.Fleet.Nodes[n].Place.Rack {
			return false
		}
	}
	return true
}

// withinLimits holds a whole assignment to the quota of A100s and to every area.
func withinLimits(cfg *control.Config, used []usedNode) bool {
	milli := int64(0)
	watts := map[string]float64{}
	for n := range used {
		d := &cfg.Fleet.Nodes[n]
		w := 0.0
		for k := range d.Devices {
			if d.Model == "A100" {
				milli += used[n].dev[k]
			}
			if cfg.Tree != nil {
				w += float64(cfg.Power[n].DeviceWatts(unit.Milli(used[n].dev[k])))
			}
		}
		if cfg.Tree != nil {
			w += float64(cfg.Power[n].Base + cfg.Power[n].CPUWatts(unit.MilliCPU(used[n].cpu)))
			watts["s"] += w
			watts["s/"+d.Place.Rack] += w
		}
	}
	if cfg.Queueing != nil && milli > cfg.Queueing.Queues[0].Guaranteed[0].Units {
		return false
	}
	if cfg.Tree != nil {
		for i := range cfg.Tree.Areas {
			a := &cfg.Tree.Areas[i]
			if a.Limit > 0 && watts[a.Path]*1000*float64(max(a.Overhead, 1_000_000))/1e6 > float64(a.Limit-a.Reserve)+1 {
				return false
			}
		}
	}
	return true
}
