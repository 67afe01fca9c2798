package control_test

import (
	"bytes"
	"testing"
	"time"

	"tianfu/control"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// TestReservationsMadeByHandOutliveTheConfiguration makes a reservation, reloads
// the world around it, and goes through a snapshot: it stays, with its key, and a
// configuration that has no place for it is refused.
func TestReservationsMadeByHandOutliveTheConfiguration(t *testing.T) {
	cfg := control.Config{Fleet: &fleet.Fleet{Nodes: []fleet.Node{{ID: "n1", CPU: 8000, Memory: 1 << 16}, {ID: "n2", CPU: 8000, Memory: 1 << 16}}},
		Policy: "tianfu", Queueing: &job.Queueing{Queues: []job.QueueRule{{Name: "lab", Weight: 1}, {Name: "other", Weight: 1}}}}
	s, err := control.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	booking := func(name string, node fleet.NodeID) fleet.Booking {
		return fleet.Booking{Name: name, Queue: "lab", Nodes: []fleet.NodeID{node}, Spans: []fleet.Window{{From: unit.At(100), To: unit.At(200)}}}
	}
	told := func(b fleet.Booking, key string) control.Input {
		return control.Input{Kind: control.Book, Tag: 1, Booked: &control.BookingTold{Key: key, Parts: []fleet.Booking{b}}}
	}
	step := func(at int64, in control.Input) (records int, err error) {
		o := s.Step(unit.At(at), []control.Input{in})
		if len(o.Refusals) > 0 {
			err = o.Refusals[0].Err
		}
		return len(o.Records), err
	}
	if _, err := step(10, told(booking("hand", "n1"), "k")); err != nil {
		t.Fatal(err)
	}
	if n, err := step(11, told(booking("hand", "n1"), "k")); n != 0 || err != nil {
		t.Errorf("the repeated request made %d records: %v", n, err)
	}
	if _, err := step(12, told(booking("second", "n2"), "k")); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a key used for another reservation: %v", err)
	}
	refused := func(what string, change func(*control.Config)) {
		t.Helper()
		next := cfg
		change(&next)
		if _, err := step(20, control.Input{Kind: control.Configure, Config: &next}); fault.KindOf(err) != fault.Conflict {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("its node is gone", func(c *control.Config) { c.Fleet = &fleet.Fleet{Nodes: cfg.Fleet.Nodes[1:]} })
	refused("its queue is gone", func(c *control.Config) { c.Queueing = &job.Queueing{Queues: cfg.Queueing.Queues[1:]} })
	refused("the world has another on its node", func(c *control.Config) { c.Bookings = []fleet.Booking{booking("file", "n1")} })
	refused("the world has one of its name", func(c *control.Config) { c.Bookings = []fleet.Booking{booking("hand", "n2")} })
	next := cfg
	next.Bookings = []fleet.Booking{booking("file", "n2")}
	if _, err := step(30, control.Input{Kind: control.Configure, Config: &next}); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := s.Freeze().Encode(&text); err != nil {
		t.Fatal(err)
	}
	if s, err = control.DecodeSnapshot(&text); err != nil {
		t.Fatal(err)
	}
	if list := s.Bookings(); len(list) != 2 || list[0].Name != "file" || list[1].Name != "hand" {
		t.Fatalf("the reservations are %+v", list)
	}
	spec := &job.Spec{Name: "x", Tenant: "a", Queue: "other", ExpectedRun: time.Hour, Groups: []job.Group{{Name: "main", Count: 1, Request: job.Request{CPU: 1000, Memory: 1}}}}
	s.Config().Queueing.Queues[1].Tenants = []job.Tenant{"a"}
	if _, err := step(40, control.Input{Kind: control.Submit, Spec: spec, Tag: 1}); err != nil {
		t.Fatal(err)
	}
	if j, _ := s.Summary(1); j.Running != 0 {
		t.Error("an hour of work of another queue was started a minute before both windows")
	}
	if _, err := step(50, control.Input{Kind: control.Unbook, Name: "hand"}); err != nil {
		t.Fatal(err)
	}
	if j, _ := s.Summary(1); j.Running != 1 {
		t.Error("the reservation was ended, and the job does not start")
	}
	if _, err := step(60, control.Input{Kind: control.Unbook, Name: "file"}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("one of the world file was ended: %v", err)
	}
}
