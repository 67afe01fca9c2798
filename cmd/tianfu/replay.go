package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/sim"
)

// replayFlags are the flags of replay and compare.
type replayFlags struct {
	protocol string
	nodes    string
	tasks    string
	jobs     string
	world    string
	policies string
	seeds    string
	copies   int
	power    string

	processors int
	scale      float64
	estimates  string
	backfill   string

	load    float64
	days    float64
	seed    uint64
	warm    bool
	preempt bool
	mtbf    time.Duration
	mttr    time.Duration

	calibrate bool
	every     time.Duration
	draws     int
	steps     int

	shift    deferFlags
	shifting *sim.Shifting // of the run at hand; nil = nothing is shifted

	html    string
	parquet string
	charges string
	receipt string

	site   siteFlags
	limits powerFlags
}

func (p *program) replay() *cobra.Command {
	f := &replayFlags{}
	c := &cobra.Command{
		Use:   "replay",
		Short: "Replay a workload against a fleet with the production scheduler",
		Long: `Replay a workload against a fleet with the production scheduler, in virtual time.

  --protocol inflate   tasks arrive one by one to 130 % of the accelerators and never leave
                       (the protocol of the FGD and PWR papers)
  --protocol backfill  a Standard Workload Format log on one pool of processors
  --protocol time      submit and run times from the file, queues, departures, failures`,
		Example: `  tianfu replay --protocol inflate --nodes nodes.csv --tasks tasks.csv --policy tianfu,fgd --seeds 42-51
  tianfu replay --protocol backfill --jobs log.swf --processors 256 --estimates x1to5
  tianfu replay --nodes nodes.csv --tasks tasks.csv --load 0.95 --days 7 --html report.html
  tianfu replay --nodes nodes.csv --tasks tasks.csv --load 0.95 --warm --estimates x1to5 --calibrate-start
  tianfu replay --world site.yaml --jobs jobs.csv --carbon grid.csv:ci_direct_g_per_kwh --weather site.epw --tariff sichuan-2025`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return p.runReplay(c, f) },
	}
	f.register(c)
	return c
}

func (f *replayFlags) register(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&f.protocol, "protocol", "time", "inflate, backfill or time")
	fl.StringVar(&f.nodes, "nodes", "", "CSV file of nodes")
	fl.StringVar(&f.tasks, "tasks", "", "file of tasks or jobs (CSV, JSON lines or SWF)")
	fl.StringVar(&f.jobs, "jobs", "", "file of jobs; the same as --tasks")
	fl.StringVar(&f.world, "world", "", "world file to take the fleet from, instead of --nodes")
	fl.StringVar(&f.policies, "policy", "tianfu", "policies, separated by commas")
	fl.StringVar(&f.seeds, "seeds", "42-51", "seeds of the inflation protocol: 42, 42-51 or 1,2,3")
	fl.IntVar(&f.copies, "fleet-copies", 1, "copies of every node")
	fl.StringVar(&f.power, "power", "", "power model: pwr-ccgrid25, catalogue or none (default: catalogue for nodes of its SKUs, as in a world file; otherwise what knows all devices)")
	fl.IntVar(&f.processors, "processors", 0, "size of the pool (backfill)")
	fl.Float64Var(&f.scale, "scale", 1, "divide submit times by this (backfill)")
	fl.StringVar(&f.estimates, "estimates", "exact", "run times that planning is told: exact, x1to5 or none")
	fl.StringVar(&f.backfill, "backfill", "easy", "none or easy")
	fl.Float64Var(&f.load, "load", 0, "offered accelerator load to draw tasks to, such as 0.95 (time); 0 = as recorded")
	fl.Float64Var(&f.days, "days", 7, "days to draw (time, with --load)")
	fl.BoolVar(&f.warm, "warm", false, "begin with a fleet in use, as such a load would have left it (time, with --load)")
	fl.Uint64Var(&f.seed, "seed", 42, "seed of drawn arrivals and failures (time)")
	fl.BoolVar(&f.preempt, "preempt", true, "let higher priorities preempt (time)")
	fl.DurationVar(&f.mtbf, "mtbf", 0, "mean time between failures of a node, such as 720h (time); 0 = no failures")
	fl.DurationVar(&f.mttr, "mttr", 4*time.Hour, "mean time to repair a node (time)")
	fl.BoolVar(&f.calibrate, "calibrate-start", false, "estimate the start of waiting jobs on the way and say how often it came within the stated interval (time)")
	fl.DurationVar(&f.every, "calibrate-every", 0, "virtual time between two moments of estimates (default: 48 of them)")
	fl.IntVar(&f.draws, "calibrate-draws", sim.FullDraws, "runs forward of each estimate")
	fl.IntVar(&f.steps, "calibrate-steps", 0, "steps that one run forward makes at most (0 = 400,000)")
	f.site.register(c)
	f.limits.register(c)
	f.shift.register(c)
	fl.StringVar(&f.html, "html", "", "write a report to this file")
	fl.StringVar(&f.receipt, "receipt", "", "JOB=FILE: write the receipt of a job of a metered replay of one policy, such as j-5=j-5.json (time)")
	fl.StringVar(&f.charges, "charges", "", "write what the ledger came to into this file, for tianfu usage, bill and report (time)")
	fl.StringVar(&f.parquet, "parquet", "", "write per-task and per-interval results into this directory (time)")
}

