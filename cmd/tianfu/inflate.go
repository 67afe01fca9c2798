package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/sim"
)

// spread is the mean, least and greatest of a figure over the seeds.
type spread struct {
	Mean float64 `json:"mean"`
	Min  float64 `json:"min"`
	Max  float64 `json:"max"`
}

// inflateDocument is what `replay --protocol inflate -o json` prints.
type inflateDocument struct {
	Runs []inflateRun `json:"runs"`
}

type inflateRun struct {
	Policy          string             `json:"policy"`
	TasksFile       string             `json:"tasks_file"`
	Seeds           []int64            `json:"seeds"`
	Allocation      map[string]spread  `json:"allocation_percent"`
	Fragmentation   map[string]spread  `json:"fragmentation_percent"`
	PowerModel      string             `json:"power_model"`
	PowerKW         map[string]float64 `json:"it_power_kw"`
	Saving          *float64           `json:"it_power_saving_percent_vs_fgd"`
	MovesPerTask    float64            `json:"moves_per_task"`
	PerSecond       float64            `json:"placements_per_second"`
	DecisionSeconds float64            `json:"decision_seconds"`
	Hashes          []string           `json:"record_log_sha256"`

	results []*sim.InflateResult
	seconds []float64
}

var (
	allocationColumns    = []int{80, 90, 95, 100, 110, 120, 130}
	fragmentationColumns = []int{100, 130}
)

// replayInflate runs every policy over every seed. Decisions that are reported
// are made and timed one run after another on one core; preparing, measuring
// and the silent run of FGD use the others.
func (p *program) replayInflate(ctx context.Context, f *replayFlags) error {
	runs, fl, err := p.inflateRuns(ctx, f)
	if err != nil {
		return err
	}
	if f.html != "" {
		if err := writeReport(f.html, f.inflateReport(fl, runs)); err != nil {
			return err
		}
	}
	return p.print(inflateDocument{Runs: runs}, inflateTable(runs))
}

func (p *program) inflateRuns(ctx context.Context, f *replayFlags) ([]inflateRun, *fleet.Fleet, error) {
	seeds, err := f.seedList()
	if err != nil {
		return nil, nil, err
	}
	fl, err := f.fleetOf()
	if err != nil {
		return nil, nil, err
	}
	w, err := f.workload()
	if err != nil {
		return nil, nil, err
	}
	if err := checkInflatable(w, fl); err != nil {
		return nil, nil, err
	}
	if err := checkPossible(w, fl); err != nil {
		fmt.Fprintf(p.err, "note: %v: it will be dropped\n", err)
	}
	power, model, err := f.powerOf(fl)
	if err != nil {
		return nil, nil, err
	}
	policies := strings.Split(f.policies, ",")
	baseline := -1
	for i, name := range policies {
		if name == "fgd" {
			baseline = i
		}
	}
	if baseline < 0 && power != nil {
		baseline = len(policies)
		policies = append(policies, "fgd")
	}
	b := &inflateBatch{fleet: fl, workload: w, power: power, seeds: seeds, policies: policies, listed: len(strings.Split(f.policies, ",")), draw: f.html != ""}
	if err := b.check(); err != nil {
		return nil, nil, err
	}
	bar := p.progress(len(policies)*len(seeds), "replaying")
	runs, err := b.run(ctx, func() { bar.Add(1) })
	bar.Finish()
	if err != nil {
		return nil, nil, err
	}
	for i := range runs {
		runs[i].summarise(w.Name, seeds)
		runs[i].PowerModel = model
		if power != nil {
			saving := savingAgainst(&runs[i], &runs[baseline])
			runs[i].Saving = &saving
		}
	}
	return runs[:b.listed], fl, nil
}

// checkInflatable refuses what the protocol does not define.
func checkInflatable(w *sim.Workload, fl *fleet.Fleet) error {
	if fl.Devices() == 0 {
		return fault.New(fault.Invalid, "--nodes", "has no accelerators to fill", "use --protocol time")
	}
	asks := false
	for i := range w.Jobs {
		s := w.Jobs[i].Spec
		if len(s.Groups) != 1 || s.Groups[0].Count != 1 {
			return fault.New(fault.Invalid, fmt.Sprintf("%s:%d", w.Path, w.Jobs[i].Line), "job "+s.Name+" has several tasks", "the inflation protocol takes single tasks; use --protocol time")
		}
		asks = asks || s.Groups[0].Request.Accelerators > 0
	}
	if !asks {
		return fault.New(fault.Invalid, w.Path, "asks for no accelerators", "the inflation protocol fills accelerators; use --protocol time")
	}
	return nil
}

// inflateBatch is the runs of one command.
type inflateBatch struct {
	fleet    *fleet.Fleet
	workload *sim.Workload
	power    []energy.NodeModel
	seeds    []int64
	policies []string
	listed   int // policies asked for; the rest run silently
	draw     bool

	timing sync.Mutex // held while decisions are timed
}

// check finds out about an unknown policy before any work is done.
func (b *inflateBatch) check() error {
	small := &sim.Workload{Jobs: b.workload.Jobs[:1]}
	for _, name := range b.policies {
		if _, err := sim.NewInflate(sim.InflateParams{Fleet: &fleet.Fleet{}, Workload: small, Policy: name}); err != nil {
			return err
		}
	}
	return nil
}

