package sched

import (
	"math"
	"strings"
	"time"

	"tianfu/unit"
)

// Power is the power tree of a centre as declared: areas that stand in each
// other, what each may draw, and what is done when it would draw more. Power
// counts in milliwatts, parts in millionths.
type Power struct {
	Areas []PowerArea // the outer ones before what is in them
	Caps  []CapEvent  // declared ones
	// Protect is the priority from which work is never capped, suspended or
	// evicted for power; NoProtect = none is.
	Protect int32
	// CapLatency passes from an order to cap or suspend until less is drawn, Grace
	// from an order to leave until a task is gone at the latest.
	CapLatency, Grace time.Duration
	Sleep             PowerSleep
}

// NoProtect as the protected priority protects nothing.
const NoProtect = math.MaxInt32

// PowerArea is a site, building, hall, row, rack or node with a place in the
// tree. The power of a site is what its grid connection gives: IT power times
// the overhead of the hour, and the battery's charging. Of every other area it
// is IT power.
type PowerArea struct {
	Path    string // site/building/hall/row/rack/node, without the levels that are not there
	Level   string
	Parent  int32 // -1 for a site
	Limit   int64 // 0 = none
	Reserve int64 // withheld from Limit, so that one feed of several may fail
	// Warn is the part of what is usable from which the area is in its warning
	// band; held work comes back only up to Resume, so that it does not flap.
	Warn, Resume int64
	Overhead     int64 // of a site: facility power over IT power while the hour's is not known
	Battery      Battery
}

// Defaults of the bands, and one whole.
const (
	Million       = 1_000_000
	DefaultWarn   = 950_000
	DefaultResume = 900_000
)

// Battery stores energy at a site. Losses are charged when it is charged.
type Battery struct {
	Capacity   unit.Millijoules // 0 = there is none
	Power      int64            // most it takes or gives
	Efficiency int64            // of what was taken, the part that comes back
	Charge     unit.Millijoules // when the centre is opened
}

// CapEvent lowers what an area may draw for a time, once or again and again.
type CapEvent struct {
	ID    int32
	Area  string
	Part  int64 // of the configured limit; 0 = Limit says
	Limit int64
	From  unit.Instant
	To    unit.Instant  // end of the first window; Never = until it is cleared
	Every time.Duration // from one window to the next; 0 = there is only one
	Until unit.Instant  // no window begins from then on; 0 = no end
	Level string        // the area was named with; empty once it is checked, and where none was said
}

// window returns whether the cap is in force and when that next changes.
func (k *CapEvent) window(now unit.Instant) (in bool, next unit.Instant) {
	if now < k.From {
		return false, k.From
	}
	from := k.From
	if k.Every > 0 {
		from += (now - k.From) / unit.Instant(k.Every) * unit.Instant(k.Every)
	}
	switch to := from.Add(k.To.Sub(k.From)); {
	case k.Until > 0 && from >= k.Until:
		return false, unit.Never
	case k.To == unit.Never:
		return true, unit.Never
	case now < to:
		return true, to
	case k.Every == 0:
		return false, unit.Never
	}
	return false, from.Add(k.Every)
}

// InForce returns what an area may draw now with the caps on it, and when that
// next changes. Of several caps the lowest holds. A cap never raises.
func (p *Power) InForce(a *PowerArea, caps []CapEvent, now unit.Instant) (limit int64, next unit.Instant) {
	limit, next, _ = a.inForce(caps, now)
	return limit, next
}

// Lowering returns the cap that sets what an area may draw now, and the end of
// its window; nil when none does.
func (p *Power) Lowering(a *PowerArea, caps []CapEvent, now unit.Instant) (k *CapEvent, from, to unit.Instant) {
	_, _, lowest := a.inForce(caps, now)
	if lowest < 0 {
		return nil, 0, 0
	}
	k = &caps[lowest]
	if from = k.From; k.Every > 0 {
		from += (now - k.From) / unit.Instant(k.Every) * unit.Instant(k.Every)
	}
	_, to = k.window(now)
	return k, from, to
}

func (a *PowerArea) inForce(caps []CapEvent, now unit.Instant) (limit int64, next unit.Instant, lowest int) {
	limit, next, lowest = a.Limit, unit.Never, -1
	for i := range caps {
		k := &caps[i]
		if k.Area != a.Path {
			continue
		}
		in, change := k.window(now)
		next = min(next, change)
		if !in {
			continue
		}
		to := k.Limit
		if k.Part > 0 {
			to = part(a.Limit, k.Part)
		}
		if limit == 0 || to < limit {
			limit, lowest = to, i
		}
	}
	return limit, next, lowest
}

// part returns a part of an amount without running over.
func part(amount, millionths int64) int64 {
	return amount/Million*millionths + amount%Million*millionths/Million
}

// PowerSleep says when idle nodes are put to sleep. After 0 = never.
type PowerSleep struct {
	After   time.Duration // a node is idle for so long first
	Reserve int32         // idle nodes of each site and model that stay awake
	Latency time.Duration // from the order to wake until the node takes work
	Draw    int64         // of a sleeping node
}

