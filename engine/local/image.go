package local

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"tianfu/engine"
	"tianfu/fault"
)

// runtimeName is the OCI runtime that suits this machine. crun can be told to
// leave a task in the cgroup we made, but refuses machines with both versions of
// cgroups; runc makes one of its own, which version 1 allows below ours.
func (s *site) runtimeName() string {
	if s.cgroups.Version == 1 {
		return "runc"
	}
	return "crun"
}

// planImage runs a task in an unpacked image. An image is named by the absolute
// path of its root file system, below a directory that the operator keeps images
// in: any other directory of the machine would be shown to a tenant who may not
// mount it. References to a registry are refused: pulling, trusting and storing
// images is a matter of its own.
func (s *site) planImage(sp *spec, dir taskDir) error {
	image := sp.Order.Image
	root := strings.TrimPrefix(image, "dir:")
	if !filepath.IsAbs(root) {
		return fault.New(fault.Denied, "image "+image, "this engine runs unpacked images only, not references", "unpack it on the machine and name its directory: dir:"+s.images[0]+"/NAME")
	}
	if !slices.ContainsFunc(s.images, func(top string) bool { return below(top, filepath.Clean(root)) }) {
		return fault.New(fault.Denied, "image "+image, "does not lie below "+strings.Join(s.images, " or "), "unpack it there, or start the server with --images")
	}
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		return fault.New(fault.Denied, "image "+image, "is not a directory on this machine", "unpack the image there")
	}
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		return fault.New(fault.Denied, "image "+image, "is not a directory on this machine", "unpack the image there")
	}
	for _, h := range s.hide {
		if root == h || below(root, h) || below(h, root) || root == "/" {
			return fault.New(fault.Denied, "image "+image, "would show the server's own files", "keep images apart from the data directory")
		}
	}
	sp.Order.Image = "dir:" + root // what was looked at is what is run
	if s.runtime == "" {
		return fault.New(fault.Denied, "image "+image, "no OCI runtime is installed that suits this machine", "install "+s.runtimeName())
	}
	if os.Geteuid() != 0 || s.uids == nil {
		return fault.New(fault.Denied, "image "+image, "images are run only by a server that is root and gives each tenant a user", "run the server as root, or the job without an image")
	}
	if len(sp.Order.Devices) > 0 {
		return fault.New(fault.Denied, "image "+image, "devices are not handed to images by this engine", "run the job without an image")
	}
	sp.Dir, sp.Home, sp.Wraps = "/work", "/work", true
	sp.Level = engine.LevelSandbox
	sp.Argv = []string{s.runtime, "--root", dir.path(dirBundle) + "/state", "run", "--bundle", dir.path(dirBundle), sp.Order.Key.String()}
	if s.cgroups.Version != 1 {
		sp.Argv = slices.Insert(sp.Argv, 1, "--cgroup-manager=disabled")
	}
	return nil
}

// below tells whether a clean path lies below a directory.
func below(dir, path string) bool { return strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/") }

// container is the OCI configuration of an image task.
func (sp *spec) container(dir taskDir) *specs.Spec {
	o := &sp.Order
	c := &specs.Spec{
		Version:  "1.0.2",
		Hostname: "task",
		Root:     &specs.Root{Path: strings.TrimPrefix(o.Image, "dir:"), Readonly: true},
		Process: &specs.Process{
			User: specs.User{UID: uint32(sp.UID), GID: uint32(sp.UID)},
			Args: o.Command, Env: sp.Env, Cwd: sp.Dir,
			NoNewPrivileges: true,
			Capabilities:    &specs.LinuxCapabilities{},
			Rlimits:         []specs.POSIXRlimit{{Type: "RLIMIT_CORE"}, {Type: "RLIMIT_NOFILE", Hard: openFiles(), Soft: openFiles()}},
		},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777"}},
			{Destination: "/tmp", Type: "bind", Source: dir.path(dirTmp), Options: []string{"rbind", "rw", "nosuid", "nodev"}},
			{Destination: "/work", Type: "bind", Source: dir.path(dirWork), Options: []string{"rbind", "rw", "nosuid", "nodev"}},
		},
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{{Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace}, {Type: specs.MountNamespace}},
			MaskedPaths: []string{
				"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
				"/proc/sched_debug", "/proc/scsi", "/sys/firmware",
			},
			ReadonlyPaths: []string{"/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
	if sp.Cgroup.Version == 1 {
		c.Linux.CgroupsPath = filepath.Join(sp.Cgroup.Parent, o.Key.String(), "image")
	}
	if !o.Network {
		c.Linux.Namespaces = append(c.Linux.Namespaces, specs.LinuxNamespace{Type: specs.NetworkNamespace})
	}
	for _, m := range o.Mounts {
		access := "ro"
		if m.Writable {
			access = "rw"
		}
		c.Mounts = append(c.Mounts, specs.Mount{Destination: m.Target, Type: "bind", Source: m.Source, Options: []string{"rbind", access, "nosuid", "nodev"}})
	}
	return c
}
