package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tianfu/fault"
	"tianfu/httpapi"
)

func logOf(t *testing.T, c *httpapi.Client, id string, task int) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Logs(context.Background(), httpapi.LogRequest{Job: id, Task: task, Stream: "stdout", Follow: true}, &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestArrayRunsItsElements runs an array for real: each element knows its index,
// and no more run at one time than it says.
func TestArrayRunsItsElements(t *testing.T) {
	s := startServer(t)
	c, ctx := s.client(), context.Background()
	body := shell("echo $TIANFU_ARRAY_INDEX of $TIANFU_ARRAY_FIRST to $TIANFU_ARRAY_LAST, $TIANFU_ARRAY_COUNT in all; sleep 0.2; test $TIANFU_ARRAY_INDEX != 14")
	var err error
	if body.Array, err = httpapi.ParseArray("10-18:2%2"); err != nil {
		t.Fatal(err)
	}
	made, err := c.Submit(ctx, body, "", false)
	if err != nil {
		t.Fatal(err)
	}
	after := shell("true")
	after.After = []string{"any:" + made.ID}
	last, err := c.Submit(ctx, after, "", false)
	if err != nil {
		t.Fatal(err)
	}
	most := 0
	for {
		j, err := c.Job(ctx, made.ID)
		if err != nil {
			t.Fatal(err)
		}
		running := 0
		for i := range j.Tasks {
			if st := j.Tasks[i].State; st != "pending" && st != "done" {
				running++
			}
		}
		most = max(most, running)
		if over(j.Phase) {
			if j.Phase != "failed" || len(j.Tasks) != 5 || j.Array != "10-18:2%2" || j.Tasks[3].ArrayIndex == nil || *j.Tasks[3].ArrayIndex != 16 {
				t.Errorf("the array is %+v", j)
			}
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if most < 1 || most > 2 {
		t.Errorf("%d elements ran at one time, 2 may", most)
	}
	for i := range 5 {
		if got, want := logOf(t, c, made.ID, i), fmt.Sprintf("%d of 10 to 18, 5 in all\n", 10+2*i); got != want {
			t.Errorf("element %d wrote %q, want %q", i, got, want)
		}
	}
	if j := waitEnd(t, c, last.ID); j.Phase != "completed" {
		t.Errorf("the job after the array is %s", j.Phase)
	}
}

// TestBackoffOfAJob has a job fail its first try: until when it waits is shown, and no
// change is said to help, for a changed job would start whatever the change is.
func TestBackoffOfAJob(t *testing.T) {
	s := startServer(t)
	t.Setenv("TIANFU_TOKEN", s.token)
	c := s.client()
	body := shell("exit 3")
	body.Retries, body.Backoff = 1, "1h"
	made, err := c.Submit(t.Context(), body, "", false)
	if err != nil {
		t.Fatal(err)
	}
	until := ""
	for end := time.Now().Add(30 * time.Second); until == ""; time.Sleep(20 * time.Millisecond) {
		j, err := c.Job(t.Context(), made.ID)
		if err != nil || time.Now().After(end) {
			t.Fatalf("it has no backoff: %+v, %v", j, err)
		}
		until = j.NextTry
	}
	for _, show := range []string{"job show", "why"} {
		_, out, errs := execute(append(strings.Fields(show), made.ID, "--server=http://"+s.address)...)
		if !strings.Contains(out, "until "+until[:19]) || strings.Contains(out, "starts now if") {
			t.Errorf("tianfu %s of a job that waits until %s:\n%s%s", show, until, out, errs)
		}
	}
}

// TestArrayBackoffOutlivesACrash has two elements of an array fail at their first
// try: each waits its own backoff, which the job shows and a crash does not end.
func TestArrayBackoffOutlivesACrash(t *testing.T) {
	s := startServer(t)
	t.Setenv("TIANFU_TOKEN", s.token)
	c, ctx := s.client(), context.Background()
	body := shell("test $TIANFU_ARRAY_INDEX = 2 || test -e $TIANFU_CHECKPOINT/tried || { touch $TIANFU_CHECKPOINT/tried; exit 3; }")
	body.Checkpoint, body.Retries, body.Backoff = &httpapi.CheckpointBody{}, 1, "5s"
	body.Groups = []httpapi.GroupBody{{CPU: "100m", Memory: "64MiB"}}
	var err error
	if body.Array, err = httpapi.ParseArray("0-2"); err != nil {
		t.Fatal(err)
	}
	made, err := c.Submit(ctx, body, "", false)
	if err != nil {
		t.Fatal(err)
	}
	var tries []string
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		j, err := c.Job(ctx, made.ID)
		if err == nil && j.Resting == 2 && j.TasksDone == 1 {
			tries = []string{j.Tasks[0].NextTry, j.Tasks[1].NextTry}
			break
		}
		if time.Now().After(end) {
			t.Fatalf("no element waits: %+v, %v", j, err)
		}
	}
	s.kill()
	s.start()
	j, err := c.Job(ctx, made.ID)
	if err != nil || j.Resting == 2 && (j.Tasks[0].NextTry != tries[0] || j.Tasks[1].NextTry != tries[1]) {
		t.Errorf("after the crash: %+v, %v; before it %s", j, err, tries)
	}
	first := min(tries[0], tries[1])[:19]
	for _, show := range [][]string{{"job", "show", made.ID}, {"why", made.ID}} {
		_, out, errs := execute(append(show, "--server=http://"+s.address)...)
		if now := time.Now().UTC().Format(time.RFC3339); now < first && !strings.Contains(out, "until "+first) {
			t.Errorf("tianfu %s does not say until when it waits:\n%s%s", strings.Join(show, " "), out, errs)
		}
	}
	j = waitEnd(t, c, made.ID)
	for i, attempts := range []int32{2, 2, 1} {
		x := &j.Tasks[i]
		if j.Phase != "completed" || x.Attempt != attempts || x.Node == "" || x.Ended == "" || x.Seconds <= 0 || len(x.Attempts) != int(attempts) {
			t.Errorf("task %d of a job that is %s: %+v", i, j.Phase, x)
			continue
		}
		first, last := x.Attempts[0], x.Attempts[attempts-1]
		if last.Ending != "succeeded" || last.Node != x.Node || last.Ended != x.Ended || attempts == 2 && (first.Ending != "failed" || first.Exit == nil || first.Exit.Code != 3 || first.Ended > last.Allocated) {
			t.Errorf("task %d was tried so: %+v", i, x.Attempts)
		}
	}
	_, out, _ := execute("job", "show", made.ID, "--server=http://"+s.address)
	for _, want := range []string{`(?m)^j-1\[0\] +failed +1 +\S+ +20\S+Z +20\S+Z +\S+s +3 exit$`, `(?m)^j-1\[0\] +succeeded +2 +\S+ +20\S+Z +20\S+Z +\S+s +0 exit$`, `(?m)^j-1\[2\] +succeeded +1 `} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("job show has no line %s:\n%s", want, out)
		}
	}
	if _, out, _ := execute("why", made.ID, "--server=http://"+s.address); !strings.Contains(out, "It has completed: it ran on "+j.Tasks[0].Node+" from 20") {
		t.Errorf("why:\n%s", out)
	}
}

