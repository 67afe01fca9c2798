package local

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tianfu/engine"
)

func TestOutOfMemory(t *testing.T) {
	e := open(t, Options{Dir: stateDir(t)})
	if !e.site.cgroups.has("memory") {
		t.Skip("no memory cgroup: ", e.site.whyNotCgroups)
	}
	o := shell(1, "x=$(head -c 300000000 /dev/zero | tr '\\0' a); echo survived")
	o.Memory = 32
	r, out, _ := run(t, e, o)
	if r.Exit.Cause != engine.CauseMemory || r.Usage.OOMKills == 0 || out != "" {
		t.Errorf("%+v, wrote %q", r, out)
	}
	if r.Usage.MemoryPeak > 33<<20 || r.Usage.MemoryPeak < 16<<20 {
		t.Errorf("peak is %d bytes, the limit %d", r.Usage.MemoryPeak, 32<<20)
	}
	o = shell(2, "x=$(head -c 3000000 /dev/zero | tr '\\0' a); echo ${#x}")
	o.Memory = 64
	if r, out, _ := run(t, e, o); !r.Exit.OK() || out != "3000000\n" || r.Usage.OOMKills != 0 {
		t.Errorf("within its limit: %+v %q", r, out)
	}
}

func TestProcessLimit(t *testing.T) {
	e := open(t, Options{Dir: stateDir(t)})
	if !e.site.cgroups.has("pids") {
		t.Skip("no pids cgroup: ", e.site.whyNotCgroups)
	}
	o := shell(1, "for i in $(seq 100); do sleep 1000 & done; echo all")
	o.Processes = 30
	if r, out, errs := run(t, e, o); r.Exit.OK() || out != "" || !strings.Contains(strings.ToLower(errs), "fork") {
		t.Errorf("%+v %q %q", r.Exit, out, errs)
	}
}

func TestProcessLimitsCarried(t *testing.T) {
	for _, level := range []engine.Level{engine.LevelSandbox, engine.LevelLandlock, engine.LevelProcess} {
		e := open(t, Options{Dir: stateDir(t), AtMost: level})
		want := uint64(maxOpenFiles)
		var have unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &have); err == nil && have.Max < want {
			want = have.Max
		}
		if _, out, _ := run(t, e, shell(1, "ulimit -c; ulimit -n")); out != "0\n"+strconv.FormatUint(want, 10)+"\n" {
			t.Errorf("%s: core and files %q, want 0 and %d", level, out, want)
		}
	}
}

// TestWithoutCgroups runs where none can be made.
func TestWithoutCgroups(t *testing.T) {
	e := open(t, Options{Dir: stateDir(t)})
	e.site.cgroups = cgroupSite{}
	e.site.whyNotCgroups = os.ErrPermission
	o := shell(1, "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done")
	r, _, errs := run(t, e, o)
	if !r.Exit.OK() || r.Usage.CPUMicros < 1000 || r.Usage.MemoryPeak == 0 || r.Usage.ByteSeconds == 0 {
		t.Errorf("%+v %s", r, errs)
	}
	o = shell(2, "x=$(head -c 300000000 /dev/zero | tr '\\0' a) && echo ${#x}")
	o.Memory = 64
	if r, out, _ := run(t, e, o); r.Exit.OK() || out != "" {
		t.Errorf("beyond its address space: %+v %q", r, out)
	}
	p, err := e.Probe(t.Context())
	if err != nil || !strings.Contains(strings.Join(p.Gaps, "\n"), "no limit of the kernel") {
		t.Errorf("%+v %v", p.Gaps, err)
	}
}

