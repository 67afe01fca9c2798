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
	bands       PowerBands

	nodes, devices, used int // used rack units
	idle, full           unit.Watts
}

// Area is a site, building, hall, row or rack with what stands in it.
type Area struct {
	Path, Level    string
	Nodes, Devices int
	Slots, Used    int        // rack units it has (0 = not declared) and those filled
	Limit          unit.Watts // 0 = none
	Idle, Full     unit.Watts // of its nodes, at the plug
	Parent         int        // the area around it; -1 for a site
	Bands          PowerBands
}

// Areas returns every area, the outer ones before what is in them.
func (w *World) Areas() []Area {
	out := make([]Area, len(w.areas))
	for i := range w.areas {
		a := &w.areas[i]
		out[i] = Area{a.path, a.level, a.nodes, a.devices, a.slots, a.used, a.limit, a.idle, a.full, a.parent, a.bands}
	}
	return out
}

func (b *builder) site(s *Site) {
	where := "site " + s.Name
	if l := s.Location; l.Lat < -90 || l.Lat > 90 || l.Lon < -180 || l.Lon > 180 {
		b.fail(s.line, "lat: -90 to 90, lon: -180 to 180", "%s lies outside the globe", where)
	}
	if s.TimeZone == "" {
		b.fail(s.line, "use an IANA name like Asia/Shanghai", "%s has no time_zone", where)
	} else if !KnownZone(s.TimeZone) {
		b.fail(s.line, "use an IANA name like Asia/Shanghai", "%s: unknown time_zone %q", where, s.TimeZone)
	}
	if strings.ContainsAny(s.Name, "{}") {
		b.fail(s.line, "declare each site", "%s: a site's name is no pattern", where)
		return
	}
	own := b.banded(b.addArea(-1, "site", s.Name, s.line, s.Power, 0), &s.PowerBands)
	b.powered(s)
	b.budget(&s.Budget, where, s.TimeZone)
	for i := range s.Buildings {
		building := &s.Buildings[i]
		for _, p := range b.banded(b.addArea(at0(own), "building", building.Name, building.line, building.Power, 0), &building.PowerBands) {
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
		for _, p := range b.banded(b.addArea(parent, "hall", h.Name, h.line, h.Power, 0), &h.PowerBands) {
			b.rows(p, h.Rows)
			b.racks(p, h.Racks)
		}
	}
}

func (b *builder) rows(parent int, rows []Row) {
	for i := range rows {
		r := &rows[i]
		for _, p := range b.banded(b.addArea(parent, "row", r.Name, r.line, r.Power, 0), &r.PowerBands) {
			b.racks(p, r.Racks)
		}
	}
}

func (b *builder) racks(parent int, racks []Rack) {
	for i := range racks {
		r := &racks[i]
		b.banded(b.addArea(parent, "rack", r.Name, r.line, r.Power, r.Slots), &r.PowerBands)
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

// Path joins the levels of a place that are there, outermost first, with
// slashes, as the key place: of a world file.
func (p Place) Path() string {
	path := ""
	for _, name := range []string{p.Site, p.Building, p.Hall, p.Row, p.Rack} {
		if name == "" {
			continue
		}
		if path != "" {
			path += "/"
		}
		path += name
	}
	return path
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
	a.devices += d.Devices
	a.idle += d.Idle()
	a.full += d.Full()
	a.used += b.height(s)
}

// limits adds areas up and compares them with what they may draw and hold.
// Areas are declared after the one around them, so one pass from the end adds
// all.
func (b *builder) limits() {
	for i := len(b.areas) - 1; i >= 0; i-- {
		a := &b.areas[i]
		if a.parent >= 0 {
			p := &b.areas[a.parent]
			p.nodes, p.devices, p.used = p.nodes+a.nodes, p.devices+a.devices, p.used+a.used
			p.idle, p.full = p.idle+a.idle, p.full+a.full
		}
	}
	for i := range b.areas {
		a := &b.areas[i]
		switch {
		case a.limit == 0:
		case a.parent >= 0 && b.areas[a.parent].limit > 0 && a.limit > b.areas[a.parent].limit:
			p := &b.areas[a.parent]
			b.fail(a.line, "lower one of them", "%s %s may draw %s, but %s %s around it only %s",
				a.level, a.path, kilowatts(a.limit), p.level, p.path, kilowatts(p.limit))
		case b.idleAt(a) > a.limit:
			b.fail(a.line, "raise power: or move nodes", "%s %s may draw %s, its %s %s when idle",
				a.level, a.path, kilowatts(a.limit), draws(a.nodes), kilowatts(b.idleAt(a)))
		case a.full > a.limit:
			b.warn(a.line, "the limit will have to be enforced", "%s %s may draw %s, its %s %s at full load",
				a.level, a.path, kilowatts(a.limit), draws(a.nodes), kilowatts(a.full))
		}
		if a.slots > 0 && a.used > a.slots {
			b.fail(a.line, "raise slots: or move nodes", "rack %s has %d rack units, its nodes need %d", a.path, a.slots, a.used)
		}
	}
}

// draws says how many nodes draw.
func draws(nodes int) string {
	if nodes == 1 {
		return "one node draws"
	}
	return fmt.Sprintf("%d nodes draw", nodes)
}
