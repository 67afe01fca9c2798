package httpapi_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tianfu/control"
	"tianfu/engine/local"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/httpapi"
	"tianfu/job"
	"tianfu/live"
	"tianfu/store/bolt"
	"tianfu/unit"
)

// mayUse says who may use every operation of the OpenAPI document: o operator,
// a auditor, t tenant admin, u tenant user, c consumer. It is written apart from
// the table it checks, so that opening a route takes two hands.
var mayUse = map[string]string{
	"submit-job":    "o-tu-",
	"list-jobs":     "oatu-",
	"get-job":       "oatu-",
	"make-whatif":   "o----",
	"list-whatifs":  "oa---",
	"get-whatif":    "oa---",
	"why-job":       "oatu-",
	"cancel-job":    "o-tu-",
	"read-logs":     "oatu-",
	"stream-events": "oatu-",
	"list-nodes":    "oatu-",
	"list-budgets":  "oatu-",
	"list-queues":   "oatu-",
	"get-queue":     "oatu-",
	"get-node":      "oatu-",
	"set-node":      "o----",
	"who-am-i":      "oatuc",
	"read-audit":    "oa---",
	"list-meters":   "oa---",
	"list-signals":  "oatu-",
	"read-usage":    "oatu-",
	"get-receipt":   "oatu-",
	"read-charges":  "oatu-",
	"list-tokens":   "oat--",
	"create-token":  "o-t--",
	"revoke-token":  "o-t--",
	"take-backup":   "o----",
	"get-world":     "oa---",
	"list-datasets": "oatu-",
	"reload-world":  "o----",
	"get-power":     "oa---",
	"get-plan":      "oatu-",
	"set-cap":       "o----",
	"clear-cap":     "o----",

	"list-reservations":  "oatu-",
	"get-reservation":    "oatu-",
	"create-reservation": "o----",
	"delete-reservation": "o----",
}

// outside are the routes that the document does not list.
var outside = map[string]string{
	"GET /metrics": "oatu-",
}

type centre struct {
	api    *httpapi.Server
	server *httptest.Server
	tokens *httpapi.Tokens
}

