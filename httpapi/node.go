package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tianfu/control"
	"tianfu/fault"
	"tianfu/fleet"
)

// Node is a node as the API shows it.
type Node struct {
	Name         string            `json:"name"`
	Site         string            `json:"site,omitempty"`
	Rack         string            `json:"rack,omitempty"`
	Segment      string            `json:"segment,omitempty"`
	SKU          string            `json:"sku,omitempty"`
	Health       string            `json:"health"`
	Cordoned     bool              `json:"cordoned,omitempty"`
	Drain        bool              `json:"drain,omitempty"`
	ShortOfDisk  bool              `json:"short_of_disk,omitempty" doc:"It has too little disk left for new work, and takes none until there is room"`
	CPU          string            `json:"cpu" doc:"Logical CPUs"`
	CPUFree      string            `json:"cpu_free"`
	Memory       string            `json:"memory"`
	MemoryFree   string            `json:"memory_free"`
	Model        string            `json:"model,omitempty"`
	Accelerators int               `json:"accelerators"`
	Free         int               `json:"accelerators_free" doc:"Wholly free"`
	Running      int               `json:"tasks_running" doc:"Tasks that run"`
	MostTasks    int               `json:"tasks_most,omitempty" doc:"The most tasks at one time; left out where nothing bounds them"`
	Tasks        []string          `json:"tasks,omitempty" doc:"Of jobs the caller may see; others are anonymous load"`
	Reserved     []NodeReservation `json:"reserved,omitempty" doc:"Of one node: what reservations keep of it, now or next"`
}

type nodesOutput struct {
	ETag string `header:"ETag"`
	Body struct {
		Nodes []Node `json:"nodes"`
	}
}

type nodeInput struct {
	TagInput
	Name string `path:"name" maxLength:"256"`
}

type nodeOutput struct {
	ETag string `header:"ETag"`
	Body Node
}

type setNodeInput struct {
	Name  string `path:"name" maxLength:"256"`
	Match string `header:"If-Match" maxLength:"1024" example:"*" doc:"Only if it is still as it was shown with this tag, or, for *, if it is there; else 412"`
	Body  struct {
		Cordoned bool `json:"cordoned" doc:"Accept no new work"`
		Drain    bool `json:"drain,omitempty" doc:"Also move present work away"`
	}
}

func (s *Server) routeNodes() {
	errors := []int{401, 403, 404, 422, 503}
	huma.Register(s.api, huma.Operation{OperationID: "list-nodes", Method: http.MethodGet, Path: "/v1/nodes", Summary: "List nodes", Errors: append([]int{304}, errors...)}, s.listNodes)
	huma.Register(s.api, huma.Operation{OperationID: "get-node", Method: http.MethodGet, Path: "/v1/nodes/{name}", Summary: "Show a node", Errors: append([]int{304}, errors...)}, s.getNode)
	huma.Register(s.api, huma.Operation{OperationID: "set-node", Method: http.MethodPut, Path: "/v1/nodes/{name}/state", Summary: "Cordon, drain or open a node",
		DefaultStatus: 204, MaxBodyBytes: maxBody, Errors: append([]int{412}, errors...)}, s.setNode)
}

func (s *Server) listNodes(ctx context.Context, in *TagInput) (*nodesOutput, error) {
	out := &nodesOutput{}
	out.Body.Nodes = []Node{}
	err := s.centre.View(ctx, func(st *control.State) {
		for n := range int32(st.Capacity().Nodes()) {
			out.Body.Nodes = append(out.Body.Nodes, nodeOf(st, n))
		}
	})
	if err == nil {
		out.ETag = tagOf(out.Body)
		return out, in.unchanged(out.ETag)
	}
	return nil, problem(err)
}

func (s *Server) getNode(ctx context.Context, in *nodeInput) (*nodeOutput, error) {
	out, found := &nodeOutput{}, false
	who := identity(ctx)
	err := s.centre.View(ctx, func(st *control.State) {
		if out.Body, found = nodeInFull(st, who, in.Name); found {
			out.ETag = tagOf(out.Body)
		}
	})
	if err == nil && !found {
		err = fault.New(fault.NotFound, "node "+in.Name, "no such node", "see: tianfu node list")
	}
	if err != nil {
		return nil, problem(err)
	}
	return out, in.unchanged(out.ETag)
}

// nodeInFull renders a node with the jobs on it that the caller may see.
func nodeInFull(st *control.State, who Caller, name string) (Node, bool) {
	n, ok := st.NodeRank(fleet.NodeID(name))
	if !ok {
		return Node{}, false
	}
	out := nodeOf(st, n)
	out.Reserved = reservedOn(st, who, st.Capacity().Node(n))
	for _, a := range st.Capacity().Running(n) {
		if j, ok := st.Summary(a.Job); ok && who.maySee(j.Spec.Tenant) {
			out.Tasks = append(out.Tasks, a.Job.String())
		}
	}
	return out, true
}

func (s *Server) setNode(ctx context.Context, in *setNodeInput) (*struct{}, error) {
	when := whenMatches(in.Match, func(st *control.State) string {
		if n, there := nodeInFull(st, identity(ctx), in.Name); there {
			return tagOf(n)
		}
		return ""
	})
	return nil, matched("node "+in.Name, s.centre.SetNode(ctx, fleet.NodeID(in.Name), in.Body.Cordoned || in.Body.Drain, in.Body.Drain, when))
}

func nodeOf(st *control.State, n int32) Node {
	c := st.Capacity()
	d, left := c.Node(n), c.Left(n)
	return Node{
		Name: string(d.ID), Site: d.Place.Site, Rack: d.Place.Rack, Segment: d.Segment, SKU: d.SKU, Health: d.Health.String(), Cordoned: d.Cordoned, Drain: d.Drain, ShortOfDisk: d.ShortOfDisk,
		CPU: d.CPU.String(), CPUFree: left.CPU.String(), Memory: d.Memory.String(), MemoryFree: left.Memory.String(),
		Model: string(d.Model), Accelerators: len(d.Devices), Free: left.Whole,
		Running: len(c.OnNode(n)), MostTasks: d.Tasks,
	}
}