// Unlimited is the budget of an area without a limit.
const Unlimited = math.MaxInt64 / 4

// powerTree is the power tree as it stands. Draws follow allocations at once,
// so that a decision asks integers and walks a few ancestors.
type powerTree struct {
	p     *Power
	areas []areaNow
	leaf  []int32 // innermost area of each node; -1 = none
	nodes []nodeNow
	big   []int32 // areas of many nodes, whose nodes are passed over together
	kinds []kindDraw
	least []int64 // lower bound of what a task of a shape adds; -1 = not worked out
	most  int64   // upper bound of what any task adds
	over  int32   // areas whose settled draw is above what running work may draw

	capped    int32     // nodes under a cap
	sleepers  int32     // nodes asleep
	suspended []AllocID // in the order they were suspended
	possible  map[roomKey]bool
	idle      []idleNode
	idleCount map[idleGroup]int32
}

// areaNow is an area as it stands.
type areaNow struct {
	parent int32
	nodes  int32
	idle   int64 // draw of its nodes when they hold nothing
	full   int64 // and when all of them is in use
	// budget is the IT power that new work may bring the area to, bound what
	// running work may draw: the battery carries running work, no new work.
	budget, bound int64
	draw          int64 // of its nodes now
	settled       int64 // once everything told to leave has left
	facts         PowerFacts
	capped        int32 // nodes capped for its sake
	suspended     int32 // tasks suspended for its sake
	floor         int32 // highest priority among these
	shedDraw      int64 // settled draw and bound when it was last shed
	shedBound     int64
	set           []uint64 // its nodes, where it is large
	large         int32    // place among the large areas
}

// PowerFacts are what the budget of an area follows from.
type PowerFacts struct {
	Limit    int64 // in force; 0 = none
	Overhead int64 // facility power over IT power; Million where it is not a site
	Solar    int64 // made on the site
	Battery  int64 // what it gives; below 0 what it takes
}

// usable returns what is left of the limits: a cap and the reserve are not
// added up, for the reserve is kept for a feed that fails, the cap for the grid.
func (a *PowerArea) usable(limit int64) int64 {
	if a.Limit > 0 {
		limit = min(limit, a.Limit-a.Reserve)
	}
	return max(limit, 0)
}

// budgets returns the IT power that new work and running work may reach.
func (a *PowerArea) budgets(f *PowerFacts) (budget, bound int64) {
	if f.Limit == 0 {
		return Unlimited, Unlimited
	}
	firm := a.usable(f.Limit) + f.Solar + min(f.Battery, 0)
	return max(firm, 0) * Million / f.Overhead, max(firm+max(f.Battery, 0), 0) * Million / f.Overhead
}

// wakefulness of a node.
const (
	Awake uint8 = iota
	Asleep
	Waking
)

// nodeNow is the power of a node as it stands.
type nodeNow struct {
	draw, settled int64
	level         int16 // thousandths of its dynamic draw that it is held to
	state         uint8
	area          int32        // for whose sake it is capped
	still         int16        // allocations suspended or told to leave
	firm          int16        // allocations of protected work: while there are any, no cap holds
	since         unit.Instant // idle
	ready         unit.Instant // when it takes work again, while it wakes
}

// kindDraw is what every node of a kind has in common.
type kindDraw struct{ idle int64 }

// Uncapped is the level of a node under no cap.
const Uncapped = 1000

// CapLevels are what a node can be held to, from the mildest, in thousandths of
// its dynamic draw, and CapSpeeds how fast work runs then: dynamic power grows
// with the cube of the clock, so speed is its cube root.
var (
	CapLevels = [...]int16{900, 800, 700, 600, 500}
	CapSpeeds = [...]int16{965, 928, 887, 843, 793}
)

// SpeedAt returns how fast work runs at a level, in thousandths.
func SpeedAt(level int16) int16 {
	for i, l := range CapLevels {
		if level >= l && level < Uncapped {
			return CapSpeeds[i]
		}
	}
	return 1000
}

// largeArea is the least number of nodes of an area that keeps a set of them.
const largeArea = 32

// SetPower gives the capacity a power tree. It is called once, before anything
// runs.
func (c *Capacity) SetPower(p *Power) {
	t := &powerTree{p: p, areas: make([]areaNow, len(p.Areas)), leaf: make([]int32, len(c.nodes)), nodes: make([]nodeNow, len(c.nodes)),
		idleCount: map[idleGroup]int32{}, possible: map[roomKey]bool{}}
	at := make(map[string]int32, len(p.Areas))
	for i := range p.Areas {
		a := &p.Areas[i]
		at[a.Path] = int32(i)
		t.areas[i] = areaNow{parent: a.Parent, facts: PowerFacts{Limit: a.Limit, Overhead: max(a.Overhead, Million)}}
		t.areas[i].budget, t.areas[i].bound = a.budgets(&t.areas[i].facts)
	}
	for i := range c.kinds {
		k := &c.kinds[i]
		t.kinds = append(t.kinds, kindDraw{idle: milliwatts(k, &drawn{})})
		t.most = max(t.most, Milliwatts(k.Power.FullWatts(int(k.Devices)))-t.kinds[i].idle)
	}
	for n := range c.specs {
		t.leaf[n] = innermost(at, c.specs[n].Place.Path()+"/"+string(c.specs[n].ID))
		t.nodes[n].level = Uncapped
		for a := t.leaf[n]; a >= 0; a = t.areas[a].parent {
			t.areas[a].nodes++
			t.areas[a].idle += t.kinds[c.nodes[n].kind].idle
			t.areas[a].full += Milliwatts(c.kinds[c.nodes[n].kind].Power.FullWatts(int(c.nodes[n].devices)))
		}
	}
	c.power = t
	t.sets()
	for n := range c.nodes {
		c.updatePower(int32(n))
	}
}

