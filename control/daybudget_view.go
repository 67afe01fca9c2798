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
	if s.budgets == nil {
		return nil
	}
	looked := *s // with a workspace of its own: whoever looks changes nothing
	looked.budgets = s.budgets.clone()
	now := looked.dayBudgets()
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
