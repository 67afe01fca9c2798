package fleet

import (
	"fmt"
	"math"

	"tianfu/fault"
	"tianfu/unit"
)

// SKU is a server that can be bought or built: a chassis filled with parts.
// What it leaves out is not checked and draws nothing, except that a server
// without a chassis is taken as the generic one.
type SKU struct {
	at
	Name        string
	Maker       string
	Aliases     []string
	Chassis     string
	CPU         Some
	VCPU        unit.MilliCPU // when it differs from what the CPUs give
	Accelerator Some
	Memory      unit.MiB
	DIMM        Some
	NIC         Some
	Disk        Some
	PSU         Some
	// Idle and Full, when known, are measured at the plug of the whole box and
	// overrule the sum of the parts.
	Idle, Full Figure[unit.Watts]
	Price      Figure[unit.Yuan]
	Note       string
	Source     string
	Confidence Confidence
}

// GenericChassis and GenericCPU stand in for what an importer or a trace does
// not know; the catalogue marks them low.
const (
	GenericChassis = "generic"
	GenericCPU     = "generic-x86"
)

// Node returns a node of this SKU without name and place.
func (c *Catalogue) Node(s *SKU) (Node, error) {
	n := Node{SKU: s.Name, Memory: s.Memory, CPUName: s.CPU.Name, Sockets: s.CPU.N, CPU: s.VCPU}
	if s.CPU.Name != "" {
		cpu := c.CPU(s.CPU.Name)
		if cpu == nil {
			return n, notFound("CPU", s.CPU.Name, "cpus")
		}
		n.CPUName = cpu.Name
		if n.CPU == 0 {
			logical := s.CPU.N * cpu.Cores * cpu.Threads
			if logical > math.MaxInt32/1000 {
				return n, fault.Invalidf("", "SKU %q: %d logical CPUs are too many", s.Name, logical)
			}
			n.CPU = unit.MilliCPU(logical) * 1000
		}
	}
	if n.CPU == 0 {
		return n, fault.New(fault.Invalid, "", fmt.Sprintf("SKU %q has no CPU", s.Name), "give cpu: NAMExN or vcpu:")
	}
	if n.Memory == 0 && s.DIMM.Name != "" {
		if p := c.Part(s.DIMM.Name); p != nil {
			n.Memory = unit.MiB(min(int64(p.Size)*int64(s.DIMM.N), math.MaxInt32))
		}
	}
	if n.Memory == 0 {
		return n, fault.New(fault.Invalid, "", fmt.Sprintf("SKU %q has no memory", s.Name), "give memory:")
	}
	if s.Accelerator.Name != "" {
		a := c.Accelerator(Model(s.Accelerator.Name))
		if a == nil {
			return n, notFound("accelerator", s.Accelerator.Name, "accelerators")
		}
		if s.Accelerator.N > MaxDevices {
			return n, fault.New(fault.Invalid, "", fmt.Sprintf("SKU %q carries %d accelerators", s.Name, s.Accelerator.N),
				fmt.Sprintf("a node may carry %d; declare several nodes", MaxDevices))
		}
		n.Model, n.Devices = a.Name, make([]Device, s.Accelerator.N)
	}
	return n, nil
}

// Describe fills in the traits of those accelerator models of a fleet that
// have none yet, as in a trace, so that jobs may ask for them by what they can
// do. A model that the catalogue does not know stays without.
func (c *Catalogue) Describe(f *Fleet) {
	traits := make(map[Model]Traits, len(f.Traits))
	for m, t := range f.Traits {
		traits[m] = t
	}
	for i := range f.Nodes {
		m := f.Nodes[i].Model
		if _, ok := traits[m]; ok || m == "" {
			continue
		}
		if known, ok := c.KnownModel(string(m)); ok {
			traits[m] = c.Accelerator(known).Traits()
		}
	}
	f.Traits = traits
}

// Traits returns what the scheduler must know of an accelerator.
func (a *Accelerator) Traits() Traits {
	t := Traits{
		Memory: a.Memory.Value, Stack: a.Stack, Maker: a.Maker, Precisions: a.formats(),
		ComputeSlices: a.ComputeSlices, MemorySlices: a.MemorySlices, Profiles: a.Profiles,
	}
	for _, p := range []string{"fp16", "bf16"} {
		if f := a.Peak[p]; float64(f.Value) > t.FP16TFLOPS {
			t.FP16TFLOPS = float64(f.Value)
		}
	}
	return t
}
