package fleet

import (
	"fmt"

	"tianfu/fault"
	"tianfu/unit"
)

// Draw is what a node draws at the plug, in watts, split by what makes it
// draw: whatever runs, all its CPUs together, and one device.
type Draw struct {
	Base, CPUIdle, CPUFull, DeviceIdle, DeviceFull unit.Watts
	Devices                                        int
}

// Idle returns the draw with nothing running.
func (d Draw) Idle() unit.Watts {
	return d.Base + d.CPUIdle + unit.Watts(d.Devices)*d.DeviceIdle
}

// Full returns the draw with everything busy.
func (d Draw) Full() unit.Watts {
	return d.Base + d.CPUFull + unit.Watts(d.Devices)*d.DeviceFull
}

// NodeDraw returns the draw of a node: by its SKU if it has one, else by its
// parts in a generic chassis. A device without figures is an error.
func (c *Catalogue) NodeDraw(n *Node) (Draw, error) {
	if n.SKU != "" {
		s := c.SKU(n.SKU)
		if s == nil {
			return Draw{}, notFound("SKU", n.SKU, "skus")
		}
		return c.SKUDraw(s)
	}
	s := SKU{Name: "of node " + string(n.ID), VCPU: n.CPU, Memory: n.Memory}
	if n.CPUName != "" {
		s.CPU = Some{n.CPUName, max(n.Sockets, 1)}
	}
	if len(n.Devices) > 0 {
		s.Accelerator = Some{string(n.Model), len(n.Devices)}
	}
	return c.SKUDraw(&s)
}

// SKUDraw returns the draw of a server. The sum of its parts is divided by the
// efficiency of its supplies. Where the whole box was measured the sum is
// bent to it: the difference at idle goes to the base, the difference at full
// load to CPUs and devices in proportion to their range, because fans and
// losses follow the load.
func (c *Catalogue) SKUDraw(s *SKU) (Draw, error) {
	d, err := c.partsDraw(s)
	if err != nil {
		return d, err
	}
	if s.PSU.Name != "" {
		if p := c.Part(s.PSU.Name); p != nil && p.Efficiency > 0 {
			d = d.scaled(unit.Watts(1 / p.Efficiency))
		}
	}
	if s.Idle.Known() {
		d.Base += s.Idle.Value - d.Idle()
		if d.Base < 0 { // measured below the sum of the parts
			d = d.scaledIdle(s.Idle.Value)
		}
	}
	if s.Full.Known() {
		span := d.Full() - d.Idle()
		if span <= 0 || s.Full.Value < d.Idle() {
			return d, fault.New(fault.Invalid, d.where(s), fmt.Sprintf("full draw %s is below the idle draw %s", s.Full.Value, d.Idle()),
				"correct one of them")
		}
		k := (s.Full.Value - d.Idle()) / span
		d.CPUFull = d.CPUIdle + k*(d.CPUFull-d.CPUIdle)
		d.DeviceFull = d.DeviceIdle + k*(d.DeviceFull-d.DeviceIdle)
	}
	return d, nil
}

func (d Draw) where(s *SKU) string { return fmt.Sprintf("SKU %q", s.Name) }

func (d Draw) scaled(k unit.Watts) Draw {
	d.Base, d.CPUIdle, d.CPUFull = d.Base*k, d.CPUIdle*k, d.CPUFull*k
	d.DeviceIdle, d.DeviceFull = d.DeviceIdle*k, d.DeviceFull*k
	return d
}

// scaledIdle shrinks the idle part to a total and leaves no base.
func (d Draw) scaledIdle(total unit.Watts) Draw {
	d.Base = 0
	k := total / d.Idle()
	d.CPUIdle, d.DeviceIdle = d.CPUIdle*k, d.DeviceIdle*k
	return d
}

func (c *Catalogue) partsDraw(s *SKU) (Draw, error) {
	var d Draw
	if s.Accelerator.N > 0 {
		a := c.Accelerator(Model(s.Accelerator.Name))
		if a == nil {
			return d, notFound("accelerator", s.Accelerator.Name, "accelerators")
		}
		if !a.Idle.Known() || !a.Full.Known() {
			return d, fault.New(fault.Invalid, "accelerator "+string(a.Name), "its idle or full draw is not known",
				"give idle: and full: under catalogue: in the world file")
		}
		d.Devices, d.DeviceIdle, d.DeviceFull = s.Accelerator.N, a.Idle.Value, a.Full.Value
	}
	if err := c.cpuDraw(s, &d); err != nil {
		return d, err
	}
	name := s.Chassis
	if name == "" {
		name = GenericChassis
	}
	frame := c.ChassisNamed(name)
	if frame == nil {
		return d, notFound("chassis", name, "parts")
	}
	// What fans and cards add under load follows the devices where there are
	// any, else the CPUs.
	d.Base += frame.Idle.Value
	extra := frame.Full.Value - frame.Idle.Value
	for _, some := range []Some{s.DIMM, s.NIC, s.Disk} {
		if some.N == 0 {
			continue
		}
		p := c.Part(some.Name)
		if p == nil {
			return d, notFound("part", some.Name, "parts")
		}
		n := unit.Watts(some.N)
		d.Base += n * p.Idle.Value
		extra += n * (p.Full.Value - p.Idle.Value)
	}
	if d.Devices > 0 {
		d.DeviceFull += extra / unit.Watts(d.Devices)
	} else {
		d.CPUFull += extra
	}
	return d, nil
}

// cpuDraw takes the CPUs of the SKU, or generic ones for its logical CPUs.
func (c *Catalogue) cpuDraw(s *SKU, d *Draw) error {
	name, packages := s.CPU.Name, float64(s.CPU.N)
	if name == "" {
		name = GenericCPU
	}
	cpu := c.CPU(name)
	if cpu == nil {
		return notFound("CPU", name, "cpus")
	}
	if !cpu.Idle.Known() || !cpu.Full.Known() {
		return fault.New(fault.Invalid, "CPU "+cpu.Name, "its idle or full draw is not known",
			"give idle: and full: under catalogue: in the world file")
	}
	if packages == 0 {
		packages = float64(s.VCPU) / 1000 / float64(cpu.Cores*cpu.Threads)
	}
	d.CPUIdle += unit.Watts(packages) * cpu.Idle.Value
	d.CPUFull += unit.Watts(packages) * cpu.Full.Value
	return nil
}
