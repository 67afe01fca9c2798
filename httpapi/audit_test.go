package httpapi_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tianfu/audit"
	"tianfu/httpapi"
)

func openTrail(t *testing.T) (*audit.Log, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "audit")
	l, _, err := audit.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, filepath.Join(dir, "0000000000000001.jsonl")
}

// TestWhatIsRecorded acts as several callers and reads what the audit log says
// of it.
func TestWhatIsRecorded(t *testing.T) {
	trail, file := openTrail(t)
	c := openCentre(t, httpapi.Options{Audit: trail})
	alpha, beta, auditor := c.token(t, httpapi.TenantUser, "alpha"), c.token(t, httpapi.TenantUser, "beta"), c.token(t, httpapi.Auditor, "")
	operator := c.token(t, httpapi.Operator, "")
	job := `{"name":"x","command":["true"],"env":{"PASSWORD":"hunter2"}}`
	for _, x := range []struct {
		method, path, token, body string
		status                    int
		outcome, role, tenant     string // of the record; no outcome = none
		target                    string
	}{
		{"POST", "/v1/jobs?dry_run=", alpha, job, 201, "allowed", "tenant-user", "alpha", "/v1/jobs/j-1"},
		{"POST", "/v1/jobs?secret=hunter2", alpha, job, 422, "failed", "tenant-user", "alpha", "/v1/jobs"},
		{"POST", "/v1/jobs", alpha, `{"name":"x"}`, 422, "failed", "tenant-user", "alpha", "/v1/jobs"},
		{"POST", "/v1/jobs", beta, `{"name":"x","tenant":"alpha","command":["true"]}`, 403, "denied", "tenant-user", "beta", "/v1/jobs"},
		{"GET", "/v1/jobs/j-1", alpha, "", 200, "", "", "", ""},
		{"GET", "/v1/jobs/j-1", beta, "", 404, "denied", "tenant-user", "beta", "/v1/jobs/j-1"},
		{"GET", "/v1/jobs/j-1/logs", beta, "", 404, "denied", "tenant-user", "beta", "/v1/jobs/j-1/logs"},
		{"GET", "/v1/jobs/j-77", beta, "", 404, "", "", "", ""},
		{"DELETE", "/v1/jobs/j-1", beta, "", 404, "denied", "tenant-user", "beta", "/v1/jobs/j-1"},
		{"PUT", "/v1/nodes/n1/state", alpha, `{"cordoned":true}`, 403, "denied", "tenant-user", "alpha", "/v1/nodes/n1/state"},
		{"PUT", "/v1/nodes/n1/state", operator, `{"cordoned":true}`, 204, "allowed", "operator", "", "/v1/nodes/n1/state"},
		{"GET", "/v1/audit", alpha, "", 403, "denied", "tenant-user", "alpha", "/v1/audit"},
		{"GET", "/v1/nodes", "tf_wrong_hunter2", "", 401, "denied", "", "", "/v1/nodes"},
		{"GET", "/healthz", "", "", 200, "", "", "", ""},
		{"DELETE", "/v1/jobs/j-1", alpha, "", 204, "allowed", "tenant-user", "alpha", "/v1/jobs/j-1"},
		{"POST", "/v1/tokens", operator, `{"role":"auditor"}`, 201, "allowed", "operator", "", "/v1/tokens"},
		{"POST", "/nowhere", alpha, "", 404, "failed", "tenant-user", "alpha", "/nowhere"},
	} {
		before := trail.Last()
		status, text := c.send(t, x.method, x.path, x.token, x.body)
		if status != x.status {
			t.Errorf("%s %s: status %d, want %d: %s", x.method, x.path, status, x.status, text)
		}
		page, err := trail.Read(before, 10)
		if err != nil {
			t.Fatal(err)
		}
		if x.outcome == "" {
			if len(page) != 0 {
				t.Errorf("%s %s is recorded: %+v", x.method, x.path, page)
			}
			continue
		}
		if len(page) != 1 {
			t.Fatalf("%s %s leaves %d records", x.method, x.path, len(page))
		}
		r := page[0]
		if r.Outcome != x.outcome || r.Role != x.role || r.Tenant != x.tenant || r.Target != x.target || r.Status != x.status || r.Request == "" || r.From != "127.0.0.1" || (r.Who == "") != (x.role == "") {
			t.Errorf("%s %s is recorded as %+v", x.method, x.path, r)
		}
	}
	_, text := c.send(t, "GET", "/v1/audit?limit=1000", auditor, "")
	var page httpapi.AuditPage
	if err := json.Unmarshal([]byte(text), &page); err != nil || uint64(len(page.Records)) != trail.Last() || page.Last != trail.Last() {
		t.Fatalf("an auditor reads %d of %d records: %v", len(page.Records), trail.Last(), err)
	}
	var chain audit.Chain
	for i := range page.Records {
		if err := chain.Add(&page.Records[i]); err != nil {
			t.Error(err)
		}
	}
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"hunter2", alpha, operator, "tf_"} {
		if strings.Contains(string(kept), secret) {
			t.Errorf("the audit log holds %q", secret)
		}
	}
}

// TestStrangersCannotFillTheLog sends many requests without a token: some are
// recorded, all are counted.
func TestStrangersCannotFillTheLog(t *testing.T) {
	trail, _ := openTrail(t)
	c := openCentre(t, httpapi.Options{Audit: trail})
	const sent = 400
	for range sent {
		if status, _ := c.send(t, "POST", "/v1/jobs", "", ""); status != 401 {
			t.Fatal(status)
		}
	}
	records, err := trail.Read(0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	counted := uint64(len(records))
	for _, r := range records {
		counted += r.More
	}
	if len(records) > sent/2 || len(records) == 0 || counted > sent {
		t.Errorf("%d of %d requests of strangers are recorded, %d counted", len(records), sent, counted)
	}
}

// TestNothingUnrecorded closes the log: what would have to be recorded fails,
// what need not be goes on.
func TestNothingUnrecorded(t *testing.T) {
	trail, _, err := audit.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := openCentre(t, httpapi.Options{Audit: trail})
	operator := c.token(t, httpapi.Operator, "")
	if err := trail.Close(); err != nil {
		t.Fatal(err)
	}
	if status, text := c.send(t, "PUT", "/v1/nodes/n1/state", operator, `{"cordoned":true}`); status != 503 || !strings.Contains(text, "cannot be recorded") {
		t.Errorf("status %d: %s", status, text)
	}
	if status, text := c.send(t, "POST", "/v1/tokens", operator, `{"role":"auditor"}`); status != 503 || strings.Contains(text, "tf_") {
		t.Errorf("a token nobody recorded is given out: status %d: %s", status, text)
	}
	if status, _ := c.send(t, "GET", "/v1/nodes", operator, ""); status != 200 {
		t.Errorf("reading: status %d", status)
	}
}
