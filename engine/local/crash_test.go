package local

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tianfu/engine"
	"tianfu/job"
)

// serveForTest is a server without a head: it starts task after task, says each
// key once its Start has returned, and waits to be killed.
func serveForTest(args []string) int {
	dir, ran, level := args[0], args[1], engine.Level(args[2])
	first, _ := strconv.Atoi(args[3])
	e, err := Open(Options{Dir: dir, AtMost: level})
	if err != nil {
		fmt.Println("failed", err)
		return 1
	}
	go func() {
		for range e.Reports() {
		}
	}()
	for n := first; ; n++ {
		o := countedTask(n, ran)
		if err := e.Start(context.Background(), o); err != nil {
			fmt.Println("failed", err)
			return 1
		}
		fmt.Println(n)
	}
}

// countedTask leaves a line in a file of its own each time it runs.
func countedTask(n int, ran string) engine.Order {
	o := shell(0, "echo ran >> %s/%d; sleep 0.05; exit %d", ran, n, n%5)
	o.Key.Job = job.ID(n)
	o.Mounts = []engine.Mount{{Source: ran, Target: ran, Writable: true}}
	return o
}

// TestServerKilled kills the server at random moments and starts it again over
// the same directory. Every order that it accepted runs once and ends once.
func TestServerKilled(t *testing.T) {
	kills := 8
	if testing.Short() {
		kills = 3
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	dir, ran := stateDir(t), t.TempDir()
	if err := os.Chmod(ran, 0o777); err != nil {
		t.Fatal(err)
	}
	openUp(t, ran)
	level := engine.LevelSandbox
	next := 1
	for range kills {
		next = killServer(t, []string{dir, ran, string(level), strconv.Itoa(next)}, 1+r.IntN(12))
	}
	e := open(t, Options{Dir: dir, AtMost: level})
	list, err := e.Tasks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < next-1 {
		t.Errorf("%d orders were accepted, %d are known", next-1, len(list))
	}
	ends := map[engine.Key]engine.Report{}
	for late := time.After(60 * time.Second); len(ends) < len(list); {
		select {
		case rep := <-e.Reports():
			if rep.Kind != engine.Exited && rep.Kind != engine.Lost {
				continue
			}
			if _, twice := ends[rep.Key]; twice {
				t.Errorf("%s ended twice", rep.Key)
			}
			ends[rep.Key] = rep
		case <-late:
			t.Fatalf("%d of %d tasks ended", len(ends), len(list))
		}
	}
	for _, s := range list {
		n := int(s.Key.Job)
		want := engine.Exit{Cause: engine.CauseExit, Code: n % 5}
		if got := ends[s.Key].Exit; got != want {
			t.Errorf("%s: %+v, want %+v", s.Key, got, want)
		}
		if text, _ := os.ReadFile(filepath.Join(ran, strconv.Itoa(n))); string(text) != "ran\n" {
			t.Errorf("%s ran %d times", s.Key, strings.Count(string(text), "ran"))
		}
	}
	t.Logf("%d tasks over %d kills", len(list), kills)
}

// killServer runs a server until it has said n lines and kills it. It returns
// the number after the last one said: orders cut off by the kill have none.
func killServer(t *testing.T, args []string, n int) int {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", append([]string{"serve-for-test"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	sc := bufio.NewScanner(out)
	next, _ := strconv.Atoi(args[3])
	for i := 0; sc.Scan(); i++ {
		got, err := strconv.Atoi(sc.Text())
		if err != nil {
			t.Fatalf("server: %s", sc.Text())
		}
		next = got + 1
		if i == n {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait()
	return next
}

// openUp lets other users pass through the directories of a test.
func openUp(t *testing.T, path string) {
	t.Helper()
	for p := filepath.Dir(path); strings.HasPrefix(p, os.TempDir()+"/"); p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// lingering is a task with descendants that leave its process group.
func lingering(n int, mark string) engine.Order {
	return shell(n, "sleep %s & setsid sleep %s & echo ready; wait", mark, mark)
}

// sleeping counts the processes that sleep for mark seconds.
func sleeping(mark string) int {
	n := 0
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		text, _ := os.ReadFile(f)
		if string(text) == "sleep\x00"+mark+"\x00" {
			n++
		}
	}
	return n
}

func awaitNone(t *testing.T, mark string) {
	t.Helper()
	for range 5000 {
		if sleeping(mark) == 0 {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Errorf("%d processes of the task live", sleeping(mark))
}

func shimOf(t *testing.T, dir string, k engine.Key) int {
	t.Helper()
	j, err := taskDir(filepath.Join(dir, dirTasks, k.String())).journal()
	if err != nil || j.shim == 0 {
		t.Fatal(j, err)
	}
	return j.shim
}

// TestShimKilled kills the shim itself, with the server watching and without.
func TestShimKilled(t *testing.T) {
	for i, watching := range []bool{true, false} {
		t.Run(fmt.Sprintf("server up %v", watching), func(t *testing.T) {
			dir := stateDir(t)
			e := open(t, Options{Dir: dir})
			mark := fmt.Sprintf("98765.%d%d", os.Getpid(), i)
			o := lingering(0, mark)
			if err := e.Start(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			waitLine(t, e, o.Key, "ready")
			pid := shimOf(t, dir, o.Key)
			if !watching {
				e.Close()
			}
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if !watching {
				e = open(t, Options{Dir: dir})
			}
			r := await(t, e, o.Key)
			if r.Kind != engine.Lost || !strings.Contains(r.Exit.Detail, "shim was killed") {
				t.Errorf("%+v", r)
			}
			awaitNone(t, mark)
			if err := e.Start(t.Context(), o); err != nil {
				t.Error(err)
			}
			e.Close()
			e = open(t, Options{Dir: dir})
			if again := await(t, e, o.Key); again.Exit != r.Exit {
				t.Errorf("the second time %+v", again)
			}
		})
	}
}

// TestTasksLeaveNothing ends a task whose descendants hide from its group.
func TestTasksLeaveNothing(t *testing.T) {
	for i, level := range []engine.Level{engine.LevelSandbox, engine.LevelLandlock, engine.LevelProcess} {
		t.Run(string(level), func(t *testing.T) {
			dir := stateDir(t)
			e := open(t, Options{Dir: dir, AtMost: level})
			mark := fmt.Sprintf("87654.%d%d", os.Getpid(), i)
			o := shell(0, "setsid sleep %s & (sleep %s &) ; echo ready; exit 0", mark, mark)
			if r, _, _ := run(t, e, o); !r.Exit.OK() {
				t.Errorf("%+v", r)
			}
			if n := sleeping(mark); n != 0 {
				t.Errorf("%d processes live after the end was reported", n)
			}
			if c := e.site.cgroups.load(o.Key.String()); c != nil {
				t.Errorf("its cgroup %s is still there", c.path)
			}
		})
	}
}

// TestReboot opens a directory of an earlier boot: nothing of it starts again,
// not even what had not begun.
func TestReboot(t *testing.T) {
	dir := stateDir(t)
	e := open(t, Options{Dir: dir})
	ran := shell(0, "echo ready; sleep 1000")
	if err := e.Start(t.Context(), ran); err != nil {
		t.Fatal(err)
	}
	waitLine(t, e, ran.Key, "ready")
	e.Close()
	if err := unix.Kill(shimOf(t, dir, ran.Key), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waiting := shell(1, "exit 0")
	e.site.boot = "another boot" // of an engine that is closed: it only prepares
	control, err := e.prepare(waiting)
	if err != nil {
		t.Fatal(err)
	}
	control.Close()
	d := e.dirIn(dirTasks, ran.Key)
	var sp spec
	if err := d.read(fileSpec, &sp); err != nil {
		t.Fatal(err)
	}
	sp.Boot = "another boot"
	if err := d.write(fileSpec, sp); err != nil {
		t.Fatal(err)
	}
	e = open(t, Options{Dir: dir})
	seen := map[engine.Key]bool{}
	for range 2 {
		for {
			r := <-e.Reports()
			if r.Kind == engine.Started {
				continue
			}
			if r.Kind != engine.Lost || !strings.Contains(r.Exit.Detail, "restarted") || seen[r.Key] {
				t.Errorf("%+v", r)
			}
			seen[r.Key] = true
			break
		}
	}
}

// TestManyShims sets shims upon one task: one takes it.
func TestManyShims(t *testing.T) {
	dir, ran := stateDir(t), t.TempDir()
	if err := os.Chmod(ran, 0o777); err != nil {
		t.Fatal(err)
	}
	openUp(t, ran)
	e := open(t, Options{Dir: dir})
	o := countedTask(3, ran)
	control, err := e.prepare(o)
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	var wg sync.WaitGroup
	codes := make([]int, 8)
	for i := range codes {
		wg.Go(func() {
			cmd := exec.Command("/proc/self/exe", "shim", string(e.dirIn(dirTasks, o.Key)))
			_ = cmd.Run()
			codes[i] = cmd.ProcessState.ExitCode()
		})
	}
	wg.Wait()
	took := 0
	for _, c := range codes {
		switch c {
		case shimDone:
			took++
		case shimSecond:
		default:
			t.Errorf("a shim ended with %d", c)
		}
	}
	text, _ := os.ReadFile(filepath.Join(ran, "3"))
	if took != 1 || string(text) != "ran\n" {
		t.Errorf("%d shims took the task; it wrote %q", took, text)
	}
	e.Close()
	e = open(t, Options{Dir: dir})
	if r := await(t, e, o.Key); r.Exit != (engine.Exit{Cause: engine.CauseExit, Code: 3}) {
		t.Errorf("%+v", r)
	}
}

// TestDamage opens a directory whose records are cut: each task is lost, none
// starts, the others go on.
func TestDamage(t *testing.T) {
	dir := stateDir(t)
	e := open(t, Options{Dir: dir})
	good, cut, order := shell(0, "exit 3"), shell(1, "exit 3"), shell(2, "exit 3")
	for _, o := range []engine.Order{good, cut} {
		run(t, e, o)
	}
	e.Close()
	control, err := e.prepare(order)
	if err != nil {
		t.Fatal(err)
	}
	control.Close()
	path := e.dirIn(dirTasks, cut.Key).path(fileShim)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()-3); err != nil { // in the midst of its end
		t.Fatal(err)
	}
	if err := os.Truncate(e.dirIn(dirTasks, order.Key).path(fileSpec), 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, dirTasks, newTask+"j-9.0.1"), 0o700); err != nil {
		t.Fatal(err)
	}
	e = open(t, Options{Dir: dir})
	kinds := map[engine.Key]engine.Kind{}
	for len(kinds) < 3 {
		if r := <-e.Reports(); r.Kind != engine.Started {
			kinds[r.Key] = r.Kind
		}
	}
	if kinds[good.Key] != engine.Exited || kinds[cut.Key] != engine.Lost || kinds[order.Key] != engine.Lost {
		t.Errorf("%v", kinds)
	}
	if _, err := os.Stat(filepath.Join(dir, dirTasks, newTask+"j-9.0.1")); err == nil {
		t.Error("what was being prepared is still there")
	}
	if _, err := Open(Options{Dir: dir}); err == nil {
		t.Error("two engines over one directory")
	}
}
