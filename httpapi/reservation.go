package httpapi

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tianfu/control"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// Reservation is nodes, or amounts of nodes, kept for a queue in windows, as the API
// shows it to those the queue belongs to.
type Reservation struct {
	Name      string           `json:"name"`
	Queue     string           `json:"queue" doc:"Only its jobs run on the nodes in a window"`
	Source    string           `json:"source" enum:"world,api" doc:"Declared in the world file, or made while the centre runs"`
	Nodes     []string         `json:"nodes"`
	Portions  []Portion        `json:"portions,omitempty" doc:"Where amounts are kept: of each of the nodes, in their order; left out for whole nodes"`
	Open      bool             `json:"open,omitempty" doc:"A window is open now"`
	Windows   []ReservedWindow `json:"windows" doc:"The one open now and those to come, at most 10"`
	Remaining int              `json:"windows_remaining" doc:"All that are not over"`
	Ends      string           `json:"ends" format:"date-time" doc:"End of the last window"`
}

// Portion is what is kept of a node.
type Portion struct {
	CPU          string `json:"cpu"`
	Memory       string `json:"memory"`
	Accelerators int    `json:"accelerators,omitempty"`
}

// ReservedWindow is a window of a reservation.
type ReservedWindow struct {
	From string `json:"from" format:"date-time"`
	To   string `json:"to" format:"date-time"`
}

// ReservedByOthers is a reservation of which a caller may know only how much it
// keeps and when.
type ReservedByOthers struct {
	Nodes int            `json:"nodes"`
	Parts bool           `json:"portions,omitempty" doc:"Of the nodes only portions are kept"`
	Next  ReservedWindow `json:"next" doc:"The window open now, or the next"`
}

// Reservations are those a caller may see, and the load of others beside them.
type Reservations struct {
	Reservations []Reservation      `json:"reservations"`
	Others       []ReservedByOthers `json:"others,omitempty" doc:"For queues of other tenants"`
}

// ReservationBody is a reservation to be made. Whole nodes: by name, or so many, or as
// many as hold so many accelerators. Amounts: cpu or memory, and accelerators. When:
// one window, or days and hours.
type ReservationBody struct {
	Name         string `json:"name" minLength:"1" maxLength:"128"`
	Queue        string `json:"queue" minLength:"1" maxLength:"128" doc:"A declared queue"`
	Nodes        string `json:"nodes,omitempty" maxLength:"65536" doc:"Names or a pattern: all of them as a whole or, of amounts, some of them" example:"n{01..04}"`
	CPU          string `json:"cpu,omitempty" maxLength:"32" doc:"An amount: logical CPUs, on whichever nodes the core chooses" example:"16"`
	Memory       string `json:"memory,omitempty" maxLength:"32" doc:"An amount. What is left out of cpu and memory is kept in proportion, node by node" example:"64GiB"`
	Count        int    `json:"count,omitempty" minimum:"0" maximum:"1000000" doc:"So many nodes, from the last declared backwards, of those that accept work now and that nobody has reserved at the time"`
	Accelerators int    `json:"accelerators,omitempty" minimum:"0" maximum:"16000000" doc:"As many such nodes as hold so many; with cpu or memory, so many accelerators"`
	Model        string `json:"model,omitempty" maxLength:"128" doc:"Of the accelerators, with count or accelerators"`
	From         string `json:"from,omitempty" format:"date-time" doc:"Of a single window: now when left out; of a recurring one no window begins earlier"`
	To           string `json:"to,omitempty" format:"date-time" doc:"Of a recurring one no window ends later; within 400 days"`
	Days         string `json:"days,omitempty" maxLength:"64" doc:"It recurs: daily, or days" example:"mon,wed,fri"`
	Hours        string `json:"hours,omitempty" maxLength:"16" doc:"Of a recurring one, by the clock of the nodes' site" example:"22:00-06:00"`
}

type reservationsOutput struct {
	ETag string `header:"ETag"`
	Body Reservations
}

type reservationInput struct {
	TagInput
	Name string `path:"name" maxLength:"128"`
}

