package control

import (
	"encoding/binary"
	"time"

	"tianfu/sched"
	"tianfu/unit"
)

// This file is how the power tree and its records are persisted.

func appendTree(b []byte, p *sched.Power) []byte {
	b = binary.AppendUvarint(b, uint64(len(p.Areas)))
	for i := range p.Areas {
		a := &p.Areas[i]
		b = appendString(appendString(b, a.Path), a.Level)
		b = appendInts(b, int64(a.Parent), a.Limit, a.Reserve, a.Warn, a.Resume, a.Overhead)
		b = appendInts(b, int64(a.Battery.Capacity), a.Battery.Power, a.Battery.Efficiency, int64(a.Battery.Charge))
	}
	b = binary.AppendUvarint(b, uint64(len(p.Caps)))
	for i := range p.Caps {
		b = appendCap(b, &p.Caps[i])
	}
	return appendInts(b, int64(p.Protect), int64(p.CapLatency), int64(p.Grace), int64(p.Sleep.After), int64(p.Sleep.Reserve), int64(p.Sleep.Latency), p.Sleep.Draw)
}

func (d *reader) tree() *sched.Power {
	p := &sched.Power{}
	for range d.count() {
		a := sched.PowerArea{Path: d.string(), Level: d.string()}
		var parent, capacity, charge int64
		d.ints(&parent, &a.Limit, &a.Reserve, &a.Warn, &a.Resume, &a.Overhead, &capacity, &a.Battery.Power, &a.Battery.Efficiency, &charge)
		if parent < -1 || parent >= int64(len(p.Areas)) {
			d.fail("area %s stands in an area that is not declared before it", a.Path)
			return p
		}
		a.Parent, a.Battery.Capacity, a.Battery.Charge = int32(parent), unit.Millijoules(capacity), unit.Millijoules(charge)
		p.Areas = append(p.Areas, a)
	}
	for range d.count() {
		p.Caps = append(p.Caps, d.capEvent())
	}
	var protect, latency, grace, after, reserve, wake int64
	d.ints(&protect, &latency, &grace, &after, &reserve, &wake, &p.Sleep.Draw)
	p.Protect, p.CapLatency, p.Grace = int32(protect), time.Duration(latency), time.Duration(grace)
	p.Sleep.After, p.Sleep.Reserve, p.Sleep.Latency = time.Duration(after), int32(reserve), time.Duration(wake)
	return p
}

func appendCap(b []byte, k *sched.CapEvent) []byte {
	b = appendString(b, k.Area)
	return appendInts(b, int64(k.ID), k.Part, k.Limit, int64(k.From), int64(k.To), int64(k.Every), int64(k.Until))
}

func (d *reader) capEvent() sched.CapEvent {
	k := sched.CapEvent{Area: d.string()}
	var id, from, to, every, until int64
	d.ints(&id, &k.Part, &k.Limit, &from, &to, &every, &until)
	k.ID, k.From, k.To, k.Every, k.Until = int32(id), unit.Instant(from), unit.Instant(to), time.Duration(every), unit.Instant(until)
	return k
}

// appendPowerRecord appends what a record of power carries.
func appendPowerRecord(b []byte, r *Record) []byte {
	switch r.Kind {
	case PowerTold:
		b = append(b, flags(r.CapEvent != nil, r.Device != 0))
		if r.CapEvent != nil {
			return appendCap(b, r.CapEvent)
		}
		b = binary.AppendUvarint(appendString(b, r.Site), uint64(len(r.Solar)))
		for _, h := range r.Solar {
			b = appendInts(b, int64(h.From), int64(h.To), h.Milliwatts)
		}
		return b
	case BudgetSet:
		x := r.Budget
		b = appendInts(b, int64(x.Area), x.Limit, x.Overhead, x.Solar, x.Battery, int64(x.Charge))
		return append(b, flags(x.Charging))
	case NodePowered:
		return appendInts(b, int64(r.Node), int64(r.Share), int64(r.Device), int64(r.CPU), int64(r.End))
	case TaskPaused:
		return appendInts(appendTask(b, r), int64(r.Node), int64(r.Device))
	}
	f := r.Shed
	return appendInts(b, int64(f.Area), int64(f.At), f.Over, f.ByCap, int64(f.Capped), int64(f.Suspended), int64(f.Evicted), f.Short, int64(f.By))
}

