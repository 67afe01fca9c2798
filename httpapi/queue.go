package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"tianfu/control"
	"tianfu/fault"
	"tianfu/job"
)

// Queue is a declared queue as the API shows it to those it belongs to.
type Queue struct {
	Name        string          `json:"name"`
	Cohort      string          `json:"cohort,omitempty" doc:"The queues that lend each other what they do not use"`
	Tenants     []string        `json:"tenants,omitempty" doc:"Who may submit; none = it only lends"`
	Default     bool            `json:"default,omitempty" doc:"Its tenants' jobs that name no queue go here"`
	Weight      int64           `json:"weight" doc:"Of its fair share"`
	Priority    string          `json:"priority" doc:"The priorities allowed"`
	Running     int             `json:"running" doc:"Tasks that hold something"`
	Pending     int             `json:"pending" doc:"Jobs in the line"`
	Reasons     []QueueReason   `json:"reasons,omitempty" doc:"Why they wait"`
	Share       float64         `json:"share" doc:"Dominant part of the fleet that it holds now, 0 to 1"`
	Mean        float64         `json:"mean_share" doc:"The same, of what it held in the past; 0 without a half-life"`
	Entitlement float64         `json:"entitlement" doc:"Dominant part of the fleet that it is guaranteed, 0 to 1"`
	Resources   []QueueResource `json:"resources" doc:"Those that its quota limits"`
}

// QueueReason counts the pending jobs of one cause.
type QueueReason struct {
	Cause string `json:"cause"`
	Jobs  int    `json:"jobs"`
}

// QueueResource is how a queue stands in one resource.
type QueueResource struct {
	Resource    string `json:"resource" doc:"cpu, memory, accelerators, or an accelerator model"`
	Guaranteed  string `json:"guaranteed"`
	Used        string `json:"used"`
	Borrowed    string `json:"borrowed" doc:"Used beyond the guarantee"`
	Lent        string `json:"lent" doc:"Of its guarantee, in use by others now"`
	Borrowable  string `json:"borrowable" doc:"What it may still use, of guarantee and loans together"`
	BorrowLimit string `json:"borrow_limit,omitempty" doc:"None when left out"`
	LendLimit   string `json:"lend_limit"`
}

// CohortLoad is what the queues of others in a cohort hold and are guaranteed,
// all together.
type CohortLoad struct {
	Cohort     string `json:"cohort"`
	Resource   string `json:"resource"`
	Guaranteed string `json:"guaranteed"`
	Used       string `json:"used"`
}

// Queues are the queues a caller may see, and the load of others beside them.
type Queues struct {
	Queues []Queue      `json:"queues"`
	Others []CohortLoad `json:"others,omitempty" doc:"Queues of other tenants in the same cohorts, all together"`
}

type queuesOutput struct {
	ETag string `header:"ETag"`
	Body Queues
}

type queueInput struct {
	TagInput
	Name string `path:"name" maxLength:"128"`
}

type queueOutput struct {
	ETag string `header:"ETag"`
	Body Queue
}

func (s *Server) routeQueues() {
	errors := []int{304, 401, 403, 404, 422, 503}
	huma.Register(s.api, huma.Operation{OperationID: "list-queues", Method: http.MethodGet, Path: "/v1/queues", Summary: "List queues",
		Description: "What each queue is guaranteed, uses, borrows and lends. A tenant sees its own queues in full and those of others only as a sum.", Errors: errors}, s.listQueues)
	huma.Register(s.api, huma.Operation{OperationID: "get-queue", Method: http.MethodGet, Path: "/v1/queues/{name}", Summary: "Show a queue", Errors: errors}, s.getQueue)
}

func (s *Server) listQueues(ctx context.Context, in *TagInput) (*queuesOutput, error) {
	out := &queuesOutput{Body: Queues{Queues: []Queue{}}}
	who := identity(ctx)
	if err := s.centre.View(ctx, func(st *control.State) { out.Body = queuesOf(st.Queues(), who) }); err != nil {
		return nil, problem(err)
	}
	out.ETag = tagOf(out.Body)
	return out, in.unchanged(out.ETag)
}

