package httpapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tianfu/fault"
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

// streamEvents sends changes of jobs as server-sent events. Every event has a
// sequence number as its id; a client that comes back sends the last it saw as
// Last-Event-ID and misses nothing, or is told by an event "gap" that it must
// read the state again. The stream ends with the token that it was asked for with.
func (s *Server) streamEvents(w http.ResponseWriter, r *http.Request) {
	flusher, ok := w.(http.Flusher)
	if !ok {
		writeProblem(w, http.StatusInternalServerError, fault.New(fault.Internal, "events", "cannot be streamed here", ""))
		return
	}
	after := s.centre.LastEvent()
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		last = r.URL.Query().Get("after")
	}
	if last != "" {
		n, err := strconv.ParseUint(last, 10, 64)
		if err != nil {
			writeProblem(w, http.StatusUnprocessableEntity, fault.New(fault.Invalid, "Last-Event-ID", strconv.Quote(last)+" is not a sequence number", ""))
			return
		}
		after = n
	}
	ctx, end, err := s.stream(r)
	if err != nil {
		writeProblem(w, fault.KindOf(err).HTTPStatus(), err)
		return
	}
	defer end()
	who := identity(ctx)
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprintf(w, "id: %d\nevent: hello\ndata: {}\n\n", after)
	flusher.Flush()
	beat := time.NewTicker(s.beat)
	defer beat.Stop()
	for {
		page := s.centre.Events(after)
		after = page.Last
		if page.Gap {
			fmt.Fprintf(w, "id: %d\nevent: gap\ndata: {}\n\n", page.Last-uint64(len(page.Events)))
		}
		if err := writeEvents(w, who, page.Events); err != nil {
			return
		}
		flusher.Flush()
		if !page.Open {
			return
		}
		select {
		case <-page.More:
		case <-beat.C:
			fmt.Fprint(w, ": still here\n\n")
		case <-ctx.Done():
			return
		}
	}
}

// writeEvents writes those of the events that a caller may see.
func writeEvents(w io.Writer, who Caller, events []live.Event) error {
	for i := range events {
		if !who.maySee(events[i].Tenant) {
			continue
		}
		e := &events[i]
		text, err := json.Marshal(Event{e.Sequence, instant(e.At), e.Kind, e.Job.String(), string(e.Tenant), e.Task, e.Attempt, e.Phase, e.Detail})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", e.Sequence, e.Kind, text); err != nil {
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
		Parameters: []*huma.Param{query("after", "Sequence number of the last event seen")}, Responses: text("text/event-stream")})
}