func innermost(at map[string]int32, path string) int32 {
	for {
		if a, ok := at[path]; ok {
			return a
		}
		i := strings.LastIndexByte(path, '/')
		if i < 0 {
			return -1
		}
		path = path[:i]
	}
}

// sets makes the node sets of large areas; there are at most some hundred.
func (t *powerTree) sets() {
	words, least := (len(t.leaf)+63)/64, int32(max(largeArea, len(t.leaf)/64))
	for i := range t.areas {
		if t.areas[i].nodes >= least {
			t.areas[i].set, t.areas[i].large = make([]uint64, words), int32(len(t.big))
			t.big = append(t.big, int32(i))
		}
	}
	for n, a := range t.leaf {
		for ; a >= 0; a = t.areas[a].parent {
			if s := t.areas[a].set; s != nil {
				s[n>>6] |= 1 << (n & 63)
			}
		}
	}
}

// drawn is what draws on a node beyond idling.
type drawn struct {
	cpu    int32
	dev    [16]int16
	parted uint16
}

// milliwatts returns what a node of a kind draws by its model. A divided
// device counts as busy: its parts are not told apart.
func milliwatts(k *Kind, l *drawn) int64 {
	w := k.Power.Base + k.Power.CPUWatts(unit.MilliCPU(l.cpu))
	for i := range int(k.Devices) {
		share := unit.Milli(l.dev[i])
		if l.parted>>i&1 != 0 {
			share = unit.Whole
		}
		w += k.Power.DeviceWatts(share)
	}
	return int64(math.Round(float64(w) * 1000))
}

// drawnOf returns what draws on a copy of node n.
func (c *Capacity) drawnOf(nd *node) drawn {
	k := &c.kinds[nd.kind]
	l := drawn{cpu: k.CPU - nd.cpu, parted: nd.parted}
	for i := range int(nd.devices) {
		l.dev[i] = int16(unit.Whole) - nd.dev[i]
	}
	return l
}

// without takes allocations out that are suspended, or also those told to
// leave. What remains of a divided device is looked for again.
func (c *Capacity) without(l *drawn, n int32, leaving bool) {
	l.parted = 0
	for _, id := range c.onNode[n] {
		a := &c.allocs[id]
		if still := a.Suspended || leaving && a.Evicting; !still {
			if a.Profile != 0 {
				l.parted |= a.Devices
			}
			continue
		}
		l.cpu -= a.CPU
		for i := range l.dev {
			if a.Devices>>i&1 != 0 && a.Profile == 0 {
				l.dev[i] -= a.Share
			}
		}
	}
}

// heldTo returns what node n draws with a load at the level it is held to.
func (t *powerTree) heldTo(c *Capacity, n int32, l *drawn) int64 {
	kind := c.nodes[n].kind
	full, idle := milliwatts(&c.kinds[kind], l), t.kinds[kind].idle
	if x := &t.nodes[n]; x.firm == 0 && x.level < Uncapped {
		return idle + (full-idle)*int64(x.level)/Uncapped
	}
	return full
}

// drawOf returns what node n draws, and will once what leaves has left.
func (c *Capacity) drawOf(n int32) (draw, settled int64) {
	t := c.power
	x := &t.nodes[n]
	if x.state == Asleep {
		return t.p.Sleep.Draw, t.p.Sleep.Draw
	}
	l := c.drawnOf(&c.nodes[n])
	if x.still == 0 {
		draw = t.heldTo(c, n, &l)
		return draw, draw
	}
	left := l
	c.without(&l, n, false)
	c.without(&left, n, true)
	return t.heldTo(c, n, &l), t.heldTo(c, n, &left)
}

// updatePower brings the draw of node n and of all areas around it up to date.
func (c *Capacity) updatePower(n int32) {
	t := c.power
	x := &t.nodes[n]
	draw, settled := c.drawOf(n)
	up, later := draw-x.draw, settled-x.settled
	if up == 0 && later == 0 {
		return
	}
	x.draw, x.settled = draw, settled
	for a := t.leaf[n]; a >= 0; a = t.areas[a].parent {
		y := &t.areas[a]
		was := y.settled > y.bound
		y.draw += up
		y.settled += later
		t.count(was, y.settled > y.bound)
	}
}

func (t *powerTree) count(was, is bool) {
	switch {
	case is && !was:
		t.over++
	case was && !is:
		t.over--
	}
}