func (s *Server) getQueue(ctx context.Context, in *queueInput) (*queueOutput, error) {
	out, found := &queueOutput{}, false
	who := identity(ctx)
	err := s.centre.View(ctx, func(st *control.State) {
		for _, v := range st.Queues() {
			if string(v.Name) == in.Name && who.maySeeQueue(&v) {
				found, out.Body = true, queueOf(&v, who)
			}
		}
	})
	if err == nil && !found {
		err = fault.New(fault.NotFound, "queue "+in.Name, "no such queue", "see: tianfu queue list")
	}
	if err != nil {
		return nil, problem(err)
	}
	out.ETag = tagOf(out.Body)
	return out, in.unchanged(out.ETag)
}

// queues tells of every queue whether a caller may see it in full.
func (k Caller) queues(st *control.State) map[job.Queue]bool {
	mine := map[job.Queue]bool{}
	for _, v := range st.Queues() {
		mine[v.Name] = k.maySeeQueue(&v)
	}
	return mine
}

// maySeeQueue tells whether a caller may see a queue in full.
func (k Caller) maySeeQueue(v *control.QueueView) bool {
	return k.seesAll() || slices.ContainsFunc(v.Rule.Tenants, k.maySee)
}

func queuesOf(views []control.QueueView, who Caller) Queues {
	out := Queues{Queues: []Queue{}}
	cohorts := map[string]bool{}
	for i := range views {
		if v := &views[i]; who.maySeeQueue(v) {
			out.Queues = append(out.Queues, queueOf(v, who))
			cohorts[v.Cohort] = v.Cohort != ""
		}
	}
	type key struct{ cohort, resource string }
	sums, order := map[key][2]int64{}, []key{}
	for i := range views {
		v := &views[i]
		if who.maySeeQueue(v) || !cohorts[v.Cohort] {
			continue
		}
		for _, r := range v.Resources {
			k := key{v.Cohort, r.Resource}
			sum, seen := sums[k]
			if !seen {
				order = append(order, k)
			}
			sums[k] = [2]int64{sum[0] + r.Guaranteed, sum[1] + r.Used}
		}
	}
	for _, k := range order {
		out.Others = append(out.Others, CohortLoad{k.cohort, k.resource, control.AmountInWords(k.resource, sums[k][0]), control.AmountInWords(k.resource, sums[k][1])})
	}
	return out
}

func queueOf(v *control.QueueView, who Caller) Queue {
	r := v.Rule
	q := Queue{Name: string(v.Name), Cohort: v.Cohort, Default: r.Default, Weight: r.Weight, Priority: fmt.Sprintf("%d..%d", r.MinPriority, r.MaxPriority),
		Running: v.Running, Pending: v.Pending, Share: v.Share, Mean: v.Mean, Entitlement: v.Entitlement, Resources: []QueueResource{}}
	for _, t := range r.Tenants {
		if who.maySee(t) {
			q.Tenants = append(q.Tenants, string(t))
		}
	}
	for _, t := range v.Reasons {
		q.Reasons = append(q.Reasons, QueueReason{t.Cause.String(), t.Jobs})
	}
	for _, u := range v.Resources {
		words := func(n int64) string { return control.AmountInWords(u.Resource, n) }
		one := QueueResource{Resource: u.Resource, Guaranteed: words(u.Guaranteed), Used: words(u.Used), Borrowed: words(u.Borrowed), Lent: words(u.Lent),
			Borrowable: words(u.Borrowable), LendLimit: words(u.LendMost)}
		if u.BorrowMost >= 0 {
			one.BorrowLimit = words(u.BorrowMost)
		}
		q.Resources = append(q.Resources, one)
	}
	return q
}

// Queues lists the queues the caller may see.
func (c *Client) Queues(ctx context.Context) (*Queues, error) {
	out := &Queues{}
	return out, c.call(ctx, request{method: http.MethodGet, path: "/v1/queues"}, out)
}

// Queue returns one queue.
func (c *Client) Queue(ctx context.Context, name string) (*Queue, error) {
	out := &Queue{}
	return out, c.call(ctx, request{method: http.MethodGet, path: "/v1/queues/" + url.PathEscape(name)}, out)
}
