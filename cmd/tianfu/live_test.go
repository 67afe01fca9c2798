package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tianfu/fault"
	"tianfu/httpapi"
)

// server is a real `tianfu serve` in a process of its own.
type server struct {
	t       testing.TB
	data    string
	address string
	token   string
	cmd     *exec.Cmd
	args    []string // more flags
}

// startServer builds nothing: the test binary is the command.
func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	// Below the ephemeral ports: a client that knocks at a free one of those can
	// end up connected to itself, and the server then finds it taken.
	var l net.Listener
	var err error
	for range 100 {
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000))); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, data: filepath.Join(t.TempDir(), "data"), address: l.Addr().String(), args: args}
	l.Close()
	t.Cleanup(func() { s.kill(); s.endShims() })
	s.start()
	return s
}

// start runs the server and waits until it says that it serves.
func (s *server) start() {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	s.cmd = exec.Command(filepath.Join(filepath.Dir(self), filepath.Base(self)), append([]string{"serve", "--data", s.data, "--listen", s.address}, s.args...)...)
	s.cmd.Env = append(os.Environ(), "TIANFU_TEST_AS_COMMAND=1")
	out, err := s.cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	sc := bufio.NewScanner(out)
	var seen strings.Builder
	for sc.Scan() {
		line := sc.Text()
		seen.WriteString(line + "\n")
		if strings.HasPrefix(line, "tf_") {
			s.token = line
		}
		if strings.HasPrefix(line, "tianfu serves") {
			go io.Copy(io.Discard, out)
			return
		}
	}
	s.t.Fatalf("the server did not start:\n%s", seen.String())
}

func (s *server) kill() {
	if s.cmd != nil && s.cmd.Process != nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
		s.cmd = nil
	}
}

// endShims ends what outlives a server, so that nobody writes below its
// directory when that is removed.
func (s *server) endShims() {
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		left := 0
		names, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, name := range names {
			if text, err := os.ReadFile(name); err != nil || !bytes.Contains(text, []byte(s.data+"/")) {
				continue
			}
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil && syscall.Kill(pid, syscall.SIGKILL) == nil {
				left++
			}
		}
		if left == 0 {
			return
		}
	}
}

func (s *server) client() *httpapi.Client {
	return &httpapi.Client{Base: "http://" + s.address, Token: s.token}
}

// tenant makes a token of a tenant user while the server is down or up.
func (s *server) tenantToken(tenant string) string {
	s.t.Helper()
	code, out, errs := execute("token", "create", "--data", s.data, "--tenant", tenant, "-o", "json")
	if code != 0 {
		s.t.Fatal(errs)
	}
	var doc map[string]string
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		s.t.Fatal(err)
	}
	return doc["token"]
}

func shell(script string) *httpapi.JobBody {
	return &httpapi.JobBody{Name: "test", Groups: []httpapi.GroupBody{{CPU: "100m", Memory: "64MiB"}}, WorkBody: httpapi.WorkBody{Command: []string{"sh", "-c", script}}}
}

// waitEnd waits for the end of a job by watching events.
func waitEnd(t testing.TB, c *httpapi.Client, id string) *httpapi.Job {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	p := &program{out: io.Discard, err: io.Discard, format: "json"}
	j, err := p.waitForOne(ctx, c, id)
	if err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	return j
}

