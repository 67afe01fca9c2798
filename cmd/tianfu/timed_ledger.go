package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tianfu/control"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/httpapi"
	"tianfu/job"
	"tianfu/meter"
	"tianfu/sim"
	"tianfu/unit"
)

// ledgerSummary is what a replay's ledger says of the run at the site's meter,
// from the first arrival to the last.
type ledgerSummary struct {
	Intervals   int64   `json:"intervals"`
	Exact       bool    `json:"exact"` // every interval sums to its meter, every figure to its factor
	Fault       string  `json:"fault,omitempty"`
	SiteKWh     float64 `json:"site_kwh"`
	ITKWh       float64 `json:"it_kwh"`
	IdleKWh     float64 `json:"idle_it_kwh"` // of nodes and parts of them that nobody held
	Unexplained float64 `json:"unexplained_it_kwh"`
	PUE         float64 `json:"pue"`
	KgCO2e      float64 `json:"kgco2e_location"`
	KgMarket    float64 `json:"kgco2e_market"`
	Litres      float64 `json:"litres"`
	Yuan        float64 `json:"yuan"`
	WholeKWh    float64 `json:"whole_run_site_kwh"`
	WholeKg     float64 `json:"whole_run_kgco2e_location"`
	Intensity   float64 `json:"g_per_kwh"`
	Basis       string  `json:"basis"`
	// WithoutData is the IT energy, in kWh, of hours in which a factor was not
	// known: the figure that follows from it is zero there.
	WithoutData map[string]float64 `json:"it_kwh_without_data"`
}

var ledgerHeader = []string{"SITE ENERGY", "PUE", "KGCO2E", "G/KWH", "LITRES", "YUAN", "IDLE"}

func summariseLedger(t *sim.Timed) *ledgerSummary {
	all := t.Ledger
	if all == nil {
		return nil
	}
	l := &all.Books
	if all.Window != nil {
		l = all.Window
	}
	s := &ledgerSummary{
		Intervals: all.Checker.Pages, Exact: all.Err == nil, WholeKWh: round(float64(all.Total.Energy().KWh()), 6), WholeKg: round(all.Total.CarbonLocation.Kilograms(), 6),
		SiteKWh: round(float64(l.Total.Energy().KWh()), 6), ITKWh: round(float64(l.Total.IT().KWh()), 6),
		IdleKWh: round(float64(l.Lines[meter.IdleLine].IT().KWh()), 6), Unexplained: round(float64(l.Lines[meter.UnexplainedLine].IT().KWh()), 6),
		PUE: round(l.PUE(), 5), KgCO2e: round(l.Total.CarbonLocation.Kilograms(), 6), KgMarket: round(l.Total.CarbonMarket.Kilograms(), 6),
		Litres: round(l.Total.Water.Litres(), 3), Yuan: round(float64(l.Total.Cost.Yuan()), 4), Intensity: round(l.Intensity(), 3), WithoutData: map[string]float64{},
	}
	if all.Err != nil {
		s.Fault = all.Err.Error()
	}
	for b, e := range l.Bases {
		if e > 0 {
			if s.Basis != "" {
				s.Basis += ", "
			}
			s.Basis += meter.Basis(b).String()
		}
	}
	for i, e := range l.Unknown {
		if e > 0 {
			s.WithoutData[meter.Missing(1<<i).String()] = round(float64(e.KWh()), 3)
		}
	}
	return s
}

func (s *ledgerSummary) cells() []string {
	return []string{strconv.FormatFloat(s.SiteKWh, 'f', 0, 64) + "kWh", fixed(s.PUE, 3), fmt.Sprintf("%.0f", s.KgCO2e), fixed(s.Intensity, 1),
		fmt.Sprintf("%.0f", s.Litres), fmt.Sprintf("%.0f", s.Yuan), fmt.Sprintf("%.1f%%", 100*s.IdleKWh/max(s.ITKWh, 1e-9))}
}

// book prepares to keep the charges of a replay.
func (f *replayFlags) book(params *sim.TimedParams) (*meter.Book, error) {
	if !f.site.on() || strings.Contains(f.policies, ",") {
		return nil, fault.New(fault.Invalid, "--charges", "needs a metered replay of one policy", "give one --policy, and --carbon, --weather, --tariff or --price")
	}
	zones := map[string]*time.Location{}
	if f.world != "" {
		w, _, err := parseWorldFile(f.world)
		if err != nil {
			return nil, err
		}
		if zones, err = siteZones(w); err != nil {
			return nil, err
		}
	}
	b := &meter.Book{Model: func(n int32) string { return string(params.Fleet.Nodes[n].Model) }, Zone: func(site string) *time.Location {
		if z := zones[site]; z != nil {
			return z
		}
		return time.UTC
	}}
	before := params.Record
	params.Record = func(r *control.Record) {
		if before != nil {
			before(r)
		}
		if r.Kind == control.Metered && b.Err == nil {
			b.Err = b.Add(r.Page)
		}
	}
	return b, nil
}