type endReservationInput struct {
	Name  string `path:"name" maxLength:"128"`
	Match string `header:"If-Match" maxLength:"1024" example:"*" doc:"Only if it is still as it was shown with this tag, or, for *, if it is there; else 412"`
}

type reservationOutput struct {
	ETag string `header:"ETag"`
	Body Reservation
}

type reserveInput struct {
	Key  string `header:"Idempotency-Key" maxLength:"128" doc:"A repeated request with the same key makes nothing new as long as the reservation stands"`
	Body ReservationBody
}

func (s *Server) routeReservations() {
	errors := []int{401, 403, 404, 409, 413, 422, 429, 503}
	huma.Register(s.api, huma.Operation{OperationID: "list-reservations", Method: http.MethodGet, Path: "/v1/reservations", Summary: "List reservations",
		Description: "Those of the world file and those made while the centre runs, without those that are over. A tenant sees those for its own queues in full, and of others how many nodes they keep and when.", Errors: append([]int{304}, errors...)}, s.listReservations)
	huma.Register(s.api, huma.Operation{OperationID: "get-reservation", Method: http.MethodGet, Path: "/v1/reservations/{name}", Summary: "Show a reservation", Errors: append([]int{304}, errors...)}, s.getReservation)
	huma.Register(s.api, huma.Operation{OperationID: "create-reservation", Method: http.MethodPost, Path: "/v1/reservations", Summary: "Keep nodes, or amounts, for a queue in a window, once or recurring", DefaultStatus: 201,
		Description:  "The core checks it as one input: the queue and the nodes are there, and no other reservation has a node at the time, or too much of it. For amounts the core chooses the nodes: what is free first, then the fewest; and others, when one of them fails or is cordoned. Work of others that runs there when a window opens is told to leave, as far as it is in the way. It survives restarts and reloads of the world; a reload that would take its nodes or its queue away is refused.",
		MaxBodyBytes: 1 << 17, Errors: errors}, s.createReservation)
	huma.Register(s.api, huma.Operation{OperationID: "delete-reservation", Method: http.MethodDelete, Path: "/v1/reservations/{name}", Summary: "End a reservation", DefaultStatus: 204,
		Description: "One of the world file is taken out there instead.", Errors: append([]int{412}, errors...)}, s.deleteReservation)
}

func (s *Server) listReservations(ctx context.Context, in *TagInput) (*reservationsOutput, error) {
	out := &reservationsOutput{}
	who := identity(ctx)
	if err := s.centre.View(ctx, func(st *control.State) { out.Body = reservationsOf(st, who) }); err != nil {
		return nil, problem(err)
	}
	out.ETag = tagOf(out.Body)
	return out, in.unchanged(out.ETag)
}

func (s *Server) getReservation(ctx context.Context, in *reservationInput) (*reservationOutput, error) {
	out := &reservationOutput{}
	who, found := identity(ctx), false
	err := s.centre.View(ctx, func(st *control.State) {
		if out.Body, found = reservationNamed(st, who, in.Name); found {
			out.ETag = tagOf(out.Body)
		}
	})
	if err == nil && !found {
		err = fault.New(fault.NotFound, "reservation "+in.Name, "no such reservation", "see: tianfu reservation list")
	}
	if err != nil {
		return nil, problem(err)
	}
	return out, in.unchanged(out.ETag)
}

func reservationNamed(st *control.State, who Caller, name string) (Reservation, bool) {
	list := reservationsOf(st, who).Reservations
	if k := slices.IndexFunc(list, func(r Reservation) bool { return r.Name == name }); k >= 0 {
		return list[k], true
	}
	return Reservation{}, false
}

