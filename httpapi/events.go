package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tianfu/control"
	"tianfu/fault"
	"tianfu/job"
	"tianfu/live"
)

// Event is a change of a job as the stream tells it, written as the rest of the API is.
type Event struct {
	Sequence uint64 `json:"sequence"`
	At       string `json:"at"`
	Kind     string `json:"kind"`
	Job      string `json:"job"`
	Tenant   string `json:"tenant"`
	Task     int32  `json:"task"`
	Attempt  int32  `json:"attempt,omitempty"`
	Phase    string `json:"phase"`
	Detail   string `json:"detail,omitempty"`
}

// heartbeat keeps idle streams open through proxies.
const heartbeat = 15 * time.Second

// maxWatched is how many jobs one stream may name.
const maxWatched = 100

// eventQuery is what a stream of events was asked for.
type eventQuery struct {
	resume   bool     // it goes on after an event
	after    uint64   // … this one
	snapshot bool     // what stands is sent first, and after a gap
	jobs     []job.ID // of these only; none: of all
}

func readEventQuery(r *http.Request) (q eventQuery, err error) {
	values := r.URL.Query()
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		last = values.Get("after")
	}
	if q.resume = last != ""; q.resume {
		if q.after, err = strconv.ParseUint(last, 10, 64); err != nil {
			return q, fault.New(fault.Invalid, "Last-Event-ID", strconv.Quote(bounded(last, maxPath))+" is not a sequence number", "")
		}
	}
	switch v := values.Get("snapshot"); v {
	case "", "true":
		q.snapshot = true
	case "false":
	default:
		return q, fault.New(fault.Invalid, "snapshot", strconv.Quote(bounded(v, maxPath))+" is not true or false", "")
	}
	names := values["job"]
	if len(names) > maxWatched {
		return q, fault.New(fault.Invalid, "job", fmt.Sprintf("%d are named, at most %d may be", len(names), maxWatched), "leave it out for all jobs")
	}
	for _, name := range names {
		id, err := ParseID(name)
		if err != nil {
			return q, err
		}
		q.jobs = append(q.jobs, id)
	}
	slices.Sort(q.jobs)
	q.jobs = slices.Compact(q.jobs)
	return q, nil
}

func (q *eventQuery) wants(id job.ID) bool {
	_, named := slices.BinarySearch(q.jobs, id)
	return named || len(q.jobs) == 0
}

// eventStream is an open stream of events.
type eventStream struct {
	*Server
	eventQuery
	w    http.ResponseWriter
	who  Caller
	upto job.ID // while what stands is being sent: the last job of it
}

// whole is eventStream.upto when nothing of what stands is still to be sent.
const whole = job.ID(math.MaxInt64)

// streamEvents sends what stands and then changes of jobs as server-sent events.
// Every event has a sequence number as its id; a client that comes back sends the
// last it saw as Last-Event-ID and misses nothing, or what stands is sent again.
// The stream ends with the token that it was asked for with.
func (s *Server) streamEvents(w http.ResponseWriter, r *http.Request) {
	flusher, ok := w.(http.Flusher)
	if !ok {
		writeProblem(w, http.StatusInternalServerError, fault.New(fault.Internal, "events", "cannot be streamed here", ""))
		return
	}
	q, err := readEventQuery(r)
	for i := 0; err == nil && i < len(q.jobs); i++ {
		err = s.mayWatch(r.Context(), q.jobs[i])
	}
	var ctx context.Context
	var end func()
	if err == nil {
		ctx, end, err = s.stream(r)
	}
	if err != nil {
		writeProblem(w, fault.KindOf(err).HTTPStatus(), err)
		return
	}
	defer end()
	e := &eventStream{Server: s, eventQuery: q, w: w, who: identity(ctx), upto: whole}
	w.Header().Set("Content-Type", "text/event-stream")
	if err := e.begin(ctx); err != nil {
		return
	}
	flusher.Flush()
	beat := time.NewTicker(s.beat)
	defer beat.Stop()
	for {
		page := s.centre.Events(e.after)
		if err := e.writePage(ctx, &page); err != nil {
			return
		}
		flusher.Flush()
		if !page.Open {
			return
		}
		select {
		case <-page.More:
		case <-beat.C:
			fmt.Fprintf(w, "id: %d\n: still here\n\n", e.after)
		case <-ctx.Done():
			return
		}
	}
}

