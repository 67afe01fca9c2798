package fleet

import (
	"maps"
	"slices"
)

// ParseWorldOn is ParseWorld upon a copy of a catalogue that was read before:
// reading it takes longer than most of what a fuzzer makes.
func ParseWorldOn(name string, data []byte, c *Catalogue) (*World, []Warning, error) {
	own := &Catalogue{
		slices.Clone(c.Accelerators), slices.Clone(c.CPUs), slices.Clone(c.Chassis), slices.Clone(c.Parts), slices.Clone(c.SKUs),
		maps.Clone(c.accelerators), maps.Clone(c.cpus), maps.Clone(c.chassis), maps.Clone(c.parts), maps.Clone(c.skus),
	}
	for i := range own.Accelerators {
		own.Accelerators[i].Peak = maps.Clone(own.Accelerators[i].Peak)
	}
	return parseWorld(name, data, own)
}
