package control_test

import (
	"slices"
	"testing"
	"time"

	"tianfu/control"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
)

// TestChangesNameTheLedger: a start with another --meter-every says so, and does not
// speak of figures of hardware.
func TestChangesNameTheLedger(t *testing.T) {
	a := control.Config{Fleet: &fleet.Fleet{Nodes: []fleet.Node{{ID: "n", CPU: 1000, Memory: 512}}}, Metering: control.Metering{Every: time.Minute}}
	b := a
	b.Metering.Every = 10 * time.Second
	if got := a.Changes(&b); !slices.Equal(got, []string{"intervals of the ledger: 1m0s become 10s"}) {
		t.Errorf("%q", got)
	}
}

// TestChangesNameEach: what changes beside something else is told too, not only the
// first, for the audit log promises every change.
func TestChangesNameEach(t *testing.T) {
	tree := func(limit int64, protect int32, caps ...sched.CapEvent) *sched.Power {
		return &sched.Power{Areas: []sched.PowerArea{{Path: "s", Level: "site", Parent: -1, Limit: limit}}, Caps: caps, Protect: protect}
	}
	a := control.Config{
		Fleet:    &fleet.Fleet{Nodes: []fleet.Node{{ID: "n", CPU: 1000, Memory: 512}}},
		Queueing: &job.Queueing{Tenants: []job.TenantRule{{Name: "a", Weight: 1}}, HalfLife: time.Hour},
		Tree:     tree(1000, sched.NoProtect),
	}
	b := a
	b.Queueing = &job.Queueing{Tenants: []job.TenantRule{{Name: "a", Weight: 2}}, HalfLife: 2 * time.Hour}
	b.Tree = tree(900, 10, sched.CapEvent{Area: "s", Part: 700})
	b.Deferring.Allowance[job.Batch] = time.Hour
	want := []string{
		"tenants are changed", "half-life of fair share: 1h0m0s becomes 2h0m0s", "limits of power, overhead or batteries are changed",
		"caps of the world file are changed", "rules for short power are changed", "allowances of deferral are changed",
	}
	if got := a.Changes(&b); !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}