// TestJobRunsForReal walks a job from submit to its output.
func TestJobRunsForReal(t *testing.T) {
	s := startServer(t)
	c, ctx := s.client(), context.Background()
	made, err := c.Submit(ctx, shell("echo out; echo err >&2; exit 3"), "once", false)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.Submit(ctx, shell("echo out; echo err >&2; exit 3"), "once", false)
	if err != nil || again.ID != made.ID {
		t.Errorf("the same key gave %v, %v; the first was %s", again, err, made.ID)
	}
	j := waitEnd(t, c, made.ID)
	if j.Phase != "failed" || j.Tasks[0].Exit == nil || j.Tasks[0].Exit.Code != 3 {
		t.Errorf("the job is %s, its task ended with %+v", j.Phase, j.Tasks[0].Exit)
	}
	for stream, want := range map[string]string{"stdout": "out\n", "stderr": "err\n"} {
		var b bytes.Buffer
		if err := c.Logs(ctx, httpapi.LogRequest{Job: made.ID, Stream: stream, Follow: true}, &b); err != nil || b.String() != want {
			t.Errorf("%s holds %q, %v", stream, b.String(), err)
		}
	}
	ok, err := c.Submit(ctx, shell("true"), "", false)
	if err != nil {
		t.Fatal(err)
	}
	if j := waitEnd(t, c, ok.ID); j.Phase != "completed" {
		t.Errorf("true is %s", j.Phase)
	}
	retried := shell("test -e /tmp/x; exit 1")
	retried.Retries = 2
	r, err := c.Submit(ctx, retried, "", false)
	if err != nil {
		t.Fatal(err)
	}
	if j := waitEnd(t, c, r.ID); j.Phase != "failed" || j.Tasks[0].Attempt != 3 {
		t.Errorf("with two retries it is %s after %d attempts", j.Phase, j.Tasks[0].Attempt)
	}
}

// TestTenantsSeeTheirOwn holds tokens to what they may do.
func TestTenantsSeeTheirOwn(t *testing.T) {
	s := startServer(t)
	ctx := context.Background()
	a, b := s.client(), s.client()
	s.kill() // tokens are read at the start
	a.Token, b.Token = s.tenantToken("a"), s.tenantToken("b")
	s.start()
	made, err := a.Submit(ctx, shell("sleep 60"), "", false)
	if err != nil {
		t.Fatal(err)
	}
	denied := func(what string, err error, kind fault.Kind) {
		t.Helper()
		if fault.KindOf(err) != kind {
			t.Errorf("%s: got %v, want %v", what, err, kind)
		}
	}
	_, err = b.Job(ctx, made.ID)
	denied("another tenant's job", err, fault.NotFound)
	denied("cancel another tenant's job", b.Cancel(ctx, made.ID), fault.NotFound)
	denied("another tenant's log", b.Logs(ctx, httpapi.LogRequest{Job: made.ID, Stream: "stdout", Follow: false}, io.Discard), fault.NotFound)
	body := shell("true")
	body.Tenant = "a"
	_, err = b.Submit(ctx, body, "", false)
	denied("submit as another tenant", err, fault.Denied)
	denied("cordon as a tenant", b.SetNode(ctx, "x", true, false), fault.Denied)
	if page, err := b.Jobs(ctx, httpapi.ListQuery{}); err != nil || len(page.Jobs) != 0 {
		t.Errorf("tenant b lists %+v, %v", page, err)
	}
	none := &httpapi.Client{Base: b.Base, Token: "tf_wrong"}
	_, err = none.Jobs(ctx, httpapi.ListQuery{})
	denied("a wrong token", err, fault.Denied)
	if err := a.Cancel(ctx, made.ID); err != nil {
		t.Error(err)
	}
	if j := waitEnd(t, a, made.ID); j.Phase != "cancelled" {
		t.Errorf("the cancelled job is %s", j.Phase)
	}
}

