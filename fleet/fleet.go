// Package fleet owns what a centre is made of: sites, halls, racks, nodes and
// accelerators, the catalogue of known hardware, and the world file that
// declares them. It never places work and never reads a file itself: parsers
// take bytes. Read this file first, then world.go and catalogue.go.
package fleet

import (
	"slices"

	"tianfu/unit"
)

// NodeID names a node; unique in a fleet.
type NodeID string

// Model names an accelerator model as the catalogue or a trace spells it.
type Model string

// MaxDevices is the most accelerators a node may carry. Allocations name
// devices in a 16-bit set; sixteen is the densest box on the market (16 x PPU).
const MaxDevices = 16

// MaxModels is the most accelerator models in one fleet: accepted models are a
// 64-bit set.
const MaxModels = 64

// Level is a topology level; a smaller one is nearer.
type Level uint8

// The levels, nearest first. Distance between two tasks is the smallest level
// that holds both: 0 in one host, 1 in one rack, 2 in one segment (one switch
// hop), 3 in one pod, 4 in one site, 5 across sites.
const (
	LevelHost Level = iota
	LevelRack
	LevelSegment
	LevelPod
	LevelSite
	LevelFleet
	NumLevels
)

// Health says whether a node or device may run work.
type Health uint8

// A suspect part keeps its work and takes no more; a failed one loses it.
const (
	Healthy Health = iota
	Suspect
	Failed
)

// Window is a half-open span of time [From, To).
type Window struct {
	From, To unit.Instant
}

// Place says where a node stands: names, outermost first. Empty levels are
// allowed.
type Place struct {
	Site, Building, Hall, Row, Rack string
}

// Device is one accelerator of a node, as declared.
type Device struct {
	Health   Health
	Cordoned bool
}

// Node is a machine that runs tasks, as declared by a world file, an importer
// or a trace. All its accelerators are of one model.
type Node struct {
	ID      NodeID
	SKU     string // catalogue name; empty when the node came from a trace
	CPU     unit.MilliCPU
	Memory  unit.MiB
	Model   Model // empty when there are no accelerators
	Devices []Device
	CPUName string // CPU model in the catalogue; empty when unknown
	Sockets int
	Tasks   int // the most tasks it runs at one time; 0 = no bound

	Place   Place
	Segment string // nodes one switch hop apart
	Pod     string // segments joined by one aggregation layer
	Rail    string

	Health      Health
	Cordoned    bool
	Drain       bool
	ShortOfDisk bool // it has too little disk for new work; only a running centre says so
	Maintenance []Window
}

// Fleet is a set of nodes in declaration order, which is also their rank: the
// tie-break of every policy, lowest first.
type Fleet struct {
	Name   string
	Nodes  []Node
	Traits map[Model]Traits // by model; empty for a trace until Catalogue.Describe
	// Catalogue is the world's own; nil for a trace, where the built-in one
	// holds.
	Catalogue *Catalogue
}

// Sites lists the sites at which nodes stand, in the order of the nodes.
func (f *Fleet) Sites() (out []string) {
	for i := range f.Nodes {
		if site := f.Nodes[i].Place.Site; !slices.Contains(out, site) {
			out = append(out, site)
		}
	}
	return out
}

// Devices returns the number of accelerators of the fleet.
func (f *Fleet) Devices() int {
	n := 0
	for i := range f.Nodes {
		n += len(f.Nodes[i].Devices)
	}
	return n
}

// Domain returns the name of the topology domain of n at a level; nodes with
// equal names share it. An undeclared domain is the node's own, so that a gang
// never believes two unlabelled nodes to be near.
func (n *Node) Domain(l Level) string {
	own := "\x00" + string(n.ID)
	name := ""
	switch l {
	case LevelRack:
		if n.Place.Rack != "" {
			name = n.Place.Site + "/" + n.Place.Building + "/" + n.Place.Hall + "/" + n.Place.Row + "/" + n.Place.Rack
		}
	case LevelSegment:
		name = n.Segment
	case LevelPod:
		name = n.Pod
	case LevelSite:
		name = n.Place.Site
	case LevelFleet:
		return ""
	}
	if name == "" {
		return own
	}
	return name
}
