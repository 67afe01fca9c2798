package fleet

import (
	"slices"
	"time"

	"tianfu/fault"
	"tianfu/unit"
)

// Booking is a reservation written out: the nodes and the windows in which only
// jobs of the queue run on them, or on the portions that are kept of them.
type Booking struct {
	Name     string
	Queue    string
	Nodes    []NodeID
	Spans    []Window  // in order, without overlap
	Portions []Portion // of the nodes, in their order; nil = whole nodes
}

// PortionOf returns what is kept of node k of the booking.
func (b *Booking) PortionOf(k int, n *Node) Portion {
	if b.Portions == nil {
		return WholeOf(n)
	}
	return b.Portions[k]
}

// Zones finds the time zone of a site.
type Zones func(site string) (*time.Location, error)

// Bookings writes the reservations out, recurring ones from an instant on for as
// long as Ahead, by the clocks of the nodes' sites: a window of 22:00-06:00 is
// seven or nine hours long when the clocks change. load is time.LoadLocation.
func (w *World) Bookings(load func(zone string) (*time.Location, error), from unit.Instant) ([]Booking, error) {
	var out []Booking
	size := 0
	for i := range w.Reservations {
		r := &w.Reservations[i]
		list, err := r.write(w.nodes, func(site string) (*time.Location, error) { return load(w.zoneOf(site)) }, from)
		if err != nil {
			return nil, err
		}
		if size += Size(list); size > MaxReserved {
			return nil, r.tooLarge()
		}
		out = append(out, list...)
	}
	return out, overlap(out)
}

// SiteSpans are the windows of a reservation at a site.
type SiteSpans struct {
	Site  string
	Spans []Window // in order, without overlap
}

// Amounts says what a reservation asks for where it is of amounts, and when that is at
// every site of the fleet; ok is false where it keeps whole nodes. Which nodes is for
// the core to say, which knows what runs.
func (f *Fleet) Amounts(r Reserve, zones Zones, from unit.Instant) (w *Want, sites []SiteSpans, ok bool, err error) {
	if !r.amounts() {
		return nil, nil, false, nil
	}
	if err := r.begins(from); err != nil {
		return nil, nil, true, err
	}
	w, bad := r.want(len(f.Nodes))
	if bad != nil {
		bad.Where = "reservation " + r.Name
		return nil, nil, true, bad
	}
	seen := map[string]bool{}
	for i := range f.Nodes {
		site := f.Nodes[i].Place.Site
		if seen[site] {
			continue
		}
		seen[site] = true
		spans, err := r.spans(site, zones, from)
		if err != nil {
			return nil, nil, true, err
		}
		sites = append(sites, SiteSpans{site, spans})
	}
	return w, sites, true, nil
}

// begins checks the name and the windows; a single one without a beginning begins at
// an instant.
func (r *Reserve) begins(from unit.Instant) error {
	if !plainName(r.Name) {
		return fault.New(fault.Invalid, "reservation", "has no name, or one with control characters or of more than 128 bytes", "give it a plain name")
	}
	if r.From == 0 && r.Days == "" {
		r.From = from
	}
	if bad := r.windowFaults(); len(bad) > 0 {
		bad[0].Where = "reservation " + r.Name
		return bad[0]
	}
	return nil
}

// Book writes out one reservation of a fleet that has others already, from an
// instant on. Where it names no nodes, those are taken that no other has in its
// windows. It does not look at the queue, nor at whether nodes that are named
// are free: the core does.
func (f *Fleet) Book(r Reserve, others []Booking, zones Zones, from unit.Instant) ([]Booking, error) {
	if err := r.begins(from); err != nil {
		return nil, err
	}
	at := make(map[string]int32, len(f.Nodes))
	for i := range f.Nodes {
		at[string(f.Nodes[i].ID)] = int32(i)
	}
	taken := map[NodeID]bool{}
	if r.Nodes == "" {
		bySite := map[string][]Window{}
		for i := range f.Nodes {
			site := f.Nodes[i].Place.Site
			if _, known := bySite[site]; known {
				continue
			}
			spans, err := r.spans(site, zones, from)
			if err != nil {
				return nil, err
			}
			bySite[site] = spans
		}
		for i := range others {
			for _, id := range others[i].Nodes {
				if k, ok := at[string(id)]; ok && meet(bySite[f.Nodes[k].Place.Site], others[i].Spans) {
					taken[id] = true
				}
			}
		}
	}
	if bad := r.choose(f.Nodes, func(name string) (int32, bool) { k, ok := at[name]; return k, ok }, func(k int32) bool { return taken[f.Nodes[k].ID] }); bad != nil {
		bad.Where = "reservation " + r.Name
		return nil, bad
	}
	return r.write(f.Nodes, zones, from)
}

