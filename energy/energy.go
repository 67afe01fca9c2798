// Package energy owns how much power equipment and facilities draw, and what a
// kilowatt-hour emits and costs: power models of nodes, plants under weather,
// facility metrics, carbon signals, tariffs. All of it is data and formulas that
// policies, simulator and metrics share. It never measures, never decides and
// reads no file: parsers take bytes. Read this file first for nodes, then
// models.go; for sites plant.go, then facility.go, kpi.go, signal.go and tariff.go.
package energy

import "tianfu/unit"

// NodeModel is the power model of one node. It is comparable, so that equal
// nodes can share one.
type NodeModel struct {
	Base unit.Watts // drawn whatever runs: fans, memory, NICs

	DeviceIdle, DeviceFull unit.Watts // of one device
	// Linear draws in proportion to the share in use; otherwise any use of a
	// device draws full power (CCGrid 2025).
	Linear bool

	CPU unit.MilliCPU // of the node
	// CoresPerPackage > 0 counts whole packages: two logical CPUs are a core,
	// and a package with a busy core draws full power. 0 = in proportion.
	CoresPerPackage          int
	PackageIdle, PackageFull unit.Watts // in proportion: of all packages together
}

// CPUWatts returns what the CPUs draw with used of them granted.
func (m *NodeModel) CPUWatts(used unit.MilliCPU) unit.Watts {
	if m.CoresPerPackage == 0 {
		if m.CPU == 0 {
			return m.PackageIdle
		}
		part := float64(used) / float64(m.CPU)
		return m.PackageIdle + unit.Watts(part*float64(m.PackageFull-m.PackageIdle))
	}
	cores := (int(m.CPU) + 1999) / 2000
	busy := cores - int(m.CPU-used)/2000
	n := m.CoresPerPackage
	packages, active := (cores+n-1)/n, (busy+n-1)/n
	return unit.Watts(float64(active)*float64(m.PackageFull)) + unit.Watts(float64(packages-active)*float64(m.PackageIdle))
}

// DeviceWatts returns what one device draws with a share of it granted.
func (m *NodeModel) DeviceWatts(share unit.Milli) unit.Watts {
	switch {
	case share <= 0:
		return m.DeviceIdle
	case !m.Linear || share >= unit.Whole:
		return m.DeviceFull
	}
	return m.DeviceIdle + unit.Watts(float64(share)/1000*float64(m.DeviceFull-m.DeviceIdle))
}

// IdleWatts and FullWatts return the ends of the model for a number of
// devices.
func (m *NodeModel) IdleWatts(devices int) unit.Watts {
	return m.Base + m.CPUWatts(0) + unit.Watts(float64(devices)*float64(m.DeviceIdle))
}

// FullWatts returns what the node draws with everything in use.
func (m *NodeModel) FullWatts(devices int) unit.Watts {
	return m.Base + m.CPUWatts(m.CPU) + unit.Watts(float64(devices)*float64(m.DeviceFull))
}
