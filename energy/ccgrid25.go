package energy

import (
	"fmt"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/unit"
)

// CCGrid25 is the name of the power model of the PWR paper (CCGrid 2025, arXiv
// 2412.17484): every node is taken as Xeon E5-2682 v4 packages of 16 cores, 15
// W idle and 120 W full, and a device with any use draws full power.
const CCGrid25 = "pwr-ccgrid25"

var ccgrid25Devices = map[fleet.Model][2]unit.Watts{
	"T4":      {10, 70},
	"A10":     {30, 150},
	"G2":      {30, 150}, // undisclosed; taken as A10 by the paper
	"P100":    {25, 250},
	"V100M16": {30, 300},
	"V100M32": {30, 300},
	"A100":    {50, 400},
	"G3":      {50, 400}, // undisclosed; taken as A100 by the paper
}

// ForCCGrid25 returns the model of every node of a fleet, in order. An unknown
// accelerator model is an error: a guess would make figures that nobody can
// check.
func ForCCGrid25(f *fleet.Fleet) ([]NodeModel, error) {
	out := make([]NodeModel, len(f.Nodes))
	for i := range f.Nodes {
		n := &f.Nodes[i]
		m := NodeModel{CPU: n.CPU, CoresPerPackage: 16, PackageIdle: 15, PackageFull: 120}
		if len(n.Devices) > 0 {
			w, ok := ccgrid25Devices[n.Model]
			if !ok {
				return nil, fault.New(fault.Invalid, "node "+string(n.ID),
					fmt.Sprintf("power model %s knows no accelerator %q", CCGrid25, n.Model),
					"use --power catalogue, or a model it knows: T4, A10, G2, G3, P100, V100M16, V100M32, A100")
			}
			m.DeviceIdle, m.DeviceFull = w[0], w[1]
		}
		out[i] = m
	}
	return out, nil
}
