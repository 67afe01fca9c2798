package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"go.opentelemetry.io/otel/propagation"

	"tianfu/fault"
)

// Client speaks to the API of a centre. The commands use nothing else.
type Client struct {
	Base  string // such as http://127.0.0.1:8420
	Token string
	HTTP  *http.Client // nil = the default
	// Renew returns the token that holds now, when the centre does not take the one that
	// the client has: what waits for a job outlives it. nil = there is no other.
	Renew func(context.Context) (string, error)

	mu sync.Mutex // of Token, once it is renewed
}

// request is what a call sends.
type request struct {
	method, path string
	header       map[string]string
	in           any // becomes JSON; nil = no body
}

// call sends a request and decodes the reply into out, if it is not nil.
func (c *Client) call(ctx context.Context, q request, out any) error {
	reply, err := c.open(ctx, q)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(reply.Body, 1<<20))
		return err
	}
	return json.NewDecoder(reply.Body).Decode(out)
}

// open sends a request; an answer that is a problem becomes an error of its
// kind.
func (c *Client) open(ctx context.Context, q request) (*http.Response, error) {
	token := c.token()
	reply, err := c.send(ctx, q, token)
	if err == nil && reply.StatusCode == http.StatusUnauthorized && c.Renew != nil {
		fresh, failed := c.renew(ctx, token)
		if failed != nil || fresh != token {
			reply.Body.Close()
		}
		switch {
		case failed != nil:
			return nil, failed
		case fresh != token:
			reply, err = c.send(ctx, q, fresh)
		}
	}
	if err != nil {
		return nil, err
	}
	if reply.StatusCode < 300 {
		return reply, nil
	}
	defer reply.Body.Close()
	return nil, problemOf(reply)
}

func (c *Client) token() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Token
}

// renew returns another token than the one that was refused, if there is one.
func (c *Client) renew(ctx context.Context, refused string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Token != refused {
		return c.Token, nil // somebody was quicker
	}
	fresh, err := c.Renew(ctx)
	if err == nil {
		c.Token = fresh
	}
	return fresh, err
}

// send sends a request with a token.
func (c *Client) send(ctx context.Context, q request, token string) (*http.Response, error) {
	var body io.Reader
	if q.in != nil {
		text, err := json.Marshal(q.in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, q.method, strings.TrimSuffix(c.Base, "/")+q.path, body)
	if err != nil {
		return nil, fault.New(fault.Invalid, "--server", err.Error(), "write it like http://127.0.0.1:8420")
	}
	if q.in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(r.Header)) // nothing, where ctx has no trace
	for k, v := range q.header {
		r.Header.Set(k, v)
	}
	hc := c.HTTP
	if hc == nil {
		hc = http.DefaultClient
	}
	reply, err := hc.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, fault.New(fault.Unavailable, c.Base, "interrupted", "")
		}
		return nil, unreached(c.Base, err)
	}
	return reply, nil
}

// unreached says what may be amiss where no answer came.
func unreached(base string, err error) error {
	if u, failed := url.Parse(base); failed != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fault.New(fault.Invalid, "--server", strconv.Quote(base)+" is no address of a centre", "write it like http://127.0.0.1:8420")
	}
	fix := "is it running? tianfu serve"
	if strings.Contains(err.Error(), "gave HTTP response to HTTPS client") {
		fix = "it speaks HTTP: write http://"
	}
	return &fault.Error{Kind: fault.Unavailable, Where: base, What: "cannot be reached", Err: errors.Unwrap(err), Fix: fix}
}

// Raw sends a request of the caller's own making and returns the body of the
// answer; a problem becomes an error.
func (c *Client) Raw(ctx context.Context, method, path string, header map[string]string, body io.Reader) (io.ReadCloser, error) {
	q := request{method: method, path: path, header: header}
	if body != nil {
		text, err := io.ReadAll(io.LimitReader(body, maxJobBody+1))
		if err != nil {
			return nil, fault.New(fault.Unavailable, "request", "cannot be read: "+err.Error(), "")
		}
		if !json.Valid(text) {
			return nil, fault.New(fault.Invalid, "request", "is not JSON", "write it like {\"cordoned\": true}")
		}
		q.in = json.RawMessage(text)
	}
	reply, err := c.open(ctx, q)
	if err != nil {
		return nil, err
	}
	return reply.Body, nil
}

