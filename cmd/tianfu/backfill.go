package main

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"tianfu/fault"
	"tianfu/sched"
	"tianfu/sim"
)

// backfillDocument is what `replay --protocol backfill -o json` prints.
type backfillDocument struct {
	Jobs                int     `json:"jobs"`
	MeanWait            float64 `json:"mean_wait_s"`
	P50                 int64   `json:"p50_wait_s"`
	P90                 int64   `json:"p90_wait_s"`
	Max                 int64   `json:"max_wait_s"`
	MeanBoundedSlowdown float64 `json:"mean_bounded_slowdown"`
	Utilisation         float64 `json:"utilisation_percent"`
	Makespan            int64   `json:"makespan_s"`
	Seconds             float64 `json:"seconds"`
}

func (p *program) replayBackfill(f *replayFlags) error {
	if f.processors < 1 || f.processors > 2_000_000 {
		return fault.New(fault.Invalid, "--processors", strconv.Itoa(f.processors)+" is out of range", "give the size of the pool, 1 to 2,000,000")
	}
	if !(f.scale > 0) || math.IsInf(f.scale, 0) || f.scale > 1e6 || f.scale < 1e-6 {
		return fault.New(fault.Invalid, "--scale", fmt.Sprint(f.scale)+" is out of range", "submit times are divided by it: 0.000001 to 1,000,000")
	}
	estimate, err := f.estimate()
	if err != nil {
		return err
	}
	params := sim.BackfillParams{Processors: f.processors, Scale: f.scale, Estimate: estimate, Draw: f.html != ""}
	if params.Backfill, err = f.rule(); err != nil {
		return err
	}
	if params.Workload, err = f.workload(); err != nil {
		return err
	}
	start := time.Now()
	r, err := sim.Backfill(params)
	if err != nil {
		return err
	}
	seconds := round(time.Since(start).Seconds(), 3)
	for cause, n := range params.Workload.Skipped {
		fmt.Fprintf(p.err, "%d jobs skipped: %s\n", n, cause)
	}
	if f.html != "" {
		about := f.about(nil, r.Jobs, params.Workload.Name)
		if err := writeReport(f.html, sim.BackfillReport(about, r, f.processors)); err != nil {
			return err
		}
	}
	d := backfillDocument{
		Jobs: r.Jobs, MeanWait: round(r.MeanWait, 3), P50: r.P50, P90: r.P90, Max: r.Max,
		MeanBoundedSlowdown: round(r.MeanBoundedSlowdown, 4), Utilisation: round(r.Utilisation, 4), Makespan: r.Makespan,
		Seconds: seconds,
	}
	t := &table{header: []string{"JOBS", "MEAN WAIT", "P50", "P90", "MAX", "SLOWDOWN", "UTILISATION", "MAKESPAN"}}
	t.add(strconv.Itoa(d.Jobs), fmt.Sprintf("%.3fs", d.MeanWait), fmt.Sprintf("%ds", d.P50), fmt.Sprintf("%ds", d.P90), fmt.Sprintf("%ds", d.Max),
		fmt.Sprintf("%.4f", d.MeanBoundedSlowdown), fmt.Sprintf("%.4f%%", d.Utilisation), fmt.Sprintf("%ds", d.Makespan))
	return p.print(d, t)
}

func (f *replayFlags) rule() (sched.Backfill, error) {
	switch f.backfill {
	case "none":
		return sched.Strict, nil
	case "easy":
		return sched.Easy, nil
	}
	return 0, fault.New(fault.Invalid, "--backfill", strconv.Quote(f.backfill)+" is not a rule", "use none or easy")
}

func (f *replayFlags) estimate() (sim.Estimate, error) {
	switch f.estimates {
	case "exact":
		return sim.Exact, nil
	case "x1to5":
		return sim.OneToFive, nil
	case "none":
		return sim.NoEstimate, nil
	}
	return 0, fault.New(fault.Invalid, "--estimates", strconv.Quote(f.estimates)+" is not known", "use exact, x1to5 or none")
}
