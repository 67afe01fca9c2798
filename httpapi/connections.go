package httpapi

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"

	"tianfu/fault"
)

// DefaultConnections is how many connections a server takes at one time unless it
// is told otherwise: well below what a process may have open, and far above what
// a centre's users need.
const DefaultConnections = 4096

// SpareConnections is how many more are accepted to be told so; who comes beyond
// these waits until others have closed (see the listener that a server is given).
const SpareConnections = 64

// overLimit marks the context of a connection that was one too many.
type overLimit struct{}

// LimitConnections has a server answer every connection beyond so many with a
// problem, and close it. Those that are open are not disturbed.
func LimitConnections(s *http.Server, most int) {
	var open atomic.Int64
	s.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed, http.StateHijacked:
			open.Add(-1)
		}
	}
	// It is called before the connection counts, and for one after the other.
	s.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		if open.Load() >= int64(most) {
			return context.WithValue(ctx, overLimit{}, true)
		}
		return ctx
	}
	next := s.Handler
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Value(overLimit{}) == nil {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Connection", "close")
		w.Header().Set("Retry-After", "10")
		writeProblem(w, http.StatusServiceUnavailable, fault.New(fault.Unavailable, "connection",
			fmt.Sprintf("%d are open, the most that this centre takes at one time", most), "close some and try again, or have the operator raise --max-connections"))
	})
}
