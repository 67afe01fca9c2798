package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tianfu/engine"
	"tianfu/fault"
)

// TestFullDisk fills the engine's disk under a running task: the task goes on
// and its end is recorded, new orders are refused, and room helps.
func TestFullDisk(t *testing.T) {
	mount := t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=2m"); err != nil {
		t.Skip("needs a disk of its own: ", err)
	}
	t.Cleanup(func() { unix.Unmount(mount, unix.MNT_DETACH) })
	dir := filepath.Join(mount, "engine")
	t.Cleanup(func() { endAll(t, dir) })
	e := open(t, Options{Dir: dir})
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
	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	if r, _, _ := run(t, e, shell(2, "exit 0")); !r.Exit.OK() {
		t.Errorf("with room again: %+v", r.Exit)
	}
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
