package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"tianfu/fault"
	"tianfu/sim"
)

// comparison is what `tianfu compare -o json` prints.
type comparison struct {
	Protocol string             `json:"protocol"`
	Baseline string             `json:"baseline"`
	Seeds    []int64            `json:"seeds"`
	Metrics  []comparisonMetric `json:"metrics"`
}

type comparisonMetric struct {
	Metric   string             `json:"metric"`
	Better   string             `json:"better"` // "more" or "less"
	Policies []comparisonResult `json:"policies"`
}

// comparisonResult is a policy's figure over the seeds and its mean difference
// from the first policy, seed by seed, with the p-value of a paired t-test;
// null for the first policy and for a single seed.
type comparisonResult struct {
	Policy string `json:"policy"`
	spread
	Difference *float64 `json:"difference"`
	PValue     *float64 `json:"p_value"`

	values []float64
}

func (p *program) compare() *cobra.Command {
	f := &replayFlags{}
	c := &cobra.Command{
		Use:   "compare POLICY POLICY...",
		Short: "Run policies side by side over seeds and test the difference",
		Long: `Run policies side by side over the same seeds, in parallel, and print mean, least and greatest of each
figure and the difference from the first policy with a paired t-test: the p-value is how often chance
alone would show such a difference. With --protocol time every seed draws its own arrivals (--load).`,
		Example: `  tianfu compare fgd tianfu bestfit --nodes nodes.csv --tasks tasks.csv --seeds 42-51
  tianfu compare fgd tianfu --protocol time --nodes nodes.csv --tasks tasks.csv --load 0.95 --days 2 --seeds 1-8`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return p.runCompare(c, f, args)
		},
	}
	f.register(c)
	fl := c.Flags()
	for _, unused := range append([]string{"jobs", "processors"}, notCompareFlags...) {
		fl.MarkHidden(unused)
	}
	fl.Lookup("protocol").Usage, fl.Lookup("protocol").DefValue, f.protocol = "inflate or time", "inflate", "inflate"
	fl.Lookup("load").DefValue, f.load = "0.95", 0.95
	fl.Lookup("seeds").Usage = "seeds: 42, 42-51 or 1,2,3"
	return c
}

func (p *program) runCompare(c *cobra.Command, f *replayFlags, policies []string) error {
	if f.protocol != "inflate" && f.protocol != "time" {
		return fault.New(fault.Invalid, "--protocol", strconv.Quote(f.protocol)+" cannot be compared over seeds", "use inflate or time")
	}
	if err := f.checkFlags(c, f.takesToCompare); err != nil {
		return err
	}
	for i, name := range policies {
		if slices.Contains(policies[:i], name) {
			return fault.New(fault.Invalid, "compare", "policy "+name+" is named twice", "name each once")
		}
	}
	seeds, err := f.seedList()
	if err != nil {
		return err
	}
	doc := comparison{Protocol: f.protocol, Baseline: policies[0], Seeds: seeds}
	if f.protocol == "inflate" {
		doc.Metrics, err = p.compareInflate(c.Context(), f, policies)
	} else {
		doc.Metrics, err = p.compareTime(c.Context(), f, policies, seeds)
	}
	if err != nil {
		return err
	}
	for i := range doc.Metrics {
		doc.Metrics[i].test()
	}
	return p.print(doc, doc.table())
}

func (p *program) compareInflate(ctx context.Context, f *replayFlags, policies []string) ([]comparisonMetric, error) {
	g := *f
	g.policies = strings.Join(policies, ",")
	runs, _, err := p.inflateRuns(ctx, &g)
	if err != nil {
		return nil, err
	}
	kw := func(r *sim.InflateResult) float64 {
		sum, n := 0.0, 0
		for c := 5; c <= 90; c++ {
			if v := r.Kilowatts[c]; !math.IsNaN(v) {
				sum, n = sum+v, n+1
			}
		}
		return sum / float64(n)
	}
	at := func(column int) func(*sim.InflateResult) float64 {
		return func(r *sim.InflateResult) float64 { return r.Allocation[column] }
	}
	metrics := []struct {
		name, better string
		of           func(*sim.InflateResult) float64
	}{
		{"allocation_percent_at_90", "more", at(90)}, {"allocation_percent_at_100", "more", at(100)}, {"allocation_percent_at_130", "more", at(130)},
		{"fragmentation_percent_at_100", "less", func(r *sim.InflateResult) float64 { return r.Fragmentation[100] }},
		{"it_power_kw_mean_5_to_90", "less", kw},
	}
	var out []comparisonMetric
	for _, m := range metrics {
		c := comparisonMetric{Metric: m.name, Better: m.better}
		for i := range runs {
			r := comparisonResult{Policy: runs[i].Policy}
			for _, res := range runs[i].results {
				r.values = append(r.values, m.of(res))
			}
			c.Policies = append(c.Policies, r)
		}
		out = append(out, c)
	}
	return out, nil
}

