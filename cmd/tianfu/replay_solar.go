package main

import (
	"slices"
	"strings"
	"time"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fault"
	"tianfu/sched"
	"tianfu/sim"
	"tianfu/unit"
)

// solarDay is the longest time that one step of a series is told as.
const solarDay = 24 * time.Hour

// makeSolar tells a replay what is made on its sites: as a running centre
// is told by a meter, for nobody plans with what the sun will do. A step without data
// makes nothing.
func (f *powerFlags) makeSolar(p *sim.TimedParams, begin unit.Instant) error {
	var sites []string
	for i := range p.Tree.Areas {
		if a := &p.Tree.Areas[i]; a.Parent < 0 {
			sites = append(sites, a.Path)
		}
	}
	told := map[string]bool{}
	for _, text := range f.solar {
		site, file, named := strings.Cut(text, "=")
		if !named || !slices.Contains(sites, site) {
			if len(sites) != 1 {
				return fault.New(fault.Invalid, "--solar", text+" does not name a site of "+strings.Join(sites, ", "), "write it like "+sites[0]+"=FILE:COLUMN")
			}
			site, file = sites[0], text
		}
		if told[site] {
			return fault.New(fault.Invalid, "--solar", "site "+site+" has two series", "add them up in one")
		}
		told[site] = true
		s, err := readSeries("--solar", file, energy.Power)
		if err != nil {
			return err
		}
		if s.Step > solarDay {
			return fault.New(fault.Invalid, "--solar", file+" has steps of "+s.Step.String(), "a day is the longest")
		}
		if s.End() <= begin {
			return fault.New(fault.Invalid, "--solar", file+" ends at "+s.End().String()+", before the first arrival at "+begin.String(), "give a series of that time, or another --start")
		}
		p.Inputs = append(p.Inputs, solarInputs(site, s, begin)...)
	}
	return nil
}

// solarInputs are the steps of a series from an instant on, each told when it begins.
func solarInputs(site string, s *energy.Series, begin unit.Instant) (out []sim.Arriving) {
	for i, kw := range s.Values {
		from := s.Start + unit.Instant(i)*unit.Instant(s.Step)
		to := from.Add(s.Step)
		if to <= begin || !(kw > 0) {
			continue
		}
		hour := control.SolarHour{From: from, To: to, Milliwatts: sched.Milliwatts(unit.Watts(kw * 1000))}
		out = append(out, sim.Arriving{At: max(from, begin), Input: control.Input{Kind: control.Solar, Site: site, Solar: []control.SolarHour{hour}}, Aside: true})
	}
	return out
}
