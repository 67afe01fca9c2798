package live

import (
	"cmp"
	"slices"
	"strings"

	"tianfu/control"
	"tianfu/meter"
	"tianfu/sensor"
	"tianfu/unit"
)

// maxOpen bounds the intervals of an area that wait for its meter, and the spans
// that wait for the ledger.
const maxOpen = 64

// conserve holds, for every interval of the ledger, what the nodes of an area
// drew together against the area's own meter. What is left is losses in cables
// and converters, fans of the rack, and whatever nobody declared.
type conserve struct {
	areas map[string]*areaBalance
}

// areaBalance is an area with a meter of its own.
type areaBalance struct {
	level  sensor.Level
	inside map[int32]bool // nodes by rank; nil of a site: all of its pages
	ledger []accounted    // intervals in the ledger that its meter has not told of yet
	meter  []windowed     // told, and not compared yet
	state  AreaState
}

// accounted is what the ledger has of an area for an interval.
type accounted struct {
	from, to unit.Instant
	energy   unit.Millijoules
	measured int // nodes whose energy a meter told
	nodes    int
}

// AreaState is how an area's own meter and the sum of its nodes compare.
type AreaState struct {
	Area  string
	Level sensor.Level
	// Of the newest interval that both know.
	From, To            unit.Instant
	Measured, Accounted unit.Millijoules
	MeasuredNodes       int // of Nodes: the others are modelled
	Nodes               int
	// Sums since the process began, over the same intervals.
	MeasuredTotal, AccountedTotal unit.Millijoules
}

// Unexplained is what the area's meter saw beyond its nodes; below 0 where they
// claim more than it saw.
func (a *AreaState) Unexplained() unit.Millijoules { return a.Measured - a.Accounted }

func (c *conserve) arrange(s *control.State, things map[string]*thing) {
	if c.areas == nil {
		c.areas = map[string]*areaBalance{}
	}
	capacity := s.Capacity()
	for path, t := range things {
		if t.level == sensor.Node {
			continue
		}
		a := c.areas[path]
		if a == nil {
			a = &areaBalance{level: t.level, state: AreaState{Area: path, Level: t.level}}
			c.areas[path] = a
		}
		a.inside = map[int32]bool{}
		for n := range int32(capacity.Nodes()) {
			if strings.HasPrefix(capacity.Node(n).Place.Path()+"/", path+"/") {
				a.inside[n] = true
			}
		}
	}
}

// measured takes in what an area's meter told.
func (c *conserve) measured(path string, w windowed) {
	if a := c.areas[path]; a != nil {
		a.meter = append(a.meter, w)
		if len(a.meter) > maxOpen {
			a.meter = a.meter[1:]
		}
		a.compare()
	}
}

// page takes in an interval of the ledger. Of a site the overhead is part of what
// its meter sees; of anything smaller it is not.
func (c *conserve) page(p *meter.Page) {
	for path, a := range c.areas {
		if site, _, _ := strings.Cut(path, "/"); site != p.Site {
			continue
		}
		x := accounted{from: p.From, to: p.To}
		for i := range p.Nodes {
			n := &p.Nodes[i]
			if n.Node < 0 || !a.inside[n.Node] {
				continue
			}
			x.nodes++
			if n.Basis == meter.Measured || n.Basis == meter.Estimated {
				x.measured++
			}
			x.energy += n.IT()
			if a.level == sensor.Site {
				for k := range n.Parts {
					x.energy += n.Parts[k].Facility
				}
			}
		}
		a.ledger = append(a.ledger, x)
		if len(a.ledger) > maxOpen {
			a.ledger = a.ledger[1:]
		}
		a.compare()
	}
}

// compare settles the intervals that both know. Intervals come in order.
func (a *areaBalance) compare() {
	for len(a.ledger) > 0 {
		x := a.ledger[0]
		told, known := a.within(x.from, x.to)
		if known < x.to-x.from {
			if n := len(a.meter); n == 0 || a.meter[n-1].To < x.to {
				return // it may still come
			}
			a.ledger = a.ledger[1:] // the meter was lost meanwhile
			continue
		}
		s := &a.state
		s.From, s.To, s.Measured, s.Accounted = x.from, x.to, told, x.energy
		s.MeasuredNodes, s.Nodes = x.measured, x.nodes
		s.MeasuredTotal += told
		s.AccountedTotal += x.energy
		a.ledger = a.ledger[1:]
		a.meter = slices.DeleteFunc(a.meter, func(w windowed) bool { return w.To <= x.to })
	}
}

// within returns what the meter told of an interval, and of how much of it.
func (a *areaBalance) within(from, to unit.Instant) (energy unit.Millijoules, known unit.Instant) {
	for _, w := range a.meter {
		s, e := max(w.From, from), min(w.To, to)
		if e <= s {
			continue
		}
		known += e - s
		// Differences from the span's start add up, whatever the cuts.
		upTo := func(t unit.Instant) unit.Millijoules {
			return meter.PartOf(w.Energy, int64(t-w.From), int64(w.To-w.From))
		}
		energy += upTo(e) - upTo(s)
	}
	return energy, known
}

// Areas returns how meters of areas and sums of nodes compare, by area.
func (c *Centre) Areas() []AreaState {
	m := c.instruments
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []AreaState
	for _, a := range m.areas {
		out = append(out, a.state)
	}
	slices.SortFunc(out, func(a, b AreaState) int { return cmp.Compare(a.Area, b.Area) })
	return out
}
