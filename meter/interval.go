package meter

import (
	"tianfu/energy"
	"tianfu/fault"
	"tianfu/job"
	"tianfu/unit"
)

// MaxInterval bounds one interval of the ledger, so that its integers hold.
const MaxInterval = unit.Instant(24 * 3600 * 1e9)

// Unknown stands for a reading or a use of CPU that nobody told.
const Unknown = -1

// Factors are what a kilowatt-hour at a site causes and costs during an interval.
// Every factor is energy.NoData where nobody knows; the figure that follows from
// it is then zero and the interval says so.
type Factors struct {
	CarbonLocation int64 `json:"carbon_location"` // mg CO2e per kWh at the site's meter
	CarbonMarket   int64 `json:"carbon_market"`
	Price          int64 `json:"price"`    // nano-yuan per kWh at the site's meter; may be below 0
	PUE            int64 `json:"pue"`      // millionths
	Water          int64 `json:"water"`    // µL per kWh of IT energy
	Forecast       bool  `json:"forecast"` // expected: nothing observed had come when the interval was closed
}

// NoHour is an hour of which nothing is known.
func NoHour() Factors {
	return Factors{energy.NoData, energy.NoData, energy.NoData, energy.NoData, energy.NoData, false}
}

// HourOf takes from a site's hour what the ledger needs.
func HourOf(h *energy.SiteHour) Factors {
	return Factors{h.CarbonLocation, h.CarbonMarket, h.Price, h.PUE, h.Water, h.Forecast}
}

// Missing says which factors of an interval nobody knew.
type Missing uint8

// The factors, one bit each.
const (
	NoCarbonLocation Missing = 1 << iota
	NoCarbonMarket
	NoPrice
	NoPUE
	NoWater
)

// Missing returns which factors are not known.
func (h *Factors) Missing() (m Missing) {
	for i, v := range [...]int64{h.CarbonLocation, h.CarbonMarket, h.Price, h.PUE, h.Water} {
		if v == energy.NoData {
			m |= 1 << i
		}
	}
	return m
}

// Holder is an attempt that held a part of a node for a part of an interval.
type Holder struct {
	Job     job.ID       `json:"job"`
	Task    int32        `json:"task"`
	Attempt int32        `json:"attempt"`
	From    unit.Instant `json:"from"` // of the holding; what lies outside the interval does not count
	To      unit.Instant `json:"to"`
	CPU     int32        `json:"cpu"`     // thousandths of a logical CPU
	Memory  int32        `json:"memory"`  // MiB
	Devices uint16       `json:"devices"` // set
	Share   int16        `json:"share"`   // thousandths of each device
	// Used is the CPU time of the attempt within the interval in µs, as its
	// engine told; Unknown where it did not: it counts as using what it held.
	Used int64 `json:"used"`
	// Still are the spans, in order of time, in which it stood still for power: it
	// keeps what it holds, and its share of the idle draw, and uses nothing.
	Still []Span `json:"still,omitempty"`
}

// Span is a stretch of time.
type Span struct {
	From unit.Instant `json:"from"`
	To   unit.Instant `json:"to"`
}

// Stage says how a node is held from an instant until the next stage: to a part
// of its dynamic draw, or asleep. Before the first it is awake and held to
// nothing.
type Stage struct {
	From   unit.Instant `json:"from"`
	Level  int16        `json:"level"`  // thousandths of the dynamic draw by the model
	Asleep bool         `json:"asleep"` // then it draws Draw and nothing else, whatever its model
	Draw   int64        `json:"draw"`   // mW
}

// Plain tells whether a node in this stage draws what its model says.
func (s *Stage) Plain() bool { return s.Level == 1000 && !s.Asleep }

// Machine is what attribution needs of a node.
type Machine struct {
	CPU     int32 `json:"cpu"`    // thousandths
	Memory  int32 `json:"memory"` // MiB
	Devices int32 `json:"devices"`
	Power   Power `json:"power"`
}

// Power is a node's power model in milliwatts. The zero value is no model.
type Power struct {
	Base            int64 `json:"base"`        // of the node, whatever runs
	DeviceIdle      int64 `json:"device_idle"` // of one device
	DeviceFull      int64 `json:"device_full"`
	PackageIdle     int64 `json:"package_idle"` // of one package, or of all where CoresPerPackage is 0
	PackageMax      int64 `json:"package_max"`
	CoresPerPackage int32 `json:"cores_per_package"` // above 0: a package with a busy core draws full power
	Linear          bool  `json:"linear"`            // devices draw in proportion to the share in use
}

