package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/unit"
)

// sichuanTariff is the name of the built-in example.
const sichuanTariff = "sichuan-2025"

type tariffFlags struct {
	tariff, at, month string
	hot, large        bool
}

func (p *program) greenTariff() *cobra.Command {
	var f tariffFlags
	c := &cobra.Command{
		Use:   "tariff {--at TIME | --month YYYY-MM}",
		Short: "Price of electricity at an instant or over a month",
		Long: "Tariff prints what a kilowatt-hour costs at an instant, or the hours and price of\n" +
			"each segment of a month. Bands follow the wall clock of the tariff's time zone;\n" +
			"a month whose price components are not known takes those of the last month before\n" +
			"it, or of the first after it; PRICES_OF says which. The built-in Sichuan tariff is an example: check it\n" +
			"against the notice before billing anyone. Format csv prints every span of a month.",
		Example: "  tianfu green tariff --at 2026-08-03T13:30:00+08:00\n" +
			"  tianfu green tariff --month 2026-08 -o csv\n" +
			"  tianfu green tariff --tariff site.yaml --month 2026-10",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return p.tariff(&f) },
	}
	c.Flags().StringVar(&f.tariff, "tariff", sichuanTariff, "built-in tariff "+sichuanTariff+" or a tariff file (YAML)")
	c.Flags().StringVar(&f.at, "at", "", "instant, such as 2026-08-03T13:30:00+08:00")
	c.Flags().StringVar(&f.month, "month", "", "month in the tariff's time zone, such as 2026-08")
	c.Flags().BoolVar(&f.hot, "hot", false, "the day, or every day of the month, follows three days of at least 35 C")
	c.Flags().BoolVar(&f.large, "large-industry", true, "built-in tariff: with the critical band of large industry")
	return c
}

func (p *program) tariff(f *tariffFlags) error {
	if (f.at == "") == (f.month == "") {
		return fault.New(fault.Invalid, "--at, --month", "name an instant or a month, and not both", "such as --month 2026-08")
	}
	t := energy.SichuanTariff(f.large)
	if f.tariff != sichuanTariff {
		text, err := readBounded(f.tariff, energy.MaxTariffBytes)
		if err != nil {
			return err
		}
		if t, err = energy.ParseTariff(f.tariff, text, time.LoadLocation); err != nil {
			return err
		}
	}
	if f.at != "" {
		return p.tariffAt(t, f)
	}
	return p.tariffMonth(t, f)
}

type chargeDocument struct {
	At         string  `json:"at,omitempty"`
	Season     string  `json:"season"`
	Segment    string  `json:"segment"`
	Hours      float64 `json:"hours,omitempty"`
	Multiplier float64 `json:"multiplier"`
	Price      float64 `json:"yuan_per_kwh"`
	PricesOf   string  `json:"prices_of"` // month whose components were used
}

func charge(c *energy.Charge) chargeDocument {
	return chargeDocument{Season: c.Season, Segment: string(c.Segment), Multiplier: c.Multiplier, Price: float64(c.Price),
		PricesOf: fmt.Sprintf("%04d-%02d", c.Prices.Year, c.Prices.Month)}
}

func (p *program) tariffAt(t *energy.Tariff, f *tariffFlags) error {
	at, err := unit.ParseInstant(f.at)
	if err != nil {
		return fault.Wrap(err, "--at", "read the instant")
	}
	c, err := t.At(at, f.hot)
	if err != nil {
		return err
	}
	d := charge(&c)
	d.At = time.Unix(0, int64(at)).In(t.Zone).Format(time.RFC3339)
	out := &table{header: []string{"AT", "SEASON", "SEGMENT", "MULTIPLIER", "YUAN_PER_KWH", "PRICES_OF"}}
	out.add(d.At, d.Season, d.Segment, shortest(d.Multiplier), fixed(d.Price, 6), d.PricesOf)
	return p.print(d, out)
}

type tariffMonth struct {
	Tariff   string           `json:"tariff"`
	Source   string           `json:"source"`
	Month    string           `json:"month"`
	Hours    float64          `json:"hours"`
	Segments []chargeDocument `json:"segments"`
	// The charge for power is due for one of the two, by contract.
	Demand   float64        `json:"demand_yuan_per_kw_month"`
	Capacity float64        `json:"capacity_yuan_per_kva_month"`
	Spans    []spanDocument `json:"spans"`
}

type spanDocument struct {
	From    string  `json:"from"`
	To      string  `json:"to"`
	Segment string  `json:"segment"`
	Price   float64 `json:"yuan_per_kwh"`
}

func (p *program) tariffMonth(t *energy.Tariff, f *tariffFlags) error {
	month, err := time.Parse("2006-01", f.month)
	if err != nil {
		return fault.New(fault.Invalid, "--month", fmt.Sprintf("%q is not a month", f.month), "write it as 2026-08")
	}
	from, to := t.Month(month.Year(), int(month.Month()))
	spans, err := t.Spans(from, to, func(int, int, int) bool { return f.hot })
	if err != nil {
		return err
	}
	doc := tariffMonth{Tariff: t.Name, Source: t.Source, Month: f.month, Hours: to.Sub(from).Hours(), Demand: t.DemandYuan, Capacity: t.CapacityYuan}
	list := &table{header: []string{"from", "to", "segment", "yuan_per_kwh"}}
	at := map[energy.Segment]int{}
	for i := range spans {
		s := &spans[i]
		n, seen := at[s.Charge.Segment]
		if !seen {
			n = len(doc.Segments)
			at[s.Charge.Segment] = n
			doc.Segments = append(doc.Segments, charge(&s.Charge))
		}
		doc.Segments[n].Hours += s.To.Sub(s.From).Hours()
		local := func(t0 unit.Instant) string { return time.Unix(0, int64(t0)).In(t.Zone).Format(time.RFC3339) }
		d := spanDocument{local(s.From), local(s.To), string(s.Charge.Segment), float64(s.Charge.Price)}
		doc.Spans = append(doc.Spans, d)
		list.add(d.From, d.To, d.Segment, fixed(d.Price, 6))
	}
	if p.format == "csv" {
		return p.print(nil, list)
	}
	out := &table{header: []string{"SEASON", "SEGMENT", "HOURS", "MULTIPLIER", "YUAN_PER_KWH", "PRICES_OF"}}
	for _, s := range doc.Segments {
		out.add(s.Season, s.Segment, shortest(s.Hours), shortest(s.Multiplier), fixed(s.Price, 6), s.PricesOf)
	}
	return p.print(doc, out)
}
