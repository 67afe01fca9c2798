package httpapi

import (
	"math/bits"
	"strconv"

	"tianfu/control"
	"tianfu/fault"
	"tianfu/job"
)

// jobOf renders a job; its tasks when they were asked for.
func (s *Server) jobOf(st *control.State, who Caller, j *control.Job) Job {
	out := Job{
		ID: j.ID.String(), Name: j.Spec.Name, Tenant: string(j.Spec.Tenant), Queue: string(j.Spec.Queue), Class: j.Spec.Class.String(),
		Priority: j.Spec.Priority, Phase: j.Phase.String(), Submitted: instant(j.Submitted), TaskCount: j.Spec.Tasks(), TasksDone: j.Done, TasksActive: j.Running, Gang: j.Spec.Gang,
		Failures: j.Failures, NextTry: instant(j.Eligible), Resting: j.Resting, ExpectedRun: duration(j.Spec.ExpectedRun),
	}
	if why, waits := st.Why(j.ID); waits {
		out.Reason = reasonOf(st, who, &why)
	}
	out.Deferral = deferralOf(st, j.ID, j.Spec)
	array := arrayOf(j.Spec)
	if array != nil {
		out.Array = array.String()
	}
	shown := 0
	for i := range j.Tasks {
		out.Tasks = append(out.Tasks, s.taskOf(j.ID, &j.Tasks[i]))
		if n := len(j.Tasks[i].Tries); shown+n > maxAttempts {
			out.LeftOut += n
			out.Tasks[i].Attempts = nil
		} else {
			shown += n
		}
		if t := &out.Tasks[i]; t.State == "pending" && j.Phase != control.Pending && j.Phase != control.Running {
			t.State = "cancelled" // it never comes to it
		}
		if array != nil {
			index := array.First + i*array.Step
			out.Tasks[i].ArrayIndex = &index
		}
	}
	return out
}

func (s *Server) taskOf(id job.ID, t *control.Task) Task {
	out := Task{Index: t.Index, Attempt: t.Attempt, NextTry: instant(t.Eligible), State: "pending"}
	switch {
	case t.Done:
		out.State = "done"
	case t.Running:
		out.Node, out.Allocated, out.ExpectedEnd = string(t.Node), instant(t.Start), instant(t.End)
		for m := t.Devices; m != 0; m &= m - 1 {
			out.Devices = append(out.Devices, bits.TrailingZeros16(m))
		}
		started, cpu := s.centre.Started(id, t.Index, t.Attempt)
		out.Started, out.CPUSeconds = instant(started), cpu.Seconds()
		switch {
		case t.Evicting:
			out.State = "stopping"
		case t.Suspended:
			out.State = "suspended"
		case started == 0:
			out.State = "starting"
		default:
			out.State = "running"
		}
	}
	out.Exit = exitOf(t.Exit)
	for i := range t.Tries {
		y := &t.Tries[i]
		a := Attempt{Attempt: y.Attempt, Node: string(y.Node), Allocated: instant(y.From), Ended: instant(y.To), Seconds: y.To.Sub(y.From).Seconds(), Ending: y.Ending.String(), Exit: exitOf(y.Exit)}
		if a.Exit != nil && a.Exit.Seconds > 0 {
			a.Seconds = a.Exit.Seconds
		}
		out.Attempts = append(out.Attempts, a)
	}
	if n := len(out.Attempts); n > 0 && !t.Running {
		last := &out.Attempts[n-1]
		out.Node, out.Allocated, out.Ended, out.Seconds = last.Node, last.Allocated, last.Ended, last.Seconds
	}
	return out
}

func exitOf(e *control.Exit) *Exit {
	if e == nil {
		return nil
	}
	return &Exit{Code: e.Code, Detail: e.Detail, CPUSeconds: float64(e.Usage.CPUMicros) / 1e6, MemoryPeak: e.Usage.MemoryPeak, Seconds: float64(e.Usage.WallMicros) / 1e6}
}

// taskNumber reads a query's task index.
func taskNumber(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n >= job.MaxTasks {
		return 0, fault.New(fault.Invalid, "task", strconv.Quote(text)+" is not the number of a task", "count from 0")
	}
	return n, nil
}
