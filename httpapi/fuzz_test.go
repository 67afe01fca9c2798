package httpapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tianfu/httpapi"
)

// FuzzBodies gives any bytes to every operation that takes a body. Whatever they
// are, the answer is no fault of the server, and an error is a problem document.
func FuzzBodies(f *testing.F) {
	c := openCentre(f, httpapi.Options{})
	token := c.token(f, httpapi.Operator, "")
	var ops []operation
	for _, op := range c.operations(f) {
		if op.method != "GET" && op.method != "DELETE" {
			op.path = parameter.ReplaceAllString(op.path, "n1")
			ops = append(ops, op)
		}
	}
	for _, seed := range []string{
		`{"name":"x","command":["true"]}`, `{"name":"x","command":["true"],"groups":[{"cpu":"1","memory":"1GiB","count":3}],"gang":true,"topology":"must:rack"}`,
		`{"name":"x","command":["a"],"after":["any:j-1"],"start_by":"2030-01-01T00:00:00Z","deadline":"2031-01-01T00:00:00Z","retries":3,"backoff":"10s"}`,
		`{"cordoned":true,"drain":true}`, `{"role":"tenant-user","tenant":"a","scopes":["jobs:read"],"expires":"24h"}`, `{"dry_run":true}`,
		`{`, `null`, `[]`, `""`, `{"name":1e999}`, "\xff\xfe", strings.Repeat(`{"a":`, 200), `{"name":"x","command":["true"],"groups":[{"cpu":"99999999999999999999","memory":"-1GiB","share":"NaN"}]}`,
	} {
		for i := range ops {
			f.Add(uint8(i), []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		op := ops[int(which)%len(ops)]
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, op.method, op.path, strings.NewReader(string(body)))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		c.api.ServeHTTP(w, r)
		switch {
		case w.Code >= 500 && !(w.Code == http.StatusServiceUnavailable && strings.Contains(w.Body.String(), "by this centre")):
			t.Errorf("%s %s: status %d: %s", op.method, op.path, w.Code, w.Body)
		case w.Code >= 400 && w.Header().Get("Content-Type") != "application/problem+json":
			t.Errorf("%s %s: status %d comes as %s", op.method, op.path, w.Code, w.Header().Get("Content-Type"))
		}
	})
}
