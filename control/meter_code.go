package control

import (
	"encoding/binary"
	"math"
	"time"

	"tianfu/job"
	"tianfu/meter"
	"tianfu/sched"
	"tianfu/unit"
)

// appendPage appends a page of the ledger.
func appendPage(b []byte, p *meter.Page) []byte {
	b = appendString(b, p.Site)
	b = appendInts(b, int64(p.From), int64(p.To-p.From))
	b = appendInts(b, p.Hour.CarbonLocation, p.Hour.CarbonMarket, p.Hour.Price, p.Hour.PUE, p.Hour.Water)
	b = append(b, flags(p.Hour.Forecast))
	b = binary.AppendUvarint(b, uint64(len(p.Nodes)))
	for i := range p.Nodes {
		n := &p.Nodes[i]
		b = append(binary.AppendVarint(b, int64(n.Node)), byte(n.Basis))
		b = appendInts(b, int64(n.Reading), int64(n.Late))
		b = appendInts(b, n.Carry.Energy, n.Carry.Facility, n.Carry.CarbonLocation, n.Carry.CarbonMarket, n.Carry.Water, n.Carry.Cost, n.Carry.Owed)
		b = binary.AppendUvarint(b, uint64(len(n.Parts)))
		for k := range n.Parts {
			b = appendPart(b, &n.Parts[k])
		}
	}
	return b
}

func appendPart(b []byte, p *meter.Part) []byte {
	b = append(b, byte(p.Line))
	if p.Line == meter.TaskLine {
		b = binary.AppendUvarint(b, uint64(p.Job))
		b = binary.AppendUvarint(b, uint64(p.Task))
		b = binary.AppendUvarint(b, uint64(p.Attempt))
		b = appendInts(b, p.CPUHeld, p.CPUMicros, p.MemorySecs, p.DeviceMillis)
	}
	return appendInts(b, int64(p.Idle), int64(p.Dynamic), int64(p.Facility), int64(p.CarbonLocation), int64(p.CarbonMarket),
		int64(p.Water), int64(p.Cost), int64(p.IdleCost))
}

func appendInts(b []byte, all ...int64) []byte {
	for _, v := range all {
		b = binary.AppendVarint(b, v)
	}
	return b
}

func (d *reader) ints(into ...*int64) {
	for _, v := range into {
		*v = d.varint()
	}
}

// rank reads the rank of a node; -1 is none.
func (d *reader) rank() int32 {
	v := d.varint()
	if v < -1 || v > math.MaxInt32 {
		d.fail("%d is not the rank of a node", v)
		return -1
	}
	return int32(v)
}

func (d *reader) page() *meter.Page {
	p := &meter.Page{Site: d.string(), From: unit.Instant(d.varint())}
	p.To = p.From + unit.Instant(d.varint())
	d.ints(&p.Hour.CarbonLocation, &p.Hour.CarbonMarket, &p.Hour.Price, &p.Hour.PUE, &p.Hour.Water)
	d.flags(&p.Hour.Forecast)
	for range d.count() {
		n := meter.NodePart{Node: d.rank(), Basis: meter.Basis(d.byte())}
		n.Reading, n.Late = unit.Millijoules(d.varint()), unit.Millijoules(d.varint())
		d.ints(&n.Carry.Energy, &n.Carry.Facility, &n.Carry.CarbonLocation, &n.Carry.CarbonMarket, &n.Carry.Water, &n.Carry.Cost, &n.Carry.Owed)
		for range d.count() {
			n.Parts = append(n.Parts, d.part())
		}
		p.Nodes = append(p.Nodes, n)
	}
	return p
}

func (d *reader) part() meter.Part {
	p := meter.Part{Line: meter.Line(d.byte()), Totals: meter.Totals{CPUMicros: meter.Unknown}}
	if p.Line == 0 || p.Line > meter.ServiceLine {
		d.fail("line %d is not known", p.Line)
	}
	if p.Line == meter.TaskLine {
		p.Job, p.Task, p.Attempt = job.ID(d.uvarint()), d.int32(), d.int32()
		d.ints(&p.CPUHeld, &p.CPUMicros, &p.MemorySecs, &p.DeviceMillis)
	}
	p.Idle, p.Dynamic, p.Facility = unit.Millijoules(d.varint()), unit.Millijoules(d.varint()), unit.Millijoules(d.varint())
	p.CarbonLocation, p.CarbonMarket = unit.Micrograms(d.varint()), unit.Micrograms(d.varint())
	p.Water, p.Cost, p.IdleCost = unit.Microlitres(d.varint()), unit.NanoYuan(d.varint()), unit.NanoYuan(d.varint())
	return p
}

func (d *reader) metering() Metering {
	m := Metering{Every: time.Duration(d.varint()), Lag: time.Duration(d.varint())}
	if m.Every < MinMetering || m.Every > MaxMetering || m.Lag < 0 || m.Lag > MaxMetering {
		d.fail("a ledger every %v, closed after %v", m.Every, m.Lag)
	}
	return m
}

