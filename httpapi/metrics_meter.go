package httpapi

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"tianfu/live"
)

// meterCollector shows the meters to those who see all.
type meterCollector struct{ centre *live.Centre }

var (
	meterLabels      = []string{"meter", "kind", "level", "covers"}
	meterJoulesDesc  = prometheus.NewDesc("tianfu_meter_joules_total", "Energy that a channel of a meter has seen since the process began.", append(meterLabels[:4:4], "channel"), nil)
	meterWattsDesc   = prometheus.NewDesc("tianfu_meter_watts", "Mean power of a meter's newest readings.", meterLabels, nil)
	meterLostDesc    = prometheus.NewDesc("tianfu_meter_lost", "1 while a meter cannot be read: what it sees is modelled.", meterLabels, nil)
	meterReadsDesc   = prometheus.NewDesc("tianfu_meter_reads_total", "Times a meter was asked.", meterLabels, nil)
	meterFailDesc    = prometheus.NewDesc("tianfu_meter_failures_total", "Times a meter, or a part of it, did not answer.", meterLabels, nil)
	areaMeasuredDesc = prometheus.NewDesc("tianfu_meter_area_measured_joules_total", "Energy by an area's own meter, over intervals that the ledger knows too.", []string{"area", "level"}, nil)
	areaLedgerDesc   = prometheus.NewDesc("tianfu_meter_area_accounted_joules_total", "Energy of the area's nodes by the ledger, over the same intervals; of a site with its overhead.", []string{"area", "level"}, nil)
	gridCarbonDesc   = prometheus.NewDesc("tianfu_grid_carbon_grams_per_kwh", "Carbon intensity in force; absent where there is no data.", []string{"site", "nature"}, nil)
	gridAgeDesc      = prometheus.NewDesc("tianfu_grid_signal_age_seconds", "Age of a last value that stands in for a missing one.", []string{"site", "nature"}, nil)
	sitePriceDesc    = prometheus.NewDesc("tianfu_site_price_yuan_per_kwh", "Price of the present hour.", []string{"site"}, nil)
	sitePUEDesc      = prometheus.NewDesc("tianfu_site_pue", "Facility energy over IT energy of the present hour.", []string{"site"}, nil)
	siteWUEDesc      = prometheus.NewDesc("tianfu_site_wue_litres_per_kwh", "Water for a kWh of IT energy in the present hour.", []string{"site"}, nil)
	areaUnknownDesc  = prometheus.NewDesc("tianfu_meter_area_unexplained_watts", "What an area's meter saw beyond its nodes in the newest interval; below 0 where they claim more.", []string{"area", "level"}, nil)
)

// Describe serves prometheus.Collector.
func (c *meterCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{meterJoulesDesc, meterWattsDesc, meterLostDesc, meterReadsDesc, meterFailDesc, areaMeasuredDesc, areaLedgerDesc, areaUnknownDesc,
		gridCarbonDesc, gridAgeDesc, sitePriceDesc, sitePUEDesc, siteWUEDesc} {
		ch <- d
	}
}

// Collect serves prometheus.Collector.
func (c *meterCollector) Collect(ch chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	for _, m := range c.centre.Meters() {
		labels := []string{m.Meter, m.Kind, string(m.Covers.Level), m.Covers.Path}
		for _, channel := range slices.Sorted(maps.Keys(m.Energy)) {
			send(meterJoulesDesc, prometheus.CounterValue, joules(m.Energy[channel]), append(labels[:4:4], channel)...)
		}
		lost := 0.0
		if m.Lost {
			lost = 1
		}
		send(meterLostDesc, prometheus.GaugeValue, lost, labels...)
		send(meterWattsDesc, prometheus.GaugeValue, float64(m.Power), labels...)
		send(meterReadsDesc, prometheus.CounterValue, float64(m.Reads), labels...)
		send(meterFailDesc, prometheus.CounterValue, float64(m.Failures), labels...)
	}
	c.collectSignals(send)
	for _, a := range c.centre.Areas() {
		if a.To == 0 {
			continue
		}
		send(areaMeasuredDesc, prometheus.CounterValue, joules(a.MeasuredTotal), a.Area, string(a.Level))
		send(areaLedgerDesc, prometheus.CounterValue, joules(a.AccountedTotal), a.Area, string(a.Level))
		send(areaUnknownDesc, prometheus.GaugeValue, joules(a.Unexplained())/a.To.Sub(a.From).Seconds(), a.Area, string(a.Level))
	}
}

func (c *meterCollector) collectSignals(send func(*prometheus.Desc, prometheus.ValueType, float64, ...string)) {
	for _, s := range c.centre.Signals() {
		for _, r := range s.Readings {
			if r.Known {
				send(gridCarbonDesc, prometheus.GaugeValue, float64(r.Value)*1000, s.Site, r.Nature.String())
				send(gridAgeDesc, prometheus.GaugeValue, r.Age.Seconds(), s.Site, r.Nature.String())
			}
		}
		if !s.Known {
			continue
		}
		h := hourOf(&s.Hour)
		for d, v := range map[*prometheus.Desc]*float64{sitePriceDesc: h.Price, sitePUEDesc: h.PUE, siteWUEDesc: h.Water} {
			if v != nil {
				send(d, prometheus.GaugeValue, *v, s.Site)
			}
		}
	}
}
