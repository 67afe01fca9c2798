package live

import (
	"sync"

	"tianfu/control"
	"tianfu/job"
	"tianfu/unit"
)

// Event is a change of a job that somebody may watch.
type Event struct {
	Sequence uint64       `json:"sequence"`
	At       unit.Instant `json:"at"`
	Kind     string       `json:"kind"`
	Job      job.ID       `json:"job"`
	Tenant   job.Tenant   `json:"tenant"`
	Task     int32        `json:"task"`
	Attempt  int32        `json:"attempt,omitempty"`
	Phase    string       `json:"phase"`
	Detail   string       `json:"detail,omitempty"`
}

// keptEvents is how many events a subscriber may lag behind.
const keptEvents = 1 << 16

// feed keeps the latest events and wakes who waits for more.
type feed struct {
	mu     sync.Mutex
	events []Event // the last keptEvents, in order
	next   uint64  // sequence of the next event, from 1
	more   chan struct{}
	closed bool
}

func newFeed() *feed { return &feed{next: 1, more: make(chan struct{})} }

var eventKinds = map[control.RecordKind]string{
	control.Submitted: "submitted", control.Allocated: "allocated", control.Evicting: "evicting", control.Ended: "ended",
	control.JobExpired: "expired", control.JobCancelled: "cancelled", control.Released: "released",
}

func (f *feed) publish(s *control.State, records []control.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
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
	close(f.more)
	f.more = make(chan struct{})
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

// Events returns the events after a sequence number, and a channel that closes
// when there are more. Gap is true when some that were asked for are gone; open
// is false when there will be no more.
func (c *Centre) Events(after uint64) (events []Event, more <-chan struct{}, gap, open bool) {
	f := c.events
	f.mu.Lock()
	defer f.mu.Unlock()
	first := f.next - uint64(len(f.events))
	from := after + 1
	if from < first {
		gap, from = true, first
	}
	if from < f.next {
		events = append(events, f.events[from-first:]...)
	}
	return events, f.more, gap, !f.closed
}

// LastEvent returns the sequence number of the latest event.
func (c *Centre) LastEvent() uint64 {
	c.events.mu.Lock()
	defer c.events.mu.Unlock()
	return c.events.next - 1
}
