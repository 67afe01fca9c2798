package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tianfu/httpapi"
)

// TestReadsWithTags reads with the tag that the answer had before: 304, with the tag
// and no body, for a tag that is one of several, or weak, too; and in full with another.
func TestReadsWithTags(t *testing.T) {
	world := filepath.Join(t.TempDir(), "world.yaml")
	if err := os.WriteFile(world, []byte(queueWorld), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, "--world", world, "--node", "one")
	c, ctx := s.client(), context.Background()
	b := shell("sleep 60")
	b.Tenant = "physics"
	from := time.Now().Add(24 * time.Hour)
	r := &httpapi.ReservationBody{Name: "course", Queue: "train", Nodes: "one", From: from.Format(time.RFC3339), To: from.Add(time.Hour).Format(time.RFC3339)}
	if _, err := c.Reserve(ctx, r, ""); err != nil {
		t.Fatal(err)
	}
	if err := c.SetNode(ctx, "one", true, false); err != nil { // nothing starts, so nothing changes
		t.Fatal(err)
	}
	if _, err := c.Submit(ctx, b, "", false); err != nil {
		t.Fatal(err)
	}
	get := func(path, tag string) (int, string, int64) {
		t.Helper()
		r, _ := http.NewRequest("GET", "http://"+s.address+path, nil)
		r.Header.Set("Authorization", "Bearer "+s.token)
		r.Header.Set("If-None-Match", tag)
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer reply.Body.Close()
		return reply.StatusCode, reply.Header.Get("ETag"), reply.ContentLength
	}
	for _, path := range []string{"/v1/jobs", "/v1/jobs/j-1", "/v1/nodes", "/v1/nodes/one", "/v1/queues", "/v1/queues/train", "/v1/reservations", "/v1/reservations/course"} {
		status, tag, _ := get(path, "")
		if status != 200 || tag == "" {
			t.Errorf("%s: status %d, tag %q", path, status, tag)
			continue
		}
		for _, have := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
			if status, again, n := get(path, have); status != 304 || again != tag || n > 0 {
				t.Errorf("%s with %s: status %d, tag %q, %d bytes", path, have, status, again, n)
			}
		}
		if status, _, _ := get(path, `"other"`); status != 200 {
			t.Errorf("%s with another tag: status %d", path, status)
		}
	}
}