// TestCheckpointOutlivesEviction drains the node under a task that saves its
// progress: it gets its signal first, and the next attempt goes on from its
// files, over a restart of the server too.
func TestCheckpointOutlivesEviction(t *testing.T) {
	s := startServer(t)
	c, ctx := s.client(), context.Background()
	body := shell(`cd $TIANFU_CHECKPOINT
save() { echo $n > progress; mkdir -p sub; cp progress sub/copy; echo saved $n; exit 0; }
trap save USR1
n=$(cat sub/copy 2>/dev/null || echo 0); n=$((n+1)); echo begin $n every $TIANFU_CHECKPOINT_EVERY
[ $n -ge 3 ] && exit 0
while true; do sleep 0.05; done`)
	body.Checkpoint = &httpapi.CheckpointBody{Signal: "SIGUSR1", Grace: "20s", Every: "1m"}
	made, err := c.Submit(ctx, body, "", false)
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := c.Nodes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	attempt := func(n int) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			j, err := c.Job(ctx, made.ID)
			if err == nil && (int(j.Tasks[0].Attempt) == n && j.Tasks[0].State == "running" || over(j.Phase)) {
				if n < 3 && !strings.HasPrefix(logOf2(c, made.ID), "begin") {
					continue
				}
				return
			}
			if time.Now().After(end) {
				t.Fatalf("attempt %d does not run: %+v, %v", n, j, err)
			}
		}
	}
	for n := 1; n <= 2; n++ {
		attempt(n)
		if err := c.SetNode(ctx, nodes[0].Name, true, true); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			j, err := c.Job(ctx, made.ID)
			if err == nil && j.Tasks[0].State == "pending" {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("attempt %d does not leave: %+v", n, j)
			}
		}
		if n == 1 {
			s.kill()
			s.start()
		}
		if err := c.SetNode(ctx, nodes[0].Name, false, false); err != nil {
			t.Fatal(err)
		}
	}
	if j := waitEnd(t, c, made.ID); j.Phase != "completed" || j.Tasks[0].Attempt != 3 {
		t.Errorf("the job is %s after %d attempts", j.Phase, j.Tasks[0].Attempt)
	}
	if got := logOf(t, c, made.ID, 0); got != "begin 3 every 60\n" {
		t.Errorf("the last attempt wrote %q", got)
	}
}

