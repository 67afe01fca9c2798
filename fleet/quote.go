package fleet

import (
	"fmt"

	"tianfu/fault"
	"tianfu/unit"
)

// HoursPerYear is the length of the year that prices of idling are given for.
const HoursPerYear = 8760

// Terms are what a quotation depends on beside the hardware.
type Terms struct {
	Tariff    unit.YuanPerKWh
	Carbon    unit.KgPerKWh
	RackLimit unit.Watts // 0 = not checked
	RackSlots int        // rack units; 0 = not checked
}

// Item is one line of a quotation.
type Item struct {
	Part       string
	Kind       string
	Count      int
	Each       unit.Yuan
	Total      unit.Yuan
	Idle, Full unit.Watts // of all of them, before supply losses
	Source     string
	Confidence Confidence // of the price
}

// Quote is what a composed server costs to buy and to leave running idle. It
// counts no cooling: multiply by the site's PUE.
type Quote struct {
	SKU        SKU
	Items      []Item
	Price      unit.Yuan
	Confidence Confidence // the lowest of the items
	VCPU       unit.MilliCPU
	Memory     unit.MiB
	Height     int        // rack units
	Idle, Full unit.Watts // at the plug
	// PerRack is how many fit one rack by full power and height; 0 = no limit
	// was given.
	PerRack         int
	IdleKWhPerYear  float64
	IdleYuanPerYear unit.Yuan
	IdleKgPerYear   float64 // CO2e
	Tariff          unit.YuanPerKWh
	Carbon          unit.KgPerKWh
}

// MarshalJSON renders the quotation with units.
func (q *Quote) MarshalJSON() ([]byte, error) { return encode(*q) }

// Compose fills in what a server leaves open (memory modules, supplies), checks
// it against its chassis and the rack, and prices it. Problems are returned as
// one Invalid error.
func (c *Catalogue) Compose(s SKU, t Terms) (*Quote, error) {
	if c.ChassisNamed(s.Chassis) == nil {
		return nil, notFound("chassis", s.Chassis, "chassis")
	}
	c.FillMemory(&s)
	if s.PSU.N == 0 {
		c.fillSupplies(&s)
	}
	n, err := c.Node(&s)
	if err != nil {
		return nil, err
	}
	problems := c.Problems(&s)
	q := &Quote{SKU: s, VCPU: n.CPU, Memory: n.Memory, Tariff: t.Tariff, Carbon: t.Carbon, Height: c.ChassisNamed(s.Chassis).Height}
	draw, err := c.SKUDraw(&s)
	if err != nil {
		return nil, err
	}
	q.Idle, q.Full = round(draw.Idle()), round(draw.Full())
	problems = append(problems, q.rack(t)...)
	if len(problems) > 0 {
		return nil, asError(&s, problems)
	}
	if s.DIMM.N == 0 {
		return nil, fault.New(fault.Invalid, "", fmt.Sprintf("no memory module makes %s in chassis %s", n.Memory, s.Chassis), "name them with --dimm NAMExN")
	}
	q.items(c, &s)
	q.IdleKWhPerYear = float64(q.Idle) * HoursPerYear / 1000
	q.IdleYuanPerYear = unit.Yuan(q.IdleKWhPerYear * float64(t.Tariff))
	q.IdleKgPerYear = q.IdleKWhPerYear * float64(t.Carbon)
	return q, nil
}

func asError(s *SKU, problems []Problem) error {
	text := ""
	for _, p := range problems {
		text += "\n  " + p.What
		if p.Fix != "" {
			text += "; " + p.Fix
		}
	}
	return fault.Invalidf("", "%s cannot be built as composed:%s", s.Name, text)
}

// rack checks the server against the limits of a rack.
func (q *Quote) rack(t Terms) []Problem {
	var out []Problem
	if t.RackLimit > 0 {
		q.PerRack = int(t.RackLimit / q.Full)
		if q.PerRack == 0 {
			out = append(out, Problem{fmt.Sprintf("full load is %s, the rack may draw %s", q.Full, t.RackLimit), "take a stronger rack or fewer accelerators"})
		}
	}
	if t.RackSlots > 0 {
		byHeight := t.RackSlots / max(q.Height, 1)
		if t.RackLimit == 0 || byHeight < q.PerRack {
			q.PerRack = byHeight
		}
		if byHeight == 0 {
			out = append(out, Problem{fmt.Sprintf("the server is %d rack units high, the rack has %d", q.Height, t.RackSlots), "take a taller rack"})
		}
	}
	return out
}

// items lists the parts with their prices.
func (q *Quote) items(c *Catalogue, s *SKU) {
	add := func(kind, name string, n int, price Figure[unit.Yuan], idle, full Figure[unit.Watts]) {
		if n == 0 {
			return
		}
		k := unit.Watts(n)
		q.Items = append(q.Items, Item{name, kind, n, price.Value, unit.Yuan(n) * price.Value, k * idle.Value, k * full.Value, price.Source, price.Confidence})
		q.Price += unit.Yuan(n) * price.Value
		q.Confidence = max(q.Confidence, price.Confidence)
	}
	if f := c.ChassisNamed(s.Chassis); f != nil {
		add("chassis", f.Name, 1, f.Price, f.Idle, f.Full)
	}
	if p := c.CPU(s.CPU.Name); p != nil {
		add("cpu", p.Name, s.CPU.N, p.Price, p.Idle, p.Full)
	}
	if a := c.Accelerator(Model(s.Accelerator.Name)); a != nil {
		add("accelerator", string(a.Name), s.Accelerator.N, a.Price, a.Idle, a.Full)
	}
	for _, some := range []Some{s.DIMM, s.NIC, s.Disk, s.PSU} {
		if p := c.Part(some.Name); p != nil {
			add(p.Kind, p.Name, some.N, p.Price, p.Idle, p.Full)
		}
	}
	if s.Price.Known() { // an offer for the whole box
		q.Price, q.Confidence = s.Price.Value, s.Price.Confidence
	}
}

// fillSupplies chooses the weakest supplies that carry full load with one to
// spare in the bays of the chassis.
func (c *Catalogue) fillSupplies(s *SKU) {
	f := c.ChassisNamed(s.Chassis)
	best, bestN := (*Part)(nil), 0
	for i := range c.Parts {
		p := &c.Parts[i]
		if p.Kind != "psu" || p.Rated.Value <= 0 {
			continue
		}
		try := *s
		try.PSU = Some{p.Name, 2}
		draw, err := c.SKUDraw(&try)
		if err != nil {
			return
		}
		load := draw.Full()
		if p.Efficiency > 0 {
			load *= unit.Watts(p.Efficiency)
		}
		n := 2
		for n <= f.SupplyBays && unit.Watts(n-1)*p.Rated.Value < load {
			n++
		}
		if n <= f.SupplyBays && (best == nil || unit.Watts(n)*p.Rated.Value < unit.Watts(bestN)*best.Rated.Value) {
			best, bestN = p, n
		}
	}
	if best != nil {
		s.PSU = Some{best.Name, bestN}
	}
}

// ParseSKU reads a YAML file of parts, in the form of an entry under catalogue:
// skus: of a world file.
func (c *Catalogue) ParseSKU(name string, data []byte) (SKU, error) {
	d := &decoder{file: name}
	var s SKU
	if len(data) > 1<<20 {
		return s, fault.Invalidf(name, "a list of parts of %d bytes", len(data))
	}
	d.parse(data, &s)
	settle(&s, name, Declared)
	return s, d.err()
}
