package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"tianfu/fault"
)

// maxStreams is how many streams one caller may have open, so that no tenant takes
// the memory and the disk's attention of all.
const maxStreams = 256

// tokenCheck is how often a stream's token is looked at again.
const tokenCheck = time.Second

// streams counts open streams by who has them.
type streams struct {
	mu sync.Mutex
	of map[string]int
}

func (s *streams) open(who string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[who] >= maxStreams {
		return fault.New(fault.Exhausted, "stream", fmt.Sprintf("%d are open with this token already", maxStreams), "close some, or use another token")
	}
	if s.of == nil {
		s.of = map[string]int{}
	}
	s.of[who]++
	return nil
}

func (s *streams) close(who string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[who]--; s.of[who] <= 0 {
		delete(s.of, who)
	}
}

// stream opens a request that may go on for days. Its context ends when who made
// it would not be let in again, for the token may have expired, been revoked or
// been given another role; while its provider cannot be asked, nobody is sent
// away. The caller calls end.
func (s *Server) stream(r *http.Request) (ctx context.Context, end func(), err error) {
	began := identity(r.Context())
	if err := s.streams.open(began.ID); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(r.Context())
	go func() {
		tick := time.NewTicker(min(s.beat, tokenCheck))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			who, err := s.identify(r)
			if err != nil && fault.KindOf(err) == fault.Unavailable {
				continue
			}
			if err != nil || who.Role != began.Role || who.Tenant != began.Tenant {
				cancel()
				return
			}
		}
	}()
	return ctx, func() { cancel(); s.streams.close(began.ID) }, nil
}
