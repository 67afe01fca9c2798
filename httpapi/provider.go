package httpapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/time/rate"

	"tianfu/fault"
)

// Bounds of what a provider is asked and may answer.
const (
	providerTimeout = 10 * time.Second
	maxProviderBody = 1 << 20
	discoverAgain   = 10 * time.Second // after a failure
	maxSubject      = 256
)

// Provider is an OpenID Connect provider whose tokens the API takes beside its
// own. A token is believed when the provider's keys signed it, it has not
// expired, and it was made for this centre (its audience); who its bearer is
// here is for the rules to say.
type Provider struct {
	o     ProviderOptions
	rules atomic.Pointer[ClaimRules]
	http  *http.Client
	mu    sync.Mutex
	check *oidc.IDTokenVerifier // nil until the provider was reached
	again time.Time             // not before this is it asked again
	fail  error
}

// ProviderOptions say which provider is believed, and what of it.
type ProviderOptions struct {
	Issuer    string      // https://..., as its tokens name it
	Client    string      // what this centre is called there
	Audiences []string    // further ones that a token may be made for
	Scopes    []string    // what tianfu login asks for beside openid
	Rules     *ClaimRules // who its people are here
	TLS       *tls.Config // nil = the system's authorities
}

// NewProvider prepares to take tokens. The provider is asked for its keys when
// the first one comes: a centre starts without it.
func NewProvider(o ProviderOptions) (*Provider, error) {
	if err := checkIssuer(o.Issuer); err != nil {
		return nil, err
	}
	if o.Client == "" || len(o.Client) > 256 {
		return nil, fault.New(fault.Invalid, "--oidc-client", "is missing", "give the client ID that the provider registered")
	}
	p := &Provider{o: o, http: ProviderHTTP(o.TLS)}
	return p, p.SetRules(o.Rules)
}

// SetRules changes who the provider's people are here, from the next request on.
func (p *Provider) SetRules(r *ClaimRules) error {
	if r == nil || len(r.Rules) == 0 {
		return fault.New(fault.Invalid, "--oidc-rules", "no rule says who its people are here", "see docs/identity.md")
	}
	p.rules.Store(r)
	return nil
}

// Rules returns who the provider's people are here. The caller must not change
// them.
func (p *Provider) Rules() *ClaimRules { return p.rules.Load() }

// checkIssuer refuses an issuer whose answers anybody on the way could change.
func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return fault.New(fault.Invalid, "--oidc-issuer", quoted(issuer)+" is no URL of a provider", "such as https://login.example.org/realms/centre")
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return fault.New(fault.Invalid, "--oidc-issuer", quoted(issuer)+" is not https", "its keys would be fetched in the clear")
	}
	return nil
}

// ProviderHTTP returns a client whose answers are bounded in time and size. It
// fetches at most a few times in a row: whoever sends tokens with keys that do
// not exist must not make this centre ask the provider each time.
func ProviderHTTP(c *tls.Config) *http.Client {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.TLSClientConfig = c
	return &http.Client{Timeout: providerTimeout, Transport: &boundedTransport{base: base, limit: rate.NewLimiter(rate.Every(2*time.Second), 20)}}
}

type boundedTransport struct {
	base  http.RoundTripper
	limit *rate.Limiter
}

func (t *boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !t.limit.Allow() {
		return nil, errors.New("asked too often in a row")
	}
	reply, err := t.base.RoundTrip(r)
	if err == nil {
		reply.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(reply.Body, maxProviderBody), reply.Body}
	}
	return reply, err
}

// verifier returns what checks tokens, reaching for the provider if need be.
func (p *Provider) verifier(now time.Time) (*oidc.IDTokenVerifier, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.check != nil {
		return p.check, nil
	}
	if now.Before(p.again) {
		return nil, p.fail
	}
	// The context lives on with the key set; the client's timeout bounds it.
	found, err := oidc.NewProvider(oidc.ClientContext(context.Background(), p.http), p.o.Issuer)
	if err != nil {
		p.again = now.Add(discoverAgain)
		p.fail = &fault.Error{Kind: fault.Unavailable, Where: "identity provider " + p.o.Issuer, What: "cannot be reached", Err: err}
		return nil, p.fail
	}
	// The audience is checked below: there may be several.
	p.check = found.Verifier(&oidc.Config{SkipClientIDCheck: true})
	return p.check, nil
}

// identify finds out whose token it is. What is wrong with one is not said to
// who sent it.
func (p *Provider) identify(ctx context.Context, raw string, now time.Time) (Caller, error) {
	check, err := p.verifier(now)
	if err != nil {
		return Caller{}, err
	}
	t, err := check.Verify(oidc.ClientContext(ctx, p.http), raw)
	if err != nil && strings.HasPrefix(err.Error(), "failed to verify signature: fetching keys ") { // the library has no type for it
		return Caller{}, &fault.Error{Kind: fault.Unavailable, Where: "identity provider " + p.o.Issuer, What: "its keys cannot be fetched", Err: err}
	}
	if err != nil {
		return Caller{}, errNoToken
	}
	if !slices.ContainsFunc(t.Audience, func(a string) bool { return a == p.o.Client || slices.Contains(p.o.Audiences, a) }) {
		return Caller{}, errNoToken
	}
	claims := map[string]any{}
	if t.Claims(&claims) != nil || t.Subject == "" || len(t.Subject) > maxSubject || strings.ContainsFunc(t.Subject, unprintable) {
		return Caller{}, errNoToken
	}
	if _, logout := claims["events"]; logout {
		return Caller{}, errNoToken // it tells of a session's end, and lets nobody in
	}
	who, ok := p.rules.Load().caller(claims)
	if !ok {
		return Caller{}, &strangerError{fault.New(fault.Denied, "authorization", "the provider knows you, and no rule of this centre gives you a role", "ask an operator; the rules are those of --oidc-rules")}
	}
	who.ID = "oidc:" + t.Subject
	return who, nil
}

// strangerError is a caller who proved who they are and has no role here: 403,
// where a bad token is 401.
type strangerError struct{ error }

func (e *strangerError) Unwrap() error { return e.error }

// looksLikeJWT tells a provider's token from one of ours.
func looksLikeJWT(secret string) bool {
	return !strings.HasPrefix(secret, "tf_") && strings.Count(secret, ".") == 2
}

// printable renders foreign text for logs and answers, bounded.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unprintable(r) {
			return -1
		}
		return r
	}, s[:min(len(s), maxSubject)])
}

// String names the provider for people.
func (p *Provider) String() string { return fmt.Sprintf("%s as %s", p.o.Issuer, p.o.Client) }
