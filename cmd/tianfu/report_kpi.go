package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/meter"
	"tianfu/unit"
)

type kpiFlags struct {
	ledgerFlags
	site, period                     string
	category                         int
	renewable, reused, heat, cooling float64
	embodied, functionalUnits        float64
	functionalUnit                   string
}

func (p *program) report() *cobra.Command {
	c := &cobra.Command{Use: "report", Short: "Reports made from the ledger", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(p.reportKPI())
	return c
}

func (p *program) reportKPI() *cobra.Command {
	f := &kpiFlags{}
	c := &cobra.Command{
		Use:   "kpi --site SITE --period YYYY-MM|YYYY",
		Short: "The key performance indicators of ISO/IEC 30134 for a site and period",
		Long: `Kpi works the indicators of ISO/IEC 30134 and SCI of ISO/IEC 21031 out from the ledger. A PUE over less than
twelve months is an interim one (iPUE), with its category: 1 where IT energy is measured at the UPS, 2 at the
PDUs, 3 at the IT equipment; energy that a model told is a dPUE. What the ledger cannot know is given by flags,
and an indicator without its figure is left out, with the reason.`,
		Example: "  tianfu report kpi --site jianzhou --period 2026-07\n  tianfu report kpi --site jianzhou --period 2026 --renewable-kwh 120000 --reused-kwh 8000 -o json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := f.report(c)
			if err != nil {
				return err
			}
			t := &table{header: []string{"INDICATOR", "VALUE", "UNIT", "STANDARD", "NOTE"}}
			for _, x := range d.Indicators {
				value := ""
				if x.Value != nil {
					value = fixed(*x.Value, 4)
				}
				t.add(x.Name, value, x.Unit, x.Standard, x.Note)
			}
			if !d.Complete {
				t.foot = fmt.Sprintf("The period is not complete: the ledger holds %s to %s of it.", d.From, d.To)
			}
			return p.print(d, t)
		},
	}
	f.register(c)
	fl := c.Flags()
	fl.StringVar(&f.site, "site", "", "site (required)")
	fl.StringVar(&f.period, "period", "", "month or year in the site's time zone, such as 2026-07 or 2026 (required)")
	fl.IntVar(&f.category, "category", 3, "where IT energy is measured: 1 at the UPS, 2 at the PDUs, 3 at the IT equipment")
	fl.Float64Var(&f.renewable, "renewable-kwh", -1, "renewable energy owned, bought with certificates or made on site (REF)")
	fl.Float64Var(&f.reused, "reused-kwh", -1, "energy used again outside the site (ERF)")
	fl.Float64Var(&f.heat, "heat-removed-kwh", -1, "heat that cooling removed (CER)")
	fl.Float64Var(&f.cooling, "cooling-kwh", -1, "electricity of the cooling system (CER)")
	fl.Float64Var(&f.embodied, "embodied-kg", 0, "embodied carbon of the period in kgCO2e (SCI)")
	fl.Float64Var(&f.functionalUnits, "units", 0, "functional units of the period; default: accelerator-hours held (SCI)")
	fl.StringVar(&f.functionalUnit, "unit", "accelerator-hour", "what a functional unit is (SCI)")
	c.MarkFlagRequired("site")
	c.MarkFlagRequired("period")
	return c
}

type kpiDocument struct {
	Site       string         `json:"site"`
	Period     string         `json:"period"`
	From       string         `json:"from"` // of the intervals there are
	To         string         `json:"to"`
	Complete   bool           `json:"complete"` // these are all of the period
	ITKWh      float64        `json:"it_kwh"`
	SiteKWh    float64        `json:"site_kwh"`
	Measured   float64        `json:"it_measured_percent"`
	Indicators []kpiIndicator `json:"indicators"`
}

type kpiIndicator struct {
	Name     string   `json:"name"`
	Value    *float64 `json:"value"`
	Unit     string   `json:"unit"`
	Standard string   `json:"standard"`
	Note     string   `json:"note,omitempty"`
}

