package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/cgroups/v3"
	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/containerd/cgroups/v3/cgroup2"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tianfu/engine"
)

// cgroupSite is where this machine lets us make cgroups.
type cgroupSite struct {
	Version     int      `json:"version"` // 1, 2, or 0 for none
	Mount       string   `json:"mount"`
	Parent      string   `json:"parent"`      // e.g. "/tianfu-1b2c3d4e.slice"
	Controllers []string `json:"controllers"` // of cpu, memory, pids: those in force
}

func (s cgroupSite) has(controller string) bool { return slices.Contains(s.Controllers, controller) }

// findCgroups looks for cgroups that can be written and tries them. A version
// of 0 comes with the reason.
func findCgroups(parent string) (cgroupSite, error) {
	s := cgroupSite{Version: 1, Mount: "/sys/fs/cgroup", Parent: parent}
	if cgroups.Mode() == cgroups.Unified {
		s.Version = 2
	}
	if s.Version == 2 {
		text, _ := os.ReadFile(filepath.Join(s.Mount, "cgroup.controllers"))
		for _, c := range strings.Fields(string(text)) {
			if c == "cpu" || c == "memory" || c == "pids" {
				s.Controllers = append(s.Controllers, c)
			}
		}
	} else {
		for _, c := range []string{"cpu", "memory", "pids"} {
			if _, err := os.Stat(filepath.Join(s.Mount, c, "cgroup.procs")); err == nil {
				s.Controllers = append(s.Controllers, c)
			}
		}
	}
	if len(s.Controllers) == 0 {
		return cgroupSite{}, errors.New("no cpu, memory or pids controller is mounted at " + s.Mount)
	}
	c, err := s.create("probe-"+strconv.Itoa(os.Getpid()), limits{processes: 16})
	if err != nil {
		return cgroupSite{}, err
	}
	c.remove()
	return s, nil
}

// limits of one task's cgroup.
type limits struct {
	milliCPU  int64
	quota     bool
	memory    int64 // bytes; 0 = none
	processes int64
}

// cgroup is the cgroup of one task.
type cgroup struct {
	site cgroupSite
	path string
	v1   cgroup1.Cgroup
	v2   *cgroup2.Manager
	oci  bool // an OCI runtime ran in it
}

const (
	cpuPeriod   = 100_000 // microseconds
	leastShares = 128     // an eighth of a CPU
)

func (s cgroupSite) create(name string, l limits) (*cgroup, error) {
	c := &cgroup{site: s, path: filepath.Join(s.Parent, name)}
	r := l.resources(s)
	var err error
	if s.Version == 2 {
		res := cgroup2.ToResources(r)
		if s.has("memory") {
			if res.Memory == nil { // counted even where it is not limited
				res.Memory = &cgroup2.Memory{}
			}
			group := true // the kernel kills the task, not a process of it
			res.Memory.OOMGroup = &group
		}
		c.v2, err = cgroup2.NewManager(s.Mount, c.path, res)
	} else {
		c.v1, err = cgroup1.New(cgroup1.StaticPath(c.path), r, cgroup1.WithHierarchy(s.hierarchy))
	}
	if err != nil {
		return nil, fmt.Errorf("make cgroup %s: %w", c.path, err)
	}
	return c, nil
}

// load returns the cgroup of an earlier create, or nil when it is gone.
func (s cgroupSite) load(name string) *cgroup {
	c := &cgroup{site: s, path: filepath.Join(s.Parent, name)}
	var err error
	switch s.Version {
	case 2:
		if _, err = os.Stat(filepath.Join(s.Mount, c.path)); err == nil {
			c.v2, err = cgroup2.Load(c.path, cgroup2.WithMountpoint(s.Mount))
		}
	case 1:
		c.v1, err = cgroup1.Load(cgroup1.StaticPath(c.path), cgroup1.WithHierarchy(s.hierarchy))
	default:
		return nil
	}
	if err != nil {
		return nil
	}
	return c
}

// leave removes the parent of the tasks' cgroups where none is left below it;
// the kernel refuses while tasks run.
func (s cgroupSite) leave() {
	os.Remove(filepath.Join(s.Mount, s.Parent))
	for _, c := range []string{"cpu", "cpuacct", "memory", "pids"} {
		os.Remove(filepath.Join(s.Mount, c, s.Parent))
	}
}

// unread are counts of memory that nobody asks for; a dozen files are not read.
var unread = cgroup1.IgnoreModules("memsw", "kmem", "kmem.tcp")

// hierarchy names the v1 controllers we use; the library's own choice would
// make a directory in every one.
func (s cgroupSite) hierarchy() ([]cgroup1.Subsystem, error) {
	var out []cgroup1.Subsystem
	if s.has("cpu") {
		out = append(out, cgroup1.NewCpu(s.Mount))
		if _, err := os.Stat(filepath.Join(s.Mount, "cpuacct")); err == nil {
			out = append(out, cgroup1.NewCpuacct(s.Mount))
		}
	}
	if s.has("memory") {
		out = append(out, cgroup1.NewMemory(s.Mount, cgroup1.OptionalSwap(), unread))
	}
	if s.has("pids") {
		out = append(out, cgroup1.NewPids(s.Mount))
	}
	return out, nil
}

