package control

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// A running centre takes over a changed configuration as one record. Jobs,
// attempts and allocations stay; everything that is numbered by the rank of a
// node or worked out from the fleet is built anew from the new configuration by
// the fold. Whoever adds a field of that kind to State carries it over in
// foldConfigured.

// Same tells whether two configurations say the same.
func (c *Config) Same(other *Config) bool {
	return bytes.Equal(appendConfig(nil, c), appendConfig(nil, other))
}

// Config returns what the centre is configured with now. The caller must not
// change it.
func (s *State) Config() *Config { return &s.cfg }

// configure takes over a changed configuration, or says what stands in its
// way. One that says the same is no change and leaves no record.
func (s *State) configure(in *Input) error {
	next := in.Config
	if next == nil || next.Fleet == nil || len(next.Fleet.Nodes) == 0 {
		return fault.New(fault.Invalid, "world", "has no nodes", "declare at least one")
	}
	if s.cfg.Same(next) {
		return nil
	}
	if err := s.CheckConfig(next); err != nil {
		return err
	}
	s.closeAll() // the ledger up to now is the old configuration's
	s.record(Record{Kind: Configured, Config: next})
	for n := range int32(s.cap.Nodes()) {
		now := s.cap.Node(n)
		for _, a := range s.cap.Running(n) {
			j := s.jobOf(a.Job)
			switch {
			case now.Health == fleet.Failed || lostDevice(now, a.Devices):
				if t := j.task(a.Task); t.running && t.attempt == a.Attempt {
					s.record(Record{Kind: Ended, Job: a.Job, Task: a.Task, Attempt: a.Attempt, Ending: NodeLost, Node: n})
					s.out.Orders = append(s.out.Orders, Order{Kind: Forget, Job: a.Job, Task: a.Task, Attempt: a.Attempt, Node: n})
					s.afterEnd(a.Job, j, NodeLost)
				}
			case now.Drain:
				s.evict(a.Job, a.Task, j.task(a.Task), CauseDrain)
			}
		}
	}
	s.keepElsewhere()
	return nil
}

// lostDevice tells whether one of the devices has failed.
func lostDevice(n *fleet.Node, devices uint16) bool {
	for i := range n.Devices {
		if devices>>i&1 != 0 && n.Devices[i].Health == fleet.Failed {
			return true
		}
	}
	return false
}

// CheckConfig says whether the centre can take over a configuration as it
// stands now. Nothing is lost by it: a node that runs work keeps what the work
// holds, and a queue stays while jobs of it are open.
func (s *State) CheckConfig(next *Config) error {
	if _, err := Open(*next); err != nil {
		return fault.Wrap(err, "world", "reload")
	}
	declared := map[fleet.NodeID]*fleet.Node{}
	for i := range next.Fleet.Nodes {
		declared[next.Fleet.Nodes[i].ID] = &next.Fleet.Nodes[i]
	}
	for n := range int32(s.cap.Nodes()) {
		running := s.cap.Running(n)
		if len(running) == 0 {
			continue
		}
		old := s.cap.Node(n)
		now := declared[old.ID]
		if now == nil {
			return s.busy(old.ID, running, "would be removed")
		}
		if what := s.misfit(old, now, next.Fleet, running); what != "" {
			return s.busy(old.ID, running, what)
		}
	}
	if err := s.checkPower(next); err != nil {
		return err
	}
	if err := s.checkBookings(next); err != nil {
		return err
	}
	return s.checkQueues(next)
}

