package local

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestFewTasksStartAtOnce holds starts to the turns there are: the next waits until
// one has started, or takes too long, and none waits when the engine closes.
func TestFewTasksStartAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		e := &Engine{ctx: ctx, turns: make(chan struct{}, 2)}
		began := make(chan func(), 9)
		refused := 0
		for range 5 {
			go func() {
				if over, ok := e.turn(); ok {
					began <- over
				} else {
					refused++
				}
			}()
		}
		synctest.Wait()
		if len(began) != 2 {
			t.Fatalf("%d of 5 start at once, 2 may", len(began))
		}
		over := <-began
		over()
		over()
		synctest.Wait()
		if len(began) != 2 {
			t.Fatalf("%d are starting after one has started, 2 may", len(began))
		}
		time.Sleep(slowStart + time.Second) // the two are slow, and keep the others no longer
		synctest.Wait()
		if len(began) != 4 {
			t.Fatalf("%d have begun: those that wait behind slow ones do not", len(began))
		}
		for range 3 { // none of them is over
			go func() {
				if _, ok := e.turn(); !ok {
					refused++
				}
			}()
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		if refused == 0 {
			t.Fatal("who waits for a turn outlives the engine")
		}
		for len(began) > 0 {
			(<-began)()
		}
	})
}
