package sim

import "tianfu/sched"

// fixedColours lists what has the same colour on every page, so that pages of
// different runs can be laid side by side; the common ones first.
func fixedColours() map[string][]string {
	out := map[string][]string{"class": classNames[:], "idle": idleLabels[:]}
	for _, c := range [...]sched.Cause{
		sched.NoDevices, sched.GangPartial, sched.Reserved, sched.BehindHead, sched.NoCPU, sched.NoMemory, sched.Topology,
		sched.WrongModel, sched.Maintenance, sched.Cordoned, sched.Unhealthy, sched.Dependency, sched.Backoff,
	} {
		out["reason"] = append(out["reason"], c.String())
	}
	return out
}
