package engine

import (
	"io"
	"strings"
	"testing"
	"time"

	"tianfu/job"
)

// Conform holds an engine to the promise of the port. For each of its tests it
// asks for a site of its own; the function it gets back opens the engine over
// that site's state, again and again. The site must be able to run sh, cat, env,
// seq and sleep.
//
// Tasks and test tell each other where they are by log lines and stop signals,
// never by time, so a slow machine only makes the suite slow.
func Conform(t *testing.T, site func(t *testing.T) (open func() Engine)) {
	tests := []struct {
		name string
		run  func(*harness)
	}{
		{"ends are told as they were", testEnds},
		{"a key starts once", testOnce},
		{"stop is a signal, then SIGKILL", testStop},
		{"limits of time", testTimeLimit},
		{"tasks outlive the engine", testReopen},
		{"an end is kept until acknowledged", testAck},
		{"logs", testLogs},
		{"logs are bounded", testLogBound},
		{"a task gets what its order lists", testInside},
		{"use is counted", testUse},
		{"errors have kinds", testErrors},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := &harness{T: t, open: site(t)}
			h.reopen()
			t.Cleanup(func() { h.engine.Close() })
			test.run(h)
		})
	}
}

// harness is one engine and the reports that came from it.
type harness struct {
	*testing.T
	open   func() Engine
	engine Engine
	seen   []Report // since the engine was opened
	jobs   int
}

// patience bounds the wait for what must happen; it decides no test that passes.
const patience = 60 * time.Second

func (h *harness) reopen() {
	h.Helper()
	if h.engine != nil {
		if err := h.engine.Close(); err != nil {
			h.Fatalf("close: %v", err)
		}
	}
	h.engine, h.seen = h.open(), nil
}

// order returns an order of a new key that runs a shell script.
func (h *harness) order(script string) Order {
	h.jobs++
	return Order{Key: Key{Job: job.ID(h.jobs), Generation: 1}, Tenant: "t", Command: []string{"sh", "-c", script}, Grace: time.Second}
}

func (h *harness) start(o Order) Key {
	h.Helper()
	if err := h.engine.Start(h.Context(), o); err != nil {
		h.Fatalf("start %s: %v", o.Key, err)
	}
	return o.Key
}

// await reads reports until one of the key and kinds is there.
func (h *harness) await(k Key, kinds ...Kind) Report {
	h.Helper()
	for _, r := range h.seen {
		if r.Key == k && oneOf(r.Kind, kinds) {
			return r
		}
	}
	late := time.After(patience)
	for {
		select {
		case r, ok := <-h.engine.Reports():
			if !ok {
				h.Fatalf("reports ended while waiting for %v of %s", kinds, k)
			}
			h.seen = append(h.seen, r)
			if r.Key == k && oneOf(r.Kind, kinds) {
				return r
			}
		case <-late:
			h.Fatalf("no report %v of %s; seen: %+v", kinds, k, h.seen)
		}
	}
}

func oneOf(k Kind, kinds []Kind) bool {
	for _, want := range kinds {
		if k == want {
			return true
		}
	}
	return false
}

func (h *harness) end(k Key) Exit {
	h.Helper()
	return h.await(k, Exited, Lost).Exit
}

// ready waits until the task has written "ready".
func (h *harness) ready(k Key) {
	h.Helper()
	l, err := h.engine.Logs(h.Context(), LogQuery{Key: k, Stream: Stdout, Follow: true})
	if err != nil {
		h.Fatalf("logs of %s: %v", k, err)
	}
	defer l.Close()
	var text strings.Builder
	b := make([]byte, 256)
	for !strings.Contains(text.String(), "ready\n") {
		n, err := l.Read(b)
		text.Write(b[:n])
		if err != nil {
			h.Fatalf("%s ended or broke before it was ready: %v, stdout %q, stderr %q, %+v", k, err, text.String(), h.log(k, Stderr), h.seen)
		}
	}
}

func (h *harness) log(k Key, s Stream) string {
	h.Helper()
	l, err := h.engine.Logs(h.Context(), LogQuery{Key: k, Stream: s})
	if err != nil {
		h.Fatalf("logs of %s: %v", k, err)
	}
	defer l.Close()
	text, err := io.ReadAll(l)
	if err != nil {
		h.Fatalf("read logs of %s: %v", k, err)
	}
	return string(text)
}

func (h *harness) count(k Key, kinds ...Kind) int {
	n := 0
	for _, r := range h.seen {
		if r.Key == k && oneOf(r.Kind, kinds) {
			n++
		}
	}
	return n
}

func (h *harness) state(k Key) State {
	h.Helper()
	list, err := h.engine.Tasks(h.Context())
	if err != nil {
		h.Fatalf("tasks: %v", err)
	}
	for i, s := range list {
		if i > 0 && list[i-1].Key.Compare(s.Key) >= 0 {
			h.Errorf("tasks are not in the order of keys: %s before %s", list[i-1].Key, s.Key)
		}
		if s.Key == k {
			return s.State
		}
	}
	return ""
}
