package sched

import (
	"syscall"
	"testing"
	"time"
)

// The planner's cost as the figures state it: a week of five-minute slots,
// 10,000 jobs that may wait, a site of 5,000 nodes.

// spent is the processor time of this process so far.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchPlan states what f costs in processor time, under a unit of its own.
func benchPlan(b *testing.B, unit string, f func()) {
	f() // buffers are as large as they get
	n, before := 0, spent()
	for b.Loop() {
		f()
		n++
	}
	b.ReportMetric(float64(spent()-before)/float64(time.Millisecond)/float64(n), unit)
}

func BenchmarkSlotPlanWeek(b *testing.B) {
	p := slotProblem(1, 10_000, 5000, MaxSlots)
	var s SlotPlanner
	benchPlan(b, "week-cpu-ms", func() { s.Plan(p) })
}

func BenchmarkSlotPlanOneArrives(b *testing.B) {
	p := slotProblem(1, 10_000, 5000, MaxSlots)
	var s SlotPlanner
	r := s.Plan(p)
	for i := range p.Jobs[1:] {
		p.Jobs[i].Kept = &r.Choices[i]
	}
	benchPlan(b, "arrives-cpu-ms", func() { s.Plan(p) })
}

func BenchmarkSlotPlanOneHourChanges(b *testing.B) {
	p := slotProblem(1, 10_000, 5000, MaxSlots)
	var s SlotPlanner
	r := s.Plan(p)
	benchPlan(b, "changes-cpu-ms", func() {
		for i := range p.Jobs {
			p.Jobs[i].Kept = &r.Choices[i]
		}
		p.Touch(0, 240, 252, TouchMost)
		s.Plan(p)
	})
}
