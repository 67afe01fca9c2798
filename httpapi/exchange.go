package httpapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"tianfu/fault"
)

// exchange is one request and its answer, from the first byte to the last: it
// is the http.ResponseWriter of every route.
type exchange struct {
	http.ResponseWriter
	id      string // of the request, for people who look it up
	pattern string // of the route; empty = no such route
	who     Caller // nobody until they are known
	status  int    // of the answer; 0 until there is one
	hidden  bool   // the answer keeps from the caller that the thing exists
	began   time.Time
	note    func() error // makes the answer's audit record durable
	void    bool         // the answer was replaced: the route's own is dropped
	span    trace.Span   // nil where requests are not traced
}

type exchangeKey struct{}

// exchangeOf returns the exchange that a request belongs to.
func exchangeOf(ctx context.Context) *exchange {
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		return &exchange{}
	}
	return x
}

// WriteHeader notes the status. What must be in the audit log is there before
// the client hears of it; if that fails, the client hears of the failure.
func (x *exchange) WriteHeader(status int) {
	if x.status != 0 {
		return
	}
	x.status = status
	if err := x.note(); err != nil {
		x.status, x.void = http.StatusServiceUnavailable, true
		for name := range x.Header() {
			if name != "X-Request-Id" {
				x.Header().Del(name)
			}
		}
		writeProblem(x.ResponseWriter, x.status, fault.Wrap(err, "audit log", "the request may have been carried out, and cannot be recorded"))
		return
	}
	x.ResponseWriter.WriteHeader(status)
}

// Write serves http.ResponseWriter.
func (x *exchange) Write(b []byte) (int, error) {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	if x.void {
		return len(b), nil
	}
	return x.ResponseWriter.Write(b)
}

// Flush sends what was written so far.
func (x *exchange) Flush() {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	http.NewResponseController(x.ResponseWriter).Flush()
}

// Unwrap serves http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// begin opens the exchange of a request.
func (s *Server) begin(w http.ResponseWriter, r *http.Request) (*exchange, *http.Request) {
	x := &exchange{ResponseWriter: w, id: requestID(r.Header.Get("X-Request-Id")), began: time.Now()}
	_, x.pattern = s.mux.Handler(r)
	x.note = func() error { return s.auditor.note(x, r) }
	h := w.Header()
	h.Set("X-Request-Id", x.id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	return x, r.WithContext(context.WithValue(s.trace(r, x), exchangeKey{}, x))
}

// end counts and logs an exchange. Neither query nor headers are logged: they
// may hold secrets.
func (s *Server) end(x *exchange, r *http.Request) {
	if p := recover(); p != nil {
		if p == http.ErrAbortHandler {
			panic(p)
		}
		s.logger().Error("a route panicked", "request_id", x.id, "route", x.pattern, "panic", p, "stack", string(debug.Stack()))
		writeProblem(x, http.StatusInternalServerError, fault.New(fault.Internal, "request "+x.id, "failed inside the centre", "tell its operators the request ID"))
	}
	if x.status == 0 {
		x.WriteHeader(http.StatusOK) // a route that wrote nothing
	}
	x.traced()
	took := time.Since(x.began)
	s.metrics.requests.WithLabelValues(x.pattern, strconv.Itoa(x.status)).Observe(took.Seconds())
	level := slog.LevelDebug
	if x.status >= 500 {
		level = slog.LevelError
	}
	if l := s.logger(); l.Enabled(r.Context(), level) {
		l.LogAttrs(r.Context(), level, "request", slog.String("request_id", x.id), slog.String("method", r.Method), slog.String("path", bounded(r.URL.Path, maxPath)),
			slog.Int("status", x.status), slog.Duration("took", took), slog.String("caller", x.who.ID), slog.String("role", string(x.who.Role)))
	}
}

func (s *Server) logger() *slog.Logger {
	if s.o.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.o.Logger
}

// maxPath bounds what is kept of a path.
const maxPath = 256

func bounded(s string, n int) string { return strings.ToValidUTF8(s[:min(len(s), n)], "") }

// requestID takes over the ID that a caller or a proxy gave, if it is a plain
// word, and makes one otherwise.
func requestID(given string) string {
	plain := func(r rune) bool {
		return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_' || r == '.'
	}
	if n := len(given); n > 0 && n <= 64 && !strings.ContainsFunc(given, func(r rune) bool { return !plain(r) }) {
		return given
	}
	var raw [8]byte
	rand.Read(raw[:]) // never fails: see its documentation
	return hex.EncodeToString(raw[:])
}
