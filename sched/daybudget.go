package sched

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"time"

	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// DayBudget is the most energy and carbon that a tenant, or a site, may draw in
// one calendar day. A tenant's counts its tasks over all sites: their share of
// idle draw, what they add, and the overhead of both. A site's counts everything
// at the site meter.
type DayBudget struct {
	Tenant job.Tenant // empty = of a site
	Site   string
	Energy unit.Millijoules // of a day; 0 = not limited
	Carbon unit.Micrograms  // of a day; 0 = not limited
	Zone   fleet.Zone       // whose calendar a day is of
}

// String names whose budget it is: "tenant ai" or "site chengdu".
func (b *DayBudget) String() string {
	if b.Tenant != "" {
		return "tenant " + string(b.Tenant)
	}
	return "site " + b.Site
}

// Drawn is energy and the carbon that came with it.
type Drawn struct {
	Energy unit.Millijoules
	Carbon unit.Micrograms
}

func (d *Drawn) add(o Drawn, sign int64) {
	d.Energy += unit.Millijoules(sign) * o.Energy
	d.Carbon += unit.Micrograms(sign) * o.Carbon
}

// budgetDays is how many days a budget is looked at: the present one, and the
// next, so that what starts late does not use the next one up.
const budgetDays = 2

// DayBudgets is how the budgets of a centre stand at an instant. The state makes
// it for a cycle; nil = none is declared.
type DayBudgets struct {
	List  []BudgetNow
	Rates []*SiteRates // by number of site
	Site  []int32      // number of the site of each node
	// Until is up to when the ledger of a site has closed its intervals: what is
	// drawn from then on is the model's. 0 = there is no ledger.
	Until []unit.Instant
	// OfTenant and OfSite find the budget of a tenant and of a site by number; -1 =
	// none. A task is counted by no other.
	OfTenant, OfSite []int32
	pools            []pool
	pool             []int32 // of each node
}

// BudgetNow is how a budget stands.
type BudgetNow struct {
	*DayBudget
	Number int16 // of its tenant; -1 = of a site
	At     int32 // number of its site; -1 = of a tenant
	Days   [budgetDays]BudgetDay
}

// BudgetDay is a day of a budget. Spent is from the ledger, and since its last
// interval from the model; Committed is what runs will still draw in the day.
type BudgetDay struct {
	From, To         unit.Instant
	Spent, Committed Drawn
}

// pool is nodes that a budget cannot tell apart: of one site and one kind.
type pool struct {
	site, kind int32
	name       string // of the site
	nodes      int32
}

// Sort gathers the nodes into pools. It is called once for a capacity.
func (b *DayBudgets) Sort(c *Capacity) {
	at := map[pool]int32{}
	b.pool, b.pools = make([]int32, len(c.nodes)), nil
	for n := range c.nodes {
		k := pool{site: b.Site[n], kind: int32(c.nodes[n].kind), name: c.specs[n].Place.Site}
		i, ok := at[k]
		if !ok {
			i = int32(len(b.pools))
			at[k] = i
			b.pools = append(b.pools, k)
		}
		b.pools[i].nodes++
		b.pool[n] = i
	}
}

// SiteRates is what a watt at a site comes to over time: with the overhead of
// each hour in energy, and with its intensity in carbon.
type SiteRates struct {
	Pieces []RatePiece // in order of time; what lies before the first counts as it
	energy []int64     // up to the beginning of each piece, millionths times µs
	carbon []int64     // likewise, mg for a kilowatt-hour of IT energy times ms
}

// RatePiece is a stretch of time in which a watt comes to the same.
type RatePiece struct {
	From     unit.Instant
	Overhead int64 // facility power over IT power, in millionths
	Carbon   int64 // mg of CO2e for a kilowatt-hour at the meter; 0 = nothing is known
}

// NewSiteRates returns the rates of pieces, of which there is at least one.
func NewSiteRates(pieces []RatePiece) *SiteRates {
	r := &SiteRates{Pieces: pieces, energy: make([]int64, len(pieces)), carbon: make([]int64, len(pieces))}
	for i := 1; i < len(pieces); i++ {
		e, g := r.within(i-1, pieces[i].From)
		r.energy[i], r.carbon[i] = r.energy[i-1]+e, r.carbon[i-1]+g
	}
	return r
}

