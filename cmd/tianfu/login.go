package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/spf13/cobra"
	"golang.org/x/oauth2"

	"tianfu/fault"
	"tianfu/httpapi"
	"tianfu/sensor"
)

// loginFlags are the flags of login.
type loginFlags struct {
	remote
	device bool
	ca     string
	port   int
	wait   time.Duration
}

func (p *program) login() *cobra.Command {
	f := &loginFlags{}
	c := &cobra.Command{
		Use:   "login",
		Short: "Log in at the centre's identity provider",
		Long: `Log in at the identity provider that the centre believes (serve --oidc-issuer). Login prints an address to open
in a browser on this machine, and waits for the browser to come back (code flow with PKCE). With --device the
browser may be on any machine: login prints a short code to type in there.

What the provider hands out is kept in tianfu/login.json in your configuration directory, for you alone, and
renewed as long as the provider lets it. TIANFU_TOKEN and --token-file go before it.`,
		Example: "  tianfu login --server https://centre.example.org\n  tianfu login --server https://centre.example.org --device",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return p.runLogin(c.Context(), f) },
	}
	f.register(c)
	fl := c.Flags()
	fl.BoolVar(&f.device, "device", false, "use a browser on another machine")
	fl.StringVar(&f.ca, "ca", "", "PEM file with the authorities of the provider's certificate")
	fl.IntVar(&f.port, "port", 0, "port on loopback that the browser comes back to (default: a free one)")
	fl.DurationVar(&f.wait, "wait", 5*time.Minute, "how long to wait for the browser")
	return c
}

func (p *program) runLogin(ctx context.Context, f *loginFlags) error {
	if f.port < 0 || f.port > 65535 || f.wait <= 0 || f.wait > time.Hour {
		return fault.New(fault.Invalid, "--port", fmt.Sprintf("%d, or --wait %v, cannot be", f.port, f.wait), "a port up to 65535, at most an hour")
	}
	if _, err := f.resolve(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, f.wait)
	defer cancel()
	where, err := (&httpapi.Client{Base: f.server}).Login(ctx)
	if err != nil {
		return err
	}
	s := &session{Issuer: where.Issuer, Client: where.Client, Scopes: where.Scopes, CA: f.ca}
	at, err := s.provider(ctx)
	if err != nil {
		return err
	}
	var t *oauth2.Token
	nonce := ""
	if f.device {
		t, err = p.deviceFlow(at)
	} else {
		t, nonce, err = p.codeFlow(at, f.port)
	}
	if err != nil {
		return loginFault(ctx, err)
	}
	if err := s.take(at, t, nonce); err != nil {
		return err
	}
	who, err := (&httpapi.Client{Base: f.server, Token: s.IDToken}).WhoAmI(ctx)
	if err != nil {
		return err
	}
	if err := changeSessions(func(all sessions) error { all[serverKey(f.server)] = s; return nil }); err != nil {
		return err
	}
	name := who.Name
	if name == "" {
		name = who.ID
	}
	as := who.Role
	if who.Tenant != "" {
		as += " of " + who.Tenant
	}
	fmt.Fprintf(p.err, "logged in at %s as %s, %s\n", f.server, name, as)
	return nil
}

// loginFault says what ended a login.
func loginFault(ctx context.Context, err error) error {
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused):
		return fault.New(fault.Denied, "login", "the provider answers: "+strings.TrimSpace(refused.ErrorCode+" "+refused.ErrorDescription), "")
	case ctx.Err() != nil:
		return fault.New(fault.Unavailable, "login", "nobody came back from the browser in time", "try again, with a longer --wait")
	case fault.KindOf(err) != fault.Internal:
		return err
	}
	return &fault.Error{Kind: fault.Unavailable, Where: "login", What: "ask the provider", Err: err}
}

func (p *program) logout() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{
		Use:     "logout",
		Short:   "Forget the login at a centre, and tell the provider",
		Example: "  tianfu logout --server https://centre.example.org",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := r.resolve(); err != nil {
				return err
			}
			var s *session
			err := changeSessions(func(all sessions) error {
				if s = all[serverKey(r.server)]; s == nil {
					return fault.New(fault.NotFound, r.server, "nobody is logged in there", "see: tianfu login")
				}
				delete(all, serverKey(r.server))
				return nil
			})
			if err != nil {
				return err
			}
			if err := s.revoke(c.Context()); err != nil {
				fmt.Fprintln(p.err, "warning: forgotten here, but the provider was not told:", err)
			}
			fmt.Fprintf(p.err, "logged out of %s\n", r.server)
			return nil
		},
	}
	r.register(c)
	return c
}

// provider is a session's identity provider, ready to be asked.
type provider struct {
	ctx    context.Context // with the client to use
	oidc   *oidc.Provider
	config oauth2.Config
	revoke string // where tokens are given back; may be empty
	device bool
}

// provider asks the issuer where its doors are.
func (s *session) provider(ctx context.Context) (*provider, error) {
	var c *tls.Config
	if s.CA != "" {
		var err error
		if c, err = sensor.TLS(s.CA, ""); err != nil {
			return nil, err
		}
	}
	ctx = oidc.ClientContext(ctx, httpapi.ProviderHTTP(c))
	found, err := oidc.NewProvider(ctx, s.Issuer)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Where: s.Issuer, What: "ask the provider", Err: err}
	}
	var more struct {
		Revoke string `json:"revocation_endpoint"`
	}
	if err := found.Claims(&more); err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Where: s.Issuer, What: "read the provider's doors", Err: err}
	}
	doors := found.Endpoint()
	doors.AuthStyle = oauth2.AuthStyleInParams // a public client has no secret
	return &provider{
		ctx: ctx, oidc: found, revoke: more.Revoke, device: doors.DeviceAuthURL != "",
		config: oauth2.Config{ClientID: s.Client, Endpoint: doors, Scopes: append([]string{oidc.ScopeOpenID}, s.Scopes...)},
	}, nil
}
