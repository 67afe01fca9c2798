package control

import (
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// Replan is what happened since the last plan in time that a plan should heed. A
// driver shows it every record and plans when it is due.
type Replan struct {
	// Anew asks for everything to be planned again: room or power has changed, so
	// plans that stand may not fit any more.
	Anew bool
	// Due tells that there is something to plan.
	Due bool
	// Front tells of jobs that take the earliest room there is; of these the higher go
	// first.
	Front map[job.ID]int
	hours []hoursChanged
}

// hoursChanged is a time of which something new is known at a site.
type hoursChanged struct {
	site     string
	from, to unit.Instant
}

// maxHoursChanged bounds what is told apart; beyond it everything is planned
// again.
const maxHoursChanged = 64

// See takes a record into account.
func (x *Replan) See(r *Record) {
	switch r.Kind {
	case Submitted:
		x.Due = x.Due || r.Spec.Wish != job.NoWish
	case SiteHoursKnown:
		if len(r.Hours) == 0 {
			return
		}
		x.Due = true
		x.hours = append(x.hours, hoursChanged{r.Site, r.Hours[0].From, r.Hours[len(r.Hours)-1].To})
		x.Anew = x.Anew || len(x.hours) > maxHoursChanged
	case NodeChanged, Configured:
		x.Due, x.Anew = true, true
	case PowerTold:
		if r.CapEvent != nil {
			x.Due, x.Anew = true, true
		}
	}
}

// touch gives up plans that stand where the hours that changed may improve or
// spoil them.
func (x *Replan) touch(b *shiftBuilder) {
	for _, h := range x.hours {
		for k, name := range b.names {
			if h.to > b.s.now && (h.site == name || h.site == "") {
				b.problem.Touch(k, b.slot(h.from), b.slot(h.to-1)+1, sched.TouchMost)
			}
		}
	}
}
