package meter

import (
	"math/bits"
	"slices"

	"tianfu/energy"
	"tianfu/unit"
)

// Attributor divides intervals. The zero value is ready; it keeps its workspace
// and nothing else from call to call.
type Attributor struct {
	splitter
	cuts    []int64
	active  []int32 // holders within a stretch of time, and those of them that use
	running []int32 // what they hold: they do not stand still
	stage   Stage   // of the stretch
	asleep  int64   // µs of the interval
	ran     []int64 // µs of each holder that it did not stand still
	rate    []int64 // CPU in use of each holder, thousandths
	held    []int64 // µs of each holder within the interval
	weights []int64 // idle of each holder, dynamic of each, idle of nobody; nJ
	parts   []int64
	lines   []int64
	total   int64 // energy of the model, nJ
	most    int64 // dynamic energy at full use of what was held, nJ
}

// Attribute divides the energy of a node over an interval among those who held
// it. It returns the node's part of the ledger's page, with what is carried to
// the node's next interval.
//
// The energy is the meter's, or else the power model's. Idle draw goes by
// reservation: base and CPUs by the largest of a holder's shares of CPU, memory
// and devices; a device's by the share of it held. Dynamic draw goes by use:
// CPUs by the time used where the engine told it, devices by share and time.
// A cap scales the model's dynamic draw, who stands still uses nothing, and a
// sleeping node draws what it draws asleep, each for as long as it lasted.
// What nobody holds is the idle line. What a meter shows beyond the model at full
// use of all that was held is unexplained. Facility, carbon, water and cost of
// the node follow from its energy and the hour, and are divided like it.
func (a *Attributor) Attribute(n *Interval) NodePart {
	if err := n.Check(); err != nil {
		panic("meter: " + err.Error())
	}
	a.prepare(n)
	a.sweep(n)
	if n.Reading != nil && n.Reading.Devices != nil {
		a.byDevice(n)
	}
	k := len(n.Holders)
	out := NodePart{Reading: Unknown, Late: n.Late}
	carry := n.Carry
	unexplained := int64(0)
	a.parts = grow(a.parts, 2*k+1)
	switch {
	case n.Reading != nil:
		out.Basis, out.Reading = n.Reading.Basis, n.Reading.Energy
		unexplained = a.measured(n, int64(n.Reading.Energy))
	case n.Machine.Power == (Power{}):
		out.Basis = Unmetered
		clear(a.parts)
	default:
		out.Basis = Modelled
		sum := a.total + n.Carry.Energy
		carry.Energy = sum % 1e6
		a.split(sum/1e6, a.weights, a.parts)
	}
	unexplained, carry.Owed = a.settle(unexplained+int64(n.Late), n.Carry.Owed, &a.parts[2*k])
	out.Parts = a.build(n, unexplained)
	a.derive(n, out.Parts, &carry)
	out.Carry = carry
	return out
}

// settle lowers unexplained energy, then the idle line, by what is owed. What it
// cannot cover is owed on.
func (a *Attributor) settle(unexplained, owed int64, idle *int64) (left, owes int64) {
	unexplained -= owed
	if unexplained >= 0 {
		return unexplained, 0
	}
	take := min(-unexplained, *idle)
	*idle -= take
	return 0, -unexplained - take
}

