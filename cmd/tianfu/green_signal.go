package main

import (
	"fmt"
	"math"
	"strconv"

	"github.com/spf13/cobra"

	"tianfu/energy"
)

func (p *program) greenFactors() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:     "factors",
		Short:   "Official carbon factors of electricity, with year and issuer",
		Long:    "Factors lists the built-in official factors, or those of a CSV file with the\ncolumns year,region,kind,kgco2_per_kwh,issuer_document,published. Kinds are\ndifferent quantities and never stand in for each other.",
		Example: "  tianfu green factors\n  tianfu green factors --file factors.csv -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			factors := energy.BuiltInFactors()
			if file != "" {
				text, err := readBounded(file, energy.MaxPlantBytes)
				if err != nil {
					return err
				}
				if factors, err = energy.ParseFactors(file, text); err != nil {
					return err
				}
			}
			t := &table{header: []string{"REGION", "KIND", "YEAR", "KG_PER_KWH", "ISSUER", "PUBLISHED"}}
			for _, f := range factors.Rows() {
				t.add(f.Region, string(f.Kind), strconv.Itoa(f.Year), fixed(float64(f.Value), 4), f.Issuer, f.Published)
			}
			return p.print(factors.Rows(), t)
		},
	}
	c.Flags().StringVar(&file, "file", "", "factor file instead of the built-in table")
	return c
}

func (p *program) greenSignal() *cobra.Command {
	var file string
	var o energy.SeriesOptions
	var price bool
	r := &remote{}
	c := &cobra.Command{
		Use:   "signal [--file FILE]",
		Short: "Show which carbon, price and PUE are in force; or check a series file",
		Long: "Signal asks a running centre which source of carbon intensity is in force at each\n" +
			"site and how old it is, and what the present hour costs. With --file it reads a CSV series as the planner would: a time column (time, datetime,\n" +
			"timestamp, datetime_utc, time_naive; without an offset it is UTC) and a value\n" +
			"column whose name ends with its unit. Repeated times, gaps, rows out of order,\n" +
			"negative values and impossible units are errors with their line.",
		Example: "  tianfu green signal\n  tianfu green signal --file grid.csv --column ci_direct_g_per_kwh\n  tianfu green signal --file grid.csv --gaps -o json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if file == "" {
				return p.liveSignals(c.Context(), r)
			}
			if price {
				o.Quantity = energy.EnergyPrice
			}
			text, err := readBounded(file, energy.MaxSeriesBytes)
			if err != nil {
				return err
			}
			s, err := energy.ParseSeries(file, text, o)
			if err != nil {
				return err
			}
			return p.printSeries(s, price)
		},
	}
	c.Flags().StringVar(&file, "file", "", "series file to check")
	r.register(c)
	c.Flags().StringVar(&o.Column, "column", "", "value column; needed where several columns end with a unit")
	c.Flags().StringVar(&o.Unit, "unit", "", "unit of the column, such as g_per_kwh, where its name does not say so")
	c.Flags().BoolVar(&o.Gaps, "gaps", false, "accept missing steps and empty cells as no data")
	c.Flags().BoolVar(&price, "price", false, "the series is a price in yuan_per_kwh or yuan_per_mwh, not carbon")
	return c
}

type seriesDocument struct {
	File   string  `json:"file"`
	Unit   string  `json:"unit"`
	From   string  `json:"from"`
	To     string  `json:"to"`
	Step   string  `json:"step"`
	Steps  int     `json:"steps"`
	NoData int     `json:"no_data"`
	Min    float64 `json:"min"`
	Mean   float64 `json:"mean"`
	Max    float64 `json:"max"`
}

func (p *program) printSeries(s *energy.Series, price bool) error {
	d := seriesDocument{File: s.Name, Unit: "kg/kWh", From: s.Start.String(), To: s.End().String(), Step: s.Step.String(), Steps: len(s.Values), Min: math.Inf(1)}
	if price {
		d.Unit = "yuan/kWh"
	}
	for _, v := range s.Values {
		if math.IsNaN(v) {
			d.NoData++
			continue
		}
		d.Min, d.Max, d.Mean = min(d.Min, v), max(d.Max, v), d.Mean+v
	}
	if n := d.Steps - d.NoData; n > 0 {
		d.Mean /= float64(n)
	} else {
		d.Min = 0
	}
	t := &table{header: []string{"FROM", "TO", "STEP", "STEPS", "NO_DATA", "MIN", "MEAN", "MAX", "UNIT"}}
	t.add(d.From, d.To, d.Step, fmt.Sprint(d.Steps), fmt.Sprint(d.NoData), fixed(d.Min, 5), fixed(d.Mean, 5), fixed(d.Max, 5), d.Unit)
	return p.print(d, t)
}
