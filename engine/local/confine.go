package local

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"

	"tianfu/engine"
)

// confine is what runs between the shim and the command where there is no
// sandbox: it takes the process its privileges and becomes the command. A
// failure has a shell's exit codes: 126 for what cannot be done, 127 for a
// program that does not exist.
func confine(dir taskDir) int {
	runtime.LockOSThread()
	var sp spec
	if err := dir.read(fileSpec, &sp); err != nil {
		return refuse(126, err)
	}
	parent := os.Getppid()
	if err := sp.ownFiles(dir); err != nil {
		return refuse(126, err)
	}
	if err := sp.dropUser(); err != nil {
		return refuse(126, err)
	}
	// The change of user has undone it, and the shim may have died meanwhile.
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	if os.Getppid() != parent {
		return 126
	}
	if err := os.Chdir(sp.Dir); err != nil {
		return refuse(126, err)
	}
	os.Clearenv()
	for _, kv := range sp.Env {
		for i := range kv {
			if kv[i] == '=' {
				os.Setenv(kv[:i], kv[i+1:])
				break
			}
		}
	}
	path, err := exec.LookPath(sp.Order.Command[0])
	if err != nil {
		return refuse(127, err)
	}
	if sp.Level == engine.LevelLandlock {
		if err := sp.landlock(); err != nil {
			return refuse(126, err)
		}
	} else if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return refuse(126, err)
	}
	for _, r := range sp.rlimits() { // last: they bind us too
		_ = unix.Setrlimit(r.resource, &unix.Rlimit{Cur: r.value, Max: r.value})
	}
	err = syscall.Exec(path, sp.Order.Command, sp.Env)
	return refuse(126, fmt.Errorf("start %s: %w", path, err))
}

func refuse(code int, err error) int {
	fmt.Fprintln(os.Stderr, "tianfu:", err)
	return code
}

// ownFiles gives the task its own /tmp and working directory, where the shim
// could make a mount namespace.
func (s *spec) ownFiles(dir taskDir) error {
	if s.Clone&unix.CLONE_NEWNS == 0 {
		return nil
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	work := dir.path(dirTmp) + "/work"
	if err := os.Mkdir(work, 0o700); err != nil && !os.IsExist(err) {
		return err
	}
	if err := unix.Mount(dir.path(dirWork), work, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount the working directory: %w", err)
	}
	if err := s.keepMounts(dir); err != nil {
		return err
	}
	if err := unix.Mount(dir.path(dirTmp), "/tmp", "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mount /tmp: %w", err)
	}
	return nil
}

// keepMounts lets the order's mounts below /tmp show through the task's own.
func (s *spec) keepMounts(dir taskDir) error {
	for _, m := range s.Order.Mounts {
		rest, below := strings.CutPrefix(m.Target, "/tmp/")
		if !below {
			continue
		}
		err := unix.Mount(m.Source, filepath.Join(dir.path(dirTmp), rest), "", unix.MS_BIND|unix.MS_REC, "")
		if err != nil {
			return fmt.Errorf("mount %s: %w", m.Target, err)
		}
	}
	return nil
}

func (s *spec) dropUser() error {
	if s.UID < 0 {
		return nil
	}
	if err := syscall.Setgroups(nil); err != nil {
		return fmt.Errorf("drop groups: %w", err)
	}
	if err := syscall.Setresgid(s.UID, s.UID, s.UID); err != nil {
		return fmt.Errorf("become group %d: %w", s.UID, err)
	}
	if err := syscall.Setresuid(s.UID, s.UID, s.UID); err != nil {
		return fmt.Errorf("become user %d: %w", s.UID, err)
	}
	return nil
}

// landlock leaves the task the system to read, its own directories to write,
// and of /proc what says something about the machine or itself.
func (s *spec) landlock() error {
	own := []string{s.Home, "/dev/shm"}
	if s.Clone != 0 {
		own = append(own, "/tmp")
	} else {
		own = append(own, s.Home+"/../"+dirTmp)
	}
	self := "/proc/" + strconv.Itoa(os.Getpid())
	rules := []landlock.Rule{
		landlock.RODirs("/sys/devices/system", "/proc/sys", self).IgnoreIfMissing(),
		landlock.ROFiles("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems", "/proc/version", "/proc/loadavg", "/proc/uptime").IgnoreIfMissing(),
		landlock.RWDirs(own...).IgnoreIfMissing(),
		landlock.RWFiles("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom").IgnoreIfMissing(),
	}
	for _, p := range s.Show {
		if info, err := os.Stat(p); err == nil && info.IsDir() {
			rules = append(rules, landlock.RODirs(p).IgnoreIfMissing())
		} else {
			rules = append(rules, landlock.ROFiles(p).IgnoreIfMissing())
		}
	}
	if devices := deviceFiles(&s.Order); len(devices) > 0 {
		rules = append(rules, landlock.RWFiles(devices...).WithIoctlDev(), landlock.RODirs("/sys"))
	}
	for _, m := range s.Order.Mounts {
		info, err := os.Stat(m.Source)
		switch {
		case err != nil:
			return err
		case info.IsDir() && m.Writable:
			rules = append(rules, landlock.RWDirs(m.Source))
		case info.IsDir():
			rules = append(rules, landlock.RODirs(m.Source))
		case m.Writable:
			rules = append(rules, landlock.RWFiles(m.Source))
		default:
			rules = append(rules, landlock.ROFiles(m.Source))
		}
	}
	c := landlock.V7.BestEffort()
	if err := c.RestrictPaths(rules...); err != nil {
		return fmt.Errorf("landlock: files: %w", err)
	}
	if !s.Order.Network {
		if err := c.RestrictNet(); err != nil {
			return fmt.Errorf("landlock: network: %w", err)
		}
	}
	if err := c.RestrictScoped(); err != nil {
		return fmt.Errorf("landlock: signals: %w", err)
	}
	return nil
}
