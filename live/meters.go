package live

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"tianfu/control"
	"tianfu/fleet"
	"tianfu/meter"
	"tianfu/sensor"
	"tianfu/unit"
)

// Instrument is a declared meter of a centre.
type Instrument struct {
	sensor.Meter
	Kind   string
	Covers sensor.Covers
	Solar  bool // it sees what its site makes, not what is drawn there
	// Broken says why it cannot be read at all; then Source is nil.
	Broken error
}

// Bounds of metering in a live centre.
const (
	maxTold       = 4096             // inputs on their way to the loop
	defaultWindow = time.Minute      // where no ledger is kept
	aside         = 30 * time.Second // between two notices of what the loop could not take
)

// instruments reads the meters of a centre, hands what nodes and sites drew to
// the core as inputs, and holds the sums of nodes against the meters of racks and
// sites (conserve.go).
type instruments struct {
	list   []Instrument
	poller *sensor.Poller
	every  time.Duration
	out    chan control.Input
	own    fleet.NodeID // the node whose tasks the engine tells of

	mu     sync.Mutex
	things map[string]*thing // by the path of Covers
	suns   map[string]*sun   // by site
	known  map[string]*MeterState
	conserve
	unsaid uint64 // inputs that the loop could not take
	said   time.Time
}

// thing is a node or an area with meters.
type thing struct {
	*gathering
	level sensor.Level
	path  string
	// meters are those that count; others see a part of what they see.
	meters []string
}

// MeterState is a meter as people see it.
type MeterState struct {
	sensor.Status
	Kind    string
	Covers  sensor.Covers
	Every   time.Duration
	Solar   bool // it sees what is made
	Counts  bool // it is the one that the ledger, or the limit of its site, believes
	Energy  map[string]unit.Millijoules
	Power   unit.Watts // of the newest readings of all channels
	Quality sensor.Quality
	newest  map[string]sensor.Reading
}

// newInstruments prepares the meters of a centre.
func newInstruments(o *Options, s *control.State) (*instruments, error) {
	m := &instruments{out: make(chan control.Input, maxTold), own: o.Node}
	var err error
	if m.poller, err = sensor.NewPoller(nil, m.deliver, o.Logger); err != nil {
		return m, err
	}
	return m, m.replace(o.Meters, s)
}

// replace changes which meters there are: one that is as it was goes on, with
// what it has told, and so does the sum of an area or node whose meters are the
// same. An error changes nothing.
func (m *instruments) replace(list []Instrument, s *control.State) error {
	var readable []sensor.Meter
	for i := range list {
		if list[i].Broken == nil {
			readable = append(readable, list[i].Meter)
		}
	}
	if err := m.poller.Set(readable); err != nil {
		return err
	}
	m.mu.Lock()
	kept := map[string]bool{}
	for i := range list {
		kept[list[i].Name] = slices.ContainsFunc(m.list, list[i].same)
	}
	known, things := m.known, m.things
	m.list, m.known, m.things = list, map[string]*MeterState{}, map[string]*thing{}
	for i := range list {
		x := &list[i]
		if kept[x.Name] {
			m.known[x.Name] = known[x.Name]
			m.known[x.Name].Counts = false // arrange says
			continue
		}
		state := &MeterState{Status: sensor.Status{Meter: x.Name}, Kind: x.Kind, Covers: x.Covers, Solar: x.Solar, Every: x.Every, Energy: map[string]unit.Millijoules{}, newest: map[string]sensor.Reading{}}
		if x.Broken != nil {
			state.Status.Lost, state.Status.Error = true, x.Broken.Error()
		}
		m.known[x.Name] = state
	}
	m.arrange(s)
	m.arrangeSuns(s, m.suns, kept)
	for path, t := range m.things {
		if old := things[path]; old != nil && old.like(t, kept) {
			m.things[path] = old
		}
	}
	for path := range m.conserve.areas {
		if m.things[path] == nil {
			delete(m.conserve.areas, path)
		}
	}
	m.mu.Unlock()
	m.settle(s)
	return nil
}

// same tells whether two instruments are one: the very source, read alike.
func (x *Instrument) same(y Instrument) bool {
	return x.Meter == y.Meter && x.Kind == y.Kind && x.Covers == y.Covers && x.Solar == y.Solar && x.Broken == y.Broken
}

// like tells whether a node's or area's readings may go on being summed as they
// were: its meters are the same ones, and so is what they see.
func (t *thing) like(u *thing, kept map[string]bool) bool {
	return t.level == u.level && slices.Equal(t.meters, u.meters) && t.partial == u.partial && t.baseMW == u.baseMW && t.devices == u.devices &&
		maps.EqualFunc(t.need, u.need, func(bool, bool) bool { return true }) && maps.Equal(t.aside, u.aside) &&
		!slices.ContainsFunc(t.meters, func(name string) bool { return !kept[name] })
}

// settle looks at the configuration again: how long an interval is, and which
// nodes stand where.
func (m *instruments) settle(s *control.State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.every = cmp.Or(s.MeteringEvery(), defaultWindow)
	m.conserve.arrange(s, m.things)
}

