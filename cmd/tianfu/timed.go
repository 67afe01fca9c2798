package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/meter"
	"tianfu/sched"
	"tianfu/sim"
	"tianfu/unit"
)

// timedDocument is what `replay` in time prints.
type timedDocument struct {
	Runs []timedRun `json:"runs"`
}

type timedRun struct {
	Policy              string             `json:"policy"`
	TasksFile           string             `json:"tasks_file"`
	Seed                uint64             `json:"seed"`
	Jobs                int                `json:"jobs"`
	Finished            int                `json:"finished"`
	Skipped             map[string]int     `json:"skipped"`
	WindowHours         float64            `json:"arrivals_h"`
	SpanHours           float64            `json:"span_h"`
	MeanWait            float64            `json:"mean_wait_s"`
	P50                 float64            `json:"p50_wait_s"`
	P90                 float64            `json:"p90_wait_s"`
	P99                 float64            `json:"p99_wait_s"`
	MaxWait             float64            `json:"max_wait_s"`
	MeanBoundedSlowdown float64            `json:"mean_bounded_slowdown"`
	Utilisation         float64            `json:"accelerator_utilisation_percent"`
	CPUUtilisation      float64            `json:"cpu_utilisation_percent"`
	PowerModel          string             `json:"power_model"`
	KWh                 float64            `json:"it_energy_kwh"`
	Preemptions         int                `json:"preemptions"`
	NodeFailures        int                `json:"node_failures"`
	Goodput             float64            `json:"goodput_percent"`
	LostGPUHours        float64            `json:"lost_gpu_hours"`
	Gangs               int                `json:"gangs"`
	MeanSegments        float64            `json:"mean_segments_per_gang"`
	Jain                float64            `json:"jain_index"`
	PFLOPSHours         map[string]float64 `json:"dense_fp16_pflops_hours"`
	PeakPending         int                `json:"peak_pending_jobs"`
	Steps               int                `json:"steps"`
	Seconds             float64            `json:"seconds"`
	Hash                string             `json:"record_log_sha256"`
	Ledger              *ledgerSummary     `json:"ledger,omitempty"`

	Limits *powerDocument `json:"power,omitempty"`
	Shift  *shiftDocument `json:"shift,omitempty"`

	timed     *sim.Timed
	intervals []sim.Interval
	history   *sim.History // with a report
	fleet     *fleet.Fleet
}

func (p *program) replayTime(ctx context.Context, f *replayFlags) error {
	if f.calibrate {
		return p.calibrateStart(ctx, f)
	}
	var runs []timedRun
	shifts, err := f.shift.list(&f.site)
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(f.policies, ",") {
		var base *timedRun
		for _, shift := range shifts {
			f.shifting, err = f.shift.shifting(shift, &f.site)
			if err != nil {
				return err
			}
			r, err := p.timedRun(ctx, f, name)
			if err != nil {
				return err
			}
			if r.tellShift(f.shifting, base); base == nil {
				base = r
			}
			runs = append(runs, *r)
		}
	}
	if f.html != "" {
		if err := writeReport(f.html, f.timedReport(runs)); err != nil {
			return err
		}
	}
	if f.parquet != "" {
		for i := range runs {
			if err := writeParquet(f.parquet, &runs[i]); err != nil {
				return err
			}
		}
	}
	return p.print(timedDocument{Runs: runs}, timedTable(runs))
}

