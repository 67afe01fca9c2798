package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"tianfu/fault"
)

// TestWorldIsReloaded changes the world file of a running centre: through the
// API, by SIGHUP and over a restart. Work goes on, what it needs is not taken
// away, and every change is in the audit log.
func TestWorldIsReloaded(t *testing.T) {
	s := startServer(t)
	c, ctx := s.client(), context.Background()
	t.Setenv("TIANFU_TOKEN", s.token)
	at := "--server=http://" + s.address
	name := filepath.Join(s.data, "world.yaml")
	first, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	nodes := func() int {
		t.Helper()
		list, err := c.Nodes(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	running, err := c.Submit(ctx, shell("echo begun; sleep 300"), "", false)
	if err != nil {
		t.Fatal(err)
	}
	if code, out, errs := execute("world", "reload", at); code != 0 || !strings.Contains(out, "nothing new") {
		t.Errorf("an unchanged file: code %d, %s%s", code, out, errs)
	}

	more := string(first) + "  - {name: \"far{1..3}\", sku: this-machine, place: here}\n"
	write(more)
	if code, out, errs := execute("world", "reload", at, "--dry-run=server"); code != 0 || !strings.Contains(out, "node far2 is added") || nodes() != 1 {
		t.Errorf("dry run: code %d, %s%s", code, out, errs)
	}
	if code, out, errs := execute("world", "reload", at); code != 0 || !strings.Contains(out, "node far2 is added") || nodes() != 4 {
		t.Errorf("reload: code %d, %s%s", code, out, errs)
	}

	queued := more + "tenants:\n  - {name: a}\nqueues:\n  - {name: day, tenants: [a], default: true}\n"
	write(queued)
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if w, err := c.World(ctx); err == nil && len(w.Queues) == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("SIGHUP brought no queue")
		}
	}

	host := string(first[strings.Index(string(first), "nodes:"):])
	write(strings.Replace(queued, host, "nodes:\n", 1)) // this machine itself is gone
	if code, _, errs := execute("world", "reload", at); code != 2 || !strings.Contains(errs, "this machine is node") || nodes() != 4 {
		t.Errorf("this machine was taken out: code %d, %s", code, errs)
	}
	small := strings.Replace(queued, "vcpu: ", "vcpu: -", 1)
	write(small)
	if code, _, errs := execute("world", "reload", at); code != 2 || nodes() != 4 {
		t.Errorf("a broken file: code %d, %s", code, errs)
	}
	write("name: [")
	if code, _, errs := execute("world", "reload", at); code != 2 || nodes() != 4 {
		t.Errorf("a file that is no YAML: code %d, %s", code, errs)
	}

	write(regexp.MustCompile(`memory: \d+MiB`).ReplaceAllString(queued, "memory: 1MiB")) // less than the job holds
	s.kill()
	s.start()
	if nodes() != 4 {
		t.Errorf("%d nodes after a start with a world that cannot be taken over", nodes())
	}
	if code, out, errs := execute("world", "show", at); code != 0 || !strings.Contains(out, "was not taken over at the start") {
		t.Errorf("show of a refused world: code %d, %s%s", code, out, errs)
	}
	refusedToo := func() bool {
		_, out, _ := execute("doctor", "--data", s.data)
		return strings.Contains(out, "was not taken over at the start")
	}
	if !refusedToo() {
		t.Error("doctor says nothing of the refused world")
	}
	if code, out, errs := execute("world", "reload", at); code != 5 {
		t.Errorf("reload of the refused world: code %d, %s%s", code, out, errs)
	}
	write(queued)
	if code, out, errs := execute("world", "reload", at); code != 0 {
		t.Errorf("reload of the mended world: code %d, %s%s", code, out, errs)
	}
	if refusedToo() {
		t.Error("doctor still speaks of the refused world")
	}
	if w, err := c.World(ctx); err != nil || w.Refused != "" || w.Digest == "" {
		t.Errorf("the mended world is %+v, %v", w, err)
	}

	write(strings.Replace(queued, "far{1..3}", "far{2..4}", 1))
	s.kill()
	s.start()
	if nodes() != 4 {
		t.Errorf("%d nodes after the restart", nodes())
	}
	if _, err := c.Node(ctx, "far4"); err != nil {
		t.Error("the restart did not take the changed file over: ", err)
	}
	if _, err := c.Node(ctx, "far1"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("far1 is still there: %v", err)
	}
	if j, err := c.Job(ctx, running.ID); err != nil || j.Phase != "running" || j.Tasks[0].Attempt != 1 || j.Tasks[0].Node == "" {
		t.Errorf("the job that ran all the while is %+v, %v", j, err)
	}
	if err := c.Cancel(ctx, running.ID); err != nil {
		t.Fatal(err)
	}
	waitEnd(t, c, running.ID)
	code, out, errs := execute("audit", "list", at, "-o", "csv")
	for _, want := range []string{"reload the world", "node far2 is added", "queue day is added", "take over the world at the start", "refused"} {
		if !strings.Contains(out, want) {
			t.Errorf("the audit log says nothing of %q: code %d, %s%s", want, code, out, errs)
		}
	}
}
