package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/sim"
)

func (p *program) greenProtocol() *cobra.Command {
	c := &cobra.Command{Use: "protocol", Short: "Replay the shifting protocols of the literature on any series and jobs", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(p.protocolWaitAwhile(), p.protocolGaia(), p.protocolBounded())
	return c
}

// shiftFlags are the flags that the protocols share.
type shiftFlags struct{ ci, column, jobs, start string }

func (f *shiftFlags) register(c *cobra.Command, withStart bool) {
	c.Flags().StringVar(&f.ci, "ci", "", "carbon intensity, CSV: a column of instants and one of values, in g/kWh or in the unit that its name ends with")
	c.Flags().StringVar(&f.column, "column", "", "column of the values (default: the first beside the instants)")
	c.Flags().StringVar(&f.jobs, "jobs", "", "jobs, CSV")
	if withStart {
		c.Flags().StringVar(&f.start, "start", "", "instant of the first hour replayed, like 2022-10-19T16:00:00Z (default: the start of the series)")
	}
}

// series reads the intensity.
func (f *shiftFlags) series() (*sim.Intensity, error) {
	if f.ci == "" {
		return nil, fault.New(fault.Invalid, "--ci", "is missing", "name a series")
	}
	text, err := readBounded(f.ci, energy.MaxSeriesBytes)
	if err != nil {
		return nil, err
	}
	return sim.ReadIntensity(f.ci, text, f.column)
}

// window reads a series as hourly values and finds its first hour of interest.
func (f *shiftFlags) window() (*sim.Intensity, int, error) {
	s, err := f.series()
	if err != nil {
		return nil, 0, err
	}
	if s, err = s.In(time.Hour); err != nil {
		return nil, 0, fault.Wrap(err, f.ci, "take hourly means")
	}
	if f.start == "" {
		return s, 0, nil
	}
	t, err := time.Parse(time.RFC3339, f.start)
	if err != nil {
		return nil, 0, fault.New(fault.Invalid, "--start", strconv.Quote(f.start)+" is not an instant", "write it like 2022-10-19T16:00:00Z")
	}
	rest, err := s.From(t)
	if err != nil {
		return nil, 0, err
	}
	return s, len(s.Value) - len(rest), nil
}

// hourly reads an hourly series and the jobs, and finds the window's first hour.
func (f *shiftFlags) hourly() (*sim.Intensity, []sim.ShiftJob, int, error) {
	if f.jobs == "" {
		return nil, nil, 0, fault.New(fault.Invalid, "--jobs", "is missing", "name a file of jobs")
	}
	s, at, err := f.window()
	if err != nil {
		return nil, nil, 0, err
	}
	file, err := open(f.jobs)
	if err != nil {
		return nil, nil, 0, err
	}
	defer file.Close()
	jobs, err := sim.ReadShiftJobs(f.jobs, file)
	return s, jobs, at, err
}

func (p *program) protocolWaitAwhile() *cobra.Command {
	f := &shiftFlags{}
	var deadline, mode string
	var percent float64
	var seeds int
	c := &cobra.Command{
		Use:   "lets-wait-awhile",
		Short: "Let's Wait Awhile, scenario II (Middleware 2021): jobs shift within a deadline",
		Example: `  tianfu green protocol lets-wait-awhile --ci de.csv --jobs ml.csv --deadline next-workday --mode run-through
  tianfu green protocol lets-wait-awhile --ci de.csv --jobs ml.csv --deadline semi-weekly --mode interrupting --error 5 --seeds 10 -o json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			s, err := f.series()
			if err == nil && s.Step != sim.WaitAwhileSlot {
				s, err = s.In(sim.WaitAwhileSlot)
			}
			if err != nil {
				return err
			}
			q := sim.WaitAwhileParams{Series: s, Error: percent / 100, Seeds: seeds}
			switch {
			case deadline != "next-workday" && deadline != "semi-weekly":
				return fault.New(fault.Invalid, "--deadline", strconv.Quote(deadline)+" is not known", "use next-workday or semi-weekly")
			case mode != "run-through" && mode != "interrupting":
				return fault.New(fault.Invalid, "--mode", strconv.Quote(mode)+" is not known", "use run-through or interrupting")
			case !(percent >= 0 && percent <= 100):
				return fault.New(fault.Invalid, "--error", fmt.Sprint(percent)+" is out of range", "a part of the mean in percent, 0 to 100")
			case seeds < 1 || seeds > maxSeeds:
				return fault.New(fault.Invalid, "--seeds", strconv.Itoa(seeds)+" is out of range", "1 to 1,000")
			}
			if f.jobs == "" {
				return fault.New(fault.Invalid, "--jobs", "is missing", "name a file of jobs")
			}
			q.SemiWeekly, q.Interrupting = deadline == "semi-weekly", mode == "interrupting"
			file, err := open(f.jobs)
			if err != nil {
				return err
			}
			defer file.Close()
			if q.Jobs, err = sim.ReadFixedJobs(f.jobs, file, s.Step); err != nil {
				return err
			}
			for _, j := range q.Jobs {
				if j.Start+j.Length > len(s.Value) {
					return fault.New(fault.Invalid, f.jobs, "has a job that ends after the series", "give a longer series")
				}
			}
			r := sim.WaitAwhile(q)
			t := &table{header: []string{"SAVING", "BASELINE"}}
			t.add(fmt.Sprintf("%.2f%%", r.Saving), fmt.Sprintf("%.2fkg", r.Baseline))
			return p.print(map[string]float64{"saving_percent": r.Saving, "baseline_kg": r.Baseline}, t)
		},
	}
	f.register(c, false)
	c.Flags().StringVar(&deadline, "deadline", "next-workday", "next-workday or semi-weekly")
	c.Flags().StringVar(&mode, "mode", "run-through", "run-through or interrupting")
	c.Flags().Float64Var(&percent, "error", 0, "error of the forecast in percent of the mean")
	c.Flags().IntVar(&seeds, "seeds", 10, "forecasts to draw and average over")
	return c
}

func (p *program) protocolGaia() *cobra.Command {
	f := &shiftFlags{}
	reserved := -1
	c := &cobra.Command{
		Use:     "gaia",
		Short:   "GAIA (ASPLOS 2024): carbon against waiting, and against money with reserved CPUs",
		Example: "  tianfu green protocol gaia --ci sa.csv --column ci_lifecycle_g_per_kwh --start 2022-10-19T16:00:00Z --jobs pai.csv -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if reserved < -1 || reserved > 1<<20 {
				return fault.New(fault.Invalid, "--reserved", strconv.Itoa(reserved)+" is out of range", "0 to 1,048,576 CPUs")
			}
			s, jobs, at, err := f.hourly()
			if err != nil {
				return err
			}
			g, err := sim.NewGaia(jobs, s.Value[at:])
			if err != nil {
				return err
			}
			results := g.Run()
			if reserved >= 0 {
				results = append(results, g.Reserved(reserved))
			}
			t := &table{header: []string{"POLICY", "NORMALISED", "GRAMS", "MEAN WAIT", "MEAN WAIT PER JOB", "DOLLARS"}}
			for _, r := range results {
				dollars := ""
				if r.Dollars > 0 {
					dollars = fmt.Sprintf("%.2f", r.Dollars)
				}
				t.add(r.Policy, fmt.Sprintf("%.6f", r.Normalised), fmt.Sprintf("%.3f", r.Total), fmt.Sprintf("%.3fh", r.Wait), fmt.Sprintf("%.3fh", r.JobWait), dollars)
			}
			return p.print(map[string]any{"policies": results}, t)
		},
	}
	f.register(c, true)
	c.Flags().IntVar(&reserved, "reserved", -1, "also run carbon-time with this many reserved CPUs")
	return c
}

func (p *program) protocolBounded() *cobra.Command {
	f := &shiftFlags{}
	var cpus int
	var forecast string
	c := &cobra.Command{
		Use:     "bounded",
		Short:   "A cluster with a bound on CPUs and deadlines: fcfs, threshold, an oracle and our planner",
		Example: "  tianfu green protocol bounded --ci sa.csv --column ci_lifecycle_g_per_kwh --start 2022-10-19T16:00:00Z --jobs pai.csv --cpus 38 --forecast own",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if _, err := energy.ForecasterOf(forecast); err != nil {
				return fault.New(fault.Invalid, "--forecast", strconv.Quote(forecast)+" is not known", "use perfect, persistence or own")
			}
			if cpus < 0 || cpus > 1<<20 {
				return fault.New(fault.Invalid, "--cpus", strconv.Itoa(cpus)+" is out of range", "0 (no bound) to 1,048,576")
			}
			s, jobs, at, err := f.hourly()
			if err != nil {
				return err
			}
			b, err := sim.NewBounded(jobs, s.Value, at, cpus)
			if err != nil {
				return err
			}
			planned, err := b.Planned(forecast)
			if err != nil {
				return err
			}
			results := []sim.BoundedResult{b.FCFS(), b.Threshold(), b.Oracle(), planned}
			t := &table{header: []string{"POLICY", "KG", "SAVING", "LATE JOBS", "PEAK CPUS"}}
			for _, r := range results {
				t.add(r.Policy, fmt.Sprintf("%.5f", r.KG), fmt.Sprintf("%.2f%%", sim.SavedPercent(r.KG, results[0].KG)), strconv.Itoa(r.Late), strconv.Itoa(r.Peak))
			}
			return p.print(map[string]any{"policies": results}, t)
		},
	}
	f.register(c, true)
	c.Flags().IntVar(&cpus, "cpus", 0, "bound on CPUs in use; 0 = none")
	c.Flags().StringVar(&forecast, "forecast", "own", "what the planner is told: perfect, persistence or own")
	return c
}