// mayWatch is the error of a job that the caller may not see.
func (s *Server) mayWatch(ctx context.Context, id job.ID) error {
	found, tenant := false, job.Tenant("")
	err := s.centre.View(ctx, func(st *control.State) {
		var j control.Job
		if j, found = st.Summary(id); found {
			tenant = j.Spec.Tenant
		}
	})
	if err == nil {
		err = seen(ctx, id, found, tenant)
	}
	return err
}

// begin sends what comes before the first change.
func (e *eventStream) begin(ctx context.Context) error {
	if !e.resume {
		if e.snapshot {
			return e.writeStanding(ctx)
		}
		e.after = e.centre.LastEvent()
	}
	_, err := fmt.Fprintf(e.w, "id: %d\nevent: hello\ndata: {}\n\n", e.after)
	return err
}

// writePage sends what a look at the feed found. Where some of it is gone, what
// stands is sent again, or the client is told to read it.
func (e *eventStream) writePage(ctx context.Context, page *live.EventPage) error {
	if page.Gap && e.snapshot {
		return e.writeStanding(ctx)
	}
	e.after = page.Last
	if page.Gap {
		if _, err := fmt.Fprintf(e.w, "id: %d\nevent: gap\ndata: {}\n\n", page.Last-uint64(len(page.Events))); err != nil {
			return err
		}
	}
	return e.writeEvents(page.Events)
}

// writeEvents writes those of the events that the caller may see and asked for.
func (e *eventStream) writeEvents(events []live.Event) error {
	for i := range events {
		v := &events[i]
		if !e.who.maySee(v.Tenant) || !e.wants(v.Job) || v.Job > e.upto {
			continue
		}
		text, err := json.Marshal(Event{v.Sequence, instant(v.At), v.Kind, v.Job.String(), string(v.Tenant), v.Task, v.Attempt, v.Phase, v.Detail})
		if err != nil {
			return err
		}
		if e.upto == whole {
			fmt.Fprintf(e.w, "id: %d\n", v.Sequence)
		}
		if _, err := fmt.Fprintf(e.w, "event: %s\ndata: %s\n\n", v.Kind, text); err != nil {
			return err
		}
	}
	return nil
}

// describeStreams adds the two streaming routes, which the library does not
// serve, to the API's description.
func (s *Server) describeStreams() {
	id := &huma.Param{Name: "id", In: "path", Required: true, Schema: &huma.Schema{Type: "string"}, Example: "j-42"}
	query := func(name, doc string) *huma.Param {
		return &huma.Param{Name: name, In: "query", Description: doc, Schema: &huma.Schema{Type: "string"}}
	}
	text := func(kind string) map[string]*huma.Response {
		return map[string]*huma.Response{
			"200":     {Description: "OK", Content: map[string]*huma.MediaType{kind: {Schema: &huma.Schema{Type: "string"}}}},
			"default": {Description: "Problem", Content: map[string]*huma.MediaType{"application/problem+json": {Schema: &huma.Schema{Type: "object"}}}},
		}
	}
	s.api.OpenAPI().AddOperation(&huma.Operation{OperationID: "read-logs", Method: http.MethodGet, Path: "/v1/jobs/{id}/logs", Summary: "Read what a task wrote",
		Parameters: []*huma.Param{id, query("task", "Number of the task, from 0"), query("stream", "stdout or stderr"), query("offset", "Bytes from the start; negative from the end"), query("follow", "true: until the task ends")},
		Responses:  text("text/plain")})
	s.api.OpenAPI().AddOperation(&huma.Operation{OperationID: "stream-events", Method: http.MethodGet, Path: "/v1/events", Summary: "Changes of jobs as server-sent events",
		Description: "It begins with events named snapshot, of which the last has no \"more\": the jobs that have not ended, as the list of jobs shows them. Then come changes. A client that comes back with Last-Event-ID gets an event hello and what it missed; if that is not kept any more, what stands again.",
		Parameters: []*huma.Param{query("after", "Sequence number of the last event seen, as Last-Event-ID has it"), query("job", "Only of this job, even if it has ended; up to 100 times"),
			query("snapshot", "false: do not send what stands; an event hello comes first, and an event gap where changes are missing")},
		Responses: text("text/event-stream")})
}
