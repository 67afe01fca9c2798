package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/sim"
	"tianfu/unit"
)

// siteFlags say what hours at the sites of a replay cost: files of carbon,
// price and weather. They give it dates, too.
type siteFlags struct {
	carbon, market, price   string // FILE or FILE:column
	weather, plant, chiller string
	tariff, start           string
	every                   time.Duration
}

func (f *siteFlags) register(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&f.carbon, "carbon", "", "location carbon intensity: CSV series as FILE or FILE:column (time)")
	fl.StringVar(&f.market, "carbon-market", "", "market carbon intensity, in the same form (time)")
	fl.StringVar(&f.weather, "weather", "", "weather at the sites, EPW or CSV: gives PUE and water of every hour (time)")
	fl.StringVar(&f.plant, "plant", energy.DefaultPlant, "built-in plant or plant file that --weather drives")
	fl.StringVar(&f.chiller, "chiller", "", "COP grid of the plant, instead of its own")
	fl.StringVar(&f.tariff, "tariff", "", "price by the hour: "+sichuanTariff+" or a tariff file (time)")
	fl.StringVar(&f.price, "price", "", "price by the hour: CSV series as FILE or FILE:column, instead of --tariff (time)")
	fl.StringVar(&f.start, "start", "", "date of the first arrival, such as 2023-07-01T00:00:00+08:00; default: the workload's own, or the start of the series")
	fl.DurationVar(&f.every, "meter-every", 0, "length of an interval of the ledger, 1s to 24h (default: an hour, or less where jobs arrive over less than two days)")
}

// on tells whether a replay is to be metered.
func (f *siteFlags) on() bool {
	return f.carbon != "" || f.market != "" || f.weather != "" || f.tariff != "" || f.price != ""
}

// meterSteps are the intervals that a ledger of a replay has by itself. There are
// at least meterIntervals of them from the first arrival to the last, so that a
// day is drawn as a day, but no more than maxIntervals in all: a long job after a
// burst of arrivals would otherwise make thousands.
var meterSteps = []time.Duration{time.Hour, 30 * time.Minute, 15 * time.Minute, 10 * time.Minute, 5 * time.Minute, 2 * time.Minute, time.Minute, 30 * time.Second, 10 * time.Second}

const meterIntervals, maxIntervals = 48, 400

// metering returns how the ledger of a replay is kept.
func (f *siteFlags) metering(w *sim.Workload) (control.Metering, error) {
	if f.every == 0 {
		k := slices.IndexFunc(meterSteps, func(step time.Duration) bool { return w.Span() >= meterIntervals*step })
		if k < 0 {
			k = len(meterSteps) - 1
		}
		for k > 0 && meterSteps[k]*maxIntervals < w.Length() {
			k--
		}
		return control.Metering{Every: meterSteps[k]}, nil
	}
	if f.every < control.MinMetering || f.every > control.MaxMetering {
		return control.Metering{}, fault.New(fault.Invalid, "--meter-every", fmt.Sprint(f.every)+" is out of range", "1s to 24h")
	}
	return control.Metering{Every: f.every}, nil
}

// readSeries reads FILE or FILE:column.
func readSeries(flag, text string, q energy.Quantity) (*energy.Series, error) {
	if text == "" {
		return nil, nil
	}
	name, column := text, ""
	if i := strings.LastIndexByte(text, ':'); i > 0 {
		if _, err := os.Stat(text); err != nil {
			name, column = text[:i], text[i+1:]
		}
	}
	data, err := readBounded(name, energy.MaxSeriesBytes)
	if err != nil {
		return nil, fault.Wrap(err, flag, "read")
	}
	return energy.ParseSeries(name, data, energy.SeriesOptions{Quantity: q, Column: column, Gaps: true})
}

func readTariff(name string) (*energy.Tariff, error) {
	if name == sichuanTariff {
		return energy.SichuanTariff(true), nil
	}
	text, err := readBounded(name, energy.MaxTariffBytes)
	if err != nil {
		return nil, err
	}
	return energy.ParseTariff(name, text, time.LoadLocation)
}

