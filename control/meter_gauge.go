package control

import (
	"slices"

	"tianfu/meter"
	"tianfu/unit"
)

// gauge is what a meter has said that is not in the ledger yet.
type gauge struct {
	spans []energySpan // after what is closed, ascending, none overlapping
	// covered is until when, of closed time, the meter is known; has says that
	// there is a meter at all. What was booked beyond it, by the model, is
	// compared with the meter when it comes back.
	covered unit.Instant
	has     bool
	booked  unit.Millijoules
	late    unit.Millijoules // what it said of closed time beyond what was booked
}

type energySpan struct {
	from, to unit.Instant
	energy   unit.Millijoules
	basis    meter.Basis
	devices  []unit.Millijoules
}

// add takes what a meter said. What lies before the end of what is known counts
// no second time; what lies in closed time corrects what was booked for it.
func (g *gauge) add(r *EnergyReading, closed unit.Instant) {
	if r.Energy < 0 {
		return
	}
	span := energySpan{r.From, r.To, r.Energy, r.Basis, r.Devices}
	if !g.has {
		g.has, g.covered = true, closed
	}
	known := g.covered
	if k := len(g.spans); k > 0 {
		known = g.spans[k-1].to
	}
	if span.from < known {
		span.cut(known)
	}
	if span.from < closed && span.from < span.to {
		g.correct(&span, closed)
	}
	if span.from >= span.to {
		return
	}
	if k := len(g.spans); k >= maxReadings {
		last := &g.spans[k-1]
		last.energy += span.energy
		last.to, last.devices = span.to, nil
		last.basis = max(last.basis, span.basis)
		return
	}
	g.spans = append(g.spans, span)
}

// cut drops what lies before an instant.
func (p *energySpan) cut(at unit.Instant) (dropped unit.Millijoules) {
	if at >= p.to {
		dropped, p.from = p.energy, p.to
		p.energy, p.devices = 0, nil
		return dropped
	}
	dropped = meter.PartOf(p.energy, int64(at-p.from), int64(p.to-p.from))
	p.energy -= dropped
	p.from, p.devices = at, nil
	return dropped
}

// correct sets the part of a span that lies in closed time against what was
// booked for that time.
func (g *gauge) correct(p *energySpan, closed unit.Instant) {
	// What lies between what is known and the span stays as it was booked.
	g.booked = meter.PartOf(g.booked, int64(closed-p.from), int64(closed-g.covered))
	to := min(p.to, closed)
	share := meter.PartOf(g.booked, int64(to-p.from), int64(closed-p.from))
	g.booked -= share
	g.covered = to
	g.late += p.cut(to) - share
}

// within returns what the meter said of an interval, and of how much of it.
func (g *gauge) within(from, to unit.Instant) (energy unit.Millijoules, known unit.Instant, basis meter.Basis, devices []unit.Millijoules) {
	basis = meter.Measured
	whole := true
	for i := range g.spans {
		p := g.spans[i]
		if p.to <= from || p.from >= to {
			continue
		}
		if p.from < from {
			p.cut(from)
		}
		if p.to > to {
			p.energy = meter.PartOf(p.energy, int64(to-p.from), int64(p.to-p.from))
			p.to, p.devices = to, nil
		}
		energy += p.energy
		known += p.to - p.from
		basis = max(basis, p.basis)
		if p.devices == nil || devices != nil && len(devices) != len(p.devices) {
			whole = false
			continue
		}
		if devices == nil {
			devices = make([]unit.Millijoules, len(p.devices))
		}
		for d := range devices {
			devices[d] += p.devices[d]
		}
	}
	if !whole {
		devices = nil
	}
	return energy, known, basis, devices
}

// pass moves on to the end of a page. Of a node, total is the energy booked for
// it before corrections; a site's meter corrects nothing afterwards.
func (g *gauge) pass(page *meter.Page, np *meter.NodePart, total unit.Millijoules) {
	if !g.has {
		return
	}
	measured, known, _, _ := g.within(page.From, page.To)
	end := unit.Instant(0)
	if k := len(g.spans); k > 0 {
		end = g.spans[k-1].to
	}
	switch {
	case np == nil || end >= page.To:
		g.covered, g.booked = page.To, 0
	case known == 0:
		g.booked += total
	default:
		g.covered, g.booked = max(end, g.covered), total-measured
	}
	g.late = 0
	for i := range g.spans {
		if p := &g.spans[i]; p.from < page.To {
			p.cut(page.To)
		}
	}
	g.spans = slices.DeleteFunc(g.spans, func(p energySpan) bool { return p.from >= p.to })
	if len(g.spans) == 0 {
		g.spans = nil
	}
}
