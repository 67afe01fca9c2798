package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tianfu/httpapi"
)

// TestWhy asks a real centre why jobs wait, when they start, and what a dry run
// says of one that would; then where a job runs and how one ended.
func TestWhy(t *testing.T) {
	s := startServer(t)
	c, ctx := s.client(), context.Background()
	nodes, err := c.Nodes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	all := nodes[0].CPU
	submit := func(tenant, cpu, script, expected string) string {
		b := shell(script)
		b.Tenant, b.Groups[0].CPU, b.ExpectedRun = tenant, cpu, expected
		made, err := c.Submit(ctx, b, "", false)
		if err != nil {
			t.Fatal(err)
		}
		return made.ID
	}
	done := submit("alpha", "100m", "exit 7", "")
	waitEnd(t, c, done)
	running := submit("alpha", all, "sleep 60", "10m")
	first := submit("alpha", all, "true", "1m")
	second := submit("beta", all, "true", "1m")
	var w *httpapi.Why
	for range 40 { // the estimate may take a moment on a busy machine
		if w, err = c.Why(ctx, first); err != nil {
			t.Fatal(err)
		}
		if w.StartState == "ready" {
			break
		}
		time.Sleep(250 * time.Millisecond)
	}
	// The other tenant holds nothing, so its job comes first.
	if !w.Waits || w.Reason == nil || w.Reason.Cause != "not enough CPU" || w.Ahead == nil || w.Ahead.Jobs != 1 {
		t.Errorf("the job is told %+v, reason %+v, ahead %+v", w.Says, w.Reason, w.Ahead)
	}
	if w.Start == nil || w.Start.Draws < 9 || !(w.Start.Early <= w.Start.Middle && w.Start.Middle <= w.Start.Late) || w.Start.Early <= w.Asked {
		t.Errorf("its start is %+v, asked at %s", w.Start, w.Asked)
	}
	for job, says := range map[string]string{running: "it runs on ", done: "exit code 7"} {
		if w, err := c.Why(ctx, job); err != nil || w.Waits || !strings.Contains(w.Says, says) {
			t.Errorf("of %s: %+v, %v; it should say %q", job, w, err, says)
		}
	}
	b := shell("true")
	b.Groups[0].CPU = all
	dry, err := c.Submit(ctx, b, "", true)
	if err != nil || dry.Starts || dry.ID != "" || dry.Ahead == nil || dry.Ahead.Jobs != 1 || dry.Start == nil {
		t.Errorf("a dry run says %+v, %v", dry, err)
	}
	// A tenant learns nothing of whose jobs stand before its own.
	beta := &httpapi.Client{Base: c.Base, Token: s.tenantToken("beta")}
	s.kill()
	s.start()
	w, err = beta.Why(ctx, second)
	if err != nil {
		t.Fatal(err)
	}
	if text := whyHead(w) + w.Reason.Text + w.Reason.Ahead; strings.Contains(text, first) || strings.Contains(text, running) {
		t.Errorf("a tenant is told of a job that is not its own: %s", text)
	}
	if _, err := beta.Why(ctx, first); err == nil {
		t.Error("a tenant may ask why another's job waits")
	}
}

// TestWhyOffersWhatWasTried says that no change was found only where some were
// tried.
func TestWhyOffersWhatWasTried(t *testing.T) {
	for phase, want := range map[string]bool{"pending": true, "running": false} {
		w := &httpapi.Why{Job: httpapi.Job{ID: "j-1", Phase: phase}, Waits: true, Reason: &httpapi.Reason{}, Free: &httpapi.Free{}, Ahead: &httpapi.Ahead{}}
		said := false
		for _, row := range whyTable(w).rows {
			said = said || row[0] == "starts now if"
		}
		if said != want {
			t.Errorf("%s: changes are spoken of: %v", phase, said)
		}
	}
}

// lentWorld is one node of four CPUs, of which one tenant has borrowed three.
const lentWorld = `name: small
sites: [{name: here, time_zone: UTC}]
catalogue:
  skus: [{name: tiny, vcpu: 4, memory: 4096MiB}]
nodes: [{name: one, sku: tiny, place: here}]
tenants: [{name: physics}, {name: biology}]
queues:
  - {name: train, tenants: [physics], cohort: science, guaranteed: {cpu: 1}}
  - {name: genomes, tenants: [biology], cohort: science, guaranteed: {cpu: 3}}
  - {name: extra, tenants: [biology], cohort: science, default: true}
`

