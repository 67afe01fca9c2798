package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"tianfu/energy"
	"tianfu/fault"
)

// forecastHorizons are the hours ahead that errors are told of.
var forecastHorizons = []int{1, 3, 6, 12, 24, 48, 72}

type forecastDocument struct {
	Forecast string                 `json:"forecast"`
	Errors   []energy.ForecastError `json:"errors"`
}

func (p *program) greenForecast() *cobra.Command {
	f := &shiftFlags{}
	c := &cobra.Command{
		Use:   "forecast",
		Short: "How far forecasts of an hourly series are off, by hours ahead",
		Long: "Forecast makes every forecast at every hour of the series from --start on and\n" +
			"compares it with what came: mean absolute error and bias in the series' unit,\n" +
			"mean absolute percentage error over the hours above zero. A forecast sees the\n" +
			"series up to the hour it is made in, rows before --start too; perfect is the\n" +
			"exception, and has no error.",
		Example: "  tianfu green forecast --ci sa.csv --column ci_lifecycle_g_per_kwh --start 2022-10-19T16:00:00Z",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			s, at, err := f.window()
			if err != nil {
				return err
			}
			t := &table{header: []string{"FORECAST", "HOURS AHEAD", "MAE", "MAPE", "BIAS", "FORECASTS"}}
			var out []forecastDocument
			for _, name := range []string{"perfect", "persistence", "own"} {
				make, err := energy.ForecasterOf(name)
				if err != nil {
					return err
				}
				d := forecastDocument{Forecast: name, Errors: energy.ErrorsOf(make, s.Value, at, forecastHorizons)}
				if len(d.Errors) == 0 {
					return fault.New(fault.Invalid, "--start", "leaves no hour to compare a forecast with", "choose an earlier instant or a longer series")
				}
				for _, e := range d.Errors {
					t.add(name, strconv.Itoa(e.Hours), fmt.Sprintf("%.2f", e.MAE), fmt.Sprintf("%.1f%%", e.MAPE), fmt.Sprintf("%+.2f", e.Bias), strconv.Itoa(e.Made))
				}
				out = append(out, d)
			}
			return p.print(map[string]any{"forecasts": out}, t)
		},
	}
	c.Flags().StringVar(&f.ci, "ci", "", "hourly series, CSV: instants in the first column, g/kWh in another (required)")
	c.Flags().StringVar(&f.column, "column", "", "column of the values (default: the second)")
	c.Flags().StringVar(&f.start, "start", "", "instant of the first forecast (default: the start of the series)")
	return c
}
