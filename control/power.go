package control

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"tianfu/energy"
	"tianfu/fault"
	"tianfu/sched"
	"tianfu/unit"
)

// powerState is what the core keeps of power besides the tree itself, which
// lies in the capacity.
type powerState struct {
	caps      []sched.CapEvent // in force or to come, by ID
	lastCap   int32
	solar     []solarTable // by site
	batteries []battery    // by area; only sites have one
	stores    []int32      // the areas that have one
	sheds     []Shed       // the latest, oldest first
	edge      unit.Instant // when a budget next changes by itself; worked out again when stale
	sleepy    unit.Instant // when a node may next be put to sleep
	waking    []wakeUp     // in the order of their instants
	stale     bool         // budgets are to be looked at
}

// maxSheds is how many sheddings are remembered; the records have all.
const maxSheds = 64

type solarTable struct {
	site  string
	hours []SolarHour
}

// SolarHour is what is made on a site in a step of at most a day, in
// milliwatts.
type SolarHour struct {
	From, To   unit.Instant
	Milliwatts int64
}

// battery is the store of a site as of an instant. What it gives (or takes,
// below 0) holds until the next budget of the site.
type battery struct {
	at      unit.Instant
	charge  unit.Millijoules
	rate    int64
	charged bool // charging has begun, and goes on while carbon is low
}

type wakeUp struct {
	at   unit.Instant
	node int32
}

// Budget is the fact that what an area may draw has changed.
type Budget struct {
	Area int32
	sched.PowerFacts
	Charge   unit.Millijoules // of the battery, now
	Charging bool             // the battery has begun to charge
}

// openPower gives a new state its power tree.
func (s *State) openPower() {
	p := s.cfg.Tree
	if p == nil {
		return
	}
	s.cap.SetPower(p)
	s.power.caps = slices.Clone(p.Caps)
	for i := range s.power.caps {
		s.power.caps[i].ID = int32(i + 1)
	}
	s.power.lastCap = int32(len(p.Caps))
	s.power.stale, s.power.sleepy = true, unit.Never
	s.power.batteries = make([]battery, len(p.Areas))
	for i := range p.Areas {
		if s.power.batteries[i].charge = p.Areas[i].Battery.Charge; p.Areas[i].Battery.Capacity > 0 {
			s.power.stores = append(s.power.stores, int32(i))
		}
	}
}

// Bounds of what may be told of power.
const (
	maxCaps       = 1000
	maxSolarHours = 8192
	maxMilliwatts = 5_000_000_000_000 // 5 GW
)

// setCap takes a cap, or says why not. One below what the area draws idle, a site
// with the overhead of the hour in which it begins, would not be complied with.
func (s *State) setCap(in *Input) error {
	where := "cap " + in.Cap.Area
	if s.cfg.Tree == nil {
		return fault.New(fault.Conflict, where, "no power is limited in this centre", "declare power: of its areas in the world file")
	}
	k := *in.Cap
	if len(s.power.caps) >= maxCaps {
		return fault.New(fault.Exhausted, where, fmt.Sprintf("%d caps are set already", maxCaps), "clear some: tianfu cap clear ID")
	}
	area := s.areaNamed(k.Area)
	if area < 0 {
		return fault.New(fault.NotFound, where, "no such area", "see: tianfu power show")
	}
	a := s.cfg.Tree.Areas[area]
	if a.Parent < 0 {
		a.Overhead, _ = s.overhead(&a, max(k.From, s.now))
	}
	if err := CheckCap(&k, &a, s.idleOf(area)); err != nil {
		return err
	}
	if k.Every == 0 && k.To <= s.now || k.Every > 0 && k.Until > 0 && k.Until.Add(k.To.Sub(k.From)) <= s.now {
		return fault.New(fault.Invalid, where, "is over already", "give from: and for: or to: that lie ahead")
	}
	k.ID = s.power.lastCap + 1
	s.record(Record{Kind: PowerTold, CapEvent: &k})
	s.out.Accepted = append(s.out.Accepted, Accepted{Tag: in.Tag, Cap: k.ID})
	return nil
}

