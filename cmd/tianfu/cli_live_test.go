package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCommandsOfARunningCentre follows what a user does by day: lists with
// filters, top, completion, single requests, tags.
func TestCommandsOfARunningCentre(t *testing.T) {
	s := startServer(t, "--log-format", "json", "--keep-logs", "1h", "--keep-logs-size", "1GiB")
	c, ctx := s.client(), context.Background()
	t.Setenv("TIANFU_TOKEN", s.token)
	at := "--server=http://" + s.address
	for _, name := range []string{"resnet-1", "resnet-2", "other"} {
		body := shell("sleep 300")
		body.Name = name
		if name == "other" {
			body.Groups[0].CPU = "1m"
			body.After = []string{"j-1"}
		}
		if _, err := c.Submit(ctx, body, "", false); err != nil {
			t.Fatal(err)
		}
	}
	has := func(want string, code int, args ...string) string {
		t.Helper()
		got, out, errs := execute(append(args, at)...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("tianfu %s: code %d, want %d with %q:\n%s%s", strings.Join(args, " "), got, code, want, out, errs)
		}
		return out
	}
	if out := has("resnet-2", 0, "job", "list", "--name", "resnet*"); strings.Contains(out, "other") {
		t.Errorf("the filter let through:\n%s", out)
	}
	if out := has("other", 0, "job", "list", "--phase", "pending"); strings.Contains(out, "resnet") {
		t.Errorf("the filter let through:\n%s", out)
	}
	has("[]", 0, "job", "list", "--queue", "none", "-o", "json")
	has("--limit: -1 is no number of jobs", 2, "job", "list", "--limit", "-1")
	has("--limit: 0 is no number of jobs", 2, "job", "list", "--limit", "0")
	has("from: read the instant: \"junk\" is no instant", 2, "usage", "--from", "junk")
	has(`"from": "2026-01-05T00:00:00Z"`, 0, "usage", "--from", "2026-01-05T00:00:00Z", "--to", "2026-01-06T00:00:00Z", "-o", "json")
	has("empty or longer than 400 days", 2, "usage", "--from", "2026-01-05T00:00:00Z", "--to", "2026-01-04T00:00:00Z")
	has("nodes: 1 ready", 0, "top") // into a pipe: once
	var view topView
	if err := json.Unmarshal([]byte(has("", 0, "top", "--once", "-o", "json")), &view); err != nil || len(view.Running) != 2 || len(view.Pending) != 1 || len(view.PendingByWhy) != 1 || view.Nodes.CPUUsed != "0.2" {
		t.Errorf("top: %v, %+v", err, view)
	}
	has(`"jobs"`, 0, "api", "GET", "/v1/jobs?limit=1")
	has("no such job", 3, "api", "GET", "/v1/jobs/j-99")
	has("is not JSON", 2, "api", "POST", "/v1/jobs", "--data", "{")
	has("j-4", 0, "api", "POST", "/v1/jobs", "--data", `{"name":"x","command":["true"]}`)
	has("write GET", 2, "api", "PATCH", "/v1/jobs")
	if _, out, errs := execute("__complete", "job", "show", at, ""); !strings.Contains(out, "j-1\tresnet-1, running") {
		t.Errorf("completion of jobs: %s%s", out, errs)
	}
	if _, out, errs := execute("__complete", "node", "drain", at, ""); out == "" || strings.HasPrefix(out, ":") {
		t.Errorf("completion of nodes: %q %s", out, errs)
	}
	has("j-42[7]", 2, "job", "logs", "j-1/x")

	get := func(path, tag string) (int, string) {
		r, _ := http.NewRequest("GET", "http://"+s.address+path, nil)
		r.Header.Set("Authorization", "Bearer "+s.token)
		r.Header.Set("If-None-Match", tag)
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		return reply.StatusCode, reply.Header.Get("ETag")
	}
	waitEnd(t, c, "j-4")
	for _, path := range []string{"/v1/jobs?phase=running&name=resnet*", "/v1/nodes"} {
		status, tag := get(path, "")
		if status != 200 || tag == "" {
			t.Errorf("%s: status %d, tag %q", path, status, tag)
		}
		if status, _ := get(path, tag); status != 304 && path != "/v1/nodes" {
			t.Errorf("%s with its own tag: status %d", path, status)
		}
		if status, _ := get(path, `"other"`); status != 200 {
			t.Errorf("%s with another tag: status %d", path, status)
		}
	}
	changesWithTags(t, s, get)
	for _, id := range []string{"j-1", "j-2"} {
		if err := c.Cancel(ctx, id); err != nil {
			t.Error(err)
		}
		waitEnd(t, c, id)
	}
}

