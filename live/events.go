package live

import (
	"sync"

	"tianfu/control"
	"tianfu/job"
	"tianfu/unit"
)

// Event is a change of a job that somebody may watch.
type Event struct {
	Sequence uint64
	At       unit.Instant
	Kind     string
	Job      job.ID
	Tenant   job.Tenant
	Task     int32
	Attempt  int32
	Phase    string
	Detail   string
}

// keptEvents is how many events a subscriber may lag behind.
const keptEvents = 1 << 16

// maxEvents bounds what one look at the feed returns.
const maxEvents = 4096

// feed keeps the latest events and wakes who waits for more. Sequence numbers go
// on over restarts of the centre, for a client may come back with one of before:
// they begin after the number of the last record, of which there are at least as
// many as events.
type feed struct {
	mu     sync.Mutex
	events []Event // the last keptEvents, in order
	begin  uint64  // sequence before the first event of this process
	next   uint64  // sequence of the next event
	more   chan struct{}
	now    chan struct{} // closed: more is there already
	closed bool
}

func newFeed(last uint64) *feed {
	f := &feed{begin: last, next: last + 1, more: make(chan struct{}), now: make(chan struct{})}
	close(f.now)
	return f
}

var eventKinds = map[control.RecordKind]string{
	control.Submitted: "submitted", control.Allocated: "allocated", control.Evicting: "evicting", control.Ended: "ended",
	control.JobExpired: "expired", control.JobCancelled: "cancelled", control.Released: "released",
}

func (f *feed) publish(s *control.State, records []control.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.next
	for i := range records {
		r := &records[i]
		kind, ok := eventKinds[r.Kind]
		if !ok {
			continue
		}
		j, _ := s.Summary(r.Job)
		e := Event{Sequence: f.next, At: r.At, Kind: kind, Job: r.Job, Tenant: j.Spec.Tenant, Task: r.Task, Attempt: r.Attempt, Phase: j.Phase.String()}
		if r.Exit != nil {
			e.Detail = r.Exit.Detail
		}
		f.events = append(f.events, e)
		f.next++
	}
	if len(f.events) > 2*keptEvents {
		f.events = append(f.events[:0:0], f.events[len(f.events)-keptEvents:]...)
	}
	if f.next > before {
		close(f.more)
		f.more = make(chan struct{})
	}
}

func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		close(f.more)
		f.more = make(chan struct{})
	}
}

// EventPage is what a look at the feed finds.
type EventPage struct {
	Events []Event
	Last   uint64          // where the next look goes on
	More   <-chan struct{} // closes when there is more
	Gap    bool            // some that were asked for are gone
	Open   bool            // there will be more
}

// Events returns the events after a sequence number, as many as fit a page.
func (c *Centre) Events(after uint64) EventPage {
	f := c.events
	f.mu.Lock()
	defer f.mu.Unlock()
	p := EventPage{More: f.more, Open: !f.closed}
	first := f.next - uint64(len(f.events))
	from := after + 1
	if from < first || from > f.next { // too long ago, or never told
		p.Gap, from = true, min(max(from, first), f.next)
	}
	until := min(f.next, from+maxEvents)
	p.Events = append(p.Events, f.events[from-first:until-first]...)
	if p.Last = until - 1; until < f.next {
		p.More, p.Open = f.now, true
	}
	return p
}

// LastEvent returns the sequence number of the latest event.
func (c *Centre) LastEvent() uint64 {
	c.events.mu.Lock()
	defer c.events.mu.Unlock()
	return c.events.next - 1
}

// EventsTold returns how many events there were since the process began.
func (c *Centre) EventsTold() uint64 {
	c.events.mu.Lock()
	defer c.events.mu.Unlock()
	return c.events.next - 1 - c.events.begin
}
