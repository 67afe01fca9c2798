package control

import (
	"slices"

	"tianfu/meter"
	"tianfu/sched"
	"tianfu/unit"
)

func (s *State) foldEnergyRead(r *Record) {
	if s.ledger == nil {
		return
	}
	q := r.Reading
	if r.Node < 0 {
		if site := s.ledger.site(q.Site); site != nil {
			site.gauge.add(q, site.from)
		}
		return
	}
	nl := &s.ledger.nodes[r.Node]
	nl.gauge.add(q, s.ledger.sites[s.ledger.siteOf[r.Node]].from)
	for _, u := range q.Used {
		j := s.jobOf(u.Job)
		if j == nil || u.Task < 0 || int(u.Task) >= j.spec.Tasks() {
			continue
		}
		if t := j.task(u.Task); t.running && t.attempt == u.Attempt && s.cap.Alloc(t.alloc).Node == r.Node {
			h := &s.ledger.held[t.alloc]
			h.told, h.fresh = max(h.told, u.CPUMicros), true
		}
	}
}

// foldMetered books a page.
func (s *State) foldMetered(r *Record) {
	l, page := s.ledger, r.Page
	if l == nil {
		return
	}
	site := l.site(page.Site)
	if site == nil {
		panic("control: a page of a site that is not there")
	}
	for i := range page.Nodes {
		np := &page.Nodes[i]
		for k := range np.Parts {
			p := &np.Parts[k]
			site.lines[p.Line].Add(p)
			if j := s.jobOf(p.Job); p.Line == meter.TaskLine && j != nil {
				l.tenant(s.tenant(j.spec.Tenant)).Add(p)
			}
		}
		if np.Node < 0 {
			site.carry = np.Carry
			continue
		}
		nl := &l.nodes[np.Node]
		nl.gauge.pass(page, np, np.IT()-np.Late+unit.Millijoules(nl.carry.Owed-np.Carry.Owed))
		nl.carry = np.Carry
		s.passHolders(nl, np, page)
	}
	if s.budgets != nil {
		s.budgetPage(page)
	}
	site.gauge.pass(page, nil, 0)
	site.from = page.To
	s.meterNext()
}

// passHolders takes the CPU time that a page has metered from what is still to
// be, and forgets who left before its end.
func (s *State) passHolders(nl *nodeLedger, np *meter.NodePart, page *meter.Page) {
	for i := range np.Parts {
		p := &np.Parts[i]
		if p.Line != meter.TaskLine || p.CPUMicros <= 0 {
			continue
		}
		for g := range nl.gone {
			if h := &nl.gone[g]; h.Job == p.Job && h.Task == p.Task && h.Attempt == p.Attempt && h.Used >= 0 {
				h.Used = max(h.Used-p.CPUMicros, 0)
			}
		}
	}
	for _, id := range s.cap.On(np.Node) {
		h := &s.ledger.held[id]
		if h.fresh && h.since < page.To {
			h.closed, h.fresh = h.told, false
		}
		h.still = passStill(h.still, page.To)
	}
	nl.passStages(page.To)
	nl.gone = slices.DeleteFunc(nl.gone, func(h meter.Holder) bool { return h.To <= page.To })
	for i := range nl.gone {
		nl.gone[i].From = max(nl.gone[i].From, page.To)
		nl.gone[i].Still = passStill(nl.gone[i].Still, page.To)
	}
	if len(nl.gone) == 0 {
		nl.gone = nil
	}
}

// meterNext works out when the first interval is to be closed.
func (s *State) meterNext() {
	s.ledger.next = unit.Never
	for i := range s.ledger.sites {
		s.ledger.next = min(s.ledger.next, s.intervalEnd(&s.ledger.sites[i]).Add(s.cfg.Metering.Lag))
	}
}

// tenant returns the totals of a tenant.
func (l *ledger) tenant(n int16) *meter.Totals {
	for len(l.tenants) <= int(n) {
		l.tenants = append(l.tenants, meter.Totals{})
	}
	return &l.tenants[n]
}

// begin notes since when an allocation holds its node.
func (l *ledger) begin(id sched.AllocID, h holding) {
	for len(l.held) <= int(id) {
		l.held = append(l.held, holding{})
	}
	l.held[id] = h
}

// leave notes, as part of the fold, that an allocation leaves its node. Used is
// the CPU time of the attempt since its start; below 0 where nobody told.
func (s *State) leave(id sched.AllocID, at unit.Instant, used int64) {
	l := s.ledger
	a, h := s.cap.Alloc(id), &l.held[id]
	gone := meter.Holder{Job: a.Job, Task: a.Task, Attempt: a.Attempt, From: h.since, To: at,
		CPU: a.CPU, Memory: a.Memory, Devices: a.Devices, Share: a.Share, Used: meter.Unknown, Still: stillUntil(h.still, at)}
	if h.fresh {
		used = max(used, h.told)
	}
	if used >= 0 {
		gone.Used = max(used-h.closed, 0)
	}
	site := l.siteOf[a.Node]
	if at <= l.sites[site].from {
		return
	}
	gone.From = max(gone.From, l.sites[site].from)
	nl := &l.nodes[a.Node]
	nl.gone = append(nl.gone, gone)
}

// openIntervals begins the first intervals.
func (s *State) openIntervals(at unit.Instant) {
	for i := range s.ledger.sites {
		s.ledger.sites[i].from = at
	}
	s.meterNext()
}

// clone returns a copy that goes on alone.
func (l *ledger) clone() *ledger {
	if l == nil {
		return nil
	}
	out := *l
	out.attribute = meter.Attributor{}
	out.held, out.tenants = slices.Clone(l.held), slices.Clone(l.tenants)
	out.sites, out.nodes = slices.Clone(l.sites), slices.Clone(l.nodes)
	for i := range out.sites {
		out.sites[i].gauge.spans = slices.Clone(out.sites[i].gauge.spans)
	}
	for i := range out.nodes {
		n := &out.nodes[i]
		n.gone, n.gauge.spans = slices.Clone(n.gone), slices.Clone(n.gauge.spans) // stages and spans are never changed in place
	}
	return &out
}