// arrange decides which meters count. A node's own (a service processor, a
// socket of a strip) see all of it. Where there is none, processors and
// accelerators together with the model's base stand for the node, and what is
// told is estimated; with one of the two missing the model alone is better.
// Meters of accelerators tell in both cases whose work drew what.
func (m *instruments) arrange(s *control.State) {
	whole := map[string][]string{}
	parts := map[string]map[string][]string{} // of a node, by kind
	level := map[string]sensor.Level{}
	for i := range m.list {
		x := &m.list[i]
		at := x.Covers.Path
		if x.Solar {
			continue // arrangeSuns
		}
		level[at] = x.Covers.Level
		if x.Kind == "rapl" || x.Kind == "nvml" {
			if parts[at] == nil {
				parts[at] = map[string][]string{}
			}
			parts[at][x.Kind] = append(parts[at][x.Kind], x.Name)
		} else {
			whole[at] = append(whole[at], x.Name)
		}
	}
	for at, names := range whole {
		m.things[at] = &thing{gathering: newGathering(names...), level: level[at], path: at, meters: names}
	}
	capacity := s.Capacity()
	for n := range int32(capacity.Nodes()) {
		at := string(capacity.Node(n).ID)
		names, devices := parts[at]["rapl"], parts[at]["nvml"]
		if t := m.things[at]; t != nil {
			t.seeDevices(capacity.DevicesOf(n), devices...)
			continue
		}
		if len(names) == 0 || capacity.DevicesOf(n) > 0 && devices == nil {
			continue
		}
		if capacity.DevicesOf(n) > 0 {
			names = append(names[:len(names):len(names)], devices...)
		}
		t := &thing{gathering: newGathering(names...), level: sensor.Node, path: at, meters: names}
		t.partial, t.baseMW, t.devices = true, int64(float64(capacity.Kind(n).Power.Base)*1000), capacity.DevicesOf(n)
		m.things[at] = t
	}
	for _, t := range m.things {
		for _, name := range t.meters {
			m.known[name].Counts = true
		}
	}
}

// deliver takes a reading from the poller.
func (m *instruments) deliver(r sensor.Reading) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.known[r.Meter]; k != nil {
		k.Energy[r.Channel] += r.Energy
		k.newest[r.Channel] = r
	}
	if k := m.known[r.Meter]; k != nil && k.Solar {
		if u := m.suns[r.Covers.Path]; u != nil {
			u.add(&r)
			if in, ok := u.shine(); ok {
				m.tell(in)
			}
		}
		return
	}
	t := m.things[r.Covers.Path]
	if t == nil {
		return
	}
	t.add(&r)
	w, ok := t.take(m.every)
	if !ok || w.Missing {
		return
	}
	m.conserve.measured(t.path, w)
	reading := &control.EnergyReading{From: w.From, To: w.To, Energy: w.Energy, Basis: meter.Measured, Devices: w.Devices}
	if w.Estimated {
		reading.Basis = meter.Estimated
	}
	in := control.Input{Kind: control.EnergyMeasured, Reading: reading}
	switch t.level {
	case sensor.Site:
		reading.Site, reading.Devices = t.path, nil
	case sensor.Node:
		in.Node = fleet.NodeID(t.path)
	default:
		return // the core knows nodes and sites; racks and halls are compared
	}
	m.tell(in)
}

// tell hands an input to the loop. It never waits: a poller that stood still
// would lose more than one reading, which the next span covers by the model.
func (m *instruments) tell(in control.Input) {
	select {
	case m.out <- in:
	default:
		m.unsaid++
	}
}

// run reads the meters until the context ends.
func (m *instruments) run(ctx context.Context, c *Centre) {
	var all sync.WaitGroup
	all.Go(func() { m.poller.Run(ctx) })
	all.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case in := <-m.out:
				if _, err := c.send(ctx, ask{input: in}); err != nil && ctx.Err() == nil {
					c.o.Logger.Warn("the core refuses a reading", "error", err)
				}
			}
			m.mu.Lock()
			if m.unsaid > 0 && time.Since(m.said) > aside {
				c.o.Logger.Warn("readings were left out: the loop is too busy; the model stands in", "count", m.unsaid)
				m.unsaid, m.said = 0, time.Now()
			}
			m.mu.Unlock()
		}
	})
	all.Wait()
}

// Meters returns the declared meters, by name.
func (c *Centre) Meters() []MeterState {
	m := c.instruments
	polled := map[string]sensor.Status{}
	for _, s := range m.poller.Status() {
		polled[s.Meter] = s
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []MeterState
	for _, k := range m.known {
		s := *k
		if p, ok := polled[s.Meter]; ok {
			s.Status = p
		}
		s.Energy = map[string]unit.Millijoules{}
		for _, ch := range slices.Sorted(maps.Keys(k.Energy)) {
			r := k.newest[ch]
			s.Energy[ch] = k.Energy[ch]
			s.Power += r.Power()
			if s.Quality == "" {
				s.Quality = r.Quality
			}
			s.Quality = worse(s.Quality, r.Quality)
		}
		s.newest = nil
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b MeterState) int { return strings.Compare(a.Meter, b.Meter) })
	return out
}

// Condition says in a word how a meter is.
func (m *MeterState) Condition() string {
	switch {
	case m.Lost && m.Reads == 0:
		return "broken"
	case m.Lost:
		return "lost"
	case m.Error != "":
		return "partial"
	}
	return "reading"
}
