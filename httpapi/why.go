package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tianfu/control"
	"tianfu/job"
	"tianfu/live"
	"tianfu/sim"
	"tianfu/unit"
)

// Why says why a job waits, when it may start and what would help; of a job
// that runs or has ended, where and how.
type Why struct {
	Job          Job           `json:"job"`
	Asked        string        `json:"asked" format:"date-time" doc:"When this was worked out"`
	Asks         string        `json:"asks" doc:"What the job asks for, in words"`
	Says         string        `json:"says" doc:"The answer in a sentence"`
	Waits        bool          `json:"waits"`
	Warning      string        `json:"warning,omitempty" doc:"It will miss its deadline by its run time, and by how much"`
	Reason       *Reason       `json:"reason,omitempty" doc:"Of a cycle made for this answer"`
	Ahead        *Ahead        `json:"ahead,omitempty" doc:"What stands before it in the line"`
	Free         *Free         `json:"free,omitempty" doc:"What lies free on nodes that could take one of its tasks"`
	Queue        *Queue        `json:"queue,omitempty" doc:"The queue it waits in: what that uses, and may still borrow"`
	Deferral     *Planned      `json:"deferral,omitempty" doc:"What is planned for a job with a wish or a deadline"`
	Power        *PowerLimit   `json:"power,omitempty" doc:"The limit of power that is in the way"`
	Start        *Start        `json:"start,omitempty" doc:"When it is expected to start"`
	StartState   string        `json:"start_state,omitempty" enum:"ready,computing" doc:"computing: the estimate is being worked out; ask again"`
	Alternatives []Alternative `json:"alternatives,omitempty" doc:"Changes with which it would start now, the cheapest first; each was tried"`
}

// Ahead is what stands before a job in the line, of whoever's.
type Ahead struct {
	Jobs         int     `json:"jobs"`
	Tasks        int     `json:"tasks"`
	Accelerators float64 `json:"accelerators"`
	CPU          float64 `json:"cpu"`
}

// Free is what lies free, wherever it is.
type Free struct {
	Nodes        int     `json:"nodes" doc:"Open nodes of an accepted model"`
	Accelerators float64 `json:"accelerators"`
	OverNodes    int     `json:"over_nodes" doc:"Nodes that have any of it"`
	BestNode     float64 `json:"best_node" doc:"Free on the node that has most"`
	CPU          float64 `json:"cpu"`
}

// Planned is what is planned for a job in time.
type Planned struct {
	HeldUntil string  `json:"held_until,omitempty" format:"date-time" doc:"It is held back on purpose until then at the latest"`
	Planned   bool    `json:"planned" doc:"A plan says when it runs; without one it is held for the first plan only"`
	SavesKG   float64 `json:"saves_kgco2e,omitempty" doc:"Expected of the plan, against a start when it was made"`
	SavesYuan float64 `json:"saves_yuan,omitempty"`
	Due       string  `json:"due,omitempty" format:"date-time" doc:"When it should have ended"`
	AtRisk    bool    `json:"at_risk,omitempty" doc:"It may miss that"`
}

// PowerLimit is how an area stands whose limit is in the way.
type PowerLimit struct {
	Area   string  `json:"area"`
	Draw   float64 `json:"it_draw_kw"`
	Budget float64 `json:"it_budget_kw"`
	Band   string  `json:"band"`
	Cap    *CapNow `json:"cap,omitempty" doc:"The cap in force on it"`
}

// Start is when a job is expected to start. Without an instant it is later than
// anything that was looked at.
type Start struct {
	Early   string `json:"early,omitempty" format:"date-time" doc:"80 % of starts lie between early and late"`
	Middle  string `json:"middle,omitempty" format:"date-time" doc:"As likely before as after"`
	Late    string `json:"late,omitempty" format:"date-time"`
	AsOf    string `json:"as_of" format:"date-time" doc:"The state that it was worked out from"`
	Draws   int    `json:"draws" doc:"Runs forward of the centre"`
	Learned int    `json:"learned_from" doc:"Ended attempts that run times were learned from"`
	Method  string `json:"method"`
}

// Alternative is a change of a job with which it would start now.
type Alternative struct {
	Field    string `json:"field" doc:"Of the job file"`
	Value    string `json:"value"`
	Text     string `json:"text"`
	Tasks    int    `json:"tasks" doc:"Tasks that would start"`
	Preempts int    `json:"preempts,omitempty" doc:"Tasks of others that would have to leave for it"`
}

type whyOutput struct {
	Body Why
}

func (s *Server) routeWhy() {
	huma.Register(s.api, huma.Operation{OperationID: "why-job", Method: http.MethodGet, Path: "/v1/jobs/{id}/why", Summary: "Say why a job waits, when it may start and what would help",
		Description: "The reason is that of a cycle made now on a copy of the state; alternatives were tried the same way. The start comes from running the centre forward in virtual time several times; while that is being worked out, start_state is computing.",
		Errors:      []int{400, 401, 403, 404, 422, 429, 503}}, s.why)
}

