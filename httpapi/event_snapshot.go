package httpapi

import (
	"context"
	"encoding/json"
	"fmt"

	"tianfu/control"
	"tianfu/fault"
	"tianfu/job"
)

// EventSnapshot is a part of what stands when a stream begins: jobs that have not
// ended, or those that were asked for, as the list of jobs shows them.
type EventSnapshot struct {
	Sequence uint64 `json:"sequence" doc:"Of the last event that is in it"`
	Jobs     []Job  `json:"jobs"`
	More     bool   `json:"more,omitempty" doc:"Another part follows"`
}

// snapshotPart is how many jobs a part of a snapshot holds.
const snapshotPart = 500

// writeStanding sends what stands, in parts by ID, each as it is when it is read:
// the loop is held up for one part only, and nothing is copied. Between parts
// come the changes of the jobs that were sent, so that what a client holds is true
// at every instant. None of it has an id before the last part: a stream that
// breaks off within begins anew.
func (e *eventStream) writeStanding(ctx context.Context) error {
	e.upto, e.after = 0, e.centre.LastEvent()
	for e.upto != whole {
		part, upto := EventSnapshot{Jobs: []Job{}}, e.upto
		if err := e.centre.View(ctx, func(st *control.State) {
			part.Sequence = e.centre.LastEvent()
			part.Jobs, upto = e.standing(st, part.Jobs)
		}); err != nil {
			return err
		}
		for e.after < part.Sequence {
			page := e.centre.Events(e.after)
			if page.Gap {
				return fault.New(fault.Exhausted, "events", "the client reads more slowly than things change", "")
			}
			n := min(uint64(len(page.Events)), part.Sequence-e.after)
			if err := e.writeEvents(page.Events[:n]); err != nil {
				return err
			}
			e.after += n
		}
		e.upto, part.More = upto, upto != whole
		if part.More && len(part.Jobs) == 0 {
			continue
		}
		text, err := json.Marshal(part)
		if err != nil {
			return err
		}
		if !part.More {
			fmt.Fprintf(e.w, "id: %d\n", part.Sequence)
		}
		if _, err := fmt.Fprintf(e.w, "event: snapshot\ndata: %s\n\n", text); err != nil {
			return err
		}
	}
	return nil
}

// standing adds jobs after upto to a part, and returns the last it looked at.
func (e *eventStream) standing(st *control.State, part []Job) ([]Job, job.ID) {
	if len(e.jobs) > 0 {
		for _, id := range e.jobs {
			if j, ok := st.Summary(id); ok {
				part = append(part, e.jobOf(st, e.who, &j))
			}
		}
		return part, whole
	}
	id := e.upto
	for examined := 0; id < job.ID(st.Jobs()); examined++ {
		if len(part) == snapshotPart || examined == maxExamined {
			return part, id
		}
		id++
		if j, _ := st.Summary(id); j.Phase <= control.Running && e.who.maySee(j.Spec.Tenant) {
			part = append(part, e.jobOf(st, e.who, &j))
		}
	}
	return part, whole
}
