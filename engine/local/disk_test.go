package local

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tianfu/engine"
	"tianfu/fault"
)

// openOnSmallDisk opens an engine on a disk of its own of two megabytes.
func openOnSmallDisk(t *testing.T) (e *Engine, mount string) {
	t.Helper()
	mount = t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=2m"); err != nil {
		t.Skip("needs a disk of its own: ", err)
	}
	t.Cleanup(func() { unix.Unmount(mount, unix.MNT_DETACH) })
	dir := filepath.Join(mount, "engine")
	t.Cleanup(func() { endAll(t, dir) })
	return open(t, Options{Dir: dir}), mount
}

// TestFullDisk fills the engine's disk under a running task: the task goes on
// and its end is recorded, new orders are refused, and room helps.
func TestFullDisk(t *testing.T) {
	e, mount := openOnSmallDisk(t)
	o := shell(1, "trap 'head -c 4000000 /dev/zero; echo still here >&2; exit 9' TERM; echo ready; while :; do sleep 0.05; done")
	if err := e.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	waitLine(t, e, o.Key, "ready")
	full := filepath.Join(mount, "ballast")
	f, err := os.Create(full)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	f.Close()
	if !isFull(err) {
		t.Fatal(err)
	}
	if err := e.Start(t.Context(), shell(2, "exit 0")); fault.KindOf(err) != fault.Exhausted || err == nil {
		t.Errorf("on a full disk: %v", err)
	}
	if err := e.Stop(t.Context(), o.Key, engine.MaxGrace); err != nil {
		t.Fatal(err)
	}
	if r := await(t, e, o.Key); r.Exit != (engine.Exit{Cause: engine.CauseStopped, Code: 9}) {
		t.Errorf("ended on a full disk: %+v", r.Exit)
	}
	// The end of what it wrote had no room, nor had a line about it: the reader says so.
	lostText := regexp.MustCompile(`\[tianfu: (\d+) bytes that the task wrote here from 20\S+Z to 20\S+Z were dropped: the disk was full\]\n$`)
	for range 2 {
		out := logOf(t, e, o.Key, engine.Stdout)
		if m := lostText.FindStringSubmatch(out); m == nil || wholeNumber(t, m[1])+strings.Count(out, "\x00") != 4_000_000 {
			t.Errorf("of what was dropped the log says %q, after %d bytes", m, strings.Count(out, "\x00"))
		}
	}
	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	if r, _, _ := run(t, e, shell(2, "exit 0")); !r.Exit.OK() {
		t.Errorf("with room again: %+v", r.Exit)
	}
}

// TestLogSaysWhatWasDropped fills the disk under a task that writes, and makes room
// again while it runs: its log says how much it lacks, and goes on.
func TestLogSaysWhatWasDropped(t *testing.T) {
	e, mount := openOnSmallDisk(t)
	o := shell(1, "echo ready; until test -e /tmp/go; do sleep 0.02; done; head -c 3000000 /dev/zero; touch /tmp/written; until test -e /tmp/on; do sleep 0.02; done; sleep 1.2; echo and on")
	if err := e.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	waitLine(t, e, o.Key, "ready")
	own := e.dirIn(dirTasks, o.Key)
	for _, step := range []struct{ await, then string }{{"", "go"}, {"written", "on"}} {
		for end := time.Now().Add(20 * time.Second); step.await != ""; time.Sleep(10 * time.Millisecond) {
			if _, err := os.Stat(filepath.Join(own.path(dirTmp), step.await)); err == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatal("the task does not come to ", step.await)
			}
		}
		if step.then == "on" { // room again
			if err := unix.Mount("", mount, "tmpfs", unix.MS_REMOUNT, "size=16m"); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(own.path(dirTmp), step.then), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r := await(t, e, o.Key); !r.Exit.OK() {
		t.Fatalf("%+v", r.Exit)
	}
	out := logOf(t, e, o.Key, engine.Stdout)
	m := regexp.MustCompile(`\n\[tianfu: (\d+) bytes that the task wrote here from 20\S+Z to 20\S+Z were dropped: the disk was full\]\nand on\n$`).FindStringSubmatch(out)
	if m == nil || wholeNumber(t, m[1])+strings.Count(out, "\x00") != 3_000_000 {
		t.Errorf("the log has %d bytes and ends %q", strings.Count(out, "\x00"), out[max(0, len(out)-200):])
	}
}

func wholeNumber(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestMachineGoesDown sends the shim what a machine that goes down sends.
func TestMachineGoesDown(t *testing.T) {
	dir := stateDir(t)
	e := open(t, Options{Dir: dir})
	o := shell(1, "trap 'echo saved; exit 0' USR1; echo ready; while :; do sleep 0.05; done")
	o.StopSignal, o.Grace = "SIGUSR1", time.Hour
	if err := e.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	waitLine(t, e, o.Key, "ready")
	pid := shimOf(t, dir, o.Key)
	for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGTERM} {
		if err := unix.Kill(pid, sig); err != nil {
			t.Fatal(err)
		}
	}
	if r := await(t, e, o.Key); r.Exit != (engine.Exit{Cause: engine.CauseStopped}) {
		t.Errorf("%+v", r.Exit)
	}
	if out := logOf(t, e, o.Key, engine.Stdout); !strings.HasSuffix(out, "saved\n") {
		t.Errorf("%q", out)
	}
}