func (s *Server) why(ctx context.Context, in *idInput) (*whyOutput, error) {
	id, err := ParseID(in.ID)
	if err != nil {
		return nil, problem(err)
	}
	shown, err := s.visible(ctx, id)
	if err != nil {
		return nil, err
	}
	w, err := s.centre.Why(ctx, id)
	if err != nil {
		return nil, problem(err)
	}
	spec := w.Job.Spec
	out := Why{Job: shown, Asked: instant(w.Now), Asks: asks(spec), Waits: w.Waits}
	out.Warning = lateness(w.Deferral, spec, w.Now)
	if !w.Waits {
		out.Says = stands(&shown, w)
		if err := s.stillFor(ctx, w, &out); err != nil {
			return nil, problem(err)
		}
		if w.Job.Phase == control.Cancelled && w.Unmet != 0 {
			if d, err := s.visible(ctx, w.Unmet); err == nil {
				out.Says += "; " + d.ID + ", which had to complete before it, is " + d.Phase
			}
		}
		return &whyOutput{Body: out}, nil
	}
	if err := s.centre.View(ctx, func(st *control.State) { out.Reason = reasonOf(st, identity(ctx), &w.Reason) }); err != nil {
		return nil, problem(err)
	}
	out.Job.Reason = out.Reason
	out.Says = plainReason(&w.Reason, spec, &w.Room, out.Reason)
	out.Ahead, out.Free = aheadOf(&w.Ahead), freeOf(&w.Room)
	if w.Queue != nil {
		q := queueOf(w.Queue, identity(ctx))
		out.Queue = &q
	}
	out.Deferral = plannedOf(w.Deferral)
	if a := w.Area; a != nil {
		out.Power = &PowerLimit{Area: a.Declared.Path, Draw: float64(a.Draw) / 1e6, Budget: float64(a.Budget) / 1e6, Band: a.Band.String()}
		if out.Reason.Power != nil {
			out.Power.Cap = out.Reason.Power.Cap
		}
	}
	out.StartState = "computing"
	if w.Starts {
		out.StartState, out.Start = "ready", startOf(&w.Start, w.StartAsOf)
	}
	out.Alternatives = alternativesOf(w.Alternatives)
	return &whyOutput{Body: out}, nil
}

// stillFor says of a job with a task that stands still which area, and which cap,
// it stands still for.
func (s *Server) stillFor(ctx context.Context, w *live.Why, out *Why) error {
	k := slices.IndexFunc(w.Job.Tasks, func(t control.Task) bool { return t.Suspended })
	if k < 0 {
		return nil
	}
	return s.centre.View(ctx, func(st *control.State) {
		areas, area := st.Areas(), w.Job.Tasks[k].For
		if int(area) >= len(areas) {
			return // the tree is another one by now
		}
		a := &areas[area]
		out.Power = &PowerLimit{Area: a.Declared.Path, Draw: float64(a.Draw) / 1e6, Budget: float64(a.Budget) / 1e6, Band: a.Band.String(), Cap: capOn(st, area)}
		out.Says = "it stands still for want of power in the area " + a.Declared.Path
		if c := out.Power.Cap; c != nil {
			out.Says += ": " + c.String()
		}
	})
}

// lateness warns of a job that ends after its deadline by its run time, whatever
// the centre does from now on; "" of others.
func lateness(d *control.Deferral, spec *job.Spec, now unit.Instant) string {
	if d == nil || d.Late <= 0 {
		return ""
	}
	whole := func(d time.Duration) string { return d.Round(time.Second).String() }
	due, run := WholeSeconds(instant(spec.Deadline)), whole(spec.Run())
	if d.Begun > 0 {
		return fmt.Sprintf("it is expected to end %s after its deadline of %s: its expected run is %s", whole(d.Late), due, run)
	}
	left := "which has passed"
	if spec.Deadline > now {
		left = "which is in " + whole(spec.Deadline.Sub(now))
	}
	rest := ""
	if d.Done > 0 {
		rest = ", of which pauses have kept " + whole(d.Done)
	}
	return fmt.Sprintf("even if it started now it would end %s after its deadline of %s, %s: its expected run is %s%s", whole(d.Late), due, left, run, rest)
}

func plannedOf(d *control.Deferral) *Planned {
	if d == nil {
		return nil
	}
	p := &Planned{HeldUntil: instant(d.Held), Due: instant(d.Due), AtRisk: d.AtRisk, Planned: d.Planned}
	if d.Planned {
		p.SavesKG, p.SavesYuan = float64(d.Plan.Saves.Carbon)/1e6, float64(d.Plan.Saves.Money)/1e9
	}
	return p
}

