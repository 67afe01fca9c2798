package httpapi

import (
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// JobSchema returns the JSON Schema (2020-12) of a job file. It comes from the
// very type that requests are read into.
func JobSchema() ([]byte, error) {
	registry := huma.NewMapRegistry("#/$defs/", huma.DefaultSchemaNamer)
	root := registry.Schema(reflect.TypeFor[JobBody](), false, "JobBody")
	text, err := json.Marshal(root)
	if err != nil {
		return nil, err
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	defs := map[string]any{}
	for name, s := range registry.Map() {
		defs[name] = s
	}
	doc["$schema"], doc["$id"] = "https://json-schema.org/draft/2020-12/schema", "/schemas/job.json"
	doc["title"], doc["$defs"] = "A job of Tianfu", defs
	return json.MarshalIndent(doc, "", "  ")
}

// serveJobSchema serves it to editors, which ask without a token.
func (s *Server) serveJobSchema(w http.ResponseWriter, _ *http.Request) {
	text, err := JobSchema()
	if err != nil {
		writeProblem(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/schema+json")
	w.Write(text)
}