// within returns what passes of a piece up to an instant.
func (r *SiteRates) within(i int, at unit.Instant) (energy, carbon int64) {
	p := &r.Pieces[i]
	span := at.Sub(p.From)
	return int64(span/time.Microsecond) * p.Overhead, int64(span/time.Millisecond) * p.itCarbon()
}

// itCarbon is the carbon of a kilowatt-hour of IT energy, in mg.
func (p *RatePiece) itCarbon() int64 { return (p.Overhead*p.Carbon + Million - 1) / Million }

func (r *SiteRates) at(t unit.Instant) (energy, carbon int64) {
	i, found := slices.BinarySearchFunc(r.Pieces, t, func(p RatePiece, t unit.Instant) int { return cmp.Compare(p.From, t) })
	if !found {
		i = max(i-1, 0)
	}
	e, g := r.within(i, t)
	return r.energy[i] + e, r.carbon[i] + g
}

// Over returns what a draw of milliwatts comes to from one instant to another,
// rounded up.
func (r *SiteRates) Over(milliwatts int64, from, to unit.Instant) Drawn {
	if from >= to || milliwatts <= 0 {
		return Drawn{}
	}
	e0, g0 := r.at(from)
	e1, g1 := r.at(to)
	return Drawn{unit.Millijoules(ceilMulDiv(milliwatts, e1-e0, 1e12)), unit.Micrograms(ceilMulDiv(milliwatts, g1-g0, 3_600_000_000))}
}

// TaskDraw is what a task draws by the model of its node, in milliwatts: Share of
// what the node draws anyway, and Adds of its own at full use, as if it were
// alone there.
type TaskDraw struct{ Share, Adds int64 }

// drawOf returns the draw of a task that holds so much of a node of a kind.
func (k *Kind) drawOf(cpu, memory int32, devices int, share int16, parted bool) TaskDraw {
	m := &k.Power
	of := func(held, all int64) int64 {
		if all <= 0 {
			return 0
		}
		return held * Million / all
	}
	milli := int64(devices) * int64(share)
	part := max(of(int64(cpu), int64(k.CPU)), of(int64(memory), int64(k.Memory)), of(milli, int64(k.Devices)*int64(unit.Whole)))
	idle := float64(m.Base+m.CPUWatts(0))*float64(min(part, Million))/Million + float64(m.DeviceIdle)*float64(milli)/float64(unit.Whole)
	adds := float64(m.CPUWatts(unit.MilliCPU(cpu)) - m.CPUWatts(0))
	if parted || share <= 0 {
		share = int16(unit.Whole)
	}
	adds += float64(devices) * float64(m.DeviceWatts(unit.Milli(share))-m.DeviceIdle)
	return TaskDraw{int64(math.Ceil(idle * 1000)), int64(math.Ceil(max(adds, 0) * 1000))}
}

// DrawOfTask returns what a running task draws by the model.
func (c *Capacity) DrawOfTask(a *Alloc) TaskDraw {
	return c.kinds[c.nodes[a.Node].kind].drawOf(a.CPU, a.Memory, bits.OnesCount16(a.Devices), a.Share, a.Profile != 0)
}

// drawOfShape returns what a task would draw on a node of a kind.
func (k *Kind) drawOfShape(s *Shape, memory int32) TaskDraw {
	return k.drawOf(s.CPU, memory, int(s.Count), s.Share, s.Profile != 0)
}

// AwakeDraw returns what a node draws awake with nothing on it.
func (c *Capacity) AwakeDraw(n int32) int64 {
	return milliwatts(&c.kinds[c.nodes[n].kind], &drawn{})
}

// IdleDraw returns what a node draws with nothing on it, as it is kept now.
func (c *Capacity) IdleDraw(n int32) int64 {
	if c.power != nil && c.power.nodes[n].state == Asleep {
		return c.power.p.Sleep.Draw
	}
	return c.AwakeDraw(n)
}

// charges returns what of a task's draw a budget counts; 0 where the task is none
// of its.
func (b *BudgetNow) charges(d TaskDraw, tenant int16, site int32) int64 {
	switch {
	case b.At >= 0 && b.At == site:
		return d.Adds // idling nodes are counted by themselves
	case b.At < 0 && b.Number == tenant:
		return d.Share + d.Adds
	}
	return 0
}

// goesOn returns until when running work is taken to draw: to its expected end,
// and where there is none, or it has passed, without end.
func goesOn(a *Alloc, now unit.Instant) unit.Instant {
	if a.End <= now && !a.Evicting {
		return unit.Never
	}
	return max(a.End, now)
}

