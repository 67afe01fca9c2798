package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tianfu/fault"
	"tianfu/httpapi"
)

func (p *program) plan() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{Use: "plan", Short: "Show what a running centre plans for jobs that may wait for a better hour", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	r.register(c)
	c.AddCommand(p.planShow(r))
	return c
}

func (p *program) planShow(r *remote) *cobra.Command {
	limit, w := 0, &repeat{}
	c := &cobra.Command{
		Use: "show", Short: "Show when and where deferrable jobs start and pause, what that saves, and which deadlines were missed", Args: cobra.NoArgs,
		Long: `Show, of every job with a wish that has not ended, when its plan has it run and where (a comma is a pause), what
carbon intensity and price are expected of these hours (~ where they are forecast), and what it is expected to save
against a start when it was planned. Below stand the age of the plan, the savings of all, and the latest missed
deadlines with their reasons. A tenant sees its own jobs.

STATE: unplanned (nothing is planned yet), held (until its plan has it start), waiting (it may start and stands in
its line), running, pausing (told to leave), paused (it has run and goes on later).`,
		Example: "  tianfu plan show\n  tianfu plan show --watch\n  tianfu plan show -o csv",
		RunE: func(c *cobra.Command, _ []string) error {
			if limit < 1 || limit > 10_000 {
				return fault.New(fault.Invalid, "--limit", strconv.Itoa(limit)+" is not between 1 and 10,000", "name how many jobs to show")
			}
			client, err := r.client()
			if err != nil {
				return err
			}
			return p.show(c.Context(), w, func(p *program) error {
				out, err := client.Plan(c.Context(), limit)
				if err != nil {
					return err
				}
				return p.print(out, planTable(out))
			})
		},
	}
	c.Flags().IntVar(&limit, "limit", 1000, "most jobs to show, to 10,000")
	w.register(c)
	return c
}

func planTable(out *httpapi.Plan) *table {
	t := &table{header: []string{"JOB", "NAME", "TENANT", "STATE", "WISH", "RUNS", "SITE", "G/KWH", "YUAN/KWH", "SAVES KG", "SAVES YUAN", "DUE", "WHY"}}
	for i := range out.Jobs {
		j := &out.Jobs[i]
		var runs []string
		for _, s := range j.Runs {
			runs = append(runs, httpapi.WholeSeconds(s.From)+"/"+httpapi.WholeSeconds(s.To))
		}
		mark := ""
		if j.Ahead {
			mark = "~"
		}
		figure := func(v *float64, digits int) string {
			if v == nil {
				return "-"
			}
			return mark + strconv.FormatFloat(*v, 'f', digits, 64)
		}
		why := j.AtRisk
		if why == "" && j.Reason != nil {
			why = j.Reason.Text
		}
		t.add(j.Job, j.Name, j.Tenant, j.State, j.Wish, strings.Join(runs, ","), j.Site, figure(j.Carbon, 1), figure(j.Price, 3), small(j.SavesKG, 3), small(j.SavesY, 3), httpapi.WholeSeconds(j.Due), why)
	}
	t.foot = planFoot(out)
	return t
}

func planFoot(out *httpapi.Plan) string {
	var b strings.Builder
	if out.Looked == "" {
		b.WriteString("nothing has been planned since the centre was started")
	} else {
		fmt.Fprintf(&b, "planned %s ago by %s", (time.Duration(out.Age) * time.Second), out.Policy)
	}
	fmt.Fprintf(&b, "; %d of %d jobs, expected to save %s kgCO2e and %s yuan against no wait", len(out.Jobs), out.Total, small(out.SavesKG, 3), small(out.SavesY, 3))
	if out.Refused != "" {
		fmt.Fprintf(&b, "\nthe last plan was refused and is made again: %s", out.Refused)
	}
	for i := range out.Misses {
		m := &out.Misses[i]
		fmt.Fprintf(&b, "\nmissed: %s (%s, %s) due %s: %s", m.Job, m.Name, m.Tenant, httpapi.WholeSeconds(m.Due), m.Reason.Text)
	}
	return b.String()
}
