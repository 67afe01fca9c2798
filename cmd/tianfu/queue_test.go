package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tianfu/fault"
	"tianfu/httpapi"
)

// queueWorld is one node of four CPUs, of which two tenants are guaranteed one
// and two, and a third queue lends the last.
const queueWorld = `name: small
sites: [{name: here, time_zone: UTC}]
catalogue:
  skus: [{name: tiny, vcpu: 4, memory: 4096MiB}]
nodes: [{name: one, sku: tiny, place: here}]
tenants: [{name: physics}, {name: biology}]
queues:
  - {name: train, tenants: [physics], cohort: science, guaranteed: {cpu: 1}, borrow: {cpu: 1}, priority: 0..9}
  - {name: genomes, tenants: [biology], cohort: science, guaranteed: {cpu: 2}}
  - {name: spare, cohort: science, guaranteed: {cpu: 1}}
`

// TestQueuesOfACentre submits to queues of a real server and looks at them as
// the operator and as a tenant.
func TestQueuesOfACentre(t *testing.T) {
	world := filepath.Join(t.TempDir(), "world.yaml")
	if err := os.WriteFile(world, []byte(queueWorld), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, "--world", world, "--node", "one")
	t.Setenv("TIANFU_TOKEN", s.token)
	ctx := context.Background()
	s.kill()
	physics := &httpapi.Client{Base: "http://" + s.address, Token: s.tenantToken("physics")}
	s.start()
	for range 3 {
		b := shell("sleep 60")
		b.Groups[0].CPU = "1"
		if _, err := physics.Submit(ctx, b, "", false); err != nil {
			t.Fatal(err)
		}
	}
	bad := shell("true")
	for _, name := range []string{"genomes", "night"} { // another tenant's, and one that is not there: alike
		bad.Queue = name
		if _, err := physics.Submit(ctx, bad, "", false); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "queue "+name+": is none of tenant physics; its queues: train") {
			t.Errorf("queue %s: %v", name, err)
		}
	}
	var q *httpapi.Queue
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var err error
		if q, err = physics.Queue(ctx, "train"); err != nil {
			t.Fatal(err)
		}
		if q.Running == 2 && q.Pending == 1 || time.Now().After(until) {
			break
		}
	}
	if len(q.Resources) != 1 || q.Resources[0] != (httpapi.QueueResource{Resource: "cpu", Guaranteed: "1", Used: "2", Borrowed: "1", Lent: "0", Borrowable: "0", BorrowLimit: "1", LendLimit: "1"}) {
		t.Errorf("train: %+v", q.Resources)
	}
	if q.Share != 0.5 || q.Entitlement != 0.25 || len(q.Reasons) != 1 || q.Reasons[0] != (httpapi.QueueReason{Cause: "queue at its borrowing limit", Jobs: 1}) {
		t.Errorf("train: %+v", q)
	}
	if _, err := physics.Queue(ctx, "genomes"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("another tenant's queue is shown: %v", err)
	}
	own, err := physics.Queues(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(own.Queues) != 1 || len(own.Others) != 1 || own.Others[0] != (httpapi.CohortLoad{Cohort: "science", Resource: "cpu", Guaranteed: "3", Used: "0"}) {
		t.Errorf("what a tenant sees: %+v", own)
	}
	code, out, errs := execute("queue", "list", "--server", "http://"+s.address, "-o", "csv")
	if code != 0 || !strings.Contains(out, "train,science,cpu,1,2,1,0,0,2,1,50.0%,25.0%") || !strings.Contains(out, "genomes,science,cpu,2,0,0,") {
		t.Errorf("queue list: %d\n%s%s", code, out, errs)
	}
	code, out, errs = execute("queue", "show", "train", "--server", "http://"+s.address)
	if code != 0 || !strings.Contains(out, "2 used of 1 guaranteed, 1 borrowed, 0 lent to others, 0 left to use; borrows at most 1; lends at most 1") {
		t.Errorf("queue show: %d\n%s%s", code, out, errs)
	}
}
