package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tianfu/fault"
)

// queriesOf lists the parameters that every route of the document takes in its
// query, by its pattern.
func queriesOf(doc *huma.OpenAPI) map[string][]string {
	out := map[string][]string{}
	for path, item := range doc.Paths {
		for method, op := range map[string]*huma.Operation{"GET": item.Get, "PUT": item.Put, "POST": item.Post, "DELETE": item.Delete, "PATCH": item.Patch} {
			if op == nil {
				continue
			}
			names := []string{}
			for _, p := range op.Parameters {
				if p.In == "query" {
					names = append(names, p.Name)
				}
			}
			out[method+" "+path] = names
		}
	}
	return out
}

// checkQuery refuses what a route would not look at: a filter with a slip in its name
// would show everything. Routes that the document does not have take anything.
func (s *Server) checkQuery(pattern string, r *http.Request) error {
	takes, known := s.queries[pattern]
	if !known || r.URL.RawQuery == "" {
		return nil
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fault.New(fault.Invalid, "query", "cannot be read: "+err.Error(), "write special characters as %XX")
	}
	for name := range values {
		if slices.Contains(takes, name) {
			continue
		}
		fix := "it takes none"
		if len(takes) > 0 {
			fix = "it takes " + strings.Join(takes, ", ")
		}
		return fault.New(fault.Invalid, "query", strconv.Quote(bounded(name, maxPath))+" is no parameter of "+pattern, fix)
	}
	return nil
}
