package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tianfu/control"
	"tianfu/fault"
	"tianfu/sim"
	"tianfu/unit"
)

// calibrationDocument is what `replay --calibrate-start` prints.
type calibrationDocument struct {
	Runs []calibrationRun `json:"runs"`
}

type calibrationRun struct {
	Policy    string  `json:"policy"`
	TasksFile string  `json:"tasks_file"`
	Load      float64 `json:"load"`
	Seed      uint64  `json:"seed"`
	Draws     int     `json:"draws"`
	Moments   int     `json:"moments"`
	Estimates int     `json:"estimates"`
	Inside    float64 `json:"inside_percent"`
	Before    float64 `json:"before_percent"`
	After     float64 `json:"after_percent"`
	Open      int     `json:"open_intervals"`
	Width     float64 `json:"median_width_s"`
	Relative  float64 `json:"median_width_over_wait"`
	ByMoment  float64 `json:"inside_percent_by_moment"`
	Error     float64 `json:"median_absolute_error_s"`
	Wait      float64 `json:"median_wait_s"`
	RunMillis float64 `json:"mean_run_forward_ms"`
	RunSteps  int     `json:"mean_run_forward_steps"`
	Seconds   float64 `json:"seconds"`
}

// calibrationMoments is how many moments a replay is stopped at.
const calibrationMoments = 48

// calibrateStart replays with estimates of the start made on the way.
func (p *program) calibrateStart(ctx context.Context, f *replayFlags) error {
	if f.draws < sim.LeastDraws || f.draws > 1000 {
		return fault.New(fault.Invalid, "--calibrate-draws", strconv.Itoa(f.draws)+" is out of range", fmt.Sprintf("%d to 1,000: fewer draws give no interval of 80 %%", sim.LeastDraws))
	}
	if f.every < 0 {
		return fault.New(fault.Invalid, "--calibrate-every", f.every.String()+" is below zero", "such as 1h")
	}
	var doc calibrationDocument
	for name := range strings.SplitSeq(f.policies, ",") {
		run, err := p.calibrationOf(ctx, f, name)
		if err != nil {
			return err
		}
		doc.Runs = append(doc.Runs, *run)
	}
	t := &table{header: []string{"POLICY", "LOAD", "SEED", "MOMENTS", "ESTIMATES", "INSIDE", "BY MOMENT", "BEFORE", "AFTER", "WIDTH", "OF WAIT", "ERROR", "WAIT", "RUN FORWARD", "STEPS", "OPEN", "SECONDS"},
		foot: "INSIDE: true starts within the stated 80 % interval. BY MOMENT: the mean of every moment's, for jobs that wait at one moment share their fate.\nWIDTH, that OF the WAIT, ERROR (of the middle) and WAIT (that was left) are medians."}
	for i := range doc.Runs {
		r := &doc.Runs[i]
		t.add(r.Policy, fmt.Sprint(r.Load), strconv.FormatUint(r.Seed, 10), strconv.Itoa(r.Moments), strconv.Itoa(r.Estimates), fmt.Sprintf("%.1f%%", r.Inside), fmt.Sprintf("%.1f%%", r.ByMoment),
			fmt.Sprintf("%.1f%%", r.Before), fmt.Sprintf("%.1f%%", r.After), short(r.Width), fmt.Sprintf("%.2f", r.Relative), short(r.Error), short(r.Wait), fmt.Sprintf("%.0fms", r.RunMillis), strconv.Itoa(r.RunSteps), strconv.Itoa(r.Open), fmt.Sprintf("%.1f", r.Seconds))
	}
	return p.print(doc, t)
}

// short renders seconds for a table.
func short(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}

func (p *program) calibrationOf(ctx context.Context, f *replayFlags, policy string) (*calibrationRun, error) {
	params, _, err := f.timedWorkload()
	if err != nil {
		return nil, err
	}
	params.Policy = policy
	w := params.Workload
	begin, last := w.Jobs[0].Submit, w.Jobs[0].Submit
	for i := range w.Jobs {
		begin, last = min(begin, w.Jobs[i].Submit), max(last, w.Jobs[i].Submit)
	}
	if f.load > 0 {
		last = last.Add(-goesOn)
	}
	span := last.Sub(begin)
	params.Every = f.every
	if params.Every == 0 {
		params.Every = max(span*4/5/calibrationMoments, time.Second)
	}
	var spent time.Duration
	// The first fifth is left to learning.
	c := &sim.Calibrator{Draws: f.draws, Jobs: 200, From: begin.Add(span / 5), Until: last, Seed: f.seed, Steps: f.steps}
	params.Sample = func(at unit.Instant, s *control.State) {
		from := time.Now()
		c.Sample(at, s)
		spent += time.Since(from)
	}
	timed, err := sim.NewTimed(*params)
	if err != nil {
		return nil, err
	}
	c.Watch(timed)
	from := time.Now()
	done := make(chan struct{})
	go func() {
		timed.Run()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return nil, fault.New(fault.Unavailable, "replay", "interrupted", "")
	}
	r := c.Result()
	percent := func(n int) float64 { return round(100*float64(n)/float64(max(r.Estimates, 1)), 2) }
	return &calibrationRun{Policy: policy, TasksFile: w.Name, Load: f.load, Seed: f.seed, Draws: f.draws, Moments: r.Moments, Estimates: r.Estimates,
		Inside: percent(r.Inside), Before: percent(r.Before), After: percent(r.After), Open: r.Open,
		Relative: round(r.Relative, 3), ByMoment: round(100*r.ByMoment, 2),
		Width: r.Width.Seconds(), Error: r.Error.Seconds(), Wait: r.Wait.Seconds(),
		RunSteps: r.Steps / max(r.Moments*f.draws, 1), RunMillis: round(spent.Seconds()*1000/float64(max(r.Moments*f.draws, 1)), 1), Seconds: round(time.Since(from).Seconds(), 1)}, nil
}
