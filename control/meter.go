package control

import (
	"cmp"
	"slices"
	"time"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/meter"
	"tianfu/unit"
)

// Metering says how a centre keeps its ledger. The zero value keeps none.
type Metering struct {
	// Every is the length of an interval, on the grid of whole multiples; an
	// interval also ends where the site's hour and its day do. 0 = no ledger is kept.
	Every time.Duration
	// Lag is how long the core waits for readings after an interval's end.
	Lag time.Duration
	// Zones are the calendars of sites, for bills are of their days and months. A
	// site without one has the days of UTC.
	Zones []SiteZone
}

// SiteZone is the clock of a site.
type SiteZone struct {
	Site string
	Zone fleet.Zone
}

// Bounds of metering.
const (
	MinMetering = time.Second
	MaxMetering = 24 * time.Hour
)

// EnergyReading is what the meter of a node, or of a site, said of a span of
// time, and what engines said of the tasks there. A driver sums the readings of
// one meter to about the length of an interval of the ledger; the spans of a
// node follow each other, and what overlaps one before counts once.
type EnergyReading struct {
	Site     string // of a site's meter; then Input.Node is empty
	From, To unit.Instant
	Energy   unit.Millijoules // meter.Unknown: no meter spoke, only Used counts
	Basis    meter.Basis      // Measured, or Estimated for what bridges a gap
	// Devices are the energies of single accelerators within it, by index; nil
	// where they are not known.
	Devices []unit.Millijoules
	// Used is the CPU time of attempts on the node from their start to To.
	Used []TaskUse
}

// TaskUse is the CPU time of an attempt since its start.
type TaskUse struct {
	Job       job.ID
	Task      int32
	Attempt   int32
	CPUMicros int64
}

// Bounds of readings.
const (
	maxReadings    = 64 // spans of a node in one open interval; more are joined
	maxReadingSpan = 24 * time.Hour
	maxTaskUses    = 4096
	// maxNodeEnergy is a megawatt for a day: more is a defect of a meter.
	maxNodeEnergy = unit.Millijoules(1e9 * 86400)
	maxBehind     = 128 // intervals closed one by one after a pause; then hours
)

// ledger is what the state keeps to divide coming energy. It is nil where no
// ledger is kept.
type ledger struct {
	sites   []siteLedger
	nodes   []nodeLedger   // by rank
	siteOf  []int32        // of each node
	held    []holding      // by allocation
	tenants []meter.Totals // by tenant number
	power   []meter.Power  // by kind of node
	next    unit.Instant   // when the first interval is to be closed

	attribute meter.Attributor
}

type siteLedger struct {
	name  string
	nodes []int32
	from  unit.Instant // of the open interval
	carry meter.Carry
	gauge gauge
	lines [meter.ServiceLine + 1]meter.Totals // sums of lines

	zone         fleet.Zone   // whose days an interval ends with; none = UTC
	dayFrom, day unit.Instant // the day last asked for, and its end
}

type nodeLedger struct {
	carry meter.Carry
	gone  []meter.Holder // left within the open interval
	gauge gauge
	// stages say how it was held since the open interval began; the first may be
	// from before. None: it was awake and held to nothing.
	stages []meter.Stage
}

// holding is what is known of a running allocation beyond its grant.
type holding struct {
	since        unit.Instant // on this node
	told, closed int64        // CPU time told, and how much of it was metered
	fresh        bool         // told since the last page
	still        []meter.Span // in which it stood still; the last may be open
}

// newLedger returns an empty ledger of a fleet.
func newLedger(s *State) *ledger {
	if s.cfg.Metering.Every <= 0 {
		return nil
	}
	l := &ledger{nodes: make([]nodeLedger, s.cap.Nodes()), next: unit.Never}
	if s.cfg.Power != nil {
		for k := range s.cap.Kinds() {
			l.power = append(l.power, meter.PowerOf(&s.cap.Kinds()[k].Power))
		}
	} else {
		l.power = make([]meter.Power, len(s.cap.Kinds()))
	}
	index := map[string]int{}
	for n := range int32(s.cap.Nodes()) {
		name := s.cap.Node(n).Place.Site
		i, ok := index[name]
		if !ok {
			i = len(l.sites)
			index[name] = i
			l.sites = append(l.sites, siteLedger{name: name, zone: s.cfg.Metering.zoneOf(name)})
		}
		l.sites[i].nodes = append(l.sites[i].nodes, n)
		l.siteOf = append(l.siteOf, int32(i))
	}
	return l
}

