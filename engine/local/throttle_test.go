package local

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tianfu/engine"
	"tianfu/fault"
)

// A machine held to a part of its power gives its tasks that part of the CPU time
// they asked for, those that start later too, until it is given back.
func TestThrottle(t *testing.T) {
	e := open(t, Options{Dir: stateDir(t)})
	if !e.site.cgroups.has("cpu") {
		if err := e.Throttle(context.Background(), 500); fault.KindOf(err) != fault.Denied {
			t.Errorf("without cgroups: %v", err)
		}
		t.Skip("no cpu cgroup: ", e.site.whyNotCgroups)
	}
	for _, part := range []int{0, 1001} {
		if err := e.Throttle(context.Background(), part); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a part of %d: %v", part, err)
		}
	}
	busy := func(id int) engine.Key {
		o := shell(id, "while :; do :; done")
		o.CPU = 1000
		if err := e.Start(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if r := <-e.Reports(); r.Key != o.Key || r.Kind != engine.Started {
			t.Fatalf("%+v", r)
		}
		return o.Key
	}
	used := func(k engine.Key) float64 {
		c := e.site.cgroups.load(k.String())
		before, _ := c.usage()
		began := time.Now()
		time.Sleep(time.Second)
		after, _ := c.usage()
		return float64(after.CPUMicros-before.CPUMicros) / float64(time.Since(began).Microseconds())
	}
	early := busy(1)
	if err := e.Throttle(context.Background(), 200); err != nil {
		t.Fatal(err)
	}
	late := busy(2)
	for _, k := range []engine.Key{early, late} {
		if part := used(k); part > 0.35 {
			t.Errorf("%s uses %.2f CPUs of the 0.20 it is held to", k, part)
		}
	}
	if err := e.Throttle(context.Background(), whole); err != nil {
		t.Fatal(err)
	}
	for _, k := range []engine.Key{early, late} {
		if limit := cpuLimit(t, e.site.cgroups, k); limit != "none" {
			t.Errorf("%s let go is still limited: %s", k, limit)
		}
		if err := e.Stop(t.Context(), k, 0); err != nil {
			t.Error(err)
		}
		await(t, e, k)
	}
}

// cpuLimit is what the kernel says of a task's CPU time.
func cpuLimit(t *testing.T, s cgroupSite, k engine.Key) string {
	t.Helper()
	file, none := filepath.Join(s.Mount, "cpu", s.Parent, k.String(), "cpu.cfs_quota_us"), "-1"
	if s.Version == 2 {
		file, none = filepath.Join(s.Mount, s.Parent, k.String(), "cpu.max"), "max"
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if first := strings.Fields(string(text))[0]; first != none {
		return first
	}
	return "none"
}
