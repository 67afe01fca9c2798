package control

import (
	"encoding/binary"

	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// This file is how the budgets of a day are persisted.

func appendDayBudgets(b []byte, list []sched.DayBudget) []byte {
	var zones []fleet.Zone
	b = binary.AppendUvarint(b, uint64(len(list)))
	for i := range list {
		x := &list[i]
		b = appendString(appendString(b, string(x.Tenant)), x.Site)
		b = appendInts(b, int64(x.Energy), int64(x.Carbon))
		at := 0
		for at < len(zones) && zones[at].Name != x.Zone.Name {
			at++
		}
		b = binary.AppendUvarint(b, uint64(at))
		if at < len(zones) {
			continue
		}
		zones = append(zones, x.Zone)
		b = appendZone(b, &x.Zone)
	}
	return b
}

func appendZone(b []byte, z *fleet.Zone) []byte {
	b = binary.AppendUvarint(appendString(b, z.Name), uint64(len(z.Shifts)))
	for _, c := range z.Shifts {
		b = appendInts(b, int64(c.At), int64(c.Ahead))
	}
	return b
}

func (d *reader) zone() fleet.Zone {
	z := fleet.Zone{Name: d.string()}
	for range d.count() {
		c := fleet.ZoneShift{At: unit.Instant(d.varint())}
		ahead := d.varint()
		if ahead < -86400 || ahead > 86400 || len(z.Shifts) > 0 && c.At <= z.Shifts[len(z.Shifts)-1].At {
			d.fail("the clock of %s changes out of order, or by more than a day", z.Name)
			return fleet.Zone{}
		}
		c.Ahead = int32(ahead)
		z.Shifts = append(z.Shifts, c)
	}
	return z
}

func appendSiteZones(b []byte, list []SiteZone) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for i := range list {
		b = appendZone(appendString(b, list[i].Site), &list[i].Zone)
	}
	return b
}

func (d *reader) siteZones() (out []SiteZone) {
	for range d.count() {
		x := SiteZone{Site: d.string()}
		x.Zone = d.zone()
		if d.err != nil {
			return nil
		}
		out = append(out, x)
	}
	return out
}

func (d *reader) dayBudgets() []sched.DayBudget {
	var zones []fleet.Zone
	var out []sched.DayBudget
	for range d.count() {
		x := sched.DayBudget{Tenant: job.Tenant(d.string()), Site: d.string(), Energy: unit.Millijoules(d.varint()), Carbon: unit.Micrograms(d.varint())}
		at := int(d.max(uint64(len(zones))))
		if d.err != nil {
			return nil
		}
		if at == len(zones) {
			zones = append(zones, d.zone())
			if d.err != nil {
				return nil
			}
		}
		x.Zone = zones[at]
		out = append(out, x)
	}
	return out
}

// code codes what cannot be worked out from the configuration.
func (b *budgetState) code(x *sched.Coder) {
	x.Section("budgets")
	for i := range b.spent {
		sched.Int(x, &b.spent[i].day)
		sched.Int(x, &b.spent[i].Energy)
		sched.Int(x, &b.spent[i].Carbon)
	}
	for i := range b.until {
		sched.Int(x, &b.until[i])
	}
	sched.List(x, &b.gone, func(g *sched.Charge) {
		sched.Int(x, &g.Site)
		sched.Int(x, &g.Tenant)
		sched.Int(x, &g.Draw.Share)
		sched.Int(x, &g.Draw.Adds)
		sched.Int(x, &g.From)
		sched.Int(x, &g.To)
		if g.Site < 0 || int(g.Site) >= len(b.sites) {
			x.Fail("a task of site %d of %d", g.Site, len(b.sites))
		}
	})
}
