package local

import (
	"testing"

	"tianfu/engine"
)

// TestKeptFilesWin gives every attempt a file in the directory that outlives
// attempts: the first begins with it, later ones with what the one before made of
// it.
func TestKeptFilesWin(t *testing.T) {
	e := open(t, Options{Dir: stateDir(t)})
	attempt := func(generation uint32, script string) string {
		t.Helper()
		o := shell(1, "%s", script)
		o.Key.Generation, o.Keep = generation, "checkpoint"
		o.Files = []engine.File{{Path: "checkpoint/step", Data: []byte("0\n")}, {Path: "checkpoint/old/step", Data: []byte("0\n")}}
		r, out, errs := run(t, e, o)
		if r.Exit.Code != 3 {
			t.Fatalf("attempt %d: %+v: %s", generation, r.Exit, errs)
		}
		if err := e.Ack(t.Context(), o.Key); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := attempt(1, "cat checkpoint/step; echo 1 > checkpoint/step; rm -r checkpoint/old; echo plain > checkpoint/old; exit 3"); out != "0\n" {
		t.Errorf("the first attempt begins with %q", out)
	}
	if out := attempt(2, "cat checkpoint/step checkpoint/old; rm checkpoint/step; mkdir checkpoint/step; echo 2 > checkpoint/step/2; exit 3"); out != "1\nplain\n" {
		t.Errorf("the second attempt begins with %q", out)
	}
	if out := attempt(3, "cat checkpoint/step/2; exit 3"); out != "2\n" {
		t.Errorf("the third attempt begins with %q", out)
	}
}
