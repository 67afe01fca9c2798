package fleet

import (
	"slices"

	"tianfu/unit"
)

// Bounds of a world file.
const (
	MaxWorldBytes = 16 << 20
	MaxNodes      = 1_000_000
	maxAreas      = 200_000 // sites, buildings, halls, rows and racks
	maxSegments   = 100_000
	maxConditions = 100_000
	maxWindows    = 1000         // maintenance windows of one condition
	maxMarks      = 4 * MaxNodes // nodes times what their conditions say
	maxRackUnits  = 1000
	maxNodeTasks  = 1_000_000
)

// World is what an operator declares: where the centre stands, what it is made
// of and in which state. ParseWorld makes one.
type World struct {
	Name         string
	Catalogue    *Catalogue // built in, with the world's own entries and changes
	Sites        []Site
	Network      Network
	Groups       []Group
	State        []Condition
	Meters       []Meter
	Rates        Rates // the rate card
	Tenants      []Tenant
	Queues       []Queue
	FairShare    FairShare
	Reservations []Reserve
	Datasets     []Dataset
	Caps         []Cap
	Power        PowerRules
	Deferral     Deferral

	nodes []Node
	areas []area
}

// Site is one location with its own grid connection.
type Site struct {
	at
	Name     string
	Location Location
	TimeZone string // IANA name
	Grid     string
	Tariff   unit.YuanPerKWh // 0 = not declared
	Carbon   unit.KgPerKWh   // average carbon intensity of the grid; 0 = not declared
	Power    unit.Watts      // limit of the grid connection; 0 = none
	// What its hours cost, where one figure does not say it.
	Signals      []Signal
	CarbonPrefer string  // trusted (the default) or hourly: which signal of a nature counts
	TariffFile   string  // instead of tariff: a name that is built in, or a file
	Weather      string  // EPW or CSV: with the plant it gives PUE and water
	Plant        string  // built in, or a file
	Chiller      string  // COP grid of the plant, instead of its own
	PUE          float64 // facility power over IT power while the hour's is not known; 0 = 1
	PowerBands   PowerBands
	Battery      Battery
	Budget       Budget
	// Levels between site and rack may be left out.
	Buildings []Building
	Halls     []Hall
	Rows      []Row
	Racks     []Rack
}

// Location is a point on the globe in degrees, north and east positive.
type Location struct{ Lat, Lon float64 }

// Building is a house of a site. Its name may be a pattern, as of every area.
type Building struct {
	at
	Name       string
	Power      unit.Watts // limit; 0 = none
	PowerBands PowerBands
	Halls      []Hall
	Rows       []Row
	Racks      []Rack
}

// Hall is a room with shared cooling.
type Hall struct {
	at
	Name       string
	Power      unit.Watts // limit; 0 = none
	PowerBands PowerBands
	Rows       []Row
	Racks      []Rack
}

// Row is a line of racks.
type Row struct {
	at
	Name       string
	Power      unit.Watts // limit; 0 = none
	PowerBands PowerBands
	Racks      []Rack
}

// Rack is a frame with shared power.
type Rack struct {
	at
	Name       string
	Power      unit.Watts // limit; 0 = none
	PowerBands PowerBands
	Slots      int // rack units; 0 = not checked
}

// Network says which nodes are near each other.
type Network struct {
	at
	Distances Distances
	Pods      []Pod
}

// Distances says how far apart two tasks are whose nearest common domain is a
// host, a rack and so on. They must not fall from left to right.
type Distances struct{ Host, Rack, Segment, Pod, Site, Fleet int }

// Pod is a set of segments joined by one aggregation layer.
type Pod struct {
	at
	Name     string
	Segments []Segment
}

// Segment is a set of nodes one switch hop apart.
type Segment struct {
	at
	Name         string
	Accelerators int // the most it has ports for; 0 = not checked
}

// Group is a number of equal nodes. Name, place, segment and rail may be
// patterns; nodes are dealt to places, segments and rails in order and in equal
// blocks.
type Group struct {
	at
	Name    string
	SKU     string
	Place   string // site/building/hall/row/rack, without the levels the site has not
	Segment string
	Rail    string
	Power   unit.Watts // limit of each node; 0 = none
	Tasks   int        // the most tasks each node runs at one time; 0 = no bound
	// Position is the lowest rack unit the node fills, from 1; 0 = not said.
	// Serial is the maker's number. Both are of a single node.
	Position int
	Serial   string
}

