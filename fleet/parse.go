package fleet

import (
	"fmt"

	"tianfu/fault"
	"tianfu/unit"
)

// document is a world file as written.
type document struct {
	Name         string
	Catalogue    rawCatalogue
	Sites        []Site
	Network      Network
	Nodes        []Group
	State        []Condition
	Meters       []Meter
	Rates        Rates
	Tenants      []Tenant
	Queues       []Queue
	FairShare    FairShare
	Reservations []Reserve
	Datasets     []Dataset
	Caps         []Cap
	Power        PowerRules
	Deferral     Deferral
}

// builder turns a document into a world and collects what is wrong with it.
type builder struct {
	decoder
	w        *World
	warnings []Warning

	areas    []area
	areaAt   map[string]int // by path
	segments map[string]*segment
	nodeAt   map[string]int32
	draws    map[string]Draw // by SKU

	serials map[string]string  // node by serial number
	racked  map[int][]rackSpan // by area, of nodes whose position is known

	conditioned, windowed int // nodes and windows in conditions so far, bounded
	warningsDropped       int
}

// rackSpan is what one node fills of its rack.
type rackSpan struct {
	from, to int // rack units, both included
	node     NodeID
}

// ParseWorld reads a world file. The name is only used in messages. All faults
// found are returned together, each with its line, up to a bound.
func ParseWorld(name string, data []byte) (*World, []Warning, error) {
	if len(data) > MaxWorldBytes {
		return nil, nil, fault.New(fault.Invalid, name, fmt.Sprintf("the file has %d bytes", len(data)),
			fmt.Sprintf("%d are allowed; use patterns like a{001..096}", MaxWorldBytes))
	}
	cat, err := BuiltIn()
	if err != nil {
		return nil, nil, err
	}
	return parseWorld(name, data, cat)
}

// parseWorld reads a world file upon a catalogue, which it changes.
func parseWorld(name string, data []byte, cat *Catalogue) (*World, []Warning, error) {
	b := &builder{
		decoder: decoder{file: name}, w: &World{Catalogue: cat},
		areaAt: map[string]int{}, segments: map[string]*segment{}, nodeAt: map[string]int32{}, draws: map[string]Draw{},
		serials: map[string]string{}, racked: map[int][]rackSpan{},
	}
	var doc document
	b.parse(data, &doc)
	if len(b.errs) == 0 {
		cat.merge(&b.decoder, &doc.Catalogue, name, Declared)
	}
	if len(b.errs) == 0 {
		b.build(&doc)
	}
	if err := b.err(); err != nil {
		return nil, nil, err
	}
	if b.warningsDropped > 0 {
		b.warnings = append(b.warnings, Warning{name, fmt.Sprintf("%d more warnings are not shown", b.warningsDropped), ""})
	}
	return b.w, b.warnings, nil
}

func (b *builder) warn(line int, fix, format string, args ...any) {
	if len(b.warnings) >= 10*maxErrors {
		b.warningsDropped++
		return
	}
	b.warnings = append(b.warnings, Warning{b.where(line), fmt.Sprintf(format, args...), fix})
}

func (b *builder) build(doc *document) {
	w := b.w
	w.Name, w.Sites, w.Network, w.Groups, w.State = doc.Name, doc.Sites, doc.Network, doc.Nodes, doc.State
	if w.Name == "" {
		b.fail(0, "begin the file with name:", "the world has no name")
	}
	if len(w.Sites) == 0 {
		b.fail(0, "declare one under sites:", "the world has no site")
	}
	if len(w.Groups) == 0 {
		b.fail(0, "declare some under nodes:", "the world has no nodes")
	}
	for i := range w.Sites {
		b.site(&w.Sites[i])
		b.signals(&w.Sites[i])
	}
	b.network(&w.Network)
	models := map[Model]bool{}
	for i := range w.Groups {
		if m := b.group(&w.Groups[i]); m != "" {
			models[m] = true
		}
	}
	if len(models) > MaxModels {
		b.fail(0, "split the fleet", "%d accelerator models in one fleet; %d are allowed", len(models), MaxModels)
	}
	if len(w.State) > maxConditions {
		b.fail(w.State[maxConditions].line, "use patterns", "more than %d conditions", maxConditions)
		return
	}
	for i := range w.State {
		b.condition(&w.State[i])
	}
	w.Meters = doc.Meters
	b.meters()
	w.Rates = doc.Rates
	b.rates()
	w.Tenants, w.Queues, w.FairShare = doc.Tenants, doc.Queues, doc.FairShare
	b.queueing()
	w.Reservations = doc.Reservations
	b.reservations()
	w.Datasets = doc.Datasets
	b.datasets()
	b.limits()
	w.Caps, w.Power = doc.Caps, doc.Power
	b.rules()
	w.Deferral = doc.Deferral
	b.deferral()
	w.areas = b.areas
}

