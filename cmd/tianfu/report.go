package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"tianfu/sim"
)

func writeReport(name string, r *sim.Report) error {
	return writeFile(name, func(w writer) error { return sim.WriteHTML(w, r) })
}

// inflateReport draws the runs of the inflation protocol.
func inflateReport(runs []inflateRun) *sim.Report {
	r := &sim.Report{Title: "Placement by load", Subtitle: "Tasks arrive one by one until 130 % of the accelerators are asked for, and never leave. Mean of the seeds; the band is the least and the most."}
	for i := range runs {
		run := &runs[i]
		r.Allocation = append(r.Allocation, run.curve(func(s *sim.InflateResult, c int) float64 { return s.Allocation[c] }))
		r.Fragmentation = append(r.Fragmentation, run.curve(func(s *sim.InflateResult, c int) float64 { return s.Fragmentation[c] }))
		r.LoadPower = append(r.LoadPower, run.curve(func(s *sim.InflateResult, c int) float64 { return s.Kilowatts[c] }))
		r.Facts = append(r.Facts, sim.Fact{Label: run.Policy + ": allocated at 100 % load", Value: fmt.Sprintf("%.2f %%", run.Allocation["100"].Mean)})
		if run.Saving != nil && run.Policy != "fgd" {
			r.Facts = append(r.Facts, sim.Fact{Label: run.Policy + ": IT power saved against fgd", Value: fmt.Sprintf("%.2f %%", *run.Saving)})
		}
		last := run.results[0]
		fit, packed := last.GangFit, last.GangPacked
		fit.Name, packed.Name = run.Policy, run.Policy+", if perfectly packed"
		r.GangFit = append(r.GangFit, fit, packed)
		r.Unallocated = append(r.Unallocated, last.Unallocated.Bars(run.Policy))
		for _, h := range last.Heat {
			h.Name = run.Policy + ", " + h.Name
			r.Heat = append(r.Heat, h)
		}
	}
	t := inflateTable(runs)
	r.Tables = append(r.Tables, sim.ReportTable{Name: "Figures", Header: t.header, Rows: t.rows})
	return r
}

// curve is a figure by load column, over the seeds.
func (r *inflateRun) curve(of func(*sim.InflateResult, int) float64) sim.Curve {
	c := sim.Curve{Name: r.Policy}
	for col := range sim.InflateColumns {
		mean, low, high := 0.0, math.Inf(1), math.Inf(-1)
		for _, s := range r.results {
			v := of(s, col)
			mean += v / float64(len(r.results))
			low, high = min(low, v), max(high, v)
		}
		c.X, c.Y = append(c.X, float64(col)), append(c.Y, mean)
		c.Low, c.High = append(c.Low, low), append(c.High, high)
	}
	return c
}

// timedReport draws replays in time.
func timedReport(runs []timedRun) *sim.Report {
	r := &sim.Report{Title: "Replay in time", Subtitle: "Jobs arrive, wait, run and leave in virtual time, decided by the production scheduler."}
	for i := range runs {
		run := &runs[i]
		shown := run.shown()
		use, wait, power := sim.Curve{Name: run.Policy}, sim.Curve{Name: run.Policy}, sim.Curve{Name: run.Policy}
		for _, iv := range shown {
			use.X, use.Y = append(use.X, iv.Hours), append(use.Y, iv.Used)
			wait.X, wait.Y = append(wait.X, iv.Hours), append(wait.Y, float64(iv.Pending))
			power.X, power.Y = append(power.X, iv.Hours), append(power.Y, iv.Kilowatts)
		}
		r.Utilisation, r.Pending = append(r.Utilisation, use), append(r.Pending, wait)
		if run.PowerModel != "none" {
			r.TimePower = append(r.TimePower, power)
		}
		r.Waits = append(r.Waits, run.timed.WaitCurves(run.Policy)...)
		fit, packed := run.gangFit, run.gangPacked
		fit.Name, packed.Name = run.Policy, run.Policy+", if perfectly packed"
		r.GangFit = append(r.GangFit, fit, packed)
		r.Unallocated = append(r.Unallocated, meanCauses(run))
		for _, h := range run.heat {
			h.Name = run.Policy + ", after " + h.Name
			r.Heat = append(r.Heat, h)
		}
		r.Facts = append(r.Facts,
			sim.Fact{Label: run.Policy + ": jobs finished of " + strconv.Itoa(run.Jobs), Value: strconv.Itoa(run.Finished)},
			sim.Fact{Label: run.Policy + ": mean wait", Value: fmt.Sprintf("%.1f s", run.MeanWait)},
			sim.Fact{Label: run.Policy + ": accelerators in use", Value: fmt.Sprintf("%.1f %%", run.Utilisation)})
		if run.PowerModel != "none" {
			r.Facts = append(r.Facts, sim.Fact{Label: run.Policy + ": IT energy (" + run.PowerModel + ")", Value: fmt.Sprintf("%.0f kWh", run.KWh)})
		}
	}
	t := timedTable(runs)
	r.Tables = append(r.Tables, sim.ReportTable{Name: "Figures", Header: t.header, Rows: t.rows}, makersTable(runs))
	return r
}

// shown are the intervals that charts show: to a fifth beyond the last arrival,
// for after it a replay only drains.
func (r *timedRun) shown() []sim.Interval {
	return r.intervals[:min(len(r.intervals), samples*6/5)]
}

// meanCauses averages what kept accelerators idle up to the last arrival.
func meanCauses(run *timedRun) sim.Bars {
	b := sim.Bars{Name: run.Policy, Labels: []string{"whole devices free", "rests of shared devices", "out of service"}, Values: make([]float64, 3)}
	arrivals := run.intervals[:min(len(run.intervals), samples)]
	for _, iv := range arrivals {
		n := float64(len(arrivals))
		b.Values[0] += iv.IdleWhole / n
		b.Values[1] += iv.IdlePartly / n
		b.Values[2] += iv.Down / n
	}
	return b
}

func makersTable(runs []timedRun) sim.ReportTable {
	t := sim.ReportTable{Name: "Work done by make, dense FP16 PFLOPS-hours (peak; makes with no published peak are left out)", Header: []string{"POLICY", "MAKE", "PFLOPS-H"}}
	for i := range runs {
		var makers []string
		for m := range runs[i].PFLOPSHours {
			makers = append(makers, m)
		}
		slices.Sort(makers)
		for _, m := range makers {
			t.Rows = append(t.Rows, []string{runs[i].Policy, m, fmt.Sprintf("%.1f", runs[i].PFLOPSHours[m])})
		}
	}
	return t
}
