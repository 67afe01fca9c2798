package httpapi

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tianfu/control"
	"tianfu/fault"
	"tianfu/job"
	"tianfu/unit"
)

// Who is what a caller is told about itself.
type Who struct {
	ID     string   `json:"id" doc:"Of the token; or issuer and subject of an identity provider"`
	Name   string   `json:"name,omitempty"`
	Role   string   `json:"role" enum:"operator,auditor,tenant-admin,tenant-user,consumer"`
	Tenant string   `json:"tenant,omitempty"`
	Scopes []string `json:"scopes,omitempty" doc:"None: all that the role has"`
}

// TokenBody asks for a token.
type TokenBody struct {
	Name    string   `json:"name,omitempty" maxLength:"128" doc:"For people"`
	Role    string   `json:"role" enum:"operator,auditor,tenant-admin,tenant-user,consumer"`
	Tenant  string   `json:"tenant,omitempty" maxLength:"128" doc:"The caller's when left out"`
	Scopes  []string `json:"scopes,omitempty" maxItems:"32" doc:"None: all that the role has"`
	Expires string   `json:"expires,omitempty" doc:"How long it is valid; until revoked when left out" example:"24h"`
}

// TokenMade is a new token with its secret.
type TokenMade struct {
	Secret string `json:"secret" doc:"Shown this once"`
	Token  Token  `json:"token"`
}

type (
	whoOutput   struct{ Body Who }
	tokenInput  struct{ Body TokenBody }
	tokenOutput struct{ Body TokenMade }
	tokenID     struct {
		ID string `path:"id" maxLength:"64"`
	}
	tokensOutput struct {
		Body struct {
			Tokens []Token `json:"tokens"`
		}
	}
)

func (s *Server) routeTokens() {
	errors := []int{400, 401, 403, 404, 422, 429, 503}
	huma.Register(s.api, huma.Operation{OperationID: "who-am-i", Method: http.MethodGet, Path: "/v1/whoami", Summary: "Say whose token this is", Errors: []int{401}}, s.whoami)
	huma.Register(s.api, huma.Operation{OperationID: "list-tokens", Method: http.MethodGet, Path: "/v1/tokens", Summary: "List tokens, never their secrets", Errors: errors}, s.listTokens)
	huma.Register(s.api, huma.Operation{OperationID: "create-token", Method: http.MethodPost, Path: "/v1/tokens", Summary: "Make a token, shown once",
		DefaultStatus: 201, MaxBodyBytes: maxBody, Errors: errors}, s.createToken)
	huma.Register(s.api, huma.Operation{OperationID: "revoke-token", Method: http.MethodDelete, Path: "/v1/tokens/{id}", Summary: "End a token",
		DefaultStatus: 204, Errors: errors}, s.revokeToken)
}

func (s *Server) whoami(ctx context.Context, _ *struct{}) (*whoOutput, error) {
	k := identity(ctx)
	out := Who{ID: k.ID, Name: k.Name, Role: string(k.Role), Tenant: string(k.Tenant)}
	for _, x := range k.Scopes {
		out.Scopes = append(out.Scopes, string(x))
	}
	return &whoOutput{out}, nil
}

func (s *Server) listTokens(ctx context.Context, _ *struct{}) (*tokensOutput, error) {
	who, out := identity(ctx), &tokensOutput{}
	out.Body.Tokens = []Token{}
	for _, t := range s.o.Tokens.List() {
		if who.seesAll() || t.Tenant == who.Tenant {
			t.SHA256 = ""
			out.Body.Tokens = append(out.Body.Tokens, t)
		}
	}
	return out, nil
}