// PowerOf rounds a node's model to milliwatts.
func PowerOf(m *energy.NodeModel) Power {
	mw := func(w unit.Watts) int64 { return int64(float64(w)*1000 + 0.5) }
	return Power{
		Base: mw(m.Base), DeviceIdle: mw(m.DeviceIdle), DeviceFull: mw(m.DeviceFull), PackageIdle: mw(m.PackageIdle), PackageMax: mw(m.PackageFull),
		CoresPerPackage: int32(m.CoresPerPackage), Linear: m.Linear,
	}
}

// idle returns what the node draws with nothing in use, but for its devices.
func (p *Power) idle(cpu int32) int64 {
	if p.CoresPerPackage == 0 {
		return p.Base + p.PackageIdle
	}
	return p.Base + packages(cores(cpu), p.CoresPerPackage)*p.PackageIdle + p.active(cpu, 0)*(p.PackageMax-p.PackageIdle)
}

func cores(cpu int32) int32 { return (cpu + 1999) / 2000 }

func packages(cores, each int32) int64 { return int64((cores + each - 1) / each) }

// busy returns what the CPUs draw beyond idle with some of them granted, where
// whole packages count.
func (p *Power) busy(cpu, granted int32) int64 {
	return (p.active(cpu, granted) - p.active(cpu, 0)) * (p.PackageMax - p.PackageIdle)
}

// active counts packages with a busy core. As in energy.NodeModel, a core of
// which half is missing is busy.
func (p *Power) active(cpu, granted int32) int64 {
	return packages(cores(cpu)-max(cpu-granted, 0)/2000, p.CoresPerPackage)
}

// Reading is what a node's meter said of an interval.
type Reading struct {
	Basis  Basis            `json:"basis"`
	Energy unit.Millijoules `json:"energy"`
	// Devices are the energies of single devices within it, by index; nil where
	// they are not known.
	Devices []unit.Millijoules `json:"devices"`
}

// Carry is what is left over from the intervals of a node before: less than one
// unit of each quantity, in fractions of it. It is handed from interval to
// interval, so that nothing is lost to rounding however short they are.
type Carry struct {
	Energy         int64 `json:"energy"`          // nJ, of a modelled interval
	Facility       int64 `json:"facility"`        // millionths of a mJ
	CarbonLocation int64 `json:"carbon_location"` // 1/3.6e6 of a µg
	CarbonMarket   int64 `json:"carbon_market"`
	Water          int64 `json:"water"` // 1/3.6e9 of a µL
	Cost           int64 `json:"cost"`  // 1/3.6e9 of a nano-yuan
	// Owed is energy booked beyond what the meter said once it was back, in mJ:
	// coming idle and unexplained energy is lower by it.
	Owed int64 `json:"owed"`
}

// Interval is all that attribution needs to divide the energy of one node.
type Interval struct {
	From    unit.Instant `json:"from"`
	To      unit.Instant `json:"to"`
	Machine Machine      `json:"machine"`
	Holders []Holder     `json:"holders"`
	Stages  []Stage      `json:"stages,omitempty"` // in order of time
	Reading *Reading     `json:"reading"`          // nil: the model holds
	// Late is energy that the meter counted in intervals before, beyond what was
	// booked for them (below 0: less than that).
	Late  unit.Millijoules `json:"late"`
	Hour  Factors          `json:"hour"`
	Carry Carry            `json:"carry"`
}

// Check says why an interval cannot be attributed: a defect of whoever made it.
func (n *Interval) Check() error {
	switch {
	case n.To <= n.From || n.To-n.From > MaxInterval:
		return fault.Invalidf("interval", "is empty or longer than a day")
	case n.Reading != nil && n.Reading.Energy < 0:
		return fault.Invalidf("interval", "the meter went backwards")
	}
	return nil
}

// Part is one line of a node's interval. Its CPUMicros are Unknown where nobody told.
type Part struct {
	Line    Line   `json:"line"`
	Job     job.ID `json:"job"` // of a task line
	Task    int32  `json:"task"`
	Attempt int32  `json:"attempt"`

	Totals
}

// NodePart is the interval of one node, divided.
type NodePart struct {
	Node    int32 // rank; -1 = the site as a whole
	Basis   Basis
	Reading unit.Millijoules // what a meter said, bridged where it was silent for a part; Unknown without one
	Late    unit.Millijoules // what it said of intervals before, beyond what was booked
	Carry   Carry            // what is left over after it
	Parts   []Part
}