func (p *program) runReplay(c *cobra.Command, f *replayFlags) error {
	if !slices.Contains([]string{"inflate", "backfill", "time"}, f.protocol) {
		return fault.New(fault.Invalid, "--protocol", strconv.Quote(f.protocol)+" is not a protocol", "use inflate, backfill or time")
	}
	if err := f.checkFlags(c, f.takes); err != nil {
		return err
	}
	switch f.protocol {
	case "inflate":
		return p.replayInflate(c.Context(), f)
	case "backfill":
		return p.replayBackfill(f)
	}
	return p.replayTime(c.Context(), f)
}

// maxSeeds bounds the runs of one command.
const maxSeeds = 1000

// seedList reads "42", "42-51" or "1,2,3".
func (f *replayFlags) seedList() ([]int64, error) {
	var out []int64
	for part := range strings.SplitSeq(f.seeds, ",") {
		from, to, ranged := strings.Cut(part, "-")
		a, err := strconv.ParseInt(from, 10, 63)
		b := a
		if err == nil && ranged {
			b, err = strconv.ParseInt(to, 10, 63)
		}
		if err != nil || b < a || b-a >= maxSeeds || len(out) >= maxSeeds {
			return nil, fault.New(fault.Invalid, "--seeds", strconv.Quote(f.seeds)+" is not a list of seeds", "write 42, 42-51 or 1,2,3; at most 1,000")
		}
		for ; a <= b; a++ {
			out = append(out, a)
		}
	}
	return out, nil
}

// fleetOf reads the fleet that --nodes or --world names.
func (f *replayFlags) fleetOf() (*fleet.Fleet, error) {
	if f.copies < 1 || f.copies > 1000 {
		return nil, fault.New(fault.Invalid, "--fleet-copies", strconv.Itoa(f.copies)+" is out of range", "1 to 1,000 is allowed")
	}
	if f.world != "" {
		w, err := readWorld(f.world)
		if err != nil {
			return nil, err
		}
		return sim.CopyFleet(w, f.copies), nil
	}
	if f.nodes == "" {
		return nil, fault.New(fault.Invalid, "--nodes", "is missing", "name a CSV file of nodes, or a world file with --world")
	}
	file, err := open(f.nodes)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	fl, err := sim.ReadNodes(f.nodes, file)
	if err != nil {
		return nil, err
	}
	return sim.CopyFleet(fl, f.copies), nil
}

// workload reads the file that --tasks or --jobs names.
func (f *replayFlags) workload() (*sim.Workload, error) {
	name := f.tasks
	if name == "" {
		name = f.jobs
	}
	if name == "" {
		return nil, fault.New(fault.Invalid, "--tasks", "is missing", "name a file of tasks, or make one with: tianfu trace generate")
	}
	return readWorkload(name, sim.JobOptions{Processors: f.processors})
}

func readWorkload(name string, o sim.JobOptions) (*sim.Workload, error) {
	file, err := open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	w, err := sim.ReadJobs(name, file, o)
	if err != nil {
		return nil, err
	}
	w.Name = filepath.Base(name)
	w.Path = name
	return w, nil
}

// open opens a file for reading and says what is wrong in the house's words.
func open(name string) (*os.File, error) {
	file, err := os.Open(name)
	if os.IsNotExist(err) {
		return nil, fault.New(fault.Invalid, name, "does not exist", "check the path")
	}
	if err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Where: name, What: "open", Err: err}
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		file.Close()
		return nil, fault.New(fault.Invalid, name, "is a directory", "name a file in it")
	}
	return file, nil
}

// powerOf returns the power model of every node. Without a wish it is the
// catalogue's where every node is of one of its SKUs, as in a world file; of a
// trace the paper's, as far as it knows the devices, otherwise the catalogue's,
// otherwise none.
func (f *replayFlags) powerOf(fl *fleet.Fleet) ([]energy.NodeModel, string, error) {
	switch f.power {
	case "none":
		return nil, "none", nil
	case "":
		bare := slices.ContainsFunc(fl.Nodes, func(n fleet.Node) bool { return n.SKU == "" })
		if m, err := energy.ForCCGrid25(fl); bare && err == nil {
			return m, energy.CCGrid25, nil
		}
		if m, err := cataloguePower(fl); err == nil {
			return m, "catalogue", nil
		}
		return nil, "none", nil
	case energy.CCGrid25:
		m, err := energy.ForCCGrid25(fl)
		return m, f.power, err
	case "catalogue":
		m, err := cataloguePower(fl)
		return m, f.power, err
	}
	return nil, "", fault.New(fault.Invalid, "--power", strconv.Quote(f.power)+" is not a power model", "use pwr-ccgrid25, catalogue or none")
}

// checkPossible refuses a workload with a task that no node could ever run, at
// its line.
func checkPossible(w *sim.Workload, fl *fleet.Fleet) error {
	if i, err := sim.FirstImpossible(w, fl); err != nil {
		return fault.Wrap(err, fmt.Sprintf("%s:%d", w.Path, w.Jobs[i].Line), "job "+w.Jobs[i].Spec.Name)
	}
	return nil
}
