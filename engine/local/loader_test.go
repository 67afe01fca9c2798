package local

import (
	"os"
	"strings"
	"testing"

	"tianfu/engine"
)

// TestLoaderVariables gives a task a variable that the dynamic loader of every
// program acts on. The task's own program has it; what starts the task, and is
// root where the server is, must not: LD_PRELOAD there would run a tenant's code
// outside of the sandbox.
func TestLoaderVariables(t *testing.T) {
	for _, level := range []engine.Level{engine.LevelSandbox, engine.LevelLandlock, engine.LevelProcess} {
		t.Run(string(level), func(t *testing.T) {
			e := open(t, Options{Dir: stateDir(t), AtMost: level})
			if e.site.level != level {
				t.Skipf("this machine has no level %s: %v", level, e.site.whyNotSandbox)
			}
			o := shell(1, "true")
			o.Command = []string{"/bin/true"}
			o.Env = map[string]string{"LD_SHOW_AUXV": "1"}
			r, out, errs := run(t, e, o)
			if !r.Exit.OK() {
				t.Fatalf("%+v: %s", r.Exit, errs)
			}
			if n := strings.Count(out, "AT_PAGESZ"); n != 1 {
				t.Errorf("%d programs acted on it, want the task's own alone:\n%s", n, out)
			}
			if os.Geteuid() == 0 && e.site.uids != nil && strings.Contains(strings.ReplaceAll(out, " ", ""), "AT_EUID:0\n") {
				t.Error("a program of root acted on it")
			}
		})
	}
}
