package main

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tianfu/fault"
	"tianfu/httpapi"
	"tianfu/job"
	"tianfu/meter"
)

type billFlags struct {
	ledgerFlags
	month, by, tenant, focus string
	issuer, account          string
}

func (p *program) bill() *cobra.Command {
	f := &billFlags{}
	c := &cobra.Command{
		Use:   "bill",
		Short: "The bill of a month: energy at the tariff of its hours and what was held by the rate card",
		Long: `Bill sums the ledger over a month of each site's calendar. Energy costs what it cost in the hour it was used,
cooling and conversion included; CPU, memory and accelerators cost what the world's rate card says (rates:).
Idle draw that a holder's reservation caused is on its own column, and what nobody held is the idle line.

With --focus the charges are written as FOCUS 1.2 (FinOps Open Cost and Usage Specification), CSV or Parquet
by the file's ending, with x_kwh, x_kgco2e, x_litres and x_idle_cost.`,
		Example: "  tianfu bill\n  tianfu bill --month 2026-07 --by tenant\n  tianfu bill --month 2026-07 --by job --tenant nlp -o csv\n  tianfu bill --month 2026-07 --focus july.parquet",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return p.runBill(c, f) },
	}
	f.register(c)
	c.Flags().StringVar(&f.month, "month", "", "month in the sites' time zones, such as 2026-07 (default: this month, so far)")
	c.Flags().StringVar(&f.by, "by", "tenant", "tenant, job or service")
	c.Flags().StringVar(&f.tenant, "tenant", "", "only this tenant's")
	c.Flags().StringVar(&f.focus, "focus", "", "also write the charges to this file, as FOCUS 1.2: .csv or .parquet")
	c.Flags().StringVar(&f.issuer, "issuer", "Tianfu", "who issues the bill, in FOCUS")
	c.Flags().StringVar(&f.account, "account", "centre", "billing account, in FOCUS")
	return c
}

// check refuses flags that would have no effect.
func (f *billFlags) check(c *cobra.Command) error {
	for _, name := range []string{"issuer", "account"} {
		if f.focus == "" && c.Flags().Changed(name) {
			return fault.New(fault.Invalid, "--"+name, "would have no effect", "it stands in FOCUS; add --focus FILE")
		}
	}
	return f.ledgerFlags.check(c)
}

type billDocument struct {
	Month string      `json:"month"`
	By    string      `json:"by"`
	Rows  []meter.Row `json:"rows"`
	Meter *meter.Row  `json:"meter,omitempty"`
	// KeptFrom is set where a part of the month is not in the rows any more.
	KeptFrom string `json:"kept_from,omitempty"`
}

// ofMonth asks for the charges of the month. Where none is said it is the one that sites
// are in: of those that it may be by any clock of the world, the latest that has charges.
func (f *billFlags) ofMonth(ctx context.Context, now time.Time) (*httpapi.Charges, error) {
	const west, east = -12 * time.Hour, 14 * time.Hour
	months := []string{f.month}
	if f.month == "" {
		now = now.UTC()
		months = slices.Compact([]string{now.Add(east).Format("2006-01"), now.Add(west).Format("2006-01")})
	}
	for i, month := range months {
		from, to, err := monthOf(month)
		if err != nil {
			return nil, err
		}
		charges, err := f.charges(ctx, from, to)
		f.month = month
		if err != nil || i == len(months)-1 || slices.ContainsFunc(charges.Charges, func(c meter.Charge) bool { return strings.HasPrefix(c.Day, month+"-") }) {
			return charges, err
		}
	}
	return nil, nil // there is a month
}

func (p *program) runBill(c *cobra.Command, f *billFlags) error {
	if err := f.check(c); err != nil {
		return err
	}
	by := meter.Dimension(f.by)
	if err := checkDimension(by, []meter.Dimension{meter.ByTenant, meter.ByJob, meter.ByService}); err != nil {
		return err
	}
	if e := filepath.Ext(f.focus); f.focus != "" && e != ".csv" && e != ".parquet" {
		return fault.New(fault.Invalid, "--focus", "the file's name ends with "+e, "end it with .csv or .parquet")
	}
	if f.month == "" && f.file != "" {
		return fault.New(fault.Invalid, "--month", "it is missing, and a file of charges may be of any month", "write it as 2026-07")
	}
	charges, err := f.ofMonth(c.Context(), time.Now())
	if err != nil {
		return err
	}
	whole := charges.Whole && f.tenant == ""
	charges.Charges = slices.DeleteFunc(charges.Charges, func(c meter.Charge) bool {
		return !strings.HasPrefix(c.Day, f.month+"-") || f.tenant != "" && (c.Tenant != job.Tenant(f.tenant) || c.Line != meter.TaskLine.String())
	})
	if f.focus != "" {
		rows, err := meter.FOCUS(charges.Charges, meter.FOCUSOptions{Month: f.month, Issuer: f.issuer, Account: f.account, Rates: charges.Rates})
		if err != nil {
			return err
		}
		write := meter.WriteFOCUSParquet
		if filepath.Ext(f.focus) == ".csv" {
			write = meter.WriteFOCUSCSV
		}
		if err := writeFile(f.focus, func(w writer) error { return write(w, rows) }); err != nil {
			return err
		}
	}
	rows, all := meter.Sum(charges.Charges, by)
	d := billDocument{Month: f.month, By: f.by, Rows: rows, KeptFrom: charges.KeptFrom}
	if whole {
		d.Meter = &all
	}
	return p.print(d, billTable(&d))
}

func billTable(d *billDocument) *table {
	t := &table{header: []string{strings.ToUpper(d.By), "CPU-H", "ACCEL-H", "KWH", "KGCO2E", "LITRES", "ENERGY YUAN", "OF IT IDLE", "RESOURCES YUAN", "TOTAL YUAN", "% OF METER"}}
	rows := d.Rows
	if d.Meter != nil {
		rows = append(slices.Clone(rows), *d.Meter)
	}
	missing := ""
	for i := range rows {
		x := &rows[i]
		name := x.Key
		switch {
		case x.Line == "all":
			name = "meter"
		case x.Line != meter.TaskLine.String():
			name = x.Line
		case name == "":
			name = "(none)"
		}
		if x.Name != "" {
			name += " " + x.Name
		}
		t.add(name, fixed(float64(x.CPUHeld)/3.6e9, 2), fixed(float64(x.DeviceMillis)/3.6e6, 2), kwh(x.Energy()), small(x.CarbonLocation.Kilograms(), 4), small(x.Water.Litres(), 2),
			small(float64(x.Cost.Yuan()), 4), small(float64(x.IdleCost.Yuan()), 4), small(float64(x.Resources.Yuan()), 4), small(float64((x.Cost+x.Resources).Yuan()), 4), fixed(x.Percent, 1))
		missing = cmp.Or(missing, shown(x.Missing))
	}
	t.foot = footOf(missing, d.KeptFrom)
	return t
}
