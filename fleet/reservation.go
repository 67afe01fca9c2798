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
	MaxReservations = 1000
	MaxReserved     = 1_000_000 // nodes times windows
	// Ahead is how far recurring reservations are written out.
	Ahead = 400 * 24 * time.Hour
)

// Reserve keeps whole nodes for a queue, or amounts of nodes, once or again and again.
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
	// CPU or Memory make it a reservation of amounts: of these and of so many
	// Accelerators, on whichever nodes, or some of Nodes. What is left out of CPU and
	// memory is kept in proportion.
	CPU      unit.MilliCPU
	Memory   unit.MiB
	From, To unit.Instant // of a single window; of a recurring one its first and last instant
	Days     string       // daily, or days such as mon,wed,fri: it recurs
	Hours    string       // such as 22:00-06:00, in the time zone of the site

	nodes    []int32
	portions []Portion // of nodes; nil = whole
}

// amounts reports whether amounts are kept, not whole nodes.
func (r *Reserve) amounts() bool { return r.CPU != 0 || r.Memory != 0 }

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// reservations checks what is declared and chooses the nodes.
func (b *builder) reservations() {
	w := b.w
	if len(w.Reservations) > MaxReservations {
		b.fail(w.Reservations[MaxReservations].line, "", "more than %d reservations", MaxReservations)
		return
	}
	taken, seen := map[int32]bool{}, map[string]bool{}
	parts := map[int32]Portion{} // kept of nodes, at whatever time
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
		for _, f := range r.windowFaults() {
			b.fail(r.line, f.Fix, "%s: %s", what, f.What)
		}
		number := func(name string) (int32, bool) { k, ok := b.nodeAt[name]; return k, ok }
		if r.amounts() {
			if err := r.divide(w.nodes, number, taken, parts); err != nil {
				b.fail(r.line, err.Fix, "%s: %s", what, err.What)
			}
			continue
		}
		if err := r.choose(w.nodes, number, func(k int32) bool { return taken[k] || parts[k] != Portion{} }); err != nil {
			b.fail(r.line, err.Fix, "%s: %s", what, err.What)
		}
		for _, k := range r.nodes {
			taken[k] = true
		}
	}
}

// divide chooses nodes for amounts: those that hold them beside what is kept already,
// at whatever time.
func (r *Reserve) divide(nodes []Node, number func(name string) (int32, bool), taken map[int32]bool, parts map[int32]Portion) *fault.Error {
	w, err := r.want(len(nodes))
	if err != nil {
		return err
	}
	var among []int32
	for _, id := range w.Nodes {
		k, ok := number(string(id))
		if !ok {
			return unknownNode(string(id))
		}
		among = append(among, k)
	}
	if w.Nodes == nil {
		for k := range nodes {
			among = append(among, int32(k))
		}
	}
	var rooms []Room
	var at []int32
	for _, k := range among {
		if !taken[k] {
			left := WholeOf(&nodes[k]).Without(parts[k])
			rooms, at = append(rooms, Room{Node: &nodes[k], All: left, Free: left}), append(at, k)
		}
	}
	kept, err := w.Spread(rooms)
	if err != nil {
		return err
	}
	r.nodes, r.portions = nil, nil
	for _, one := range kept {
		k := at[one.Room]
		parts[k] = parts[k].And(one.Portion)
		r.nodes, r.portions = append(r.nodes, k), append(r.portions, one.Portion)
	}
	return nil
}

// want returns what a reservation of amounts asks for; nodes is how many there are.
func (r *Reserve) want(nodes int) (*Want, *fault.Error) {
	w := &Want{CPU: r.CPU, Memory: r.Memory, Accelerators: r.Accelerators, Model: Model(r.Model)}
	if r.Count > 0 {
		return nil, &fault.Error{Kind: fault.Invalid, What: "has both count: and amounts", Fix: "count: keeps whole nodes; leave it out, or leave cpu: and memory: out"}
	}
	if err := w.Check(); err != nil {
		return nil, err
	}
	if r.Nodes != "" {
		names, err := Expand(r.Nodes, nodes)
		if err != nil {
			return nil, &fault.Error{Kind: fault.Invalid, What: err.Error()}
		}
		for _, name := range names {
			w.Nodes = append(w.Nodes, NodeID(name))
		}
	}
	return w, nil
}