// busy refuses a change of a node that runs work.
func (s *State) busy(id fleet.NodeID, running []sched.Alloc, what string) error {
	var names []string
	for i := range running {
		if name := running[i].Job.String(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	more := ""
	if len(names) > 5 {
		more = fmt.Sprintf(" and %d more", len(names)-5)
		names = names[:5]
	}
	return fault.New(fault.Conflict, "node "+string(id), fmt.Sprintf("%s, and still runs %s%s", what, strings.Join(names, " "), more),
		"drain it first: tianfu node drain "+string(id)+"; when it is empty, reload again. Nothing was changed")
}

// misfit says what of a node's change its work does not bear; empty for none.
func (s *State) misfit(old, now *fleet.Node, f *fleet.Fleet, running []sched.Alloc) string {
	var cpu, memory int64
	devices := false
	for i := range running {
		cpu += int64(running[i].CPU)
		memory += int64(running[i].Memory)
		devices = devices || running[i].Devices != 0
	}
	switch {
	case cpu > int64(now.CPU):
		return fmt.Sprintf("would have %s CPUs where %d.%03d are held", now.CPU, cpu/1000, cpu%1000)
	case memory > int64(now.Memory):
		return fmt.Sprintf("would have %s of memory where %d MiB are held", now.Memory, memory)
	case devices && (old.Model != now.Model || len(old.Devices) != len(now.Devices)):
		return fmt.Sprintf("would have %d accelerators %s instead of %d %s", len(now.Devices), now.Model, len(old.Devices), old.Model)
	case devices && !reflect.DeepEqual(s.cfg.Fleet.Traits[old.Model], f.Traits[old.Model]):
		return "would have accelerators " + string(old.Model) + " of other figures"
	}
	return ""
}

// checkQueues refuses to take a queue away from under its jobs.
func (s *State) checkQueues(next *Config) error {
	q := next.Queueing
	if q == nil || len(q.Queues) == 0 {
		return nil
	}
	for i := range s.jobs.len() {
		j := s.jobs.at(i)
		if j.phase > Running && j.running == 0 || s.cfg.Queueing == nil || s.cfg.Queueing.Find(j.spec.Queue) < 0 {
			continue
		}
		if q.Find(j.spec.Queue) < 0 {
			return fault.New(fault.Conflict, "queue "+string(j.spec.Queue), "would be removed, and "+job.ID(i+1).String()+" is in it",
				"let its jobs end, or cancel them, then reload again. Nothing was changed")
		}
	}
	return nil
}

// foldConfigured builds the centre anew around what it was doing.
func (s *State) foldConfigured(r *Record) {
	fresh, err := Open(*r.Config)
	if err != nil {
		panic("control: a configuration that was checked cannot be opened: " + err.Error())
	}
	old := *s
	s.cfg, s.cap, s.index, s.nodes, s.waiting, s.quotas = fresh.cfg, fresh.cap, fresh.index, fresh.nodes, fresh.waiting, fresh.quotas
	s.decider, s.verifier = sched.Decider{}, sched.Verifier{}
	for i := range s.tenants {
		s.tenants[i].Pass(r.At, old.cfg.halfLife())
	}
	s.quotas.Carry(old.quotas, r.At, old.cfg.halfLife())
	s.held, s.others = nil, nil // they name nodes by rank; the next cycle holds anew
	s.carryNodes(&old)
	s.windows = s.windows[:0:0]
	for _, w := range fresh.windows {
		if node := s.cap.Node(w.node); slices.ContainsFunc(node.Maintenance, func(m fleet.Window) bool {
			return m.To > r.At && (m.From == w.at && w.opens || m.To == w.at && !w.opens)
		}) {
			s.windows = append(s.windows, w)
		}
	}
	s.booked = s.liveBookings(r.At)
	s.rebook(r.At)
	for i, name := range s.names {
		s.tenants[i].Weight = s.cfg.weightOf(name)
	}
	for i := range s.jobs.len() {
		j := s.jobs.at(i)
		for g := range j.spec.Groups {
			s.index.Observe(&j.spec.Groups[g].Request, j.spec.Groups[g].Count)
		}
		if j.queued {
			s.enqueue(job.ID(i+1), j, s.pendingOf(j))
		}
	}
	s.ledger = newLedger(s)
	s.carryLedger(&old, r.At)
	s.carryPower(&old)
	s.carryBudgets(&old, r.At)
	s.takeAllocations(&old, r.At)
	s.noteStages(r.At)
}

// carryLedger keeps what the ledger knows of sites and nodes. The intervals
// were closed just before; a site that has no node any more keeps its sums.
func (s *State) carryLedger(old *State, at unit.Instant) {
	l := s.ledger
	if l == nil {
		return
	}
	s.openIntervals(at)
	if old.ledger == nil {
		return
	}
	l.tenants = slices.Clone(old.ledger.tenants)
	for i := range old.ledger.sites {
		was := old.ledger.sites[i]
		site := l.site(was.name)
		if site == nil {
			l.sites = append(l.sites, siteLedger{name: was.name, zone: s.cfg.Metering.zoneOf(was.name)})
			site = &l.sites[len(l.sites)-1]
		}
		was.nodes, was.zone, was.dayFrom, was.day = site.nodes, site.zone, 0, 0
		*site = was
	}
	for n := range int32(s.cap.Nodes()) {
		if from, was := old.nodes[s.cap.Node(n).ID]; was {
			l.nodes[n] = old.ledger.nodes[from]
		}
	}
	s.meterNext()
}

// carryNodes keeps what reports and operators said of nodes since the old
// configuration was declared, unless the new one declares another state.
func (s *State) carryNodes(old *State) {
	declared := make([]*fleet.Node, old.cap.Nodes())
	for i := range old.cfg.Fleet.Nodes {
		n := &old.cfg.Fleet.Nodes[i]
		declared[old.nodes[n.ID]] = n
	}
	for i := range s.cfg.Fleet.Nodes {
		now := &s.cfg.Fleet.Nodes[i]
		from, was := old.nodes[now.ID]
		if !was {
			continue
		}
		n, before, seen := s.nodes[now.ID], declared[from], old.cap.Node(from)
		if before.Health == now.Health && before.Cordoned == now.Cordoned && before.Drain == now.Drain {
			s.cap.SetHealth(n, -1, seen.Health, seen.Cordoned, seen.Drain)
		}
		if seen.ShortOfDisk {
			s.cap.SetShortOfDisk(n, true)
		}
		if slices.Equal(before.Devices, now.Devices) && before.Model == now.Model {
			for d := range seen.Devices {
				s.cap.SetHealth(n, d, seen.Devices[d].Health, seen.Devices[d].Cordoned, false)
			}
		}
	}
}

// Stranded lists pending jobs, up to a number, that no node could run any more
// even when idle; they wait until the fleet has one that can.
func (s *State) Stranded(most int) []job.ID {
	var out []job.ID
	for i := range s.jobs.len() {
		if j := s.jobs.at(i); j.queued && len(out) < most && (s.cap.Possible(j.spec, s.quotas, s.quotas.Number(j.spec.Queue)) != nil || s.cap.PossibleBudget(j.spec, s.cfg.DayBudgets) != nil) {
			out = append(out, job.ID(i+1))
		}
	}
	return out
}

// Changes says in words what a configuration changes, for people and the audit
// log.
func (c *Config) Changes(next *Config) []string {
	var out []string
	say := func(format string, a ...any) { out = append(out, fmt.Sprintf(format, a...)) }
	old := map[fleet.NodeID]*fleet.Node{}
	for i := range c.Fleet.Nodes {
		old[c.Fleet.Nodes[i].ID] = &c.Fleet.Nodes[i]
	}
	for i := range next.Fleet.Nodes {
		n := &next.Fleet.Nodes[i]
		before := old[n.ID]
		delete(old, n.ID)
		if before == nil {
			say("node %s is added", n.ID)
			continue
		}
		for _, f := range nodeFields(before, n) {
			say("node %s: %s", n.ID, f)
		}
	}
	for i := range c.Fleet.Nodes {
		if id := c.Fleet.Nodes[i].ID; old[id] != nil {
			say("node %s is removed", id)
		}
	}
	out = append(out, queueChanges(c.Queueing, next.Queueing)...)
	if !bytes.Equal(appendDayBudgets(nil, c.DayBudgets), appendDayBudgets(nil, next.DayBudgets)) {
		out = append(out, "budgets of energy or carbon are changed")
	}
	if !bytes.Equal(appendPortions(appendBookings(nil, c.Bookings), c.Bookings), appendPortions(appendBookings(nil, next.Bookings), next.Bookings)) {
		out = append(out, "reservations are changed")
	}
	out = append(out, powerChanges(c.Tree, next.Tree)...)
	if c.Deferring != next.Deferring {
		say("allowances of deferral are changed")
	}
	if c.Policy != next.Policy {
		say("policy: %s becomes %s", c.Policy, next.Policy)
	}
	if c.Metering.Every != next.Metering.Every {
		say("intervals of the ledger: %v become %v", c.Metering.Every, next.Metering.Every)
	}
	if len(out) == 0 && !c.Same(next) {
		say("figures of hardware, places, limits or rules changed")
	}
	return out
}

// nodeFields lists what of a node changed.
func nodeFields(a, b *fleet.Node) []string {
	var out []string
	changed := func(what string, from, to any) {
		if !reflect.DeepEqual(from, to) {
			out = append(out, fmt.Sprintf("%s %v becomes %v", what, from, to))
		}
	}
	changed("CPU", a.CPU.String(), b.CPU.String())
	changed("memory", a.Memory.String(), b.Memory.String())
	changed("accelerators", fmt.Sprintf("%d %s", len(a.Devices), a.Model), fmt.Sprintf("%d %s", len(b.Devices), b.Model))
	changed("bound of tasks", a.Tasks, b.Tasks)
	changed("place", a.Place, b.Place)
	changed("segment", a.Segment, b.Segment)
	changed("health", a.Health.String(), b.Health.String())
	changed("cordoned", a.Cordoned, b.Cordoned)
	changed("drain", a.Drain, b.Drain)
	if !slices.Equal(a.Maintenance, b.Maintenance) {
		out = append(out, fmt.Sprintf("%d maintenance windows become %d", len(a.Maintenance), len(b.Maintenance)))
	}
	if len(a.Devices) == len(b.Devices) && !slices.Equal(a.Devices, b.Devices) {
		out = append(out, "state of its accelerators")
	}
	return out
}

func queueChanges(a, b *job.Queueing) []string {
	if a == nil {
		a = &job.Queueing{}
	}
	if b == nil {
		b = &job.Queueing{}
	}
	var out []string
	for i := range b.Queues {
		switch k := a.Find(b.Queues[i].Name); {
		case k < 0:
			out = append(out, "queue "+string(b.Queues[i].Name)+" is added")
		case !reflect.DeepEqual(a.Queues[k], b.Queues[i]):
			out = append(out, "queue "+string(b.Queues[i].Name)+" is changed")
		}
	}
	for i := range a.Queues {
		if b.Find(a.Queues[i].Name) < 0 {
			out = append(out, "queue "+string(a.Queues[i].Name)+" is removed")
		}
	}
	if !reflect.DeepEqual(a.Tenants, b.Tenants) {
		out = append(out, "tenants are changed")
	}
	if a.HalfLife != b.HalfLife {
		out = append(out, fmt.Sprintf("half-life of fair share: %v becomes %v", a.HalfLife, b.HalfLife))
	}
	return out
}

// powerChanges says what of the power tree changed. An area that says nothing of
// its own is no change: nodes that come or go are told as nodes.
func powerChanges(a, b *sched.Power) []string {
	if a == nil {
		a = &sched.Power{Protect: sched.NoProtect}
	}
	if b == nil {
		b = &sched.Power{Protect: sched.NoProtect}
	}
	var out []string
	if !reflect.DeepEqual(ownAreas(a), ownAreas(b)) {
		out = append(out, "limits of power, overhead or batteries are changed")
	}
	if !slices.Equal(a.Caps, b.Caps) {
		out = append(out, "caps of the world file are changed")
	}
	if a.Protect != b.Protect || a.CapLatency != b.CapLatency || a.Grace != b.Grace || a.Sleep != b.Sleep {
		out = append(out, "rules for short power are changed")
	}
	return out
}

// ownAreas are the areas with a limit, an overhead or a battery, by path.
func ownAreas(p *sched.Power) map[string]sched.PowerArea {
	out := map[string]sched.PowerArea{}
	for _, area := range p.Areas {
		area.Parent = 0 // a rank, which other areas shift
		if area.Limit != 0 || area.Battery != (sched.Battery{}) || area.Level == "site" {
			out[area.Path] = area
		}
	}
	return out
}
