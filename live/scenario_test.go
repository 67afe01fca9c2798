package live_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"tianfu/control"
	"tianfu/engine"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/sim"
	"tianfu/unit"
)

// scenario is a small random centre and all that happens to it, at instants of
// which no two are equal.
type scenario struct {
	seed     uint64
	rng      *rand.Rand
	opening  unit.Instant
	cfg      control.Config
	estimate sim.Estimate
	jobs     []sim.Arrival // by instant
	events   []sim.NodeEvent
	inputs   []sim.Arriving // what else arrives
}

var models = []fleet.Model{"A100", "T4"}

func newScenario(seed uint64, opening unit.Instant) *scenario {
	rng := rand.New(rand.NewPCG(seed, 2))
	// Every policy but the one that moves running tasks: live moves none.
	policies := []string{"tianfu", "tianfu", "fgd", "bestfit", "firstfit", "random", "dotprod"}
	s := &scenario{seed: seed, rng: rng, opening: opening, estimate: sim.Estimate(rng.IntN(3))}
	s.cfg = control.Config{
		Fleet: s.fleet(), Policy: policies[rng.IntN(len(policies))], Params: sched.Config{Seed: seed},
		Rules: sched.Rules{Preempt: rng.IntN(3) > 0, Backfill: sched.Backfill(rng.IntN(2))},
	}
	span := time.Duration(5+rng.IntN(20)) * time.Minute
	for i := range 10 + rng.IntN(60) {
		at := s.within(span)
		s.jobs = append(s.jobs, sim.Arrival{Spec: s.job(i, at), Submit: at, Run: time.Duration(rng.IntN(300)) * time.Second, Number: int64(i + 1)})
	}
	slices.SortFunc(s.jobs, func(a, b sim.Arrival) int { return int(min(max(a.Submit-b.Submit, -1), 1)) })
	for i := range s.jobs {
		s.jobs[i].Number = int64(i + 1)
		for d := range s.jobs[i].Spec.After {
			s.jobs[i].Spec.After[d].Job = job.ID(1 + rng.IntN(i+1))
		}
	}
	for range rng.IntN(12) {
		n := &s.cfg.Fleet.Nodes[rng.IntN(len(s.cfg.Fleet.Nodes))]
		e := sim.NodeEvent{At: s.within(2 * span), Node: n.ID}
		switch rng.IntN(4) {
		case 0, 1:
			e.Health = fleet.Failed
			s.events = append(s.events, sim.NodeEvent{At: e.At.Add(time.Duration(rng.Int64N(int64(5 * time.Minute)))), Node: n.ID})
		case 2:
			e.Cordon, e.Drain = true, rng.IntN(2) == 0
			s.events = append(s.events, sim.NodeEvent{At: e.At.Add(time.Duration(rng.Int64N(int64(5 * time.Minute)))), Node: n.ID})
		}
		s.events = append(s.events, e)
	}
	slices.SortFunc(s.events, func(a, b sim.NodeEvent) int { return int(min(max(a.At-b.At, -1), 1)) })
	for range rng.IntN(8) {
		s.tell(s.within(span), control.Input{Kind: control.Cancel, Job: job.ID(1 + rng.IntN(len(s.jobs)))})
	}
	s.features(span)
	return s
}

// within draws an instant to the nanosecond.
func (s *scenario) within(span time.Duration) unit.Instant {
	return s.opening.Add(time.Second + time.Duration(s.rng.Int64N(int64(span))))
}

func (s *scenario) fleet() *fleet.Fleet {
	rng := s.rng
	f := &fleet.Fleet{Name: "random", Traits: map[fleet.Model]fleet.Traits{
		"A100": {Memory: 80 << 10, Stack: "cuda", ComputeSlices: 7, MemorySlices: 8, Profiles: []fleet.Profile{{Name: "1g", Compute: 1, Memory: 1}, {Name: "3g", Compute: 3, Memory: 4}}},
		"T4":   {Memory: 16 << 10, Stack: "cuda"},
	}}
	for i := range 1 + rng.IntN(6) {
		n := fleet.Node{
			ID: fleet.NodeID(fmt.Sprintf("n%d", i)), CPU: unit.MilliCPU(1000 * (4 + rng.IntN(20))), Memory: unit.MiB(1024 * (8 + rng.IntN(60))),
			Place: fleet.Place{Site: "s", Rack: fmt.Sprintf("r%d", i/2)}, Segment: fmt.Sprintf("seg%d", i/3),
		}
		if rng.IntN(4) > 0 {
			n.Model, n.Devices = models[rng.IntN(2)], make([]fleet.Device, 1+rng.IntN(8))
		}
		if rng.IntN(4) == 0 {
			n.Tasks = 1 + rng.IntN(5)
		}
		if rng.IntN(6) == 0 {
			from := s.within(20 * time.Minute)
			n.Maintenance = []fleet.Window{{From: from, To: from.Add(time.Duration(rng.Int64N(int64(5 * time.Minute))))}}
		}
		f.Nodes = append(f.Nodes, n)
	}
	return f
}

