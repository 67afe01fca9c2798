package httpapi

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/time/rate"

	"tianfu/audit"
	"tianfu/fault"
)

// strangers bounds the records about requests without a valid token, so that
// who has none cannot fill the disk: so many a second, and that many at once.
// The others are counted, and the next record says how many there were.
const (
	strangersPerSecond = 10
	strangersBurst     = 100
)

// auditor writes what callers did into the audit log.
type auditor struct {
	log       *audit.Log
	strangers *rate.Limiter
	uncounted atomic.Uint64
}

func newAuditor(l *audit.Log) *auditor {
	return &auditor{log: l, strangers: rate.NewLimiter(strangersPerSecond, strangersBurst)}
}

// note records an exchange that changes something or was denied. It is called
// when the status is known and before the client hears of it, and returns when
// the record is durable.
func (a *auditor) note(x *exchange, r *http.Request) error {
	denied := x.status == http.StatusUnauthorized || x.status == http.StatusForbidden || x.hidden
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if a.log == nil || reads && !denied {
		return nil
	}
	rec := audit.Record{
		Request: x.id, Who: x.who.ID, Name: x.who.Name, Role: string(x.who.Role), Tenant: string(x.who.Tenant), From: host(r.RemoteAddr),
		Action: x.pattern, Target: bounded(r.URL.Path, maxPath), Status: x.status, Outcome: audit.Allowed,
	}
	if x.pattern == "" {
		rec.Action = bounded(r.Method, 16)
	}
	if made := x.Header().Get("Location"); made != "" {
		rec.Target = made
	}
	switch {
	case denied:
		rec.Outcome = audit.Denied
	case x.status >= 400:
		rec.Outcome = audit.Failed
	}
	if x.status == http.StatusUnauthorized {
		if !a.strangers.Allow() {
			a.uncounted.Add(1)
			return nil
		}
		rec.More = a.uncounted.Swap(0)
	}
	return a.log.Append(rec)
}

func host(address string) string {
	h, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return h
}

type auditInput struct {
	After uint64 `query:"after" doc:"Sequence number of the last record seen; 0 begins with the first kept"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

// AuditPage is a page of the audit log, oldest first.
type AuditPage struct {
	Records []audit.Record `json:"records"`
	Last    uint64         `json:"last" doc:"Sequence number of the latest record there is"`
}

type auditOutput struct{ Body AuditPage }

func (s *Server) routeAudit() {
	huma.Register(s.api, huma.Operation{OperationID: "read-audit", Method: http.MethodGet, Path: "/v1/audit", Summary: "Read who did what, oldest first",
		Errors: []int{401, 403, 422, 503}}, s.readAudit)
}

func (s *Server) readAudit(_ context.Context, in *auditInput) (*auditOutput, error) {
	if s.o.Audit == nil {
		return nil, problem(fault.New(fault.Unavailable, "audit log", "is not kept by this centre", ""))
	}
	out := &auditOutput{Body: AuditPage{Last: s.o.Audit.Last()}}
	var err error
	out.Body.Records, err = s.o.Audit.Read(in.After, in.Limit)
	return out, problem(err)
}

// Audit returns records of the audit log after a sequence number.
func (c *Client) Audit(ctx context.Context, after uint64, limit int) (*AuditPage, error) {
	out := &AuditPage{}
	path := "/v1/audit?after=" + strconv.FormatUint(after, 10) + "&limit=" + strconv.Itoa(limit)
	return out, c.call(ctx, request{method: http.MethodGet, path: path}, out)
}
