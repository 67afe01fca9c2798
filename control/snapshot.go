package control

import (
	"bufio"
	"io"

	"tianfu/fault"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// SnapshotVersion is the version of what Encode writes; DecodeSnapshot reads it
// and those before. When a field is added to the state: code it here, where it
// came with a later version only for x.Version >= that version, and count this
// up once the version before has been given out, with a snapshot of it and its
// records in testdata (snapshot_old_test.go reads them). A snapshot only saves time:
// the records are the truth as long as they are kept.
const SnapshotVersion = 5 // 2: reservations made while the centre runs; 3: nodes full of tasks; 4: budgets of a day; 5: backoffs of elements, attempts that ended, reservations of portions

// Frozen is a state as it was between two steps. It shares with the state only
// what never changes, so it can be written while the centre goes on.
type Frozen struct{ s *State }

// Freeze copies what changes. It is to be called between two steps and costs
// time in proportion to the jobs that have not ended, for a copy of memory and
// no more.
func (s *State) Freeze() *Frozen {
	s.jobs.settle()
	f := s.copy()
	f.ledger = s.ledger.clone()
	return &Frozen{f}
}

// Fork returns a state that goes on from the frozen one, alone. Forks of one
// frozen state are taken one after the other; who forks beside others has a
// frozen state of its own, from Split.
func (f *Frozen) Fork() *State { return f.s.copy() }

// Split returns another frozen state like this one.
func (f *Frozen) Split() *Frozen { return &Frozen{f.s.copy()} }

// State returns the frozen state, to be looked at and never stepped.
func (f *Frozen) State() *State { return f.s }

// Now returns the instant of the state.
func (f *Frozen) Now() unit.Instant { return f.s.now }

// Encode writes the state; equal states have equal bytes. Whoever keeps them
// adds a checksum: reading is proof against damage only as far as it neither
// panics nor asks for more memory than there are bytes.
func (f *Frozen) Encode(w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<16)
	x := sched.NewEncoder(out, SnapshotVersion)
	x.Uvarint(&x.Version)
	config := appendConfig(nil, &f.s.cfg)
	x.Bytes(&config)
	f.s.code(x)
	if x.Err() != nil {
		return x.Err()
	}
	return out.Flush()
}

// DecodeSnapshot returns the state that Encode wrote. It goes on as the
// original did: the same inputs give the same records.
func DecodeSnapshot(r io.Reader) (s *State, err error) {
	defer func() {
		if p := recover(); p != nil { // what a checksum should have caught
			s, err = nil, fault.New(fault.Invalid, "snapshot", "holds what no state can hold", "the records before it are still the truth")
		}
	}()
	x := sched.NewDecoder(bufio.NewReaderSize(r, 1<<16))
	x.Uvarint(&x.Version)
	if x.Err() == nil && (x.Version == 0 || x.Version > SnapshotVersion) {
		return nil, fault.New(fault.Invalid, "snapshot", "was written by a newer version", "use the version that wrote it, or a newer one")
	}
	var config []byte
	x.Bytes(&config)
	if x.Err() != nil {
		return nil, x.Err()
	}
	d := &reader{b: config}
	cfg := d.config()
	if d.err != nil {
		return nil, d.err
	}
	if s, err = Open(*cfg); err != nil {
		return nil, err
	}
	s.code(x)
	if x.Err() != nil {
		return nil, x.Err()
	}
	s.restore()
	return s, nil
}

