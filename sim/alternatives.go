package sim

import (
	"fmt"
	"slices"
	"time"

	"tianfu/control"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// Alternative is a change of a job with which it would start now. It was tried:
// the cycle placed the changed job on a fork of the state.
type Alternative struct {
	Field    string // of the job file
	Value    string
	Text     string // in plain words
	Preempts int    // tasks of others that would have to leave
	Starts   int    // tasks that would start
	Spec     *job.Spec
}

// maxTrials bounds the forked cycles of one answer.
const maxTrials = 64

// trials tries changes of one job.
type trials struct {
	frozen *control.Frozen
	now    unit.Instant
	id     job.ID // to be taken out of the line first; 0 = it is not in it
	spec   *job.Spec
	fork   *control.State // with the job taken out; nil = to be made
	made   int
}

// Alternatives lists changes with which a job that waits would start now, the
// cheapest for its owner first: what costs nothing, then what costs time, then
// what makes it smaller, then what takes a place from others.
func Alternatives(f *control.Frozen, now unit.Instant, id job.ID, spec *job.Spec) []Alternative {
	t := &trials{frozen: f, now: max(now, f.Now()), id: id, spec: spec}
	var out []Alternative
	for _, try := range []func() []Alternative{t.unheld, t.models, t.queues, t.shorter, t.nearness, t.leaner, t.fewerDevices, t.fewerTasks, t.apart, t.standing} {
		out = append(out, try()...)
	}
	return out
}

// try submits a changed job in place of the present one and tells how many of
// its tasks the cycle starts and what has to leave for them.
func (t *trials) try(s *job.Spec) (starts, preempts int) {
	if t.made++; t.made > maxTrials {
		return 0, 0
	}
	taken := t.fork != nil
	if !taken {
		t.fork = t.frozen.Fork()
	}
	x := NewTry(t.fork, t.now)
	if !taken && t.id != 0 {
		x.Step([]control.Input{{Kind: control.Cancel, Job: t.id}})
	}
	x.Seen = func(r *control.Record) {
		if r.Kind == control.Evicting && (r.Cause == control.CausePreempted || r.Cause == control.CauseReclaimed) {
			preempts++
		}
	}
	before := t.fork.Jobs()
	if x.Step([]control.Input{{Kind: control.Submit, Spec: t.again(s)}}) != nil || t.fork.Jobs() == before {
		return 0, 0
	}
	id := job.ID(t.fork.Jobs())
	j, _ := t.fork.Job(id)
	for i := range j.Tasks {
		if j.Tasks[i].Running {
			starts++
		}
	}
	if starts > 0 || preempts > 0 {
		t.fork = nil // it is no longer as the centre is
	} else {
		x.Step([]control.Input{{Kind: control.Cancel, Job: id}})
	}
	return starts, preempts
}

// again is a changed job to submit: its key would give the first job, and a
// deadline or a latest start that has passed asks for nothing any more. Those to
// come stay, for they decide what it is held back for.
func (t *trials) again(s *job.Spec) *job.Spec {
	c := *s
	c.Key = ""
	if c.Deadline <= t.now {
		c.Deadline = 0
	}
	if c.StartBy <= t.now {
		c.StartBy = 0
	}
	return &c
}

func forever(job.ID, *job.Spec, time.Duration, time.Duration) time.Duration {
	return 10 * 365 * 24 * time.Hour
}

// whole tries a change that only counts when every task starts.
func (t *trials) whole(s *job.Spec, a Alternative) []Alternative {
	starts, preempts := t.try(s)
	if starts < s.Tasks() {
		return nil
	}
	a.Starts, a.Preempts, a.Spec = starts, preempts, s
	return []Alternative{a}
}

// changed is a copy of the job whose groups may be changed.
func (t *trials) changed() *job.Spec {
	s := *t.spec
	s.Groups = slices.Clone(s.Groups)
	return &s
}

// unheld tries the job without its wish for a better hour.
func (t *trials) unheld() []Alternative {
	if t.spec.Wish == job.NoWish {
		return nil
	}
	s := t.changed()
	s.Wish, s.CarbonPrice = job.NoWish, 0
	return t.whole(s, Alternative{Field: "wish", Value: "", Text: "it does not wait for a greener or cheaper hour"})
}

// models tries every model of the fleet that is not accepted yet.
func (t *trials) models() (out []Alternative) {
	var known []fleet.Model
	for i := range t.frozen.State().Config().Fleet.Nodes {
		if m := t.frozen.State().Config().Fleet.Nodes[i].Model; m != "" && !slices.Contains(known, m) {
			known = append(known, m)
		}
	}
	slices.Sort(known)
	for _, m := range known {
		s, any := t.changed(), false
		for g := range s.Groups {
			q := &s.Groups[g].Request
			if q.Accelerators > 0 && len(q.Models) > 0 && !slices.Contains(q.Models, m) {
				q.Models, any = append(slices.Clone(q.Models), m), true
			}
		}
		if any {
			out = append(out, t.whole(s, Alternative{Field: "models", Value: string(m), Text: string(m) + " is accepted as well"})...)
		}
	}
	return out
}

// queues tries the other queues of the tenant.
func (t *trials) queues() (out []Alternative) {
	c := t.frozen.State().Config()
	if c.Queueing == nil {
		return nil
	}
	for i := range c.Queueing.Queues {
		r := &c.Queueing.Queues[i]
		if r.Name == t.spec.Queue {
			continue
		}
		s := t.changed()
		s.Queue = r.Name // a queue of others refuses it
		out = append(out, t.whole(s, Alternative{Field: "queue", Value: string(r.Name), Text: "it goes to the queue " + string(r.Name)})...)
	}
	return out
}

// shorter tries run times that fit before the reservation ahead.
func (t *trials) shorter() []Alternative {
	if t.frozen.State().Config().Rules.Backfill == sched.Strict {
		return nil
	}
	for _, d := range []time.Duration{24 * time.Hour, 8 * time.Hour, 4 * time.Hour, time.Hour, 30 * time.Minute, 10 * time.Minute} {
		s := t.changed()
		if s.ExpectedRun > 0 && d >= s.ExpectedRun {
			continue
		}
		s.ExpectedRun, s.ExpectedRunOn = d, nil
		text := "it runs at most " + plainly(d) + ", and says so"
		if out := t.whole(s, Alternative{Field: "expected_run", Value: plainly(d), Text: text}); out != nil {
			return out
		}
	}
	return nil
}

// nearness tries a topology that is only wished for.
func (t *trials) nearness() []Alternative {
	if t.spec.Topology.Mode != job.Must {
		return nil
	}
	s := t.changed()
	s.Topology.Mode = job.Prefer
	level := s.Topology.Level.String()
	return t.whole(s, Alternative{Field: "topology", Value: "prefer:" + level, Text: "one " + level + " for all its tasks is wished for, not required"})
}

// leaner tries less CPU and memory beside the same devices.
func (t *trials) leaner() []Alternative {
	for _, part := range []int32{2, 4} {
		s := t.changed()
		for g := range s.Groups {
			q := &s.Groups[g].Request
			q.CPU, q.Memory = q.CPU/unit.MilliCPU(part), q.Memory/unit.MiB(part)
		}
		q := &s.Groups[0].Request
		value := fmt.Sprintf("%s CPU, %s", q.CPU, q.Memory)
		if out := t.whole(s, Alternative{Field: "cpu, memory", Value: value, Text: "a task asks for " + value}); out != nil {
			return out
		}
	}
	return nil
}

// fewerDevices tries the largest number of devices of a task, below what is
// asked, that starts.
func (t *trials) fewerDevices() []Alternative {
	q := &t.spec.Groups[0].Request
	if len(t.spec.Groups) > 1 || q.Accelerators == 0 {
		return nil
	}
	for n := q.Accelerators - 1; n > 0; n-- {
		if n&(n-1) != 0 && q.Accelerators&(q.Accelerators-1) == 0 {
			continue // whoever asks for a power of two can use a smaller one
		}
		s := t.changed()
		less := &s.Groups[0].Request
		less.Accelerators = n
		less.CPU, less.Memory = q.CPU*unit.MilliCPU(n)/unit.MilliCPU(q.Accelerators), q.Memory*unit.MiB(n)/unit.MiB(q.Accelerators)
		text := "a task asks for " + counted(n, "accelerator") + ", with CPU and memory in proportion"
		if out := t.whole(s, Alternative{Field: "accelerators", Value: fmt.Sprint(n), Text: text}); out != nil {
			return out
		}
	}
	if q.Accelerators == 1 && q.Partition == "" {
		for _, share := range []unit.Milli{500, 250} {
			if share >= q.Share {
				continue
			}
			s := t.changed()
			s.Groups[0].Request.Share = share
			if out := t.whole(s, Alternative{Field: "share", Value: share.String(), Text: "a task asks for " + share.String() + " of a device"}); out != nil {
				return out
			}
		}
	}
	return nil
}

// fewerTasks finds, by bisection, the largest number of tasks that starts at
// once.
func (t *trials) fewerTasks() []Alternative {
	if len(t.spec.Groups) > 1 || t.spec.Groups[0].Count < 2 {
		return nil
	}
	var best []Alternative
	low, high := 1, t.spec.Groups[0].Count-1
	for low <= high {
		n := (low + high) / 2
		s := t.changed()
		s.Groups[0].Count = n
		text := fmt.Sprintf("it has %s instead of %d", counted(n, "task"), t.spec.Groups[0].Count)
		if out := t.whole(s, Alternative{Field: "count", Value: fmt.Sprint(n), Text: text}); out != nil {
			best, low = out, n+1
		} else {
			high = n - 1
		}
	}
	return best
}

// apart tries a gang as tasks that start one by one.
func (t *trials) apart() []Alternative {
	if !t.spec.Gang || t.spec.Tasks() < 2 {
		return nil
	}
	s := t.changed()
	s.Gang, s.Topology = false, job.Topology{}
	starts, preempts := t.try(s)
	if starts == 0 {
		return nil
	}
	return []Alternative{{Field: "gang", Value: "false", Starts: starts, Preempts: preempts, Spec: s,
		Text: fmt.Sprintf("its tasks need not start together: %d of %d would", starts, s.Tasks())}}
}

// standing tries what changes its standing beside others.
func (t *trials) standing() (out []Alternative) {
	if !t.spec.Preemptible {
		s := t.changed()
		s.Preemptible = true
		out = t.whole(s, Alternative{Field: "preemptible", Value: "true", Text: "it may be preempted"})
	}
	top := t.spec.Priority
	for _, id := range t.frozen.State().Unstarted() {
		if j, ok := t.frozen.State().Summary(id); ok && id != t.id {
			top = max(top, j.Spec.Priority)
		}
	}
	for _, p := range []int32{t.spec.Priority + 1, top + 1} {
		if p > job.MaxPriority || len(out) > 0 && out[len(out)-1].Field == "priority" {
			continue
		}
		s := t.changed()
		s.Priority = p
		text := fmt.Sprintf("its priority is %d", p)
		out = append(out, t.whole(s, Alternative{Field: "priority", Value: fmt.Sprint(p), Text: text})...)
	}
	return out
}

// counted renders a number of things.
func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprint(n, " ", thing)
}

// plainly renders a whole duration without its empty parts.
func plainly(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}