// timedWorkload reads the workload and draws it to the wanted load.
func (f *replayFlags) timedWorkload() (*sim.TimedParams, string, error) {
	fl, err := f.fleetOf()
	if err == nil {
		err = addTraits(fl)
	}
	if err != nil {
		return nil, "", err
	}
	w, err := f.workload()
	if err != nil {
		return nil, "", err
	}
	if !w.Timed {
		return nil, "", fault.New(fault.Invalid, w.Path, "has no submit and run times", "use --protocol inflate, or a file with times")
	}
	if err := checkPossible(w, fl); err != nil {
		return nil, "", err
	}
	if f.limits.tiers {
		if err := sim.Tier(w); err != nil {
			return nil, "", err
		}
	}
	if f.load < 0 || f.load > 100 || math.IsNaN(f.load) {
		return nil, "", fault.New(fault.Invalid, "--load", fmt.Sprint(f.load)+" is out of range", "0.95 is 95 % of the accelerators")
	}
	if f.days <= 0 || f.days > 3660 || math.IsNaN(f.days) {
		return nil, "", fault.New(fault.Invalid, "--days", fmt.Sprint(f.days)+" is out of range", "above 0 and at most 3,660")
	}
	if f.mtbf < 0 || f.mttr < 0 || f.mtbf > 0 && f.mtbf < time.Minute {
		return nil, "", fault.New(fault.Invalid, "--mtbf", "is too short", "at least 1m, and --mttr not negative")
	}
	if w, err = f.drawn(w, fl); err != nil {
		return nil, "", err
	}
	estimate, err := f.estimate()
	if err != nil {
		return nil, "", err
	}
	power, model, err := f.powerOf(fl)
	if err != nil {
		return nil, "", err
	}
	params := &sim.TimedParams{
		Fleet: fl, Workload: w, Power: power, Estimate: estimate, Hash: true,
		Rules:    sched.Rules{Preempt: f.preempt},
		Failures: sim.Failures{MTBF: f.mtbf, MTTR: f.mttr, Seed: f.seed},
		Params:   sched.Config{Seed: f.seed, Typical: sim.TypicalClasses(w)},
	}
	if params.Rules.Backfill, err = f.rule(); err != nil {
		return nil, "", err
	}
	if f.site.on() { // first, for it moves the workload to its date, from which caps count
		if err := f.metered(params); err != nil {
			return nil, "", err
		}
	}
	if err := f.limitPower(params); err != nil {
		return nil, "", err
	}
	params.Shifting = f.shifting
	return params, model, nil
}

// remembered is how far back a warm centre knows how long work took.
const remembered = 30 * 24 * time.Hour

// goesOn is how much longer work arrives when estimates are held to what became
// of them: without it what waits at the last moments would start the earlier.
const goesOn = 2 * 24 * time.Hour

// drawn is the workload drawn to a load, or as it is.
func (f *replayFlags) drawn(w *sim.Workload, fl *fleet.Fleet) (*sim.Workload, error) {
	if f.load == 0 {
		w.CountSkipped()
		return w, nil
	}
	o := sim.LoadOptions{Load: f.load, Span: time.Duration(f.days * 24 * float64(time.Hour)), Seed: f.seed, Warm: f.warm}
	if f.calibrate {
		o.Past, o.Span = remembered, o.Span+goesOn
	}
	return sim.DrawLoad(w, fl, o)
}

// samples is how many intervals the arrivals of a replay are drawn in, and mostSamples
// all of it: long jobs that arrive in one burst would otherwise make millions.
const samples, mostSamples = 400, 4000

// sampleEvery is how often a replay is looked at.
func sampleEvery(w *sim.Workload) time.Duration {
	return max(w.Span()/samples, w.Length()/mostSamples)
}

func (p *program) timedRun(ctx context.Context, f *replayFlags, policy string) (*timedRun, error) {
	params, model, err := f.timedWorkload()
	if err != nil {
		return nil, err
	}
	run := &timedRun{Policy: policy, TasksFile: params.Workload.Name, Seed: f.seed, Skipped: params.Workload.Skipped, PowerModel: model}
	params.Policy = policy
	bar := p.progress(len(params.Workload.Jobs), "replaying "+policy)
	params.Progress = func(ended int) { bar.Set(ended) }
	params.Every = sampleEvery(params.Workload)
	if f.html != "" {
		run.history, run.fleet = sim.NewHistory(params.Fleet, params.Workload), params.Fleet
		params.History = run.history
	}
	params.Sample = func(at unit.Instant, s *control.State) {
		iv := sim.Observe(at, s, run.timed)
		run.intervals = append(run.intervals, iv)
		if run.history != nil {
			run.history.Sample(at, run.timed, iv)
		}
	}
	var book *meter.Book
	if f.charges != "" {
		if book, err = f.book(params); err != nil {
			return nil, err
		}
	}
	finish, err := f.makeReceipt(params)
	if err != nil {
		return nil, err
	}
	if run.timed, err = sim.NewTimed(*params); err != nil {
		return nil, err
	}
	start := time.Now()
	done := make(chan struct{})
	go func() {
		run.timed.Run()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return nil, fault.New(fault.Unavailable, "replay", "interrupted", "")
	}
	bar.Finish()
	run.fill(time.Since(start))
	if err := finish(); err != nil {
		return nil, err
	}
	if book != nil {
		if err := f.writeCharges(run.timed, book); err != nil {
			return nil, err
		}
	}
	run.Limits = run.power(params.Tree)
	for why, n := range run.timed.Refused {
		fmt.Fprintf(p.err, "%d jobs refused: %s\n", n, why)
	}
	return run, nil
}