func (s *scenario) job(number int, at unit.Instant) *job.Spec {
	rng := s.rng
	work := job.Work{Command: []string{"true"}}
	if rng.IntN(6) == 0 {
		work.Checkpoint = &job.Checkpoint{Signal: "SIGUSR1", Grace: time.Minute}
	}
	encoded, err := work.Encode()
	if err != nil {
		panic(err)
	}
	j := &job.Spec{
		Name: fmt.Sprintf("job%d", number), Tenant: job.Tenant(fmt.Sprintf("tenant%d", rng.IntN(3))), Priority: int32(rng.IntN(3)),
		Preemptible: rng.IntN(2) == 0, Work: encoded,
	}
	r := job.Request{CPU: unit.MilliCPU(500 * rng.IntN(12)), Memory: unit.MiB(rng.IntN(8192))}
	switch rng.IntN(6) {
	case 0, 1:
		r.Accelerators, r.Share = 1+rng.IntN(4), unit.Whole
	case 2:
		r.Accelerators, r.Share = 1, unit.Milli(1+rng.IntN(999))
	case 3:
		r.Accelerators, r.Share, r.Partition = 1, unit.Whole, []string{"1g", "3g"}[rng.IntN(2)]
	}
	j.Groups = []job.Group{{Name: "main", Count: 1, Request: r}}
	if rng.IntN(3) == 0 {
		j.Groups[0].Count = 2 + rng.IntN(5)
		if j.Gang = rng.IntN(3) > 0; j.Gang {
			j.Topology = job.Topology{Mode: job.TopologyMode(rng.IntN(3)), Level: fleet.Level(rng.IntN(4))}
		} else if rng.IntN(2) == 0 {
			j.Array, j.Parallel = true, int32(rng.IntN(3))
		}
	}
	if rng.IntN(3) == 0 {
		j.Retries, j.Backoff = 1+rng.IntN(3), time.Duration(rng.IntN(40))*time.Second
	}
	if number > 0 && rng.IntN(4) == 0 {
		j.After = append(j.After, job.Dependency{AnyEnd: rng.IntN(2) == 0}) // of which: when the order is known
	}
	j.Pausable = rng.IntN(6) == 0
	if rng.IntN(6) == 0 {
		j.StartBy = at.Add(time.Duration(rng.Int64N(int64(3 * time.Minute))))
	}
	return j
}

// outcome is how an attempt goes, for both engines: a matter of the seed and of
// the attempt's key alone. The tasks of some jobs end at the same instant.
func (s *scenario) outcome(id job.ID, task, attempt int32) (time.Duration, engine.Exit) {
	rng := rand.New(rand.NewPCG(s.seed<<20|uint64(id), uint64(attempt)))
	if id%2 == 0 {
		rng = rand.New(rand.NewPCG(s.seed<<20|uint64(id), uint64(attempt)<<32|uint64(task+1)))
	}
	run := time.Second + time.Duration(rng.Int64N(int64(4*time.Minute)))
	if rng.IntN(6) == 0 {
		return run, engine.Exit{Cause: engine.CauseExit, Code: 1}
	}
	return run, engine.Exit{Cause: engine.CauseExit}
}

// spec is a job as live is given it: with the estimate that sim makes of it.
func (s *scenario) spec(i int) *job.Spec {
	out := *s.jobs[i].Spec
	switch run := s.jobs[i].Run; s.estimate {
	case sim.Exact:
		out.ExpectedRun = max(run, 1)
	case sim.OneToFive:
		out.ExpectedRun = max(run*time.Duration(1+s.jobs[i].Number%5), 1)
	}
	return &out
}

// engine returns one that runs the attempts of the scenario.
func (s *scenario) engine() *modelled {
	m := newModelled(clock, func(k engine.Key) (time.Duration, engine.Exit) {
		return s.outcome(k.Job, int32(k.Task), int32(k.Generation))
	})
	if s.cfg.Tree != nil {
		m.nodes = &nodePaces{node: map[engine.Key]int32{}, level: map[int32]int16{}}
	}
	return m
}
