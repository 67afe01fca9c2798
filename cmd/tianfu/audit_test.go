package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tianfu/audit"
	"tianfu/httpapi"
)

// TestAuditOutlivesKills kills the server under load: every submission that was
// acknowledged is in the audit log, and the chain holds.
func TestAuditOutlivesKills(t *testing.T) {
	s := startServer(t)
	nodes, err := s.client().Nodes(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	acknowledged := map[string]bool{}
	for range 3 {
		if err := s.client().SetNode(context.Background(), nodes[0].Name, true, false); err != nil { // nothing need run
			t.Fatal(err)
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		enough := make(chan struct{}, 1)
		for range 4 {
			wg.Go(func() {
				for {
					made, err := s.client().Submit(context.Background(), shell("true"), "", false)
					if err != nil {
						return // killed
					}
					mu.Lock()
					acknowledged["/v1/jobs/"+made.ID] = true
					if len(acknowledged)%100 == 0 {
						select {
						case enough <- struct{}{}:
						default:
						}
					}
					mu.Unlock()
				}
			})
		}
		<-enough
		s.cmd.Process.Kill()
		wg.Wait()
		s.kill()
		s.start()
	}
	dir := filepath.Join(s.data, "audit")
	found := decode[audit.Finding](t, "audit", "verify", dir)
	if found.Records < uint64(len(acknowledged)) {
		t.Errorf("%d records of %d acknowledged submissions", found.Records, len(acknowledged))
	}
	t.Setenv("TIANFU_TOKEN", s.token)
	server := "--server=http://" + s.address
	code, text, errs := execute("audit", "export", server, "-o", "json")
	if code != 0 {
		t.Fatal(errs)
	}
	var doc struct{ Records []audit.Record }
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	starts := 0
	for i := range doc.Records {
		delete(acknowledged, doc.Records[i].Target)
		if doc.Records[i].Action == "start the centre" {
			starts++
		}
	}
	if len(acknowledged) > 0 || starts != 4 {
		t.Errorf("%d acknowledged submissions are not in the audit log; it has %d starts", len(acknowledged), starts)
	}
	code, table, errs := execute("audit", "export", server, "-o", "csv")
	rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	if code != 0 || err != nil || len(rows) < len(doc.Records)+1 {
		t.Errorf("the CSV has %d rows, the JSON %d records: %v %s", len(rows), len(doc.Records), err, errs)
	}
	verifyTampered(t, text, table)
	t.Setenv("TIANFU_TOKEN", "tf_wrong")
	for _, format := range []string{"json", "csv"} {
		if code, out, _ := execute("audit", "export", server, "-o", format); code == 0 || out != "" {
			t.Errorf("who may not export gets code %d and %q", code, out)
		}
	}
}

// verifyTampered verifies both exports as they are, and with a word changed.
func verifyTampered(t *testing.T, exports ...string) {
	t.Helper()
	for _, text := range exports {
		file := filepath.Join(t.TempDir(), "export")
		write := func(text string) {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(text)
		found := decode[audit.Finding](t, "audit", "verify", file)
		if code, _, errs := execute("audit", "verify", file, "--head", found.Head); code != 0 {
			t.Error(errs)
		}
		lines := strings.SplitAfter(text, "\n")
		lines[40] = strings.Replace(lines[40], "allowed", "denied", 1)
		write(strings.Join(lines, ""))
		if code, _, errs := execute("audit", "verify", file); code != 2 || !strings.Contains(errs, file+":41: the chain breaks here") {
			t.Errorf("line 41 changed: exit code %d: %s", code, errs)
		}
		write(strings.Join(lines[:30], ""))
		if code, _, errs := execute("audit", "verify", file, "--head", found.Head); code != 2 {
			t.Errorf("the tail cut off: exit code %d: %s", code, errs)
		}
	}
}

// TestTokensInTheDataDirectoryAreRecorded makes and revokes a token beside a
// running server.
func TestTokensInTheDataDirectoryAreRecorded(t *testing.T) {
	s := startServer(t)
	ctx, c := context.Background(), s.client()
	made := decode[map[string]any](t, "token", "create", "--data", s.data, "--role", "auditor", "--scope", "audit:read", "--expires", "24h", "--name", "watch")
	id := made["id"].(string)
	until := func(action string) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			page, err := c.Audit(ctx, 0, 1000)
			if err != nil {
				t.Fatal(err)
			}
			for i := range page.Records {
				if page.Records[i].Action == action && page.Records[i].Target == id {
					return
				}
			}
		}
		t.Fatalf("no record says %q of %s", action, id)
	}
	until("create token in the data directory")
	narrow := &httpapi.Client{Base: c.Base, Token: made["token"].(string)}
	if _, err := narrow.Audit(ctx, 0, 1); err != nil {
		t.Errorf("a token with the scope audit:read: %v", err)
	}
	if _, err := narrow.Nodes(ctx); err == nil {
		t.Error("a token with only the scope audit:read lists nodes")
	}
	if code, _, errs := execute("token", "revoke", "--data", s.data, id); code != 0 {
		t.Fatal(errs)
	}
	until("revoke token in the data directory")
	if _, err := narrow.Audit(ctx, 0, 1); err == nil {
		t.Error("a revoked token reads the audit log")
	}
}

// TestAStartSaysNothingOfTokens follows the tokens that a start has just read: none
// has changed, and the log does not say so.
func TestAStartSaysNothingOfTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data := t.TempDir()
		if _, err := resetTokens(data); err != nil {
			t.Fatal(err)
		}
		tokens, err := readTokens(data)
		if err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		followTokens(ctx, data, tokens, nil, slog.New(slog.NewTextHandler(&log, nil)))
		if log.Len() > 0 {
			t.Errorf("the log says %s", log.String())
		}
	})
}
