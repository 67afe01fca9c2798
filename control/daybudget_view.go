package control

import (
	"slices"

	"tianfu/sched"
	"tianfu/unit"
)

// DayBudget is a budget of a day as it stands.
type DayBudget struct {
	sched.DayBudget
	From, To  unit.Instant // the present day
	Spent     sched.Drawn  // in it
	Committed sched.Drawn  // what runs will still draw in it
	Next      sched.Drawn  // and in the next day
	// Waiting counts the jobs that the last cycle left waiting for it.
	Waiting int
	// Blind says that the intensity of the hours at one of its sites was never
	// known: there carbon is not counted.
	Blind bool
}

// DayBudgets returns the budgets of a day as they stand, in the order declared.
func (s *State) DayBudgets() []DayBudget {
	now := s.lookBudgets()
	if now == nil {
		return nil
	}
	waiting := s.waiting.OverBudget()
	out := make([]DayBudget, len(now.List))
	for i := range out {
		x := &now.List[i]
		day := &x.Days[0]
		out[i] = DayBudget{DayBudget: *x.DayBudget, From: day.From, To: day.To, Spent: day.Spent, Committed: day.Committed, Next: x.Days[1].Committed,
			Waiting: waiting[int32(i)]}
		for k, r := range now.Rates {
			if x.At < 0 || x.At == int32(k) {
				out[i].Blind = out[i].Blind || !slices.ContainsFunc(r.Pieces, func(p sched.RatePiece) bool { return p.Carbon > 0 })
			}
		}
	}
	return out
}

// DayBudgetNamed returns the budget that a reason speaks of; nil when it speaks
// of none.
func (s *State) DayBudgetNamed(r *sched.Reason) *sched.DayBudget {
	if r.Dominant != sched.OverBudget || int(r.Over.Budget) >= len(s.cfg.DayBudgets) {
		return nil
	}
	return &s.cfg.DayBudgets[r.Over.Budget]
}

// lookBudgets returns the budgets as they stand, in a workspace of its own: whoever
// looks changes nothing. Nil without budgets.
func (s *State) lookBudgets() *sched.DayBudgets {
	if s.budgets == nil {
		return nil
	}
	looked := *s
	looked.budgets = s.budgets.clone()
	return looked.dayBudgets()
}

// notBefore returns the first slot of a plan that a budget leaves to a job which has
// not started: where its tenant's has too little left for it today it is planned
// from the next day on, unless it would be late then. 0 = any.
func (b *shiftBuilder) notBefore(j *jobState, out *sched.SlotJob) int {
	if b.budgets == nil || out.Running {
		return 0
	}
	number, known := b.s.numbers[j.spec.Tenant]
	if !known {
		return 0
	}
	at, short := b.budgets.Renewal(b.s.cap, j.spec, number, b.s.now)
	if !short {
		return 0
	}
	slot := b.slot(at)
	if slot+int(out.Run/sched.SlotLength)+2 > out.Due || out.StartBy >= 0 && slot > out.StartBy {
		return 0
	}
	return slot
}