// sources reads the files that the flags name.
func (f *siteFlags) sources() (s *energy.SiteSources, err error) {
	s = &energy.SiteSources{}
	if s.Carbon, err = readSeries("--carbon", f.carbon, energy.CarbonIntensity); err != nil {
		return nil, err
	}
	if s.Market, err = readSeries("--carbon-market", f.market, energy.CarbonIntensity); err != nil {
		return nil, err
	}
	if s.Price, err = readSeries("--price", f.price, energy.EnergyPrice); err != nil {
		return nil, err
	}
	if f.tariff != "" {
		if s.Tariff, err = readTariff(f.tariff); err != nil {
			return nil, err
		}
	}
	if f.weather == "" {
		return s, nil
	}
	plant, err := readPlant(f.plant, f.chiller)
	if err != nil {
		return nil, err
	}
	text, err := readBounded(f.weather, energy.MaxWeatherBytes)
	if err != nil {
		return nil, err
	}
	w, err := energy.ParseWeather(f.weather, text)
	if err != nil {
		return nil, err
	}
	s.Facility, err = plant.Year(w)
	return s, err
}

// relativeBefore is when workloads that count from a start of their own end.
const relativeBefore = 20 * 365 * 24 * 3600

// hours gives the workload dates and returns what its hours cost at every site
// of the fleet.
func (f *siteFlags) hours(fl *fleet.Fleet, w *sim.Workload) (map[string][]energy.SiteHour, error) {
	s, err := f.sources()
	if err != nil {
		return nil, err
	}
	if err := f.date(s, w); err != nil {
		return nil, err
	}
	first := w.First()
	first -= first % unit.Instant(time.Hour)
	last := first
	for i := range w.Jobs {
		last = max(last, w.Jobs[i].Submit.Add(max(w.Jobs[i].Run, 0)))
	}
	last = last.Add(31 * 24 * time.Hour) // for what waits
	if s.Carbon != nil && (s.Carbon.End() <= first || s.Carbon.Start > first) {
		return nil, fault.New(fault.Invalid, "--carbon", fmt.Sprintf("%s is from %v to %v, the replay begins at %v", s.Carbon.Name, s.Carbon.Start, s.Carbon.End(), w.First()),
			"name a start within the series with --start")
	}
	hours, err := s.Hours(first, last)
	if err != nil {
		return nil, err
	}
	out := map[string][]energy.SiteHour{}
	for i := range fl.Nodes {
		out[fl.Nodes[i].Place.Site] = hours
	}
	return out, nil
}

// metered has a replay keep a ledger: of what hours cost by the flags and, where none
// says it, by what the sites of the world declare, as in a running centre.
func (f *replayFlags) metered(p *sim.TimedParams) (err error) {
	if p.Hours, err = f.site.hours(p.Fleet, p.Workload); err != nil {
		return err
	}
	if p.Metering, err = f.site.metering(p.Workload); err != nil || f.world == "" {
		return err
	}
	w, _, err := parseWorldFile(f.world)
	if err != nil {
		return err
	}
	for i := range w.Sites {
		s := &w.Sites[i]
		own := slices.Clone(p.Hours[s.Name])
		for k := range own {
			own[k].Declare(s.Tariff, s.PUE)
			if f.site.carbon == "" {
				own[k].DeclareCarbon(s.Carbon)
			}
		}
		if own != nil {
			p.Hours[s.Name] = own
		}
	}
	p.Metering.Zones, err = calendarsOf(w)
	return err
}

// date moves the workload to where --start says, or, where it counts from a
// start of its own, to the start of the series.
func (f *siteFlags) date(s *energy.SiteSources, w *sim.Workload) error {
	if f.start != "" {
		at, err := unit.ParseInstant(f.start)
		if err != nil {
			return fault.Wrap(err, "--start", "read the instant")
		}
		w.Begin(at)
		return nil
	}
	if w.First() >= unit.At(relativeBefore) {
		return nil
	}
	for _, v := range []*energy.Series{s.Carbon, s.Market, s.Price} {
		if v != nil {
			w.Begin(v.Start)
			return nil
		}
	}
	w.Begin(unit.Instant(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()))
	return nil
}