// write writes out a reservation whose nodes are chosen, a booking for each site
// in the order of the nodes.
func (r *Reserve) write(nodes []Node, zones Zones, from unit.Instant) ([]Booking, error) {
	sites, portions := map[string][]NodeID{}, map[string][]Portion{}
	var order []string
	for i, k := range r.nodes {
		n := &nodes[k]
		if sites[n.Place.Site] == nil {
			order = append(order, n.Place.Site)
		}
		sites[n.Place.Site] = append(sites[n.Place.Site], n.ID)
		if r.portions != nil {
			portions[n.Place.Site] = append(portions[n.Place.Site], r.portions[i])
		}
	}
	var out []Booking
	for _, site := range order {
		spans, err := r.spans(site, zones, from)
		if err != nil {
			return nil, err
		}
		out = append(out, Booking{Name: r.Name, Queue: r.Queue, Nodes: sites[site], Spans: spans, Portions: portions[site]})
	}
	if Size(out) > MaxReserved {
		return nil, r.tooLarge()
	}
	return out, nil
}

func (r *Reserve) tooLarge() error {
	return fault.New(fault.Invalid, "reservation "+r.Name, "has too many windows on too many nodes", "reserve fewer nodes")
}

// spans lists the windows at a site.
func (r *Reserve) spans(site string, zones Zones, from unit.Instant) ([]Window, error) {
	if r.Days == "" {
		return []Window{{r.From, r.To}}, nil
	}
	zone, err := zones(site)
	if err != nil {
		return nil, fault.Wrap(err, "reservation "+r.Name, "read the time zone")
	}
	return r.recur(zone, from), nil
}

// Size returns how many nodes in how many windows bookings take.
func Size(list []Booking) int {
	size := 0
	for i := range list {
		size += len(list[i].Nodes) * len(list[i].Spans)
	}
	return size
}

// Clash returns a node that two bookings take at one time, one of them as a whole;
// empty when there is none. Portions of a node go together as long as it has enough:
// see Between.
func (b *Booking) Clash(o *Booking) NodeID {
	if b.Portions != nil && o.Portions != nil || !meet(b.Spans, o.Spans) {
		return ""
	}
	has := make(map[NodeID]bool, len(b.Nodes))
	for _, id := range b.Nodes {
		has[id] = true
	}
	for _, id := range o.Nodes {
		if has[id] {
			return id
		}
	}
	return ""
}

// meet tells whether windows of two lists, each in order, overlap.
func meet(a, b []Window) bool {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].To <= b[0].From:
			a = a[1:]
		case b[0].To <= a[0].From:
			b = b[1:]
		default:
			return true
		}
	}
	return false
}

func (w *World) zoneOf(site string) string {
	for i := range w.Sites {
		if w.Sites[i].Name == site {
			return w.Sites[i].TimeZone
		}
	}
	return "UTC"
}

// recur lists the windows of a recurring reservation.
func (r *Reserve) recur(zone *time.Location, from unit.Instant) []Window {
	begin, end, _ := r.hours() // was checked with the world
	on, _ := r.days()
	if end <= begin {
		end += 24 * 60
	}
	at := func(t time.Time) unit.Instant { return unit.Instant(t.UnixNano()) }
	first := time.Unix(0, int64(from)).In(zone).AddDate(0, 0, -1)
	var out []Window
	for k := range int(Ahead/(24*time.Hour)) + 1 {
		day := first.AddDate(0, 0, k)
		if !on[day.Weekday()] {
			continue
		}
		s := Window{at(time.Date(day.Year(), day.Month(), day.Day(), 0, begin, 0, 0, zone)), at(time.Date(day.Year(), day.Month(), day.Day(), 0, end, 0, 0, zone))}
		if s.To > from && (r.From == 0 || s.From >= r.From) && (r.To == 0 || s.To <= r.To) {
			out = append(out, s)
		}
	}
	return out
}

// overlap refuses two reservations of a node at one time, unless both are of portions:
// these were chosen so that they fit together.
func overlap(list []Booking) error {
	type use struct {
		Window
		name string
		part bool
	}
	by := map[NodeID][]use{}
	for i := range list {
		for _, n := range list[i].Nodes {
			for _, s := range list[i].Spans {
				by[n] = append(by[n], use{s, list[i].Name, list[i].Portions != nil})
			}
		}
	}
	for i := range list {
		for _, n := range list[i].Nodes {
			uses := by[n]
			slices.SortFunc(uses, func(a, b use) int { return int(min(max(a.From-b.From, -1), 1)) })
			var any, whole use // those that end last
			for _, u := range uses {
				before := any
				if u.part {
					before = whole
				}
				if u.From < before.To {
					return fault.New(fault.Invalid, "reservation "+u.name, "takes node "+string(n)+" while reservation "+before.name+" has it", "choose other nodes or hours")
				}
				if u.To > any.To {
					any = u
				}
				if !u.part {
					whole = u
				}
			}
		}
	}
	return nil
}
