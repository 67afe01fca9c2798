package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tianfu/fault"
	"tianfu/httpapi"
)

func (p *program) jobSubmit(r *remote) *cobra.Command {
	var key, dry, array string
	var wait bool
	b := &httpapi.JobBody{}
	g := httpapi.GroupBody{}
	c := &cobra.Command{
		Use:   "submit {FILE | -- COMMAND [ARGUMENT...]}",
		Short: "Submit a job from a file, or a command",
		Long: `Submit a job from a file (YAML or JSON), or a command. Prints the job's ID once it is durable.
Flags go before what the file says; what a task asks for is changed in the file.
--dry-run=server asks the running centre whether it would start now, and if not why, without submitting.`,
		Example: `  tianfu job submit train.yaml
  tianfu job submit train.yaml --priority 20 --wait
  tianfu job submit --name hello --cpu 1 --memory 256MiB -- sh -c 'echo hello'
  tianfu job submit train.yaml --dry-run=server`,
		RunE: func(c *cobra.Command, args []string) error {
			body := b
			if dry != "" && dry != "server" { // before anything else: it may have taken the -- or the file
				return fault.New(fault.Invalid, "--dry-run", strconv.Quote(dry)+" is not known", "write --dry-run=server")
			}
			if err := arrayFlag(array, b); err != nil {
				return err
			}
			switch dash := c.ArgsLenAtDash(); {
			case dash == 0 && len(args) > 0:
				b.Command = args
				if b.Name == "" {
					b.Name = args[0]
				}
				b.Groups = []httpapi.GroupBody{g}
			case dash < 0 && len(args) == 1:
				var err error
				if body, err = readJobFile(args[0]); err == nil {
					err = override(c.Flags(), body, b)
				}
				if err != nil {
					return err
				}
			default:
				return &usageError{errors.New("give one job file, or a command after --; for example: tianfu job submit train.yaml, or: tianfu job submit --cpu 2 -- python train.py")}
			}
			return p.submitJob(c.Context(), r, submission{body, key, dry == "server", wait})
		},
	}
	fl := c.Flags()
	fl.StringVar(&key, "key", "", "idempotency key: submitting again with it gives the first job")
	fl.StringVar(&dry, "dry-run", "", "server: only say what it would do now")
	fl.BoolVar(&wait, "wait", false, "wait until the job has ended, and end with its success")
	fl.StringVar(&b.Name, "name", "", "name of the job")
	fl.StringVar(&b.Tenant, "tenant", "", "tenant, for operators")
	fl.StringVar(&b.Queue, "queue", "", "queue (default: the tenant's own)")
	fl.Int32Var(&b.Priority, "priority", 0, "larger is earlier")
	fl.StringVar(&b.ExpectedRun, "expected-run", "", "run time that planning may assume, like 30m")
	fl.StringVar(&b.TimeLimit, "time-limit", "", "end the task after this time, like 2h")
	fl.IntVar(&b.Retries, "retries", 0, "more tries after a failed one")
	fl.StringVar(&array, "array", "", "run as an array, like 1-1000%50: indices, and how many at one time")
	fl.StringArrayVar(&b.After, "after", nil, "job to wait for: j-1 must complete, any:j-1 must end; may be repeated")
	fl.BoolVar(&b.Network, "network", false, "let it use the network")
	fl.StringVar(&g.CPU, "cpu", "1", "logical CPUs, like 2 or 500m")
	fl.StringVar(&g.Memory, "memory", "512MiB", "memory, like 4GiB")
	fl.IntVar(&g.Count, "count", 1, "number of equal tasks")
	fl.IntVar(&g.Accelerators, "accelerators", 0, "accelerators of one task")
	fl.StringSliceVar(&g.Models, "models", nil, "accepted accelerator models, any of")
	return c
}

func arrayFlag(text string, b *httpapi.JobBody) (err error) {
	if text != "" {
		b.Array, err = httpapi.ParseArray(text)
	}
	return err
}

// override puts what flags say in the place of what a job file says. What a task
// asks for has no single place in a file of several groups.
func override(flags *pflag.FlagSet, file, said *httpapi.JobBody) (err error) {
	set := map[string]func(){
		"name": func() { file.Name = said.Name }, "tenant": func() { file.Tenant = said.Tenant }, "queue": func() { file.Queue = said.Queue },
		"priority": func() { file.Priority = said.Priority }, "expected-run": func() { file.ExpectedRun = said.ExpectedRun },
		"time-limit": func() { file.TimeLimit = said.TimeLimit }, "retries": func() { file.Retries = said.Retries },
		"after": func() { file.After = said.After }, "network": func() { file.Network = said.Network },
		"array": func() { file.Array = said.Array },
	}
	flags.Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "cpu", "memory", "count", "accelerators", "models":
			if err == nil {
				err = fault.New(fault.Invalid, "--"+f.Name, "is for a command, and this is a job file", "change groups: in the file")
			}
		default:
			if set[f.Name] != nil && err == nil {
				set[f.Name]()
			}
		}
	})
	return err
}

// submission is a job with how it is submitted.
type submission struct {
	body *httpapi.JobBody
	key  string
	dry  bool // only ask
	wait bool // until it has ended
}

func (p *program) submitJob(ctx context.Context, r *remote, x submission) error {
	client, err := r.client()
	if err != nil {
		return err
	}
	s, err := client.Submit(ctx, x.body, x.key, x.dry)
	if err != nil {
		return err
	}
	if x.dry {
		return p.printDryRun(s)
	}
	if s.Warning != "" {
		fmt.Fprintf(p.err, "warning: %s: %s\n", s.ID, s.Warning)
	}
	t := &table{header: []string{"JOB"}}
	if !x.wait {
		t.add(s.ID)
		if terminal(p.err) {
			fmt.Fprintf(p.err, "next: tianfu job logs %s -f, tianfu job show %s, tianfu why %s\n", s.ID, s.ID, s.ID)
		}
		return p.print(s, t)
	}
	fmt.Fprintf(p.err, "%s submitted; waiting\n", s.ID)
	return p.waitFor(ctx, client, []string{s.ID})
}