// Tally adds to the budgets what the model says of running work and of nodes:
// from the end of the ledger up to now as spent, from then on as committed. Nodes
// that sleep are taken to be awake from now on: work may wake any of them, and they
// may not fall asleep again.
func (b *DayBudgets) Tally(c *Capacity, now unit.Instant) {
	for n := range c.onNode {
		site := b.Site[n]
		for _, id := range c.onNode[n] {
			a := &c.allocs[id]
			b.charge(&Charge{c.DrawOfTask(a), a.Tenant, site, a.Start, goesOn(a, now)}, now)
		}
	}
	idle, awake := make([]int64, len(b.Rates)), make([]int64, len(b.Rates))
	for n := range c.nodes {
		if site := b.Site[n]; b.OfSite[site] >= 0 {
			idle[site] += c.IdleDraw(int32(n))
			awake[site] += c.AwakeDraw(int32(n))
		}
	}
	for i := range b.List {
		if x := &b.List[i]; x.At >= 0 {
			x.count(b.Rates[x.At], idle[x.At], b.Until[x.At], now, now)
			x.count(b.Rates[x.At], awake[x.At], max(now, b.Until[x.At]), unit.Never, now)
		}
	}
}

// Charge is what a task draws at a site from one instant to another.
type Charge struct {
	Draw     TaskDraw
	Tenant   int16
	Site     int32 // number of the site
	From, To unit.Instant
}

// charge enters what a task draws, from the end of the ledger on.
func (b *DayBudgets) charge(c *Charge, now unit.Instant) {
	from := max(c.From, b.Until[c.Site])
	for _, i := range b.counting(c.Tenant, c.Site) {
		if i < 0 {
			continue
		}
		x := &b.List[i]
		if mw := x.charges(c.Draw, c.Tenant, c.Site); mw > 0 {
			x.count(b.Rates[c.Site], mw, from, c.To, now)
		}
	}
}

// counting returns the numbers of the budgets that count a task; -1 = none.
func (b *DayBudgets) counting(tenant int16, site int32) [2]int32 {
	out := [2]int32{b.OfSite[site], -1}
	if int(tenant) < len(b.OfTenant) {
		out[1] = b.OfTenant[tenant]
	}
	return out
}

// Gone enters what a task drew that has left, since the end of the ledger.
func (b *DayBudgets) Gone(c Charge, now unit.Instant) {
	c.To = min(c.To, now)
	b.charge(&c, now)
}

// count adds a draw to the days it falls in.
func (x *BudgetNow) count(r *SiteRates, mw int64, from, to, now unit.Instant) {
	for k := range x.Days {
		day := &x.Days[k]
		s, e := max(from, day.From), min(to, day.To)
		if s < min(e, now) {
			day.Spent.add(r.Over(mw, s, min(e, now)), 1)
		}
		if s = max(s, now); s < e {
			day.Committed.add(r.Over(mw, s, e), 1)
		}
	}
}

// Charged returns what a budget counts of a charge within its present day.
func (x *BudgetNow) Charged(r *SiteRates, c *Charge) Drawn {
	day := &x.Days[0]
	return r.Over(x.charges(c.Draw, c.Tenant, c.Site), max(c.From, day.From), min(c.To, day.To))
}

// Renewal returns when the day of a budget of a tenant ends that has too little left
// for a task of a job that started now, on whatever nodes; false when none has.
func (b *DayBudgets) Renewal(c *Capacity, s *job.Spec, tenant int16, now unit.Instant) (unit.Instant, bool) {
	d := Decider{Snapshot: &Snapshot{Capacity: c, Budgets: b}, now: now}
	d.beginBudgets()
	for g := range s.Groups {
		k := c.keyOf(&s.Groups[g].Request)
		shape, memory := k.shape(0), int32(s.Groups[g].Request.Memory)
		found, at := false, unit.Never
		for p := range b.pools {
			pool := &b.pools[p]
			kind := &c.kinds[pool.kind]
			if !kind.takes(&shape, memory) {
				continue
			}
			short, over := d.overBudget(kind.drawOfShape(&shape, memory), tenant, pool.site, d.endOn(s, kind.Model))
			if !over || short.NextDay {
				found = false
				at = unit.Never
				break
			}
			found, at = true, min(at, short.Renews)
		}
		if found {
			return at, true
		}
	}
	return 0, false
}
