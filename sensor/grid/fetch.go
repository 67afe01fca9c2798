package grid

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"tianfu/fault"
)

// Bounds of a request.
const (
	requestTimeout = 15 * time.Second
	maxBody        = 4 << 20
	maxAfter       = time.Hour
)

// httpClient follows redirects on the provider's own host only: the token must
// not travel to another.
func httpClient(c *tls.Config, root *url.URL) *http.Client {
	transport := &http.Transport{TLSClientConfig: c, Proxy: http.ProxyFromEnvironment, MaxConnsPerHost: 2, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10}
	return &http.Client{Timeout: requestTimeout, Transport: transport, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if r.URL.Host != root.Host || r.URL.Scheme != root.Scheme || len(via) > 3 {
			return http.ErrUseLastResponse
		}
		return nil
	}}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// busyError is a provider that says when to come again.
type busyError struct {
	error
	after time.Duration
}

func (e *busyError) Unwrap() error { return e.error }

func asBusy(err error, to **busyError) bool { return errors.As(err, to) }

// get asks for a path. Nil without an error is "as before": what was told then
// still stands.
func (p *Provider) get(ctx context.Context, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.root+path, nil)
	if err != nil {
		return nil, fault.Invalidf(p.root, "%.120q is no path", path)
	}
	r.Header.Set("Accept", "application/json")
	if p.o.Token != "" {
		r.Header.Set("auth-token", p.o.Token)
	}
	if tag := p.tags[path]; tag != "" {
		r.Header.Set("If-None-Match", tag)
	}
	reply, err := p.http.Do(r)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Where: p.root, What: "ask the provider", Err: err}
	}
	defer reply.Body.Close()
	switch s := reply.StatusCode; {
	case s == http.StatusNotModified:
		return nil, nil
	case s == http.StatusUnauthorized || s == http.StatusForbidden:
		return nil, fault.New(fault.Denied, p.root, fmt.Sprintf("the provider answers %d", s), "check the token, and what its plan includes")
	case s == http.StatusNotFound:
		return nil, fault.New(fault.NotFound, p.root, "the provider does not know the zone "+p.o.Zone, "")
	case s == http.StatusTooManyRequests || s >= 500:
		seconds, _ := strconv.Atoi(reply.Header.Get("Retry-After"))
		after := min(max(time.Duration(seconds)*time.Second, 0), maxAfter)
		return nil, &busyError{fault.New(fault.Unavailable, p.root, fmt.Sprintf("the provider answers %d", s), ""), after}
	case s != http.StatusOK:
		return nil, fault.Invalidf(p.root, "the provider answers %d", s)
	}
	text, err := io.ReadAll(io.LimitReader(reply.Body, maxBody+1))
	if err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Where: p.root, What: "read the answer", Err: err}
	}
	if len(text) > maxBody {
		return nil, fault.Invalidf(p.root, "the answer is larger than %d bytes", maxBody)
	}
	if tag := reply.Header.Get("ETag"); tag != "" && len(tag) < 256 {
		if len(p.tags) >= 16 { // of paths with a time in them
			clear(p.tags)
		}
		p.tags[path] = tag
	}
	return text, nil
}
