package local

import (
	"slices"
	"strings"

	"tianfu/fault"
)

// Between the shim and the command stand programs that make the sandbox:
// bubblewrap and setpriv, an OCI runtime, or our own confine. Where the server is
// root they are root, and a variable that the loader or the C library acts on
// would run the tenant's code in them. So they never see one: the command alone
// does.

// libraryVariables are those that glibc itself ignores in privileged programs
// (sysdeps/generic/unsecvars.h), beside LD_* and MALLOC_*.
var libraryVariables = [...]string{
	"GCONV_PATH", "GETCONF_DIR", "GLIBC_TUNABLES", "HOSTALIASES", "LOCALDOMAIN", "LOCPATH", "NIS_PATH", "NLSPATH", "RESOLV_HOST_CONF", "RES_OPTIONS", "TZDIR",
}

// steersLoader tells whether a variable, as NAME=VALUE, changes which code a
// program loads or how its C library works.
func steersLoader(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	return strings.HasPrefix(name, "LD_") || strings.HasPrefix(name, "MALLOC_") || slices.Contains(libraryVariables[:], name)
}

// launchEnv is the environment of the first program that the shim starts.
// Bubblewrap hands on what it has, so it has all that is harmless; the others are
// told the task's environment by file and get the task's name only, by which
// recovery finds its processes.
func (s *spec) launchEnv() []string {
	if s.Gated {
		return slices.DeleteFunc(slices.Clone(s.Env), steersLoader)
	}
	out := []string{"PATH=" + defaultPath}
	for _, v := range s.Env {
		if strings.HasPrefix(v, "TIANFU_JOB=") || strings.HasPrefix(v, "TIANFU_TASK=") {
			out = append(out, v)
		}
	}
	return out
}

// loaderStep returns the last step before a command in a sandbox, which gives it
// the variables that the steps before must not see; nothing for a command without
// such. They stand in the arguments of env for an instant, where the others must
// not: those may be secrets.
func (s *site) loaderStep(sp *spec) ([]string, error) {
	var set []string
	for _, v := range sp.Env {
		if steersLoader(v) {
			set = append(set, v)
		}
	}
	name, _, _ := strings.Cut(strings.Join(set, " "), "=")
	switch {
	case len(set) == 0:
		return nil, nil
	case s.env == "":
		return nil, fault.New(fault.Denied, "env."+name, "cannot be set: env (coreutils) is not installed", "install it, or set the variable in the command")
	case strings.Contains(sp.Order.Command[0], "="):
		return nil, fault.New(fault.Denied, "env."+name, "cannot be set for a program with = in its name", "call the program through sh -c")
	}
	return append([]string{s.env}, set...), nil
}
