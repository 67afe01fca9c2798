package control_test

import (
	"testing"

	"tianfu/control"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// TestForksShareOnlyWhatHasEnded runs enough jobs for pages of the table to be
// shared, with one that never ends among them; a fork that goes on must leave
// the state as it was, and the other way round.
func TestForksShareOnlyWhatHasEnded(t *testing.T) {
	f := &fleet.Fleet{Name: "t", Nodes: []fleet.Node{{ID: "n1", CPU: 4000, Memory: 1 << 20}}}
	s, err := control.Open(control.Config{Fleet: f, Policy: "firstfit"})
	if err != nil {
		t.Fatal(err)
	}
	spec := &job.Spec{Name: "x", Tenant: "t", Groups: []job.Group{{Name: "main", Count: 1, Request: job.Request{CPU: 1000, Memory: 1}}}}
	now := unit.Instant(1)
	step := func(s *control.State, in control.Input) {
		now++
		if out := s.Step(now, []control.Input{in}); len(out.Refusals) > 0 {
			t.Fatal(out.Refusals[0].Err)
		}
	}
	for i := range 700 {
		step(s, control.Input{Kind: control.Submit, Spec: spec})
		if i != 300 {
			step(s, control.Input{Kind: control.Exited, Job: job.ID(i + 1), Attempt: 1})
		}
	}
	frozen := s.Freeze()
	before := s.Describe()
	fork := frozen.Fork()
	if fork.Describe() != before {
		t.Fatal("the fork differs from the state")
	}
	step(fork, control.Input{Kind: control.Exited, Job: 301, Attempt: 1})
	step(fork, control.Input{Kind: control.Submit, Spec: spec})
	if s.Describe() != before || frozen.State().Describe() != before {
		t.Error("a step of the fork changed what it was taken from")
	}
	step(s, control.Input{Kind: control.Submit, Spec: spec})
	step(s, control.Input{Kind: control.Cancel, Job: 301})
	if frozen.State().Describe() != before {
		t.Error("a step of the state changed what was frozen")
	}
}
