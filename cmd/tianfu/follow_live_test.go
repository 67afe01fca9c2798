package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tianfu/httpapi"
)

// spoken is what a command writes, to be looked at while it runs.
type spoken struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *spoken) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *spoken) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// begun is a command that runs beside the test.
type begun struct {
	out, err spoken
	code     chan int
	stop     context.CancelFunc
}

func begin(args ...string) *begun {
	ctx, cancel := context.WithCancel(context.Background())
	b := &begun{code: make(chan int, 1), stop: cancel}
	go func() {
		p := &program{out: &b.out, err: &b.err}
		b.code <- p.Run(ctx, args)
	}()
	return b
}

func (b *begun) until(t *testing.T, out string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !strings.Contains(b.out.String()+b.err.String(), out); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%q is not said:\n%s%s", out, b.out.String(), b.err.String())
		}
	}
}

func (b *begun) ends(t *testing.T, code int) {
	t.Helper()
	select {
	case got := <-b.code:
		if got != code {
			t.Fatalf("exit code %d, want %d:\n%s%s", got, code, b.out.String(), b.err.String())
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("does not end:\n%s%s", b.out.String(), b.err.String())
	}
}

// TestCommandsThatWaitOutliveARestart follows a job over a restart of the centre:
// a log that is followed has every line once, and who waits hears of the end.
func TestCommandsThatWaitOutliveARestart(t *testing.T) {
	s := startServer(t)
	t.Setenv("TIANFU_TOKEN", s.token)
	at := "--server=http://" + s.address
	marks := filepath.Join(t.TempDir(), "marks")
	body := shell("echo before; while ! test -e /data/marks/go; do sleep 0.05; done; echo after")
	if err := os.Mkdir(marks, 0o755); err != nil {
		t.Fatal(err)
	}
	body.Mounts = []httpapi.MountBody{{Source: marks, Target: "/data/marks"}}
	made, err := s.client().Submit(context.Background(), body, "", false)
	if err != nil {
		t.Fatal(err)
	}
	logs, wait, watch := begin("job", "logs", made.ID, "-f", at), begin("job", "wait", made.ID, at), begin("job", "watch", at)
	logs.until(t, "before\n")
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.cmd.Wait()
	for _, b := range []*begun{logs, wait, watch} {
		b.until(t, "waiting for the centre")
	}
	s.start()
	logs.until(t, "waiting for the centre")
	os.WriteFile(filepath.Join(marks, "go"), nil, 0o644)
	logs.ends(t, 0)
	wait.ends(t, 0)
	if got := logs.out.String(); got != "before\nafter\n" {
		t.Errorf("the log: %q", got)
	}
	if got := wait.out.String(); !strings.Contains(got, "completed") {
		t.Errorf("the end: %q", got)
	}
	watch.until(t, "completed")
	watch.stop()
	watch.ends(t, 0)

	// A log of what has not started is waited for, and Ctrl-C is no error.
	held := shell("true")
	held.After = []string{"any:j-2"}
	for _, x := range []*httpapi.JobBody{shell("sleep 300"), held} {
		if _, err := s.client().Submit(context.Background(), x, "", false); err != nil {
			t.Fatal(err)
		}
	}
	logs = begin("job", "logs", "j-3", "-f", at)
	logs.until(t, "j-3/0 has not started: ")
	wait = begin("job", "wait", "j-3", at)
	for _, b := range []*begun{logs, wait} {
		b.stop()
	}
	logs.ends(t, 0)
	wait.ends(t, 7)
	wait.until(t, "it goes on; wait again: tianfu job wait j-3")

	// One that cannot be cancelled does not keep the others from it.
	if code, _, errs := execute("job", "cancel", made.ID, "j-2", "j-99", at); code != 5 || !strings.Contains(errs, "j-99: no such job") || !strings.Contains(errs, "has ended already") {
		t.Errorf("cancel: code %d, %s", code, errs)
	}
	if j, err := s.client().Job(context.Background(), "j-2"); err != nil || j.Phase != "cancelled" {
		t.Errorf("j-2: %+v, %v", j, err)
	}

	// Flags go before what a job file says; what a task asks for stays there.
	file := filepath.Join(t.TempDir(), "job.yaml")
	os.WriteFile(file, []byte("name: a\npriority: 1\ncommand: [sleep, \"300\"]\n"), 0o644)
	if code, _, errs := execute("job", "submit", file, "--priority", "7", at); code != 0 {
		t.Fatal(errs)
	}
	if j, err := s.client().Job(context.Background(), "j-4"); err != nil || j.Priority != 7 || j.Name != "a" {
		t.Errorf("j-4: %+v, %v", j, err)
	}
	if code, _, errs := execute("job", "submit", file, "--cpu", "2", at); code != 2 || !strings.Contains(errs, "change groups: in the file") {
		t.Errorf("--cpu beside a file: code %d, %s", code, errs)
	}
}