func (r *timedRun) fill(took time.Duration) {
	s := r.timed.Summarise()
	r.Jobs, r.Finished, r.WindowHours, r.SpanHours = s.Jobs, s.Finished, round(s.Window.Hours(), 3), round(s.Span.Hours(), 3)
	r.MeanWait, r.P50, r.P90, r.P99, r.MaxWait = round(s.MeanWait.Seconds(), 3), s.P50.Seconds(), s.P90.Seconds(), s.P99.Seconds(), s.MaxWait.Seconds()
	r.MeanBoundedSlowdown, r.Utilisation, r.CPUUtilisation = round(s.MeanBoundedSlowdown, 4), round(s.Utilisation, 3), round(s.CPUUtilisation, 3)
	r.KWh, r.Preemptions, r.NodeFailures = round(s.KWh, 3), s.Preemptions, s.NodeFailures
	r.Goodput, r.LostGPUHours, r.Gangs, r.MeanSegments = round(s.Goodput, 3), round(s.LostGPUHours, 3), s.Gangs, round(s.MeanSegments, 3)
	r.Jain, r.PeakPending, r.Steps, r.Seconds = round(s.Jain, 5), s.PeakPending, s.Steps, round(took.Seconds(), 3)
	r.PFLOPSHours = map[string]float64{}
	for maker, v := range s.PFLOPSHours {
		r.PFLOPSHours[maker] = round(v, 3)
	}
	sum := r.timed.Sum()
	r.Hash = hex.EncodeToString(sum[:])
	r.Ledger = summariseLedger(r.timed)
}

func timedTable(runs []timedRun) *table {
	t := &table{header: []string{"POLICY", "JOBS", "FINISHED", "SKIPPED", "MEAN WAIT", "P90", "P99", "SLOWDOWN", "GPU USE", "IT ENERGY", "PREEMPTED", "LOST GPU-H", "SEGMENTS", "JAIN", "SECONDS"}}
	metered := len(runs) > 0 && runs[0].Ledger != nil
	if metered {
		t.header = append(t.header, ledgerHeader...)
	}
	shifted := len(runs) > 0 && runs[0].Shift != nil
	if shifted {
		t.header = append(t.header, shiftHeader...)
	}
	for i := range runs {
		r := &runs[i]
		skipped := 0
		for _, k := range slices.Sorted(maps.Keys(r.Skipped)) {
			skipped += r.Skipped[k]
		}
		t.add(r.Policy, strconv.Itoa(r.Jobs), strconv.Itoa(r.Finished), strconv.Itoa(skipped), fmt.Sprintf("%.1fs", r.MeanWait), fmt.Sprintf("%.0fs", r.P90),
			fmt.Sprintf("%.0fs", r.P99), fmt.Sprintf("%.2f", r.MeanBoundedSlowdown), fmt.Sprintf("%.1f%%", r.Utilisation), fmt.Sprintf("%.0fkWh", r.KWh),
			strconv.Itoa(r.Preemptions), fmt.Sprintf("%.1f", r.LostGPUHours), fmt.Sprintf("%.2f", r.MeanSegments), fmt.Sprintf("%.4f", r.Jain), fmt.Sprintf("%.2f", r.Seconds))
		if metered {
			t.rows[i] = append(t.rows[i], r.Ledger.cells()...)
		}
		if shifted {
			t.rows[i] = append(t.rows[i], r.Shift.cells()...)
		}
	}
	t.foot = powerTable(runs)
	if len(runs) > 0 {
		t.foot = strings.TrimSuffix(powerModelIs(runs[0].PowerModel)+"\n"+t.foot, "\n")
	}
	return t
}

// powerModelIs says in words what energies were counted with.
func powerModelIs(model string) string {
	switch model {
	case energy.CCGrid25:
		return "energy by the power model " + model + ": every node as the servers of the PWR paper, with its devices; --power catalogue takes the figures of the hardware catalogue"
	case energy.Catalogue:
		return "energy by the power model " + model + ": the figures of each node's SKU or devices in the hardware catalogue"
	}
	return "energy is not counted: no power model knows all the devices, or --power none was given"
}

// name tells a run from others of the replay: there may be several of a policy that
// shift work by different rules.
func (r *timedRun) name() string {
	if r.Shift == nil {
		return r.Policy
	}
	return r.Policy + "/" + r.Shift.Policy
}

func writeParquet(dir string, r *timedRun) error {
	base := strings.NewReplacer("/", "-", ":", "-", "+", "-").Replace(r.name())
	if err := writeFile(filepath.Join(dir, base+"-tasks.parquet"), func(w writer) error { return sim.WriteTaskParquet(w, r.timed) }); err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, base+"-intervals.parquet"), func(w writer) error { return sim.WriteIntervalParquet(w, r.intervals) })
}