func aheadOf(a *control.Ahead) *Ahead {
	return &Ahead{Jobs: a.Jobs, Tasks: a.Tasks, Accelerators: thousandths(a.Devices), CPU: thousandths(a.CPU)}
}

func freeOf(r *control.Room) *Free {
	return &Free{Nodes: r.Nodes, Accelerators: thousandths(r.Devices), OverNodes: r.Over, BestNode: thousandths(r.Most), CPU: thousandths(r.CPU)}
}

func thousandths(v int64) float64 { return float64(v) / 1000 }

// startMethod says how an estimate was made.
const startMethod = "the centre run forward in virtual time with run times drawn from what past and present work tells and with submissions like the recent ones; 10th, 50th and 90th percentile"

func startOf(e *sim.StartEstimate, asOf unit.Instant) *Start {
	return &Start{Early: instant(e.Early), Middle: instant(e.Middle), Late: instant(e.Late), AsOf: instant(asOf), Draws: e.Draws, Learned: e.Learned, Method: startMethod}
}

func alternativesOf(list []sim.Alternative) (out []Alternative) {
	for i := range list {
		a := &list[i]
		out = append(out, Alternative{Field: a.Field, Value: a.Value, Text: a.Text, Tasks: a.Starts, Preempts: a.Preempts})
	}
	return out
}

// asks says in words what a job asks for.
func asks(s *job.Spec) string {
	var parts []string
	for g := range s.Groups {
		q := &s.Groups[g].Request
		var one []string
		if q.Accelerators > 0 {
			what := "accelerators of any model"
			if len(q.Models) > 0 {
				names := make([]string, len(q.Models))
				for i, m := range q.Models {
					names[i] = string(m)
				}
				what = strings.Join(names, " or ")
			}
			part := unit.Count(q.Accelerators, "accelerator") + " of any model"
			if len(q.Models) > 0 {
				part = fmt.Sprintf("%d x %s", q.Accelerators, what)
			}
			switch {
			case q.Partition != "":
				part = q.Partition + " of one of " + what
			case q.Share < unit.Whole:
				part = q.Share.String() + " of one of " + what
			}
			one = append(one, part)
		}
		one = append(one, q.CPU.String()+" CPU", q.Memory.String())
		text := strings.Join(one, ", ")
		if n := s.Groups[g].Count; n > 1 {
			text = fmt.Sprintf("%d tasks of %s", n, text)
		}
		parts = append(parts, text)
	}
	out := strings.Join(parts, "; and ")
	if s.Gang && s.Tasks() > 1 {
		out += ", together"
		if s.Topology.Mode == job.Must {
			out += " in one " + s.Topology.Level.String()
		}
	}
	return out
}

// ranOn says where a job that has ended ran, and from when to when.
func ranOn(j *Job) string {
	nodes := map[string]bool{}
	from, to := "", ""
	for i := range j.Tasks {
		t := &j.Tasks[i]
		if t.Ended == "" {
			continue
		}
		nodes[t.Node] = true
		if from == "" || t.Allocated < from {
			from = t.Allocated
		}
		to = max(to, t.Ended)
	}
	if len(nodes) == 0 {
		return ""
	}
	where := unit.Count(len(nodes), "node")
	if len(nodes) == 1 {
		for n := range nodes {
			where = n
		}
	}
	return fmt.Sprintf(": it ran on %s from %s to %s", where, WholeSeconds(from), WholeSeconds(to))
}

// stands says where a job runs, or how it ended.
func stands(j *Job, w *live.Why) string {
	switch w.Job.Phase {
	case control.Running, control.Pending:
		var nodes []string
		for i := range j.Tasks {
			if t := &j.Tasks[i]; t.Node != "" && t.Ended == "" && (len(nodes) == 0 || nodes[len(nodes)-1] != t.Node) {
				nodes = append(nodes, t.Node)
			}
		}
		where := strings.Join(nodes, ", ")
		if len(nodes) > 4 {
			where = fmt.Sprintf("%s and %d more nodes", strings.Join(nodes[:4], ", "), len(nodes)-4)
		}
		return "it runs on " + where + "; " + w.Placed
	case control.Completed:
		return "it has completed" + ranOn(j)
	case control.Cancelled:
		return "it was cancelled"
	case control.Expired:
		return "its latest start passed before it could be placed"
	}
	for i := range j.Tasks {
		if e := j.Tasks[i].Exit; e != nil && e.Code != 0 {
			if e.Code < 0 {
				return fmt.Sprintf("it failed: task %d: %s", j.Tasks[i].Index, e.Detail)
			}
			return fmt.Sprintf("it failed: task %d ended with %s, exit code %d", j.Tasks[i].Index, e.Detail, e.Code)
		}
	}
	return "it failed"
}
