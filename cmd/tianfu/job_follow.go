package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tianfu/fault"
	"tianfu/httpapi"
)

// patience is how long a centre that cannot be reached is waited for, once it
// was: a restart, an upgrade or a broken line must not end what waits for a job.
const patience = 10 * time.Minute

// persist calls f, and again where the centre that it had reached went away. f
// calls reached when it is connected.
func (p *program) persist(ctx context.Context, f func(reached func()) error) error {
	var seen, away time.Time // when it was first reached, and since when it is gone
	for {
		err := f(func() {
			if !away.IsZero() {
				fmt.Fprintln(p.err, "tianfu: the centre is back")
			}
			seen, away = time.Now(), time.Time{}
		})
		if err == nil || ctx.Err() != nil || seen.IsZero() || fault.KindOf(err) != fault.Unavailable {
			return err
		}
		switch {
		case away.IsZero():
			away = time.Now()
			fmt.Fprintf(p.err, "tianfu: %v\ntianfu: waiting for the centre, %d minutes at most\n", err, int(patience.Minutes()))
		case time.Since(away) > patience:
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
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
			return p.copyLog(c.Context(), client, httpapi.LogRequest{Job: id, Task: number, Stream: stream, Follow: follow})
		},
	}
	c.Flags().IntVar(&task, "task", 0, "number of the task")
	c.Flags().BoolVar(&stderr, "stderr", false, "the error output instead")
	c.Flags().BoolVarP(&follow, "follow", "f", false, "wait for the task to start, and read on until it ends")
	return only(c)
}

// copyLog prints what a task wrote. Following, it waits for a task that has not
// started, goes on where it stopped when the centre was away, and ends quietly
// when it is interrupted.
func (p *program) copyLog(ctx context.Context, client *httpapi.Client, q httpapi.LogRequest) error {
	if !q.Follow {
		return client.Logs(ctx, q, p.out)
	}
	if err := p.untilStarted(ctx, client, q.Job, q.Task); err != nil || ctx.Err() != nil {
		return quietly(ctx, err)
	}
	return quietly(ctx, p.persist(ctx, func(reached func()) (err error) {
		q.Offset, err = client.LogsFrom(ctx, q, reading{p, reached})
		return err
	}))
}

// reading passes on what is printed, and that it came.
type reading struct {
	p       *program
	reached func()
}

func (r reading) Write(b []byte) (int, error) {
	r.reached()
	return r.p.out.Write(b)
}

// quietly ends what people end with Ctrl-C.
func quietly(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// untilStarted waits for the first attempt of a task that waits.
func (p *program) untilStarted(ctx context.Context, client *httpapi.Client, id string, task int) error {
	said := false
	return p.persist(ctx, func(reached func()) error {
		var failed error
		look := func() bool {
			reached()
			var j *httpapi.Job
			j, failed = client.Job(ctx, id)
			waits := failed == nil && !over(j.Phase) && task < len(j.Tasks) && j.Tasks[task].Attempt == 0
			if waits && !said {
				said = true
				why := ""
				if j.Reason != nil {
					why = ": " + j.Reason.Text
				}
				fmt.Fprintf(p.err, "%s/%d has not started%s\n", id, task, why)
			}
			return waits
		}
		err := client.Watch(ctx, &httpapi.Watch{Jobs: []string{id}, Ready: look, Changed: func(httpapi.Event) bool { return look() }})
		if failed != nil {
			return failed
		}
		return err
	})
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

func (p *program) jobWait(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "wait JOB...", Short: "Wait until jobs have ended; exit code 1 when one did not complete", Args: cobra.MinimumNArgs(1),
		Example: "  tianfu job wait j-42\n  tianfu job wait j-42 j-43 && tianfu job submit next.yaml",
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
		t.add(j.ID, j.Name, j.Phase, tellingExit(j.Tasks))
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

// tellingExit is the exit that says most of how a job ended: of a task that failed,
// before one that was stopped, as the others of its gang are.
func tellingExit(tasks []httpapi.Task) (text string) {
	best := -1
	for i := range tasks {
		e := tasks[i].Exit
		if e == nil {
			continue
		}
		worth := 0
		if e.Code != 0 {
			worth++
		}
		if e.Code != 0 && !strings.HasPrefix(e.Detail, "stopped") {
			worth++
		}
		if worth > best {
			best, text = worth, fmt.Sprintf("%d %s", e.Code, e.Detail)
		}
	}
	return text
}

func over(phase string) bool { return phase != "pending" && phase != "running" }

// waitForOne watches events rather than asking again and again.
func (p *program) waitForOne(ctx context.Context, client *httpapi.Client, id string) (j *httpapi.Job, err error) {
	err = p.persist(ctx, func(reached func()) error {
		var failed error
		look := func() bool {
			reached()
			j, failed = client.Job(ctx, id)
			return failed == nil && !over(j.Phase)
		}
		err := client.Watch(ctx, &httpapi.Watch{Jobs: []string{id}, Ready: look, Changed: func(e httpapi.Event) bool { return !over(e.Phase) || look() }})
		switch {
		case failed != nil:
			return failed
		case j != nil && over(j.Phase):
			return nil
		}
		return err
	})
	if ctx.Err() != nil && err != nil {
		return nil, fault.New(fault.Unavailable, id, "was waited for until the interruption", "it goes on; wait again: tianfu job wait "+id)
	}
	return j, err
}

func (p *program) jobWatch(r *remote) *cobra.Command {
	var standing bool
	c := only(&cobra.Command{
		Use: "watch [JOB...]", Short: "Print changes of jobs as they happen",
		Long:    "Print changes of jobs as they happen: of all that may be seen, or of those that\nare named. With --standing it begins with a line for every job that waits or runs,\nor that is named; and again, should changes have been missed.",
		Example: "  tianfu job watch\n  tianfu job watch --standing -o json\n  tianfu job watch j-42",
		RunE: p.asking(r, func(c *cobra.Command, client *httpapi.Client, ids []string) error {
			ctx := c.Context()
			line := func(e httpapi.Event) bool {
				if p.format == "json" {
					text, _ := json.Marshal(e)
					fmt.Fprintf(p.out, "%s\n", text)
					return true
				}
				fmt.Fprintf(p.out, "%s  %-10s %s/%d  %s %s\n", httpapi.WholeSeconds(e.At), e.Kind, e.Job, e.Task, e.Phase, e.Detail)
				return true
			}
			w := &httpapi.Watch{Jobs: ids, Changed: line}
			if standing {
				w.Standing = func(part []httpapi.Job, _ bool) {
					for i := range part {
						j := &part[i]
						line(httpapi.Event{At: j.Submitted, Kind: "standing", Job: j.ID, Tenant: j.Tenant, Phase: j.Phase})
					}
				}
			}
			return quietly(ctx, p.persist(ctx, func(reached func()) error {
				w.Ready = func() bool { reached(); return true }
				return client.Watch(ctx, w)
			}))
		}),
	}, "table", "json")
	c.Flags().BoolVar(&standing, "standing", false, "begin with the jobs that wait or run, by the instant they were submitted")
	return c
}
