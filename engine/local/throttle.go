package local

import (
	"context"
	"errors"

	"github.com/containerd/cgroups/v3/cgroup2"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"tianfu/engine"
	"tianfu/fault"
)

// Throttle holds every task to a part of the CPU time that it asked for: what a
// machine draws beyond idle goes with the time its CPUs are busy. Clocks would
// save more, but who may set them differs from machine to machine; accelerators
// keep their own limits.
func (e *Engine) Throttle(_ context.Context, part int) error {
	if part < 1 || part > whole {
		return fault.Invalidf("throttle", "must be from 1 to 1000 thousandths")
	}
	if !e.site.cgroups.has("cpu") {
		return fault.New(fault.Denied, "throttle", "tasks have no cgroups with a cpu controller here", "run the server where it may make cgroups: tianfu doctor")
	}
	e.mu.Lock()
	e.part = part
	var running []engine.Key
	for k, t := range e.tasks {
		if t.state == engine.Running {
			running = append(running, k)
		}
	}
	e.mu.Unlock()
	var failed error
	for _, k := range running {
		failed = errors.Join(failed, e.hold(k, part))
	}
	if failed != nil {
		return fault.Wrap(failed, "throttle", "limit the CPU time of tasks")
	}
	return nil
}

// whole is no throttling.
const whole = 1000

// hold limits one task; one that has ended meanwhile is no error.
func (e *Engine) hold(k engine.Key, part int) error {
	var sp spec
	c := e.site.cgroups.load(k.String())
	if c == nil || e.dirIn(dirTasks, k).read(fileSpec, &sp) != nil {
		return nil
	}
	err := c.throttle(int64(sp.Order.CPU), part, sp.Quota)
	if err != nil && e.site.cgroups.load(k.String()) == nil {
		return nil
	}
	return err
}

// throttle limits the CPU time of the cgroup to a part of a request. At the whole
// it is what it was: the request where requests are quotas, else no limit.
func (c *cgroup) throttle(milliCPU int64, part int, quota bool) error {
	limit, period := int64(-1), uint64(cpuPeriod)
	if milliCPU > 0 && (part < whole || quota) {
		limit = max(1000, milliCPU*int64(part)/whole*cpuPeriod/1000)
	}
	if c.v2 == nil {
		return c.v1.Update(&specs.LinuxResources{CPU: &specs.LinuxCPU{Quota: &limit, Period: &period}})
	}
	most := cgroup2.NewCPUMax(nil, &period)
	if limit > 0 {
		most = cgroup2.NewCPUMax(&limit, &period)
	}
	return c.v2.Update(&cgroup2.Resources{CPU: &cgroup2.CPU{Max: most}})
}