func (m *Metering) zoneOf(site string) fleet.Zone {
	for i := range m.Zones {
		if m.Zones[i].Site == site {
			return m.Zones[i].Zone
		}
	}
	return fleet.Zone{}
}

// midnight returns when the day ends in which the open interval begins.
func (site *siteLedger) midnight() unit.Instant {
	if site.from < site.dayFrom || site.from >= site.day {
		site.dayFrom, site.day = site.zone.DayOf(site.from)
	}
	return site.day
}

func (l *ledger) site(name string) *siteLedger {
	for i := range l.sites {
		if l.sites[i].name == name {
			return &l.sites[i]
		}
	}
	return nil
}

// MeteringEvery returns the length of an interval of the ledger; 0 where none is
// kept.
func (s *State) MeteringEvery() time.Duration { return s.cfg.Metering.Every }

// MeterWake returns when an interval of the ledger is to be closed; Never
// without a ledger. A driver that has nothing else to do steps then.
func (s *State) MeterWake() unit.Instant {
	if s.ledger == nil {
		return unit.Never
	}
	return s.ledger.next
}

// energyMeasured takes a reading in.
func (s *State) energyMeasured(in *Input) error {
	r := in.Reading
	switch {
	case s.ledger == nil:
		return nil // no ledger is kept
	case r == nil || r.To <= r.From || r.To.Sub(r.From) > maxReadingSpan || r.To > s.now.Add(time.Minute):
		return fault.Invalidf("reading of "+string(in.Node)+in.site(), "its span is empty, longer than a day, or lies ahead")
	case r.Energy < meter.Unknown || r.Energy > maxNodeEnergy*unit.Millijoules(max(1, len(s.ledger.nodes))):
		return fault.Invalidf("reading of "+string(in.Node)+in.site(), "%d mJ is not an energy", r.Energy)
	case r.Energy >= 0 && r.Basis != meter.Measured && r.Basis != meter.Estimated:
		return fault.Invalidf("reading of "+string(in.Node)+in.site(), "it is neither measured nor estimated")
	case len(r.Used) > maxTaskUses || len(r.Devices) > fleet.MaxDevices:
		return fault.Invalidf("reading of "+string(in.Node)+in.site(), "it tells of too many tasks or devices")
	}
	node := int32(-1)
	if in.Node != "" {
		n, ok := s.nodes[in.Node]
		if !ok {
			return fault.New(fault.NotFound, "node "+string(in.Node), "no such node", "")
		}
		node = n
	} else if s.ledger.site(r.Site) == nil {
		return fault.New(fault.NotFound, "site "+r.Site, "no such site", "")
	}
	s.record(Record{Kind: EnergyRead, Node: node, Reading: r})
	return nil
}

func (in *Input) site() string {
	if in.Node != "" || in.Reading == nil {
		return ""
	}
	return "site " + in.Reading.Site
}

// closeIntervals closes every interval whose end, and the lag after it, has
// come. It runs before what arrived now changes who holds what.
func (s *State) closeIntervals() {
	l := s.ledger
	for l.next <= s.now {
		closed := false
		for i := range l.sites {
			site := &l.sites[i]
			if end := s.intervalEnd(site); end.Add(s.cfg.Metering.Lag) <= s.now {
				s.closeInterval(site, end)
				closed = true
			}
		}
		if !closed { // after a pause intervals are longer than when the next was worked out
			s.meterNext()
		}
	}
}

// intervalEnd returns where the open interval of a site ends: the next multiple
// of the length, or where the site's hour, its day or the day of a budget ends: what
// is used after midnight is of the next day, and may be of the next month's bill. After
// a long pause intervals are hours, so that a centre that comes back is not kept busy by its past.
func (s *State) intervalEnd(site *siteLedger) unit.Instant {
	every := unit.Instant(s.cfg.Metering.Every)
	if behind := (s.now - site.from) / every; behind > maxBehind {
		every = max(every, unit.Instant(time.Hour))
		if (s.now-site.from)/every > maxBehind {
			every = max(every, unit.Instant(24*time.Hour))
		}
	}
	mod := (site.from%every + every) % every
	end := site.from - mod + every
	_, until := s.meterHour(site.name, site.from)
	return min(end, until, site.from+meter.MaxInterval, site.midnight(), s.budgetMidnight(site.from))
}