// createReservation works out which nodes and windows are meant and asks the
// core for them; what changed in between, the core refuses.
func (s *Server) createReservation(ctx context.Context, in *reserveInput) (*reservationOutput, error) {
	b := &in.Body
	r := fleet.Reserve{Name: b.Name, Queue: b.Queue, Nodes: b.Nodes, Count: b.Count, Accelerators: b.Accelerators, Model: b.Model, Days: b.Days, Hours: b.Hours}
	f := &fields{}
	r.CPU, r.Memory = field(f, "cpu", b.CPU, unit.ParseMilliCPU), field(f, "memory", b.Memory, unit.ParseMiB)
	r.From, r.To = field(f, "from", b.From, unit.ParseInstant), field(f, "to", b.To, unit.ParseInstant)
	if f.err != nil {
		return nil, problem(f.err)
	}
	var of *fleet.Fleet
	var others []fleet.Booking
	repeated := false
	err := s.centre.View(ctx, func(st *control.State) {
		if of, others = st.Config().Fleet, st.Bookings(); b.Nodes == "" {
			of = asItStands(st)
		}
		repeated = in.Key != "" && slices.ContainsFunc(st.Booked(), func(k control.BookingTold) bool { return k.Key == in.Key && k.Name() == b.Name })
	})
	if err == nil && !repeated {
		told := &control.BookingTold{Key: in.Key}
		if told.Ask, told.Parts, err = s.write(of, r, others); err == nil {
			err = s.centre.Book(ctx, told)
		}
	}
	if err != nil {
		return nil, problem(err)
	}
	return s.getReservation(ctx, &reservationInput{Name: b.Name})
}

// asItStands returns the fleet with every node as it is now, not as it was
// declared: one that was cordoned meanwhile is not to be reserved.
func asItStands(st *control.State) *fleet.Fleet {
	of := *st.Config().Fleet
	of.Nodes = slices.Clone(of.Nodes)
	for i := range of.Nodes {
		if n, ok := st.NodeRank(of.Nodes[i].ID); ok {
			of.Nodes[i] = *st.Capacity().Node(n)
		}
	}
	return &of
}

// write works out the windows of a reservation, and of whole nodes also which.
func (s *Server) write(of *fleet.Fleet, r fleet.Reserve, others []fleet.Booking) (*control.BookingAsk, []fleet.Booking, error) {
	now := unit.Instant(time.Now().UnixNano())
	want, sites, amounts, err := of.Amounts(r, s.zones, now)
	if err != nil {
		return nil, nil, err
	}
	if amounts {
		return &control.BookingAsk{Name: r.Name, Queue: r.Queue, Want: *want, Sites: sites}, nil, nil
	}
	parts, err := of.Book(r, others, s.zones, now)
	return nil, parts, err
}

// zones finds the clock of a site; one that declares none has UTC.
func (s *Server) zones(site string) (*time.Location, error) {
	if s.o.Ledger != nil {
		if z := s.o.Ledger().Zones[site]; z != nil {
			return z, nil
		}
	}
	return time.UTC, nil
}

func (s *Server) deleteReservation(ctx context.Context, in *endReservationInput) (*struct{}, error) {
	when := whenMatches(in.Match, func(st *control.State) string {
		if r, there := reservationNamed(st, identity(ctx), in.Name); there {
			return tagOf(r)
		}
		return ""
	})
	return nil, matched("reservation "+in.Name, s.centre.Unbook(ctx, in.Name, when))
}

// maxWindowsShown bounds the windows that a reservation is shown with.
const maxWindowsShown = 10

// reservationsOf lists what is not over, in the order of the names.
func reservationsOf(st *control.State, who Caller) Reservations {
	out := Reservations{Reservations: []Reservation{}}
	told := map[string]bool{}
	for _, b := range st.Booked() {
		told[b.Name()] = true
	}
	mine := who.queues(st)
	now := unit.Instant(time.Now().UnixNano())
	parts := map[string][]fleet.Booking{}
	var names []string
	for _, b := range st.Bookings() {
		if parts[b.Name] == nil {
			names = append(names, b.Name)
		}
		parts[b.Name] = append(parts[b.Name], b)
	}
	slices.Sort(names)
	for _, name := range names {
		spans, nodes := spansOf(parts[name], now)
		if len(spans) == 0 {
			continue
		}
		queue := parts[name][0].Queue
		if !who.seesAll() && !mine[job.Queue(queue)] {
			out.Others = append(out.Others, ReservedByOthers{len(nodes), parts[name][0].Portions != nil, windowOf(spans[0])})
			continue
		}
		r := Reservation{Name: name, Queue: queue, Source: "world", Nodes: nodes, Open: spans[0].From <= now, Remaining: len(spans)}
		for _, b := range parts[name] {
			for _, p := range b.Portions {
				r.Portions = append(r.Portions, portionOf(p))
			}
		}
		if told[name] {
			r.Source = "api"
		}
		for _, w := range spans {
			if r.Ends = instant(w.To); len(r.Windows) < maxWindowsShown {
				r.Windows = append(r.Windows, windowOf(w))
			}
		}
		out.Reservations = append(out.Reservations, r)
	}
	return out
}

