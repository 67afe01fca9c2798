package httpapi

import (
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

var docsPage = template.Must(template.New("docs").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{.Title}} API {{.Version}}</title>
<style>:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h2{font-size:1.05rem;margin:2rem 0 .3rem}code{font-size:.95em}b{display:inline-block;min-width:4.5rem}table{border-collapse:collapse}td{padding:.15rem 1rem .15rem 0;vertical-align:top}</style>
<h1>{{.Title}} API</h1><p>{{.Description}} The whole description is at <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1).</p>
<p>Send a token with every request: <code>Authorization: Bearer tf_…</code></p>
{{range .Operations}}<h2 id="{{.ID}}"><b>{{.Method}}</b> <code>{{.Path}}</code></h2><p>{{.Summary}}</p>
{{if .Parameters}}<table>{{range .Parameters}}<tr><td><code>{{.Name}}</code><td>{{.In}}<td>{{.Description}}</tr>{{end}}</table>{{end}}{{end}}
</html>`))

type docsOperation struct {
	ID, Method, Path, Summary string
	Parameters                []*huma.Param
}

// docs is a page about the API for people; it needs no network.
func (s *Server) docs(w http.ResponseWriter, _ *http.Request) {
	doc := s.api.OpenAPI()
	var ops []docsOperation
	for path, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Delete} {
			if op != nil {
				ops = append(ops, docsOperation{op.OperationID, op.Method, path, op.Summary, op.Parameters})
			}
		}
	}
	slices.SortFunc(ops, func(a, b docsOperation) int { return strings.Compare(a.Path+a.Method, b.Path+b.Method) })
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	docsPage.Execute(w, map[string]any{"Title": doc.Info.Title, "Version": doc.Info.Version, "Description": doc.Info.Description, "Operations": ops})
}