// TestRevokedTokenEnds revokes a token of a running server.
func TestRevokedTokenEnds(t *testing.T) {
	s := startServer(t)
	c, ctx := s.client(), context.Background()
	c.Token = s.tenantToken("a")
	until := func(what string, want bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			_, err := c.Jobs(ctx, httpapi.ListQuery{})
			if (err == nil) == want {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
	until("a new token is taken over", true)
	code, out, errs := execute("token", "list", "--data", s.data, "-o", "json")
	if code != 0 || strings.Contains(out, "tf_") {
		t.Fatalf("token list: %s %s", out, errs)
	}
	var list []httpapi.Token
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	for _, k := range list {
		if k.Tenant == "a" {
			if code, _, errs := execute("token", "revoke", "--data", s.data, k.ID); code != 0 {
				t.Fatal(errs)
			}
		}
	}
	until("a revoked token ends", false)
}

// TestBadRequests sends what nobody should; every answer is a problem document
// and none is a fault of the server.
func TestBadRequests(t *testing.T) {
	s := startServer(t)
	send := func(method, path, kind, body string) (int, string) {
		r, err := http.NewRequest(method, "http://"+s.address+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+s.token)
		r.Header.Set("Content-Type", kind)
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer reply.Body.Close()
		text, _ := io.ReadAll(reply.Body)
		if got := reply.Header.Get("Content-Type"); reply.StatusCode >= 400 && got != "application/problem+json" {
			t.Errorf("%s %s: status %d comes as %q", method, path, reply.StatusCode, got)
		}
		return reply.StatusCode, string(text)
	}
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"not JSON", "POST", "/v1/jobs", "{", 400, ""},
		{"no command", "POST", "/v1/jobs", `{"name":"x"}`, 422, "command"},
		{"unknown key", "POST", "/v1/jobs", `{"name":"x","command":["true"],"colour":"red"}`, 422, "colour"},
		{"negative count", "POST", "/v1/jobs", `{"name":"x","command":["true"],"groups":[{"count":-1}]}`, 422, "count"},
		{"overflow", "POST", "/v1/jobs", `{"name":"x","command":["true"],"groups":[{"cpu":"99999999999999999999"}]}`, 422, "cpu"},
		{"no unit", "POST", "/v1/jobs", `{"name":"x","command":["true"],"groups":[{"memory":"16"}]}`, 422, "unit"},
		{"larger than the largest node", "POST", "/v1/jobs", `{"name":"x","command":["true"],"groups":[{"cpu":"4000"}]}`, 422, "no node of the fleet"},
		{"too many tasks", "POST", "/v1/jobs", `{"name":"x","command":["true"],"groups":[{"cpu":"1m","count":10001}]}`, 422, "10000"},
		{"dependency on nothing", "POST", "/v1/jobs", `{"name":"x","command":["true"],"after":["j-999"]}`, 404, "j-999"},
		{"not an id", "GET", "/v1/jobs/42", "", 422, "j-42"},
		{"no such job", "GET", "/v1/jobs/j-42", "", 404, "no such job"},
		{"no such node", "GET", "/v1/nodes/mars", "", 404, "no such node"},
		{"no such route", "GET", "/v2/jobs", "", 404, "no such route"},
		{"limit out of range", "GET", "/v1/jobs?limit=100000", "", 422, "limit"},
		{"bad cursor", "GET", "/v1/jobs?cursor=abc", "", 422, "abc"},
		{"bad sequence", "GET", "/v1/events?after=-1", "", 422, "sequence"},
	} {
		status, text := send(c.method, c.path, "application/json", c.body)
		if status != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s: status %d, want %d: %s", c.name, status, c.status, text)
		}
	}
	if status, _ := send("POST", "/v1/jobs", "application/json", `{"name":"`+strings.Repeat("x", 13<<20)+`"}`); status != 413 {
		t.Errorf("a body of 13 MiB: status %d, want 413", status)
	}
}

