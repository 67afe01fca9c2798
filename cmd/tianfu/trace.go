package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tianfu/fault"
	"tianfu/sim"
)

func (p *program) trace() *cobra.Command {
	c := &cobra.Command{Use: "trace", Short: "Make, fetch, convert and inspect workloads", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(p.traceGenerate(), p.traceList(), p.traceFetch(), p.traceConvert(), p.traceInfo())
	return c
}

func (p *program) traceGenerate() *cobra.Command {
	g := sim.GenerateParams{}
	var out, world string
	c := &cobra.Command{
		Use:   "generate",
		Short: "Make a fleet and a workload from published marginals and a seed",
		Long: `Make a fleet and a workload from published marginals and a seed: node kinds and the mix of tasks of
Alibaba's GPU trace of 2023, log-normal run times, tenants by a Zipf law. Writes nodes.csv and jobs.csv;
equal flags give equal files on every machine. With --world, the jobs are made for that fleet and only
jobs.csv is written.`,
		Example: `  tianfu trace generate --nodes 1200 --tasks 20000 --load 0.95 --out out/demo
  tianfu trace generate --world examples/chengdu.yaml --tasks 30000 --named 0.3 --out out/demo`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if world != "" {
				if c.Flags().Changed("nodes") {
					return fault.New(fault.Invalid, "--nodes", "would have no effect: --world has nodes of its own", "leave one of both out")
				}
				if g.Fleet, err = readWorld(world); err != nil {
					return err
				}
			}
			f, w, err := sim.Generate(g)
			if err != nil {
				return err
			}
			fleetFlag := "--world " + world
			if world == "" {
				nodes := filepath.Join(out, "nodes.csv")
				fleetFlag = "--nodes " + nodes
				if err := writeFile(nodes, func(o io.Writer) error { return sim.WriteNodes(o, f) }); err != nil {
					return err
				}
			}
			if err := writeFile(filepath.Join(out, "jobs.csv"), func(o io.Writer) error { return sim.WriteJobs(o, w, false) }); err != nil {
				return err
			}
			fmt.Fprintf(p.err, "wrote %d jobs for %d nodes to %s\ntry: tianfu replay %s --tasks %s\n", len(w.Jobs), len(f.Nodes), out,
				fleetFlag, filepath.Join(out, "jobs.csv"))
			return nil
		},
	}
	fl := c.Flags()
	fl.StringVar(&world, "world", "", "world file to make the jobs for, instead of --nodes")
	fl.Float64Var(&g.Named, "named", 0, "part of the accelerator tasks that accept one model only")
	fl.IntVar(&g.Nodes, "nodes", 1200, "nodes in the fleet")
	fl.IntVar(&g.Tasks, "tasks", 20000, "jobs")
	fl.Uint64Var(&g.Seed, "seed", 42, "seed")
	fl.Float64Var(&g.Load, "load", 0.95, "offered accelerator load")
	fl.Float64Var(&g.Gangs, "gangs", 0.01, "part of the whole-device jobs that are gangs of several tasks")
	fl.DurationVar(&g.Median, "median", 40*time.Minute, "median run time")
	fl.Float64Var(&g.Sigma, "sigma", 1.6, "spread of the run times: standard deviation of their logarithm")
	fl.StringVar(&out, "out", "out/trace", "directory to write to")
	return c
}

func (p *program) traceConvert() *cobra.Command {
	var processors int
	c := &cobra.Command{
		Use:   "convert IN OUT",
		Short: "Convert a workload to our own format (OUT ends in .csv or .jsonl)",
		Args:  cobra.ExactArgs(2),
		Example: `  tianfu trace convert KIT-FH2.swf jobs.csv --processors 24048
  tianfu trace convert jobs.csv jobs.jsonl`,
		RunE: func(_ *cobra.Command, args []string) error {
			ext := filepath.Ext(args[1])
			if ext != ".csv" && ext != ".jsonl" {
				return fault.New(fault.Invalid, args[1], "ends in neither .csv nor .jsonl", "the ending chooses the format")
			}
			w, err := readWorkload(args[0], sim.JobOptions{Processors: processors})
			if err != nil {
				return err
			}
			return writeFile(args[1], func(o io.Writer) error { return sim.WriteJobs(o, w, ext == ".jsonl") })
		},
	}
	c.Flags().IntVar(&processors, "processors", 0, "size of the pool of an SWF log; larger jobs are left out")
	return c
}

// traceInfoDocument describes a workload.
type traceInfoDocument struct {
	File        string         `json:"file"`
	Jobs        int            `json:"jobs"`
	Tasks       int            `json:"tasks"`
	Timed       bool           `json:"timed"`
	Skipped     map[string]int `json:"skipped"`
	Tenants     int            `json:"tenants"`
	SpanHours   float64        `json:"span_h"`
	GPUs        float64        `json:"accelerators_asked"`
	ByRequest   map[string]int `json:"jobs_by_request"`
	Constrained int            `json:"jobs_naming_models"`
}

func (p *program) traceInfo() *cobra.Command {
	return &cobra.Command{
		Use:     "info FILE",
		Short:   "Say what is in a workload",
		Example: "  tianfu trace info jobs.csv",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			w, err := readWorkload(args[0], sim.JobOptions{})
			if err != nil {
				return err
			}
			d := describe(args[0], w)
			t := &table{header: []string{"WHAT", "FIGURE"}}
			t.add("jobs", strconv.Itoa(d.Jobs))
			t.add("tasks", strconv.Itoa(d.Tasks))
			t.add("tenants", strconv.Itoa(d.Tenants))
			t.add("with times", strconv.FormatBool(d.Timed))
			t.add("span", fmt.Sprintf("%.1fh", d.SpanHours))
			t.add("accelerators asked", fmt.Sprintf("%.1f", d.GPUs))
			for _, k := range []string{"none", "share", "one", "several"} {
				t.add("jobs asking "+k, strconv.Itoa(d.ByRequest[k]))
			}
			t.add("jobs naming models", strconv.Itoa(d.Constrained))
			return p.print(d, t)
		},
	}
}

func describe(file string, w *sim.Workload) traceInfoDocument {
	d := traceInfoDocument{File: file, Jobs: len(w.Jobs), Timed: w.Timed, Skipped: w.Skipped, ByRequest: map[string]int{}, SpanHours: round(w.Span().Hours(), 3)}
	tenants := map[string]bool{}
	for i := range w.Jobs {
		s := w.Jobs[i].Spec
		tenants[string(s.Tenant)] = true
		d.Tasks += s.Tasks()
		q := &s.Groups[0].Request
		d.GPUs += float64(s.Tasks()) * float64(q.Accelerators) * float64(q.Share) / 1000
		switch {
		case q.Accelerators == 0:
			d.ByRequest["none"]++
		case q.Share < 1000:
			d.ByRequest["share"]++
		case q.Accelerators == 1:
			d.ByRequest["one"]++
		default:
			d.ByRequest["several"]++
		}
		if len(q.Models) > 0 {
			d.Constrained++
		}
	}
	d.Tenants, d.GPUs = len(tenants), round(d.GPUs, 1)
	return d
}