// compareTime replays every policy on every seed, as many at once as there are
// processors.
func (p *program) compareTime(ctx context.Context, f *replayFlags, policies []string, seeds []int64) ([]comparisonMetric, error) {
	runs := make([]*timedRun, len(policies)*len(seeds))
	errs := make([]error, len(runs))
	bar := p.progress(len(runs), "replaying")
	quiet := &program{out: io.Discard, err: io.Discard, format: p.format}
	one := func(i int) {
		g := *f
		g.seed = uint64(seeds[i%len(seeds)])
		runs[i], errs[i] = quiet.timedRun(ctx, &g, policies[i/len(seeds)])
		bar.Add(1)
	}
	if one(0); errs[0] != nil {
		return nil, errs[0] // a wrong flag or file fails alike everywhere
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := 1; i < len(runs); i++ {
		slots <- struct{}{}
		wg.Go(func() {
			one(i)
			<-slots
		})
	}
	wg.Wait()
	bar.Finish()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	metrics := []struct {
		name, better string
		of           func(*timedRun) float64
	}{
		{"mean_wait_s", "less", func(r *timedRun) float64 { return r.MeanWait }},
		{"p90_wait_s", "less", func(r *timedRun) float64 { return r.P90 }},
		{"mean_bounded_slowdown", "less", func(r *timedRun) float64 { return r.MeanBoundedSlowdown }},
		{"accelerator_utilisation_percent", "more", func(r *timedRun) float64 { return r.Utilisation }},
		{"it_energy_kwh", "less", func(r *timedRun) float64 { return r.KWh }},
		{"lost_gpu_hours", "less", func(r *timedRun) float64 { return r.LostGPUHours }},
		{"jain_index", "more", func(r *timedRun) float64 { return r.Jain }},
	}
	var out []comparisonMetric
	for _, m := range metrics {
		c := comparisonMetric{Metric: m.name, Better: m.better}
		for k, name := range policies {
			r := comparisonResult{Policy: name}
			for s := range seeds {
				r.values = append(r.values, m.of(runs[k*len(seeds)+s]))
			}
			c.Policies = append(c.Policies, r)
		}
		out = append(out, c)
	}
	return out, nil
}

// test fills means, bounds, differences and p-values from the values.
func (m *comparisonMetric) test() {
	for i := range m.Policies {
		r := &m.Policies[i]
		r.spread = spread{round(stat.Mean(r.values, nil), 4), round(slices.Min(r.values), 4), round(slices.Max(r.values), 4)}
		if i == 0 {
			continue
		}
		diff := make([]float64, len(r.values))
		for k := range diff {
			diff[k] = r.values[k] - m.Policies[0].values[k]
		}
		mean := round(stat.Mean(diff, nil), 4)
		r.Difference = &mean
		if p, ok := pairedT(diff); ok {
			r.PValue = &p
		}
	}
}

// pairedT returns the two-sided p-value of Student's paired t-test (Biometrika,
// 1908) for differences seed by seed; false with fewer than two.
func pairedT(diff []float64) (float64, bool) {
	n := float64(len(diff))
	if n < 2 {
		return 0, false
	}
	mean, sd := stat.MeanStdDev(diff, nil)
	if sd == 0 {
		if mean == 0 {
			return 1, true
		}
		return 0, true
	}
	t := math.Abs(mean) / (sd / math.Sqrt(n))
	return 2 * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Survival(t), true
}

func (d *comparison) table() *table {
	t := &table{header: []string{"METRIC", "POLICY", "MEAN", "MIN", "MAX", "VS " + strings.ToUpper(d.Baseline), "P", ""}}
	num := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	for i := range d.Metrics {
		m := &d.Metrics[i]
		for k := range m.Policies {
			r := &m.Policies[k]
			diff, p, verdict := "-", "-", ""
			if r.Difference != nil {
				diff = fmt.Sprintf("%+.4g", *r.Difference)
			}
			if r.PValue != nil {
				p = fmt.Sprintf("%.2g", *r.PValue)
				if *r.PValue < 0.05 && *r.Difference != 0 {
					verdict = "worse"
					if (*r.Difference > 0) == (m.Better == "more") {
						verdict = "better"
					}
				}
			}
			t.add(m.Metric, r.Policy, num(r.Mean), num(r.Min), num(r.Max), diff, p, verdict)
		}
	}
	return t
}