// CheckCap holds a cap to its bounds, and to the level that its area was named with,
// which is then forgotten; idle is what the area draws with nothing
// running, in milliwatts of IT power.
func CheckCap(k *sched.CapEvent, a *sched.PowerArea, idle int64) error {
	where := "cap " + k.Area
	to := k.Limit
	if k.Part > 0 {
		to = mulDiv(a.Limit, k.Part, sched.Million)
	}
	facility := mulDiv(idle, max(a.Overhead, sched.Million), sched.Million)
	named := k.Level
	k.Level = ""
	switch {
	case named != "" && named != a.Level:
		return fault.New(fault.Invalid, where, fmt.Sprintf("is on a %s, and %s is a %s", named, a.Path, a.Level), "name it "+a.Level+"="+a.Path)
	case k.Part < 0 || k.Part > sched.Million || k.Limit < 0 || k.Limit > maxMilliwatts || (k.Part > 0) == (k.Limit > 0):
		return fault.New(fault.Invalid, where, "says not how much may be drawn", "give a part of the configured limit from 0.1% to 100%, or watts")
	case k.Part > 0 && a.Limit == 0:
		return fault.New(fault.Invalid, where, "is a part of a limit, and "+a.Path+" has none configured", "give watts, or power: of the area in the world file")
	case k.To <= k.From:
		return fault.New(fault.Invalid, where, "ends before it begins", "give from: and for: or to:")
	case k.Every < 0 || k.Every > 0 && (k.Every < time.Minute || k.To == unit.Never || k.To.Sub(k.From) > k.Every):
		return fault.New(fault.Invalid, where, "its windows overlap, or are less than a minute apart", "let every: be longer than a window")
	case to < facility:
		return fault.New(fault.Invalid, where, fmt.Sprintf("allows %s, and %s draws %s when idle", watts(to), a.Path, watts(facility)),
			"allow more, or put nodes out of service first")
	}
	return nil
}

func watts(milli int64) string { return unit.Watts(float64(milli) / 1000).String() }

// idleOf returns what the nodes of an area draw with nothing running. Nodes that
// may be put to sleep count as asleep.
func (s *State) idleOf(area int32) int64 {
	sum := int64(0)
	for n := range int32(s.cap.Nodes()) {
		if s.cap.Inside(n, area) {
			idle := s.cap.NodePower(n).Idle
			if z := s.cfg.Tree.Sleep; z.After > 0 {
				idle = min(idle, z.Draw)
			}
			sum += idle
		}
	}
	return sum
}

func (s *State) areaNamed(path string) int32 {
	return int32(slices.IndexFunc(s.cfg.Tree.Areas, func(a sched.PowerArea) bool { return a.Path == path }))
}

// clearCap ends a cap for good.
func (s *State) clearCap(in *Input) error {
	for i := range s.power.caps {
		if k := s.power.caps[i]; k.ID == in.CapID {
			k.To = s.now
			s.record(Record{Kind: PowerTold, CapEvent: &k, Device: 1})
			return nil
		}
	}
	return fault.New(fault.NotFound, fmt.Sprintf("cap %d", in.CapID), "no such cap", "see: tianfu cap list")
}

// solarHours takes a report of what is made on a site.
func (s *State) solarHours(in *Input) error {
	where := "solar hours of site " + in.Site
	if s.cfg.Tree == nil || s.areaNamed(in.Site) < 0 {
		return fault.New(fault.NotFound, where, "no such site in the power tree", "see: tianfu power show")
	}
	if len(in.Solar) == 0 || len(in.Solar) > maxSolarHours {
		return fault.New(fault.Invalid, where, fmt.Sprintf("%d steps", len(in.Solar)), fmt.Sprintf("report 1 to %d at a time", maxSolarHours))
	}
	for i, h := range in.Solar {
		if h.To <= h.From || h.To.Sub(h.From) > 24*time.Hour || h.Milliwatts < 0 || h.Milliwatts > maxMilliwatts || i > 0 && h.From < in.Solar[i-1].To {
			return fault.New(fault.Invalid, where, "a step is empty, longer than a day, below zero or overlaps the one before", "report steps in order of time, in milliwatts")
		}
	}
	s.record(Record{Kind: PowerTold, Site: in.Site, Solar: in.Solar})
	return nil
}

// foldTold folds what an operator or a meter told of power.
func (s *State) foldTold(r *Record) {
	s.power.stale = true
	if r.CapEvent != nil {
		k := *r.CapEvent
		s.power.caps = slices.DeleteFunc(s.power.caps, func(x sched.CapEvent) bool { return x.ID == k.ID })
		if r.Device == 0 { // 1 = cleared
			s.power.caps = append(s.power.caps, k)
			s.power.lastCap = max(s.power.lastCap, k.ID)
		}
		return
	}
	at, known := slices.BinarySearchFunc(s.power.solar, r.Site, func(t solarTable, site string) int { return cmp.Compare(t.site, site) })
	if !known {
		s.power.solar = slices.Insert(s.power.solar, at, solarTable{site: r.Site})
	}
	t := &s.power.solar[at]
	out := slices.Clone(r.Solar)
	for _, h := range t.hours { // what is reported anew takes the place of what was
		if h.To > r.At && !slices.ContainsFunc(r.Solar, func(n SolarHour) bool { return n.From < h.To && h.From < n.To }) {
			out = append(out, h)
		}
	}
	slices.SortFunc(out, func(a, b SolarHour) int { return cmp.Compare(a.From, b.From) })
	t.hours = out
}