func logOf2(c *httpapi.Client, id string) string {
	var b bytes.Buffer
	c.Logs(context.Background(), httpapi.LogRequest{Job: id, Stream: "stdout"}, &b)
	return b.String()
}

// TestDatasetsAreMountedByName declares data sets and mounts them as tenants.
func TestDatasetsAreMountedByName(t *testing.T) {
	s := startServer(t)
	ctx := context.Background()
	t.Setenv("TIANFU_TOKEN", s.token)
	place, err := os.MkdirTemp("/var/tmp", "tianfu-data-") // temporary directories proper are the task's own inside
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(place) })
	if err := os.Chmod(place, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(place, "file"), []byte("content\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	world := filepath.Join(s.data, "world.yaml")
	text, err := os.ReadFile(world)
	if err != nil {
		t.Fatal(err)
	}
	text = fmt.Appendf(text, "datasets:\n  - {name: open, path: %s}\n  - {name: private, path: %s, tenants: [a]}\nrates: {cpu_hour: 0.05yuan}\n", place, place)
	if err := os.WriteFile(world, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := execute("world", "reload", "--server=http://"+s.address); code != 0 || !strings.Contains(out, "data sets are changed") || !strings.Contains(out, "rates are changed") {
		t.Fatalf("reload: code %d, %s%s", code, out, errs)
	}
	a, b := s.client(), s.client()
	a.Token, b.Token = s.tenantToken("a"), s.tenantToken("b")
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err := b.Datasets(ctx); err == nil || time.Now().After(end) {
			break
		}
	}
	names := func(c *httpapi.Client) (out []string) {
		list, err := c.Datasets(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range list {
			out = append(out, d.Name)
			if d.Path != "" {
				t.Errorf("a tenant sees where %s lies", d.Name)
			}
		}
		return out
	}
	if !slices.Equal(names(a), []string{"open", "private"}) || !slices.Equal(names(b), []string{"open"}) {
		t.Errorf("a may mount %v, b %v", names(a), names(b))
	}
	mount := func(c *httpapi.Client, m httpapi.MountBody) (*httpapi.Submitted, error) {
		body := shell("cat " + m.Target + "/file; touch " + m.Target + "/new && echo written; true")
		body.Mounts = []httpapi.MountBody{m}
		return c.Submit(ctx, body, "", false)
	}
	// Without a sandbox a data set can be mounted under its own path only.
	made, err := mount(a, httpapi.MountBody{Dataset: "private", Target: place})
	if err != nil {
		t.Fatal(err)
	}
	if j := waitEnd(t, a, made.ID); j.Phase != "completed" {
		t.Errorf("the job is %s: %+v", j.Phase, j.Tasks[0].Exit)
	}
	if got := logOf(t, a, made.ID, 0); got != "content\n" {
		t.Errorf("the task read %q from a data set that is read-only", got)
	}
	for _, c := range []struct {
		name string
		m    httpapi.MountBody
		kind fault.Kind
	}{
		{"another tenant's", httpapi.MountBody{Dataset: "private", Target: place}, fault.NotFound},
		{"one that is not there", httpapi.MountBody{Dataset: "none", Target: place}, fault.NotFound},
		{"to write into", httpapi.MountBody{Dataset: "open", Target: place, Writable: true}, fault.Denied},
		{"a directory of the site", httpapi.MountBody{Source: "/etc", Target: "/etc"}, fault.Denied},
		{"both", httpapi.MountBody{Dataset: "open", Source: "/etc", Target: "/etc"}, fault.Invalid},
	} {
		if _, err := mount(b, c.m); fault.KindOf(err) != c.kind {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
