package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tianfu/engine/local"
	"tianfu/fault"
)

// TestDoctorSaysWhichKnobsThereAre holds the lines to what an operator needs: what
// there is, what it may be set to, and whether the world counts on it in vain.
func TestDoctorSaysWhichKnobsThereAre(t *testing.T) {
	here := []local.Limited{{Name: "GPU-a", Now: 700_000, Least: 200_000, Most: 700_000}, {Name: "GPU-b", Now: 650_500}}
	none := fault.New(fault.Unavailable, "nvml", "no driver", "")
	for _, c := range []struct {
		knob    local.Knob
		allowed bool
		ok      bool
		says    string
	}{
		{local.Knob{Kind: local.Accelerators, List: here}, false, true, "GPU-a at 700W of 200W to 700W, GPU-b at 650.5W; not used by caps"},
		{local.Knob{Kind: local.Accelerators, List: here}, true, os.Geteuid() == 0, "GPU-a at 700W"},
		{local.Knob{Kind: local.Accelerators, Err: none}, false, true, "none, nvml: no driver"},
		{local.Knob{Kind: local.Accelerators, Err: none}, true, false, "take it out of power.limit_by"},
	} {
		f := knobFinding(&c.knob, c.allowed)
		if f.OK != c.ok || !strings.Contains(f.Detail+"\n"+f.Fix, c.says) {
			t.Errorf("%+v, allowed %v: %+v", c.knob, c.allowed, f)
		}
	}
}

// TestLimitByInAWorld is taken over by a running centre, and refused with the words
// that there are.
func TestLimitByInAWorld(t *testing.T) {
	world := filepath.Join(t.TempDir(), "world.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(world, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(powerWorld)
	s := startServer(t, "--node", "one", "--world", world)
	t.Setenv("TIANFU_TOKEN", s.token)
	write(strings.Replace(powerWorld, "protect: 5", "protect: 5, limit_by: [fans]", 1))
	if code, out, errs := execute("world", "reload", "--server", "http://"+s.address); code != 2 || !strings.Contains(errs, "write limit_by: [accelerators, processors]") {
		t.Errorf("%d %s%s", code, out, errs)
	}
	write(strings.Replace(powerWorld, "protect: 5", "protect: 5, limit_by: [processors]", 1))
	code, out, errs := execute("world", "reload", "--server", "http://"+s.address)
	if code != 0 || !strings.Contains(out, "hardware that caps may limit is changed") || os.Geteuid() != 0 && !strings.Contains(errs, "not root") {
		t.Errorf("%d %s%s", code, out, errs)
	}
}

// TestNoNodeSleepsInARunningCentre: the declaration is said at every reload, and the
// node that idles goes on drawing what it idles at.
func TestNoNodeSleepsInARunningCentre(t *testing.T) {
	world := filepath.Join(t.TempDir(), "world.yaml")
	if err := os.WriteFile(world, []byte(strings.Replace(powerWorld, "protect: 5", "protect: 5, sleep: {after: 1s, draw: 5W}", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, "--node", "one", "--world", world)
	t.Setenv("TIANFU_TOKEN", s.token)
	if code, out, errs := execute("world", "reload", "--server", "http://"+s.address); code != 0 || !strings.Contains(errs, "power: sleep: is for replays") {
		t.Errorf("%d %s%s", code, out, errs)
	}
	c := s.client()
	for range 2 { // a first one, so that the node has idled for longer than a second when the second ends
		made, err := c.Submit(t.Context(), shell("sleep 1.5"), "", false)
		if err != nil {
			t.Fatal(err)
		}
		waitEnd(t, c, made.ID)
	}
	p, err := c.Power(t.Context())
	if err != nil || len(p.Areas) == 0 || p.Areas[0].Draw < 190 {
		t.Errorf("%+v, %v", p, err)
	}
}
