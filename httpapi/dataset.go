package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/job"
)

// Dataset is a data set that jobs may mount by name.
type Dataset struct {
	Name     string   `json:"name"`
	Writable bool     `json:"writable,omitempty"`
	Path     string   `json:"path,omitempty" doc:"For operators and auditors"`
	Tenants  []string `json:"tenants,omitempty" doc:"For operators and auditors: who may mount it; none = every tenant"`
}

type datasetsOutput struct {
	Body struct {
		Datasets []Dataset `json:"datasets"`
	}
}

func (s *Server) routeDatasets() {
	huma.Register(s.api, huma.Operation{OperationID: "list-datasets", Method: http.MethodGet, Path: "/v1/datasets", Summary: "List the data sets that the caller's jobs may mount",
		Errors: []int{401, 403, 503}}, s.listDatasets)
}

func (s *Server) datasets() []fleet.Dataset {
	if s.o.Datasets == nil {
		return nil
	}
	return s.o.Datasets()
}

func (s *Server) listDatasets(ctx context.Context, _ *struct{}) (*datasetsOutput, error) {
	who := identity(ctx)
	out := &datasetsOutput{}
	out.Body.Datasets = []Dataset{}
	for _, d := range s.datasets() {
		if !who.seesAll() && !d.Serves(string(who.Tenant)) {
			continue
		}
		x := Dataset{Name: d.Name, Writable: d.Writable}
		if who.seesAll() {
			x.Path, x.Tenants = d.Path, d.Tenants
		}
		out.Body.Datasets = append(out.Body.Datasets, x)
	}
	return out, nil
}

// resolveMounts turns names of data sets into what they stand for. Only
// operators name directories of the site themselves. A data set of others is
// not found, so that its name tells nothing.
func (s *Server) resolveMounts(who Caller, tenant job.Tenant, mounts []MountBody) error {
	list := s.datasets()
	for i := range mounts {
		m := &mounts[i]
		if m.Dataset == "" {
			if who.Role != Operator {
				return fault.New(fault.Denied, "mounts", "of the site are for operators", "mount a data set by its name: {dataset: NAME}; see: tianfu dataset list")
			}
			continue
		}
		if m.Source != "" {
			return fault.New(fault.Invalid, "mounts", "names a data set and a directory", "give one of them")
		}
		found := false
		for k := range list {
			d := &list[k]
			if d.Name != m.Dataset || who.Role != Operator && !d.Serves(string(tenant)) {
				continue
			}
			if m.Writable && !d.Writable {
				return fault.New(fault.Denied, "data set "+d.Name, "can only be read", "leave writable out")
			}
			found, m.Source = true, d.Path
		}
		if !found {
			return fault.New(fault.NotFound, "data set "+m.Dataset, "is not there", "see: tianfu dataset list")
		}
		if m.Target == "" {
			m.Target = "/data/" + m.Dataset
		}
	}
	return nil
}

// Datasets lists the data sets that the caller may mount.
func (c *Client) Datasets(ctx context.Context) ([]Dataset, error) {
	out := &datasetsOutput{}
	err := c.call(ctx, request{method: http.MethodGet, path: "/v1/datasets"}, &out.Body)
	return out.Body.Datasets, err
}
