package fleet

import (
	"fmt"

	"tianfu/unit"
)

// Problem is one reason why a server cannot be built as specified.
type Problem struct{ What, Fix string }

// Problems checks a server against its chassis: slots, sockets, memory and
// power supply with one unit to spare. Without a chassis only the parts are
// looked up.
func (c *Catalogue) Problems(s *SKU) []Problem {
	var out []Problem
	add := func(fix, format string, args ...any) {
		out = append(out, Problem{fmt.Sprintf(format, args...), fix})
	}
	for _, want := range []struct {
		some Some
		kind string
	}{{s.DIMM, "dimm"}, {s.NIC, "nic"}, {s.Disk, "disk"}, {s.PSU, "psu"}} {
		if want.some.N == 0 {
			continue
		}
		if p := c.Part(want.some.Name); p == nil || p.Kind != want.kind {
			add("see \"tianfu catalogue list parts\"", "the catalogue knows no %s %q", want.kind, want.some.Name)
		}
	}
	if s.Chassis == "" || len(out) > 0 {
		return out
	}
	f := c.ChassisNamed(s.Chassis)
	if f == nil {
		add("see \"tianfu catalogue list parts\"", "the catalogue knows no chassis %q", s.Chassis)
		return out
	}
	for _, slot := range []struct {
		what      string
		used, has int
	}{
		{"CPU sockets", s.CPU.N, f.Sockets}, {"memory slots", s.DIMM.N, f.MemorySlots},
		{"accelerator slots", s.Accelerator.N, f.AcceleratorSlots}, {"card slots", s.NIC.N, f.CardSlots},
		{"disk bays", s.Disk.N, f.DiskBays}, {"supply bays", s.PSU.N, f.SupplyBays},
	} {
		if slot.used > slot.has {
			add("take fewer parts or another chassis", "%d %s are needed, chassis %s has %d", slot.used, slot.what, f.Name, slot.has)
		}
	}
	c.fits(s, f, add)
	c.supplies(s, add)
	return out
}

// fits checks that parts and slots are of one kind.
func (c *Catalogue) fits(s *SKU, f *Chassis, add func(fix, format string, args ...any)) {
	if cpu := c.CPU(s.CPU.Name); cpu != nil && cpu.Socket != "" && f.Socket != "" && cpu.Socket != f.Socket {
		add("take a chassis with that socket", "CPU %s needs socket %s, chassis %s has %s", cpu.Name, cpu.Socket, f.Name, f.Socket)
	}
	if a := c.Accelerator(Model(s.Accelerator.Name)); a != nil && a.Form != "" && f.AcceleratorForm != "" && a.Form != f.AcceleratorForm {
		add("take a chassis with such slots", "accelerator %s is %s, chassis %s takes %s", a.Name, a.Form, f.Name, f.AcceleratorForm)
	}
	if p := c.Part(s.DIMM.Name); p != nil && s.Memory > 0 && int64(p.Size)*int64(s.DIMM.N) != int64(s.Memory) {
		add("give memory: or dimm:, not both", "%d modules of %s are not %s", s.DIMM.N, p.Size, s.Memory)
	}
}

// supplies checks that the full load stays within the supplies less one. Load
// is counted behind the supplies, so their own loss is taken out again.
func (c *Catalogue) supplies(s *SKU, add func(fix, format string, args ...any)) {
	p := c.Part(s.PSU.Name)
	if p == nil || !p.Rated.Known() {
		return
	}
	draw, err := c.SKUDraw(s)
	if err != nil {
		add("", "%s", err)
		return
	}
	load := draw.Full()
	if p.Efficiency > 0 {
		load *= unit.Watts(p.Efficiency)
	}
	if have := unit.Watts(s.PSU.N-1) * p.Rated.Value; load > have {
		need := int(load/p.Rated.Value) + 2
		add(fmt.Sprintf("take %d or stronger ones", need),
			"%d supplies of %s carry %s with one to spare, full load is %s", s.PSU.N, p.Rated.Value, have, round(load))
	}
}

// round gives whole watts, for messages.
func round(w unit.Watts) unit.Watts { return unit.Watts(int64(w + 0.5)) }

// FillMemory chooses memory modules for a server that names none: the smallest
// size that fits the chassis, in a multiple of its CPUs.
func (c *Catalogue) FillMemory(s *SKU) bool {
	f := c.ChassisNamed(s.Chassis)
	if f == nil || s.Memory == 0 || s.DIMM.N > 0 {
		return false
	}
	var best *Part
	for i := range c.Parts {
		p := &c.Parts[i]
		if p.Kind != "dimm" || p.Size == 0 || s.Memory%p.Size != 0 || int(s.Memory/p.Size) > f.MemorySlots {
			continue
		}
		if n := int(s.Memory / p.Size); n%max(s.CPU.N, 1) == 0 && (best == nil || p.Size < best.Size) {
			best = p
		}
	}
	if best == nil {
		return false
	}
	s.DIMM = Some{best.Name, int(s.Memory / best.Size)}
	return true
}
