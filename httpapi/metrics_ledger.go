package httpapi

import (
	"github.com/prometheus/client_golang/prometheus"

	"tianfu/control"
	"tianfu/meter"
)

var (
	energyDesc = prometheus.NewDesc("tianfu_energy_joules_total", "Energy of a tenant's tasks in the ledger, by mode: idle by reservation, dynamic by use, facility for cooling and conversion.",
		[]string{"tenant", "mode"}, nil)
	carbonDesc = prometheus.NewDesc("tianfu_carbon_grams_total", "CO2e of a tenant's tasks in the ledger, by basis.", []string{"tenant", "basis"}, nil)
	costDesc   = prometheus.NewDesc("tianfu_energy_cost_yuan_total", "Cost of a tenant's energy in the ledger.", []string{"tenant"}, nil)
	siteDesc   = prometheus.NewDesc("tianfu_site_energy_joules_total", "Energy in the ledger by site and line; lines and modes add up to the meter.", []string{"site", "line", "mode"}, nil)
)

// ledgerMetrics adds what the ledger came to. A tenant sees its own alone.
func ledgerMetrics(s *control.State, who *Caller, count func(*prometheus.Desc, float64, ...string)) {
	modes := func(d *prometheus.Desc, t *meter.Totals, labels ...string) {
		count(d, float64(t.Idle)/1e3, append(labels, "idle")...)
		count(d, float64(t.Dynamic)/1e3, append(labels, "dynamic")...)
		count(d, float64(t.Facility)/1e3, append(labels, "facility")...)
	}
	for _, t := range s.MeteredTenants() {
		if !who.maySee(t.Tenant) {
			continue
		}
		modes(energyDesc, &t.Totals, string(t.Tenant))
		count(carbonDesc, float64(t.CarbonLocation)/1e6, string(t.Tenant), "location")
		count(carbonDesc, float64(t.CarbonMarket)/1e6, string(t.Tenant), "market")
		count(costDesc, float64(t.Cost.Yuan()), string(t.Tenant))
	}
	if !who.seesAll() {
		return
	}
	for _, site := range s.MeteredSites() {
		for line := meter.TaskLine; line <= meter.UnexplainedLine; line++ {
			modes(siteDesc, &site.Lines[line], site.Site, line.String())
		}
	}
}
