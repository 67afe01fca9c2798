package control

import (
	"math"
	"slices"
	"time"

	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// Bounds of what is planned at once.
const (
	// maxRigid is how much of the line that wishes for nothing is looked at: what
	// stands further back starts too late to matter.
	maxRigid = 1000
	maxPools = 64 // sites, and models, that a plan tells apart
)

// PlanShifts plans when the jobs that may wait run, on the state as it stands
// between two steps: it reads the state and changes nothing. Drivers call it on
// a snapshot, live ones beside the loop, and hand what it returns back as one
// Planned input. Plans that stand are kept, but for those that why has touched,
// and only the other jobs find a place around them, unless one of them would be
// late; why may also ask for everything to be planned again. Nothing to say is
// nil.
func (s *State) PlanShifts(p *sched.SlotPlanner, policy string, why *Replan) []sched.Deferral {
	b := s.shiftProblem(policy, why)
	if b == nil {
		return nil
	}
	r := p.Plan(&b.problem)
	if !why.Anew && b.newlyLate(p, &r) {
		why.Anew = true
		b = s.shiftProblem(policy, why)
		r = p.Plan(&b.problem)
	}
	if why.Anew {
		p.Late = p.Late[:0]
		for _, i := range r.Late {
			p.Late = append(p.Late, b.problem.Jobs[i].ID)
		}
		slices.Sort(p.Late)
	}
	return b.deferrals(&r)
}

// newlyLate tells whether a job would be late that was not when everything was
// last planned: one that no plan can help must not have all planned again with
// every job that comes.
func (b *shiftBuilder) newlyLate(p *sched.SlotPlanner, r *sched.SlotResult) bool {
	return slices.ContainsFunc(r.Late, func(i int) bool {
		_, known := slices.BinarySearch(p.Late, b.problem.Jobs[i].ID)
		return !known
	})
}

// PlanShifts plans on a frozen state, for a driver that goes on meanwhile. The
// last step may be long ago: what was frozen is moved on to now, so that nothing
// is planned into the past.
func (f *Frozen) PlanShifts(now unit.Instant, p *sched.SlotPlanner, policy string, why *Replan) []sched.Deferral {
	f.s.now = max(f.s.now, now)
	return f.s.PlanShifts(p, policy, why)
}

// Unheld is the plan by which nobody waits for a better hour: every plan that
// stands is withdrawn, so that work starts as soon as the line lets it and what
// runs goes on.
func (f *Frozen) Unheld(now unit.Instant) (out []sched.Deferral) {
	f.s.now = max(f.s.now, now)
	f.s.jobs.living(func(id job.ID, j *jobState) {
		if j.shift == nil || !j.shift.planned && j.shift.latest == 0 || j.running > 0 && len(j.shift.plan.Runs) < 2 {
			return
		}
		if _, may := f.s.promise(j); may {
			out = append(out, sched.Deferral{Job: id})
		}
	})
	return out
}

// LastDue returns the last instant at which work that can be planned should have
// ended; 0 = there is none.
func (f *Frozen) LastDue() (last unit.Instant) {
	f.s.jobs.living(func(_ job.ID, j *jobState) {
		if j.shift != nil && j.phase <= Running && j.shift.due != unit.Never {
			last = max(last, j.shift.due)
		}
	})
	return last
}

// HasWishes tells whether any job that has not ended has a wish: only then is
// there anything to plan.
func (s *State) HasWishes() bool {
	found := false
	s.jobs.living(func(_ job.ID, j *jobState) {
		found = found || j.shift != nil && j.spec.Wish != job.NoWish && j.phase <= Running
	})
	return found
}

// shiftBuilder turns a state into a planning problem and a plan into deferrals.
type shiftBuilder struct {
	s       *State
	problem sched.SlotProblem
	names   []string // sites
	model   map[fleet.Model]int
	nodes   *sched.SiteNodes
	outlook *powerOutlook
	budgets *sched.DayBudgets // nil = none is declared
}

func (s *State) shiftProblem(policy string, why *Replan) *shiftBuilder {
	b := &shiftBuilder{s: s, names: s.sites(), model: map[fleet.Model]int{}, outlook: s.powerOutlook(), budgets: s.lookBudgets()}
	if len(b.names) > maxPools || len(s.hours) == 0 {
		return nil
	}
	p := &b.problem
	p.Policy = policy
	p.Origin = s.now - s.now%unit.Instant(sched.SlotLength)
	p.Passed = s.now.Sub(p.Origin)
	planned := map[job.ID]bool{} // and whether it runs
	fresh, rigid, last := 0, 0, unit.Instant(0)
	s.jobs.living(func(id job.ID, j *jobState) {
		if j.phase > Running {
			return
		}
		v, may := s.promise(j)
		wishes := may && j.spec.Wish != job.NoWish && v.Due != unit.Never
		if wishes && v.Running && (!why.Anew && j.shift.planned || s.spread(j)) {
			return // it goes on by its plan, and is counted among what runs and what stands
		}
		switch {
		case wishes:
			last = max(last, v.Due)
		case j.phase == Pending && j.queued && j.left() > 0 && rigid < maxRigid:
			rigid++
		default:
			return
		}
		out := sched.SlotJob{ID: id, Load: wholeShares(j.spec), Run: j.left(), StartBy: -1, Wish: j.spec.Wish, CarbonPrice: int64(j.spec.CarbonPrice),
			Pausable: j.spec.Pausable, Rigid: !wishes, Due: sched.MaxSlots}
		if wishes {
			out.Run, out.Due, out.Running = v.Left, b.due(&v), v.Running
			if v.StartBy != 0 {
				out.StartBy = b.slot(v.StartBy)
			}
			out.Front = why.Front[id]
			planned[id] = v.Running
			out.NotBefore = b.notBefore(j, &out)
			if !j.shift.planned {
				fresh++
			}
		}
		p.Jobs = append(p.Jobs, out)
	})
	if len(planned) == 0 || fresh == 0 && !why.Anew && len(why.hours) == 0 {
		return nil
	}
	p.Slots = min(max(b.slot(last)+1, 24*int(time.Hour/sched.SlotLength)), sched.MaxSlots)
	b.room(planned)
	b.nodes = sched.NewSiteNodes(s.cap, len(b.names), func(site string) int { k, _ := slices.BinarySearch(b.names, site); return k })
	for i := range p.Jobs {
		b.place(&p.Jobs[i], why.Anew)
	}
	if !why.Anew {
		why.touch(b)
	}
	return b
}

// spread tells whether a running job holds accelerators of several models, or
// nodes of several sites: then no one pool can be said to take it back.
func (s *State) spread(j *jobState) bool {
	place := func(i int32) (string, fleet.Model) {
		n := s.cap.Node(s.cap.Alloc(j.task(i).alloc).Node)
		return n.Place.Site, n.Model
	}
	site, model := place(0)
	for i := int32(1); i < int32(j.spec.Tasks()); i++ {
		if at, m := place(i); at != site || m != model {
			return true
		}
	}
	return false
}

// wholeShares is what a job takes where shares of accelerators cannot be summed
// up: two of 650 thousandths do not fit on one, so each takes one whole.
func wholeShares(spec *job.Spec) sched.Load {
	l := sched.LoadOf(spec)
	l.Milli = 0
	for i := range spec.Groups {
		r := &spec.Groups[i].Request
		if r.Accelerators > 0 && r.Share > 0 {
			l.Milli += int64(spec.Groups[i].Count) * int64(r.Accelerators) * int64(unit.Whole/(unit.Whole/r.Share))
		}
	}
	return l
}

// slot returns the slot that an instant lies in.
func (b *shiftBuilder) slot(at unit.Instant) int {
	return int(max(at-b.problem.Origin, 0) / unit.Instant(sched.SlotLength))
}

// due returns the slot by which a job is planned to have ended: a margin before
// its deadline, where it can still end by then, for to start and to end takes time
// that no plan counts.
func (b *shiftBuilder) due(v *sched.Promise) int {
	if early := b.slot(v.Due.Add(-safeMargin)); b.problem.Origin.Add(time.Duration(early)*sched.SlotLength).Sub(b.s.now) >= v.Left {
		return early
	}
	return b.slot(v.Due)
}

// room fills what every site has left: its open nodes, less what runs and what
// plans that stand will use, but for the jobs of the problem.
func (b *shiftBuilder) room(planned map[job.ID]bool) {
	p, s := &b.problem, b.s
	for _, name := range b.names {
		site := sched.SlotSite{Name: name, CPU: make([]int64, p.Slots), Memory: make([]int64, p.Slots)}
		p.SlotCosts(&site, s.SiteHours(name))
		p.Sites = append(p.Sites, site)
	}
	p.LevelSites()
	tasks, bounded := make([]int64, len(b.names)), false
	for n := range int32(s.cap.Nodes()) {
		node := s.cap.Node(n)
		k, _ := slices.BinarySearch(b.names, node.Place.Site)
		m := b.modelOf(node.Model)
		if node.Health != fleet.Healthy || node.Cordoned || node.Drain {
			continue
		}
		site := &p.Sites[k]
		bounded = bounded || node.Tasks > 0
		tasks[k] += int64(s.cap.Kind(n).Tasks)
		site.CPU[0] += int64(node.CPU)
		site.Memory[0] += int64(node.Memory)
		for i := range node.Devices {
			if m >= 0 && node.Devices[i].Health == fleet.Healthy && !node.Devices[i].Cordoned {
				site.Milli[m][0] += int64(unit.Whole)
			}
		}
	}
	for k := range p.Sites {
		site := &p.Sites[k]
		if bounded { // one that has no bound takes more than fit
			site.Tasks = slices.Repeat(tasks[k:k+1], p.Slots)
		}
		for _, list := range append([][]int64{site.CPU, site.Memory}, site.Milli...) {
			for t := 1; t < len(list); t++ {
				list[t] = list[0]
			}
		}
	}
	uses := s.standing(s.running(planned), planned)
	for i := range uses {
		b.use(&uses[i])
	}
	if s.cfg.Tree != nil {
		b.power(uses)
	}
}

// modelOf numbers the models; -1 is none, or one too many.
func (b *shiftBuilder) modelOf(m fleet.Model) int {
	if m == "" {
		return -1
	}
	k, ok := b.model[m]
	if !ok {
		if len(b.model) == maxPools {
			return -1
		}
		k = len(b.model)
		b.model[m] = k
		b.problem.Models = append(b.problem.Models, m)
		for i := range b.problem.Sites {
			b.problem.Sites[i].Milli = append(b.problem.Sites[i].Milli, make([]int64, b.problem.Slots))
		}
	}
	return k
}

// use takes what runs out of the room. A slot that it is in for a part is taken
// whole.
func (b *shiftBuilder) use(o *sched.Occupation) {
	k, _ := slices.BinarySearch(b.names, o.Site)
	site := &b.problem.Sites[k]
	from, to := b.slots(o)
	m := b.modelOf(o.Model)
	for t := from; t < to; t++ {
		site.CPU[t] -= o.CPU
		site.Memory[t] -= o.Memory
		if len(site.Tasks) > 0 {
			site.Tasks[t] -= o.Tasks
		}
		if m >= 0 {
			site.Milli[m][t] -= o.Milli
		}
	}
}

func (b *shiftBuilder) slots(o *sched.Occupation) (from, to int) {
	if o.To == unit.Never {
		return b.slot(o.From), b.problem.Slots
	}
	return b.slot(o.From), min(b.slot(o.To-1)+1, b.problem.Slots)
}

// place fills where a job may run, and the plan that it keeps.
func (b *shiftBuilder) place(out *sched.SlotJob, anew bool) {
	j := b.s.jobOf(out.ID)
	for m, name := range b.problem.Models {
		if out.Load.Milli > 0 && b.accepts(j.spec, name) {
			out.Models |= 1 << m
		}
	}
	if out.Load.Milli == 0 || out.Models != 0 {
		out.Sites = 1<<len(b.names) - 1
		if len(b.names) == 64 {
			out.Sites = math.MaxUint64
		}
	}
	if !out.Running {
		out.Holding = b.nodes.Holding(j.spec, b.problem.Models)
	} else {
		a := b.s.cap.Alloc(j.task(0).alloc)
		node := b.s.cap.Node(a.Node)
		k, _ := slices.BinarySearch(b.names, node.Place.Site)
		out.Sites = 1 << k
		if m := b.modelOf(node.Model); out.Load.Milli > 0 && m >= 0 {
			out.Models = 1 << m
		}
	}
	for _, name := range b.names {
		if out.Models == 0 {
			out.Power = max(out.Power, b.outlook.adds(&out.Load, int64(j.spec.Tasks()), name, ""))
		}
		for m, model := range b.problem.Models {
			if out.Models>>m&1 != 0 {
				out.Power = max(out.Power, b.outlook.adds(&out.Load, int64(j.spec.Tasks()), name, model))
			}
		}
	}
	if !anew && !out.Rigid && !out.Running && j.shift.planned && !j.queued {
		out.Kept = b.kept(&j.shift.plan)
	}
}

func (b *shiftBuilder) accepts(spec *job.Spec, m fleet.Model) bool {
	for g := range spec.Groups {
		if r := &spec.Groups[g].Request; r.Accelerators > 0 && !b.s.cap.Accepts(r, m) {
			return false
		}
	}
	return true
}

// kept turns a plan that stands into slots.
func (b *shiftBuilder) kept(d *sched.Deferral) *sched.SlotChoice {
	k, ok := slices.BinarySearch(b.names, d.Site)
	if !ok {
		return nil
	}
	c := &sched.SlotChoice{Site: k, Model: b.modelOf(d.Model)}
	for _, r := range d.Runs {
		span := sched.SlotSpan{From: b.slot(r.From), To: min(b.slot(r.To-1)+1, b.problem.Slots)}
		if r.To > b.s.now && span.From < span.To {
			c.Spans = append(c.Spans, span)
		}
	}
	if len(c.Spans) == 0 {
		return nil
	}
	return c
}

// deferrals turns a plan into what the core is told: of every job whose plan is
// new. What would be late all the same is not held back.
func (b *shiftBuilder) deferrals(r *sched.SlotResult) []sched.Deferral {
	p := &b.problem
	var out []sched.Deferral
	for i := range p.Jobs {
		j, c := &p.Jobs[i], &r.Choices[i]
		if j.Rigid || j.Kept != nil {
			continue
		}
		if len(c.Spans) == 0 {
			if b.s.jobOf(j.ID).shift.planned {
				out = append(out, sched.Deferral{Job: j.ID})
			}
			continue
		}
		d := sched.Deferral{Job: j.ID, Site: p.Sites[c.Site].Name, Saves: p.Saves(j, c)}
		if c.Model >= 0 {
			d.Model = p.Models[c.Model]
		}
		for _, s := range c.Spans {
			d.Runs = append(d.Runs, p.Span(s))
		}
		if old := &b.s.jobOf(j.ID).shift.plan; old.Site == d.Site && old.Model == d.Model && slices.Equal(old.Runs, d.Runs) {
			continue // it stands
		}
		if j.Running && len(d.Runs) == 1 && len(b.s.jobOf(j.ID).shift.plan.Runs) <= 1 {
			continue // it runs on, as it would without a plan
		}
		out = append(out, d)
	}
	return out
}
