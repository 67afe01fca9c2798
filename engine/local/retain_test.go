package local

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tianfu/engine"
	"tianfu/job"
)

// TestRetain forgets what is old or too much, the oldest first, and nothing
// that a later attempt may go on from.
func TestRetain(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name string
		l    Limits
		want []job.ID // that stay, of 1 to 5; 5 is the youngest, each has 1000 bytes, 2 is kept
	}{
		{"no limits", Limits{}, []job.ID{1, 2, 3, 4, 5}},
		{"age", Limits{Age: 140 * time.Minute}, []job.ID{2, 4, 5}},
		{"size", Limits{Bytes: 2000}, []job.ID{2, 5}},
		{"both", Limits{Age: 80 * time.Minute, Bytes: 4000}, []job.ID{2, 5}},
	} {
		e := &Engine{opts: Options{Dir: t.TempDir()}, tasks: map[engine.Key]*task{}}
		ready := make(chan struct{})
		close(ready)
		for id := job.ID(1); id <= 5; id++ {
			k := engine.Key{Job: id, Generation: 1}
			dir := filepath.Join(e.opts.Dir, dirDone, k.String())
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			name := filepath.Join(dir, "stdout.0")
			if err := os.WriteFile(name, make([]byte, 1000), 0o600); err != nil {
				t.Fatal(err)
			}
			at := now.Add(-time.Duration(6-id) * time.Hour).Add(30 * time.Minute)
			if err := os.Chtimes(name, at, at); err != nil {
				t.Fatal(err)
			}
			e.tasks[k] = &task{key: k, ready: ready, state: engine.Acked}
		}
		n, err := e.Retain(context.Background(), c.l, now, func(k engine.Key) bool { return k.Job == 2 })
		if err != nil || n != 5-len(c.want) {
			t.Errorf("%s: %d forgotten, %v", c.name, n, err)
		}
		var left []job.ID
		for k := range e.tasks {
			left = append(left, k.Job)
		}
		slices.Sort(left)
		list, _ := os.ReadDir(filepath.Join(e.opts.Dir, dirDone))
		if !slices.Equal(left, c.want) || len(list) != len(c.want) {
			t.Errorf("%s: %v stay, %d on the disk; want %v", c.name, left, len(list), c.want)
		}
	}
}
