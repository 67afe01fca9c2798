package local

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tianfu/engine"
	"tianfu/fault"
)

// unpacked makes the smallest image there is: one static program, our own test
// binary's interpreter aside. Machines without a C library in /lib64 have none.
func unpacked(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	openUp(t, root)
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"sh", "cat", "ls", "sleep", "id"} {
		path, err := exec.LookPath(program)
		if err != nil {
			t.Skip(err)
		}
		copyInto(t, root, path, filepath.Join("/bin", program))
		out, err := exec.Command("ldd", path).Output()
		if err != nil {
			continue // static
		}
		for _, f := range strings.Fields(string(out)) {
			if strings.HasPrefix(f, "/") {
				copyInto(t, root, f, f)
			}
		}
	}
	for _, d := range []string{"proc", "dev", "tmp", "work", "sys"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func copyInto(t *testing.T, root, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(root, to)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, data, 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestImage(t *testing.T) {
	root := unpacked(t)
	e := open(t, Options{Dir: stateDir(t), Images: []string{filepath.Dir(root)}})
	if e.site.runtime == "" || e.site.uids == nil {
		t.Skip("needs root and an OCI runtime")
	}
	image := func(n int, script string) engine.Order {
		o := shell(n, "%s", script)
		o.Image = "dir:" + root
		return o
	}
	o := image(1, "ls /; id -u; echo mine > $HOME/x && cat /work/x; echo x > /bin/y; cat given; exit 3")
	o.Files = []engine.File{{Path: "given", Data: []byte("a file\n")}}
	r, out, errs := run(t, e, o)
	if r.Exit != (engine.Exit{Cause: engine.CauseExit, Code: 3}) || !strings.Contains(out, "mine\na file\n") || strings.Contains(out, "usr") || strings.Contains(out, "\n0\n") || !strings.Contains(strings.ToLower(errs), "read-only") {
		t.Errorf("%+v\n%s\n%s", r.Exit, out, errs)
	}
	if r.Usage.CPUMicros == 0 {
		t.Errorf("nothing was counted: %+v", r.Usage)
	}
	o = image(2, "trap 'exit 4' TERM; echo ready; while :; do sleep 0.05; done")
	if err := e.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	waitLine(t, e, o.Key, "ready")
	if err := e.Stop(t.Context(), o.Key, engine.MaxGrace); err != nil {
		t.Fatal(err)
	}
	if r := await(t, e, o.Key); r.Exit != (engine.Exit{Cause: engine.CauseStopped, Code: 4}) {
		t.Errorf("%+v", r.Exit)
	}
	o = image(3, "echo ready; while :; do sleep 0.05; done")
	if err := e.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	waitLine(t, e, o.Key, "ready")
	if err := e.Stop(t.Context(), o.Key, 0); err != nil {
		t.Fatal(err)
	}
	if r := await(t, e, o.Key); r.Exit.Cause != engine.CauseStopped || r.Exit.Signal != "SIGKILL" {
		t.Errorf("%+v", r.Exit)
	}
	if e.site.cgroups.Version != 0 && e.site.cgroups.load(o.Key.String()) != nil {
		t.Error("its cgroup is still there")
	}
	if left, _ := filepath.Glob("/sys/fs/cgroup/*/tianfu-*.slice/" + o.Key.String()); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestImagesRefused names what is no image: above all directories of the machine
// that the tenant may not mount, by whatever path.
func TestImagesRefused(t *testing.T) {
	dir, top := stateDir(t), t.TempDir()
	other := filepath.Join(t.TempDir(), "data")
	for _, d := range []string{other, filepath.Join(top, "debian")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(dir, filepath.Join(top, "link")); err != nil {
		t.Fatal(err)
	}
	e := open(t, Options{Dir: dir, Images: []string{top}})
	for image, why := range map[string]string{
		"debian:12":                       "not references",
		"dir:../x":                        "not references",
		"dir:/":                           "does not lie below",
		"dir:/.":                          "does not lie below",
		"dir:" + dir:                      "does not lie below",
		"dir:" + other:                    "does not lie below",
		"dir:" + top:                      "does not lie below",
		"dir:" + top + "/":                "does not lie below",
		"dir:" + top + "x":                "does not lie below",
		"dir:" + top + "/../" + "etc":     "does not lie below",
		"dir:" + top + "/debian/../../..": "does not lie below",
		"dir:" + top + "/none":            "is not a directory",
		"dir:" + top + "/link":            "would show the server's own files",
	} {
		o := shell(1, "exit 0")
		o.Image = image
		if err := e.Start(t.Context(), o); fault.KindOf(err) != fault.Denied || err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want it denied because it %s", image, err, why)
		}
	}
}
