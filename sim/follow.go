package sim

import (
	"math"
	"math/rand/v2"
	"time"

	"tianfu/control"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// follow reads a step's records: the log is hashed, and results and totals are
// kept. Whatever a report shows comes from records.
func (t *Timed) follow(out *control.Outcome) {
	for i := range out.Records {
		r := &out.Records[i]
		if t.hash != nil {
			t.buffer = control.AppendRecord(t.buffer, r)
			if len(t.buffer) > 1<<15 {
				t.hash.Write(t.buffer)
				t.buffer = t.buffer[:0]
			}
		}
		if t.p.Record != nil {
			t.p.Record(r)
		}
		if t.p.History != nil {
			t.p.History.see(t, r)
		}
		if t.Shedding != nil {
			t.seePower(r)
		}
		if t.shift != nil {
			t.shift.see(r)
		}
		switch r.Kind {
		case control.Allocated:
			t.allocated(r)
		case control.Ended:
			t.taskEnded(r)
		case control.Evicting:
			if r.Cause == control.CausePreempted {
				t.Totals.Preemptions++
			}
			t.foldShift(r)
		case control.ShiftPlanned, control.DeadlineMissed:
			t.foldShift(r)
		case control.Metered:
			t.Ledger.see(t, r.Page)
		case control.NodeChanged:
			t.meterNode(r.Node)
		}
	}
}

func (t *Timed) allocated(r *control.Record) {
	res := &t.Results[t.byID[r.Job]]
	if r.Task == 0 {
		res.Attempts, res.Node = r.Attempt, r.Node
	}
	t.attempts[attemptKey{r.Job, r.Task}] = r.At
	t.meterNode(r.Node)
	t.lastNode(r)
}

// lastNode remembers where each task of a gang is, so that its span can be
// counted when the last one is placed.
func (t *Timed) lastNode(r *control.Record) {
	if !t.specOf(r.Job).Gang {
		return
	}
	if t.gangNodes == nil {
		t.gangNodes = map[job.ID][]int32{}
	}
	t.gangNodes[r.Job] = append(t.gangNodes[r.Job], r.Node)
	if int(r.Task) == t.specOf(r.Job).Tasks()-1 {
		t.Results[t.byID[r.Job]].Segments = t.spanned(r.Job)
		delete(t.gangNodes, r.Job)
	}
}

// spanned counts the segments that the placed tasks of a gang stand in.
func (t *Timed) spanned(id job.ID) int32 {
	c := t.state.Capacity()
	seen := map[int32]bool{}
	for _, n := range t.gangNodes[id] {
		seen[c.Domain(fleet.LevelSegment, n)] = true
	}
	return int32(len(seen))
}

func (t *Timed) specOf(id job.ID) *job.Spec { return &t.specs[t.byID[id]] }

// taskEnded books the time an attempt held its devices, as work done or lost.
func (t *Timed) taskEnded(r *control.Record) {
	key := attemptKey{r.Job, r.Task}
	held := r.At.Sub(t.attempts[key])
	delete(t.attempts, key)
	res := &t.Results[t.byID[r.Job]]
	spec := t.specOf(r.Job)
	q := spec.Request(r.Task)
	milliHours := float64(q.Accelerators) * float64(q.Share) * held.Hours()
	if r.Ending == control.Succeeded {
		t.Totals.GoodMilliHours += milliHours
		if traits, ok := t.p.Fleet.Traits[t.modelOf(r.Node)]; ok && traits.FP16TFLOPS > 0 && q.Accelerators > 0 {
			t.Totals.PFLOPSHours[traits.Maker] += milliHours / 1e6 * traits.FP16TFLOPS
		}
		res.End = r.At
	} else {
		kept := min(t.keptOf(r), held)
		part := 0.0
		if held > 0 {
			part = float64(kept) / float64(held)
		}
		t.Totals.GoodMilliHours += float64(milliHours * part)
		t.Totals.LostMilliHours += float64(milliHours * (1 - part))
		res.Lost += held - kept
	}
	if phase, _, _ := t.state.Phase(r.Job); phase == control.Completed && !res.Done {
		res.Done = true
		if t.ended++; t.p.Progress != nil && t.ended&4095 == 0 {
			t.p.Progress(t.ended)
		}
	}
	t.meterNode(r.Node)
}

// keptOf returns how much of the work of an attempt that left outlives it. What a
// pausable job had done when the first of its tasks left is kept, of every task;
// anything else is lost.
func (t *Timed) keptOf(r *control.Record) time.Duration {
	d, ok := t.state.Deferral(r.Job)
	if !ok || r.Ending != control.Evicted || !t.specOf(r.Job).Pausable {
		return 0
	}
	if t.kept == nil {
		t.kept = map[job.ID]keptWork{}
	}
	k := t.kept[r.Job]
	if d.Done > k.done {
		k = keptWork{at: r.At, done: d.Done, last: d.Done - k.done}
		t.kept[r.Job] = k
	}
	if r.At != k.at {
		return 0 // it left on its own while the job did not run
	}
	return k.last
}

// keptWork is the work of a pausable job that evictions have kept: in all, and at
// the last one.
type keptWork struct {
	at         unit.Instant
	done, last time.Duration
}

func (t *Timed) modelOf(n int32) fleet.Model { return t.state.Capacity().Node(n).Model }

// meterNode brings the power of a node up to date.
func (t *Timed) meterNode(n int32) {
	if t.watts == nil {
		return
	}
	w := float64(t.state.Capacity().Watts(n))
	t.power += w - t.watts[n]
	t.watts[n] = w
}

// exponential draws with mean 1. math.Log is used through one explicit
// conversion, so that no fused step makes machines differ.
func exponential(r *rand.Rand) float64 {
	return -float64(math.Log(1 - r.Float64()))
}
