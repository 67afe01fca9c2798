package httpapi

import (
	"net/http"
	"time"
)

// Routes lists the table of access.
func Routes() []string {
	var out []string
	for pattern := range access {
		out = append(out, pattern)
	}
	return out
}

// Public tells whether a route is open to everybody.
func Public(pattern string) bool {
	r, ok := access[pattern]
	return ok && len(r.roles) == 0
}

// ScopeOf returns the scope that a route needs.
func ScopeOf(pattern string) Scope { return access[pattern].scope }

// Registered tells whether the server has a route under this very pattern.
func (s *Server) Registered(method, path string) bool {
	r, err := http.NewRequest(method, path, nil)
	if err != nil {
		return false
	}
	_, pattern := s.mux.Handler(r)
	return pattern != ""
}

// SetHeartbeat changes how often a stream says that it is there.
func (s *Server) SetHeartbeat(d time.Duration) { s.beat = d }
