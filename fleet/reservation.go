package fleet

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tianfu/fault"
	"tianfu/unit"
)

// Bounds of reservations.
const (
	maxReservations = 1000
	maxReserved     = 1_000_000 // nodes times windows
	// Ahead is how far recurring reservations are written out.
	Ahead = 400 * 24 * time.Hour
)

// Reserve keeps whole nodes for a queue, once or again and again.
type Reserve struct {
	at
	Name  string
	Queue string
	// Nodes names them, or is a pattern. Otherwise Count nodes, or nodes with so
	// many Accelerators, of a Model are taken, from the last declared backwards.
	Nodes        string
	Count        int
	Accelerators int
	Model        string
	From, To     unit.Instant // of a single window; of a recurring one its first and last instant
	Days         string       // daily, or days such as mon,wed,fri: it recurs
	Hours        string       // such as 22:00-06:00, in the time zone of the site

	nodes []int32
}

// Booking is a reservation written out: the nodes and the windows in which only
// jobs of the queue run on them.
type Booking struct {
	Name  string
	Queue string
	Nodes []NodeID
	Spans []Window // in order, without overlap
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// reservations checks what is declared and chooses the nodes.
func (b *builder) reservations() {
	w := b.w
	if len(w.Reservations) > maxReservations {
		b.fail(w.Reservations[maxReservations].line, "", "more than %d reservations", maxReservations)
		return
	}
	taken, seen := map[int32]bool{}, map[string]bool{}
	for i := range w.Reservations {
		r := &w.Reservations[i]
		what := "reservation " + r.Name
		if !plainName(r.Name) || seen[r.Name] {
			b.fail(r.line, "give it a name of its own", "reservation %q has no name, or that of another", r.Name)
		}
		seen[r.Name] = true
		if !slices.ContainsFunc(w.Queues, func(q Queue) bool { return q.Name == r.Queue }) {
			b.fail(r.line, "declare it under queues:", "%s: unknown queue %q", what, r.Queue)
		}
		if _, _, err := r.hours(); err != nil {
			b.fail(r.line, "", "%s: %s", what, err)
		}
		if _, err := r.days(); err != nil {
			b.fail(r.line, "", "%s: %s", what, err)
		}
		switch {
		case r.Days == "" && r.Hours != "":
			b.fail(r.line, "say daily, or mon,wed,fri", "%s has hours: and no days:", what)
		case r.Days != "" && r.Hours == "":
			b.fail(r.line, "such as 22:00-06:00", "%s has days: and no hours:", what)
		case r.Days == "" && (r.From == 0 || r.To <= r.From):
			b.fail(r.line, "give from: and a later to:, or days: and hours:", "%s has no window", what)
		}
		b.reservedNodes(r, taken)
	}
}

// reservedNodes chooses the nodes of a reservation.
func (b *builder) reservedNodes(r *Reserve, taken map[int32]bool) {
	what := "reservation " + r.Name
	ways := 0
	for _, given := range []bool{r.Nodes != "", r.Count > 0, r.Accelerators > 0} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		b.fail(r.line, "", "%s: give one of nodes:, count: and accelerators:", what)
		return
	}
	if r.Nodes != "" {
		names, err := Expand(r.Nodes, len(b.w.nodes))
		if err != nil {
			b.fail(r.line, "", "%s: %s", what, err)
			return
		}
		for _, name := range names {
			k, ok := b.nodeAt[name]
			if !ok {
				b.fail(r.line, "name nodes of this world", "%s: unknown node %q", what, name)
				return
			}
			taken[k] = true
			r.nodes = append(r.nodes, k)
		}
		return
	}
	devices := 0
	for k := int32(len(b.w.nodes)) - 1; k >= 0 && (len(r.nodes) < r.Count || devices < r.Accelerators); k-- {
		if n := &b.w.nodes[k]; !taken[k] && (r.Model == "" || string(n.Model) == r.Model) && (r.Accelerators == 0 || len(n.Devices) > 0) {
			taken[k] = true
			devices += len(n.Devices)
			r.nodes = append(r.nodes, k)
		}
	}
	if len(r.nodes) < r.Count || devices < r.Accelerators {
		b.fail(r.line, "ask for less, or another model", "%s: only %d nodes with %d accelerators are left for it", what, len(r.nodes), devices)
	}
	slices.Sort(r.nodes)
}