// Condition is what is the matter with some nodes, or with some devices of
// them.
type Condition struct {
	at
	Nodes       string // names or a pattern
	Devices     []int  // indices from 0; empty = the node as a whole
	Health      Health
	Cordoned    bool // accept no new work
	Drain       bool // also move present work away
	Maintenance []Span
	Reason      string
}

// Span is a maintenance window [from, to).
type Span struct {
	at
	From, To unit.Instant
}

// Warning is something legal in a world file that is probably not meant.
type Warning struct{ Where, What, Fix string }

// String renders "where: what; fix".
func (w Warning) String() string {
	s := w.Where + ": " + w.What
	if w.Fix != "" {
		s += "; " + w.Fix
	}
	return s
}

// Fleet returns the nodes in declaration order with the traits of their
// accelerators.
func (w *World) Fleet() *Fleet {
	f := &Fleet{Name: w.Name, Nodes: w.nodes, Traits: map[Model]Traits{}, Catalogue: w.Catalogue}
	for i := range w.nodes {
		m := w.nodes[i].Model
		if _, ok := f.Traits[m]; ok || m == "" {
			continue
		}
		if a := w.Catalogue.Accelerator(m); a != nil {
			f.Traits[m] = a.Traits()
		}
	}
	return f
}

// Distance returns how far apart two tasks are whose nearest common domain is
// of level l.
func (d Distances) Distance(l Level) int {
	return [...]int{d.Host, d.Rack, d.Segment, d.Pod, d.Site, d.Fleet}[l]
}

// effective is the printed form of a world.
type effective struct {
	Name         string
	Catalogue    Catalogue
	Sites        []Site
	Network      Network
	Nodes        []Group
	State        []Condition
	Meters       []Meter
	Rates        Rates // the rate card
	Tenants      []Tenant
	Queues       []Queue
	FairShare    FairShare
	Reservations []Reserve
	Datasets     []Dataset
	Caps         []Cap
	Power        PowerRules
	Deferral     Deferral
}

// MarshalJSON renders the effective world: everything declared, defaults
// filled in, and each catalogue entry that a node is made of. It is itself a
// world file.
func (w *World) MarshalJSON() ([]byte, error) {
	return encode(effective{w.Name, w.used(), w.Sites, w.Network, w.Groups, w.State, w.Meters, w.Rates, w.Tenants, w.Queues, w.FairShare, w.Reservations, w.Datasets, w.Caps, w.Power, w.Deferral})
}

// used returns the catalogue entries that the world's nodes are made of, and
// those the world itself declares.
func (w *World) used() Catalogue {
	c := w.Catalogue
	need := map[string]bool{}
	for i := range w.Groups {
		if s := c.SKU(w.Groups[i].SKU); s != nil {
			need["sku "+s.Name] = true
		}
	}
	keep := func(e entry, kind string) bool { return e.Line() > 0 || need[kind+" "+e.key()] }
	var out Catalogue
	for i := range c.SKUs {
		s := &c.SKUs[i]
		if !keep(s, "sku") {
			continue
		}
		out.SKUs = append(out.SKUs, *s)
		need["chassis "+s.Chassis] = true
		for _, p := range []Some{s.DIMM, s.NIC, s.Disk, s.PSU} {
			need["part "+p.Name] = true
		}
		if cpu := c.CPU(s.CPU.Name); cpu != nil {
			need["cpu "+cpu.Name] = true
		}
		if a := c.Accelerator(Model(s.Accelerator.Name)); a != nil {
			need["accelerator "+string(a.Name)] = true
		}
	}
	out.Accelerators = slices.DeleteFunc(slices.Clone(c.Accelerators), func(a Accelerator) bool { return !keep(&a, "accelerator") })
	out.CPUs = slices.DeleteFunc(slices.Clone(c.CPUs), func(a CPU) bool { return !keep(&a, "cpu") })
	out.Chassis = slices.DeleteFunc(slices.Clone(c.Chassis), func(a Chassis) bool { return !keep(&a, "chassis") })
	out.Parts = slices.DeleteFunc(slices.Clone(c.Parts), func(a Part) bool { return !keep(&a, "part") })
	return out
}