// createToken makes a token that can do no more than the caller.
func (s *Server) createToken(ctx context.Context, in *tokenInput) (*tokenOutput, error) {
	who := identity(ctx)
	life, err := parseLife(in.Body.Expires)
	if err != nil {
		return nil, problem(err)
	}
	g := Grant{Name: in.Body.Name, Role: Role(in.Body.Role), Tenant: job.Tenant(in.Body.Tenant), Life: life}
	for _, x := range in.Body.Scopes {
		g.Scopes = append(g.Scopes, Scope(x))
	}
	if g.Tenant == "" && g.Role.ofTenant() {
		g.Tenant = who.Tenant
	}
	now := time.Now()
	if err := who.mayGrant(&g, now); err != nil {
		return nil, problem(err)
	}
	if g.Tenant != "" {
		var q *job.Queueing
		err := s.centre.View(ctx, func(st *control.State) { q = st.Config().Queueing })
		if err == nil {
			err = q.Declared(g.Tenant)
		}
		if err != nil {
			return nil, problem(err)
		}
	}
	out := &tokenOutput{}
	err = s.changeTokens(func(t *Tokens) (err error) {
		out.Body.Secret, out.Body.Token, err = t.Create(g, now)
		return err
	})
	out.Body.Token.SHA256 = ""
	return out, problem(err)
}

// mayGrant refuses what would be more, or last longer, than the caller has itself.
func (k *Caller) mayGrant(g *Grant, now time.Time) error {
	if k.Role != Operator && (!g.Role.ofTenant() || g.Tenant != k.Tenant) {
		return fault.New(fault.Denied, "role "+string(g.Role), "of "+quoted(string(g.Tenant))+" is not yours to give", "a tenant admin makes tokens of its own tenant")
	}
	if !k.Expires.IsZero() && (g.Life == 0 || now.Add(g.Life).After(k.Expires)) {
		return fault.New(fault.Denied, "expires", "would outlive the token it is made with, which ends at "+k.Expires.Format(time.RFC3339), "give a shorter time")
	}
	if len(k.Scopes) == 0 {
		return nil
	}
	if len(g.Scopes) == 0 {
		return fault.New(fault.Denied, "scopes", "must be named: this token is narrowed itself", "give a part of its scopes")
	}
	for _, x := range g.Scopes {
		if !slices.Contains(k.Scopes, x) {
			return fault.New(fault.Denied, "scope "+quoted(string(x)), "is not yours to give", "give a part of your own scopes")
		}
	}
	return nil
}

func (s *Server) revokeToken(ctx context.Context, in *tokenID) (*struct{}, error) {
	who := identity(ctx)
	return nil, problem(s.changeTokens(func(t *Tokens) error {
		k, err := t.Find(in.ID)
		if err == nil && who.Role != Operator && k.Tenant != who.Tenant {
			err = fault.New(fault.NotFound, "token "+quoted(in.ID), "no such token", "see: tianfu token list")
		}
		if err != nil {
			return err
		}
		return t.Revoke(in.ID)
	}))
}

func (s *Server) changeTokens(f func(*Tokens) error) error {
	if s.o.ChangeTokens == nil {
		return fault.New(fault.Unavailable, "tokens", "cannot be changed through this centre", "use: tianfu token --data DIR")
	}
	return s.o.ChangeTokens(f)
}

// parseLife reads how long a token is valid; nothing is until revoked.
func parseLife(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := unit.ParseDuration(text)
	if err == nil && d <= 0 {
		err = fault.New(fault.Invalid, "expires", quoted(text)+" is already past", "write it like 24h")
	}
	return d, err
}

// WhoAmI asks whose token the client has.
func (c *Client) WhoAmI(ctx context.Context) (*Who, error) {
	out := &Who{}
	return out, c.call(ctx, request{method: http.MethodGet, path: "/v1/whoami"}, out)
}

// Tokens lists the tokens that the caller may see.
func (c *Client) Tokens(ctx context.Context) ([]Token, error) {
	out := &tokensOutput{}
	err := c.call(ctx, request{method: http.MethodGet, path: "/v1/tokens"}, &out.Body)
	return out.Body.Tokens, err
}

// CreateToken makes a token.
func (c *Client) CreateToken(ctx context.Context, b *TokenBody) (*TokenMade, error) {
	out := &TokenMade{}
	return out, c.call(ctx, request{method: http.MethodPost, path: "/v1/tokens", in: b}, out)
}

// RevokeToken ends a token.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	return c.call(ctx, request{method: http.MethodDelete, path: "/v1/tokens/" + url.PathEscape(id)}, nil)
}
