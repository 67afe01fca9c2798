package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tianfu/fault"
	"tianfu/httpapi"
	"tianfu/meter"
	"tianfu/unit"
)

// ledgerFlags say where charges come from: a running centre, or a file that a
// replay or the API wrote.
type ledgerFlags struct {
	remote
	file     string
	from, to string
}

func (f *ledgerFlags) register(c *cobra.Command) {
	f.remote.register(c)
	c.Flags().StringVar(&f.file, "charges", "", "file of charges instead of a running centre: replay --charges writes one, and so does GET /v1/charges")
}

// check refuses flags of a running centre beside a file.
func (f *ledgerFlags) check(c *cobra.Command) error {
	for _, name := range centreFlags {
		if f.file != "" && c.Flags().Changed(name) {
			return fault.New(fault.Invalid, "--"+name, "would have no effect: --charges names a file", "leave one of both out")
		}
	}
	return nil
}

// maxCharges bounds a file of charges.
const maxChargesBytes = 1 << 30

// charges reads all charges of a time.
func (f *ledgerFlags) charges(ctx context.Context, from, to string) (*httpapi.Charges, error) {
	if f.file == "" {
		client, err := f.client()
		if err != nil {
			return nil, err
		}
		return client.Charges(ctx, from, to)
	}
	all, err := f.chargesOfFile()
	if err != nil {
		return nil, err
	}
	return between(all, from, to)
}

// chargesOfFile reads all charges of a file.
func (f *ledgerFlags) chargesOfFile() (*httpapi.Charges, error) {
	text, err := readBounded(f.file, maxChargesBytes)
	if err != nil {
		return nil, err
	}
	out := &httpapi.Charges{}
	if err := json.Unmarshal(text, out); err != nil {
		return nil, &fault.Error{Kind: fault.Invalid, Where: f.file, What: "is not a file of charges", Err: err, Fix: "write one with tianfu replay --charges"}
	}
	return out, nil
}

// between leaves of charges those that begin between two instants; empty = any.
func between(c *httpapi.Charges, from, to string) (_ *httpapi.Charges, err error) {
	begin, end := unit.Instant(-1<<63), unit.Never
	if from != "" {
		if begin, err = unit.ParseInstant(from); err != nil {
			return nil, fault.Wrap(err, "--from", "read the instant")
		}
	}
	if to != "" {
		if end, err = unit.ParseInstant(to); err != nil {
			return nil, fault.Wrap(err, "--to", "read the instant")
		}
	}
	c.Charges = slices.DeleteFunc(c.Charges, func(c meter.Charge) bool { return c.From < begin || c.From >= end })
	return c, nil
}

func (p *program) usage() *cobra.Command {
	f := &ledgerFlags{}
	by := "tenant"
	c := &cobra.Command{
		Use:   "usage",
		Short: "Energy, carbon, water and money by tenant, queue or job, down to the meter",
		Long: `Usage sums the ledger over a time. Holders come first, then the lines that nobody holds - idle is drawn by
nodes, or parts of them, while nobody held them; unexplained is what a meter shows beyond model and holders;
loss lies between the site's meter and its nodes - and the last row is the meter: the rows add up to it
exactly. A tenant sees its own rows only.`,
		Example: "  tianfu usage --by tenant\n  tianfu usage --by job --from 2026-07-01T00:00:00+08:00 --to 2026-08-01T00:00:00+08:00\n  tianfu usage --charges replayed.json --by queue -o json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.check(c); err != nil {
				return err
			}
			r, err := f.usage(c.Context(), meter.Dimension(by))
			if err != nil {
				return err
			}
			return p.print(r, usageTable(r))
		},
	}
	f.register(c)
	c.Flags().StringVar(&by, "by", by, "tenant, queue, job, service, site or day")
	c.Flags().StringVar(&f.from, "from", "", "intervals that begin at or after this instant (default: 30 days ago; of a file its beginning)")
	c.Flags().StringVar(&f.to, "to", "", "and before this one (default: now; of a file its end)")
	return c
}

var dimensions = []meter.Dimension{meter.ByTenant, meter.ByQueue, meter.ByJob, meter.ByService, meter.BySite, meter.ByDay}

func checkDimension(by meter.Dimension, allowed []meter.Dimension) error {
	if slices.Contains(allowed, by) {
		return nil
	}
	var names []string
	for _, d := range allowed {
		names = append(names, string(d))
	}
	return fault.New(fault.Invalid, "--by", fmt.Sprintf("%q is nothing to sum by", string(by)), "use "+strings.Join(names, ", "))
}

