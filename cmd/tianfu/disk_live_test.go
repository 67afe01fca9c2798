package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestWorkWaitsForDisk fills the disk of a real server while a job waits for the
// CPU: when that is free the job waits on, says why, and loses no attempt; with
// room again it runs.
func TestWorkWaitsForDisk(t *testing.T) {
	mount := t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=256m"); err != nil {
		t.Skip("needs a disk of its own: ", err)
	}
	t.Cleanup(func() { unix.Unmount(mount, unix.MNT_DETACH) })
	t.Setenv("TMPDIR", mount) // a test within the test has its directories there
	t.Run("server", func(t *testing.T) { workWaitsForDisk(t, filepath.Join(mount, "ballast")) })
}

func workWaitsForDisk(t *testing.T, ballast string) {
	s := startServer(t)
	t.Setenv("TIANFU_TOKEN", s.token)
	c, ctx := s.client(), t.Context()
	nodes, err := c.Nodes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	all := shell("sleep 300")
	all.Groups[0].CPU = nodes[0].CPU
	first, err := c.Submit(ctx, all, "", false)
	if err != nil {
		t.Fatal(err)
	}
	next := shell("true")
	next.Groups[0].CPU = nodes[0].CPU
	second, err := c.Submit(ctx, next, "", false)
	if err != nil {
		t.Fatal(err)
	}
	await := func(want string, args ...string) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			code, out, errs := execute(append(args, "--server", "http://"+s.address)...)
			if code == 0 && strings.Contains(out, want) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("tianfu %s does not say %q: %d\n%s%s", strings.Join(args, " "), want, code, out, errs)
			}
		}
	}
	await("running", "job", "show", first.ID)
	if err := os.WriteFile(ballast, make([]byte, 210<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	await("healthy, short of disk", "node", "list")
	if _, out, _ := execute("doctor", "--data", s.data); !strings.Contains(out, "the node is short of disk, and what is to start waits") {
		t.Errorf("doctor:\n%s", out)
	}
	if err := c.Cancel(ctx, first.ID); err != nil {
		t.Fatal(err)
	}
	await("The nodes it could run on have too little disk left for new work; it starts once there is room.", "why", second.ID)
	if j, err := c.Job(ctx, second.ID); err != nil || j.Phase != "pending" || j.Tasks[0].Attempt != 0 {
		t.Errorf("%+v, %v", j, err)
	}
	s.kill() // what is known of the disk is known after a restart
	s.start()
	await("healthy, short of disk", "node", "list")
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if j := waitEnd(t, c, second.ID); j.Phase != "completed" || j.Tasks[0].Attempt != 1 {
		t.Errorf("with room again: %+v", j)
	}
	await("healthy ", "node", "list")
}
