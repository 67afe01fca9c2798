package control

import (
	"slices"

	"tianfu/fleet"
	"tianfu/sched"
	"tianfu/unit"
)

// Try is an attempt that has ended: where it was, from when to when, and how it
// ended.
type Try struct {
	Attempt  int32
	Node     fleet.NodeID
	From, To unit.Instant // as allocated, and as its end was recorded
	Ending   Ending
	Exit     *Exit // nil = no engine told
}

// maxTries is how many attempts of a task are remembered, the latest; the records
// have all.
const maxTries = 8

// tried remembers the end of an attempt. The list is replaced, never changed: a
// frozen state has it too.
func (s *State) tried(t *taskState, r *Record) {
	a := s.cap.Alloc(t.alloc)
	old := t.tries[max(len(t.tries)-maxTries+1, 0):]
	t.tries = append(slices.Clip(old), Try{Attempt: t.attempt, Node: s.cap.Node(a.Node).ID, From: a.Start, To: r.At, Ending: r.Ending, Exit: r.Exit})
}

func (t *Try) code(x *sched.Coder) {
	sched.Int(x, &t.Attempt)
	sched.Text(x, &t.Node)
	sched.Int(x, &t.From)
	sched.Int(x, &t.To)
	sched.Int(x, &t.Ending)
	codeExit(x, &t.Exit)
}

// codeExit codes how an attempt ended; nil = nobody told.
func codeExit(x *sched.Coder, e **Exit) {
	told := *e != nil
	x.Bool(&told)
	if !told {
		return
	}
	if x.Reading() {
		*e = &Exit{}
	}
	sched.Int(x, &(*e).Code)
	sched.Text(x, &(*e).Detail)
	u := &(*e).Usage
	for _, v := range []*int64{&u.CPUMicros, &u.MemoryPeak, &u.ByteSeconds, &u.WallMicros} {
		sched.Int(x, v)
	}
}
