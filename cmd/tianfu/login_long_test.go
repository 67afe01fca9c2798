package main

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tianfu/fault"
)

// TestFollowingOutlivesATokenOfALogin follows a job for longer than tokens last: who
// is logged in goes on with a renewed one, and hears of the end; whose token ends is
// told so, and never that the task has ended.
func TestFollowingOutlivesATokenOfALogin(t *testing.T) {
	if testing.Short() {
		t.Skip("streams are ended with their token within 15 s")
	}
	p := startProvider(t)
	s := oidcServer(t, p)
	at := "--server=http://" + s.address
	p.lifetime.Store(12) // the tokens that commands begin with end while they listen
	code, seen := browse(t, `^open (http\S+)$`, func(c *http.Client, m []string) {
		page, _ := get(t, c, m[1])
		u, _ := url.Parse(page)
		post(t, c, p.issuer+"/login/username", url.Values{"id": {u.Query().Get("authRequestID")}, "username": {p.user()}, "password": {passwordHere}})
	}, "login", at)
	if code != 0 {
		t.Fatal(seen)
	}
	body := shell("i=0; while [ $i -lt 44 ]; do echo line-$i; i=$((i+1)); sleep 0.5; done; echo the end")
	body.Tenant = "city-brain"
	made, err := s.client().Submit(context.Background(), body, "", false)
	if err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(t.TempDir(), "token")
	doc := decode[map[string]any](t, "token", "create", "--data", s.data, "--tenant", "city-brain", "--expires", "8s")
	if err := os.WriteFile(short, []byte(doc["token"].(string)), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second) // until the centre has taken it over
	logs, wait := begin("job", "logs", made.ID, "-f", at), begin("job", "wait", made.ID, at)
	ending := begin("job", "logs", made.ID, "-f", at, "--token-file", short)
	ending.ends(t, fault.Denied.ExitCode())
	ending.until(t, "the token is missing, unknown, expired or revoked")
	if out := ending.out.String(); strings.Contains(out, "log ends") || strings.Contains(out, "the end") {
		t.Errorf("a log whose reader's token ended: %q", out)
	}
	logs.ends(t, 0)
	wait.ends(t, 0)
	if said := logs.err.String(); !strings.Contains(said, "the log broke off") {
		t.Errorf("the log was followed with one token: %q", said)
	}
	if out := logs.out.String(); strings.Count(out, "line-") != 44 || !strings.HasSuffix(out, "the end\n") {
		t.Errorf("the log: %q", out)
	}
}
