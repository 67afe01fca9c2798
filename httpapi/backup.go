package httpapi

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tianfu/fault"
)

// takeBackup streams a backup of the centre. A failure halfway breaks the
// connection off: what arrived has no manifest, and restore refuses it.
func (s *Server) takeBackup(w http.ResponseWriter, r *http.Request) {
	if s.o.Backup == nil {
		writeProblem(w, http.StatusServiceUnavailable, fault.New(fault.Unavailable, "backup", "is not offered by this centre", ""))
		return
	}
	w.Header().Set("Content-Type", "application/gzip")
	w.Header().Set("Content-Disposition", `attachment; filename="tianfu-`+time.Now().UTC().Format("20060102T150405Z")+`.backup"`)
	if err := s.o.Backup(r.Context(), w); err != nil {
		s.logger().Error("a backup failed", "request_id", exchangeOf(r.Context()).id, "error", err)
		panic(http.ErrAbortHandler)
	}
}

func (s *Server) describeBackup() {
	binary := map[string]*huma.MediaType{"application/gzip": {Schema: &huma.Schema{Type: "string", Format: "binary"}}}
	s.api.OpenAPI().AddOperation(&huma.Operation{OperationID: "take-backup", Method: http.MethodPost, Path: "/v1/backup",
		Summary: "Take a backup while the centre runs: snapshot, records, tokens, world file and audit log, with a manifest of checksums",
		Responses: map[string]*huma.Response{
			"200":     {Description: "OK", Content: binary},
			"default": {Description: "Problem", Content: map[string]*huma.MediaType{"application/problem+json": {Schema: &huma.Schema{Type: "object"}}}},
		}})
}

// Backup copies a backup of the running centre to w.
func (c *Client) Backup(ctx context.Context, w io.Writer) error {
	reply, err := c.open(ctx, request{method: http.MethodPost, path: "/v1/backup"})
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if _, err = io.Copy(w, reply.Body); err != nil {
		return &fault.Error{Kind: fault.Unavailable, Where: "backup", What: "was broken off", Err: err, Fix: "the centre's log says why; try again"}
	}
	return nil
}