// solarAt returns what is made on a site, and until when.
func (s *State) solarAt(site string, now unit.Instant) (milliwatts int64, until unit.Instant) {
	for i := range s.power.solar {
		if t := &s.power.solar[i]; t.site == site {
			for _, h := range t.hours {
				switch {
				case h.From > now:
					return 0, h.From
				case h.To > now:
					return h.Milliwatts, h.To
				}
			}
		}
	}
	return 0, unit.Never
}

// stepPower brings budgets up to the instant, sheds what is drawn beyond them,
// and lets what was held back come back.
func (s *State) stepPower() {
	if s.cfg.Tree == nil {
		return
	}
	if s.power.stale || s.now >= s.power.edge || s.batteryDue() {
		s.moveBudgets()
	}
	s.trim()
	s.awaken()
	for tries := 0; s.cap.OverPower() && tries < 2; tries++ {
		if !s.bridge() {
			break
		}
	}
	if s.cap.OverPower() {
		s.shed()
	}
	if s.cap.HeldBack() && s.cap.MayRelax() {
		s.relax()
	}
}

// moveBudgets works out what every area may draw now, and when that changes.
func (s *State) moveBudgets() {
	edge := unit.Never
	for i := range s.cfg.Tree.Areas {
		a := &s.cfg.Tree.Areas[i]
		f := sched.PowerFacts{Overhead: sched.Million}
		var next unit.Instant
		f.Limit, next = s.cfg.Tree.InForce(a, s.power.caps, s.now)
		edge = min(edge, next)
		b := Budget{Area: int32(i)}
		if a.Parent < 0 {
			var until unit.Instant
			f.Overhead, until = s.overhead(a, s.now)
			edge = min(edge, until)
			f.Solar, until = s.solarAt(a.Path, s.now)
			edge = min(edge, until)
		}
		b.PowerFacts = f
		now := s.cap.Area(int32(i)).Facts
		b.Battery = now.Battery
		due := b.PowerFacts != now
		if old := &s.power.batteries[i]; a.Battery.Capacity > 0 && (due || old.at == 0 || nextHour(old.at) <= s.now) {
			due, b.Battery = true, 0 // recorded every hour, so that a recovered state decides when this one does
			s.chargeOrGive(a, &b)
		}
		if b.Battery != 0 || a.Battery.Capacity > 0 && s.siteTable(a.Path) != nil && len(s.SiteHours(a.Path)) > 0 {
			edge = min(edge, s.batteryEdge(a))
		}
		if due {
			s.record(Record{Kind: BudgetSet, Budget: &b})
		}
	}
	s.power.edge, s.power.stale = edge, false
}

// batteryDue tells whether an hour has passed since a battery was decided on.
// An idle one that nothing can change wakes nobody, and is looked at when
// something else happens.
func (s *State) batteryDue() bool {
	for _, i := range s.power.stores {
		if nextHour(s.power.batteries[i].at) <= s.now {
			return true
		}
	}
	return false
}

// batteryEdge returns when a battery that works, or that carbon may move, is to
// be decided on again.
func (s *State) batteryEdge(a *sched.PowerArea) unit.Instant {
	hours := s.SiteHours(a.Path)
	for _, i := range s.power.stores {
		if &s.cfg.Tree.Areas[i] == a && s.power.batteries[i].rate == 0 && (len(hours) == 0 || hours[len(hours)-1].To <= s.now) {
			return unit.Never
		}
	}
	return nextHour(s.now)
}

func nextHour(now unit.Instant) unit.Instant {
	const hour = unit.Instant(time.Hour)
	return (now/hour + 1) * hour
}

// overhead returns facility power over IT power of a site in the hour of an instant,
// and until when. While nobody has reported it, what is declared holds.
func (s *State) overhead(a *sched.PowerArea, at unit.Instant) (pue int64, until unit.Instant) {
	declared := max(a.Overhead, sched.Million)
	hours := s.SiteHours(a.Path)
	if h, ok := s.SiteHour(a.Path, at); ok {
		if h.PUE == energy.NoData {
			return declared, h.To
		}
		return h.PUE, h.To
	}
	for i := range hours {
		if hours[i].From > at {
			return declared, hours[i].From
		}
	}
	return declared, unit.Never
}

// foldBudget folds what an area may draw from now on.
func (s *State) foldBudget(r *Record) {
	b := r.Budget
	s.cap.SetFacts(b.Area, b.PowerFacts)
	s.power.batteries[b.Area] = battery{at: r.At, charge: b.Charge, rate: b.Battery, charged: b.Charging}
}