func unknownNode(name string) *fault.Error {
	return &fault.Error{Kind: fault.Invalid, What: fmt.Sprintf("unknown node %q", name), Fix: "name nodes of this world"}
}

// windowFaults says what is wrong with the window, or with the windows.
func (r *Reserve) windowFaults() (out []*fault.Error) {
	say := func(what, fix string) {
		out = append(out, &fault.Error{Kind: fault.Invalid, What: what, Fix: fix})
	}
	if _, _, ok := r.hours(); !ok {
		say(fmt.Sprintf("hours: %q", r.Hours), "write them like 22:00-06:00")
	}
	if _, bad := r.days(); bad != "" {
		say(fmt.Sprintf("days: %q is no day", bad), "write daily, or days such as mon,wed,fri")
	}
	switch {
	case r.Days == "" && r.Hours != "":
		say("has hours: and no days:", "say daily, or mon,wed,fri")
	case r.Days != "" && r.Hours == "":
		say("has days: and no hours:", "such as 22:00-06:00")
	case r.Days == "" && (r.From == 0 || r.To <= r.From):
		say("has no window", "give from: and a later to:, or days: and hours:")
	}
	return out
}

// choose chooses the nodes: those named, or others that are not taken and accept
// new work, from the last declared backwards.
func (r *Reserve) choose(nodes []Node, number func(name string) (int32, bool), taken func(int32) bool) *fault.Error {
	ways := 0
	for _, given := range []bool{r.Nodes != "", r.Count > 0, r.Accelerators > 0} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return &fault.Error{Kind: fault.Invalid, What: "says not which nodes", Fix: "give one of nodes:, count: and accelerators:"}
	}
	r.nodes = nil
	if r.Nodes != "" {
		names, err := Expand(r.Nodes, len(nodes))
		if err != nil {
			return &fault.Error{Kind: fault.Invalid, What: err.Error()}
		}
		for _, name := range names {
			k, ok := number(name)
			if !ok {
				return unknownNode(name)
			}
			r.nodes = append(r.nodes, k)
		}
		return nil
	}
	devices, shut := 0, 0
	for k := int32(len(nodes)) - 1; k >= 0 && (len(r.nodes) < r.Count || devices < r.Accelerators); k-- {
		n := &nodes[k]
		switch {
		case taken(k) || r.Model != "" && string(n.Model) != r.Model || r.Accelerators > 0 && len(n.Devices) == 0:
		case n.Cordoned || n.Drain || n.Health != Healthy:
			shut++
		default:
			devices += len(n.Devices)
			r.nodes = append(r.nodes, k)
		}
	}
	slices.Sort(r.nodes)
	if len(r.nodes) < r.Count || devices < r.Accelerators {
		what, fix := fmt.Sprintf("only %d nodes with %d accelerators are left for it", len(r.nodes), devices), "ask for less, or another model"
		if shut > 0 {
			what += fmt.Sprintf("; %d more are cordoned, draining or not healthy, and are not taken", shut)
			fix += ", or open some: tianfu node uncordon NODE"
		}
		return &fault.Error{Kind: fault.Invalid, What: what, Fix: fix}
	}
	return nil
}

// hours reads 22:00-06:00 as minutes of the day.
func (r *Reserve) hours() (from, to int, ok bool) {
	if r.Hours == "" {
		return 0, 0, true
	}
	var h, m, i, j int
	n, err := fmt.Sscanf(r.Hours, "%d:%d-%d:%d", &h, &m, &i, &j)
	return h*60 + m, i*60 + j, n == 4 && err == nil && h >= 0 && h <= 23 && m >= 0 && m <= 59 && i >= 0 && i <= 24 && j >= 0 && j <= 59 && (i < 24 || j == 0)
}

// days reads daily, or mon,wed,fri; bad is a word that is no day.
func (r *Reserve) days() (on [7]bool, bad string) {
	if r.Days == "daily" {
		return [7]bool{true, true, true, true, true, true, true}, ""
	}
	for name := range strings.SplitSeq(r.Days, ",") {
		k := slices.Index(weekdays, strings.TrimSpace(name))
		if k < 0 && r.Days != "" {
			return on, name
		}
		if k >= 0 {
			on[k] = true
		}
	}
	return on, ""
}