// TestWhatIsTakenBackIsSaid holds a dry run, and the changes that why offers, to
// what becomes of them where work that borrowed has to leave first.
func TestWhatIsTakenBackIsSaid(t *testing.T) {
	world := filepath.Join(t.TempDir(), "world.yaml")
	if err := os.WriteFile(world, []byte(lentWorld), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, "--world", world, "--node", "one")
	t.Setenv("TIANFU_TOKEN", s.token)
	c, ctx := s.client(), context.Background()
	submit := func(tenant, queue, cpu string, dry bool) *httpapi.Submitted {
		t.Helper()
		b := shell("exec sleep 300")
		b.Tenant, b.Queue, b.Groups[0].CPU, b.Grace = tenant, queue, cpu, "1s"
		made, err := c.Submit(ctx, b, "", dry)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	for range 4 {
		submit("physics", "train", "1", false)
	}
	waits := submit("biology", "extra", "2", false)
	w, err := c.Why(ctx, waits.ID)
	if err != nil || !w.Waits {
		t.Fatalf("%+v, %v", w, err)
	}
	said := false
	for _, a := range w.Alternatives {
		said = said || a.Field == "queue" && a.Value == "genomes" && a.Preempts == 2
	}
	if !said {
		t.Errorf("why offers %+v; in the queue genomes it would start once 2 tasks left", w.Alternatives)
	}
	if dry := submit("biology", "genomes", "2", true); !dry.Starts || dry.Leave != 2 || len(dry.Nodes) != 1 {
		t.Errorf("a dry run says %+v; it would start once 2 tasks left", dry)
	}
	code, out, errs := execute("job", "submit", "--tenant", "biology", "--queue", "genomes", "--cpu", "2", "--dry-run=server", "--server", "http://"+s.address, "--", "true")
	if code != 0 || !strings.Contains(out, "once 2 tasks of others left") {
		t.Errorf("the command says: %d\n%s%s", code, out, errs)
	}
	made := submit("biology", "genomes", "2", false)
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		j, err := c.Job(ctx, made.ID)
		if err != nil {
			t.Fatal(err)
		}
		if j.Phase == "running" {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("it did not start: %+v", j)
		}
	}
}

// TestALateJobIsWarnedOf submits a job that its expected run takes past its
// deadline: it is accepted, and whoever asks is told by how much.
func TestALateJobIsWarnedOf(t *testing.T) {
	s := startServer(t)
	t.Setenv("TIANFU_TOKEN", s.token)
	at := "--server=http://" + s.address
	file := func(name, run, command, more string) string {
		path := filepath.Join(t.TempDir(), name+".yaml")
		due := time.Now().Add(10 * time.Minute).UTC().Format(time.RFC3339)
		text := "name: " + name + "\ndeadline: " + due + "\nexpected_run: " + run + "\ngroups: [{cpu: 100m, memory: 64MiB}]\ncommand: " + command + "\n" + more
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	has := func(want, not string, args ...string) {
		t.Helper()
		code, out, errs := execute(append(args, at)...)
		if said := out + errs; code != 0 || !strings.Contains(said, want) || not != "" && strings.Contains(said, not) {
			t.Errorf("tianfu %s: code %d, want %q and not %q:\n%s%s", strings.Join(args, " "), code, want, not, out, errs)
		}
	}
	late := file("late", "1h", "[sleep, '300']", "")
	has("it is expected to end 50m", "", "job", "submit", late, "--dry-run=server")
	has("warning: j-1: it is expected to end 50m", "", "job", "submit", late)
	has("Warning: it is expected to end 50m", "", "why", "j-1")
	waits := file("waits", "1h", "['true']", "after: [j-1]\n")
	has("even if it started now it would end 50m", "", "job", "submit", waits, "--dry-run=server")
	has(": its expected run is 1h0m0s", "", "job", "submit", waits)
	has("Warning: even if it started now it would end 50m", "", "why", "j-2")
	has("j-3", "arning", "job", "submit", file("early", "5m", "['true']", "after: [j-1]\n"))
	has("It waits for j-1", "arning", "why", "j-3")
}
