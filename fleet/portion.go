package fleet

import (
	"fmt"
	"slices"

	"tianfu/fault"
	"tianfu/unit"
)

// Portion is an amount of one node.
type Portion struct {
	CPU          unit.MilliCPU
	Memory       unit.MiB
	Accelerators int
}

// WholeOf returns all that a node has.
func WholeOf(n *Node) Portion {
	return Portion{n.CPU, n.Memory, len(n.Devices)}
}

// Without returns what is left when another portion is taken away; nothing is below
// zero.
func (p Portion) Without(o Portion) Portion {
	return Portion{max(p.CPU-o.CPU, 0), max(p.Memory-o.Memory, 0), max(p.Accelerators-o.Accelerators, 0)}
}

// And returns two portions together.
func (p Portion) And(o Portion) Portion {
	return Portion{p.CPU + o.CPU, p.Memory + o.Memory, p.Accelerators + o.Accelerators}
}

// Fits reports whether the portion is no more than another.
func (p Portion) Fits(in Portion) bool {
	return p.CPU <= in.CPU && p.Memory <= in.Memory && p.Accelerators <= in.Accelerators
}

// most returns the larger of each amount.
func (p Portion) most(o Portion) Portion {
	return Portion{max(p.CPU, o.CPU), max(p.Memory, o.Memory), max(p.Accelerators, o.Accelerators)}
}

// String renders what is kept.
func (p Portion) String() string {
	text := p.CPU.String() + " CPU, " + p.Memory.String()
	if p.Accelerators > 0 {
		text += ", " + unit.Count(p.Accelerators, "accelerator")
	}
	return text
}

// Want is an amount of capacity to be kept on nodes that are still to be chosen.
// Of CPU and memory one may be left out: then every node gives of it the part that
// its accelerators, or what is named, are of all it has.
type Want struct {
	CPU          unit.MilliCPU
	Memory       unit.MiB
	Accelerators int
	Model        Model    // of the accelerators; empty = any
	Nodes        []NodeID // among these; empty = any
}

// maxWantCPU bounds a want, so that no sum overflows.
const maxWantCPU unit.MilliCPU = 1_000_000_000

// Check says what is wrong with a want.
func (w *Want) Check() *fault.Error {
	switch {
	case w.CPU < 0 || w.Memory < 0 || w.Accelerators < 0 || w.CPU > maxWantCPU || w.Accelerators > MaxReserved:
		return &fault.Error{Kind: fault.Invalid, What: "asks for less than nothing, or for more than any centre has", Fix: "write amounts such as cpu: 16, memory: 64GiB"}
	case w.CPU == 0 && w.Memory == 0:
		return &fault.Error{Kind: fault.Invalid, What: "asks for neither CPU nor memory", Fix: "name one, or keep whole nodes"}
	case w.Model != "" && w.Accelerators == 0:
		return &fault.Error{Kind: fault.Invalid, What: "names a model and no accelerators", Fix: "say how many"}
	}
	return nil
}

// Room is what a node has for a want: All, and of it Free, which nothing is known to
// use at the time.
type Room struct {
	Node      *Node
	All, Free Portion
}

// Kept is a portion of the node of one of the rooms.
type Kept struct {
	Room int
	Portion
}

// Spread divides a want among nodes, in the order of the rooms: what is free first,
// so that nothing has to leave; then the fewest nodes; of these one that it fills
// best, without accelerators where none are wanted; then the last declared.
func (w *Want) Spread(rooms []Room) ([]Kept, *fault.Error) {
	units := w.units()
	left := units
	var out []Kept
	for _, free := range []bool{true, false} {
		for left > 0 {
			best, most := -1, int64(0)
			for k := len(rooms) - 1; k >= 0; k-- {
				in := rooms[k].All
				if free {
					in = rooms[k].Free
				}
				if u := w.unitsIn(rooms[k].Node, in, units-left); u > 0 && (best < 0 || w.better(rooms, k, best, [3]int64{u, most, left})) {
					best, most = k, u
				}
			}
			if best < 0 {
				break
			}
			take := min(most, left)
			p := w.portion(rooms[best].Node, units-left, take)
			left -= take
			rooms[best].All, rooms[best].Free = rooms[best].All.Without(p), rooms[best].Free.Without(p)
			if k := slices.IndexFunc(out, func(o Kept) bool { return o.Room == best }); k >= 0 {
				out[k].Portion = out[k].And(p)
			} else {
				out = append(out, Kept{best, p})
			}
		}
	}
	if left > 0 {
		return nil, &fault.Error{Kind: fault.Exhausted, What: fmt.Sprintf("only %d of %s are left for it at the time", units-left, w.name(units)), Fix: "ask for less, other hours, or other nodes"}
	}
	slices.SortFunc(out, func(a, b Kept) int { return a.Room - b.Room })
	return out, nil
}

