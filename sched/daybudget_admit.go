package sched

import (
	"slices"

	"tianfu/job"
	"tianfu/unit"
)

// This file is where a decision meets the budgets of a day: what a task would
// draw in this day and the next, and whether every budget that counts it has as
// much left, with what was spent and what runs will still draw.

// BudgetShort says which budget has too little left for a task, or for a gang.
// Amounts are millijoules, or micrograms where it is carbon that lacks.
type BudgetShort struct {
	Budget    int32 // number of the budget
	Carbon    bool
	NextDay   bool  // it is the next day's that would not do
	Need      int64 // what the task would draw in the day, at the least
	Spent     int64
	Committed int64 // what runs, and what goes before it, will still draw
	Limit     int64
	Renews    unit.Instant // when the next day begins
}

// Never tells whether the budget of a whole day would not do.
func (b *BudgetShort) Never() bool { return b.Need > b.Limit }

// budgetCycle is what a cycle knows of budgets.
type budgetCycle struct {
	left  [][budgetDays]Drawn // of each budget
	kept  []bool              // of each budget: the next day is kept for a job
	log   []tookBudget
	shut  []bool // by pool, for the task being placed
	any   bool   // some pool is shut
	short BudgetShort
	// ration is set while a gang is placed where it takes least.
	ration *ration
}

// ration is the most that a task may take of a budget, in two days together.
type ration struct {
	budget int32
	carbon bool
	most   int64
}

// tookBudget is what a proposal took, so that it can be given back.
type tookBudget struct {
	placement, budget int32
	need              [budgetDays]Drawn
}

// beginBudgets works out what the budgets have left.
func (d *Decider) beginBudgets() {
	k, b := &d.budget, d.Budgets
	k.left, k.log, k.any = k.left[:0], k.log[:0], false
	if b == nil {
		return
	}
	k.kept = append(k.kept[:0], make([]bool, len(b.List))...)
	if len(k.shut) < len(b.pools) {
		k.shut = make([]bool, len(b.pools))
	}
	for i := range b.List {
		var left [budgetDays]Drawn
		for day := range left {
			y := &b.List[i].Days[day]
			left[day] = Drawn{b.List[i].Energy - y.Spent.Energy - y.Committed.Energy, b.List[i].Carbon - y.Spent.Carbon - y.Committed.Carbon}
		}
		k.left = append(k.left, left)
	}
}

// need returns what a draw of a budget comes to in its two days.
func (x *BudgetNow) need(r *SiteRates, mw int64, from, to unit.Instant) (out [budgetDays]Drawn) {
	for day := range out {
		out[day] = r.Over(mw, max(from, x.Days[day].From), min(to, x.Days[day].To))
	}
	return out
}

// takes tells whether a kind of node could run a task if it were empty.
func (k *Kind) takes(s *Shape, memory int32) bool {
	return k.CPU >= s.CPU && k.Memory >= memory && (s.Count == 0 || k.Devices >= uint8(s.Count) && s.Accept>>k.Model&1 != 0)
}

// budgeted notes on which nodes a task would be within every budget, and says
// why when there are none.
func (d *Decider) budgeted(t *task, spec *job.Spec, why *Reason) bool {
	k, b, c := &d.budget, d.Budgets, d.Capacity
	s := &c.shapes[t.ask.Shape]
	k.any = false
	open, refused, least := false, int32(0), int64(-1)
	for p := range b.pools {
		pool := &b.pools[p]
		k.shut[p] = false
		kind := &c.kinds[pool.kind]
		if !kind.takes(s, t.ask.Memory) || spec.Site != "" && pool.name != spec.Site {
			continue
		}
		draw := kind.drawOfShape(s, t.ask.Memory)
		short, over := d.overBudget(draw, t.tenant, pool.site, d.endOn(spec, kind.Model))
		if k.ration != nil && !over && d.takesOf(k.ration, draw, t.tenant, pool.site, d.endOn(spec, kind.Model)) > k.ration.most {
			over = true
		}
		if !over {
			open = true
			continue
		}
		k.shut[p], k.any = true, true
		refused += pool.nodes
		if least < 0 || draw.Share+draw.Adds < least {
			least, k.short = draw.Share+draw.Adds, short
		}
	}
	if open || !k.any {
		return true
	}
	*why = d.refusedByBudget(refused)
	return false
}

