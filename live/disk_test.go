package live

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"tianfu/control"
	"tianfu/engine"
	"tianfu/fault"
	"tianfu/job"
	"tianfu/store/memory"
	"tianfu/unit"
)

// TestNoRoomCostsNoTry has an engine that has no room for a task, at its start and
// then once its shim has taken it: the task waits with the reason, is tried again
// after pauses that grow, loses none of its retries, and runs once there is room.
func TestNoRoomCostsNoTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &stuck{job: 1, kind: fault.Exhausted, started: make(chan engine.Key, 100), reports: make(chan engine.Report)}
		c := small(t, memory.New(), e)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		id := one(t, c)
		look := func() (j control.Job, why control.Reason, short bool) {
			t.Helper()
			synctest.Wait()
			if err := c.View(t.Context(), func(s *control.State) {
				j, _ = s.Job(id)
				why, _ = s.Why(id)
				short = s.Capacity().Node(0).ShortOfDisk
			}); err != nil {
				t.Fatal(err)
			}
			return j, why, short
		}
		if j, why, short := look(); j.Phase != control.Pending || why.Dominant != control.CauseNoDisk || !short || j.Tasks[0].Attempt != 1 || j.Tasks[0].Tries[0].Ending != control.NotTaken {
			t.Fatalf("refused for want of room: %v %v %v %+v", j.Phase, why, short, j.Tasks)
		}
		time.Sleep(firstWait + diskEvery)
		if j, _, short := look(); j.Tasks[0].Attempt != 2 || !short {
			t.Fatalf("after the first pause: %+v, short %v", j.Tasks, short)
		}
		time.Sleep(firstWait + diskEvery)
		if j, _, _ := look(); j.Tasks[0].Attempt != 2 {
			t.Fatalf("the second pause is no longer than the first: %+v", j.Tasks)
		}
		e.takeAll()
		time.Sleep(firstWait + diskEvery)
		if j, _, short := look(); j.Phase != control.Running || short || j.Failures != 0 {
			t.Fatalf("with room again: %v, short %v", j.Phase, short)
		}
		k := <-e.started
		e.reports <- engine.Report{Key: k, Kind: engine.Exited, At: unit.Instant(time.Now().UnixNano()), Exit: engine.Exit{Cause: engine.CauseNoRoom, Code: -1, Detail: "the disk is full"}}
		if j, why, short := look(); j.Phase != control.Pending || why.Dominant != control.CauseNoDisk || !short || j.Failures != 0 || k != (engine.Key{Job: job.ID(1), Generation: 3}) {
			t.Fatalf("%v had no room after all: %v %v %v", k, j.Phase, why, short)
		}
		time.Sleep(maxWait)
		if j, _, _ := look(); j.Phase != control.Running || j.Tasks[0].Attempt != 4 {
			t.Fatalf("at the end: %v %+v", j.Phase, j.Tasks)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