// better reports whether room a, which holds u[0] units, is a better one for the
// u[2] units left than room b, which holds u[1].
func (w *Want) better(rooms []Room, a, b int, u [3]int64) bool {
	switch holdsA, holdsB := u[0] >= u[2], u[1] >= u[2]; {
	case holdsA != holdsB:
		return holdsA
	case w.Accelerators == 0 && (len(rooms[a].Node.Devices) > 0) != (len(rooms[b].Node.Devices) > 0):
		return len(rooms[a].Node.Devices) == 0
	case holdsA:
		return u[0] < u[1]
	}
	return u[0] > u[1]
}

// base is the resource that a want is divided by: whole accelerators, else whole
// CPUs, else GiB.
func (w *Want) base() int {
	switch {
	case w.Accelerators > 0:
		return 2
	case w.CPU > 0:
		return 0
	}
	return 1
}

// unitSize is what one unit is of each resource when a want is divided by it.
var unitSize = [3]int64{1000, 1024, 1}

func (p Portion) amounts() [3]int64 {
	return [3]int64{int64(p.CPU), int64(p.Memory), int64(p.Accelerators)}
}

func (w *Want) amounts() [3]int64 { return Portion{w.CPU, w.Memory, w.Accelerators}.amounts() }

func (w *Want) units() int64 {
	b := w.base()
	return (w.amounts()[b] + unitSize[b] - 1) / unitSize[b]
}

// name renders so many units.
func (w *Want) name(units int64) string {
	what := [3]string{"CPU", "GiB of memory", "accelerator"}[w.base()]
	if w.base() == 1 {
		return fmt.Sprintf("%d %s", units, what)
	}
	return unit.Count(int(units), what)
}

// portion returns what units from..from+count of a want are of a node. What is named
// is rounded so that the portions sum up to it.
func (w *Want) portion(n *Node, from, count int64) Portion {
	want, has, units, b := w.amounts(), WholeOf(n).amounts(), w.units(), w.base()
	var out [3]int64
	out[b] = min((from+count)*unitSize[b], want[b]) - from*unitSize[b]
	for d := range out {
		switch {
		case d == b:
		case want[d] > 0:
			out[d] = want[d]*(from+count)/units - want[d]*from/units
		case d != 2 && has[b] > 0:
			out[d] = (has[d]*out[b] + has[b] - 1) / has[b] // the last unit may be a part of one
		}
	}
	return Portion{unit.MilliCPU(out[0]), unit.MiB(out[1]), int(out[2])}
}

// unitsIn returns how many units, from a unit on, a node holds in a room.
func (w *Want) unitsIn(n *Node, in Portion, from int64) int64 {
	b := w.base()
	if w.Model != "" && n.Model != w.Model || WholeOf(n).amounts()[b] == 0 {
		return 0
	}
	want, has, free := w.amounts(), WholeOf(n).amounts(), in.amounts()
	u := free[b]/unitSize[b] + 1 // the last unit may be less than a whole one
	for d := range want {
		switch {
		case d == b || d == 2 || want[d] == 0 && has[d] == 0:
		case want[d] > 0:
			u = min(u, free[d]*w.units()/want[d]+1) // as portions are rounded
		default:
			u = min(u, free[d]*has[b]/(has[d]*unitSize[b])+1)
		}
	}
	for u > 0 && !w.portion(n, from, u).Fits(in) {
		u--
	}
	return u
}

// Between returns the most that bookings keep of a node at any instant of windows.
func Between(n *Node, spans []Window, others []Booking) Portion {
	type edge struct {
		at  unit.Instant
		add bool
		Portion
	}
	var edges []edge
	for i := range others {
		k := slices.Index(others[i].Nodes, n.ID)
		if k < 0 {
			continue
		}
		p := others[i].PortionOf(k, n)
		for a, b := spans, others[i].Spans; len(a) > 0 && len(b) > 0; {
			if from, to := max(a[0].From, b[0].From), min(a[0].To, b[0].To); from < to {
				edges = append(edges, edge{from, true, p}, edge{to, false, p})
			}
			if a[0].To <= b[0].To {
				a = a[1:]
			} else {
				b = b[1:]
			}
		}
	}
	slices.SortStableFunc(edges, func(a, b edge) int {
		switch {
		case a.at != b.at:
			return int(min(max(a.at-b.at, -1), 1))
		case a.add == b.add:
			return 0
		case b.add:
			return -1 // what ends makes room for what begins
		}
		return 1
	})
	var now, most Portion
	for _, e := range edges {
		if e.add {
			now = now.And(e.Portion)
			most = most.most(now)
		} else {
			now = now.Without(e.Portion)
		}
	}
	return most
}
