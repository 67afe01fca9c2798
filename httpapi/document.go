package httpapi

import (
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// completeDocument adds what every route can answer to the OpenAPI document,
// whichever errors the route itself thought of.
func (s *Server) completeDocument() {
	doc := s.api.OpenAPI()
	schema := &huma.Schema{Type: "object"}
	if submit := doc.Paths["/v1/jobs"].Post; submit.Responses["422"] != nil {
		schema = submit.Responses["422"].Content["application/problem+json"].Schema
		dry := *submit.Responses["201"]
		dry.Description = "Of a dry run: what the submission would do"
		submit.Responses["200"] = &dry
	}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete, item.Patch} {
			if op == nil {
				continue
			}
			if op.Responses["default"] != nil {
				delete(op.Responses, "default")
			}
			codes := []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity,
				http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable}
			if op.RequestBody != nil {
				codes = append(codes, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
			}
			for _, code := range codes {
				if key := strconv.Itoa(code); op.Responses[key] == nil {
					op.Responses[key] = &huma.Response{Description: http.StatusText(code), Content: map[string]*huma.MediaType{"application/problem+json": {Schema: schema}}}
				}
			}
		}
	}
}
