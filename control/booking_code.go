package control

import (
	"encoding/binary"
	"slices"

	"tianfu/fleet"
	"tianfu/sched"
	"tianfu/unit"
)

func appendBookings(b []byte, list []fleet.Booking) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for i := range list {
		k := &list[i]
		b = appendNodeIDs(appendString(appendString(b, k.Name), k.Queue), k.Nodes)
		b = appendSpans(b, k.Spans)
	}
	return b
}

func appendNodeIDs(b []byte, list []fleet.NodeID) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, n := range list {
		b = appendString(b, string(n))
	}
	return b
}

func appendSpans(b []byte, list []fleet.Window) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, w := range list {
		b = binary.AppendVarint(binary.AppendVarint(b, int64(w.From)), int64(w.To))
	}
	return b
}

func (d *reader) bookings() []fleet.Booking {
	var out []fleet.Booking
	for range d.count() {
		out = append(out, fleet.Booking{Name: d.string(), Queue: d.string(), Nodes: d.nodeIDs(), Spans: d.spans()})
	}
	return out
}

func (d *reader) nodeIDs() (out []fleet.NodeID) {
	for range d.count() {
		out = append(out, fleet.NodeID(d.string()))
	}
	return out
}

func (d *reader) spans() (out []fleet.Window) {
	for range d.count() {
		out = append(out, fleet.Window{From: unit.Instant(d.varint()), To: unit.Instant(d.varint())})
	}
	return out
}

// hasPortions tells whether bookings keep amounts: they stand behind the bookings
// themselves, so that those of whole nodes keep their bytes.
func hasPortions(list []fleet.Booking) bool {
	return slices.ContainsFunc(list, func(b fleet.Booking) bool { return b.Portions != nil })
}

func appendPortions(b []byte, list []fleet.Booking) []byte {
	for i := range list {
		b = binary.AppendUvarint(b, uint64(len(list[i].Portions)))
		for _, p := range list[i].Portions {
			b = binary.AppendUvarint(b, uint64(p.CPU))
			b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(p.Memory)), uint64(p.Accelerators))
		}
	}
	return b
}

func (d *reader) portions(list []fleet.Booking) {
	for i := range list {
		for range d.count() {
			list[i].Portions = append(list[i].Portions, fleet.Portion{CPU: unit.MilliCPU(d.int32()), Memory: unit.MiB(d.int32()), Accelerators: int(d.int32())})
		}
		if n := len(list[i].Portions); n > 0 && n != len(list[i].Nodes) {
			d.fail("a reservation has %d portions of %d nodes", n, len(list[i].Nodes))
		}
	}
}

// booked reads a reservation made while the centre runs; one without nodes or
// windows was never accepted.
func (d *reader) booked() *BookingTold {
	b := &BookingTold{Key: d.string(), Parts: d.bookings()}
	if len(b.Parts) == 0 && d.err == nil {
		b.Ask = d.ask()
		b.Parts = d.bookings()
		d.portions(b.Parts)
	}
	if len(b.Parts) == 0 || slices.ContainsFunc(b.Parts, func(p fleet.Booking) bool { return len(p.Spans) == 0 }) {
		d.fail("a reservation has no nodes or no windows")
	}
	if b.Ask != nil && slices.ContainsFunc(b.Parts, func(p fleet.Booking) bool { return p.Portions == nil }) {
		d.fail("a reservation of an amount has no portions")
	}
	return b
}

func (d *reader) ask() *BookingAsk {
	a := &BookingAsk{Name: d.string(), Queue: d.string()}
	a.CPU, a.Memory, a.Accelerators = unit.MilliCPU(d.int32()), unit.MiB(d.int32()), int(d.int32())
	a.Model, a.Nodes = fleet.Model(d.string()), d.nodeIDs()
	for range d.count() {
		a.Sites = append(a.Sites, fleet.SiteSpans{Site: d.string(), Spans: d.spans()})
	}
	return a
}

// append appends a reservation. One of an amount begins with no parts, which none of
// whole nodes does.
func (b *BookingTold) append(to []byte) []byte {
	to = appendString(to, b.Key)
	if b.Ask == nil {
		return appendBookings(to, b.Parts)
	}
	a := b.Ask
	to = appendString(appendString(appendBookings(to, nil), a.Name), a.Queue)
	to = binary.AppendUvarint(binary.AppendUvarint(to, uint64(a.CPU)), uint64(a.Memory))
	to = appendString(binary.AppendUvarint(to, uint64(a.Accelerators)), string(a.Model))
	to = binary.AppendUvarint(appendNodeIDs(to, a.Nodes), uint64(len(a.Sites)))
	for i := range a.Sites {
		to = appendSpans(appendString(to, a.Sites[i].Site), a.Sites[i].Spans)
	}
	return appendPortions(appendBookings(to, b.Parts), b.Parts)
}

func (b *BookingTold) code(x *sched.Coder) {
	var text []byte
	if !x.Reading() {
		text = b.append(nil)
	}
	x.Bytes(&text)
	if x.Reading() && x.Err() == nil {
		d := &reader{b: text}
		if *b = *d.booked(); d.err != nil || d.at != len(text) {
			x.Fail("a reservation cannot be read")
		}
	}
}