// powerRecord reads it.
func (d *reader) powerRecord(r *Record) {
	var a, b, c, e, f, g, h int64
	switch r.Kind {
	case PowerTold:
		var isCap, cleared bool
		d.flags(&isCap, &cleared)
		if cleared {
			r.Device = 1
		}
		if isCap {
			k := d.capEvent()
			r.CapEvent = &k
			return
		}
		r.Site = d.string()
		for range d.count() {
			d.ints(&a, &b, &c)
			r.Solar = append(r.Solar, SolarHour{unit.Instant(a), unit.Instant(b), c})
		}
	case BudgetSet:
		x := &Budget{}
		d.ints(&a, &x.Limit, &x.Overhead, &x.Solar, &x.Battery, &b)
		d.flags(&x.Charging)
		x.Area, x.Charge, r.Budget = int32(a), unit.Millijoules(b), x
	case NodePowered:
		d.ints(&a, &b, &c, &e, &f)
		r.Node, r.Share, r.Device, r.CPU, r.End = int32(a), int16(b), int32(c), int32(e), unit.Instant(f)
	case TaskPaused:
		d.task(r)
		d.ints(&a, &b)
		r.Node, r.Device = int32(a), int32(b)
	default:
		x := &Shed{}
		d.ints(&a, &b, &x.Over, &x.ByCap, &e, &f, &g, &x.Short, &h)
		x.Area, x.At, x.Capped, x.Suspended, x.Evicted, x.By = int32(a), unit.Instant(b), int32(e), int32(f), int32(g), unit.Instant(h)
		r.Shed = x
	}
}

func (p *powerState) code(x *sched.Coder) {
	x.Section("power")
	sched.List(x, &p.caps, func(k *sched.CapEvent) {
		sched.Text(x, &k.Area)
		sched.Int(x, &k.ID)
		sched.Int(x, &k.Part)
		sched.Int(x, &k.Limit)
		sched.Int(x, &k.From)
		sched.Int(x, &k.To)
		sched.Int(x, &k.Every)
		sched.Int(x, &k.Until)
	})
	sched.Int(x, &p.lastCap)
	sched.List(x, &p.solar, func(t *solarTable) {
		sched.Text(x, &t.site)
		sched.List(x, &t.hours, func(h *SolarHour) {
			sched.Int(x, &h.From)
			sched.Int(x, &h.To)
			sched.Int(x, &h.Milliwatts)
		})
	})
	for i := range p.batteries { // one for every area, of the configuration
		b := &p.batteries[i]
		sched.Int(x, &b.at)
		sched.Int(x, &b.charge)
		sched.Int(x, &b.rate)
		x.Bool(&b.charged)
	}
	sched.List(x, &p.sheds, func(f *Shed) { f.code(x) })
	sched.Int(x, &p.edge)
	sched.Int(x, &p.sleepy)
	sched.List(x, &p.waking, func(w *wakeUp) {
		sched.Int(x, &w.at)
		sched.Int(x, &w.node)
	})
	x.Bool(&p.stale)
}

func (f *Shed) code(x *sched.Coder) {
	sched.Int(x, &f.Area)
	sched.Int(x, &f.At)
	sched.Int(x, &f.Over)
	sched.Int(x, &f.ByCap)
	sched.Int(x, &f.Capped)
	sched.Int(x, &f.Suspended)
	sched.Int(x, &f.Evicted)
	sched.Int(x, &f.Short)
	sched.Int(x, &f.By)
}