// TestCgroupVersion2 holds the unified hierarchy to what it can do without
// controllers, where the machine keeps those in version 1.
func TestCgroupVersion2(t *testing.T) {
	s := cgroupSite{Version: 2, Mount: "/sys/fs/cgroup", Parent: "/tianfu-test.slice"}
	if _, err := os.Stat("/sys/fs/cgroup/unified/cgroup.procs"); err == nil {
		s.Mount = "/sys/fs/cgroup/unified"
	} else if text, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		s.Controllers = strings.Fields(string(text))
	}
	parent := filepath.Join(s.Mount, s.Parent)
	if err := os.Mkdir(parent, 0o755); err != nil && !os.IsExist(err) {
		t.Skip("no writable cgroup of version 2: ", err)
	}
	t.Cleanup(func() { os.Remove(parent) })
	e := open(t, Options{Dir: stateDir(t)})
	e.site.cgroups = s
	o := shell(1, "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; cat /proc/self/cgroup")
	r, out, errs := run(t, e, o)
	if !r.Exit.OK() || r.Usage.CPUMicros < 1000 || !strings.Contains(out, "0::") {
		t.Errorf("%+v %q %s", r, out, errs)
	}
	mark := "76543." + strconv.Itoa(os.Getpid())
	o = lingering(2, mark)
	if err := e.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	waitLine(t, e, o.Key, "ready")
	procs, err := os.ReadFile(filepath.Join(parent, o.Key.String(), "cgroup.procs"))
	if err != nil || len(strings.Fields(string(procs))) < 3 {
		t.Errorf("in its cgroup: %q %v", procs, err)
	}
	if err := e.Stop(t.Context(), o.Key, 0); err != nil {
		t.Fatal(err)
	}
	await(t, e, o.Key)
	awaitNone(t, mark)
	if _, err := os.Stat(filepath.Join(parent, o.Key.String())); err == nil {
		t.Error("its cgroup is still there")
	}
}

// TestUseIsReported reads samples while a task runs.
func TestUseIsReported(t *testing.T) {
	e := open(t, Options{Dir: stateDir(t), Interval: sampleEvery / 50})
	o := shell(1, "echo ready; while :; do sleep 0.05; done")
	if err := e.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	var last engine.Usage
	for n := 0; n < 2; {
		r := <-e.Reports()
		if r.Kind != engine.Used || r.Usage == last {
			continue
		}
		if r.Usage.CPUMicros < last.CPUMicros || r.Usage.WallMicros <= last.WallMicros || r.Usage.ByteSeconds < last.ByteSeconds {
			t.Errorf("use went back from %+v to %+v", last, r.Usage)
		}
		last = r.Usage
		n++
	}
	if err := e.Stop(t.Context(), o.Key, 0); err != nil {
		t.Fatal(err)
	}
	if r := await(t, e, o.Key); r.Usage.WallMicros < last.WallMicros || r.Usage.CPUMicros < last.CPUMicros {
		t.Errorf("the end says %+v, a sample before it %+v", r.Usage, last)
	}
}

func TestEnding(t *testing.T) {
	exit := func(code int) unix.WaitStatus { return unix.WaitStatus(code << 8) }
	for _, c := range []struct {
		name string
		e    ending
		want engine.Exit
	}{
		{"exit", ending{status: exit(3)}, engine.Exit{Cause: engine.CauseExit, Code: 3}},
		{"signal", ending{status: 9}, engine.Exit{Cause: engine.CauseSignal, Code: -1, Signal: "SIGKILL"}},
		{"137 by itself", ending{status: exit(137)}, engine.Exit{Cause: engine.CauseExit, Code: 137}},
		{"137 from a sandbox", ending{status: exit(137), wraps: true}, engine.Exit{Cause: engine.CauseSignal, Code: -1, Signal: "SIGKILL"}},
		{"200 from a sandbox", ending{status: exit(228), wraps: true}, engine.Exit{Cause: engine.CauseExit, Code: 228}},
		{"stopped", ending{status: exit(0), asked: engine.CauseStopped}, engine.Exit{Cause: engine.CauseStopped}},
		{"limit", ending{status: 15, asked: engine.CauseTimeLimit}, engine.Exit{Cause: engine.CauseTimeLimit, Code: -1, Signal: "SIGTERM"}},
		{"memory before limit", ending{status: 9, asked: engine.CauseTimeLimit, ooms: 1}, engine.Exit{Cause: engine.CauseMemory, Code: -1, Signal: "SIGKILL", Detail: "the kernel killed a process of the task at its memory limit"}},
		{"a child killed, the task well", ending{status: exit(0), ooms: 1}, engine.Exit{Cause: engine.CauseExit}},
	} {
		if got := c.e.exit(); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