func (l limits) resources(s cgroupSite) *specs.LinuxResources {
	r := &specs.LinuxResources{}
	if s.has("cpu") {
		// A task that asks for next to nothing still has to start: its sandbox is
		// made inside the cgroup, and at the kernel's least weight that takes long
		// on a busy machine.
		shares := uint64(min(max(leastShares, l.milliCPU*1024/1000), 262144))
		r.CPU = &specs.LinuxCPU{Shares: &shares}
		if l.quota && l.milliCPU > 0 {
			quota, period := max(1000, l.milliCPU*cpuPeriod/1000), uint64(cpuPeriod)
			r.CPU.Quota, r.CPU.Period = &quota, &period
		}
	}
	if s.has("memory") && l.memory > 0 {
		limit := l.memory
		r.Memory = &specs.LinuxMemory{Limit: &limit, Swap: &limit}
	}
	if s.has("pids") && l.processes > 0 {
		limit := l.processes
		r.Pids = &specs.LinuxPids{Limit: &limit}
	}
	return r
}

// enter puts what the calling thread starts next into the cgroup and returns
// how to undo that. Version 2 starts a process inside by descriptor. Version 1
// cannot, but there a thread can be moved alone and its children follow: so no
// process ever runs outside its limits, and none has to be started to move
// itself. The thread must be locked.
func (c *cgroup) enter(attr *syscall.SysProcAttr) (leave func(), err error) {
	if c.v2 != nil {
		f, err := os.Open(filepath.Join(c.site.Mount, c.path))
		if err != nil {
			return nil, err
		}
		attr.UseCgroupFD, attr.CgroupFD = true, int(f.Fd())
		return func() { f.Close() }, nil
	}
	thread := cgroup1.Process{Pid: unix.Gettid()}
	if err := c.v1.AddTask(thread); err != nil {
		return nil, err
	}
	return func() {
		out, err := cgroup1.Load(cgroup1.StaticPath(c.site.Parent), cgroup1.WithHierarchy(c.site.hierarchy))
		if err == nil {
			_ = out.AddTask(thread) // a failure shows as a cgroup that cannot be removed
		}
	}, nil
}

// usage reads what the task has used: cpu time, peak and present memory.
func (c *cgroup) usage() (u engine.Usage, current int64) {
	if c.v2 != nil {
		m, err := c.v2.StatFiltered(cgroup2.StatCPU | cgroup2.StatMemory | cgroup2.StatMemoryEvents)
		if err != nil {
			return u, 0
		}
		u.CPUMicros = int64(m.GetCPU().GetUsageUsec())
		u.MemoryPeak = int64(m.GetMemory().GetMaxUsage())
		u.OOMKills = int64(m.GetMemoryEvents().GetOomKill())
		return u, int64(m.GetMemory().GetUsage())
	}
	m, err := c.v1.Stat(cgroup1.IgnoreNotExist)
	if err != nil {
		return u, 0
	}
	u.CPUMicros = int64(m.GetCPU().GetUsage().GetTotal() / 1000)
	u.MemoryPeak = int64(m.GetMemory().GetUsage().GetMax())
	u.OOMKills = int64(m.GetMemoryOomControl().GetOomKill())
	return u, int64(m.GetMemory().GetUsage().GetUsage())
}

// kill ends every process of the cgroup. Version 1 has no such call: there it
// goes round until nobody is left, and pids.max bounds what can be made between
// two rounds.
func (c *cgroup) kill() {
	if c.v2 != nil {
		_ = c.v2.Kill()
		return
	}
	subsystems := c.v1.Subsystems()
	if len(subsystems) == 0 {
		return
	}
	for range 200 {
		procs, err := c.v1.Processes(subsystems[0].Name(), true)
		if err != nil || len(procs) == 0 {
			return
		}
		for _, p := range procs {
			_ = unix.Kill(p.Pid, unix.SIGKILL)
		}
		time.Sleep(time.Millisecond)
	}
}

// drop removes an empty cgroup of version 1 with one call a hierarchy. The library
// reads every file below it first, which costs a short task as much as its start.
func (c *cgroup) drop() error {
	for _, s := range c.v1.Subsystems() {
		err := os.Remove(filepath.Join(c.site.Mount, string(s.Name()), c.path))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// remove deletes the empty cgroup; the kernel needs a moment after the last
// process has gone.
func (c *cgroup) remove() {
	for range 50 {
		var err error
		if c.v2 != nil {
			err = c.v2.Delete()
		} else if err = c.drop(); err != nil {
			err = c.v1.Delete()
		}
		if err == nil || c.site.load(filepath.Base(c.path)) == nil {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	if c.v1 == nil || !c.oci {
		return
	}
	// An OCI runtime makes its cgroup in every hierarchy, ours or not.
	for _, below := range []string{"image", ""} {
		left, _ := filepath.Glob(filepath.Join(c.site.Mount, "*", c.path, below))
		for _, d := range left {
			_ = os.Remove(d)
		}
	}
}