// TestFullDisk fills the disk under a running centre: submissions are refused
// with 507, the running task lives and its end is kept, and with room again all
// goes on.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a small disk can only be mounted by root")
	}
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=120m"); err != nil {
		t.Skip("a small disk cannot be mounted here: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
	s := startServer(t)
	s.kill()
	s.data = filepath.Join(disk, "data")
	s.start()
	t.Cleanup(s.kill)
	c, ctx := s.client(), context.Background()
	running, err := c.Submit(ctx, shell("sleep 3; echo lived"), "", false)
	if err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) { // what has not begun finds no room to
		if j, err := c.Job(ctx, running.ID); err == nil && len(j.Tasks) > 0 && j.Tasks[0].Started != "" {
			break
		}
		if time.Now().After(limit) {
			t.Fatal("the task did not start")
		}
	}
	filler := filepath.Join(disk, "filler")
	exec.Command("dd", "if=/dev/zero", "of="+filler, "bs=1M").Run() // until the disk is full
	r, _ := http.NewRequest("POST", "http://"+s.address+"/v1/jobs", strings.NewReader(`{"name":"x","command":["true"]}`))
	r.Header.Set("Authorization", "Bearer "+s.token)
	r.Header.Set("Content-Type", "application/json")
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	reply.Body.Close()
	if reply.StatusCode != http.StatusInsufficientStorage {
		t.Errorf("a submission on a full disk: status %d", reply.StatusCode)
	}
	if j, err := c.Job(ctx, running.ID); err != nil || over(j.Phase) && j.Phase != "completed" {
		t.Errorf("the running job is %+v, %v", j, err)
	}
	time.Sleep(4 * time.Second) // it ends while the disk is full
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if j := waitEnd(t, c, running.ID); j.Phase != "completed" {
		t.Errorf("the task that ran on a full disk is %s: %+v", j.Phase, j.Tasks[0].Exit)
	}
	after, err := c.Submit(ctx, shell("echo again"), "", false)
	if err != nil {
		t.Fatal(err)
	}
	if j := waitEnd(t, c, after.ID); j.Phase != "completed" {
		t.Errorf("the job after it is %s", j.Phase)
	}
}

// changesWithTags changes things of a running centre with the tags they were
// shown with: a tag that no longer holds changes nothing.
func changesWithTags(t *testing.T, s *server, get func(path, tag string) (int, string)) {
	t.Helper()
	change := func(want int, method, path, tag, body string) {
		t.Helper()
		r, _ := http.NewRequest(method, "http://"+s.address+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+s.token)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("If-Match", tag)
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer reply.Body.Close()
		if text, _ := io.ReadAll(reply.Body); reply.StatusCode != want || want == 412 && !strings.Contains(string(text), "has changed since") {
			t.Errorf("%s %s with %s: status %d, want %d: %s", method, path, tag, reply.StatusCode, want, text)
		}
	}
	nodes, err := s.client().Nodes(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	node := "/v1/nodes/" + nodes[0].Name
	_, before := get(node, "")
	change(204, "PUT", node+"/state", before, `{"cordoned":true}`)
	change(412, "PUT", node+"/state", before, `{"cordoned":false}`)
	if n, err := s.client().Node(context.Background(), nodes[0].Name); err != nil || !n.Cordoned {
		t.Errorf("the refused change was made: %+v, %v", n, err)
	}
	_, now := get(node, "")
	change(204, "PUT", node+"/state", `"other", `+now, `{"cordoned":false}`)
	_, job := get("/v1/jobs/j-3", "")
	change(412, "DELETE", "/v1/jobs/j-3", `"other"`, "")
	change(204, "DELETE", "/v1/jobs/j-3", job, "")
	change(412, "DELETE", "/v1/jobs/j-3", job, "")
	change(409, "DELETE", "/v1/jobs/j-3", "*", "") // it has ended
}
