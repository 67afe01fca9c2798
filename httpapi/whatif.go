package httpapi

import (
	"context"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"tianfu/fault"
	"tianfu/sim"
)

// WhatIfs is where results are kept. Each has an address, and stays.
type WhatIfs struct {
	Save func(*sim.WhatIf) error
	Load func(id string) (*sim.WhatIf, error)
	List func() ([]sim.WhatIf, error) // newest first, at most maxPage
}

// WhatIfBody asks what a period would have been like.
type WhatIfBody struct {
	Change  string `json:"change" minLength:"1" maxLength:"4096" doc:"Clauses divided by semicolons; docs/whatif.md has the language" example:"arrivals x1.2"`
	Against string `json:"against" minLength:"1" maxLength:"32" doc:"last-hour, last-day, last-week, last-month, or a span that ends now" example:"last-week"`
	// Files are not kept: their names stay in the change, their effect in the figures.
	Files map[string]string `json:"files,omitempty" maxProperties:"8" doc:"Texts of files that the change names, by the word that names one: weather (EPW or CSV), or a series of carbon or price (CSV)"`
}

// maxWhatIfBody bounds a question with the files that its change names: a year of
// weather has 1.6 MB.
const maxWhatIfBody = 24 << 20

type whatIfInput struct{ Body WhatIfBody }

type whatIfOutput struct {
	Location string `header:"Location"`
	Body     sim.WhatIf
}

type whatIfID struct {
	ID string `path:"id" example:"w-0123456789ab" maxLength:"32"`
}

type whatIfList struct{ Body WhatIfPage }

// WhatIfPage lists what was asked, newest first.
type WhatIfPage struct {
	WhatIfs []sim.WhatIf `json:"whatifs"`
}

func (s *Server) routeWhatIf() {
	errors := []int{400, 401, 403, 404, 413, 422, 429, 503}
	huma.Register(s.api, huma.Operation{OperationID: "make-whatif", Method: http.MethodPost, Path: "/v1/whatif", Summary: "Run a recorded period again under a change",
		Description:   "The period's submissions are fed to the core again with their true run times, once as it was and once changed. The answer comes when both runs are over and stays at its address.",
		DefaultStatus: 201, MaxBodyBytes: maxWhatIfBody, Errors: errors}, s.makeWhatIf)
	huma.Register(s.api, huma.Operation{OperationID: "list-whatifs", Method: http.MethodGet, Path: "/v1/whatif", Summary: "List what-ifs, newest first", Errors: errors}, s.listWhatIfs)
	huma.Register(s.api, huma.Operation{OperationID: "get-whatif", Method: http.MethodGet, Path: "/v1/whatif/{id}", Summary: "Show a what-if", Errors: errors}, s.getWhatIf)
}

func (s *Server) makeWhatIf(ctx context.Context, in *whatIfInput) (*whatIfOutput, error) {
	files := map[string][]byte{}
	for name, text := range in.Body.Files {
		files[name] = []byte(text)
	}
	w, err := s.centre.WhatIf(ctx, in.Body.Change, in.Body.Against, files)
	if err == nil && s.o.WhatIfs != nil {
		err = s.o.WhatIfs.Save(w)
	}
	if err != nil {
		return nil, problem(err)
	}
	return &whatIfOutput{Location: "/v1/whatif/" + w.ID, Body: *w}, nil
}

func (s *Server) getWhatIf(_ context.Context, in *whatIfID) (*whatIfOutput, error) {
	if s.o.WhatIfs == nil {
		return nil, problem(fault.New(fault.NotFound, "what-if "+quoted(in.ID), "does not exist", "results are not kept in this centre"))
	}
	w, err := s.o.WhatIfs.Load(in.ID)
	if err != nil {
		return nil, problem(err)
	}
	return &whatIfOutput{Location: "/v1/whatif/" + w.ID, Body: *w}, nil
}

func (s *Server) listWhatIfs(context.Context, *struct{}) (*whatIfList, error) {
	if s.o.WhatIfs == nil {
		return &whatIfList{Body: WhatIfPage{WhatIfs: []sim.WhatIf{}}}, nil
	}
	list, err := s.o.WhatIfs.List()
	if err != nil {
		return nil, problem(err)
	}
	return &whatIfList{Body: WhatIfPage{WhatIfs: list[:min(len(list), maxPage)]}}, nil
}

// WhatIf runs a recorded period of the centre again under a change.
func (c *Client) WhatIf(ctx context.Context, b *WhatIfBody) (*sim.WhatIf, error) {
	out := &sim.WhatIf{}
	return out, c.call(ctx, request{method: http.MethodPost, path: "/v1/whatif", in: b}, out)
}

// StoredWhatIf returns a what-if by its ID.
func (c *Client) StoredWhatIf(ctx context.Context, id string) (*sim.WhatIf, error) {
	out := &sim.WhatIf{}
	return out, c.call(ctx, request{method: http.MethodGet, path: "/v1/whatif/" + url.PathEscape(id)}, out)
}

// StoredWhatIfs lists what-ifs, newest first.
func (c *Client) StoredWhatIfs(ctx context.Context) ([]sim.WhatIf, error) {
	out := &WhatIfPage{}
	return out.WhatIfs, c.call(ctx, request{method: http.MethodGet, path: "/v1/whatif"}, out)
}
