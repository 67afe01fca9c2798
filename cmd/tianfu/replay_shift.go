package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/job"
	"tianfu/meter"
	"tianfu/sched"
	"tianfu/sim"
)

// deferFlags say how a replay in time defers work to better hours.
type deferFlags struct {
	policies, forecast, wish string
	slack                    time.Duration
	carbonPrice              int
	pausable                 bool
}

func (f *deferFlags) register(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&f.policies, "shift", "", "policies that defer work to better hours, separated by commas: "+strings.Join(sched.ShiftPolicies, ", ")+" (time; needs --carbon, --tariff or --price)")
	fl.StringVar(&f.forecast, "forecast", "perfect", "what --shift is told of the carbon to come: perfect, persistence or own (time)")
	fl.StringVar(&f.wish, "wish", "", "what jobs wait for: carbon, price or weights (time; default: carbon where --carbon is given, else price)")
	fl.IntVar(&f.carbonPrice, "carbon-price", 0, "yuan a tonne of CO2e, for the wish weights (time)")
	fl.DurationVar(&f.slack, "slack", 24*time.Hour, "time that jobs leave beyond their expected run: their deadline (time, with --shift)")
	fl.BoolVar(&f.pausable, "pausable", false, "jobs keep their work when they are paused (time, with --shift)")
}

// list returns the policies; one empty name where nothing is shifted. The
// baseline comes first, for everything is told against it.
func (f *deferFlags) list(site *siteFlags) ([]string, error) {
	if f.policies == "" {
		return []string{""}, nil
	}
	if site.carbon == "" && site.tariff == "" && site.price == "" {
		return nil, fault.New(fault.Invalid, "--shift", "needs hours to choose from", "name --carbon, --tariff or --price")
	}
	out := []string{"no-wait"}
	for name := range strings.SplitSeq(f.policies, ",") {
		if !slices.Contains(sched.ShiftPolicies, name) {
			return nil, fault.New(fault.Invalid, "--shift", strconv.Quote(name)+" is not a policy of shifting", "use "+strings.Join(sched.ShiftPolicies, ", "))
		}
		if name != "no-wait" {
			out = append(out, name)
		}
	}
	return out, nil
}

// shifting returns what a replay is told for one policy.
func (f *deferFlags) shifting(policy string, site *siteFlags) (*sim.Shifting, error) {
	if policy == "" {
		return nil, nil
	}
	wish := job.WishPrice
	if site.carbon != "" {
		wish = job.WishCarbon
	}
	if f.wish != "" {
		var err error
		if wish, err = job.ParseWish(f.wish); err != nil || wish == job.NoWish {
			return nil, fault.New(fault.Invalid, "--wish", strconv.Quote(f.wish)+" is not a wish", "use carbon, price or weights")
		}
	}
	switch {
	case f.slack < 0 || f.slack > control31Days:
		return nil, fault.New(fault.Invalid, "--slack", f.slack.String()+" is out of range", "0 to 744h")
	case f.carbonPrice < 0 || f.carbonPrice > job.MaxCarbonPrice:
		return nil, fault.New(fault.Invalid, "--carbon-price", strconv.Itoa(f.carbonPrice)+" is out of range", "0 to 1,000,000 yuan a tonne")
	case f.carbonPrice > 0 && wish != job.WishWeights:
		return nil, fault.New(fault.Invalid, "--carbon-price", "is of the wish weights alone", "add --wish weights")
	}
	if _, err := energy.ForecasterOf(f.forecast); err != nil {
		return nil, fault.New(fault.Invalid, "--forecast", strconv.Quote(f.forecast)+" is not known", "use perfect, persistence or own")
	}
	return &sim.Shifting{Policy: policy, Forecast: f.forecast, Wish: wish, CarbonPrice: int32(f.carbonPrice), Slack: f.slack, Pausable: f.pausable}, nil
}

const control31Days = 31 * 24 * time.Hour

// shiftDocument is what shifting did, against the same replay without waiting.
// What tasks caused is compared, not the idle draw of the whole site: that goes
// on for as long as the last job runs.
type shiftDocument struct {
	Policy   string  `json:"policy"`
	Forecast string  `json:"forecast"`
	Deferred int     `json:"deferred_jobs"`
	Pauses   int     `json:"pauses"`
	Late     int     `json:"late_jobs"`
	Plans    int     `json:"plans"`
	KG       float64 `json:"tasks_kgco2e"`
	Yuan     float64 `json:"tasks_yuan"`
	SavedKG  float64 `json:"saved_kgco2e"`
	SavedY   float64 `json:"saved_yuan"`
	SavedPct float64 `json:"saved_carbon_percent"`
}

var shiftHeader = []string{"SHIFT", "DEFERRED", "PAUSES", "LATE", "TASKS CO2E", "SAVED", "SAVED YUAN"}

func (s *shiftDocument) cells() []string {
	return []string{s.Policy, strconv.Itoa(s.Deferred), strconv.Itoa(s.Pauses), strconv.Itoa(s.Late), fmt.Sprintf("%.3fkg", s.KG), fmt.Sprintf("%.2f%%", s.SavedPct), fmt.Sprintf("%.2f", s.SavedY)}
}

// tellShift fills what shifting did; base is the run without waiting.
func (r *timedRun) tellShift(p *sim.Shifting, base *timedRun) {
	if p == nil {
		return
	}
	t := &r.timed.Totals
	tasks := &r.timed.Ledger.Lines[meter.TaskLine]
	d := &shiftDocument{Policy: p.Policy, Forecast: p.Forecast, Deferred: t.Deferred, Pauses: t.Pauses, Late: t.Late, Plans: t.Plans,
		KG: round(tasks.CarbonLocation.Kilograms(), 6), Yuan: round(float64(tasks.Cost)/1e9, 6)}
	if base == nil {
		base = &timedRun{Shift: d}
	}
	d.SavedKG, d.SavedY = round(base.Shift.KG-d.KG, 6), round(base.Shift.Yuan-d.Yuan, 6)
	if base.Shift.KG > 0 {
		d.SavedPct = round(100*d.SavedKG/base.Shift.KG, 4)
	}
	r.Shift = d
}
