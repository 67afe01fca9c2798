package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tianfu/fault"
	"tianfu/httpapi"
	"tianfu/live"
)

func (p *program) job() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{Use: "job", Short: "Submit, watch and end jobs of a running centre", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	r.register(c)
	c.AddCommand(p.jobSubmit(r), p.jobList(r), p.jobShow(r), p.jobLogs(r), p.jobCancel(r), p.jobWait(r), p.jobWatch(r), p.jobSchema())
	for _, sub := range c.Commands() {
		switch sub.Name() {
		case "show", "logs":
			sub.ValidArgsFunction = r.completeJobs("")
		case "cancel", "wait":
			sub.ValidArgsFunction = r.completeJobs("running")
		case "list":
			sub.RegisterFlagCompletionFunc("phase", cobra.FixedCompletions([]cobra.Completion{"pending", "running", "completed", "failed", "cancelled", "expired"}, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	return c
}

func (p *program) jobSubmit(r *remote) *cobra.Command {
	var key, dry, array string
	var wait bool
	b := &httpapi.JobBody{}
	g := httpapi.GroupBody{}
	c := &cobra.Command{
		Use:   "submit FILE | submit [flags] -- COMMAND [ARGUMENT...]",
		Short: "Submit a job from a file, or a command",
		Long: `Submit a job from a file (YAML or JSON), or a command. Prints the job's ID once it is durable.
--dry-run=server asks the running centre whether it would start now, and if not why, without submitting.`,
		Example: `  tianfu job submit train.yaml
  tianfu job submit --name hello --cpu 1 --memory 256MiB -- sh -c 'echo hello'
  tianfu job submit train.yaml --dry-run=server`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.checkFormat(); err != nil {
				return err
			}
			body := b
			switch dash := c.ArgsLenAtDash(); {
			case dash == 0 && len(args) > 0:
				b.Command = args
				if b.Name == "" {
					b.Name = args[0]
				}
				b.Groups = []httpapi.GroupBody{g}
				if array != "" {
					a, err := httpapi.ParseArray(array)
					if err != nil {
						return err
					}
					b.Array = a
				}
			case dash < 0 && len(args) == 1:
				var err error
				if body, err = readJobFile(args[0]); err != nil {
					return err
				}
			default:
				return &usageError{errors.New("give one job file, or a command after --")}
			}
			if dry != "" && dry != "server" {
				return fault.New(fault.Invalid, "--dry-run", strconv.Quote(dry)+" is not known", "write --dry-run=server")
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
	t := &table{header: []string{"JOB"}}
	if x.dry {
		return p.printDryRun(s)
	}
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

func (p *program) jobList(r *remote) *cobra.Command {
	var q httpapi.ListQuery
	w := &repeat{}
	c := &cobra.Command{
		Use: "list", Short: "List jobs, newest first", Args: cobra.NoArgs,
		Long: `List jobs, newest first. TASKS is done+running/all of a job of several. A page that ends early says where the
next begins.`,
		Example: "  tianfu job list --phase pending\n  tianfu job list --queue train --name 'resnet*' --watch",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := p.checkFormat(); err != nil {
				return err
			}
			client, err := r.client()
			if err != nil {
				return err
			}
			return p.show(c.Context(), w, func(p *program) error {
				page, err := client.Jobs(c.Context(), q)
				if err != nil {
					return err
				}
				if page.Next != "" && !w.watch {
					fmt.Fprintf(p.err, "more: --cursor %s\n", page.Next)
				}
				return p.print(page, jobsTable(page.Jobs))
			})
		},
	}
	fl := c.Flags()
	fl.StringVar(&q.Phase, "phase", "", "only pending, running, completed, failed, cancelled or expired jobs")
	fl.StringVar(&q.Tenant, "tenant", "", "only jobs of this tenant")
	fl.StringVar(&q.Queue, "queue", "", "only jobs of this queue")
	fl.StringVar(&q.Name, "name", "", "only jobs of this name; * at its end stands for any rest")
	fl.IntVar(&q.Limit, "limit", 100, "most jobs to show, to 1,000")
	fl.StringVar(&q.Cursor, "cursor", "", "where the page before ended")
	w.register(c)
	return c
}

func jobsTable(jobs []httpapi.Job) *table {
	t := &table{header: []string{"JOB", "NAME", "TENANT", "QUEUE", "PHASE", "TASKS", "PRIORITY", "SUBMITTED", "WHY"}}
	for i := range jobs {
		j := &jobs[i]
		why := ""
		if j.Reason != nil {
			why = j.Reason.Text
		}
		t.add(j.ID, j.Name, j.Tenant, j.Queue, j.Phase, tasksOf(j), strconv.Itoa(int(j.Priority)), seconds(j.Submitted), why)
	}
	return t
}

// seconds cuts the fraction off an instant, for tables.
func seconds(at string) string {
	t, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return at
	}
	return t.Format(time.RFC3339)
}

func (p *program) jobShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "show JOB", Short: "Show a job with its tasks", Args: cobra.ExactArgs(1), Example: "  tianfu job show j-42",
		RunE: p.asking(r, func(c *cobra.Command, client *httpapi.Client, args []string) error {
			j, err := client.Job(c.Context(), args[0])
			if err != nil {
				return err
			}
			return p.print(j, jobTable(j))
		}),
	}
}

// taskName renders a task: by its index where it is an element of an array.
func taskName(j *httpapi.Job, x *httpapi.Task) string {
	if x.ArrayIndex != nil {
		return fmt.Sprintf("%s[%d]", j.ID, *x.ArrayIndex)
	}
	return fmt.Sprintf("%s/%d", j.ID, x.Index)
}

func jobTable(j *httpapi.Job) *table {
	t := &table{header: []string{"TASK", "STATE", "ATTEMPT", "NODE", "DEVICES", "STARTED", "LAST EXIT"}}
	for i := range j.Tasks {
		x := &j.Tasks[i]
		exit := ""
		if x.Exit != nil {
			exit = fmt.Sprintf("%d %s", x.Exit.Code, x.Exit.Detail)
		}
		t.add(taskName(j, x), x.State, strconv.Itoa(int(x.Attempt)), x.Node, strings.Trim(fmt.Sprint(x.Devices), "[]"), seconds(x.Started), exit)
	}
	t.foot = fmt.Sprintf("%s %q of %s is %s", j.ID, j.Name, j.Tenant, j.Phase)
	if j.Reason != nil {
		t.foot += ": " + j.Reason.Text
	}
	return t
}

func (p *program) jobLogs(r *remote) *cobra.Command {
	var task int
	var stderr, follow bool
	c := &cobra.Command{
		Use: "logs JOB", Short: "Print what a task wrote", Args: cobra.ExactArgs(1),
		Long:    "Print what a task wrote. JOB is j-42, a task of it as j-42/3, or an element of an array by its index as j-42[7].",
		Example: "  tianfu job logs j-42 -f\n  tianfu job logs 'j-42[7]' --stderr",
		RunE: func(c *cobra.Command, args []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			stream := "stdout"
			if stderr {
				stream = "stderr"
			}
			id, number, err := taskArg(c.Context(), client, args[0], task)
			if err != nil {
				return err
			}
			return client.Logs(c.Context(), httpapi.LogRequest{Job: id, Task: number, Stream: stream, Follow: follow}, p.out)
		},
	}
	c.Flags().IntVar(&task, "task", 0, "number of the task")
	c.Flags().BoolVar(&stderr, "stderr", false, "the error output instead")
	c.Flags().BoolVarP(&follow, "follow", "f", false, "until the task ends")
	return c
}

// taskArg reads j-42, j-42/3 or j-42[7]; the last asks for the element of an
// array that has the index.
func taskArg(ctx context.Context, client *httpapi.Client, arg string, task int) (string, int, error) {
	bad := func() (string, int, error) {
		return "", 0, fault.New(fault.Invalid, "job "+strconv.Quote(arg), "is not a job or task", "write it like j-42, j-42/3 or j-42[7]")
	}
	if id, number, ok := strings.Cut(arg, "/"); ok {
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 {
			return bad()
		}
		return id, n, nil
	}
	id, index, ok := strings.Cut(strings.TrimSuffix(arg, "]"), "[")
	if !ok {
		return arg, task, nil
	}
	want, err := strconv.Atoi(index)
	if err != nil {
		return bad()
	}
	j, err := client.Job(ctx, id)
	if err != nil {
		return "", 0, err
	}
	for i := range j.Tasks {
		if at := j.Tasks[i].ArrayIndex; at != nil && *at == want {
			return id, i, nil
		}
	}
	return "", 0, fault.New(fault.NotFound, arg, "the job has no element of that index", "its array is "+strconv.Quote(j.Array))
}

func (p *program) jobCancel(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "cancel JOB...", Short: "Cancel jobs", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			for _, id := range args {
				if err := client.Cancel(c.Context(), id); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func (p *program) jobWait(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "wait JOB...", Short: "Wait until jobs have ended; exit code 1 when one did not complete", Args: cobra.MinimumNArgs(1),
		RunE: p.asking(r, func(c *cobra.Command, client *httpapi.Client, args []string) error {
			return p.waitFor(c.Context(), client, args)
		}),
	}
}

// waitFor returns when all jobs have ended, and an error when one did not
// complete.
func (p *program) waitFor(ctx context.Context, client *httpapi.Client, ids []string) error {
	var ended []httpapi.Job
	for _, id := range ids {
		j, err := p.waitForOne(ctx, client, id)
		if err != nil {
			return err
		}
		ended = append(ended, *j)
	}
	t := &table{header: []string{"JOB", "NAME", "PHASE", "LAST EXIT"}}
	bad := 0
	for i := range ended {
		j := &ended[i]
		exit := ""
		for k := range j.Tasks {
			if e := j.Tasks[k].Exit; e != nil && (exit == "" || e.Code != 0) {
				exit = fmt.Sprintf("%d %s", e.Code, e.Detail)
			}
		}
		t.add(j.ID, j.Name, j.Phase, exit)
		if j.Phase != "completed" {
			bad++
		}
	}
	if err := p.print(ended, t); err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d jobs did not complete", bad, len(ended))
	}
	return nil
}

func over(phase string) bool { return phase != "pending" && phase != "running" }

// waitForOne watches events rather than asking again and again.
func (p *program) waitForOne(ctx context.Context, client *httpapi.Client, id string) (*httpapi.Job, error) {
	for {
		var j *httpapi.Job
		var failed error
		look := func() bool {
			j, failed = client.Job(ctx, id)
			return failed == nil && !over(j.Phase)
		}
		err := client.Watch(ctx, 0, look, func(e live.Event) bool { return e.Job.String() != id || !over(e.Phase) || look() })
		switch {
		case failed != nil:
			return nil, failed
		case j != nil && over(j.Phase):
			return j, nil
		case err != nil:
			return nil, err
		}
	}
}

func (p *program) jobWatch(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "watch", Short: "Print changes of jobs as they happen", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			return client.Watch(c.Context(), 0, nil, func(e live.Event) bool {
				if p.format == "json" {
					text, _ := json.Marshal(e)
					fmt.Fprintf(p.out, "%s\n", text)
					return true
				}
				fmt.Fprintf(p.out, "%s  %-10s %s/%d  %s %s\n", e.At, e.Kind, e.Job, e.Task, e.Phase, e.Detail)
				return true
			})
		},
	}
}
