package local

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tianfu/engine"
	"tianfu/fault"
)

// sockets is a sysfs of a machine with two packages, in watts.
type sockets struct {
	t    *testing.T
	root string
}

func newSockets(t *testing.T) *sockets {
	s := &sockets{t, t.TempDir()}
	for zone, name := range map[string]string{"intel-rapl:0": "package-0", "intel-rapl:1": "package-1", "intel-rapl:0:0": "core", "intel-rapl:2": "psys", "intel-rapl-mmio:0": "package-0"} {
		s.write(zone, "name", name)
		if name == "core" {
			continue // such zones often keep no limit
		}
		s.write(zone, powercapName, longTerm)
		s.write(zone, powercapLimit, "205000000")
		s.write(zone, powercapMost, "205000000")
	}
	return s
}

func (s *sockets) write(zone, file, text string) {
	s.t.Helper()
	path := filepath.Join(s.root, "class/powercap", zone, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// holds are the limits of both packages.
func (s *sockets) holds() string {
	s.t.Helper()
	var out []string
	for _, zone := range []string{"intel-rapl:0", "intel-rapl:1"} {
		b, err := os.ReadFile(filepath.Join(s.root, "class/powercap", zone, powercapLimit))
		if err != nil {
			s.t.Fatal(err)
		}
		out = append(out, strings.TrimSpace(string(b)))
	}
	return strings.Join(out, " ")
}

const (
	free = "205000000 205000000"
	half = "102500000 102500000"
)

func mustHold(t *testing.T, l *powerLimits, part int) map[string]bool {
	t.Helper()
	held, err := l.hold(part)
	if err != nil {
		t.Fatal(err)
	}
	return held
}

// TestLimitsOfProcessors lowers the long-term limit of both packages and nothing
// else, from what it was before and not from what it is, and puts it back.
func TestLimitsOfProcessors(t *testing.T) {
	s, dir := newSockets(t), t.TempDir()
	l := openedLimits(t, dir, knobsHere(s.root), Processors)
	for _, step := range []struct {
		part int
		want string
	}{{900, "184500000 184500000"}, {500, half}, {1000, free}, {1000, free}, {500, half}} {
		held := mustHold(t, l, step.part)
		if got := s.holds(); got != step.want || held[Processors] != (step.part < whole) {
			t.Errorf("held to %d: %s, held %v", step.part, got, held)
		}
	}
	for _, zone := range []string{"intel-rapl-mmio:0"} { // shows a package a second time: the same part of it
		b, _ := os.ReadFile(filepath.Join(s.root, "class/powercap", zone, powercapLimit))
		if got := strings.TrimSpace(string(b)); got != "205000000" {
			t.Errorf("%s is at %s", zone, got)
		}
	}
	if b, _ := os.ReadFile(filepath.Join(s.root, "class/powercap/intel-rapl:2", powercapLimit)); strings.TrimSpace(string(b)) != "205000000" {
		t.Errorf("the platform's limit is changed: %s", b)
	}
	if err := l.close(); err != nil || s.holds() != free {
		t.Errorf("closed: %s, %v", s.holds(), err)
	}
	if _, err := os.Stat(filepath.Join(dir, fileLimits)); !os.IsNotExist(err) {
		t.Errorf("nothing is held, and there is a file: %v", err)
	}
}

func openedLimits(t *testing.T, dir string, found map[string]knob, kinds ...string) *powerLimits {
	t.Helper()
	l, err := openLimits(dir, found)
	if err == nil {
		err = l.allow(kinds)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestLimitsAfterKill: what a server that was killed left in force is known again,
// goes on, and ends at what there was before it.
func TestLimitsAfterKill(t *testing.T) {
	s, dir := newSockets(t), t.TempDir()
	mustHold(t, openedLimits(t, dir, knobsHere(s.root), Processors), 500) // and is never closed
	if was := HeldBefore(dir); was["processors/intel-rapl:0"] != 205_000 || len(was) != 2 {
		t.Errorf("held: %v", was)
	}
	l := openedLimits(t, dir, knobsHere(s.root), Processors)
	if mustHold(t, l, 600); s.holds() != "123000000 123000000" {
		t.Errorf("another part, of what was before: %s", s.holds())
	}
	if mustHold(t, l, whole); s.holds() != free {
		t.Errorf("let go: %s", s.holds())
	}
	// A world that does not allow it any more lets go at once.
	mustHold(t, l, 500)
	if openedLimits(t, dir, knobsHere(s.root)); s.holds() != free || HeldBefore(dir) != nil {
		t.Errorf("not allowed any more: %s, %v", s.holds(), HeldBefore(dir))
	}
	// A machine that was started anew has its limits anew: the file says nothing.
	mustHold(t, openedLimits(t, dir, knobsHere(s.root), Processors), 500)
	if err := taskDir(dir).write(fileLimits, limitsRecord{Boot: "another", Before: map[string]int64{"processors/intel-rapl:0": 1}}); err != nil {
		t.Fatal(err)
	}
	s.write("intel-rapl:0", powercapLimit, "150000000")
	l = openedLimits(t, dir, knobsHere(s.root), Processors)
	if err := l.close(); err != nil || s.holds() != "150000000 102500000" {
		t.Errorf("after a restart of the machine: %s, %v", s.holds(), err)
	}
	if err := os.WriteFile(filepath.Join(dir, fileLimits), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openLimits(dir, knobsHere(s.root)); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a file that was cut: %v", err)
	}
}

// TestLimitsThatCannotBe: a locked limit, a missing one, and one that may not be
// written are said, and what can be held is.
func TestLimitsThatCannotBe(t *testing.T) {
	s := newSockets(t)
	l := openedLimits(t, t.TempDir(), knobsHere(s.root), Processors)
	s.write("intel-rapl:0", powercapLimit, "what")
	held, err := l.hold(500)
	if err == nil || held[Processors] || s.holds() != "what 102500000" {
		t.Errorf("one package says nothing: %v, held %v, %s", err, held, s.holds())
	}
	if _, err := (&powercap{root: t.TempDir()}).list(); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("no packages: %v", err)
	}
	if err := (&powercap{root: s.root}).set("../intel-rapl:0", 1); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a name with a path: %v", err)
	}
	if err := (&powercap{root: s.root}).set("intel-rapl:7", 1); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("no such package: %v", err)
	}
	if _, err := os.Stat(filepath.Join(s.root, "class/powercap/intel-rapl:7")); err == nil {
		t.Error("a package was made")
	}
	// Firmware that keeps its limit: the kernel takes the write and the value stays.
	locked := filepath.Join(s.root, "class/powercap/intel-rapl:1", powercapLimit)
	if err := os.Remove(locked); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/null", locked); err != nil {
		t.Fatal(err)
	}
	if err := (&powercap{root: s.root}).set("intel-rapl:1", 100_000); err == nil {
		t.Error("a limit that does not stay was taken")
	}
}

