package control

import (
	"reflect"
	"testing"

	"tianfu/sched"
)

// TestEveryFieldIsInTheSnapshot fails when a field is added that no snapshot
// carries: a centre would come back without it.
func TestEveryFieldIsInTheSnapshot(t *testing.T) {
	const coded, derived, scratch = "coded in snapshot.go", "follows from what is coded, or from the configuration", "of one step only"
	for _, c := range []struct {
		of     any
		fields map[string]string
	}{
		{State{}, map[string]string{
			"cfg": coded, "now": coded, "cap": coded, "index": coded, "waiting": coded, "tenants": coded, "quotas": coded, "numbers": derived, "names": coded, "nodes": derived,
			"jobs": coded, "held": coded, "others": coded, "due": coded, "later": coded, "waiters": coded, "settle": coded, "keys": derived, "windows": coded, "booked": coded, "hours": coded, "pauses": coded, "judged": coded, "misses": coded,
			"decider": scratch, "verifier": scratch, "dirty": coded, "opened": coded, "out": scratch, "moves": coded, "ledger": coded, "power": coded, "budgets": coded}},
		{jobState{}, map[string]string{
			"spec": coded, "submitted": coded, "handle": coded, "queued": coded, "phase": coded, "failed": coded, "started": coded, "running": coded,
			"open": coded, "one": coded, "more": coded, "failures": coded, "holds": coded, "eligible": coded, "resting": derived, "shift": coded}},
		{shiftState{}, map[string]string{
			"due": coded, "plan": coded, "planned": coded, "plannedAt": coded, "latest": coded, "broken": coded, "pausing": coded, "begun": coded, "done": coded, "risk": coded, "atRisk": coded, "missed": coded, "lineSpec": derived}},
		{taskState{}, map[string]string{"alloc": coded, "attempt": coded, "running": coded, "done": coded, "failures": coded, "eligible": coded, "tries": coded, "exit": coded}},
		{Try{}, map[string]string{"Attempt": coded, "Node": coded, "From": coded, "To": coded, "Ending": coded, "Exit": coded}},
		{Exit{}, map[string]string{"Code": coded, "Detail": coded, "Usage": coded}},
		{Usage{}, map[string]string{"CPUMicros": coded, "MemoryPeak": coded, "ByteSeconds": coded, "WallMicros": coded}},
		{ledger{}, map[string]string{
			"sites": coded, "nodes": coded, "siteOf": derived, "held": coded, "tenants": coded, "power": derived, "next": derived, "attribute": scratch}},
		{siteLedger{}, map[string]string{"name": derived, "nodes": derived, "from": coded, "carry": coded, "gauge": coded, "lines": coded, "zone": derived, "dayFrom": derived, "day": derived}},
		{nodeLedger{}, map[string]string{"carry": coded, "gone": coded, "gauge": coded, "stages": coded}},
		{holding{}, map[string]string{"since": coded, "told": coded, "closed": coded, "fresh": coded, "still": coded}},
		{gauge{}, map[string]string{"spans": coded, "covered": coded, "has": coded, "booked": coded, "late": coded}},
		{energySpan{}, map[string]string{"from": coded, "to": coded, "energy": coded, "basis": coded, "devices": coded}},
		{dueJob{}, map[string]string{"at": coded, "id": coded}},
		{windowEdge{}, map[string]string{"at": coded, "node": coded, "opens": coded, "queue": coded, "until": coded, "part": coded}},
		{BookingTold{}, map[string]string{"Key": coded, "Parts": coded, "Ask": coded}},
		{siteTable{}, map[string]string{"name": coded, "hours": coded}},
		{powerState{}, map[string]string{
			"caps": coded, "lastCap": coded, "solar": coded, "batteries": coded, "stores": derived, "sheds": coded, "edge": coded, "sleepy": coded, "waking": coded, "stale": coded}},
		{battery{}, map[string]string{"at": coded, "charge": coded, "rate": coded, "charged": coded}},
		{Shed{}, map[string]string{"Area": coded, "At": coded, "Over": coded, "ByCap": coded, "Capped": coded, "Suspended": coded, "Evicted": coded, "Short": coded, "By": coded}},
		{Miss{}, map[string]string{"Job": coded, "At": coded, "Reason": coded}},
		{budgetState{}, map[string]string{
			"spent": coded, "until": coded, "gone": coded, "sites": derived, "site": derived, "zones": derived, "now": scratch, "from": derived, "to": derived, "seen": scratch}},
		{budgetSpent{}, map[string]string{"day": coded, "Drawn": coded}},
		{sched.Charge{}, map[string]string{"Draw": coded, "Tenant": coded, "Site": coded, "From": coded, "To": coded}},
		{submitKey{}, map[string]string{"tenant": derived, "key": derived}},
	} {
		typ := reflect.TypeOf(c.of)
		for i := range typ.NumField() {
			name := typ.Field(i).Name
			if c.fields[name] == "" {
				t.Errorf("control.%s has the field %q, which no snapshot carries: a centre that restarts from a snapshot would lose it. "+
					"Code it in control/snapshot.go with one line in the code function of its type (sched.Int, Text, List, Map, ... write and read alike), "+
					"or work it out again in restore; copy it in Freeze where it changes in place (and in Fork); then list it in this test as coded or derived. "+
					"TestSnapshotGoesOnAlike holds what you did to random centres", typ.Name(), name)
			}
			delete(c.fields, name)
		}
		for name := range c.fields {
			t.Errorf("control.%s has no field %q any more: take it out of this list and out of control/snapshot.go", typ.Name(), name)
		}
	}
}
