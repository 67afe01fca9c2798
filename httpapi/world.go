package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tianfu/control"
	"tianfu/fault"
)

// World is what the centre is configured with, in short.
type World struct {
	Name         string   `json:"name"`
	File         string   `json:"file" doc:"Where the centre reads it"`
	Digest       string   `json:"digest" doc:"SHA-256 of the file as it was taken over; empty when it was refused at the start"`
	Refused      string   `json:"refused,omitempty" doc:"Why the file was not taken over at the start; the centre has the world that it had before"`
	Nodes        int      `json:"nodes"`
	Accelerators int      `json:"accelerators"`
	Queues       []string `json:"queues,omitempty"`
	Datasets     []string `json:"datasets,omitempty"`
}

// WorldChange is what reading the world file again did, or would do.
type WorldChange struct {
	DryRun   bool     `json:"dry_run,omitempty"`
	Changed  bool     `json:"changed"`
	Before   string   `json:"before" doc:"SHA-256 of the file that held before"`
	After    string   `json:"after"`
	Changes  []string `json:"changes"`
	Warnings []string `json:"warnings,omitempty" doc:"Of the file"`
	Stranded []string `json:"stranded,omitempty" doc:"Pending jobs that no node could run any more, even when idle; they wait"`
}

type worldOutput struct{ Body World }

type reloadInput struct {
	DryRun string `query:"dry_run" enum:"server" doc:"server: say what would change, or what stands in the way, without doing it"`
}

type reloadOutput struct{ Body WorldChange }

func (s *Server) routeWorld() {
	errors := []int{401, 403, 409, 422, 503}
	huma.Register(s.api, huma.Operation{OperationID: "get-world", Method: http.MethodGet, Path: "/v1/world", Summary: "Show what the centre is configured with", Errors: errors}, s.getWorld)
	huma.Register(s.api, huma.Operation{OperationID: "reload-world", Method: http.MethodPost, Path: "/v1/world/reload", Summary: "Read the world file again and take it over, whole or not at all",
		MaxBodyBytes: maxBody, Errors: errors}, s.reloadWorld)
}

func (s *Server) getWorld(ctx context.Context, _ *struct{}) (*worldOutput, error) {
	out := &worldOutput{}
	if s.o.World != nil {
		out.Body = s.o.World()
	}
	err := s.centre.View(ctx, func(st *control.State) {
		cfg := st.Config()
		out.Body.Name, out.Body.Nodes, out.Body.Accelerators = cfg.Fleet.Name, len(cfg.Fleet.Nodes), cfg.Fleet.Devices()
		if cfg.Queueing != nil {
			for i := range cfg.Queueing.Queues {
				out.Body.Queues = append(out.Body.Queues, string(cfg.Queueing.Queues[i].Name))
			}
		}
	})
	return out, problem(err)
}

func (s *Server) reloadWorld(ctx context.Context, in *reloadInput) (*reloadOutput, error) {
	if s.o.Reload == nil {
		return nil, problem(fault.New(fault.Unavailable, "world", "cannot be read again by this centre", ""))
	}
	out, err := s.o.Reload(ctx, in.DryRun == "server")
	return &reloadOutput{Body: out}, problem(err)
}

// World returns what the centre is configured with.
func (c *Client) World(ctx context.Context) (*World, error) {
	out := &World{}
	return out, c.call(ctx, request{method: http.MethodGet, path: "/v1/world"}, out)
}

// ReloadWorld makes the centre read its world file again; dry asks only what it
// would do.
func (c *Client) ReloadWorld(ctx context.Context, dry bool) (*WorldChange, error) {
	path := "/v1/world/reload"
	if dry {
		path += "?dry_run=server"
	}
	out := &WorldChange{}
	return out, c.call(ctx, request{method: http.MethodPost, path: path}, out)
}
