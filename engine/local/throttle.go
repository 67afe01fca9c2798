package local

import (
	"context"
	"errors"

	"github.com/containerd/cgroups/v3/cgroup2"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"tianfu/engine"
	"tianfu/fault"
)

// Throttle holds the machine to a part of its power: by limits of the hardware where
// the world allows them (LimitBy), and every task to a part of the CPU time that it
// asked for where processors keep no limit: what a machine draws beyond idle goes
// with the time its CPUs are busy.
func (e *Engine) Throttle(_ context.Context, part int) error {
	if part < 1 || part > whole {
		return fault.Invalidf("throttle", "must be from 1 to 1000 thousandths")
	}
	held, failed := e.limits.hold(part)
	if failed != nil {
		// Not for trying again: the next order says anew what holds.
		failed = &fault.Error{Kind: fault.Denied, Where: "throttle", What: "limit the power of hardware", Err: failed}
	}
	if held[Processors] {
		part = whole // the processors slow down by themselves
	}
	return errors.Join(failed, e.holdTasks(part, held[Processors]))
}

// holdTasks holds tasks that run and those that start later to a part of their CPU
// time. spared says that nothing more than the processors' own limit is needed.
func (e *Engine) holdTasks(part int, spared bool) error {
	if !e.site.cgroups.has("cpu") {
		if spared {
			return nil
		}
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
