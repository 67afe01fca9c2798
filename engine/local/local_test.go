package local

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tianfu/engine"
)

// TestMain lets the test binary be a shim, and a server that can be killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "shim" {
		// Not os.Exit: under the race detector that waits a second. What it found
		// is in the shims' log by then, where endAll looks.
		syscall.Exit(Shim(os.Args[2:]))
	}
	if len(os.Args) > 2 && os.Args[1] == "serve-for-test" {
		os.Exit(serveForTest(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// stateDir is a directory that a task of another user can be kept out of, and
// whose tasks are ended with the test.
func stateDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "engine")
	t.Cleanup(func() { endAll(t, dir) })
	return dir
}

// endAll kills what a failed test left running, and waits for it.
func endAll(t *testing.T, dir string) {
	if log, _ := os.ReadFile(filepath.Join(dir, fileShims)); strings.Contains(string(log), "DATA RACE") || strings.Contains(string(log), "goroutine ") {
		t.Errorf("a shim broke:\n%s", log)
	}
	tasks, _ := filepath.Glob(filepath.Join(dir, dirTasks, "j-*"))
	for _, p := range tasks {
		d := taskDir(p)
		for range 5000 {
			lock, err := d.tryLock()
			if lock != nil || err != nil {
				lock.Close()
				break
			}
			if f, err := openControl(d); err == nil {
				f.WriteString("{}\n")
				f.Close()
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
}

func open(t *testing.T, o Options) *Engine {
	t.Helper()
	e, err := Open(o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func TestConformance(t *testing.T) {
	for _, level := range []engine.Level{engine.LevelSandbox, engine.LevelLandlock, engine.LevelProcess} {
		t.Run(string(level), func(t *testing.T) {
			probe := open(t, Options{Dir: stateDir(t), AtMost: level})
			if probe.site.level != level {
				t.Skipf("this machine has no level %s: %v", level, probe.site.whyNotSandbox)
			}
			engine.Conform(t, func(t *testing.T) func() engine.Engine {
				dir := stateDir(t)
				return func() engine.Engine { return open(t, Options{Dir: dir, AtMost: level}) }
			})
		})
	}
}

// TestAsOrdinaryUser runs the tests of this package again without root.
func TestAsOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("this is an ordinary user already")
	}
	if testing.Short() {
		t.Skip("the other tests once more")
	}
	dir, err := os.MkdirTemp("", "tianfu-user-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	exe, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "local.test")
	if err := os.WriteFile(binary, exe, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-test.v", "-test.run", "TestConformance|TestEscapes|TestKilled|TestShimKilled|TestTasksLeaveNothing")
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + dir, "HOME=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 54321, Gid: 54321}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%d tests passed", strings.Count(string(out), "--- PASS"))
}

// end runs an order and returns how it ended and what it wrote.
func run(t *testing.T, e *Engine, o engine.Order) (engine.Report, string, string) {
	t.Helper()
	if err := e.Start(t.Context(), o); err != nil {
		t.Fatalf("start: %v", err)
	}
	r := await(t, e, o.Key)
	return r, logOf(t, e, o.Key, engine.Stdout), logOf(t, e, o.Key, engine.Stderr)
}

// await reads reports until the end of a key.
func await(t *testing.T, e *Engine, k engine.Key) engine.Report {
	t.Helper()
	late := time.After(60 * time.Second)
	for {
		select {
		case r := <-e.Reports():
			if r.Key == k && (r.Kind == engine.Exited || r.Kind == engine.Lost) {
				return r
			}
		case <-late:
			t.Fatalf("no end of %s", k)
		}
	}
}

func logOf(t *testing.T, e *Engine, k engine.Key, s engine.Stream) string {
	t.Helper()
	l, err := e.Logs(t.Context(), engine.LogQuery{Key: k, Stream: s})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var b strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := l.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			return b.String()
		}
	}
}

// waitLine waits until a task has written a line.
func waitLine(t *testing.T, e *Engine, k engine.Key, line string) {
	t.Helper()
	l, err := e.Logs(t.Context(), engine.LogQuery{Key: k, Stream: engine.Stdout, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var b strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(b.String(), line+"\n") {
		n, err := l.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			t.Fatalf("%s never wrote %q: %v: %s%s", k, line, err, b.String(), logOf(t, e, k, engine.Stderr))
		}
	}
}

func shell(n int, format string, args ...any) engine.Order {
	return engine.Order{
		Key:     engine.Key{Job: 1, Task: n, Generation: 1},
		Tenant:  "red",
		Command: []string{"sh", "-c", fmt.Sprintf(format, args...)},
	}
}