// closeAll closes all open intervals now: a bill is made, or a replay ends.
func (s *State) closeAll() {
	if s.ledger == nil {
		return
	}
	for i := range s.ledger.sites {
		site := &s.ledger.sites[i]
		for site.from < s.now {
			s.closeInterval(site, min(s.intervalEnd(site), s.now))
		}
	}
}

// closeInterval divides the energy of a site's open interval up to its end.
func (s *State) closeInterval(site *siteLedger, to unit.Instant) {
	page := &meter.Page{Site: site.name, From: site.from, To: to}
	page.Hour, _ = s.meterHour(site.name, site.from)
	for _, n := range site.nodes {
		iv := s.meterInterval(n, page)
		part := s.ledger.attribute.Attribute(&iv)
		part.Node = n
		page.Nodes = append(page.Nodes, part)
	}
	if loss, ok := site.loss(page); ok {
		page.Nodes = append(page.Nodes, loss)
	}
	s.record(Record{Kind: Metered, Page: page})
}

// loss sets what a site's own meter said against its nodes and the modelled
// overhead.
func (site *siteLedger) loss(page *meter.Page) (meter.NodePart, bool) {
	total, known, basis, _ := site.gauge.within(page.From, page.To)
	if known < page.To-page.From {
		return meter.NodePart{}, false
	}
	var sum unit.Millijoules
	for i := range page.Nodes {
		for k := range page.Nodes[i].Parts {
			p := &page.Nodes[i].Parts[k]
			sum += p.Energy()
		}
	}
	return meter.Loss(total, sum, basis, &page.Hour, site.carry), true
}

// meterInterval gathers what attribution needs of a node.
func (s *State) meterInterval(n int32, page *meter.Page) meter.Interval {
	nl := &s.ledger.nodes[n]
	iv := meter.Interval{From: page.From, To: page.To, Hour: page.Hour, Carry: nl.carry, Late: nl.gauge.late, Machine: s.machine(n), Stages: stagesUntil(nl.stages, page.To)}
	for i := range nl.gone {
		if nl.gone[i].From < page.To {
			iv.Holders = append(iv.Holders, nl.gone[i].Until(page.To))
		}
	}
	for _, id := range s.cap.On(n) {
		a, h := s.cap.Alloc(id), &s.ledger.held[id]
		if h.since >= page.To {
			continue
		}
		used := int64(meter.Unknown)
		if h.fresh {
			used = h.told - h.closed
		}
		iv.Holders = append(iv.Holders, meter.Holder{
			Job: a.Job, Task: a.Task, Attempt: a.Attempt, From: max(h.since, page.From), To: page.To,
			CPU: a.CPU, Memory: a.Memory, Devices: a.Devices, Share: a.Share, Used: used, Still: stillUntil(h.still, page.To),
		})
	}
	energy, known, basis, devices := nl.gauge.within(page.From, page.To)
	switch {
	case known == 0:
	case known == page.To-page.From:
		iv.Reading = &meter.Reading{Basis: basis, Energy: energy, Devices: devices}
	default: // for the part that no meter saw, the model
		bare := iv
		bare.Late, bare.Carry = 0, meter.Carry{}
		model := s.ledger.attribute.Attribute(&bare)
		unseen := page.To - page.From - known
		iv.Reading = &meter.Reading{Basis: meter.Estimated, Energy: energy + meter.PartOf(model.IT(), int64(unseen), int64(page.To-page.From))}
	}
	return iv
}

// machine returns what attribution needs of a node.
func (s *State) machine(n int32) meter.Machine {
	k := s.cap.Kind(n)
	return meter.Machine{CPU: k.CPU, Memory: k.Memory, Devices: int32(k.Devices), Power: s.ledger.power[s.cap.KindNumber(n)]}
}

// meterHour returns what a kilowatt-hour at a site causes and costs at an
// instant, and until when that holds; Never where nothing follows.
func (s *State) meterHour(site string, at unit.Instant) (meter.Factors, unit.Instant) {
	hours := s.SiteHours(site)
	i, _ := slices.BinarySearchFunc(hours, at, func(h energy.SiteHour, t unit.Instant) int { return cmp.Compare(h.To, t+1) })
	switch {
	case i == len(hours):
		return meter.NoHour(), unit.Never
	case hours[i].From > at:
		return meter.NoHour(), hours[i].From
	}
	return meter.HourOf(&hours[i]), hours[i].To
}
