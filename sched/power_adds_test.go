package sched_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/sched"
	"tianfu/sim"
	"tianfu/unit"
)

// scarce is a replay on a fleet with too little power: a site with two halls and
// racks, jobs of three priorities, and a cap for a part of the time.
func scarce(t testing.TB, seed uint64, linear bool) sim.TimedParams {
	rng := rand.New(rand.NewPCG(seed, 7))
	f, w, err := sim.Generate(sim.GenerateParams{Nodes: 66, Tasks: 1800, Seed: seed, Load: 1.1, Named: 0.2, Gangs: 0.02, Median: 20 * time.Minute, Sigma: 0.6})
	if err != nil {
		t.Fatal(err)
	}
	tree := &sched.Power{Protect: 100, CapLatency: sched.DefaultCapLatency, Grace: sched.DefaultGrace}
	for i := range f.Nodes {
		f.Nodes[i].Place = fleet.Place{Site: "s", Hall: fmt.Sprintf("h%d", i%2), Rack: fmt.Sprintf("r%d", i/8)}
	}
	power, err := energy.ForCCGrid25(f)
	if err != nil {
		t.Fatal(err)
	}
	for i := range power {
		if linear {
			power[i].Linear, power[i].CoresPerPackage = true, 0
		}
	}
	at := map[string]int32{}
	area := func(path, level string, parent int32, part float64) {
		full := unit.Watts(0)
		for i := range f.Nodes {
			if p := f.Nodes[i].Place.Path() + "/"; len(p) > len(path) && p[:len(path)+1] == path+"/" {
				full += power[i].FullWatts(len(f.Nodes[i].Devices))
			}
		}
		at[path] = int32(len(tree.Areas))
		tree.Areas = append(tree.Areas, sched.PowerArea{Path: path, Level: level, Parent: parent, Limit: sched.Milliwatts(unit.Watts(float64(full) * part)),
			Warn: sched.DefaultWarn, Resume: sched.DefaultResume, Overhead: sched.Million})
	}
	area("s", "site", -1, 0.72)
	for _, hall := range []string{"s/h0", "s/h1"} {
		area(hall, "hall", 0, 0.7+0.2*rng.Float64())
	}
	for i := range f.Nodes {
		if path := f.Nodes[i].Place.Path(); at[path] == 0 && rng.IntN(2) == 0 {
			area(path, "rack", at["s/"+f.Nodes[i].Place.Hall], 0.6+0.4*rng.Float64())
		}
	}
	first, last := w.Jobs[0].Submit, w.Jobs[len(w.Jobs)-1].Submit
	third := last.Sub(first) / 3
	tree.Caps = []sched.CapEvent{{ID: 1, Area: "s", Part: 850_000, From: first.Add(third), To: first.Add(2 * third)}}
	for i := range w.Jobs {
		s := *w.Jobs[i].Spec
		s.Priority = []int32{0, 50, 100}[rng.IntN(3)]
		s.Suspendable, s.Preemptible = s.Priority < 100 && rng.IntN(2) == 0, s.Priority < 100
		w.Jobs[i].Spec = &s
	}
	return sim.TimedParams{Fleet: f, Workload: w, Power: power, Tree: tree, Rules: sched.Rules{Preempt: true}, Hash: true,
		Params: sched.Config{Seed: seed, Typical: sim.TypicalClasses(w)}}
}

// TestScarcePowerDecidesAlike replays centres with too little power twice: with
// what is kept to make decisions quicker, and with a look at every node for every
// task. The record logs must be equal.
func TestScarcePowerDecidesAlike(t *testing.T) {
	seeds := uint64(3)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		for k, policy := range []string{"tianfu", "fgd", "random", "pwr", "bestfit", "tianfu-migrate"} {
			if testing.Short() && k > 2 {
				continue
			}
			p := scarce(t, seed, (int(seed)+k)%2 == 1)
			p.Policy = policy
			var sums [2][32]byte
			var sheds, paused, refused int
			for k := range sums {
				run, err := sim.NewTimed(p)
				if err != nil {
					t.Fatal(err)
				}
				if k == 1 {
					run.State().Capacity().LookAtEveryNode()
				}
				run.Run()
				sums[k], sheds, paused, refused = run.Sum(), len(run.Shedding.Sheds), run.Shedding.Suspended, run.Totals.PeakPending
			}
			if sums[0] != sums[1] {
				t.Errorf("seed %d, %s: the record logs differ", seed, policy)
			}
			if sheds == 0 || paused == 0 || refused < 100 {
				t.Errorf("seed %d, %s: %d sheddings, %d tasks suspended, at most %d waiting: the test does not reach what it is for", seed, policy, sheds, paused, refused)
			}
		}
	}
}
