// Package httpapi owns the HTTP face of a live centre: routes, the shapes of
// requests and replies, who may do what, and the Go client that the commands
// use. It decides nothing about jobs: every route makes one call of live. Read
// this file first, then job.go; auth.go says who may do what.
package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"go.opentelemetry.io/otel/trace"

	"tianfu/audit"
	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/live"
	"tianfu/unit"
)

// Bounds of requests.
const (
	maxJobBody  = 12 << 20
	maxBody     = 1 << 16
	maxPage     = 1000
	defaultPage = 100
)

// Options are what the API of a centre is opened with.
type Options struct {
	Tokens  *Tokens
	Version string
	Logger  *slog.Logger // nil = requests are not logged
	Tracer  trace.Tracer // nil = requests are not traced
	Audit   *audit.Log   // nil = nothing is recorded
	// Provider lets people of an identity provider in; nil = there is none.
	Provider *Provider
	WhatIfs  *WhatIfs // nil = there are none
	// ChangeTokens changes the tokens where they are kept, alone, and takes the
	// change over; nil = they cannot be changed through the API.
	ChangeTokens func(change func(*Tokens) error) error
	// Datasets are what jobs may mount by name; nil = none.
	Datasets func() []fleet.Dataset
	// World says what the centre is configured with; Reload reads the world file
	// again and takes it over. nil = it cannot.
	World  func() World
	Reload func(ctx context.Context, dry bool) (WorldChange, error)
	// Ledger says how charges are priced and dated; it is asked each time, for a
	// changed world changes both. nil = no rates, and UTC.
	Ledger func() LedgerOptions
	// Backup writes a backup of the centre; nil = it offers none.
	Backup func(ctx context.Context, w io.Writer) error
}

// Server is the API of one centre.
type Server struct {
	o       Options
	centre  *live.Centre
	api     huma.API
	mux     *http.ServeMux
	metrics *metrics
	auditor *auditor
	// receipts holds a token while one is made: it reads the whole history.
	receipts chan struct{}
	ledgers  chan struct{} // the same of questions to the ledger, which read a part of it
	streams  streams
	queries  map[string][]string // parameters of a route's query
	beat     time.Duration       // heartbeat, but in tests
}

// New returns the API of a centre.
func New(c *live.Centre, o Options) *Server {
	s := &Server{o: o, centre: c, mux: http.NewServeMux(), auditor: newAuditor(o.Audit), receipts: make(chan struct{}, 1), ledgers: make(chan struct{}, maxLedgers), beat: heartbeat}
	cfg := huma.DefaultConfig("Tianfu", o.Version)
	cfg.Info.Description = "Jobs, queues and nodes of a computing centre. Errors are problem documents (RFC 9457); quantities are text with units."
	cfg.OpenAPIPath, cfg.DocsPath, cfg.SchemasPath = "/openapi", "", ""
	cfg.CreateHooks = nil // no links to schemas in replies
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"bearer": {Type: "http", Scheme: "bearer"}}
	cfg.Security = []map[string][]string{{"bearer": {}}}
	s.api = humago.New(s.mux, cfg)
	s.routeJobs()
	s.routeWhy()
	s.routeWhatIf()
	s.routeNodes()
	s.routeQueues()
	s.routeTokens()
	s.routeAudit()
	s.routeLedger()
	s.routeLogin()
	s.routeMeters()
	s.routeSignals()
	s.routeWorld()
	s.routePower()
	s.routeBudgets()
	s.routePlan()
	s.routeReservations()
	s.routeDatasets()
	s.mux.HandleFunc("GET /v1/jobs/{id}/logs", s.readLogs)
	s.mux.HandleFunc("GET /v1/events", s.streamEvents)
	s.mux.HandleFunc("GET /{$}", s.docs)
	s.mux.HandleFunc("GET /schemas/job.json", s.serveJobSchema)
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	s.mux.HandleFunc("POST /v1/backup", s.takeBackup)
	s.describeStreams()
	s.describeBackup()
	s.completeDocument()
	s.queries = queriesOf(s.api.OpenAPI())
	s.metrics = newMetrics()
	s.mux.HandleFunc("GET /metrics", s.serveMetrics)
	return s
}

// ServeHTTP finds out who calls, whether they may, and serves the request.
// access.go says who may use which route.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x, r := s.begin(w, r)
	defer s.end(x, r)
	if to, known := access[x.pattern]; !known || len(to.roles) > 0 {
		who, err := s.identify(r)
		if err != nil {
			writeProblem(x, unidentified(w, err), err)
			return
		}
		x.who = who
		if x.pattern == "" {
			writeProblem(x, http.StatusNotFound, fault.New(fault.NotFound, bounded(r.URL.Path, maxPath), "no such route", "see /openapi.json"))
			return
		}
		if err := who.authorize(x.pattern); err != nil {
			writeProblem(x, fault.KindOf(err).HTTPStatus(), err)
			return
		}
		r = r.WithContext(withIdentity(r.Context(), who))
	}
	if err := s.checkQuery(x.pattern, r); err != nil {
		writeProblem(x, fault.KindOf(err).HTTPStatus(), err)
		return
	}
	s.mux.ServeHTTP(x, r)
}

// identify finds out who makes a request.
func (s *Server) identify(r *http.Request) (Caller, error) {
	secret, ok := bearer(r.Header.Get("Authorization"))
	if !ok {
		return Caller{}, errNoToken
	}
	if s.o.Provider != nil && looksLikeJWT(secret) {
		return s.o.Provider.identify(r.Context(), secret, time.Now())
	}
	return s.o.Tokens.identify(secret, time.Now())
}

// unidentified returns the status for somebody who was not let in: 401 without a
// valid token, 403 for one who is known and has no role here, 503 while the
// provider cannot be asked.
func unidentified(w http.ResponseWriter, err error) int {
	var stranger *strangerError
	switch {
	case errors.As(err, &stranger):
		return http.StatusForbidden
	case fault.KindOf(err) == fault.Unavailable:
		return http.StatusServiceUnavailable
	}
	w.Header().Set("WWW-Authenticate", "Bearer")
	return http.StatusUnauthorized
}

// problem turns an error into a problem document with the status of its kind.
func problem(err error) error {
	if err == nil {
		return nil
	}
	return huma.NewError(fault.KindOf(err).HTTPStatus(), err.Error())
}

// writeProblem writes a problem document outside the routes of the library.
func writeProblem(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: err.Error()})
}

// instant renders an instant; nothing for none.
func instant(t unit.Instant) string {
	if t == 0 || t == unit.Never {
		return ""
	}
	return time.Unix(0, int64(t)).UTC().Format(time.RFC3339Nano)
}
