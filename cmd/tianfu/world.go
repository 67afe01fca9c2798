package main

import (
	"tianfu/energy"
	"tianfu/fault"
	"tianfu/fleet"
)

// readWorld reads the fleet of a world file.
func readWorld(name string) (*fleet.Fleet, error) {
	return nil, fault.New(fault.Unavailable, name, "world files are not read yet", "")
}

// cataloguePower returns the catalogue's power model of every node.
func cataloguePower(fl *fleet.Fleet) ([]energy.NodeModel, error) {
	return nil, fault.New(fault.Unavailable, fl.Name, "no catalogue yet", "")
}