// problemOf turns a problem document back into the error it was.
func problemOf(reply *http.Response) error {
	var p huma.ErrorModel
	text, _ := io.ReadAll(io.LimitReader(reply.Body, 1<<20))
	detail := reply.Status
	if json.Unmarshal(text, &p) == nil && p.Detail != "" {
		detail = p.Detail
		for _, e := range p.Errors {
			detail += fmt.Sprintf("; %s: %s", e.Location, e.Message)
		}
	}
	kind := fault.Internal
	switch s := reply.StatusCode; {
	case s == 401 || s == 403:
		kind = fault.Denied
	case s == 404:
		kind = fault.NotFound
	case s == 409 || s == 412:
		kind = fault.Conflict
	case s == 429 || s == 507:
		kind = fault.Exhausted
	case s == 503 || s == 504 || s == 502:
		kind = fault.Unavailable
	case s >= 400 && s < 500:
		kind = fault.Invalid
	}
	return fault.New(kind, "", detail, "")
}

// Submit sends a job. A key makes repeating it harmless; dry asks only what it
// would do.
func (c *Client) Submit(ctx context.Context, b *JobBody, key string, dry bool) (*Submitted, error) {
	path := "/v1/jobs"
	if dry {
		path += "?dry_run=server"
	}
	header := map[string]string{}
	if key != "" {
		header["Idempotency-Key"] = key
	}
	out := &Submitted{}
	return out, c.call(ctx, request{method: http.MethodPost, path: path, header: header, in: b}, out)
}

// Job returns a job with its tasks.
func (c *Client) Job(ctx context.Context, id string) (*Job, error) {
	out := &Job{}
	return out, c.call(ctx, request{method: http.MethodGet, path: "/v1/jobs/" + url.PathEscape(id)}, out)
}

// ListQuery says which jobs a list shows.
type ListQuery struct {
	Phase, Tenant, Queue, Name, Cursor string
	Limit                              int
}

// Jobs returns a page of jobs, newest first.
func (c *Client) Jobs(ctx context.Context, q ListQuery) (*JobPage, error) {
	v := url.Values{}
	for k, s := range map[string]string{"phase": q.Phase, "tenant": q.Tenant, "queue": q.Queue, "name": q.Name, "cursor": q.Cursor} {
		if s != "" {
			v.Set(k, s)
		}
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	out := &JobPage{}
	return out, c.call(ctx, request{method: http.MethodGet, path: "/v1/jobs?" + v.Encode()}, out)
}

// Cancel ends a job.
func (c *Client) Cancel(ctx context.Context, id string) error {
	return c.call(ctx, request{method: http.MethodDelete, path: "/v1/jobs/" + url.PathEscape(id)}, nil)
}

// LogRequest names what a task wrote; Follow reads on until it ends.
type LogRequest struct {
	Job    string
	Task   int
	Stream string // stdout or stderr
	Offset int64  // of the first byte; negative counts from the end
	Follow bool
}

// Logs copies what a task wrote to w.
func (c *Client) Logs(ctx context.Context, q LogRequest, w io.Writer) error {
	_, err := c.LogsFrom(ctx, q, w)
	return err
}

// LogsFrom copies what a task wrote to w and tells at which offset it stopped: a
// copy that broke off, which is an error of kind unavailable, goes on from there.
func (c *Client) LogsFrom(ctx context.Context, q LogRequest, w io.Writer) (next int64, err error) {
	path := fmt.Sprintf("/v1/jobs/%s/logs?task=%d&stream=%s&follow=%v&offset=%d", url.PathEscape(q.Job), q.Task, url.QueryEscape(q.Stream), q.Follow, q.Offset)
	reply, err := c.open(ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return q.Offset, err
	}
	defer reply.Body.Close()
	if next, err = strconv.ParseInt(reply.Header.Get("X-Log-Offset"), 10, 64); err != nil {
		next = max(q.Offset, 0)
	}
	buffer := make([]byte, 32<<10)
	for {
		n, err := reply.Body.Read(buffer)
		next += int64(n)
		if _, failed := w.Write(buffer[:n]); failed != nil {
			return next, failed
		}
		switch {
		case err == io.EOF:
			return next, nil
		case ctx.Err() != nil:
			return next, fault.New(fault.Unavailable, c.Base, "interrupted", "")
		case err != nil:
			return next, &fault.Error{Kind: fault.Unavailable, Where: c.Base, What: "the log broke off", Err: err}
		}
	}
}

// Why asks why a job waits, when it may start and what would help.
func (c *Client) Why(ctx context.Context, id string) (*Why, error) {
	out := &Why{}
	return out, c.call(ctx, request{method: http.MethodGet, path: "/v1/jobs/" + url.PathEscape(id) + "/why"}, out)
}

// Nodes lists the nodes.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	out := &nodesOutput{}
	err := c.call(ctx, request{method: http.MethodGet, path: "/v1/nodes"}, &out.Body)
	return out.Body.Nodes, err
}

