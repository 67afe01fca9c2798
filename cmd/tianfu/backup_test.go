package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tianfu/httpapi"
	"tianfu/store/bolt"
)

// TestBackupUnderLoad takes a backup while jobs are submitted, restores it into
// a new directory and starts a centre there. Every job that was acknowledged
// before the backup began is there once and ends; so do all others that are.
func TestBackupUnderLoad(t *testing.T) {
	s := startServer(t, "--snapshot-every", "20")
	c, ctx := s.client(), context.Background()
	var mu sync.Mutex
	acknowledged := map[string]string{} // by key
	stop := make(chan struct{})
	var wg sync.WaitGroup
	submit := func(n int) {
		key := fmt.Sprintf("k%d", n)
		made, err := c.Submit(ctx, shell("echo ran"), key, false)
		if err != nil {
			t.Errorf("submit %s: %v", key, err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		acknowledged[key] = made.ID
	}
	for n := range 30 {
		submit(n)
	}
	wg.Go(func() {
		for n := 30; ; n++ {
			select {
			case <-stop:
				return
			default:
				submit(n)
			}
		}
	})
	mu.Lock()
	before := map[string]string{}
	for key, id := range acknowledged {
		before[key] = id
	}
	mu.Unlock()
	file := filepath.Join(t.TempDir(), "centre.backup")
	t.Setenv("TIANFU_TOKEN", s.token)
	code, out, errs := execute("backup", "--server", "http://"+s.address, "--to", file, "-o", "json")
	close(stop)
	wg.Wait()
	if code != 0 {
		t.Fatalf("backup: %s%s", out, errs)
	}
	if code, _, errs := execute("backup", "--data", s.data, "--to", file+"2"); code != 5 || !strings.Contains(errs, "--server") {
		t.Errorf("backup of a directory in use: code %d, %s", code, errs)
	}
	for end := range 60 { // the old centre ends what it has, then goes
		if page, err := c.Jobs(ctx, httpapi.ListQuery{Phase: "running"}); end > 0 && (err != nil || len(page.Jobs) == 0) {
			break
		}
		for key := range before {
			waitEnd(t, c, before[key])
		}
	}
	s.kill()

	restored := filepath.Join(t.TempDir(), "new", "data")
	if code, _, errs := execute("restore", file, "--data", restored); code != 0 {
		t.Fatalf("restore: %s", errs)
	}
	if code, _, errs := execute("restore", file, "--data", restored); code != 5 {
		t.Errorf("restore over a directory: code %d, %s", code, errs)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".cut", text[:len(text)-40], 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := execute("restore", file+".cut", "--data", restored+"-cut"); code != 2 {
		t.Errorf("restore of a cut backup: code %d, %s", code, errs)
	}
	if _, err := os.Stat(restored + "-cut"); err == nil {
		t.Error("a cut backup left a directory")
	}
	if code, out, errs := execute("audit", "verify", filepath.Join(restored, "audit")); code != 0 {
		t.Errorf("the restored audit log: %s%s", out, errs)
	}
	s.data = restored
	s.start()
	seen := map[string]bool{}
	cursor := ""
	for {
		page, err := c.Jobs(ctx, httpapi.ListQuery{Cursor: cursor, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Jobs {
			if seen[page.Jobs[i].ID] {
				t.Errorf("%s is there twice", page.Jobs[i].ID)
			}
			seen[page.Jobs[i].ID] = true
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	for key, id := range before {
		if !seen[id] {
			t.Errorf("%s was acknowledged before the backup and is not in it", id)
		}
		if again, err := c.Submit(ctx, shell("echo ran"), key, false); err != nil || again.ID != id {
			t.Errorf("key %s is now job %v, %v; it was %s", key, again, err, id)
		}
	}
	for id := range seen {
		if j := waitEnd(t, c, id); j.Phase != "completed" {
			t.Errorf("%s is %s", id, j.Phase)
		}
	}
	t.Logf("%d jobs before the backup, %d in it, %d acknowledged in all", len(before), len(seen), len(acknowledged))
}

// TestDamagedLogIsRepaired damages a record of a stopped centre: the start says
// where, verify says what can be saved, repair saves it, and the centre starts.
func TestDamagedLogIsRepaired(t *testing.T) {
	s := startServer(t)
	c, ctx := s.client(), context.Background()
	for range 3 {
		made, err := c.Submit(ctx, shell("true"), "", false)
		if err != nil {
			t.Fatal(err)
		}
		waitEnd(t, c, made.ID)
	}
	last := shell("true")
	last.Name = "the-one-to-lose"
	made, err := c.Submit(ctx, last, "", false)
	if err != nil {
		t.Fatal(err)
	}
	waitEnd(t, c, made.ID)
	s.kill()
	if code, out, errs := execute("store", "verify", s.data); code != 0 || !strings.Contains(out, "nothing is damaged") {
		t.Fatalf("verify of a whole log: code %d, %s%s", code, out, errs)
	}
	name := filepath.Join(s.data, "records.db")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(last.Name)) {
		t.Fatal("the job is not in the log")
	}
	if err := os.WriteFile(name, bytes.ReplaceAll(text, []byte(last.Name), []byte("the-one-to-Lose")), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := execute("serve", "--data", s.data, "--listen", s.address); code != 2 || !strings.Contains(errs, "byte ") || !strings.Contains(errs, "tianfu store repair") {
		t.Errorf("start: code %d, %s", code, errs)
	}
	code, out, errs := execute("store", "verify", s.data)
	if code != 2 || !strings.Contains(out, "can be saved: records 1 to") {
		t.Errorf("verify: code %d, %s%s", code, out, errs)
	}
	code, out, errs = execute("store", "repair", s.data)
	if code != 0 || !strings.Contains(errs, "records.db.damaged") || !strings.Contains(errs, "engine.damaged") || !strings.Contains(errs, "lost: ") {
		t.Fatalf("repair: code %d, %s%s", code, out, errs)
	}
	s.start()
	made, err = c.Submit(ctx, shell("echo new"), "", false)
	if err != nil || made.ID != "j-4" {
		t.Fatalf("the next job is %v, %v", made, err)
	}
	if j := waitEnd(t, c, made.ID); j.Phase != "completed" || j.Name != "test" {
		t.Errorf("%+v", j)
	}
	var b bytes.Buffer
	if err := c.Logs(ctx, httpapi.LogRequest{Job: made.ID, Stream: "stdout", Follow: true}, &b); err != nil || b.String() != "new\n" {
		t.Errorf("its log holds %q, %v", b.String(), err)
	}
	repairAfterAnOlderLog(t, s, text)
}

// repairAfterAnOlderLog puts an older copy of the log beside a snapshot of what came
// after it: the start refuses it, and a repair puts the engine's directory aside.
func repairAfterAnOlderLog(t *testing.T, s *server, older []byte) {
	t.Helper()
	for range 2 {
		made, err := s.client().Submit(t.Context(), shell("true"), "", false)
		if err != nil {
			t.Fatal(err)
		}
		waitEnd(t, s.client(), made.ID)
	}
	s.kill()
	log, err := bolt.Open(s.data)
	if err != nil {
		t.Fatal(err)
	}
	_, end := log.Bounds()
	err = log.SaveSnapshot(t.Context(), end, func(w io.Writer) error { _, err := io.WriteString(w, "state"); return err })
	if err = errors.Join(err, log.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.data, "records.db"), older, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := execute("serve", "--data", s.data, "--listen", s.address); code != 2 || !strings.Contains(errs, "its end is lost") || !strings.Contains(errs, "tianfu store repair") {
		t.Errorf("start: code %d, %s", code, errs)
	}
	if code, _, errs := execute("store", "repair", s.data); code != 0 || !strings.Contains(errs, "snap.damaged") || !strings.Contains(errs, "engine.damaged-2") {
		t.Errorf("repair: code %d, %s", code, errs)
	}
	s.start()
}
