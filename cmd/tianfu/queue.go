package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tianfu/httpapi"
)

func (p *program) queue() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{Use: "queue", Short: "Show the queues of a running centre: guarantees, loans, who waits and why", Args: cobra.NoArgs,
		Example: "  tianfu queue list\n  tianfu queue show train -o yaml",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() }}
	r.register(c)
	c.AddCommand(p.queueList(r), p.queueShow(r))
	return c
}

func (p *program) queueList(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List queues, a line for each resource that their quota limits", Args: cobra.NoArgs,
		Long: `List the queues, a line for each resource that their quota limits. Borrowable is what
a queue may still use now, of its guarantee and of what others lend, together.

A tenant sees its own queues; those of others in the same cohorts are one line,
all together.`,
		Example: "  tianfu queue list\n  tianfu queue list -o csv",
		RunE: p.asking(r, func(c *cobra.Command, client *httpapi.Client, _ []string) error {
			queues, err := client.Queues(c.Context())
			if err != nil {
				return err
			}
			return p.print(queues, queuesTable(queues))
		}),
	}
}

func (p *program) queueShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "show QUEUE", Short: "Show a queue, with why its jobs wait", Args: cobra.ExactArgs(1),
		Example: "  tianfu queue show train",
		RunE: p.asking(r, func(c *cobra.Command, client *httpapi.Client, args []string) error {
			q, err := client.Queue(c.Context(), args[0])
			if err != nil {
				return err
			}
			return p.print(q, queueTable(q))
		}),
	}
}

func queuesTable(queues *httpapi.Queues) *table {
	t := &table{header: []string{"QUEUE", "COHORT", "RESOURCE", "GUARANTEED", "USED", "BORROWED", "LENT", "BORROWABLE", "RUNNING", "PENDING", "SHARE", "ENTITLEMENT"}}
	for i := range queues.Queues {
		q := &queues.Queues[i]
		tail := []string{strconv.Itoa(q.Running), strconv.Itoa(q.Pending), percent(q.Share), percent(q.Entitlement)}
		if len(q.Resources) == 0 {
			t.add(append([]string{q.Name, q.Cohort, "", "", "", "", "", ""}, tail...)...)
		}
		for _, u := range q.Resources {
			t.add(append([]string{q.Name, q.Cohort, u.Resource, u.Guaranteed, u.Used, u.Borrowed, u.Lent, u.Borrowable}, tail...)...)
		}
	}
	for _, o := range queues.Others {
		t.add("(others)", o.Cohort, o.Resource, o.Guaranteed, o.Used, "", "", "", "", "", "", "")
	}
	if len(t.rows) == 0 {
		t.foot = "no queues: a job may name any, and no quota holds; declare tenants: and queues: in the world file"
	}
	return t
}

func queueTable(q *httpapi.Queue) *table {
	t := &table{header: []string{"WHAT", "VALUE"}}
	t.add("queue", q.Name)
	t.add("tenants", strings.Join(q.Tenants, " "))
	t.add("cohort", q.Cohort)
	t.add("weight", strconv.FormatInt(q.Weight, 10))
	t.add("priorities", q.Priority)
	t.add("running tasks", strconv.Itoa(q.Running))
	t.add("pending jobs", strconv.Itoa(q.Pending))
	for _, r := range q.Reasons {
		t.add("  "+r.Cause, strconv.Itoa(r.Jobs))
	}
	t.add("share of the fleet", percent(q.Share))
	t.add("share in the past", percent(q.Mean))
	t.add("guaranteed share", percent(q.Entitlement))
	for _, u := range q.Resources {
		text := fmt.Sprintf("%s used of %s guaranteed, %s borrowed, %s lent to others, %s left to use", u.Used, u.Guaranteed, u.Borrowed, u.Lent, u.Borrowable)
		if u.BorrowLimit != "" {
			text += "; borrows at most " + u.BorrowLimit
		}
		t.add(u.Resource, text+"; lends at most "+u.LendLimit)
	}
	return t
}

func percent(part float64) string { return strconv.FormatFloat(100*part, 'f', 1, 64) + "%" }