// Node returns one node.
func (c *Client) Node(ctx context.Context, name string) (*Node, error) {
	out := &Node{}
	return out, c.call(ctx, request{method: http.MethodGet, path: "/v1/nodes/" + url.PathEscape(name)}, out)
}

// SetNode cordons, drains or opens a node.
func (c *Client) SetNode(ctx context.Context, name string, cordon, drain bool) error {
	in := map[string]bool{"cordoned": cordon, "drain": drain}
	return c.call(ctx, request{method: http.MethodPut, path: "/v1/nodes/" + url.PathEscape(name) + "/state", in: in}, nil)
}

// Watch says what to watch, and who is told.
type Watch struct {
	Jobs  []string // only these, up to 100; none: all that may be seen
	After uint64   // last event seen, and kept up to date: a watch that broke off goes on from there; 0: what comes

	// Ready is called once the stream is open, and again when changes were missed, for
	// what is known to be looked at again; false ends the watch. It may be nil.
	Ready func() bool
	// Standing is called, before Ready, with the jobs that have not ended, or those of
	// Jobs, in parts; with the first, all that was told before is void. Between parts
	// come changes of jobs of the parts before. It may be nil.
	Standing func(part []Job, first bool)
	// Changed is called with every change, until it returns false.
	Changed func(Event) bool
}

// Watch tells of changes of jobs until w ends it or the context does.
func (c *Client) Watch(ctx context.Context, w *Watch) error {
	header := map[string]string{"Accept": "text/event-stream"}
	if w.After > 0 {
		header["Last-Event-ID"] = strconv.FormatUint(w.After, 10)
	}
	query := url.Values{"job": w.Jobs}
	if w.Standing == nil {
		query.Set("snapshot", "false")
	}
	reply, err := c.open(ctx, request{method: http.MethodGet, path: "/v1/events?" + query.Encode(), header: header})
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	sc := bufio.NewScanner(reply.Body)
	sc.Buffer(nil, 1<<24)
	kind, within := "", false
	for sc.Scan() {
		line := sc.Text()
		if k, ok := strings.CutPrefix(line, "event: "); ok {
			kind = k
		}
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			if n, err := strconv.ParseUint(id, 10, 64); err == nil {
				w.After = n
			}
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		if !w.take(kind, []byte(data), &within) {
			return nil
		}
	}
	if ctx.Err() != nil {
		return fault.New(fault.Unavailable, c.Base, "interrupted", "")
	}
	return fault.New(fault.Unavailable, c.Base, "the stream of events ended", "try again")
}

// take tells of an event; false ends the watch. within tells whether it comes within
// the parts of what stands.
func (w *Watch) take(kind string, data []byte, within *bool) bool {
	switch kind {
	case "snapshot":
		var p EventSnapshot
		if json.Unmarshal(data, &p) != nil || w.Standing == nil {
			return true
		}
		w.Standing(p.Jobs, !*within)
		if *within = p.More; p.More {
			return true
		}
		fallthrough
	case "hello", "gap":
		return w.Ready == nil || w.Ready()
	}
	var e Event
	return json.Unmarshal(data, &e) != nil || w.Changed(e)
}
