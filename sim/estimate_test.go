package sim_test

import (
	"testing"

	"tianfu/control"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sim"
	"tianfu/unit"
)

// TestNeverHasNoInstant estimates a job that no run forward sees start, for its only
// node is cordoned: its start is later than anything, and not some day in 2259.
func TestNeverHasNoInstant(t *testing.T) {
	f := &fleet.Fleet{Nodes: []fleet.Node{{ID: "n", CPU: 4000, Memory: 4096, Cordoned: true}}}
	s, err := control.Open(control.Config{Fleet: f, Policy: "tianfu"})
	if err != nil {
		t.Fatal(err)
	}
	at := unit.At(1_800_000_000)
	if out := s.Step(at, []control.Input{{Kind: control.Submit, Spec: &job.Spec{Name: "j", Tenant: "t", Groups: []job.Group{{Count: 1, Request: job.Request{CPU: 1000, Memory: 512}}}}}}); len(out.Refusals) > 0 {
		t.Fatalf("%+v", out.Refusals)
	}
	e := sim.NewEstimator(s.Freeze(), at, sim.NewRunTimes(), 1, 0)
	for range 19 {
		e.Draw()
	}
	if got, ok := e.Start(1); !ok || got.Early != unit.Never || got.Middle != unit.Never || got.Late != unit.Never {
		t.Errorf("starts %+v, %v", got, ok)
	}
}
