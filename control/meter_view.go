package control

import (
	"tianfu/job"
	"tianfu/meter"
	"tianfu/unit"
)

// MeterTenant is what a tenant's tasks came to since the ledger began.
type MeterTenant struct {
	Tenant job.Tenant
	meter.Totals
}

// MeteredTenants returns what tenants came to, in the order they were first seen.
func (s *State) MeteredTenants() (out []MeterTenant) {
	if s.ledger == nil {
		return nil
	}
	for i := range s.ledger.tenants {
		out = append(out, MeterTenant{s.names[i], s.ledger.tenants[i]})
	}
	return out
}

// MeterSite is what a site came to since the ledger began.
type MeterSite struct {
	Site  string
	Until unit.Instant // the end of its last closed interval
	Lines [meter.ServiceLine + 1]meter.Totals
}

// MeteredSites returns what sites came to, by line.
func (s *State) MeteredSites() (out []MeterSite) {
	if s.ledger == nil {
		return nil
	}
	for i := range s.ledger.sites {
		v := &s.ledger.sites[i]
		out = append(out, MeterSite{v.name, v.from, v.lines})
	}
	return out
}
