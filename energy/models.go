package energy

import (
	"fmt"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/unit"
)

// Catalogue is the name of the power model that follows the hardware catalogue:
// figures of the node's SKU at the plug, CPUs and devices in proportion to
// what is granted of them.
const Catalogue = "catalogue"

// For returns the power model of every node of a fleet, in fleet order, by the
// name of the model: "pwr-ccgrid25" or "catalogue". An unknown device is an
// error. Without a catalogue the fleet's own holds, or else the built-in one.
func For(name string, f *fleet.Fleet, cat *fleet.Catalogue) ([]NodeModel, error) {
	switch name {
	case CCGrid25:
		return ForCCGrid25(f)
	case Catalogue:
		return forCatalogue(f, cat)
	}
	return nil, fault.New(fault.Invalid, "", fmt.Sprintf("there is no power model %q", name),
		"use "+CCGrid25+" or "+Catalogue)
}

// kind is what decides a node's model; equal nodes are worked out once.
type kind struct {
	sku, cpuName string
	sockets      int
	cpu          unit.MilliCPU
	model        fleet.Model
	devices      int
}

func forCatalogue(f *fleet.Fleet, cat *fleet.Catalogue) ([]NodeModel, error) {
	if cat == nil {
		cat = f.Catalogue
	}
	if cat == nil {
		var err error
		if cat, err = fleet.BuiltIn(); err != nil {
			return nil, err
		}
	}
	known := map[kind]NodeModel{}
	out := make([]NodeModel, len(f.Nodes))
	for i := range f.Nodes {
		n := &f.Nodes[i]
		k := kind{n.SKU, n.CPUName, n.Sockets, n.CPU, n.Model, len(n.Devices)}
		m, ok := known[k]
		if !ok {
			draw, err := cat.NodeDraw(n)
			if err != nil {
				return nil, fault.Wrap(err, "node "+string(n.ID), "power model "+Catalogue)
			}
			m = NodeModel{
				Base: draw.Base, DeviceIdle: draw.DeviceIdle, DeviceFull: draw.DeviceFull, Linear: true,
				CPU: n.CPU, PackageIdle: draw.CPUIdle, PackageFull: draw.CPUFull,
			}
			known[k] = m
		}
		out[i] = m
	}
	return out, nil
}