// code codes the state but for its configuration.
func (s *State) code(x *sched.Coder) {
	x.Section("state")
	sched.Int(x, &s.now)
	x.Bool(&s.dirty)
	x.Bool(&s.opened)
	sched.Int(x, &s.moves)
	s.cap.Code(x)
	s.index.Code(x)
	x.Section("tenants")
	sched.List(x, &s.names, func(t *job.Tenant) { sched.Text(x, t) })
	sched.List(x, &s.tenants, func(u *sched.Usage) { u.Code(x) })
	x.Section("jobs")
	s.jobs.code(x)
	s.waiting.Code(x, s.cap, func(id job.ID) *job.Spec {
		if j := s.jobOf(id); j != nil {
			return s.lineSpec(j)
		}
		return nil
	})
	x.Section("calendar")
	codeDue(x, &s.due)
	codeDue(x, &s.later)
	codeDue(x, &s.pauses)
	codeDue(x, &s.judged)
	sched.List(x, &s.misses, func(m *Miss) { m.code(x) })
	sched.Map(x, s.waiters, func(id *job.ID, list *[]job.ID) { sched.Int(x, id); codeIDs(x, list) })
	codeIDs(x, &s.settle)
	windows := []windowEdge(s.windows)
	sched.List(x, &windows, func(w *windowEdge) {
		sched.Int(x, &w.at)
		sched.Int(x, &w.node)
		x.Bool(&w.opens)
		sched.Text(x, &w.queue)
		sched.Int(x, &w.until)
		if x.Version >= 5 {
			x.Bool(&w.part)
		}
	})
	s.windows = windows
	if x.Version >= 2 {
		sched.List(x, &s.booked, func(b *BookingTold) { b.code(x) })
	}
	sched.List(x, &s.hours, func(t *siteTable) { t.code(x) })
	if s.cfg.Tree != nil {
		s.power.code(x)
	}
	if s.budgets != nil { // a configuration with budgets is of version 4
		s.budgets.code(x)
	}
	held := s.held != nil
	x.Bool(&held)
	if held {
		if x.Reading() {
			s.held = &sched.Reservation{}
		}
		s.held.Code(x)
	}
	s.quotas.Code(x)
	sched.List(x, &s.others, func(r *sched.Reservation) { r.Code(x) })
	if s.ledger != nil {
		x.Section("ledger")
		s.ledger.code(x)
	}
	x.Section("end")
}

func codeIDs(x *sched.Coder, list *[]job.ID) {
	sched.List(x, list, func(id *job.ID) { sched.Int(x, id) })
}

func codeDue(x *sched.Coder, h *dueHeap) {
	list := []dueJob(*h)
	sched.List(x, &list, func(d *dueJob) { sched.Int(x, &d.at); sched.Int(x, &d.id) })
	*h = list
}

func (j *jobState) code(x *sched.Coder) {
	j.codeSpec(x)
	sched.Int(x, &j.submitted)
	sched.Int(x, &j.handle)
	on := [3]bool{j.queued, j.failed, j.started}
	for i := range on {
		x.Bool(&on[i])
	}
	j.queued, j.failed, j.started = on[0], on[1], on[2]
	sched.Int(x, &j.phase)
	sched.Int(x, &j.running)
	sched.Int(x, &j.open)
	j.one.code(x)
	sched.List(x, &j.more, func(t *taskState) { t.code(x) })
	if x.Reading() {
		for i := range j.more {
			if j.more[i].eligible != 0 {
				j.resting++
			}
		}
	}
	sched.Int(x, &j.failures)
	sched.Int(x, &j.holds)
	sched.Int(x, &j.eligible)
	j.codeShift(x)
}

func (j *jobState) codeSpec(x *sched.Coder) {
	var b []byte
	if !x.Reading() {
		b = appendSpec(nil, j.spec)
	}
	x.Bytes(&b)
	if x.Reading() && x.Err() == nil {
		d := &reader{b: b}
		if j.spec = d.spec(); d.err != nil || d.at != len(b) {
			x.Fail("the spec of a job cannot be read")
		}
	}
}

func (t *taskState) code(x *sched.Coder) {
	sched.Int(x, &t.alloc)
	sched.Int(x, &t.attempt)
	x.Bool(&t.running)
	x.Bool(&t.done)
	sched.Int(x, &t.failures)
	if x.Version >= 5 {
		sched.Int(x, &t.eligible)
	}
	codeExit(x, &t.exit)
	if x.Version >= 5 {
		sched.List(x, &t.tries, func(y *Try) { y.code(x) })
	}
}

// restore works out what follows from the parts that were read.
func (s *State) restore() {
	if len(s.booked) > 0 {
		s.cap.Book(s.Bookings(), s.NodeRank, s.quotas)
	}
	if s.ledger != nil && s.opened {
		s.meterNext()
	}
	s.cap.EachRunning(func(id sched.AllocID) {
		a := s.cap.Alloc(id)
		s.quotas.Add(a, s.cap.ModelOf(a.Node), 1)
	})
	for i, t := range s.names {
		s.numbers[t] = int16(i)
	}
	for i := range s.jobs.len() {
		if k := (submitKey{s.jobs.at(i).spec.Tenant, s.jobs.at(i).spec.Key}); k.key != "" {
			s.keys[k] = job.ID(i + 1)
		}
	}
}
