package control

import (
	"encoding/binary"

	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// book enters the reservations into the capacity and the calendar.
func (s *State) book() {
	s.cap.Book(s.cfg.Bookings, s.NodeRank)
	for i := range s.cfg.Bookings {
		b := &s.cfg.Bookings[i]
		for _, id := range b.Nodes {
			n, ok := s.nodes[id]
			if !ok {
				continue
			}
			for _, w := range b.Spans {
				q := job.Queue(b.Queue)
				s.windows = append(s.windows, windowEdge{at: w.From, node: n, opens: true, queue: q, until: w.To}, windowEdge{at: w.To, node: n, queue: q, until: w.To})
			}
		}
	}
}

func appendBookings(b []byte, list []fleet.Booking) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for i := range list {
		k := &list[i]
		b = appendString(appendString(b, k.Name), k.Queue)
		b = binary.AppendUvarint(b, uint64(len(k.Nodes)))
		for _, n := range k.Nodes {
			b = appendString(b, string(n))
		}
		b = binary.AppendUvarint(b, uint64(len(k.Spans)))
		for _, w := range k.Spans {
			b = binary.AppendVarint(binary.AppendVarint(b, int64(w.From)), int64(w.To))
		}
	}
	return b
}

func (d *reader) bookings() []fleet.Booking {
	var out []fleet.Booking
	for range d.count() {
		b := fleet.Booking{Name: d.string(), Queue: d.string()}
		for range d.count() {
			b.Nodes = append(b.Nodes, fleet.NodeID(d.string()))
		}
		for range d.count() {
			b.Spans = append(b.Spans, fleet.Window{From: unit.Instant(d.varint()), To: unit.Instant(d.varint())})
		}
		out = append(out, b)
	}
	return out
}
