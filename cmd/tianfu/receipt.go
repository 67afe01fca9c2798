package main

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"tianfu/fault"
	"tianfu/meter"

	"tianfu/httpapi"
)

func (p *program) receipt() *cobra.Command {
	r := &remote{}
	var out string
	c := &cobra.Command{
		Use:   "receipt JOB",
		Short: "What a job's energy, carbon and cost can be recomputed from",
		Long: `Receipt prints every interval of a job in the ledger with all that its part follows from: the node's meter or
model, who held what (others without a name), the hour's factors, what was carried. "tianfu receipt verify"
recomputes it to the last integer without the centre.`,
		Example: "  tianfu receipt j-42 --out j-42.json\n  tianfu receipt verify j-42.json",
		Args:    cobra.ExactArgs(1),
		RunE: p.asking(r, func(c *cobra.Command, client *httpapi.Client, args []string) error {
			x, err := client.Receipt(c.Context(), args[0])
			if err != nil {
				return err
			}
			if out != "" {
				if err := writeReceipt(out, x); err != nil {
					return err
				}
			}
			return p.print(x, receiptTable(x))
		}),
	}
	r.register(c)
	c.Flags().StringVar(&out, "out", "", "also write the receipt to this file, as JSON")
	c.AddCommand(p.receiptVerify())
	return c
}

func writeReceipt(name string, x *meter.Receipt) error {
	return writeFile(name, func(w writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		return e.Encode(x)
	})
}

func receiptTable(x *meter.Receipt) *table {
	t := &table{header: []string{"NODE", "FROM", "TO", "BASIS", "HOLDERS", "IDLE MJ", "DYNAMIC MJ", "OVERHEAD MJ", "UG CO2E", "UL", "NANO-YUAN"}}
	add := func(node, from, to, basis, holders string, v *meter.Totals) {
		t.add(node, from, to, basis, holders, fmt.Sprint(int64(v.Idle)), fmt.Sprint(int64(v.Dynamic)), fmt.Sprint(int64(v.Facility)), fmt.Sprint(int64(v.CarbonLocation)), fmt.Sprint(int64(v.Water)), fmt.Sprint(int64(v.Cost)))
	}
	for i := range x.Entries {
		e := &x.Entries[i]
		var sum meter.Totals
		for k := range e.Parts {
			sum.Add(&e.Parts[k])
		}
		basis := meter.Modelled
		if e.Interval.Reading != nil {
			basis = e.Interval.Reading.Basis
		}
		add(e.Node, e.From, e.To, basis.String(), strconv.Itoa(len(e.Interval.Holders)), &sum)
	}
	add(x.Job, "", "", "", "", &x.Totals)
	t.foot = "sha256 " + x.Hash
	return t
}

func (p *program) receiptVerify() *cobra.Command {
	return &cobra.Command{
		Use: "verify FILE", Short: "Recompute a receipt to the last integer, offline", Args: cobra.ExactArgs(1), Example: "  tianfu receipt verify j-42.json",
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := readBounded(args[0], maxChargesBytes)
			if err != nil {
				return err
			}
			x, err := meter.ReadWholeReceipt(text)
			if err != nil {
				return &fault.Error{Kind: fault.Invalid, Where: args[0], What: "is not a receipt", Err: err, Fix: "write one with tianfu receipt JOB --out FILE"}
			}
			if err := x.Verify(); err != nil {
				return err
			}
			t := &table{header: []string{"JOB", "ENTRIES", "KWH", "KGCO2E", "YUAN", "VERDICT"}}
			t.add(x.Job, strconv.Itoa(len(x.Entries)), kwh(x.Totals.Energy()), small(x.Totals.CarbonLocation.Kilograms(), 6), small(float64(x.Totals.Cost.Yuan()), 6), "exact")
			return p.print(map[string]any{"job": x.Job, "entries": len(x.Entries), "exact": true, "sha256": x.Hash}, t)
		},
	}
}