// report gathers the charges of the site and works the indicators out.
func (f *kpiFlags) report(c *cobra.Command) (*kpiDocument, error) {
	if err := f.check(c); err != nil {
		return nil, err
	}
	if c := energy.Category(f.category); c < energy.AtUPS || c > energy.AtIT {
		return nil, fault.New(fault.Invalid, "--category", strconv.Itoa(f.category)+" is none of ISO/IEC 30134-2", "say where IT energy is measured: 1 at the UPS, 2 at the PDUs, 3 at the IT equipment")
	}
	from, to, prefix, err := f.bounds()
	if err != nil {
		return nil, err
	}
	charges, err := f.charges(c.Context(), from, to)
	if err != nil {
		return nil, err
	}
	if !charges.Whole {
		return nil, fault.New(fault.Denied, "report", "these charges are one tenant's, and a site's indicators need all", "use an operator's or auditor's token")
	}
	d := &kpiDocument{Site: f.site, Period: f.period}
	var sum meter.Totals
	var measured int64
	period := energy.Period{From: unit.Never, To: -unit.Never}
	missing := map[string]bool{}
	var first, last *meter.Charge
	for i := range charges.Charges {
		x := &charges.Charges[i]
		if x.Site != f.site || !strings.HasPrefix(x.Day, prefix) {
			continue
		}
		sum.Sum(&x.Totals)
		measured += x.Measured
		if x.From < period.From {
			period.From, first = x.From, x
		}
		if x.To > period.To {
			period.To, last = x.To, x
		}
		for m := range strings.SplitSeq(x.Missing, ", ") {
			missing[m] = true
		}
	}
	if sum.IT() == 0 {
		return nil, fault.New(fault.NotFound, "site "+f.site, "the ledger has no energy of it in "+f.period, "check the name and the period; tianfu usage --by site lists what there is")
	}
	d.From, d.To = period.From.String(), period.To.String()
	d.Complete = first.From == first.MonthFrom && last.To >= last.MonthTo &&
		(len(f.period) > len("2006") || strings.HasPrefix(first.Day, prefix+"01-") && strings.HasPrefix(last.Day, prefix+"12-"))
	d.ITKWh, d.SiteKWh = float64(sum.IT().KWh()), float64(sum.Energy().KWh())
	d.Measured = round(100*float64(measured)/float64(sum.IT()), 3)
	f.indicators(d, &sum, period, missing)
	return d, nil
}

func (f *kpiFlags) bounds() (from, to, prefix string, err error) {
	if year, e := time.Parse("2006", f.period); e == nil {
		return year.AddDate(0, 0, -1).Format(time.RFC3339), year.AddDate(1, 0, 1).Format(time.RFC3339), f.period + "-", nil
	}
	if from, to, err = monthOf(f.period); err != nil {
		return "", "", "", fault.New(fault.Invalid, "--period", fmt.Sprintf("%q is neither a month nor a year", f.period), "write it as 2026-07 or 2026")
	}
	return from, to, f.period + "-", nil
}

func (f *kpiFlags) indicators(d *kpiDocument, sum *meter.Totals, period energy.Period, missing map[string]bool) {
	it, site := sum.IT().KWh(), sum.Energy().KWh()
	add := func(name, unitName, standard, note string, v float64, err error) {
		k := kpiIndicator{Name: name, Unit: unitName, Standard: standard, Note: note}
		if err == nil {
			v = round(v, 6)
			k.Value = &v
		} else if note == "" {
			k.Note = err.Error()
		}
		d.Indicators = append(d.Indicators, k)
	}
	absent := func(what string) error { return fault.New(fault.NotFound, what, "is not known", "") }
	var pue energy.PUE
	var err error
	if d.Measured > 0 {
		pue, err = energy.MeasuredPUE(site, it, energy.Category(f.category), period)
	} else {
		pue, err = energy.DesignPUE(site, it)
	}
	note := fmt.Sprintf("%.1f %% of IT energy measured, the rest modelled", d.Measured)
	if missing["PUE"] {
		note = "overhead is not known for a part of the time and taken as zero there"
	}
	add(pue.Name(), "", "ISO/IEC 30134-2", note, pue.Value, err)
	if err == nil {
		grade, margin := energy.GradeOf(pue.Value)
		add("GB 40879 margin", "", "GB 40879-2021", grade.String(), margin, nil)
	}
	given := func(v float64, flag string) error {
		if v < 0 {
			return absent(flag)
		}
		return nil
	}
	ref, err := energy.REF(unit.KWh(max(f.renewable, 0)), site)
	add("REF", "", "ISO/IEC 30134-3", "", ref, first(given(f.renewable, "--renewable-kwh"), err))
	erf, err := energy.ERF(unit.KWh(max(f.reused, 0)), site)
	add("ERF", "", "ISO/IEC 30134-6", "", erf, first(given(f.reused, "--reused-kwh"), err))
	cer, err := energy.CER(unit.KWh(max(f.heat, 0)), unit.KWh(max(f.cooling, 0)))
	add("CER", "", "ISO/IEC 30134-7", "", cer, first(given(f.heat, "--heat-removed-kwh"), given(f.cooling, "--cooling-kwh"), err))
	carbon, water := error(nil), error(nil)
	if missing["location carbon"] {
		carbon = absent("the carbon intensity of a part of the time")
	}
	if missing["water"] {
		water = absent("the water of a part of the time")
	}
	cue, err := energy.CUE(sum.CarbonLocation.Kilograms(), it)
	add("CUE", "kgCO2e/kWh", "ISO/IEC 30134-8", "", cue, first(carbon, err))
	wue, err := energy.WUE(sum.Water.Litres(), it)
	add("WUE", "L/kWh", "ISO/IEC 30134-9", "", wue, first(water, err))
	units := f.functionalUnits
	if units == 0 {
		units = float64(sum.DeviceMillis) / 3.6e6
	}
	sci, err := energy.SCI(site, unit.KgPerKWh(sum.CarbonLocation.Kilograms()/float64(site)), f.embodied, units)
	add("SCI", "kgCO2e/"+f.functionalUnit, "ISO/IEC 21031", "", sci, first(carbon, err))
}

// first returns the first error that there is.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
