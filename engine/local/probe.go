package local

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tianfu/engine"
)

// Probe says at which level tasks run here and what that leaves open.
func (e *Engine) Probe(ctx context.Context) (engine.Probe, error) {
	s := e.site
	p := engine.Probe{Engine: "local", Level: s.level, By: s.by}
	p.Covers, p.Gaps = s.covers(), s.gaps()
	p.Findings = []engine.Finding{s.sandboxFinding(), s.userFinding(), s.cgroupFinding(), s.imageFinding()}
	p.Found = accelerators(ctx)
	return p, nil
}

func (s *site) sandboxFinding() engine.Finding {
	f := engine.Finding{Name: "sandbox", OK: s.level == engine.LevelSandbox, Detail: fmt.Sprintf("level %s, by %s", s.level, s.by)}
	if !f.OK {
		f.Detail += "; no sandbox: " + s.whyNotSandbox.Error()
		f.Fix = "install bubblewrap (Debian: apt install bubblewrap) and, for a server that is not root, allow unprivileged user namespaces"
	}
	return f
}

func (s *site) userFinding() engine.Finding {
	if s.uids != nil {
		return engine.Finding{Name: "users", OK: true, Detail: fmt.Sprintf("each tenant has a user of its own from %d on", s.uids.base)}
	}
	return engine.Finding{Name: "users", Detail: "all tasks run as the server's user: " + s.whyNotUIDs.Error(), Fix: "run the server as root on a machine that several tenants share"}
}

func (s *site) cgroupFinding() engine.Finding {
	c := s.cgroups
	if c.Version == 0 {
		return engine.Finding{Name: "cgroups", Detail: "none: " + s.whyNotCgroups.Error() + "; memory is bounded by address space, usage is read from ended processes", Fix: "run the server as root, or under systemd with Delegate=yes and name its cgroup"}
	}
	f := engine.Finding{Name: "cgroups", OK: true, Detail: fmt.Sprintf("version %d at %s%s: %s", c.Version, c.Mount, c.Parent, strings.Join(c.Controllers, ", "))}
	for _, want := range []string{"cpu", "memory", "pids"} {
		if !c.has(want) {
			f.OK = false
			f.Detail += "; no " + want
			f.Fix = "enable the missing controllers for " + c.Parent
		}
	}
	return f
}

func (s *site) imageFinding() engine.Finding {
	if s.runtime == "" {
		return engine.Finding{Name: "images", OK: true, Detail: "no OCI runtime: jobs with an image are refused", Fix: "install " + s.runtimeName() + ", if images are wanted"}
	}
	if s.uids == nil {
		return engine.Finding{Name: "images", OK: true, Detail: "jobs with an image are refused: a runtime is used only where tenants have users of their own", Fix: "run the server as root, if images are wanted"}
	}
	return engine.Finding{Name: "images", OK: true, Detail: "unpacked images (dir:/PATH) run by " + s.runtime}
}

func (s *site) covers() []string {
	out := []string{"a task has no input, no core files and only the environment its order lists", "a task cannot gain privileges (no_new_privs)"}
	switch s.level {
	case engine.LevelSandbox:
		out = append(out,
			"the system is read-only; of the rest of the machine's files only the mounts of the order exist",
			"the data directory, tokens, homes, /var and /run do not exist inside",
			"other processes can be neither seen nor signalled",
			"there is no network, loopback of its own aside, unless the order asks for it",
			"shared memory and message queues are its own",
		)
	case engine.LevelLandlock:
		out = append(out,
			"the system is read-only, its own directories and mounts aside; all other files cannot be opened",
			"processes outside the task cannot be traced, and /proc cannot be listed",
		)
		if s.landlock >= 4 || s.clone != 0 {
			out = append(out, "TCP is closed unless the order asks for the network")
		}
		if s.landlock >= 6 {
			out = append(out, "processes outside the task cannot be signalled")
		}
	}
	if s.clone != 0 {
		out = append(out, "there is no network unless the order asks for it", "/tmp and shared memory are its own")
	}
	if s.uids != nil {
		out = append(out, "each tenant's tasks run as a user of their own")
	}
	if s.cgroups.has("memory") {
		out = append(out, "memory is limited and counted by the kernel, and out of memory is named")
	}
	return out
}

func (s *site) gaps() []string {
	out := []string{
		"a weakness of the kernel is not contained: system calls are not filtered",
		"disk space, disk and network bandwidth of a task are not limited",
		"a task's device files are all of its maker's: the variable names those granted, the kernel does not hold it to them",
	}
	if !s.cgroups.has("memory") {
		out = append(out, "memory: no limit of the kernel; each process is held to the request by address space, and byte-seconds are peak times run time")
	}
	if !s.cgroups.has("cpu") {
		out = append(out, "CPU is not shared by request")
	}
	if !s.cgroups.has("pids") {
		out = append(out, "the number of processes is limited per user at best")
	}
	if s.uids == nil {
		out = append(out, "tasks of different tenants have the same user: files on a shared mount are everybody's")
	}
	switch s.level {
	case engine.LevelSandbox:
		out = append(out, "with the network a task reaches whatever the machine reaches, services on its loopback too")
	case engine.LevelLandlock:
		if s.clone == 0 {
			out = append(out, "the network: UDP and sockets of files are open", "shared memory (System V) is common")
		}
		if s.landlock < 6 {
			out = append(out, "signals to processes of the same user are not held back")
		}
		if s.clone == 0 && s.hidesBelowShown() {
			out = append(out, "a hidden directory lies below one that is shown, which is therefore not shown at all")
		}
	default:
		out = append(out, "files: whatever the task's user may read or write", "other processes are seen, and signalled where the user is the same")
		if s.clone == 0 {
			out = append(out, "the network is open to every task")
		}
	}
	return out
}

func (s *site) hidesBelowShown() bool {
	return slices.ContainsFunc(s.hide, func(h string) bool {
		return slices.ContainsFunc(append(system[:], s.show...), func(p string) bool { return strings.HasPrefix(h, p+"/") })
	})
}
