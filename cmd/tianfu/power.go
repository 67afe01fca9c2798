package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tianfu/fault"
	"tianfu/httpapi"
)

func (p *program) powerCommand() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{Use: "power", Short: "Show what areas of a running centre draw and may draw", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	r.register(c)
	c.AddCommand(&cobra.Command{
		Use: "show", Short: "Show the power tree", Args: cobra.NoArgs, Example: "  tianfu power show\n  tianfu power show -o json",
		Long: `Show the power tree: of every area the limit in force, the draw, the headroom for new work, of a site what it
makes and what its battery gives (below 0: takes) and holds, the band it is in (ok, warning, held: work is held back
for its sake, over), and when the latest shedding is complied with.`,
		RunE: func(c *cobra.Command, _ []string) error { return p.showPower(c, r) },
	})
	return c
}

func (p *program) showPower(c *cobra.Command, r *remote) error {
	client, err := r.client()
	if err != nil {
		return err
	}
	out, err := client.Power(c.Context())
	if err != nil {
		return err
	}
	t := &table{header: []string{"AREA", "LEVEL", "NODES", "LIMIT", "IN FORCE", "FACILITY", "IT DRAW", "HEADROOM", "SOLAR", "BATTERY", "CHARGE", "BAND", "CAPPED", "SUSPENDED", "COMPLIED BY"}}
	kw := func(w float64) string {
		if w == 0 {
			return "-"
		}
		return fmt.Sprintf("%.3fkW", w/1000)
	}
	for i := range out.Areas {
		a := &out.Areas[i]
		charge := "-"
		if a.Charge > 0 {
			charge = fmt.Sprintf("%.3fkWh", a.Charge)
		}
		t.add(strings.Repeat("  ", strings.Count(a.Area, "/"))+a.Area, a.Level, strconv.Itoa(int(a.Nodes)), kw(a.Limit), kw(a.InForce), kw(a.Facility), kw(a.Draw), kw(a.Headroom),
			kw(a.Solar), kw(a.Battery), charge, a.Band,
			strconv.Itoa(int(a.Capped)), strconv.Itoa(int(a.Suspended)), httpapi.WholeSeconds(a.ComplyBy))
	}
	if len(out.Areas) == 0 {
		t.foot = "no power is limited in this centre: declare power: of its areas in the world file"
	}
	return p.print(out, t)
}

func (p *program) capCommand() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{Use: "cap", Short: "Lower what an area of a running centre may draw for a time", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	r.register(c)
	c.AddCommand(p.capList(r), p.capSet(r), p.capClear(r))
	return c
}

func capsTable(caps []httpapi.Cap) *table {
	t := &table{header: []string{"CAP", "AREA", "LIMIT", "FROM", "TO", "EVERY", "UNTIL"}}
	for i := range caps {
		k := &caps[i]
		t.add(strconv.Itoa(int(k.ID)), k.Area, k.Limit, httpapi.WholeSeconds(k.From), httpapi.WholeSeconds(k.To), k.Every, httpapi.WholeSeconds(k.Until))
	}
	return t
}

func (p *program) capList(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the caps that are set; one that is over stays until it is cleared", Args: cobra.NoArgs, Example: "  tianfu cap list",
		RunE: p.asking(r, func(c *cobra.Command, client *httpapi.Client, _ []string) error {
			out, err := client.Power(c.Context())
			if err != nil {
				return err
			}
			t := capsTable(out.Caps)
			if len(out.Caps) == 0 {
				t.foot = "no caps are set"
			}
			return p.print(out.Caps, t)
		}),
	}
}

func (p *program) capSet(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "set AREA AMOUNT [WHEN...]", Short: "Set a cap", Args: cobra.MinimumNArgs(2),
		Long: `Set a cap on an area: a part of its configured limit or power, from now or from=, for= a time or to= an instant,
every= so often until= an instant. Without for or to it holds until it is cleared. What is drawn beyond it is shed
from the lowest priority up: nodes are held to less, work is suspended, work is told to leave.`,
		Example: "  tianfu cap set site=jianzhou 70% for=6d\n  tianfu cap set hall=jianzhou/a/a1 400kW from=2h for=4h every=1d until=30d",
		RunE: p.asking(r, func(c *cobra.Command, client *httpapi.Client, args []string) error {
			k, err := client.SetCap(c.Context(), strings.Join(args, " "))
			if err != nil {
				return err
			}
			return p.print(k, capsTable([]httpapi.Cap{*k}))
		}),
	}
}

func (p *program) capClear(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "clear CAP...", Short: "End caps", Args: cobra.MinimumNArgs(1), Example: "  tianfu cap clear 3",
		RunE: func(c *cobra.Command, args []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			return p.each(args, func(text string) error {
				id, err := strconv.ParseInt(text, 10, 32)
				if err != nil || id < 1 {
					return fault.New(fault.Invalid, "cap "+strconv.Quote(text), "is no number", "see: tianfu cap list")
				}
				return client.ClearCap(c.Context(), int32(id))
			})
		},
	}
}
