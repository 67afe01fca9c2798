package fleet

import (
	"fmt"
	"strings"
)

// segment is a declared segment with what is joined to it.
type segment struct {
	name, pod, site string
	limit, devices  int
	line            int
	full            bool // the overflow was reported
}

var defaultDistances = Distances{Host: 0, Rack: 1, Segment: 2, Pod: 3, Site: 4, Fleet: 5}

// network checks the declared network and fills in its defaults.
func (b *builder) network(n *Network) {
	if n.Distances == (Distances{}) {
		n.Distances = defaultDistances
	}
	for l := LevelRack; l < NumLevels; l++ {
		if n.Distances.Distance(l) < n.Distances.Distance(l-1) {
			b.fail(n.line, "let distances grow outwards", "distance %d within a %s is below %d within a %s",
				n.Distances.Distance(l), l, n.Distances.Distance(l-1), l-1)
		}
	}
	pods := map[string]bool{}
	for i := range n.Pods {
		p := &n.Pods[i]
		if p.Name == "" || pods[p.Name] {
			b.fail(p.line, "give each pod a name of its own", "pod %q has no name or is declared twice", p.Name)
		}
		pods[p.Name] = true
		if strings.ContainsAny(p.Name, "{}") {
			b.fail(p.line, "declare each pod", "pod %q: a pod's name is no pattern", p.Name)
		}
		for j := range p.Segments {
			b.declareSegments(p, &p.Segments[j])
		}
	}
}

func (b *builder) declareSegments(p *Pod, s *Segment) {
	names, err := Expand(s.Name, maxSegments)
	if err != nil || len(b.segments)+len(names) > maxSegments {
		b.fail(s.line, "", "segment name: %v", orTooMany(err))
		return
	}
	for _, name := range names {
		if _, ok := b.segments[name]; ok || name == "" {
			b.fail(s.line, "give each segment a name of its own", "segment %q has no name or is declared twice", name)
			return
		}
		b.segments[name] = &segment{name: name, pod: p.Name, limit: s.Accelerators, line: s.line}
	}
}

// segmentsOf returns the segments that a group of n nodes is dealt to; nil
// without a wish or after a fault.
func (b *builder) segmentsOf(g *Group, n int) []*segment {
	if g.Segment == "" {
		return nil
	}
	names, err := Expand(g.Segment, n)
	if err != nil {
		b.fail(g.line, fmt.Sprintf("name at most one for each of the %d nodes", n), "segment: %s", err)
		return nil
	}
	out := make([]*segment, len(names))
	for i, name := range names {
		if out[i] = b.segments[name]; out[i] == nil {
			b.fail(g.line, "declare it under network: pods:", "unknown segment %q", name)
			return nil
		}
	}
	return out
}

// join connects a node to a segment.
func (b *builder) join(s *segment, n *Node, line int) {
	if s.site == "" {
		s.site = n.Place.Site
	}
	if s.site != n.Place.Site {
		b.fail(line, "use a segment of its own for each site", "segment %s joins sites %s and %s", s.name, s.site, n.Place.Site)
		return
	}
	s.devices += len(n.Devices)
	if s.limit > 0 && s.devices > s.limit && !s.full {
		s.full = true
		b.fail(s.line, "add a segment or raise accelerators:", "segment %s has ports for %d accelerators; node %s makes %d", s.name, s.limit, n.ID, s.devices)
	}
}
