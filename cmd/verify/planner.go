package main

import (
	"fmt"
	"time"
)

// planner measures what planning in time costs on one core: a week in slots of
// five minutes, 10,000 jobs that may wait, a site of 5,000 nodes. The benchmarks
// state processor time, which a busy machine does not lengthen as it does the
// clock's.
func (t *table) planner() error {
	out, err := goTest(10*time.Minute, []string{"GOMAXPROCS=1"}, "./control", "-run", "^$", "-bench", "ShiftPlan", "-benchtime", "5x")
	if err != nil {
		return err
	}
	for _, x := range []struct {
		what, unit string
		most       float64
	}{
		{"a week, 10,000 jobs, 5,000 nodes: planned anew", "week-cpu-ms", 1000},
		{"the same: one job arrives", "arrives-cpu-ms", 50},
		{"the same: an hour's figures change", "changes-cpu-ms", 50},
	} {
		v := metric(out, x.unit)
		t.add(v > 0 && v < x.most, "planner: "+x.what, fmt.Sprintf("< %.0f ms of one core", x.most), fmt.Sprintf("%.1f ms", v))
	}
	return nil
}
