package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"tianfu/httpapi"
)

// TestTenantsLearnNothingOfOthers reads every GET operation of the OpenAPI
// document, and the metrics, as a tenant beside another one that has a job
// running and one waiting, and looks for the other's names and job IDs.
func TestTenantsLearnNothingOfOthers(t *testing.T) {
	s := startServer(t)
	ctx := context.Background()
	alpha, beta := s.client(), s.client()
	s.kill() // tokens are read at the start
	alpha.Token, beta.Token = s.tenantToken("alpha"), s.tenantToken("beta")
	s.start()
	nodes, err := alpha.Nodes(ctx)
	if err != nil || len(nodes) == 0 {
		t.Fatal(nodes, err)
	}
	running, waiting := shell("echo alphaoutput; sleep 300"), shell("true")
	// What runs leaves room, and the room is held for what waits.
	running.Name, running.ExpectedRun, running.Groups = "alpha-runs", "1h", []httpapi.GroupBody{{CPU: "100m", Memory: "64MiB"}}
	waiting.Name, waiting.Priority, waiting.Groups = "alpha-waits", 10, []httpapi.GroupBody{{CPU: nodes[0].CPU, Memory: "64MiB"}}
	secrets := []string{"alpha"}
	for _, b := range []*httpapi.JobBody{running, waiting} {
		made, err := alpha.Submit(ctx, b, "", false)
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, made.ID)
	}
	defer alpha.Cancel(ctx, secrets[1])
	untilRunning(t, alpha, secrets[1])
	mine := shell("true")
	mine.Name, mine.ExpectedRun, mine.Groups = "beta-waits", "9h", running.Groups
	own, err := beta.Submit(ctx, mine, "", false)
	if err != nil {
		t.Fatal(err)
	}
	defer beta.Cancel(ctx, own.ID)
	if j, err := beta.Job(ctx, own.ID); err != nil || j.Reason == nil || j.Phase != "pending" {
		t.Fatalf("the job of beta does not wait with a reason: %+v, %v", j, err)
	}
	dry, err := beta.Submit(ctx, mine, "", true)
	if err != nil || dry.Starts || dry.Reason == nil {
		t.Fatalf("a dry run says %+v, %v", dry, err)
	}
	text, _ := json.Marshal(dry)
	inspect(t, "the dry run", string(text), secrets)
	for _, path := range append(s.reads(), "/metrics", "/v1/events?after=0") {
		for _, id := range []string{secrets[1], own.ID} {
			at := strings.NewReplacer("{id}", id, "{name}", nodes[0].Name, "{tenant}", "alpha", "{queue}", "alpha").Replace(path)
			status, body := s.get(at, beta.Token)
			if strings.Contains(path, "/jobs/{id}") && id != own.ID && status != 404 {
				t.Errorf("%s: status %d for a job of another tenant, want 404", at, status)
			}
			// What was asked for may be said again.
			inspect(t, at, strings.ReplaceAll(body, id, "ASKED"), secrets)
		}
	}
	if _, body := s.get("/metrics", alpha.Token); !strings.Contains(body, "alpha") {
		t.Errorf("alpha sees no series of its own:\n%s", body)
	}
	if _, body := s.get("/metrics", s.token); !strings.Contains(body, "alpha") || !strings.Contains(body, "beta") {
		t.Errorf("the operator does not see every tenant:\n%s", body)
	}
}

// inspect looks for words that must not be in a text.
func inspect(t *testing.T, where, text string, secrets []string) {
	t.Helper()
	for _, secret := range secrets {
		if regexp.MustCompile(`\b` + regexp.QuoteMeta(secret) + `\b`).MatchString(text) {
			t.Errorf("%s tells beta of %q:\n%s", where, secret, text)
		}
	}
}

// untilRunning waits until the first task of a job has written something.
func untilRunning(t *testing.T, c *httpapi.Client, id string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.Logs(ctx, httpapi.LogRequest{Job: id, Stream: "stdout", Follow: true}, cancelWriter(cancel)); err == nil {
		t.Fatal("the job ended")
	}
	j, err := c.Job(context.Background(), id)
	if err != nil || j.Phase != "running" {
		t.Fatalf("%s: %+v, %v", id, j, err)
	}
}

// cancelWriter ends a read at the first bytes.
type cancelWriter context.CancelFunc

func (w cancelWriter) Write(b []byte) (int, error) {
	w()
	return 0, io.ErrShortWrite
}

// reads returns the path of every GET operation that the server describes.
func (s *server) reads() []string {
	s.t.Helper()
	_, text := s.get("/openapi.json", "")
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for path, item := range doc.Paths {
		if _, ok := item["get"]; ok {
			out = append(out, path)
		}
	}
	if len(out) < 5 {
		s.t.Fatalf("the document has only %v", out)
	}
	return out
}

// get reads a path; of a stream of events only as far as the present.
func (s *server) get(path, token string) (int, string) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+s.address+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer reply.Body.Close()
	var b strings.Builder
	if reply.Header.Get("Content-Type") != "text/event-stream" {
		io.Copy(&b, io.LimitReader(reply.Body, 4<<20))
		return reply.StatusCode, b.String()
	}
	// A job submitted after the stream opened marks the present.
	c := &httpapi.Client{Base: "http://" + s.address, Token: token}
	made, err := c.Submit(ctx, shell("true"), "", false)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Cancel(context.Background(), made.ID)
	buffer := make([]byte, 4096)
	for !strings.Contains(b.String(), fmt.Sprintf(`"job":%q`, made.ID)) {
		n, err := reply.Body.Read(buffer)
		b.Write(buffer[:n])
		if err != nil {
			s.t.Fatalf("the stream ended: %v\n%s", err, b.String())
		}
	}
	for line := range strings.Lines(b.String()) {
		var e httpapi.Event
		if data, ok := strings.CutPrefix(line, "data: "); ok && json.Unmarshal([]byte(data), &e) == nil && e.Tenant != "" && e.Tenant != "beta" {
			s.t.Errorf("beta hears of %+v", e)
		}
	}
	return reply.StatusCode, b.String()
}
