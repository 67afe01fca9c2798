package fleet

import (
	"fmt"
	"strings"

	"tianfu/unit"
)

// area is one site, building, hall, row or rack, after its pattern is written
// out, with what stands in it.
type area struct {
	path, level string
	parent      int // -1 for a site
	line        int
	place       Place
	limit       unit.Watts
	slots       int

	nodes, used int // used rack units
	idle, full  unit.Watts
}

func (b *builder) site(s *Site) {
	where := "site " + s.Name
	if l := s.Location; l.Lat < -90 || l.Lat > 90 || l.Lon < -180 || l.Lon > 180 {
		b.fail(s.line, "lat: -90 to 90, lon: -180 to 180", "%s lies outside the globe", where)
	}
	if !KnownZone(s.TimeZone) {
		b.fail(s.line, "use an IANA name like Asia/Shanghai", "%s: unknown time_zone %q", where, s.TimeZone)
	}
	if strings.ContainsAny(s.Name, "{}") {
		b.fail(s.line, "declare each site", "%s: a site's name is no pattern", where)
		return
	}
	own := b.addArea(-1, "site", s.Name, s.line, s.Power, 0)
	for i := range s.Buildings {
		building := &s.Buildings[i]
		for _, p := range b.addArea(at0(own), "building", building.Name, building.line, building.Power, 0) {
			b.halls(p, building.Halls)
			b.rows(p, building.Rows)
			b.racks(p, building.Racks)
		}
	}
	if len(own) == 1 {
		b.halls(own[0], s.Halls)
		b.rows(own[0], s.Rows)
		b.racks(own[0], s.Racks)
	}
}

func at0(list []int) int {
	if len(list) == 0 {
		return -1
	}
	return list[0]
}

func (b *builder) halls(parent int, halls []Hall) {
	for i := range halls {
		h := &halls[i]
		for _, p := range b.addArea(parent, "hall", h.Name, h.line, h.Power, 0) {
			b.rows(p, h.Rows)
			b.racks(p, h.Racks)
		}
	}
}

func (b *builder) rows(parent int, rows []Row) {
	for i := range rows {
		r := &rows[i]
		for _, p := range b.addArea(parent, "row", r.Name, r.line, r.Power, 0) {
			b.racks(p, r.Racks)
		}
	}
}

func (b *builder) racks(parent int, racks []Rack) {
	for i := range racks {
		r := &racks[i]
		b.addArea(parent, "rack", r.Name, r.line, r.Power, r.Slots)
	}
}

// addArea writes out the pattern of an area and returns the indices of what it
// stands for.
func (b *builder) addArea(parent int, level, pattern string, line int, limit unit.Watts, slots int) []int {
	names, err := Expand(pattern, max(maxAreas-len(b.areas), 1))
	if err != nil || len(b.areas)+len(names) > maxAreas {
		b.fail(line, "", "%s name: %v", level, orTooMany(err))
		return nil
	}
	var out []int
	for _, name := range names {
		a := area{path: name, level: level, parent: parent, line: line, limit: limit, slots: slots}
		if parent >= 0 {
			a.path, a.place = b.areas[parent].path+"/"+name, b.areas[parent].place
		}
		if name == "" || strings.Contains(name, "/") {
			b.fail(line, "give it a name without a slash", "%s name %q", level, name)
			return nil
		}
		if _, ok := b.areaAt[a.path]; ok {
			b.fail(line, "rename one of them", "%s %q is declared twice", level, a.path)
			return nil
		}
		*a.place.level(level) = name
		b.areaAt[a.path] = len(b.areas)
		out = append(out, len(b.areas))
		b.areas = append(b.areas, a)
	}
	return out
}

func orTooMany(err error) any {
	if err == nil {
		return "too many areas"
	}
	return err
}

func (p *Place) level(name string) *string {
	switch name {
	case "site":
		return &p.Site
	case "building":
		return &p.Building
	case "hall":
		return &p.Hall
	case "row":
		return &p.Row
	}
	return &p.Rack
}

// places returns the areas that a group of n nodes is dealt to.
func (b *builder) places(g *Group, n int) []int {
	if g.Place == "" {
		b.fail(g.line, "give place: site/building/hall/row/rack", "nodes %q stand nowhere", g.Name)
		return nil
	}
	paths, err := Expand(g.Place, n)
	if err != nil {
		b.fail(g.line, fmt.Sprintf("name at most one for each of the %d nodes", n), "place: %s", err)
		return nil
	}
	out := make([]int, len(paths))
	for i, p := range paths {
		k, ok := b.areaAt[p]
		if !ok {
			b.fail(g.line, b.nearest(p), "unknown place %q", p)
			return nil
		}
		out[i] = k
	}
	return out
}

// nearest says how far a path is known.
func (b *builder) nearest(path string) string {
	for p := path; ; {
		i := strings.LastIndexByte(p, '/')
		if i < 0 {
			return "declare it under sites:"
		}
		p = p[:i]
		if k, ok := b.areaAt[p]; ok {
			return b.areas[k].level + " " + p + " is known; declare the rest in it"
		}
	}
}

// load puts a node into an area.
func (b *builder) load(a *area, s *SKU, d Draw) {
	a.nodes++
	a.idle += d.Idle()
	a.full += d.Full()
	name := s.Chassis
	if name == "" {
		name = GenericChassis
	}
	if c := b.w.Catalogue.ChassisNamed(name); c != nil {
		a.used += c.Height
	}
}

// limits adds areas up and compares them with what they may draw and hold.
// Areas are declared after the one around them, so one pass from the end adds
// all.
func (b *builder) limits() {
	for i := len(b.areas) - 1; i >= 0; i-- {
		a := &b.areas[i]
		if a.parent >= 0 {
			p := &b.areas[a.parent]
			p.nodes, p.idle, p.full = p.nodes+a.nodes, p.idle+a.idle, p.full+a.full
		}
	}
	for i := range b.areas {
		a := &b.areas[i]
		switch {
		case a.limit == 0:
		case a.idle > a.limit:
			b.fail(a.line, "raise power: or move nodes", "%s %s may draw %s, its %d nodes draw %s when idle",
				a.level, a.path, kilowatts(a.limit), a.nodes, kilowatts(a.idle))
		case a.full > a.limit:
			b.warn(a.line, "the limit will have to be enforced", "%s %s may draw %s, its %d nodes draw %s at full load",
				a.level, a.path, kilowatts(a.limit), a.nodes, kilowatts(a.full))
		}
		if a.slots > 0 && a.used > a.slots {
			b.fail(a.line, "raise slots: or move nodes", "rack %s has %d rack units, its %d nodes need %d", a.path, a.slots, a.nodes, a.used)
		}
	}
}