func grow(s []int64, n int) []int64 {
	if cap(s) < n {
		return make([]int64, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// micros is the instant in whole µs: differences of it add up.
func micros(t unit.Instant) int64 { return int64(t) / 1000 }

// prepare clips the holdings to the interval and works out their use of CPU.
func (a *Attributor) prepare(n *Interval) {
	k := len(n.Holders)
	a.rate, a.held, a.ran, a.weights = grow(a.rate, k), grow(a.held, k), grow(a.ran, k), grow(a.weights, 2*k+1)
	a.most, a.total, a.asleep = 0, 0, 0
	from, to := micros(n.From), micros(n.To)
	a.cuts = append(a.cuts[:0], from, to)
	for i := range n.Stages {
		a.cut(micros(n.Stages[i].From), from, to)
	}
	for i := range n.Holders {
		h := &n.Holders[i]
		s, e := max(micros(h.From), from), min(micros(h.To), to)
		a.rate[i] = int64(h.CPU)
		if e <= s {
			continue
		}
		a.held[i], a.ran[i] = e-s, e-s
		for _, p := range h.Still {
			a.cut(micros(p.From), s, e)
			a.cut(micros(p.To), s, e)
			a.ran[i] -= max(min(micros(p.To), e)-max(micros(p.From), s), 0)
		}
		if h.Used >= 0 {
			a.rate[i], _ = mulDiv(h.Used, 1000, max(a.ran[i], 1))
			if n.Machine.CPU > 0 {
				a.rate[i] = min(a.rate[i], int64(n.Machine.CPU))
			}
		}
		a.cut(s, from, to)
		a.cut(e, from, to)
	}
	if len(a.cuts) > 2 {
		slices.Sort(a.cuts)
		a.cuts = slices.Compact(a.cuts)
	}
}

// cut begins a stretch of time at an instant, unless it lies outside.
func (a *Attributor) cut(at, from, to int64) {
	if from < at && at < to {
		a.cuts = append(a.cuts, at)
	}
}

// sweep goes through the stretches of time in which the same holders held the
// node in the same stage, and adds up the model's energy of each.
func (a *Attributor) sweep(n *Interval) {
	from, to := micros(n.From), micros(n.To)
	a.stage = Stage{Level: 1000}
	next := 0
	for c := 1; c < len(a.cuts); c++ {
		s, e := a.cuts[c-1], a.cuts[c]
		for next < len(n.Stages) && micros(n.Stages[next].From) <= s {
			a.stage = n.Stages[next]
			next++
		}
		a.active, a.running = a.active[:0], a.running[:0]
		for i := range n.Holders {
			h := &n.Holders[i]
			if a.held[i] > 0 && max(micros(h.From), from) <= s && min(micros(h.To), to) >= e {
				a.active = append(a.active, int32(i))
				if !h.still(s) {
					a.running = append(a.running, int32(i))
				}
			}
		}
		a.base(n, e-s)
		if a.stage.Asleep {
			a.asleep += e - s
		} else if n.Machine.Power != (Power{}) {
			a.processors(n, e-s)
			a.devices(n, e-s)
		}
	}
}

// still tells whether a holder stands still at an instant.
func (h *Holder) still(at int64) bool {
	for _, p := range h.Still {
		if micros(p.From) <= at && at < micros(p.To) {
			return true
		}
	}
	return false
}

// capped is the part of a dynamic energy that the stage leaves.
func (a *Attributor) capped(e int64) int64 {
	if a.stage.Level < 1000 {
		e, _ = mulDiv(e, int64(a.stage.Level), 1000)
	}
	return e
}

// base divides the idle draw of the node but for its devices, over dt µs. With
// no model at all it stands for a node that draws a constant watt, so that a
// meter's energy goes by reservation.
func (a *Attributor) base(n *Interval, dt int64) {
	m := &n.Machine
	draw := m.Power.idle(m.CPU)
	if m.Power == (Power{}) {
		draw = 1000
	} else if a.stage.Asleep {
		draw = a.stage.Draw
	}
	total, sum := draw*dt, int64(0)
	a.total += total
	for _, i := range a.active {
		sum += reserved(m, &n.Holders[i])
	}
	nobody := total
	for _, i := range a.active {
		part, _ := mulDiv(total, reserved(m, &n.Holders[i]), max(sum, 1e6))
		a.weights[i] += part
		nobody -= part
	}
	a.weights[2*len(n.Holders)] += nobody
}

// reserved is the largest of a holder's shares of a machine, in millionths.
func reserved(m *Machine, h *Holder) int64 {
	share := int64(0)
	for _, v := range [...][2]int64{{int64(h.CPU), int64(m.CPU)}, {int64(h.Memory), int64(m.Memory)}, {int64(h.Share) * int64(bits.OnesCount16(h.Devices)), 1000 * int64(m.Devices)}} {
		if v[1] > 0 {
			share = max(share, v[0]*1e6/v[1])
		}
	}
	return share
}

// processors divides what the CPUs draw beyond idle.
func (a *Attributor) processors(n *Interval, dt int64) {
	m, k := &n.Machine, len(n.Holders)
	granted, rate := int32(0), int64(0)
	for _, i := range a.running {
		granted += n.Holders[i].CPU
		rate += a.rate[i]
	}
	if m.Power.CoresPerPackage == 0 {
		span := m.Power.PackageMax - m.Power.PackageIdle
		if m.CPU == 0 || span <= 0 {
			return
		}
		for _, i := range a.running {
			part, _ := mulDiv(span*dt, a.rate[i], int64(m.CPU))
			a.weights[k+int(i)] += a.capped(part)
		}
		used, _ := mulDiv(span*dt, rate, int64(m.CPU))
		a.total += a.capped(used)
		full, _ := mulDiv(span*dt, min(max(rate, int64(granted)), int64(m.CPU)), int64(m.CPU))
		a.most += full
		return
	}
	total := m.Power.busy(m.CPU, granted) * dt
	if total <= 0 {
		return
	}
	a.most += total
	total = a.capped(total)
	a.total += total
	left := total
	for at, i := range a.running {
		part := left
		if at < len(a.running)-1 {
			if rate > 0 {
				part, _ = mulDiv(total, a.rate[i], rate)
			} else {
				part, _ = mulDiv(total, int64(n.Holders[i].CPU), max(int64(granted), 1))
			}
		}
		a.weights[k+int(i)] += part
		left -= part
	}
}

// devices divides the draw of the devices, idle and beyond.
func (a *Attributor) devices(n *Interval, dt int64) {
	m, k := &n.Machine, len(n.Holders)
	if m.Devices == 0 {
		return
	}
	idle, span := m.Power.DeviceIdle*dt, m.Power.DeviceFull-m.Power.DeviceIdle
	nobody := idle * int64(m.Devices)
	a.total += nobody
	var granted, inUse [16]int64 // thousandths of each device
	n.shares(a.active, &granted)
	n.shares(a.running, &inUse)
	for _, used := range inUse {
		if used > 0 && span > 0 {
			part := span * dt
			if m.Power.Linear {
				part, _ = mulDiv(part, min(used, 1000), 1000)
			}
			a.total += a.capped(part)
			a.most += part
		}
	}
	for _, i := range a.active {
		h := &n.Holders[i]
		for d := h.Devices; d != 0; d &= d - 1 {
			if of := granted[bits.TrailingZeros16(d)]; of > 0 {
				part, _ := mulDiv(idle, int64(h.Share), max(of, 1000))
				a.weights[i] += part
				nobody -= part
			}
		}
	}
	a.weights[2*k] += nobody
	for _, i := range a.running {
		h := &n.Holders[i]
		for d := h.Devices; d != 0 && span > 0; d &= d - 1 {
			over := inUse[bits.TrailingZeros16(d)]
			if m.Power.Linear {
				over = max(over, 1000)
			}
			if over > 0 {
				part, _ := mulDiv(span*dt, int64(h.Share), over)
				a.weights[k+int(i)] += a.capped(part)
			}
		}
	}
}

// shares adds up what holders have of each device, in thousandths.
func (n *Interval) shares(of []int32, sum *[16]int64) {
	for _, i := range of {
		h := &n.Holders[i]
		for d := h.Devices; d != 0; d &= d - 1 {
			sum[bits.TrailingZeros16(d)] += int64(h.Share)
		}
	}
}

// byDevice puts what the meters of single devices said in the place of the
// model's dynamic energy of them: each goes to its holders by share and time,
// and what is left of the node's by the CPUs.
func (a *Attributor) byDevice(n *Interval) {
	k := len(n.Holders)
	cpu := int64(0)
	for i := range n.Holders { // CPU time used, or held
		a.weights[k+i], _ = mulDiv(a.rate[i], a.ran[i], 1000)
		cpu += a.weights[k+i]
	}
	idleAll := int64(0)
	for i := range k {
		idleAll += a.weights[i]
	}
	idleAll += a.weights[2*k]
	rest := max(int64(n.Reading.Energy)*1e6-idleAll, 0)
	shares := make([]int64, k)
	given := make([]int64, k)
	sum := make([]int64, k)
	span := micros(n.To) - micros(n.From) - a.asleep
	for d, e := range n.Reading.Devices {
		dynamic := min(max(int64(e)*1e6-n.Machine.Power.DeviceIdle*span, 0), rest)
		for i := range n.Holders {
			shares[i] = 0
			if h := &n.Holders[i]; h.Devices>>d&1 != 0 {
				shares[i] = int64(h.Share) * (a.ran[i] / 1000)
			}
		}
		if a.split(dynamic, shares, given) {
			rest -= dynamic
			for i := range sum {
				sum[i] += given[i]
			}
		}
	}
	if cpu == 0 {
		copy(a.weights[k:2*k], sum)
		return
	}
	a.split(rest, a.weights[k:2*k], given)
	for i := range sum {
		a.weights[k+i] = sum[i] + given[i]
	}
}

// measured divides what a meter said and returns what is unexplained.
func (a *Attributor) measured(n *Interval, total int64) (unexplained int64) {
	k := len(n.Holders)
	model := n.Machine.Power != (Power{})
	idle := int64(0)
	for i := range k {
		idle += a.weights[i]
	}
	idle = (idle + a.weights[2*k]) / 1e6
	if !model {
		idle = total
	}
	idle = min(idle, total)
	dynamic := total - idle
	if model {
		most := a.most/1e6 + 1
		unexplained = max(dynamic-most, 0)
	}
	keep := append(a.lines[:0], a.weights...)
	a.lines = keep
	clear(keep[k : 2*k])
	if !a.split(idle, keep, a.parts) {
		unexplained += idle // a model that idles at nothing
	}
	by := grow(nil, k)
	if a.split(dynamic-unexplained, a.weights[k:2*k], by) {
		copy(a.parts[k:2*k], by)
		return unexplained
	}
	return dynamic
}

// build makes the parts of the page: one for each holder, the idle line, and
// what is unexplained.
func (a *Attributor) build(n *Interval, unexplained int64) []Part {
	k := len(n.Holders)
	out := make([]Part, 0, k+2)
	for i := range n.Holders {
		h := &n.Holders[i]
		if a.held[i] == 0 && a.parts[i] == 0 && a.parts[k+i] == 0 {
			continue
		}
		milli := int64(h.Share) * int64(bits.OnesCount16(h.Devices))
		p := Part{Line: TaskLine, Job: h.Job, Task: h.Task, Attempt: h.Attempt,
			Totals: Totals{CPUMicros: h.Used, Idle: unit.Millijoules(a.parts[i]), Dynamic: unit.Millijoules(a.parts[k+i])}}
		p.CPUHeld, _ = mulDiv(a.held[i], int64(h.CPU), 1000)
		p.MemorySecs, _ = mulDiv(a.held[i], int64(h.Memory), 1e6)
		p.DeviceMillis, _ = mulDiv(a.held[i], milli, 1e6)
		out = append(out, p)
	}
	if a.parts[2*k] > 0 {
		out = append(out, Part{Line: IdleLine, Totals: Totals{CPUMicros: Unknown, Idle: unit.Millijoules(a.parts[2*k])}})
	}
	if unexplained > 0 {
		out = append(out, Part{Line: UnexplainedLine, Totals: Totals{CPUMicros: Unknown, Dynamic: unit.Millijoules(unexplained)}})
	}
	return out
}

// derive works out facility, carbon, water and cost of the node and divides
// each by the energies of the parts.
func (a *Attributor) derive(n *Interval, parts []Part, carry *Carry) {
	if len(parts) == 0 {
		return
	}
	a.weights = grow(a.weights, len(parts))
	a.parts = grow(a.parts, len(parts))
	it := int64(0)
	for i := range parts {
		a.weights[i] = int64(parts[i].IT())
		it += a.weights[i]
	}
	h := &n.Hour
	facility := int64(0)
	if h.PUE != energy.NoData {
		facility, carry.Facility = carryDiv(it, max(h.PUE-1e6, 0), n.Carry.Facility, 1e6)
	}
	a.each(facility, parts, func(p *Part, v int64) { p.Facility = unit.Millijoules(v) })
	all := it + facility
	if h.CarbonLocation != energy.NoData {
		var v int64
		v, carry.CarbonLocation = carryDiv(all, h.CarbonLocation, n.Carry.CarbonLocation, 3_600_000)
		a.each(v, parts, func(p *Part, v int64) { p.CarbonLocation = unit.Micrograms(v) })
	}
	if h.CarbonMarket != energy.NoData {
		var v int64
		v, carry.CarbonMarket = carryDiv(all, h.CarbonMarket, n.Carry.CarbonMarket, 3_600_000)
		a.each(v, parts, func(p *Part, v int64) { p.CarbonMarket = unit.Micrograms(v) })
	}
	if h.Water != energy.NoData {
		var v int64
		v, carry.Water = carryDiv(it, h.Water, n.Carry.Water, unit.MillijoulesPerKWh)
		a.each(v, parts, func(p *Part, v int64) { p.Water = unit.Microlitres(v) })
	}
	if h.Price != energy.NoData {
		var v int64
		v, carry.Cost = carryDiv(all, h.Price, n.Carry.Cost, unit.MillijoulesPerKWh)
		a.each(v, parts, func(p *Part, v int64) {
			p.Cost = unit.NanoYuan(v)
			if p.Idle > 0 {
				p.IdleCost = unit.NanoYuan(int64(PartOf(unit.Millijoules(v), int64(p.Idle), int64(p.IT()))))
			}
		})
	}
}

// each divides a figure of the node by the energies of its parts.
func (a *Attributor) each(total int64, parts []Part, put func(*Part, int64)) {
	if total == 0 {
		return
	}
	sign := int64(1)
	if total < 0 { // a price below zero
		sign = -1
	}
	a.split(sign*total, a.weights, a.parts)
	for i := range parts {
		put(&parts[i], sign*a.parts[i])
	}
}
