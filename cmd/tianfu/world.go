package main

import (
	"io"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/fleet"
)

// readBounded reads a whole file up to a number of bytes; one more is kept so
// that the parser can see that the bound is passed.
func readBounded(name string, limit int64) ([]byte, error) {
	file, err := open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Where: name, What: "read", Err: err}
	}
	return data, nil
}

func parseWorldFile(name string) (*fleet.World, []fleet.Warning, error) {
	data, err := readBounded(name, fleet.MaxWorldBytes)
	if err != nil {
		return nil, nil, err
	}
	return fleet.ParseWorld(name, data)
}

// readWorld returns the fleet that a world file declares.
func readWorld(name string) (*fleet.Fleet, error) {
	w, _, err := parseWorldFile(name)
	if err != nil {
		return nil, err
	}
	return w.Fleet(), nil
}

// addTraits tells a fleet read from a trace what its accelerators can do, as
// the built-in catalogue knows them. A world has told so itself.
func addTraits(f *fleet.Fleet) error {
	if f.Catalogue != nil {
		return nil
	}
	cat, err := fleet.BuiltIn()
	if err != nil {
		return err
	}
	cat.Describe(f)
	return nil
}

// cataloguePower returns the power model of every node by the fleet's own
// catalogue, or the built-in one.
func cataloguePower(f *fleet.Fleet) ([]energy.NodeModel, error) {
	return energy.For(energy.Catalogue, f, nil)
}
