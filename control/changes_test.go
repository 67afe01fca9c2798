package control_test

import (
	"slices"
	"testing"
	"time"

	"tianfu/control"
	"tianfu/fleet"
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