// TestThrottleByHardware holds a whole engine: processors by their own limit, so
// that tasks keep their CPU time, until the engine is closed.
func TestThrottleByHardware(t *testing.T) {
	s, dir := newSockets(t), stateDir(t)
	e := open(t, Options{Dir: dir, Sysfs: s.root})
	if os.Geteuid() != 0 {
		if err := e.LimitBy([]string{Processors}); fault.KindOf(err) != fault.Denied {
			t.Errorf("without root: %v", err)
		}
		t.Skip("needs root: hardware takes limits from root alone")
	}
	if err := e.Throttle(context.Background(), 500); s.holds() != free {
		t.Errorf("nobody allowed it: %s, %v", s.holds(), err)
	}
	if err := e.LimitBy([]string{"fans"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("no such hardware: %v", err)
	}
	if err := e.LimitBy([]string{Processors}); err != nil {
		t.Fatal(err)
	}
	o := shell(1, "sleep 60")
	o.CPU = 1000
	if err := e.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	<-e.Reports()
	if err := e.Throttle(context.Background(), 500); err != nil || s.holds() != half {
		t.Fatalf("%s, %v", s.holds(), err)
	}
	if e.site.cgroups.has("cpu") {
		if limit := cpuLimit(t, e.site.cgroups, o.Key); limit != "none" {
			t.Errorf("the processors slow down by themselves, and the task is held to %s as well", limit)
		}
	}
	if err := e.Throttle(context.Background(), 700); err != nil || s.holds() != "143500000 143500000" {
		t.Errorf("%s, %v", s.holds(), err)
	}
	if err := e.Stop(t.Context(), o.Key, 0); err != nil {
		t.Error(err)
	}
	await(t, e, o.Key)
	if err := e.Close(); err != nil || s.holds() != free {
		t.Errorf("closed: %s, %v", s.holds(), err)
	}
	var _ engine.Throttler = e
}

// TestKnobsHere looks at this machine's own hardware and changes nothing.
func TestKnobsHere(t *testing.T) {
	for _, k := range Knobs() {
		if len(k.List) == 0 {
			t.Logf("notice: no %s that keep a limit: %v", k.Kind, k.Err)
		}
		for _, x := range k.List {
			if x.Now <= 0 || x.Most > 0 && x.Least > x.Most {
				t.Errorf("%s %+v", k.Kind, x)
			}
			t.Log(k.Kind, fmt.Sprintf("%+v", x))
		}
	}
}
