package drawing

import (
	"slices"
	"strconv"
	"strings"
)

// colours is how many hues the style sheet has: the palette of Okabe and Ito
// (Color Universal Design, 2008), which people with any colour vision can tell
// apart. After them the same hues come again with dashes.
const colours = 8

// otherColour is the grey of "the others".
const otherColour = "kx"

// policySlots fixes the colour of every policy, so that pages of different
// runs can be laid side by side.
var policySlots = [...]string{
	"tianfu", "fgd", "bestfit", "pwr", "pwr+fgd", "tianfu-migrate", "firstfit", "random",
	"", "dotprod", "gpu-clustering", "gpu-packing",
}

// palette gives a colour to everything that a report names. A name keeps its
// colour through the page; policies keep it through all pages.
type palette struct {
	fixed map[string][]string // Report.Colours
	names map[string][]string // by kind, in slots
	taken map[string]bool     // policies that have a colour
}

// of returns the class of a colour and the class of a dash.
func (p *palette) of(kind, name string) (colour, dash string) {
	if name == Others {
		return otherColour, "d0"
	}
	slots, ok := p.names[kind]
	if !ok {
		slots = p.slots(kind)
	}
	k := slices.Index(slots, name)
	if k < 0 && kind == "policy" {
		// A policy with parameters takes the colour of its family, first come.
		base, _, _ := strings.Cut(name, ":")
		if k = slices.Index(slots, base); k >= 0 {
			slots[k] = name
		}
	}
	if k < 0 && kind == "policy" {
		// One that the house does not know takes the colour of a rare policy.
		for k = colours - 1; k >= 0 && p.taken[slots[k]]; k-- {
		}
		if k >= 0 {
			slots[k] = name
		}
	}
	if k < 0 {
		k = len(slots)
		slots = append(slots, name)
	}
	if p.taken == nil {
		p.taken = map[string]bool{}
	}
	if kind == "policy" {
		p.taken[name] = true
	}
	if p.names == nil {
		p.names = map[string][]string{}
	}
	p.names[kind] = slots
	return "k" + strconv.Itoa(k%colours), "d" + strconv.Itoa(k/colours%3)
}

// slots are the names of a kind that have the same colour on every page.
func (p *palette) slots(kind string) []string {
	if kind == "policy" {
		return slices.Clone(policySlots[:])
	}
	return slices.Clone(p.fixed[kind])
}