// IT returns the energy of the node.
func (n *NodePart) IT() (sum unit.Millijoules) {
	for i := range n.Parts {
		sum += n.Parts[i].IT()
	}
	return sum
}

// Page is one interval of a site in the ledger.
type Page struct {
	Site     string
	From, To unit.Instant
	Hour     Factors
	Nodes    []NodePart
}

// Totals are the figures of a part, or sums of parts.
type Totals struct {
	CPUHeld      int64 `json:"cpu_held_us"`    // CPU time held, µs
	CPUMicros    int64 `json:"cpu_used_us"`    // CPU time used, µs
	MemorySecs   int64 `json:"memory_mib_s"`   // MiB-seconds held
	DeviceMillis int64 `json:"accelerator_ms"` // thousandths of a device, times seconds

	Idle           unit.Millijoules `json:"idle_mj"`
	Dynamic        unit.Millijoules `json:"dynamic_mj"`
	Facility       unit.Millijoules `json:"facility_mj"`
	CarbonLocation unit.Micrograms  `json:"carbon_location_ug"`
	CarbonMarket   unit.Micrograms  `json:"carbon_market_ug"`
	Water          unit.Microlitres `json:"water_ul"`
	Cost           unit.NanoYuan    `json:"cost_nano_yuan"`
	IdleCost       unit.NanoYuan    `json:"idle_cost_nano_yuan"`
}

// Add adds a part; what nobody told counts nothing.
func (t *Totals) Add(p *Part) {
	t.Sum(&p.Totals)
	if p.CPUMicros == Unknown {
		t.CPUMicros -= Unknown
	}
}

// Sum adds other totals.
func (t *Totals) Sum(o *Totals) {
	t.CPUHeld += o.CPUHeld
	t.CPUMicros += o.CPUMicros
	t.MemorySecs += o.MemorySecs
	t.DeviceMillis += o.DeviceMillis
	t.Idle += o.Idle
	t.Dynamic += o.Dynamic
	t.Facility += o.Facility
	t.CarbonLocation += o.CarbonLocation
	t.CarbonMarket += o.CarbonMarket
	t.Water += o.Water
	t.Cost += o.Cost
	t.IdleCost += o.IdleCost
}

// IT returns the energy at the nodes.
func (t *Totals) IT() unit.Millijoules { return t.Idle + t.Dynamic }

// Energy returns the energy at the site's meter.
func (t *Totals) Energy() unit.Millijoules { return t.Idle + t.Dynamic + t.Facility }

// Until returns the holder up to an instant: what it used is taken as spread
// evenly over its time.
func (h Holder) Until(at unit.Instant) Holder {
	if h.To <= at || at <= h.From {
		return h
	}
	if h.Used > 0 {
		h.Used, _ = mulDiv(h.Used, int64(at-h.From), int64(h.To-h.From))
	}
	h.To = at
	return h
}

// PartOf returns the part of an energy that part is of whole, rounded down.
func PartOf(e unit.Millijoules, part, whole int64) unit.Millijoules {
	if e < 0 {
		return -PartOf(-e, part, whole)
	}
	q, _ := mulDiv(int64(e), part, whole)
	return unit.Millijoules(q)
}

// Loss returns the line of a site's page that is left between what the site's
// own meter counted and the sum of its nodes with their overhead. It is below
// zero where the overhead was taken too high.
func Loss(total, sum unit.Millijoules, basis Basis, h *Factors, carry Carry) NodePart {
	p := Part{Line: LossLine, Totals: Totals{CPUMicros: Unknown, Facility: total - sum}}
	figure := func(factor int64, carry *int64, each int64) (q int64) {
		if factor != energy.NoData {
			q, *carry = carryDiv(int64(p.Facility), factor, *carry, each)
		}
		return q
	}
	p.CarbonLocation = unit.Micrograms(figure(h.CarbonLocation, &carry.CarbonLocation, 3_600_000))
	p.CarbonMarket = unit.Micrograms(figure(h.CarbonMarket, &carry.CarbonMarket, 3_600_000))
	p.Cost = unit.NanoYuan(figure(h.Price, &carry.Cost, unit.MillijoulesPerKWh))
	return NodePart{Node: -1, Basis: basis, Reading: total, Carry: carry, Parts: []Part{p}}
}
