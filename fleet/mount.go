package fleet

import "fmt"

// single refuses what only one node can have on a group of several.
func (b *builder) single(g *Group, n int) bool {
	if n > 1 && (g.Position != 0 || g.Serial != "") {
		b.fail(g.line, "give each node an entry of its own", "%q stands for %d nodes, which cannot share one position or serial", g.Name, n)
		return false
	}
	return true
}

// mount checks where in its rack a node stands and whose serial number it has.
func (b *builder) mount(g *Group, s *SKU, at int, n *Node) {
	if g.Serial != "" {
		if other, ok := b.serials[g.Serial]; ok {
			b.fail(g.line, "look at both labels", "node %q has serial %s, as has node %q", n.ID, g.Serial, other)
			return
		}
		b.serials[g.Serial] = string(n.ID)
	}
	if g.Position == 0 {
		return
	}
	a := &b.areas[at]
	span := rackSpan{g.Position, g.Position + b.height(s) - 1, n.ID}
	top := a.slots
	if top == 0 {
		top = maxRackUnits
	}
	if a.level != "rack" {
		b.fail(g.line, "give place: down to the rack", "node %q has a position but stands in %s %s", n.ID, a.level, a.path)
		return
	}
	if span.to > top {
		b.fail(g.line, "count rack units from 1 at the bottom", "node %q fills rack units %d to %d of rack %s, which has %d", n.ID, span.from, span.to, a.path, top)
		return
	}
	for _, other := range b.racked[at] {
		if span.from <= other.to && other.from <= span.to {
			b.fail(g.line, "move one of them", "nodes %q and %q both fill rack unit %d of rack %s", other.node, n.ID, max(span.from, other.from), a.path)
			return
		}
	}
	b.racked[at] = append(b.racked[at], span)
}

// height returns the rack units of a server; at least 1.
func (b *builder) height(s *SKU) int {
	name := s.Chassis
	if name == "" {
		name = GenericChassis
	}
	if c := b.w.Catalogue.ChassisNamed(name); c != nil {
		return max(c.Height, 1)
	}
	return 1
}

// rails returns the rail labels that a group of n nodes is dealt to; nil
// without any.
func (b *builder) rails(g *Group, n int) []string {
	if g.Rail == "" {
		return nil
	}
	names, err := Expand(g.Rail, n)
	if err != nil {
		b.fail(g.line, fmt.Sprintf("name at most one for each of the %d nodes", n), "rail: %s", err)
		return nil
	}
	return names
}
