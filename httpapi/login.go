package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tianfu/fault"
)

// Login is what a program needs to let somebody log in at the centre's identity
// provider. Nothing of it is secret.
type Login struct {
	Issuer string   `json:"issuer" doc:"The OpenID Connect provider." example:"https://login.example.org/realms/centre"`
	Client string   `json:"client" doc:"What the centre is called there."`
	Scopes []string `json:"scopes" doc:"What to ask for beside openid."`
}

type loginOutput struct{ Body Login }

func (s *Server) routeLogin() {
	huma.Register(s.api, huma.Operation{
		OperationID: "login", Method: http.MethodGet, Path: "/v1/login", Summary: "Where to log in", Tags: []string{"identity"},
		Description: "Which identity provider the centre believes, for tianfu login; 404 where it believes none. Needs no token.",
		Security:    []map[string][]string{}, Errors: []int{http.StatusNotFound},
	}, func(context.Context, *struct{}) (*loginOutput, error) {
		if s.o.Provider == nil {
			return nil, problem(fault.New(fault.NotFound, "login", "this centre believes no identity provider", "use a token: tianfu token create"))
		}
		o := &s.o.Provider.o
		scopes := o.Scopes
		if scopes == nil {
			scopes = []string{}
		}
		return &loginOutput{Login{Issuer: o.Issuer, Client: o.Client, Scopes: scopes}}, nil
	})
}

// Login returns where to log in.
func (c *Client) Login(ctx context.Context) (*Login, error) {
	out := &Login{}
	return out, c.call(ctx, request{method: http.MethodGet, path: "/v1/login"}, out)
}