func (b *inflateBatch) run(ctx context.Context, done func()) ([]inflateRun, error) {
	runs := make([]inflateRun, len(b.policies))
	for i, name := range b.policies {
		runs[i] = inflateRun{Policy: name, results: make([]*sim.InflateResult, len(b.seeds)), seconds: make([]float64, len(b.seeds))}
	}
	type item struct{ policy, seed int }
	queue := make(chan item)
	var wg sync.WaitGroup
	errs := make(chan error, runtime.GOMAXPROCS(0))
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for it := range queue {
				res, seconds, err := b.one(it.policy, it.seed)
				if err != nil {
					errs <- err
					return
				}
				runs[it.policy].results[it.seed], runs[it.policy].seconds[it.seed] = res, seconds
				done()
			}
		})
	}
	err := func() error {
		defer close(queue)
		for s := range b.seeds {
			for i := range b.policies {
				select {
				case queue <- item{i, s}:
				case err := <-errs:
					return err
				case <-ctx.Done():
					return fault.New(fault.Unavailable, "replay", "interrupted", "")
				}
			}
		}
		return nil
	}()
	wg.Wait()
	select {
	case e := <-errs:
		return nil, e
	default:
		return runs, err
	}
}

// one runs a policy on a seed and returns the wall seconds of its decisions.
func (b *inflateBatch) one(policy, seed int) (*sim.InflateResult, float64, error) {
	r, err := sim.NewInflate(sim.InflateParams{
		Fleet: b.fleet, Workload: b.workload, Policy: b.policies[policy], Seed: b.seeds[seed], Power: b.power,
		Draw: b.draw && seed == 0,
	})
	if err != nil {
		return nil, 0, err
	}
	if policy >= b.listed {
		r.Decide()
		return r.Measure(), 0, nil
	}
	b.timing.Lock()
	start := time.Now()
	r.Decide()
	seconds := time.Since(start).Seconds()
	b.timing.Unlock()
	return r.Measure(), seconds, nil
}

// summarise fills the document from the results.
func (r *inflateRun) summarise(file string, seeds []int64) {
	r.TasksFile, r.Seeds = file, seeds
	r.Allocation, r.Fragmentation, r.PowerKW = map[string]spread{}, map[string]spread{}, map[string]float64{}
	for _, c := range allocationColumns {
		r.Allocation[strconv.Itoa(c)] = r.over(2, func(s *sim.InflateResult) float64 { return s.Allocation[c] })
	}
	for _, c := range fragmentationColumns {
		r.Fragmentation[strconv.Itoa(c)] = r.over(3, func(s *sim.InflateResult) float64 { return s.Fragmentation[c] })
	}
	for c := 5; c <= 100; c += 5 {
		r.PowerKW[strconv.Itoa(c)] = round(r.meanKW(c), 3)
	}
	arrivals, moves := 0, 0
	for i, s := range r.results {
		arrivals += s.Arrivals
		moves += s.Moves
		r.DecisionSeconds += r.seconds[i] / float64(len(r.results))
		r.Hashes = append(r.Hashes, hex.EncodeToString(s.Hash[:]))
	}
	r.MovesPerTask = round(float64(moves)/float64(arrivals), 5)
	if r.DecisionSeconds > 0 {
		r.PerSecond = math.Round(float64(arrivals) / float64(len(r.results)) / r.DecisionSeconds)
	}
	r.DecisionSeconds = round(r.DecisionSeconds, 6)
}

// over spreads a figure over the seeds; the mean keeps a digit more.
func (r *inflateRun) over(digits int, of func(*sim.InflateResult) float64) spread {
	s := spread{Min: math.Inf(1), Max: math.Inf(-1)}
	for _, res := range r.results {
		v := of(res)
		s.Mean += v / float64(len(r.results))
		s.Min, s.Max = min(s.Min, v), max(s.Max, v)
	}
	return spread{round(s.Mean, digits+1), round(s.Min, digits), round(s.Max, digits)}
}

func (r *inflateRun) meanKW(column int) float64 {
	sum := 0.0
	for _, s := range r.results {
		sum += s.Kilowatts[column]
	}
	return sum / float64(len(r.results))
}

// savingAgainst is the mean over the load columns 5 to 90 of the power saved.
func savingAgainst(r, base *inflateRun) float64 {
	sum, n := 0.0, 0
	for c := 5; c <= 90; c++ {
		if kw := base.meanKW(c); kw > 0 {
			sum += 100 * (1 - r.meanKW(c)/kw)
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return round(sum/float64(n), 3)
}

// round keeps some digits; what is not a number becomes 0, for JSON has none.
func round(v float64, digits int) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	f := math.Pow10(digits)
	return math.Round(v*f) / f
}

func inflateTable(runs []inflateRun) *table {
	t := &table{header: []string{"POLICY", "SEEDS", "ALLOC@80", "ALLOC@90", "ALLOC@95", "ALLOC@100", "MIN-MAX@100", "ALLOC@130", "FRAG@100", "SAVING", "MOVES/TASK", "PLACEMENTS/S"}}
	for i := range runs {
		r := &runs[i]
		a := r.Allocation
		saving := "-"
		if r.Saving != nil {
			saving = fmt.Sprintf("%.2f%%", *r.Saving)
		}
		t.add(r.Policy, strconv.Itoa(len(r.Seeds)), fmt.Sprintf("%.2f%%", a["80"].Mean), fmt.Sprintf("%.2f%%", a["90"].Mean),
			fmt.Sprintf("%.2f%%", a["95"].Mean), fmt.Sprintf("%.2f%%", a["100"].Mean), fmt.Sprintf("%.2f-%.2f", a["100"].Min, a["100"].Max),
			fmt.Sprintf("%.2f%%", a["130"].Mean), fmt.Sprintf("%.2f%%", r.Fragmentation["100"].Mean), saving,
			fmt.Sprintf("%.4f", r.MovesPerTask), fmt.Sprintf("%.0f", r.PerSecond))
		t.foot = powerModelIs(r.PowerModel)
	}
	return t
}