// takesOf returns what a draw takes of the budget of a ration.
func (d *Decider) takesOf(r *ration, draw TaskDraw, tenant int16, site int32, end unit.Instant) int64 {
	x := &d.Budgets.List[r.budget]
	need := x.need(d.Budgets.Rates[site], x.charges(draw, tenant, site), d.now, end)
	if r.carbon {
		return int64(need[0].Carbon + need[1].Carbon)
	}
	return int64(need[0].Energy + need[1].Energy)
}

// steps lists what a task may take of the budget of the ration, by where it runs,
// from the least up.
func (d *Decider) steps(t *task, spec *job.Spec) (out []int64) {
	for p := range d.Budgets.pools {
		pool := &d.Budgets.pools[p]
		kind := &d.Capacity.kinds[pool.kind]
		if s := &d.Capacity.shapes[t.ask.Shape]; kind.takes(s, t.ask.Memory) {
			out = append(out, d.takesOf(d.budget.ration, kind.drawOfShape(s, t.ask.Memory), t.tenant, pool.site, d.endOn(spec, kind.Model)))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (d *Decider) refusedByBudget(nodes int32) Reason {
	r := Reason{Dominant: OverBudget, Considered: int32(len(d.Capacity.nodes)), Over: d.budget.short}
	r.Excluded[OverBudget] = nodes
	return r
}

// overBudget returns the first budget that has too little left for a task of a
// draw, from now to an instant.
func (d *Decider) overBudget(draw TaskDraw, tenant int16, site int32, end unit.Instant) (BudgetShort, bool) {
	for _, i := range d.Budgets.counting(tenant, site) {
		if i < 0 {
			continue
		}
		x := &d.Budgets.List[i]
		mw := x.charges(draw, tenant, site)
		if mw == 0 {
			continue
		}
		if short, over := d.lacksBudget(int(i), x.need(d.Budgets.Rates[site], mw, d.now, end)); over {
			return short, true
		}
	}
	return BudgetShort{}, false
}

// lacksBudget tells what of a need a budget does not have.
func (d *Decider) lacksBudget(i int, need [budgetDays]Drawn) (BudgetShort, bool) {
	x := &d.Budgets.List[i]
	for day := range need {
		y, left := &x.Days[day], &d.budget.left[i][day]
		out := BudgetShort{Budget: int32(i), NextDay: day > 0, Renews: x.Days[0].To}
		switch {
		case x.Energy > 0 && need[day].Energy > 0 && need[day].Energy > left.Energy:
			out.Need, out.Spent, out.Limit = int64(need[day].Energy), int64(y.Spent.Energy), int64(x.Energy)
			out.Committed = out.Limit - out.Spent - int64(left.Energy)
			return out, true
		case x.Carbon > 0 && need[day].Carbon > 0 && need[day].Carbon > left.Carbon:
			out.Carbon = true
			out.Need, out.Spent, out.Limit = int64(need[day].Carbon), int64(y.Spent.Carbon), int64(x.Carbon)
			out.Committed = out.Limit - out.Spent - int64(left.Carbon)
			return out, true
		}
	}
	return BudgetShort{}, false
}

// shuts tells whether a budget keeps the task being placed from a node.
func (d *Decider) shuts(n int32) bool { return d.budget.any && d.budget.shut[d.Budgets.pool[n]] }

// takeBudget takes what a proposal will draw from what is left.
func (d *Decider) takeBudget(a *Alloc) {
	draw, site := d.Capacity.DrawOfTask(a), d.Budgets.Site[a.Node]
	for _, i := range d.Budgets.counting(a.Tenant, site) {
		if i < 0 {
			continue
		}
		x := &d.Budgets.List[i]
		mw := x.charges(draw, a.Tenant, site)
		if mw == 0 {
			continue
		}
		need := x.need(d.Budgets.Rates[site], mw, d.now, a.End)
		for day := range need {
			d.budget.left[i][day].add(need[day], -1)
		}
		d.budget.log = append(d.budget.log, tookBudget{int32(len(d.plan.Placements)), i, need})
	}
}

// giveBudget gives back what proposals from a number on took.
func (d *Decider) giveBudget(placements int) {
	log := d.budget.log
	for len(log) > 0 && int(log[len(log)-1].placement) >= placements {
		x := &log[len(log)-1]
		for day := range x.need {
			d.budget.left[x.budget][day].add(x.need[day], 1)
		}
		log = log[:len(log)-1]
	}
	d.budget.log = log
}

// gangBudgeted checks a gang as a whole: what its tasks draw at the least must be
// left of every budget.
func (d *Decider) gangBudgeted(e *entry, why *Reason) bool {
	b := d.Budgets
	for i := range b.List {
		if x := &b.List[i]; x.At < 0 && x.Number != d.tenant(e) {
			continue
		}
		need, nodes := d.leastNeed(e, i, d.now)
		if short, over := d.lacksBudget(i, need); over {
			d.budget.short = short
			*why = d.refusedByBudget(nodes)
			return false
		}
	}
	return true
}

// leastNeed sums up what the listed tasks take of a budget, each where it takes
// least, from an instant on; and counts the nodes that could run one of them.
func (d *Decider) leastNeed(e *entry, budget int, from unit.Instant) (sum [budgetDays]Drawn, nodes int32) {
	b, c := d.Budgets, d.Capacity
	x := &b.List[budget]
	for at := 0; at < len(d.tasks); {
		t, alike := &d.tasks[at], 1
		for at+alike < len(d.tasks) && d.tasks[at+alike].ask == t.ask {
			alike++
		}
		s, found := &c.shapes[t.ask.Shape], false
		var least [budgetDays]Drawn
		for p := range b.pools {
			pool := &b.pools[p]
			kind := &c.kinds[pool.kind]
			if !kind.takes(s, t.ask.Memory) {
				continue
			}
			if at == 0 {
				nodes += pool.nodes
			}
			end := d.endOn(e.spec, kind.Model)
			if end != unit.Never {
				end = from.Add(end.Sub(d.now))
			}
			need := x.need(b.Rates[pool.site], x.charges(kind.drawOfShape(s, t.ask.Memory), t.tenant, pool.site)*int64(alike), from, end)
			if !found || need[0].Energy+need[1].Energy < least[0].Energy+least[1].Energy {
				least, found = need, true
			}
		}
		for day := range sum {
			sum[day].add(least[day], 1)
		}
		at += alike
	}
	return sum, nodes
}

// keepNextDay keeps of the next day's budget what the first job that waits for it
// will take then, so that work which starts late cannot use it up day after day.
func (d *Decider) keepNextDay(e *entry) {
	d.listTasks(e)
	if !e.spec.Gang {
		d.tasks = d.tasks[:min(len(d.tasks), 1)]
	}
	for i := range d.Budgets.List {
		x := &d.Budgets.List[i]
		if d.budget.kept[i] || x.At < 0 && x.Number != d.tenant(e) {
			continue
		}
		need, _ := d.leastNeed(e, i, x.Days[1].From)
		if need[1] == (Drawn{}) || x.Energy > 0 && need[1].Energy > x.Energy || x.Carbon > 0 && need[1].Carbon > x.Carbon {
			continue
		}
		d.budget.kept[i] = true
		d.budget.left[i][1].add(need[1], -1)
	}
}

// String renders the figures: "9.2kWh more where 95kWh are spent and 20kWh
// committed of 120kWh; the next day begins 2026-07-02T00:00:00Z".
func (b *BudgetShort) String() string {
	amount := func(v int64) string { return unit.Millijoules(v).KWh().String() }
	if b.Carbon {
		amount = func(v int64) string { return unit.Micrograms(v).String() }
	}
	day := ""
	if b.NextDay {
		day = " of the next day"
	}
	return amount(b.Need) + " more where " + amount(b.Spent) + " are spent and " + amount(b.Committed) + " committed of " + amount(b.Limit) + day +
		"; the next day begins " + b.Renews.String()
}

func (b *BudgetShort) code(x *Coder) {
	Int(x, &b.Budget)
	x.Bool(&b.Carbon)
	x.Bool(&b.NextDay)
	for _, v := range []*int64{&b.Need, &b.Spent, &b.Committed, &b.Limit} {
		Int(x, v)
	}
	Int(x, &b.Renews)
}
