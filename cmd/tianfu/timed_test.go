package main

import (
	"testing"
	"time"

	"tianfu/sim"
	"tianfu/unit"
)

// A workload whose jobs all arrive at once and run for ten hours is not drawn every
// few milliseconds: that filled the memory of the machine.
func TestSamplesCoverTheRun(t *testing.T) {
	for _, v := range []struct {
		last unit.Instant
		run  time.Duration
		most int
	}{{0, 10 * time.Hour, mostSamples}, {unit.At(120), 30 * 24 * time.Hour, mostSamples}, {unit.At(86400), 10 * time.Hour, 2 * samples}, {0, 0, samples}} {
		w := &sim.Workload{Jobs: []sim.Arrival{{Run: v.run}, {Submit: v.last, Run: v.run}}}
		every := sampleEvery(w)
		if n := int(max(w.Length(), time.Second) / every); every <= 0 || n > v.most {
			t.Errorf("arrivals until %v of %v: every %v, %d samples", v.last, v.run, every, n)
		}
	}
}
