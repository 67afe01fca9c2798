// Package httpapi owns the HTTP face of a live centre: routes, the shapes of
// requests and replies, who may do what, and the Go client that the commands
// use. It decides nothing about jobs: every route makes one call of live. Read
// this file first, then job.go; auth.go says who may do what.
package httpapi

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tianfu/fault"
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

// Server is the API of one centre.
type Server struct {
	centre  *live.Centre
	tokens  *Tokens
	api     huma.API
	mux     *http.ServeMux
	metrics *prometheus.Registry
}

// New returns the API of a centre.
func New(c *live.Centre, t *Tokens, version string) *Server {
	s := &Server{centre: c, tokens: t, mux: http.NewServeMux(), metrics: prometheus.NewRegistry()}
	cfg := huma.DefaultConfig("Tianfu", version)
	cfg.Info.Description = "Jobs, queues and nodes of a computing centre. Errors are problem documents (RFC 9457); quantities are text with units."
	cfg.OpenAPIPath, cfg.DocsPath, cfg.SchemasPath = "/openapi", "", ""
	cfg.CreateHooks = nil // no links to schemas in replies
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"bearer": {Type: "http", Scheme: "bearer"}}
	cfg.Security = []map[string][]string{{"bearer": {}}}
	s.api = humago.New(s.mux, cfg)
	s.routeJobs()
	s.routeNodes()
	s.mux.HandleFunc("GET /v1/jobs/{id}/logs", s.readLogs)
	s.mux.HandleFunc("GET /v1/events", s.streamEvents)
	s.mux.HandleFunc("GET /{$}", s.docs)
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	s.describeStreams()
	s.metrics.MustRegister(&collector{centre: c})
	s.mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics, promhttp.HandlerOpts{}))
	return s
}

// open are the paths that need no token.
func open(path string) bool {
	return path == "/" || path == "/healthz" || path == "/openapi.json" || path == "/openapi.yaml" || path == "/openapi-3.0.json" || path == "/openapi-3.0.yaml"
}

// ServeHTTP checks the token and serves the request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	if !open(r.URL.Path) {
		who, err := s.tokens.identify(r.Header.Get("Authorization"), time.Now())
		if err != nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			writeProblem(w, http.StatusUnauthorized, err)
			return
		}
		r = r.WithContext(withIdentity(r.Context(), who))
	}
	if _, pattern := s.mux.Handler(r); pattern == "" {
		writeProblem(w, http.StatusNotFound, fault.New(fault.NotFound, r.URL.Path, "no such route", "see /openapi.json"))
		return
	}
	s.mux.ServeHTTP(w, r)
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