// openCentre runs a real centre in this process: record log, engine, loop, API.
func openCentre(t testing.TB, o httpapi.Options) *centre {
	t.Helper()
	dir := t.TempDir()
	log, err := bolt.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	eng, err := local.Open(local.Options{Dir: filepath.Join(dir, "engine")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { eng.Close() })
	w, _, err := fleet.ParseWorld("test", []byte("name: test\nsites:\n  - {name: here, time_zone: UTC}\ncatalogue:\n  skus:\n    - {name: m, vcpu: 4, memory: 8GiB}\nnodes:\n  - {name: n1, sku: m, place: here}\n"))
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := live.Open(context.Background(), live.Options{Config: control.Config{Fleet: w.Fleet(), Policy: "tianfu"}, Store: log, Engine: eng, Node: "n1",
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: func() unit.Instant { return unit.Instant(time.Now().UnixNano()) }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	if o.Tokens == nil {
		o.Tokens = &httpapi.Tokens{}
	}
	o.ChangeTokens = func(f func(*httpapi.Tokens) error) error { return f(o.Tokens) }
	out := &centre{api: httpapi.New(c, o), tokens: o.Tokens}
	out.server = httptest.NewServer(out.api)
	t.Cleanup(func() {
		out.server.CloseClientConnections()
		out.server.Close()
		cancel()
		<-ended
	})
	if err := c.SetNode(ctx, "n1", true, false, nil); err != nil { // nothing of this test is to start
		t.Fatal(err)
	}
	return out
}

// token makes a token of a role.
func (c *centre) token(t testing.TB, role httpapi.Role, tenant string, scopes ...httpapi.Scope) string {
	t.Helper()
	if role == httpapi.Operator || role == httpapi.Auditor {
		tenant = ""
	}
	secret, _, err := c.tokens.Create(httpapi.Grant{Role: role, Tenant: job.Tenant(tenant), Scopes: scopes}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// send makes a request and returns its status and what the body begins with.
func (c *centre) send(t testing.TB, method, path, token, body string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel() // ends streams
	r, err := http.NewRequestWithContext(ctx, method, c.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	r.Header.Set("Content-Type", "application/json")
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if reply.Header.Get("Content-Type") == "text/event-stream" {
		return reply.StatusCode, ""
	}
	text, _ := io.ReadAll(io.LimitReader(reply.Body, 1<<20))
	return reply.StatusCode, string(text)
}

type operation struct{ id, method, path string }

// operations reads the OpenAPI document that the server gives out.
func (c *centre) operations(t testing.TB) []operation {
	t.Helper()
	_, text := c.send(t, "GET", "/openapi.json", "", "")
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
		} `json:"paths"`
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	var out []operation
	for path, item := range doc.Paths {
		for method, op := range item {
			if slices.Contains([]string{"get", "put", "post", "delete", "patch"}, method) {
				out = append(out, operation{op.OperationID, strings.ToUpper(method), path})
			}
		}
	}
	slices.SortFunc(out, func(a, b operation) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return out
}

var parameter = regexp.MustCompile(`\{[^}]+\}`)

// TestEveryOperationForEveryRole sends every operation of the document as every
// role, with a scope too few and without a token.
func TestEveryOperationForEveryRole(t *testing.T) {
	c := openCentre(t, httpapi.Options{})
	ops := c.operations(t)
	for pattern := range outside {
		method, path, _ := strings.Cut(pattern, " ")
		ops = append(ops, operation{pattern, method, path})
	}
	if len(ops) < len(mayUse) {
		t.Fatalf("the document has %d operations, this test knows %d", len(ops), len(mayUse)+len(outside))
	}
	seen := map[string]bool{}
	for _, op := range ops {
		pattern := op.method + " " + op.path
		seen[pattern] = true
		want, known := mayUse[op.id]
		if !known {
			want, known = outside[op.id]
		}
		if httpapi.Public(pattern) {
			if known {
				t.Errorf("%s needs no token, and this test says it does", op.id)
			}
			continue
		}
		if !known || len(want) != len(httpapi.Roles) {
			t.Errorf("%s (%s) is new: say in httpapi/access.go and in mayUse of this test who may use it", op.id, pattern)
			continue
		}
		path := parameter.ReplaceAllString(op.path, "j-999")
		if status, _ := c.send(t, op.method, path, "", ""); status != 401 {
			t.Errorf("%s without a token: status %d", op.id, status)
		}
		if status, _ := c.send(t, op.method, path, "tf_wrong", ""); status != 401 {
			t.Errorf("%s with a wrong token: status %d", op.id, status)
		}
		for i, role := range httpapi.Roles {
			status, text := c.send(t, op.method, path, c.token(t, role, "a"), "")
			if allowed := want[i] != '-'; allowed == (status == 401 || status == 403) {
				t.Errorf("%s as %s: status %d, want allowed=%v: %s", op.id, role, status, allowed, text)
			}
			need := httpapi.ScopeOf(pattern)
			if need == "" || want[i] == '-' {
				continue
			}
			other := httpapi.Scopes[(slices.Index(httpapi.Scopes, need)+1)%len(httpapi.Scopes)]
			if status, text := c.send(t, op.method, path, c.token(t, role, "a", other), ""); status != 403 {
				t.Errorf("%s as %s with only %s: status %d: %s", op.id, role, other, status, text)
			}
			if status, text := c.send(t, op.method, path, c.token(t, role, "a", need), ""); status == 403 {
				t.Errorf("%s as %s with %s: status %d: %s", op.id, role, need, status, text)
			}
		}
	}
	for _, pattern := range httpapi.Routes() {
		method, path, _ := strings.Cut(pattern, " ")
		if !httpapi.Public(pattern) && !seen[pattern] {
			t.Errorf("%s is in the table of access and not in the document", pattern)
		}
		if path = strings.TrimSuffix(parameter.ReplaceAllString(path, "x"), "x"); !c.api.Registered(method, path) && !c.api.Registered(method, path+"x") {
			t.Errorf("%s is in the table of access and is no route", pattern)
		}
	}
}

// TestTokensEnd holds expiry and revocation, and that a tenant admin gives only
// what is its own.
func TestTokensEnd(t *testing.T) {
	c := openCentre(t, httpapi.Options{})
	now := time.Now()
	short, made, err := c.tokens.Create(httpapi.Grant{Role: httpapi.Operator, Life: time.Hour}, now.Add(-2*time.Hour))
	if err != nil || made.Expires.After(now) {
		t.Fatal(made, err)
	}
	if status, _ := c.send(t, "GET", "/v1/whoami", short, ""); status != 401 {
		t.Errorf("an expired token: status %d", status)
	}
	operator, admin := c.token(t, httpapi.Operator, ""), c.token(t, httpapi.TenantAdmin, "a")
	for _, x := range []struct {
		name, token, body string
		status            int
	}{
		{"its own tenant", admin, `{"role":"tenant-user","expires":"24h"}`, 201},
		{"another tenant", admin, `{"role":"tenant-user","tenant":"b"}`, 403},
		{"an operator", admin, `{"role":"operator"}`, 403},
		{"an auditor", admin, `{"role":"auditor"}`, 403},
		{"no such role", operator, `{"role":"king"}`, 422},
		{"no such scope", operator, `{"role":"operator","scopes":["all"]}`, 422},
		{"a tenant user of nobody", operator, `{"role":"tenant-user"}`, 422},
		{"an operator of a tenant", operator, `{"role":"operator","tenant":"a"}`, 422},
		{"past", operator, `{"role":"operator","expires":"-1h"}`, 422},
		{"a million years", operator, `{"role":"operator","expires":"8760000000h"}`, 422},
		{"by a narrowed token, all", c.token(t, httpapi.Operator, "", httpapi.TokensWrite), `{"role":"operator"}`, 403},
		{"by a narrowed token, more", c.token(t, httpapi.Operator, "", httpapi.TokensWrite), `{"role":"operator","scopes":["jobs:read"]}`, 403},
		{"by a narrowed token, part", c.token(t, httpapi.Operator, "", httpapi.TokensWrite, httpapi.JobsRead), `{"role":"operator","scopes":["jobs:read"]}`, 201},
	} {
		if status, text := c.send(t, "POST", "/v1/tokens", x.token, x.body); status != x.status {
			t.Errorf("a token for %s: status %d, want %d: %s", x.name, status, x.status, text)
		}
	}
	_, text := c.send(t, "POST", "/v1/tokens", operator, `{"role":"tenant-user","tenant":"b"}`)
	var other httpapi.TokenMade
	if err := json.Unmarshal([]byte(text), &other); err != nil || other.Secret == "" || other.Token.SHA256 != "" {
		t.Fatalf("%v: %s", err, text)
	}
	if _, text := c.send(t, "GET", "/v1/tokens", admin, ""); strings.Contains(text, other.Token.ID) || strings.Contains(text, "sha256") || !strings.Contains(text, "tenant-user") {
		t.Errorf("a tenant admin lists %s", text)
	}
	if status, _ := c.send(t, "DELETE", "/v1/tokens/"+other.Token.ID, admin, ""); status != 404 {
		t.Errorf("revoking another tenant's token: status %d, want 404", status)
	}
	if status, _ := c.send(t, "GET", "/v1/jobs", other.Secret, ""); status != 200 {
		t.Errorf("before it is revoked: status %d", status)
	}
	if status, _ := c.send(t, "DELETE", "/v1/tokens/"+other.Token.ID, operator, ""); status != 204 {
		t.Errorf("revoking: status %d", status)
	}
	if status, _ := c.send(t, "GET", "/v1/jobs", other.Secret, ""); status != 401 {
		t.Errorf("a revoked token: status %d", status)
	}
}

// TestStreamsEndWithTheirToken opens the stream of events and revokes its token,
// and lets another expire: nobody listens on who could not come in again. That does
// not wait for a heartbeat.
func TestStreamsEndWithTheirToken(t *testing.T) {
	c := openCentre(t, httpapi.Options{})
	c.api.SetHeartbeat(time.Hour)
	listen := func(token string) <-chan error {
		r, err := http.NewRequest("GET", c.server.URL+"/v1/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		reply, err := http.DefaultClient.Do(r)
		if err != nil || reply.StatusCode != 200 {
			t.Fatal(reply, err)
		}
		over := make(chan error, 1)
		go func() {
			defer reply.Body.Close()
			_, err := io.Copy(io.Discard, reply.Body)
			over <- err
		}()
		return over
	}
	secret, made, err := c.tokens.Create(httpapi.Grant{Role: httpapi.TenantUser, Tenant: "a"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	stays, revoked := listen(c.token(t, httpapi.TenantUser, "a")), listen(secret)
	if err := c.tokens.Revoke(made.ID); err != nil {
		t.Fatal(err)
	}
	short, _, err := c.tokens.Create(httpapi.Grant{Role: httpapi.Operator, Life: 3 * time.Second}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	expired := listen(short)
	for name, over := range map[string]<-chan error{"revoked": revoked, "expired": expired} {
		select {
		case err := <-over:
			if err != nil {
				t.Errorf("the stream of a token that was %s is broken off: %v", name, err)
			}
		case <-time.After(30 * time.Second):
			t.Errorf("the stream of a token that was %s goes on", name)
		}
	}
	select {
	case err := <-stays:
		t.Errorf("the stream of a valid token ends: %v", err)
	default:
	}
}

// TestNoTokenOutlivesItsMaker gives a tenant admin a day, and asks for more.
func TestNoTokenOutlivesItsMaker(t *testing.T) {
	c := openCentre(t, httpapi.Options{})
	admin, _, err := c.tokens.Create(httpapi.Grant{Role: httpapi.TenantAdmin, Tenant: "a", Life: 24 * time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]int{`{"role":"tenant-user"}`: 403, `{"role":"tenant-user","expires":"25h"}`: 403, `{"role":"tenant-user","expires":"23h"}`: 201} {
		if status, text := c.send(t, "POST", "/v1/tokens", admin, body); status != want {
			t.Errorf("%s: status %d, want %d: %s", body, status, want, text)
		}
	}
}

// TestTokensLeaveRoom fills the list for one tenant: others still get theirs, and
// revoking makes room.
func TestTokensLeaveRoom(t *testing.T) {
	list := make([]httpapi.Token, 10_000)
	for i := range list {
		list[i] = httpapi.Token{ID: strconv.Itoa(i), SHA256: strconv.Itoa(i), Role: httpapi.TenantUser, Tenant: "a"}
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := httpapi.ParseTokens(text)
	if err != nil {
		t.Fatal(err)
	}
	make := func(tenant job.Tenant) error {
		_, _, err := tokens.Create(httpapi.Grant{Role: httpapi.TenantUser, Tenant: tenant}, time.Now())
		return err
	}
	if err := make("a"); fault.KindOf(err) != fault.Exhausted || err == nil {
		t.Errorf("one more than a tenant may have: %v", err)
	}
	if err := make("b"); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	if err := tokens.Revoke("17"); err != nil {
		t.Fatal(err)
	}
	if err := make("a"); err != nil {
		t.Errorf("after one was revoked: %v", err)
	}
	if err := make("a"); fault.KindOf(err) != fault.Exhausted || err == nil {
		t.Errorf("and one more: %v", err)
	}
}

// TestStreamsAreBounded opens as many streams as one token may: it gets no more,
// another token does, and one that is closed makes room.
func TestStreamsAreBounded(t *testing.T) {
	c := openCentre(t, httpapi.Options{})
	open := func(token string) (int, context.CancelFunc) {
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		r, err := http.NewRequestWithContext(ctx, "GET", c.server.URL+"/v1/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { reply.Body.Close() })
		return reply.StatusCode, cancel
	}
	token, other := c.token(t, httpapi.TenantUser, "a"), c.token(t, httpapi.TenantUser, "a")
	var first context.CancelFunc
	for n := range 256 {
		status, cancel := open(token)
		if status != 200 {
			t.Fatalf("stream %d: status %d", n+1, status)
		}
		first = cancel
	}
	if status, _ := open(token); status != 429 {
		t.Errorf("one more: status %d, want 429", status)
	}
	if status, _ := open(other); status != 200 {
		t.Errorf("another token: status %d, want 200", status)
	}
	first()
	for late := time.Now().Add(30 * time.Second); ; {
		if status, _ := open(token); status == 200 {
			break
		} else if time.Now().After(late) {
			t.Fatalf("after one was closed: status %d, want 200", status)
		}
	}
}