func appendReading(b []byte, r *EnergyReading) []byte {
	b = appendString(b, r.Site)
	b = appendInts(b, int64(r.From), int64(r.To), int64(r.Energy))
	b = binary.AppendUvarint(append(b, byte(r.Basis)), uint64(len(r.Devices)))
	for _, e := range r.Devices {
		b = binary.AppendVarint(b, int64(e))
	}
	b = binary.AppendUvarint(b, uint64(len(r.Used)))
	for _, u := range r.Used {
		b = binary.AppendUvarint(b, uint64(u.Job))
		b = binary.AppendUvarint(b, uint64(u.Task))
		b = binary.AppendUvarint(b, uint64(u.Attempt))
		b = binary.AppendVarint(b, u.CPUMicros)
	}
	return b
}

func (d *reader) reading() *EnergyReading {
	r := &EnergyReading{Site: d.string(), From: unit.Instant(d.varint()), To: unit.Instant(d.varint()), Energy: unit.Millijoules(d.varint())}
	r.Basis = meter.Basis(d.byte())
	for range d.count() {
		r.Devices = append(r.Devices, unit.Millijoules(d.varint()))
	}
	for range d.count() {
		r.Used = append(r.Used, TaskUse{Job: job.ID(d.uvarint()), Task: d.int32(), Attempt: d.int32(), CPUMicros: d.varint()})
	}
	return r
}

// code codes what cannot be worked out from the configuration.
func (l *ledger) code(x *sched.Coder) {
	for i := range l.sites {
		s := &l.sites[i]
		sched.Int(x, &s.from)
		codeCarry(x, &s.carry)
		s.gauge.code(x)
		for k := range s.lines {
			codeTotals(x, &s.lines[k])
		}
	}
	for i := range l.nodes {
		n := &l.nodes[i]
		codeCarry(x, &n.carry)
		n.gauge.code(x)
		sched.List(x, &n.gone, func(h *meter.Holder) { codeHolder(x, h) })
		sched.List(x, &n.stages, func(p *meter.Stage) {
			sched.Int(x, &p.From)
			sched.Int(x, &p.Level)
			x.Bool(&p.Asleep)
			sched.Int(x, &p.Draw)
		})
	}
	sched.List(x, &l.held, func(h *holding) {
		sched.Int(x, &h.since)
		sched.Int(x, &h.told)
		sched.Int(x, &h.closed)
		x.Bool(&h.fresh)
		codeStill(x, &h.still)
	})
	sched.List(x, &l.tenants, func(t *meter.Totals) { codeTotals(x, t) })
}

func (g *gauge) code(x *sched.Coder) {
	x.Bool(&g.has)
	if !g.has {
		return
	}
	sched.Int(x, &g.covered)
	sched.Int(x, &g.booked)
	sched.Int(x, &g.late)
	sched.List(x, &g.spans, func(p *energySpan) {
		sched.Int(x, &p.from)
		sched.Int(x, &p.to)
		sched.Int(x, &p.energy)
		sched.Int(x, &p.basis)
		sched.List(x, &p.devices, func(e *unit.Millijoules) { sched.Int(x, e) })
	})
}

func codeCarry(x *sched.Coder, c *meter.Carry) {
	for _, v := range []*int64{&c.Energy, &c.Facility, &c.CarbonLocation, &c.CarbonMarket, &c.Water, &c.Cost, &c.Owed} {
		sched.Int(x, v)
	}
}

func codeHolder(x *sched.Coder, h *meter.Holder) {
	sched.Int(x, &h.Job)
	sched.Int(x, &h.Task)
	sched.Int(x, &h.Attempt)
	sched.Int(x, &h.From)
	sched.Int(x, &h.To)
	sched.Int(x, &h.CPU)
	sched.Int(x, &h.Memory)
	sched.Int(x, &h.Devices)
	sched.Int(x, &h.Share)
	sched.Int(x, &h.Used)
	codeStill(x, &h.Still)
}

func codeStill(x *sched.Coder, still *[]meter.Span) {
	sched.List(x, still, func(p *meter.Span) {
		sched.Int(x, &p.From)
		sched.Int(x, &p.To)
	})
}

func codeTotals(x *sched.Coder, t *meter.Totals) {
	for _, v := range []*int64{&t.CPUHeld, &t.CPUMicros, &t.MemorySecs, &t.DeviceMillis} {
		sched.Int(x, v)
	}
	sched.Int(x, &t.Idle)
	sched.Int(x, &t.Dynamic)
	sched.Int(x, &t.Facility)
	sched.Int(x, &t.CarbonLocation)
	sched.Int(x, &t.CarbonMarket)
	sched.Int(x, &t.Water)
	sched.Int(x, &t.Cost)
	sched.Int(x, &t.IdleCost)
}
