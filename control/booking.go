package control

import (
	"fmt"
	"math"
	"slices"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// BookingTold is a reservation that an operator made while the centre runs, as
// against those of the world file. Its bookings have one name and one queue;
// there are several where its nodes follow the clocks of several sites. It stays
// until it is ended or its last window has passed.
type BookingTold struct {
	Key   string // makes a repeated request the first one; empty = none
	Parts []fleet.Booking
	// Ask is what is kept where it is an amount: the core chooses the parts, and
	// chooses again when a node of them fails or is cordoned. nil = whole nodes.
	Ask *BookingAsk
}

// Name returns the name of the reservation.
func (b *BookingTold) Name() string {
	if len(b.Parts) == 0 {
		return b.Ask.Name
	}
	return b.Parts[0].Name
}

// Over tells whether the last window has passed.
func (b *BookingTold) Over(now unit.Instant) bool {
	return !slices.ContainsFunc(b.Parts, func(p fleet.Booking) bool { return p.Spans[len(p.Spans)-1].To > now })
}

// Bookings lists the reservations of the world file and then those that were
// made while the centre runs. The caller must not change them.
func (s *State) Bookings() []fleet.Booking {
	if len(s.booked) == 0 {
		return s.cfg.Bookings
	}
	out := slices.Clone(s.cfg.Bookings)
	for i := range s.booked {
		out = append(out, s.booked[i].Parts...)
	}
	return out
}

// Booked lists the reservations that were made while the centre runs. The caller
// must not change them.
func (s *State) Booked() []BookingTold { return s.booked }

// book takes a reservation, or says why not.
func (s *State) book(in *Input) error {
	b := in.Booked
	if b == nil || len(b.Parts) == 0 == (b.Ask == nil) || len(b.Key) > 128 {
		return fault.New(fault.Invalid, "reservation", "has no nodes, or a key of more than 128 bytes", "name at least one node")
	}
	where := "reservation " + b.Name()
	for i := range s.booked {
		switch old := &s.booked[i]; {
		case b.Key == "" || old.Key != b.Key:
		case old.Name() == b.Name():
			s.out.Accepted = append(s.out.Accepted, Accepted{Tag: in.Tag})
			return nil
		default:
			return fault.New(fault.Conflict, where, "its key was used for reservation "+old.Name(), "give every reservation a key of its own")
		}
	}
	if len(s.booked) >= fleet.MaxReservations {
		return fault.New(fault.Exhausted, where, fmt.Sprintf("%d reservations are made already", len(s.booked)), "end some: tianfu reservation delete NAME")
	}
	if b.Ask != nil {
		chosen, err := s.choose(b)
		if err != nil {
			return err
		}
		b = chosen
	}
	if err := s.checkBooking(b); err != nil {
		return err
	}
	if err := s.clash(b, s.Bookings()); err != nil {
		return err
	}
	s.record(Record{Kind: Booked, Booked: b})
	s.out.Accepted = append(s.out.Accepted, Accepted{Tag: in.Tag})
	return nil
}

// checkBooking holds a reservation to its bounds and to the fleet and queues as
// they are.
func (s *State) checkBooking(b *BookingTold) error {
	where := "reservation " + b.Name()
	first := &b.Parts[0]
	if first.Name == "" || len(first.Name) > 128 || fleet.Size(b.Parts) > fleet.MaxReserved {
		return fault.New(fault.Invalid, where, "has no name, one of more than 128 bytes, or too many windows on too many nodes", "give it a plain name, and reserve fewer nodes")
	}
	if q := s.cfg.Queueing; q == nil || q.Find(job.Queue(first.Queue)) < 0 {
		return fault.New(fault.Invalid, where, fmt.Sprintf("unknown queue %q", first.Queue), "see: tianfu queue list; queues are declared in the world file")
	}
	seen := map[fleet.NodeID]bool{}
	for i := range b.Parts {
		p := &b.Parts[i]
		if p.Name != first.Name || p.Queue != first.Queue || len(p.Nodes) == 0 {
			return fault.New(fault.Invalid, where, "its parts are of several names or queues, or without nodes", "make a reservation for each")
		}
		for _, id := range p.Nodes {
			if _, known := s.nodes[id]; !known || seen[id] {
				return fault.New(fault.Invalid, where, "node "+string(id)+" does not exist or is named twice", "see: tianfu node list")
			}
			seen[id] = true
		}
		if len(p.Spans) == 0 || p.Spans[len(p.Spans)-1].To <= s.now {
			return fault.New(fault.Invalid, where, "has no window that is not over", "give a later time")
		}
		for k, w := range p.Spans {
			if w.To <= w.From || k > 0 && w.From < p.Spans[k-1].To || w.From > s.now.Add(fleet.Ahead) || w.To > s.now.Add(2*fleet.Ahead) {
				return fault.New(fault.Invalid, where, "a window ends before it begins, overlaps another, or begins more than 400 days ahead", "give windows in order, within 400 days")
			}
		}
	}
	return nil
}

// clash refuses a reservation with the name of another, or with a node that
// another has at the time.
func (s *State) clash(b *BookingTold, others []fleet.Booking) error {
	where := "reservation " + b.Name()
	for i := range others {
		o := &others[i]
		if o.Name == b.Name() {
			return fault.New(fault.Conflict, where, "is there already", "end it first, or choose another name: tianfu reservation list")
		}
		for k := range b.Parts {
			if id := b.Parts[k].Clash(o); id != "" {
				return fault.New(fault.Conflict, where, "takes node "+string(id)+" while reservation "+o.Name+" has it", "choose other nodes or hours")
			}
		}
	}
	return nil
}

// unbook ends a reservation that was made while the centre runs.
func (s *State) unbook(in *Input) error {
	where := "reservation " + in.Name
	if slices.ContainsFunc(s.booked, func(b BookingTold) bool { return b.Name() == in.Name && !b.Over(s.now) }) {
		s.record(Record{Kind: Unbooked, Name: in.Name})
		s.keepElsewhere() // there may be room now for one that lost a node
		return nil
	}
	if slices.ContainsFunc(s.cfg.Bookings, func(b fleet.Booking) bool { return b.Name == in.Name }) {
		return fault.New(fault.Conflict, where, "is declared in the world file", "take it out there, then: tianfu world reload")
	}
	return fault.New(fault.NotFound, where, "no such reservation", "see: tianfu reservation list")
}

// foldBooked folds that a reservation was made or ended. Those that are over
// are forgotten.
func (s *State) foldBooked(r *Record) {
	s.booked = s.liveBookings(r.At)
	if r.Kind == Unbooked {
		s.booked = slices.DeleteFunc(s.booked, func(b BookingTold) bool { return b.Name() == r.Name })
	} else if k := slices.IndexFunc(s.booked, func(b BookingTold) bool { return b.Name() == r.Booked.Name() }); k >= 0 {
		s.booked[k] = *r.Booked // on other nodes from now on
	} else {
		s.booked = append(s.booked, *r.Booked)
	}
	s.rebook(r.At)
}

// liveBookings lists those that are not over, in a list of its own.
func (s *State) liveBookings(now unit.Instant) []BookingTold {
	return slices.DeleteFunc(slices.Clone(s.booked), func(b BookingTold) bool { return b.Over(now) })
}

// checkBookings refuses a configuration in which a reservation that was made
// while the centre runs has no place.
func (s *State) checkBookings(next *Config) error {
	nodes := make(map[fleet.NodeID]bool, len(next.Fleet.Nodes))
	for i := range next.Fleet.Nodes {
		nodes[next.Fleet.Nodes[i].ID] = true
	}
	for _, b := range s.liveBookings(s.now) {
		where, fix := "reservation "+b.Name(), "end it first: tianfu reservation delete "+b.Name()+"; then reload again. Nothing was changed"
		if q := job.Queue(b.Parts[0].Queue); next.Queueing == nil || next.Queueing.Find(q) < 0 {
			return fault.New(fault.Conflict, where, "is for queue "+string(q)+", which would be removed", fix)
		}
		for i := range b.Parts {
			for _, id := range b.Parts[i].Nodes {
				if !nodes[id] {
					return fault.New(fault.Conflict, where, "has node "+string(id)+", which would be removed", fix)
				}
			}
		}
		if err := s.clash(&b, next.Bookings); err != nil {
			return &fault.Error{Kind: fault.Conflict, Where: "world", What: "its reservations do not go with one made by hand", Err: err, Fix: fix}
		}
	}
	return nil
}

// rebook enters all reservations into the capacity and the calendar, in place of
// those that stood there. Windows that have ended by now are left out.
func (s *State) rebook(now unit.Instant) {
	list := s.Bookings()
	s.cap.Book(list, s.NodeRank, s.quotas)
	s.windows = slices.DeleteFunc(slices.Clone(s.windows), func(w windowEdge) bool { return w.queue != "" })
	for i := range list {
		b := &list[i]
		for _, id := range b.Nodes {
			n, ok := s.nodes[id]
			if !ok {
				continue
			}
			for _, w := range b.Spans {
				if w.To > now {
					q, part := job.Queue(b.Queue), b.Portions != nil
					s.windows = append(s.windows, windowEdge{at: w.From, node: n, opens: true, queue: q, until: w.To, part: part}, windowEdge{at: w.To, node: n, queue: q, until: w.To, part: part})
				}
			}
		}
	}
	slices.SortFunc(s.windows, windowEdge.compare)
}

// allWindows keeps every window, also those long past.
const allWindows = unit.Instant(math.MinInt64)
