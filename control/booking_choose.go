package control

import (
	"math/bits"
	"slices"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// BookingAsk is an amount of capacity that an operator wants kept for a queue: what,
// and when by the clock of every site where it may be. The core says where.
type BookingAsk struct {
	Name, Queue string
	fleet.Want
	Sites []fleet.SiteSpans // in the order of the sites' first nodes
}

// choose says where an amount is kept: the reservation with its parts.
func (s *State) choose(b *BookingTold) (*BookingTold, error) {
	where := "reservation " + b.Ask.Name
	if b.Ask.Name == "" || len(b.Ask.Sites) == 0 || slices.ContainsFunc(b.Ask.Sites, func(x fleet.SiteSpans) bool { return len(x.Spans) == 0 }) {
		return nil, fault.New(fault.Invalid, where, "has no name or no window that is not over", "give it a name and a later time")
	}
	if err := b.Ask.Check(); err != nil {
		err.Where = where
		return nil, err
	}
	for _, id := range b.Ask.Nodes {
		if _, known := s.nodes[id]; !known {
			return nil, fault.New(fault.Invalid, where, "node "+string(id)+" does not exist", "see: tianfu node list")
		}
	}
	parts, err := s.spreadAsk(b.Ask, &b.Ask.Want, nil)
	if err != nil {
		err.Where = where
		return nil, err
	}
	return &BookingTold{Key: b.Key, Ask: b.Ask, Parts: parts}, nil
}

// spreadAsk chooses nodes for a want, beside what the reservation keeps already.
func (s *State) spreadAsk(a *BookingAsk, w *fleet.Want, already []fleet.Booking) ([]fleet.Booking, *fault.Error) {
	others := s.otherBookings(a.Name)
	byNode := map[fleet.NodeID][]fleet.Booking{}
	for i := range others {
		for k, id := range others[i].Nodes {
			one := fleet.Booking{Name: others[i].Name, Queue: others[i].Queue, Nodes: others[i].Nodes[k : k+1], Spans: others[i].Spans}
			if others[i].Portions != nil {
				one.Portions = others[i].Portions[k : k+1]
			}
			byNode[id] = append(byNode[id], one)
		}
	}
	taken := map[fleet.NodeID]bool{}
	for i := range already {
		for _, id := range already[i].Nodes {
			taken[id] = true
		}
	}
	named := map[fleet.NodeID]bool{}
	for _, id := range w.Nodes {
		named[id] = true
	}
	var rooms []fleet.Room
	var at []int
	for i := range s.cfg.Fleet.Nodes {
		id := s.cfg.Fleet.Nodes[i].ID
		site := slices.IndexFunc(a.Sites, func(x fleet.SiteSpans) bool { return x.Site == s.cfg.Fleet.Nodes[i].Place.Site })
		n := s.nodes[id]
		if site < 0 || taken[id] || len(named) > 0 && !named[id] || !usable(s.cap.Node(n)) {
			continue
		}
		rooms, at = append(rooms, s.roomFor(n, job.Queue(a.Queue), a.Sites[site].Spans, byNode[id])), append(at, site)
	}
	kept, err := w.Spread(rooms)
	if err != nil {
		return nil, err
	}
	out := slices.Clone(already)
	for _, k := range kept {
		out = keepOn(out, a, &a.Sites[at[k.Room]], rooms[k.Room].Node.ID, k.Portion)
	}
	return out, nil
}

// keepOn adds a node to the part of its site.
func keepOn(list []fleet.Booking, a *BookingAsk, at *fleet.SiteSpans, id fleet.NodeID, p fleet.Portion) []fleet.Booking {
	k := slices.IndexFunc(list, func(b fleet.Booking) bool { return slices.Equal(b.Spans, at.Spans) })
	if k < 0 {
		return append(list, fleet.Booking{Name: a.Name, Queue: a.Queue, Nodes: []fleet.NodeID{id}, Spans: at.Spans, Portions: []fleet.Portion{p}})
	}
	list[k].Nodes, list[k].Portions = append(slices.Clone(list[k].Nodes), id), append(slices.Clone(list[k].Portions), p)
	return list
}

// usable tells whether a node may take work.
func usable(n *fleet.Node) bool {
	return n.Health == fleet.Healthy && !n.Cordoned && !n.Drain
}

// otherBookings lists the bookings of all reservations but one.
func (s *State) otherBookings(name string) []fleet.Booking {
	return slices.DeleteFunc(slices.Clone(s.Bookings()), func(b fleet.Booking) bool { return b.Name == name })
}

// roomFor returns what a node has for a reservation in its windows: without what
// others keep, and of that what no work of other queues is known to use when the
// first window opens.
func (s *State) roomFor(n int32, queue job.Queue, spans []fleet.Window, others []fleet.Booking) fleet.Room {
	node := s.cap.Node(n)
	all := fleet.WholeOf(node)
	all.Accelerators = 0
	for i := range node.Devices {
		if node.Devices[i].Health == fleet.Healthy && !node.Devices[i].Cordoned {
			all.Accelerators++
		}
	}
	opens := s.now
	if k := slices.IndexFunc(spans, func(w fleet.Window) bool { return w.To > s.now }); k >= 0 {
		spans, opens = spans[k:], max(opens, spans[k].From)
	}
	all = all.Without(fleet.Between(node, spans, others))
	var used fleet.Portion
	var devices uint16
	for _, a := range s.cap.Running(n) {
		if a.Queue == s.quotas.Number(queue) || a.Evicting || a.End != unit.Never && a.End <= opens && a.End > s.now {
			continue
		}
		used.CPU, used.Memory = used.CPU+unit.MilliCPU(a.CPU), used.Memory+unit.MiB(a.Memory)
		devices |= a.Devices
	}
	used.Accelerators = bits.OnesCount16(devices)
	return fleet.Room{Node: node, All: all, Free: all.Without(used)}
}

// keepElsewhere chooses other nodes for amounts that are kept on nodes which take no
// work any more, or have too little. Where no others have room they stay: the node may
// come back.
func (s *State) keepElsewhere() {
	for i := range s.booked {
		b := &s.booked[i]
		if b.Ask == nil || b.Over(s.now) {
			continue
		}
		if moved := s.moved(b); moved != nil {
			s.record(Record{Kind: Booked, Booked: moved})
			s.keepElsewhere() // the list is a new one
			return
		}
	}
}

// moved returns a reservation without the nodes that cannot hold it, on others; nil
// when nothing has to change, or can.
func (s *State) moved(b *BookingTold) *BookingTold {
	others := s.otherBookings(b.Name())
	var stay []fleet.Booking
	for i := range b.Parts {
		p := &b.Parts[i]
		site := fleet.SiteSpans{Spans: p.Spans}
		for k, id := range p.Nodes {
			n := s.nodes[id]
			want := fleet.Want{CPU: p.Portions[k].CPU, Memory: p.Portions[k].Memory, Accelerators: p.Portions[k].Accelerators, Model: b.Ask.Model, Nodes: b.Ask.Nodes}
			if room := s.roomFor(n, job.Queue(p.Queue), p.Spans, others); usable(s.cap.Node(n)) && p.Portions[k].Fits(room.All) {
				stay = keepOn(stay, b.Ask, &site, id, p.Portions[k])
				continue
			}
			parts, err := s.spreadAsk(b.Ask, &want, slices.Concat(stay, rest(b, i, k)))
			if err != nil {
				stay = keepOn(stay, b.Ask, &site, id, p.Portions[k])
				continue
			}
			return &BookingTold{Key: b.Key, Ask: b.Ask, Parts: parts}
		}
	}
	return nil
}

// rest lists what a reservation keeps behind node k of part i.
func rest(b *BookingTold, i, k int) []fleet.Booking {
	var out []fleet.Booking
	for j := i; j < len(b.Parts); j++ {
		p := b.Parts[j]
		if j == i {
			p.Nodes, p.Portions = p.Nodes[k+1:], p.Portions[k+1:]
		}
		if len(p.Nodes) > 0 {
			out = append(out, p)
		}
	}
	return out
}

// leaveParts tells work of other queues to leave what is kept of a node from now on.
func (s *State) leaveParts(n int32) {
	for _, id := range s.cap.Surplus(n, s.now) {
		a := s.cap.Alloc(id)
		s.evict(a.Job, a.Task, s.jobOf(a.Job).task(a.Task), CauseBooked)
	}
}