func (f *ledgerFlags) usage(ctx context.Context, by meter.Dimension) (*httpapi.UsageReport, error) {
	if err := checkDimension(by, dimensions); err != nil {
		return nil, err
	}
	if f.file == "" {
		client, err := f.client()
		if err != nil {
			return nil, err
		}
		return client.Usage(ctx, by, f.from, f.to)
	}
	c, err := f.chargesOfFile()
	if err != nil {
		return nil, err
	}
	if err := f.wholeDays(c); err != nil {
		return nil, err
	}
	if c, err = between(c, f.from, f.to); err != nil {
		return nil, err
	}
	rows, whole := meter.Sum(c.Charges, by)
	r := &httpapi.UsageReport{From: c.From, To: c.To, By: string(by), Rows: rows, KeptFrom: c.KeptFrom}
	if c.Whole {
		r.Meter = &whole
	}
	return r, nil
}

// wholeDays refuses an edge within a charge of a file: it holds a sum of the day, and
// no part of it.
func (f *ledgerFlags) wholeDays(all *httpapi.Charges) error {
	for _, edge := range []struct{ flag, text string }{{"--from", f.from}, {"--to", f.to}} {
		at, err := unit.ParseInstant(edge.text)
		if err != nil {
			continue // none is given, or it is refused when it is read
		}
		for i := range all.Charges {
			if c := &all.Charges[i]; c.From < at && at < c.To {
				return fault.New(fault.Invalid, edge.flag, edge.text+" lies within "+c.Day+" of site "+c.Site+", and a file of charges holds whole days", "give an instant between two days of the site's time zone")
			}
		}
	}
	return nil
}

func usageTable(r *httpapi.UsageReport) *table {
	t := &table{header: []string{strings.ToUpper(r.By), "CPU-H", "ACCEL-H", "IDLE KWH", "DYNAMIC KWH", "OVERHEAD KWH", "SITE KWH", "KGCO2E", "LITRES", "YUAN", "% OF METER"}}
	rows := r.Rows
	if r.Meter != nil {
		rows = append(slices.Clone(rows), *r.Meter)
	}
	missing := ""
	for i := range rows {
		x := &rows[i]
		name := x.Key
		if x.Line != meter.TaskLine.String() {
			name = strings.TrimSpace(x.Line + " " + x.Key)
		}
		if x.Line == "all" {
			name = "meter"
		}
		if x.Name != "" {
			name += " " + x.Name
		}
		if name == "" {
			name = "(none)"
		}
		t.add(name, fixed(float64(x.CPUHeld)/3.6e9, 2), fixed(float64(x.DeviceMillis)/3.6e6, 2), kwh(x.Idle), kwh(x.Dynamic), kwh(x.Facility), kwh(x.Energy()),
			small(x.CarbonLocation.Kilograms(), 4), small(x.Water.Litres(), 2), small(float64((x.Cost+x.Resources).Yuan()), 4), fixed(x.Percent, 1))
		missing = cmp.Or(missing, shown(x.Missing))
	}
	t.foot = footOf(missing, r.KeptFrom)
	return t
}

// shown leaves out of what is missing the factor that no table shows.
func shown(missing string) string {
	words := strings.Split(missing, ", ")
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == meter.NoCarbonMarket.String() }), ", ")
}

// footOf says what the figures do not hold.
func footOf(missing, keptFrom string) string {
	var notes []string
	if keptFrom != "" {
		notes = append(notes, "Records before "+httpapi.WholeSeconds(keptFrom)+" are forgotten: what was used until then is not in these figures.")
	}
	if missing != "" {
		notes = append(notes, "For a part of the time nobody knew: "+missing+". The figures that follow from it are zero there.")
	}
	return strings.Join(notes, "\n")
}

func kwh(e unit.Millijoules) string { return small(float64(e.KWh()), 4) }

// small renders a figure with some decimals, and one of which these would show
// less than two digits with as many more as that takes: a job of a second on a
// laptop used something too.
func small(f float64, decimals int) string {
	for ; f != 0 && decimals < 12 && math.Abs(f)*math.Pow10(decimals) < 9.5; decimals++ {
	}
	return fixed(f, decimals)
}

// monthOf reads a month and returns instants that contain it in every time
// zone.
func monthOf(text string) (from, to string, err error) {
	m, err := time.Parse("2006-01", text)
	if err != nil {
		return "", "", fault.New(fault.Invalid, "--month", fmt.Sprintf("%q is not a month", text), "write it as 2026-07")
	}
	return m.AddDate(0, 0, -1).Format(time.RFC3339), m.AddDate(0, 1, 1).Format(time.RFC3339), nil
}