func portionOf(p fleet.Portion) Portion {
	return Portion{p.CPU.String(), p.Memory.String(), p.Accelerators}
}

func windowOf(w fleet.Window) ReservedWindow { return ReservedWindow{instant(w.From), instant(w.To)} }

// spansOf lists the windows of a reservation that are not over, those of its
// sites together, and its nodes.
func spansOf(parts []fleet.Booking, now unit.Instant) (spans []fleet.Window, nodes []string) {
	for i := range parts {
		for _, id := range parts[i].Nodes {
			nodes = append(nodes, string(id))
		}
		for _, w := range parts[i].Spans {
			if w.To > now && !slices.Contains(spans, w) {
				spans = append(spans, w)
			}
		}
	}
	slices.SortFunc(spans, func(a, b fleet.Window) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	return spans, nodes
}

// NodeReservation is what a reservation keeps of a node in the window that is open, or
// the next. Whose it is and its name are shown to those who may see the queue.
type NodeReservation struct {
	Reservation string `json:"reservation,omitempty"`
	Queue       string `json:"queue,omitempty"`
	ReservedWindow
	Portion
}

// reservedOn lists what is kept of a node, by the windows that are open or next.
func reservedOn(st *control.State, who Caller, n *fleet.Node) (out []NodeReservation) {
	now := unit.Instant(time.Now().UnixNano())
	mine := who.queues(st)
	for _, b := range st.Bookings() {
		k := slices.Index(b.Nodes, n.ID)
		at := slices.IndexFunc(b.Spans, func(w fleet.Window) bool { return w.To > now })
		if k < 0 || at < 0 {
			continue
		}
		r := NodeReservation{ReservedWindow: windowOf(b.Spans[at]), Portion: portionOf(b.PortionOf(k, n))}
		if who.seesAll() || mine[job.Queue(b.Queue)] {
			r.Reservation, r.Queue = b.Name, b.Queue
		}
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b NodeReservation) int { return cmp.Compare(a.From, b.From) })
	return out
}

// keeperOf renders the reservation that is in a job's way for a caller.
func keeperOf(st *control.State, who Caller, r *control.Reason) *ReservedFor {
	if r.Keeper == nil {
		return nil
	}
	out := &ReservedFor{ReservedWindow: windowOf(r.Keeper.Window)}
	if who.seesAll() || who.queues(st)[r.Keeper.Queue] {
		out.Reservation, out.Queue = r.Keeper.Name, string(r.Keeper.Queue)
	}
	return out
}

// Reservations lists what the caller may see.
func (c *Client) Reservations(ctx context.Context) (*Reservations, error) {
	out := &Reservations{}
	return out, c.call(ctx, request{method: http.MethodGet, path: "/v1/reservations"}, out)
}

// Reservation returns one reservation.
func (c *Client) Reservation(ctx context.Context, name string) (*Reservation, error) {
	out := &Reservation{}
	return out, c.call(ctx, request{method: http.MethodGet, path: "/v1/reservations/" + url.PathEscape(name)}, out)
}

// Reserve keeps nodes for a queue. A key makes repeating it harmless.
func (c *Client) Reserve(ctx context.Context, b *ReservationBody, key string) (*Reservation, error) {
	header := map[string]string{}
	if key != "" {
		header["Idempotency-Key"] = key
	}
	out := &Reservation{}
	return out, c.call(ctx, request{method: http.MethodPost, path: "/v1/reservations", header: header, in: b}, out)
}

// EndReservation ends a reservation.
func (c *Client) EndReservation(ctx context.Context, name string) error {
	return c.call(ctx, request{method: http.MethodDelete, path: "/v1/reservations/" + url.PathEscape(name)}, nil)
}
