package sched

import (
	"reflect"
	"testing"

	"tianfu/fleet"
)

// TestEveryFieldIsInTheSnapshot fails when a field is added that no snapshot
// carries: a centre would come back without it.
func TestEveryFieldIsInTheSnapshot(t *testing.T) {
	const coded, derived, scratch = "coded in snapshot.go", "follows from what is coded, or from the fleet", "of one cycle only"
	for _, c := range []struct {
		of     any
		fields map[string]string
	}{
		{Capacity{}, map[string]string{
			"nodes": derived, "kinds": derived, "specs": coded, "models": derived, "traits": derived, "modelIndex": derived, "shapeIDs": derived,
			"shapes": coded, "profiles": derived, "allocs": coded, "unused": coded, "onNode": coded, "domains": derived, "total": derived, "used": derived,
			"modelFree": derived, "modelTotal": derived, "devices": derived, "freed": coded, "changes": derived, "ends": derived, "largest": derived,
			"rooms": derived, "windows": derived, "preemptible": derived, "booked": derived, "parts": derived, "power": coded}},
		{Alloc{}, map[string]string{
			"Job": coded, "Task": coded, "Attempt": coded, "Node": coded, "CPU": coded, "Memory": coded, "Devices": coded, "Share": coded, "Profile": coded,
			"Tenant": coded, "Priority": coded, "Preemptible": coded, "Gang": coded, "Queue": coded, "Evicting": coded, "Start": coded, "End": coded, "Shape": coded,
			"Suspended": coded, "For": coded, "Left": coded}},
		{Shape{}, map[string]string{"ID": derived, "CPU": coded, "Share": coded, "Count": coded, "Profile": coded, "Accept": coded}},
		{Waiting{}, map[string]string{"entries": coded, "unused": coded, "groups": coded, "find": derived, "live": coded, "gangs": coded, "jobs": derived, "cycle": coded}},
		{entry{}, map[string]string{"job": coded, "spec": derived, "seq": coded, "ask": derived, "asks": derived, "pending": coded, "next": derived, "prev": derived, "group": derived}},
		{group{}, map[string]string{"key": coded, "first": derived, "last": derived, "live": derived, "tried": coded, "reason": coded, "looked": coded}},
		{groupKey{}, map[string]string{"priority": coded, "tenant": coded, "queue": coded, "sig": coded, "site": coded}},
		{gangKey{}, map[string]string{"ask": coded, "count": coded, "gang": coded, "topology": coded, "alone": coded}},
		{Ask{}, map[string]string{"Shape": coded, "Memory": coded}},
		{Reason{}, map[string]string{"Dominant": coded, "Considered": coded, "Excluded": coded, "Ahead": coded, "Short": coded, "Quota": coded, "Over": coded, "Keeper": coded}},
		{BudgetShort{}, map[string]string{"Budget": coded, "Carbon": coded, "NextDay": coded, "Need": coded, "Spent": coded, "Committed": coded, "Limit": coded, "Renews": coded}},
		{PowerShort{}, map[string]string{"Area": coded, "Need": coded, "Draw": coded, "Budget": coded, "Behind": coded}},
		{QuotaUse{}, map[string]string{"Resource": coded, "Asked": coded, "Used": coded, "Guaranteed": coded, "Borrowable": coded}},
		{Quotas{}, map[string]string{"names": derived, "model": derived, "queues": coded, "cohorts": derived, "byName": derived, "modelDim": derived}},
		{queueQuota{}, map[string]string{"name": derived, "cohort": derived, "guaranteed": derived, "borrow": derived, "lend": derived, "used": derived, "held": coded}},
		{cohortQuota{}, map[string]string{"name": derived, "limits": derived, "pool": derived, "taken": derived, "queues": derived}},
		{Index{}, map[string]string{"cap": derived, "policy": coded, "shapes": derived, "keys": scratch, "scores": scratch, "picked": scratch}},
		{tianfu{}, map[string]string{
			"seen": coded, "total": coded, "next": coded, "named": coded, "milli": coded, "value": coded, "price": coded, "spare": coded, "scarce": coded,
			"opened": coded, "watts": derived}},
		{migrating{}, map[string]string{"tianfu": coded, "perThousand": derived}},
		{Usage{}, map[string]string{"Totals": coded, "Weight": coded, "Past": coded}},
		{History{}, map[string]string{"Mean": coded, "At": coded}},
		{Totals{}, map[string]string{"CPU": coded, "Memory": coded, "Milli": coded}},
		{Reservation{}, map[string]string{"Job": coded, "At": coded, "Nodes": coded}},
		{HeldNode{}, map[string]string{"Node": coded, "Tasks": coded}},
	} {
		typ := reflect.TypeOf(c.of)
		for i := range typ.NumField() {
			name := typ.Field(i).Name
			if c.fields[name] == "" {
				t.Errorf("sched.%s has the field %q, which no snapshot carries: a centre that restarts from a snapshot would lose it. "+
					"Code it in sched/snapshot.go with one line (Int, Text, List, ... write and read alike), or work it out again there from what is coded, "+
					"copy it in Clone, and list it in this test as coded or derived", typ.Name(), name)
			}
			delete(c.fields, name)
		}
		for name := range c.fields {
			t.Errorf("sched.%s has no field %q any more: take it out of this list and out of sched/snapshot.go", typ.Name(), name)
		}
	}
}

// TestLearnersAreRemembered fails when a policy that learns cannot be put into
// a snapshot.
func TestLearnersAreRemembered(t *testing.T) {
	c := NewCapacity(&fleet.Fleet{Nodes: []fleet.Node{{ID: "n", CPU: 1000, Memory: 1024}}}, nil, nil)
	for i := range policies {
		p := policies[i].make(c, Config{}, nil)
		if _, learns := p.(Learner); learns {
			if _, ok := p.(remembering); !ok {
				t.Errorf("policy %s learns and is not in the snapshot: give it code and clone, as tianfu has in sched/snapshot.go", policies[i].name)
			}
		}
	}
}
