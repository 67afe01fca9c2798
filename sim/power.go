package sim

import (
	"time"

	"tianfu/control"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// pace is how an attempt goes on a node whose power is held down: slower under a
// cap, not at all while it is suspended.
type pace struct {
	exit    exit
	left    time.Duration // at full speed
	since   unit.Instant
	speed   int64 // thousandths
	node    int32
	standby bool // suspended
}

// paces keeps the attempts that run, of a centre that limits power.
type paces struct {
	running map[attemptKey]*pace
	onNode  map[int32]map[attemptKey]bool
	turn    int32 // numbers the exits, so that one that was put off is known
	still   int   // attempts that are suspended
}

// begin notes an attempt and returns its exit.
func (p *paces) begin(s *control.State, e exit, run time.Duration, node int32) exit {
	if p.running == nil {
		p.running, p.onNode = map[attemptKey]*pace{}, map[int32]map[attemptKey]bool{}
	}
	k := attemptKey{e.id, e.task}
	p.end(k)
	x := &pace{exit: e, left: run, since: s.Now(), node: node, speed: int64(sched.SpeedAt(s.Capacity().NodePower(node).Level))}
	p.running[k] = x
	if p.onNode[node] == nil {
		p.onNode[node] = map[attemptKey]bool{}
	}
	p.onNode[node][k] = true
	return p.plan(x)
}

// plan returns the exit of an attempt at its present speed.
func (p *paces) plan(x *pace) exit {
	p.turn++
	x.exit.turn = p.turn
	x.exit.at = x.since.Add(time.Duration(float64(x.left) / float64(x.speed) * 1000))
	return x.exit
}

// change gives an attempt another speed from now on; 0 = it is suspended.
func (p *paces) change(x *pace, now unit.Instant, speed int64) (exit, bool) {
	x.left = max(x.left-time.Duration(float64(now.Sub(x.since))*float64(x.speed)/1000), 0)
	x.since, x.speed = now, speed
	if speed == 0 {
		p.turn++
		x.exit.turn = p.turn
		return exit{}, false
	}
	return p.plan(x), true
}

// stale tells whether an exit was put off since.
func (p *paces) stale(e *exit) bool {
	if e.turn == 0 {
		return false
	}
	x := p.running[attemptKey{e.id, e.task}]
	return x == nil || x.exit.turn != e.turn
}

func (p *paces) end(k attemptKey) {
	if x := p.running[k]; x != nil {
		if x.standby {
			p.still--
		}
		delete(p.onNode[x.node], k)
		delete(p.running, k)
	}
}

// obeyPower carries out an order about power.
func (h *hands) obeyPower(s *control.State, o *control.Order) {
	p, now := &h.paces, s.Now()
	switch o.Kind {
	case control.Suspend, control.Resume:
		x := p.running[attemptKey{o.Job, o.Task}]
		if x == nil || x.exit.attempt != o.Attempt || x.standby == (o.Kind == control.Suspend) {
			return
		}
		speed := int64(0)
		if x.standby = o.Kind == control.Suspend; x.standby {
			p.still++
		} else {
			p.still--
			speed = int64(sched.SpeedAt(s.Capacity().NodePower(x.node).Level))
		}
		if e, ok := p.change(x, now, speed); ok {
			h.exits.push(e)
		}
	case control.CapNode:
		for k := range p.onNode[o.Node] {
			if x := p.running[k]; !x.standby {
				if e, ok := p.change(x, now, int64(sched.SpeedAt(o.Level))); ok {
					h.exits.push(e) // the heap orders them; which was first does not show
				}
			}
		}
	}
}

// PowerOutcome is what a replay saw of power.
type PowerOutcome struct {
	Sheds     []Shedding
	Capped    int // nodes held to less, once for each time
	Suspended int // tasks
	Resumed   int
	Evicted   int
	// The same of protected work, which must be none, and how much of it ran when
	// the first shedding began.
	ProtectedShed, ProtectedRunning int
	ProtectedMilli                  int64 // accelerators it held then
	Limits                          []LimitChange
	// How long a site drew more than it may, beyond the time stated to comply:
	// while work that may be shed drew there, and while protected work alone did.
	Over, OverProtected time.Duration
	complyBy            unit.Instant
	sites               []int32
}

// Shedding is a shedding and when the area drew no more than it may, not before
// the instant it stated. Where protected work alone draws too much that is when
// enough of it has ended.
type Shedding struct {
	control.Shed
	Complied unit.Instant // 0 = not yet
}

// Comply returns the time from a shedding until it was complied with, as far as
// it has come.
func (x *Shedding) Comply(now unit.Instant) time.Duration {
	if x.Complied == 0 {
		return now.Sub(x.At)
	}
	return x.Complied.Sub(x.At)
}

// LimitChange is when what a site may draw changed.
type LimitChange struct {
	At         unit.Instant
	Area       int32
	Limit      int64 // in force
	DrawBefore int64 // facility power
}

// seePower keeps the record of a replay that limits power.
func (t *Timed) seePower(r *control.Record) {
	o, c := t.Shedding, t.state.Capacity()
	switch r.Kind {
	case control.PowerShed:
		if len(o.Sheds) == 0 {
			o.ProtectedRunning, o.ProtectedMilli = t.protected()
		}
		o.Sheds = append(o.Sheds, Shedding{Shed: *r.Shed})
		o.complyBy = max(o.complyBy, r.Shed.By)
	case control.NodePowered:
		if r.Share > 0 && r.Share < sched.Uncapped {
			o.Capped++
		}
		t.meterNode(r.Node)
	case control.TaskPaused:
		if r.Device < 0 {
			o.Resumed++
		} else {
			o.Suspended++
			t.shedWork(r.Job)
		}
		t.meterNode(r.Node)
	case control.Evicting:
		if r.Cause == control.CausePower {
			o.Evicted++
			t.shedWork(r.Job)
		}
	case control.BudgetSet:
		if a := c.Area(r.Budget.Area); a.Declared.Parent < 0 {
			o.Limits = append(o.Limits, LimitChange{r.At, r.Budget.Area, r.Budget.Limit, a.Draw / 1000 * (r.Budget.Overhead / 1000)})
		}
	}
}

func (t *Timed) shedWork(id job.ID) {
	if t.specOf(id).Priority >= t.p.Tree.Protect {
		t.Shedding.ProtectedShed++
	}
}

// protected counts the protected tasks that run and the accelerators they hold.
func (t *Timed) protected() (tasks int, milli int64) {
	c := t.state.Capacity()
	for n := range int32(c.Nodes()) {
		for _, a := range c.Running(n) {
			if a.Priority >= t.p.Tree.Protect {
				tasks++
				milli += int64(a.Milli())
			}
		}
	}
	return tasks, milli
}

// watched returns what a replay will see of a power tree.
func watched(p *sched.Power) *PowerOutcome {
	o := &PowerOutcome{}
	for i := range p.Areas {
		if p.Areas[i].Parent < 0 {
			o.sites = append(o.sites, int32(i))
		}
	}
	return o
}

// watchPower integrates how long a site drew more than it may, and notes what is
// complied with, until an instant. What stands now has stood since the last step.
func (t *Timed) watchPower(until unit.Instant) {
	c, o := t.state.Capacity(), t.Shedding
	for i := range o.Sheds {
		x := &o.Sheds[i]
		if x.Complied != 0 {
			continue
		}
		if a := c.Area(x.Area); a.Draw <= a.Bound {
			x.Complied = max(x.By, t.now)
		}
	}
	dt := until.Sub(max(t.now, o.complyBy))
	for _, i := range o.sites {
		a := c.Area(i)
		switch {
		case a.Draw <= a.Bound || dt <= 0:
		case len(c.JobsIn(i, t.p.Tree.Protect)) > 0:
			o.Over += dt
		default:
			o.OverProtected += dt
		}
	}
}
