package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"tianfu/httpapi"
)

func (p *program) budget() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{Use: "budget", Short: "Show budgets of energy and carbon of a running centre: spent, committed, left of the day", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	r.register(c)
	c.AddCommand(&cobra.Command{
		Use: "list", Short: "List budgets, a line for energy and one for carbon", Args: cobra.NoArgs,
		Long: `List the budgets of the day, a line for energy and one for carbon. Spent is what the
ledger says up to its last closed interval, and the power model since; committed is
what runs will still draw in the day; what is left is for new work. They are declared
in the world file, under a site or a tenant: budget: {energy: 120kWh/day, carbon: 15kg/day}.

A tenant sees its own.`,
		Example: "  tianfu budget list\n  tianfu budget list -o json",
		RunE: p.asking(r, func(c *cobra.Command, client *httpapi.Client, _ []string) error {
			out, err := client.Budgets(c.Context())
			if err != nil {
				return err
			}
			return p.print(out, budgetsTable(out))
		}),
	})
	return c
}

func budgetsTable(list *httpapi.Budgets) *table {
	t := &table{header: []string{"BUDGET", "OF", "A DAY", "SPENT", "COMMITTED", "LEFT", "NEXT DAY", "WAITING", "RENEWS"}}
	for i := range list.Budgets {
		b := &list.Budgets[i]
		row := func(a *httpapi.DayAmount, unit, note string) {
			if a == nil {
				return
			}
			say := func(v float64) string { return fmt.Sprintf("%.3f%s", v, unit) }
			t.add(b.Of+" "+b.Name, note, say(a.Limit), say(a.Spent), say(a.Committed), say(a.Left), say(a.Next), strconv.Itoa(b.Waiting), httpapi.WholeSeconds(b.Renews))
		}
		row(b.Energy, "kWh", "energy")
		note := "carbon"
		if b.Blind {
			note = "carbon (intensity unknown)"
		}
		row(b.Carbon, "kg", note)
	}
	if len(list.Budgets) == 0 {
		t.foot = "no budget that you may see is declared: write budget: of a site or tenant in the world file"
	}
	return t
}

// budgetRow says which budget of a day is in the way of a job.
func budgetRow(t *table, b *httpapi.BudgetShort) {
	if b == nil {
		return
	}
	say := func(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) + " " + b.Unit }
	day := ""
	if b.NextDay {
		day = " of the next day, into which it would run"
	}
	t.add("lacks budget", b.Of+" "+b.Name, fmt.Sprintf("%s more where %s are spent and %s committed of %s%s", say(b.Need), say(b.Spent), say(b.Committed), say(b.Limit), day))
	if b.Never {
		t.add("", "more than a whole day of it", "ask for less or a shorter run, say expected_run, or have the budget raised")
		return
	}
	t.add("budget renews", httpapi.WholeSeconds(b.Renews), "")
}