// siteZones returns the time zone of every site that declares one.
func siteZones(w *fleet.World) (map[string]*time.Location, error) {
	out := map[string]*time.Location{}
	for i := range w.Sites {
		s := &w.Sites[i]
		if s.TimeZone == "" {
			continue
		}
		zone, err := time.LoadLocation(s.TimeZone)
		if err != nil {
			return nil, fault.New(fault.Invalid, "site "+s.Name, "this machine does not know the time zone "+s.TimeZone, "install the time zone database")
		}
		out[s.Name] = zone
	}
	return out, nil
}

// calendarsOf returns the clocks of sites as the core keeps them: intervals of the
// ledger end with the days that bills are of.
func calendarsOf(w *fleet.World) (out []control.SiteZone, err error) {
	zones, err := siteZones(w)
	if err != nil {
		return nil, err
	}
	for i := range w.Sites {
		if s := &w.Sites[i]; zones[s.Name] != nil && s.TimeZone != "UTC" {
			out = append(out, control.SiteZone{Site: s.Name, Zone: fleet.ZoneOf(s.TimeZone, zones[s.Name])})
		}
	}
	return out, nil
}

// ratesOf returns a world's rate card; nil when it declares none.
func ratesOf(w *fleet.World) *meter.Rates {
	nano := func(y unit.Yuan) unit.NanoYuan { return unit.NanoYuan(float64(y)*1e9 + 0.5) }
	if w.Rates.CpuHour == 0 && w.Rates.MemoryHour == 0 && len(w.Rates.Devices) == 0 {
		return nil
	}
	r := &meter.Rates{CPUHour: nano(w.Rates.CpuHour), MemoryHour: nano(w.Rates.MemoryHour), Devices: map[string]unit.NanoYuan{}}
	for _, d := range w.Rates.Devices {
		r.Devices[string(d.Model)] = nano(d.Hour)
	}
	return r
}

// writeCharges writes what the ledger came to, as the API would say it.
func (f *replayFlags) writeCharges(t *sim.Timed, b *meter.Book) error {
	if b.Err != nil {
		return b.Err
	}
	c := httpapi.Charges{From: t.Totals.Start.String(), To: t.Totals.End.String(), Whole: true}
	if f.world != "" {
		w, _, err := parseWorldFile(f.world)
		if err != nil {
			return err
		}
		c.Rates = ratesOf(w)
	}
	c.Charges = b.Charges(func(id job.ID) meter.Facts {
		j, _ := t.State().Summary(id)
		return meter.Facts{Tenant: j.Spec.Tenant, Queue: j.Spec.Queue, Name: j.Spec.Name}
	}, c.Rates)
	return writeFile(f.charges, func(w writer) error { return json.NewEncoder(w).Encode(&c) })
}

// makeReceipt prepares to make the receipt of a job as the replay goes on, and
// returns what writes it at the end.
func (f *replayFlags) makeReceipt(params *sim.TimedParams) (finish func() error, err error) {
	if f.receipt == "" {
		return func() error { return nil }, nil
	}
	name, file, ok := strings.Cut(f.receipt, "=")
	id, err := httpapi.ParseID(name)
	if !ok || file == "" || err != nil || !f.site.on() || strings.Contains(f.policies, ",") {
		return nil, fault.New(fault.Invalid, "--receipt", strconv.Quote(f.receipt)+" needs a metered replay of one policy", "write it like j-5=j-5.json, with one --policy and --carbon, --weather, --tariff or --price")
	}
	m := &control.ReceiptMaker{ID: id}
	before := params.Record
	params.Record = func(r *control.Record) {
		if before != nil {
			before(r)
		}
		if err == nil {
			err = m.Add(r)
		}
	}
	return func() error {
		if err != nil {
			return err
		}
		x, err := m.Receipt()
		if err != nil {
			return err
		}
		return writeReceipt(file, x)
	}, nil
}

// limitKW returns what the world's sites may draw together; 0 where one has no
// limit.
func (f *replayFlags) limitKW() float64 {
	if f.world == "" {
		return 0
	}
	w, _, err := parseWorldFile(f.world)
	if err != nil {
		return 0
	}
	sum := 0.0
	for i := range w.Sites {
		if w.Sites[i].Power == 0 {
			return 0
		}
		sum += float64(w.Sites[i].Power) / 1000
	}
	return sum
}