// TestKillAtRandomMoments kills the server again and again under load. Every
// job that was acknowledged ends exactly once, and none starts twice. KILLS=n
// kills it so often.
func TestKillAtRandomMoments(t *testing.T) {
	kills := 10
	if testing.Short() {
		kills = 3
	}
	if n, err := strconv.Atoi(os.Getenv("KILLS")); err == nil {
		kills = n
	}
	s := startServer(t, "--snapshot-every", "25", "--keep-records", "1ms") // snapshots and trims are killed halfway too
	marks := filepath.Join(t.TempDir(), "marks")
	if err := os.MkdirAll(marks, 0o777); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	acknowledged := map[string]string{} // by key
	stop := make(chan struct{})
	pace := time.NewTicker(25 * time.Millisecond)
	defer pace.Stop()
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				key := fmt.Sprintf("w%d-%d", w, n)
				for {
					made, err := s.client().Submit(context.Background(), shell("echo ran"), key, false)
					if err == nil {
						mu.Lock()
						acknowledged[key] = made.ID
						mu.Unlock()
						break
					}
					if kind := fault.KindOf(err); kind != fault.Unavailable {
						t.Errorf("submit %s: %v", key, err)
						return
					}
					select {
					case <-stop:
						return
					case <-time.After(20 * time.Millisecond):
					}
				}
				<-pace.C // processes start more slowly than jobs can be submitted
			}
		})
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range kills {
		<-time.After(time.Duration(50+rng.IntN(500)) * time.Millisecond)
		s.kill()
		s.start()
	}
	close(stop)
	wg.Wait()
	c := s.client()
	ids := map[string]string{}
	for key, id := range acknowledged {
		if other, twice := ids[id]; twice {
			t.Errorf("%s and %s are one job, %s", key, other, id)
		}
		ids[id] = key
		j := waitEnd(t, c, id)
		if j.Phase != "completed" {
			t.Errorf("%s is %s: %+v", id, j.Phase, j.Tasks)
		}
		var b bytes.Buffer
		if err := c.Logs(context.Background(), httpapi.LogRequest{Job: id, Stream: "stdout", Follow: true}, &b); err != nil || b.String() != "ran\n" {
			t.Errorf("%s attempt %d wrote %q, %v", id, j.Tasks[0].Attempt, b.String(), err)
		}
	}
	t.Logf("%d jobs acknowledged over %d kills", len(acknowledged), kills)
	checkTrimmed(t, s)
	if len(acknowledged) < kills {
		t.Errorf("only %d jobs were acknowledged: the test did not load the server", len(acknowledged))
	}
}

// TestWatchResumes breaks a stream of events and takes it up again without a
// loss.
func TestWatchResumes(t *testing.T) {
	s := startServer(t)
	c, ctx := s.client(), context.Background()
	var seen []uint64
	w := &httpapi.Watch{}
	for range 3 {
		submitted := false
		w.Ready = func() bool {
			if _, err := c.Submit(ctx, shell("true"), "", false); err != nil {
				t.Error(err)
			}
			submitted = true
			return true
		}
		w.Changed = func(e httpapi.Event) bool {
			seen = append(seen, e.Sequence)
			if at, ok := parseTime(e.At); !ok || time.Since(at) > time.Hour || !strings.HasPrefix(e.Job, "j-") {
				t.Errorf("not written as the rest of the API is: %+v", e)
			}
			return e.Kind != "ended"
		}
		if err := c.Watch(ctx, w); err != nil || !submitted {
			t.Fatalf("watch: %v", err)
		}
	}
	for i := 1; i < len(seen); i++ {
		if seen[i] != seen[i-1]+1 {
			t.Errorf("events %v: %d does not follow %d", seen, seen[i], seen[i-1])
		}
	}
	if len(seen) != 9 {
		t.Errorf("%d events of three jobs, want 9: %v", len(seen), seen)
	}
	// Numbers go on over a restart: who comes back hears of what is new.
	s.kill()
	s.start()
	w.Ready = func() bool {
		_, err := s.client().Submit(ctx, shell("true"), "", false)
		return err == nil
	}
	w.Changed = func(e httpapi.Event) bool { return e.Kind != "ended" }
	if err := s.client().Watch(ctx, w); err != nil || w.After <= seen[8] {
		t.Errorf("after a restart: %v, number %d after %d", err, w.After, seen[8])
	}
}

// TestATimeLimitLeavesTimeToSave: a task that does not say how long it needs has a grace
// all the same when its time is over, and what it says then is kept.
func TestATimeLimitLeavesTimeToSave(t *testing.T) {
	s := startServer(t)
	b := shell("trap 'sleep 1; echo saved; exit 3' TERM; echo runs; sleep 60 & wait")
	b.TimeLimit = "1s"
	made, err := s.client().Submit(t.Context(), b, "", false)
	if err != nil {
		t.Fatal(err)
	}
	j := waitEnd(t, s.client(), made.ID)
	if e := j.Tasks[0].Exit; j.Phase != "failed" || e == nil || e.Code != 3 || e.Detail != "time-limit" {
		t.Errorf("%s, %+v; want 3 time-limit", j.Phase, e)
	}
}