// group expands the nodes of a group and returns their accelerator model.
func (b *builder) group(g *Group) Model {
	s := b.w.Catalogue.SKU(g.SKU)
	if s == nil {
		b.fail(g.line, `see "tianfu catalogue list skus", or declare it under catalogue:`, "unknown SKU %q", g.SKU)
		return ""
	}
	g.SKU = s.Name
	proto, err := b.w.Catalogue.Node(s)
	if err != nil {
		b.fail(g.line, "", "%s", err)
		return ""
	}
	if g.Tasks < 0 || g.Tasks > maxNodeTasks {
		b.fail(g.line, "the most tasks of a node at one time; leave it out for no bound", "tasks: %d is not from 1 to %d", g.Tasks, maxNodeTasks)
	}
	proto.Tasks = g.Tasks
	names, err := Expand(g.Name, MaxNodes-len(b.w.nodes))
	if err != nil || names[0] == "" {
		b.fail(g.line, fmt.Sprintf("at most %d nodes in all", MaxNodes), "node name: %v", orEmpty(err))
		return ""
	}
	spot := dealt{places: b.places(g, len(names)), segments: b.segmentsOf(g, len(names)), rails: b.rails(g, len(names))}
	if spot.places == nil || g.Segment != "" && spot.segments == nil || !b.single(g, len(names)) {
		return ""
	}
	b.addNodes(g, s, &proto, names, &spot)
	return proto.Model
}

// dealt is what the nodes of a group are dealt to, in order and in equal blocks.
type dealt struct {
	places   []int
	segments []*segment
	rails    []string
}

// addNodes adds the nodes of a group to the world.
func (b *builder) addNodes(g *Group, s *SKU, proto *Node, names []string, spot *dealt) {
	slab := make([]Device, len(names)*len(proto.Devices))
	draw := b.draw(s, g.line)
	for i, name := range names {
		if first, ok := b.nodeAt[name]; ok {
			b.fail(g.line, "rename one of them", "node %q is declared twice, first as node %d of the file", name, first+1)
			return
		}
		b.nodeAt[name] = int32(len(b.w.nodes))
		n := *proto
		n.ID = NodeID(name)
		k := len(proto.Devices)
		n.Devices = slab[i*k : (i+1)*k : (i+1)*k]
		at := spot.places[i*len(spot.places)/len(names)]
		n.Place = b.areas[at].place
		b.load(&b.areas[b.nodeArea(g, at, &n)], s, draw)
		if spot.segments != nil {
			seg := spot.segments[i*len(spot.segments)/len(names)]
			n.Segment, n.Pod = seg.name, seg.pod
			b.join(seg, &n, g.line)
		}
		if spot.rails != nil {
			n.Rail = spot.rails[i*len(spot.rails)/len(names)]
		}
		b.mount(g, s, at, &n)
		b.w.nodes = append(b.w.nodes, n)
	}
}

func orEmpty(err error) any {
	if err == nil {
		return "it is empty"
	}
	return err
}

// draw returns what a node of the SKU draws; nothing, with a warning, when the
// figures are not known.
func (b *builder) draw(s *SKU, line int) Draw {
	if d, ok := b.draws[s.Name]; ok {
		return d
	}
	d, err := b.w.Catalogue.SKUDraw(s)
	if err != nil {
		b.warn(line, "its power is not checked", "%s", err)
		d = Draw{}
	} else if s.line == 0 {
		for _, p := range b.w.Catalogue.Problems(s) { // an override may have broken a built-in SKU
			b.fail(line, p.Fix, "SKU %s: %s", s.Name, p.What)
		}
	}
	b.draws[s.Name] = d
	return d
}

// kilowatts prints a sum of power shortly.
func kilowatts(w unit.Watts) string { return fmt.Sprintf("%.1fkW", float64(w)/1000) }
