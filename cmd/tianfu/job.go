package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tianfu/control"
	"tianfu/fault"
	"tianfu/httpapi"
	"tianfu/unit"
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
		case "cancel", "wait", "watch":
			sub.ValidArgsFunction = r.completeJobs("running")
		case "list":
			sub.RegisterFlagCompletionFunc("phase", cobra.FixedCompletions([]cobra.Completion{"pending", "running", "completed", "failed", "cancelled", "expired"}, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	return c
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
			if q.Limit < 1 { // which the client takes for: as many as the centre likes
				return fault.New(fault.Invalid, "--limit", strconv.Itoa(q.Limit)+" is no number of jobs", "name how many to show, 1 to 1,000")
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
		t.add(j.ID, j.Name, j.Tenant, j.Queue, j.Phase, tasksOf(j), strconv.Itoa(int(j.Priority)), httpapi.WholeSeconds(j.Submitted), why)
	}
	if len(jobs) == 0 {
		t.foot = "no jobs to show"
	}
	return t
}

func (p *program) jobShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "show JOB", Short: "Show a job with its tasks", Args: cobra.ExactArgs(1), Example: "  tianfu job show j-42",
		RunE: p.asking(r, func(c *cobra.Command, client *httpapi.Client, args []string) error {
			j, err := client.Job(c.Context(), args[0])
			if err != nil {
				return err
			}
			tasks := shownTasks
			if p.format == "csv" {
				tasks = len(j.Tasks)
			}
			return p.print(j, jobTable(j, tasks))
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

// Bounds of the table of a job; JSON has more.
const (
	shownTasks    = 500 // tasks
	shownAttempts = 20  // tasks of a job of which earlier attempts have lines of their own
)

func jobTable(j *httpapi.Job, tasks int) *table {
	t := &table{header: []string{"TASK", "STATE", "ATTEMPT", "NODE", "DEVICES", "STARTED", "ENDED", "RAN", "LAST EXIT"}}
	for i := range j.Tasks[:min(len(j.Tasks), tasks)] {
		x := &j.Tasks[i]
		if len(j.Tasks) <= shownAttempts {
			earlierRows(t, j, x)
		}
		state := x.State
		if until := nextTry(j, x); until != "" && state == "pending" {
			state = "in backoff until " + httpapi.WholeSeconds(until)
		}
		if n := len(x.Attempts); n > 0 && state == "done" {
			state = x.Attempts[n-1].Ending // how it is over, as its earlier attempts say it
		}
		started, ran := x.Started, ""
		if x.Ended != "" {
			started, ran = x.Allocated, ranFor(x.Seconds)
		}
		t.add(taskName(j, x), state, strconv.Itoa(int(x.Attempt)), x.Node, strings.Trim(fmt.Sprint(x.Devices), "[]"), httpapi.WholeSeconds(started), httpapi.WholeSeconds(x.Ended), ran, exitText(x.Exit))
	}
	t.foot = ""
	if left := len(j.Tasks) - tasks; left > 0 {
		t.foot = fmt.Sprintf("and %s that are not shown; see -o csv or -o json\n", unit.Count(left, "task"))
	}
	t.foot += fmt.Sprintf("%s %q of %s is %s", j.ID, j.Name, j.Tenant, j.Phase)
	if j.Reason != nil {
		t.foot += ": " + j.Reason.Text
	}
	return t
}

// nextTry returns until when a backoff holds a task: one of its own, or the job's.
func nextTry(j *httpapi.Job, x *httpapi.Task) string {
	if x.NextTry == "" && x.Attempt > 0 && j.Resting == 0 && j.Reason != nil && j.Reason.Cause == control.CauseBackoff.String() {
		return j.NextTry
	}
	return x.NextTry
}

// earlierRows adds the attempts of a task before its last.
func earlierRows(t *table, j *httpapi.Job, x *httpapi.Task) {
	for i := range x.Attempts {
		a := &x.Attempts[i]
		if a.Attempt != x.Attempt {
			t.add(taskName(j, x), a.Ending, strconv.Itoa(int(a.Attempt)), a.Node, "", httpapi.WholeSeconds(a.Allocated), httpapi.WholeSeconds(a.Ended), ranFor(a.Seconds), exitText(a.Exit))
		}
	}
}

func exitText(e *httpapi.Exit) string {
	if e == nil {
		return ""
	}
	return fmt.Sprintf("%d %s", e.Code, e.Detail)
}

// ranFor renders a run time, to a hundredth of a second where it is short.
func ranFor(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d < time.Minute {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func (p *program) jobCancel(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "cancel JOB...", Short: "Cancel jobs", Args: cobra.MinimumNArgs(1),
		Long:    "Cancel jobs. One that cannot be cancelled does not keep the others from it; what is in its way is said at the end.",
		Example: "  tianfu job cancel j-42\n  tianfu job cancel j-42 j-43",
		RunE: p.asking(r, func(c *cobra.Command, client *httpapi.Client, args []string) error {
			return p.each(args, func(id string) error { return client.Cancel(c.Context(), id) })
		}),
	}
}

// each does something to every one of several: one that fails does not keep it
// from the others. All failures are said; the first gives the exit code.
func (p *program) each(names []string, f func(name string) error) (failed error) {
	for _, name := range names {
		err := f(name)
		if err != nil && failed != nil {
			fmt.Fprintf(p.err, "tianfu: %v\n", err)
		} else if err != nil {
			failed = err
		}
	}
	return failed
}
