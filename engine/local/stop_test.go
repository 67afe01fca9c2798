package local

import (
	"testing"
	"time"

	"tianfu/engine"
)

// TestStopAtTheStart stops tasks the moment they are started. The signal comes
// before, while and after the sandbox forks the command: it must not fall on the
// sandbox's first process alone, or the task holds its devices for all its grace.
func TestStopAtTheStart(t *testing.T) {
	for _, level := range []engine.Level{engine.LevelSandbox, engine.LevelProcess} {
		e := open(t, Options{Dir: stateDir(t), AtMost: level})
		for n := range 40 {
			o := shell(n+1, "exec sleep 300")
			o.Grace = time.Hour
			if err := e.Start(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(n%20) * time.Millisecond) // the instants that are tried
			if err := e.Stop(t.Context(), o.Key, o.Grace); err != nil {
				t.Fatal(err)
			}
			if r := await(t, e, o.Key); r.Exit.Cause != engine.CauseStopped && r.Exit.Cause != engine.CauseNotStarted {
				t.Errorf("%s, stopped after %d ms: %+v", level, n%20, r.Exit)
			}
		}
	}
}