// hours reads 22:00-06:00 as minutes of the day.
func (r *Reserve) hours() (from, to int, err error) {
	if r.Hours == "" {
		return 0, 0, nil
	}
	var h, m, i, j int
	if n, e := fmt.Sscanf(r.Hours, "%d:%d-%d:%d", &h, &m, &i, &j); n != 4 || e != nil || h < 0 || h > 23 || m < 0 || m > 59 || i < 0 || i > 24 || j < 0 || j > 59 || i == 24 && j > 0 {
		return 0, 0, fault.New(fault.Invalid, "", fmt.Sprintf("hours: %q", r.Hours), "write them like 22:00-06:00")
	}
	return h*60 + m, i*60 + j, nil
}

// days reads daily, or mon,wed,fri.
func (r *Reserve) days() (on [7]bool, err error) {
	if r.Days == "daily" {
		return [7]bool{true, true, true, true, true, true, true}, nil
	}
	for name := range strings.SplitSeq(r.Days, ",") {
		k := slices.Index(weekdays, strings.TrimSpace(name))
		if k < 0 && r.Days != "" {
			return on, fault.New(fault.Invalid, "", fmt.Sprintf("days: %q is no day", name), "write daily, or days such as mon,wed,fri")
		}
		if k >= 0 {
			on[k] = true
		}
	}
	return on, nil
}

// Bookings writes the reservations out, recurring ones from an instant on for as
// long as Ahead, by the clocks of the nodes' sites: a window of 22:00-06:00 is
// seven or nine hours long when the clocks change. load is time.LoadLocation.
func (w *World) Bookings(load func(zone string) (*time.Location, error), from unit.Instant) ([]Booking, error) {
	var out []Booking
	size := 0
	for i := range w.Reservations {
		r := &w.Reservations[i]
		sites := map[string][]NodeID{}
		var order []string
		for _, k := range r.nodes {
			n := &w.nodes[k]
			if sites[n.Place.Site] == nil {
				order = append(order, n.Place.Site)
			}
			sites[n.Place.Site] = append(sites[n.Place.Site], n.ID)
		}
		for _, name := range order {
			b := Booking{Name: r.Name, Queue: r.Queue, Nodes: sites[name], Spans: []Window{{r.From, r.To}}}
			if r.Days != "" {
				zone, err := load(w.zoneOf(name))
				if err != nil {
					return nil, fault.Wrap(err, "reservation "+r.Name, "read the time zone")
				}
				b.Spans = r.recur(zone, from)
			}
			if size += len(b.Nodes) * len(b.Spans); size > maxReserved {
				return nil, fault.New(fault.Invalid, "reservation "+r.Name, "has too many windows on too many nodes", "reserve fewer nodes")
			}
			out = append(out, b)
		}
	}
	return out, overlap(out)
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

// overlap refuses two reservations of a node at one time.
func overlap(list []Booking) error {
	type use struct {
		Window
		name string
	}
	by := map[NodeID][]use{}
	for i := range list {
		for _, n := range list[i].Nodes {
			for _, s := range list[i].Spans {
				by[n] = append(by[n], use{s, list[i].Name})
			}
		}
	}
	for i := range list {
		for _, n := range list[i].Nodes {
			uses := by[n]
			slices.SortFunc(uses, func(a, b use) int { return int(min(max(a.From-b.From, -1), 1)) })
			for k := 1; k < len(uses); k++ {
				if uses[k].From < uses[k-1].To {
					return fault.New(fault.Invalid, "reservation "+uses[k].name, "takes node "+string(n)+" while reservation "+uses[k-1].name+" has it", "choose other nodes or hours")
				}
			}
		}
	}
	return nil
}
