package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tianfu/control"
	"tianfu/fault"
	"tianfu/job"
)

// Job is a job as the API shows it.
type Job struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Tenant      string    `json:"tenant"`
	Queue       string    `json:"queue,omitempty"`
	Class       string    `json:"class"`
	Priority    int32     `json:"priority"`
	Phase       string    `json:"phase" enum:"pending,running,completed,failed,cancelled,expired"`
	Submitted   string    `json:"submitted" format:"date-time"`
	TaskCount   int       `json:"task_count"`
	TasksDone   int       `json:"tasks_done"`
	TasksActive int       `json:"tasks_running" doc:"Holding a node"`
	Gang        bool      `json:"gang,omitempty"`
	Array       string    `json:"array,omitempty" doc:"Indices of its elements and how many run at one time, as FIRST-LAST[:STEP][%PARALLEL]"`
	Failures    int       `json:"failures,omitempty" doc:"Tries that failed and were allowed another"`
	NextTry     string    `json:"next_try,omitempty" doc:"A backoff holds it, or a task of it, until then"`
	Resting     int       `json:"tasks_in_backoff,omitempty" doc:"Tasks that failed and wait a backoff of their own, while others go on"`
	ExpectedRun string    `json:"expected_run,omitempty"`
	Reason      *Reason   `json:"reason,omitempty" doc:"Why it waits, when it was last looked at"`
	Deferral    *Deferral `json:"deferral,omitempty" doc:"Of a job with a deadline or a wish: when it is planned to run, and how it stands"`
	Tasks       []Task    `json:"tasks,omitempty"`
	LeftOut     int       `json:"attempts_left_out,omitempty" doc:"Attempts of tasks that are not shown, for there are more than 1,000"`
}

// Task is one task of a job.
type Task struct {
	Index       int32   `json:"index"`
	ArrayIndex  *int    `json:"array_index,omitempty" doc:"Of an element of an array"`
	State       string  `json:"state" enum:"pending,starting,running,suspended,stopping,done,cancelled" doc:"suspended: it stands still, with what it holds, for want of power"`
	Attempt     int32   `json:"attempt"`
	NextTry     string  `json:"next_try,omitempty" format:"date-time" doc:"A backoff of its own holds it until then"`
	Node        string  `json:"node,omitempty"`
	Devices     []int   `json:"devices,omitempty"`
	Allocated   string  `json:"allocated,omitempty"`
	Started     string  `json:"started,omitempty"`
	Ended       string  `json:"ended,omitempty" format:"date-time" doc:"Of a task that does not run: its last attempt. Node and allocated are that one's then"`
	Seconds     float64 `json:"run_seconds,omitempty" doc:"Run time of the last attempt that ended: of its process, where the engine told, or else from allocated to ended"`
	ExpectedEnd string  `json:"expected_end,omitempty"`
	Exit        *Exit   `json:"exit,omitempty" doc:"Of the last attempt that ended"`
	CPUSeconds  float64 `json:"cpu_seconds,omitempty"`

	Attempts []Attempt `json:"attempts,omitempty" doc:"The latest 8 that have ended, oldest first; of a job of many tasks not of all, see attempts_left_out"`
}

// Attempt is an attempt that has ended.
type Attempt struct {
	Attempt   int32   `json:"attempt"`
	Node      string  `json:"node"`
	Allocated string  `json:"allocated" format:"date-time"`
	Ended     string  `json:"ended" format:"date-time"`
	Seconds   float64 `json:"run_seconds"`
	Ending    string  `json:"ending" enum:"succeeded,failed,evicted,node lost,stopped,not taken"`
	Exit      *Exit   `json:"exit,omitempty"`
}

// maxAttempts bounds the attempts that a job is shown with.
const maxAttempts = 1000

// Exit is how an attempt ended.
type Exit struct {
	Code       int32   `json:"code"`
	Detail     string  `json:"detail"`
	CPUSeconds float64 `json:"cpu_seconds"`
	MemoryPeak int64   `json:"memory_peak_bytes"`
	Seconds    float64 `json:"wall_seconds"`
}

// Reason says why a job waits: the dominant cause and the nodes behind it.
type Reason struct {
	Cause      string         `json:"cause"`
	Text       string         `json:"text"`
	Considered int32          `json:"nodes_considered"`
	Excluded   map[string]int `json:"nodes_excluded,omitempty" doc:"Nodes ruled out, by the first cause that excludes them"`
	Ahead      string         `json:"ahead,omitempty" doc:"The job whose turn or reservation blocks"`
	Power      *PowerShort    `json:"power,omitempty" doc:"Where power is in the way: which area has too little left"`
	Budget     *BudgetShort   `json:"budget,omitempty" doc:"Where a budget of the day is in the way: which, and what it has left"`
	Reserved   *ReservedFor   `json:"reserved,omitempty" doc:"Where reservations for other queues are in the way: one of them"`
}

// ReservedFor is a reservation that keeps a job off a node: named to those who may see
// its queue.
type ReservedFor struct {
	Reservation string `json:"reservation,omitempty"`
	Queue       string `json:"queue,omitempty"`
	ReservedWindow
}

// PowerShort is what an area lacks for a task to start, in watts of IT power.
type PowerShort struct {
	Area   string  `json:"area"`
	Need   float64 `json:"need_watts" doc:"What a task adds, at the least"`
	Draw   float64 `json:"it_draw_watts" doc:"Of the area now"`
	Budget float64 `json:"it_budget_watts" doc:"What new work may bring it to"`
	Behind bool    `json:"suspended_work_first,omitempty" doc:"Work that stands still there goes first, whatever is left"`
	Cap    *CapNow `json:"cap,omitempty" doc:"The cap that sets what the area may draw; left out where what is declared does"`
}

// reasonOf renders a reason for a caller: a job of another tenant that stands
// ahead is not named.
func reasonOf(st *control.State, who Caller, r *control.Reason) *Reason {
	shown := *r
	if j, ok := st.Summary(r.Ahead); !ok || !who.maySee(j.Spec.Tenant) {
		shown.Ahead = 0
	}
	r = &shown
	out := &Reason{Cause: r.Dominant.String(), Text: r.String(), Considered: r.Considered}
	for c, n := range r.Excluded {
		if n > 0 {
			if out.Excluded == nil {
				out.Excluded = map[string]int{}
			}
			out.Excluded[control.Cause(c).String()] = int(n)
		}
	}
	if r.Ahead != 0 {
		out.Ahead = r.Ahead.String()
	}
	if p := &r.Short; r.Excluded[control.CausePowerCap] > 0 && st.HasPower() && int(p.Area) < len(st.PowerTree().Areas) {
		out.Power = &PowerShort{Area: st.PowerTree().Areas[p.Area].Path, Need: inWatts(p.Need), Draw: inWatts(p.Draw), Budget: inWatts(p.Budget), Behind: p.Behind, Cap: capOn(st, p.Area)}
	}
	out.Budget, out.Reserved = budgetShort(st, r), keeperOf(st, who, r)
	return out
}

type submitInput struct {
	Key    string `header:"Idempotency-Key" maxLength:"128" doc:"A repeated submission of the same job with the same key is the first one; another job is refused with 409"`
	DryRun string `query:"dry_run" enum:"server" doc:"server: say whether it would start now, and why not, without submitting"`
	Body   JobBody
}

type submitOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     Submitted
}

// Submitted is the answer to a submission, or to a dry run.
type Submitted struct {
	ID      string   `json:"id,omitempty"`
	Warning string   `json:"warning,omitempty" doc:"It will miss its deadline by its run time, and by how much; it is accepted"`
	DryRun  bool     `json:"dry_run,omitempty"`
	Starts  bool     `json:"starts_now,omitempty" doc:"Of a dry run: it would start now"`
	Nodes   []string `json:"nodes,omitempty" doc:"Of a dry run: where"`
	Leave   int      `json:"preempts,omitempty" doc:"Of a dry run: tasks of others that would leave for it first"`
	Reason  *Reason  `json:"reason,omitempty" doc:"Of a dry run: why it would wait"`
	// What follows is of a dry run of a job that would wait.
	Asked        string        `json:"asked,omitempty" format:"date-time" doc:"Of a dry run: when this was worked out"`
	Says         string        `json:"says,omitempty" doc:"Of a dry run: why it would wait, or never start, in a sentence"`
	Ahead        *Ahead        `json:"ahead,omitempty" doc:"Of a dry run: what stands before it in the line"`
	Start        *Start        `json:"start,omitempty" doc:"Of a dry run: when it would start"`
	Alternatives []Alternative `json:"alternatives,omitempty" doc:"Of a dry run: changes with which it would start now"`
	Deferral     *Planned      `json:"deferral,omitempty" doc:"Of a dry run: what would be planned for a job with a wish or a deadline"`
}

type idInput struct {
	ID string `path:"id" example:"j-42" maxLength:"24"`
}

type cancelInput struct {
	ID    string `path:"id" example:"j-42" maxLength:"24"`
	Match string `header:"If-Match" maxLength:"1024" example:"*" doc:"Only if it is still as it was shown with this tag, or, for *, if it is there; else 412"`
}

type getInput struct {
	TagInput
	ID string `path:"id" example:"j-42" maxLength:"24"`
}

type jobOutput struct {
	ETag string `header:"ETag"`
	Body Job
}

type listInput struct {
	TagInput
	Phase  string `query:"phase" enum:"pending,running,completed,failed,cancelled,expired" doc:"Only jobs in this phase"`
	Tenant string `query:"tenant" maxLength:"128"`
	Queue  string `query:"queue" maxLength:"128" doc:"Only jobs of this queue"`
	Name   string `query:"name" maxLength:"128" doc:"Only jobs of this name; * at its end stands for any rest"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor string `query:"cursor" maxLength:"24" doc:"next of the page before"`
}

type listOutput struct {
	ETag string `header:"ETag"`
	Body JobPage
}

// JobPage is a page of jobs, newest first.
type JobPage struct {
	Jobs []Job  `json:"jobs"`
	Next string `json:"next,omitempty" doc:"Cursor of the next page; none at the end"`
}

func (s *Server) routeJobs() {
	errors := []int{400, 401, 403, 404, 409, 413, 422, 429, 503}
	huma.Register(s.api, huma.Operation{OperationID: "submit-job", Method: http.MethodPost, Path: "/v1/jobs", Summary: "Submit a job",
		DefaultStatus: 201, MaxBodyBytes: maxJobBody, Errors: append([]int{507}, errors...)}, s.submit)
	huma.Register(s.api, huma.Operation{OperationID: "list-jobs", Method: http.MethodGet, Path: "/v1/jobs", Summary: "List jobs, newest first", Errors: append([]int{304}, errors...)}, s.list)
	huma.Register(s.api, huma.Operation{OperationID: "get-job", Method: http.MethodGet, Path: "/v1/jobs/{id}", Summary: "Show a job with its tasks", Errors: append([]int{304}, errors...)}, s.get)
	huma.Register(s.api, huma.Operation{OperationID: "cancel-job", Method: http.MethodDelete, Path: "/v1/jobs/{id}", Summary: "Cancel a job", DefaultStatus: 204, Errors: append([]int{412}, errors...)}, s.cancel)
}

func (s *Server) submit(ctx context.Context, in *submitInput) (*submitOutput, error) {
	who := identity(ctx)
	if in.Body.Tenant == "" {
		in.Body.Tenant = string(who.Tenant)
	}
	if in.Body.Tenant == "" {
		in.Body.Tenant = "default"
	}
	if !who.mayWrite(job.Tenant(in.Body.Tenant)) {
		return nil, problem(fault.New(fault.Denied, "tenant "+in.Body.Tenant, "is not yours", "leave tenant out, or use its token"))
	}
	if err := s.resolveMounts(who, job.Tenant(in.Body.Tenant), in.Body.Mounts); err != nil {
		return nil, problem(err)
	}
	spec, err := in.Body.Spec()
	if err != nil {
		return nil, problem(err)
	}
	for _, d := range spec.After {
		if _, err := s.visible(ctx, d.Job); err != nil {
			return nil, err
		}
	}
	if in.DryRun == "server" {
		return s.dryRun(ctx, spec)
	}
	spec.Key = in.Key
	id, err := s.centre.Submit(ctx, spec)
	switch {
	case fault.KindOf(err) == fault.Exhausted && s.centre.Room() != nil: // the disk, not a quota
		return nil, huma.NewError(http.StatusInsufficientStorage, err.Error())
	case err != nil:
		return nil, problem(err)
	}
	out := Submitted{ID: id.String()}
	if spec.Deadline != 0 {
		// It is in: a centre that stops before it is asked again costs only the warning.
		s.centre.View(ctx, func(st *control.State) {
			if d, ok := st.Deferral(id); ok {
				out.Warning = lateness(&d, spec, st.Now())
			}
		})
	}
	return &submitOutput{Status: http.StatusCreated, Location: "/v1/jobs/" + id.String(), Body: out}, nil
}

func (s *Server) dryRun(ctx context.Context, spec *job.Spec) (*submitOutput, error) {
	r, err := s.centre.DryRun(ctx, spec)
	if err != nil {
		return nil, problem(err)
	}
	out := Submitted{DryRun: true, Starts: r.Starts, Warning: lateness(r.Deferral, spec, r.Now)}
	if r.Starts {
		out.Leave = r.Leave
	}
	for _, n := range r.Nodes {
		out.Nodes = append(out.Nodes, string(n))
	}
	if r.Unmet != 0 { // s.submit has asked whether the caller may see it
		d, err := s.visible(ctx, r.Unmet)
		if err != nil {
			return nil, err
		}
		out.Asked, out.Says = instant(r.Now), "it would be cancelled at once: "+d.ID+", which has to complete before it, is "+d.Phase
		return &submitOutput{Status: http.StatusOK, Body: out}, nil
	}
	if !r.Starts {
		err = s.centre.View(ctx, func(st *control.State) { out.Reason = reasonOf(st, identity(ctx), &r.Reason) })
		if err != nil {
			return nil, problem(err)
		}
		out.Asked, out.Says, out.Ahead = instant(r.Now), plainReason(&r.Reason, spec, &r.Room, out.Reason), aheadOf(&r.Ahead)
		if r.Expected {
			out.Start = startOf(&r.Start, r.Now)
		}
		out.Alternatives, out.Deferral = alternativesOf(r.Alternatives), plannedOf(r.Deferral)
	}
	return &submitOutput{Status: http.StatusOK, Body: out}, nil
}

// visible returns a job that the caller may see; what it may not see is not
// found, so that IDs of others tell nothing.
func (s *Server) visible(ctx context.Context, id job.ID) (Job, error) {
	var out Job
	var tenant job.Tenant
	found := false
	err := s.centre.View(ctx, func(st *control.State) {
		j, ok := st.Job(id)
		if !ok {
			return
		}
		found, tenant = true, j.Spec.Tenant
		out = s.jobOf(st, identity(ctx), &j)
	})
	if err == nil {
		err = seen(ctx, id, found, tenant)
	}
	return out, problem(err)
}

// seen is the error of a job that the caller may not see, or that is not there.
func seen(ctx context.Context, id job.ID, found bool, tenant job.Tenant) error {
	if found && identity(ctx).maySee(tenant) {
		return nil
	}
	exchangeOf(ctx).hidden = found
	return fault.New(fault.NotFound, id.String(), "no such job", "")
}

func (s *Server) get(ctx context.Context, in *getInput) (*jobOutput, error) {
	id, err := ParseID(in.ID)
	if err != nil {
		return nil, problem(err)
	}
	j, err := s.visible(ctx, id)
	if err != nil {
		return nil, err
	}
	tag := tagOf(j)
	if err := in.unchanged(tag); err != nil {
		return nil, err
	}
	return &jobOutput{ETag: tag, Body: j}, nil
}

func (s *Server) cancel(ctx context.Context, in *cancelInput) (*struct{}, error) {
	id, err := ParseID(in.ID)
	if err != nil {
		return nil, problem(err)
	}
	j, err := s.visible(ctx, id)
	if err != nil {
		return nil, err
	}
	if !identity(ctx).mayWrite(job.Tenant(j.Tenant)) {
		return nil, problem(fault.New(fault.Denied, in.ID, "may only be read with this token", ""))
	}
	when := whenMatches(in.Match, func(st *control.State) string {
		j, ok := st.Job(id)
		if !ok {
			return ""
		}
		return tagOf(s.jobOf(st, identity(ctx), &j))
	})
	return nil, matched(in.ID, s.centre.Cancel(ctx, id, when))
}

func (s *Server) list(ctx context.Context, in *listInput) (*listOutput, error) {
	before := job.ID(1<<63 - 1)
	if in.Cursor != "" {
		id, err := ParseID(in.Cursor)
		if err != nil {
			return nil, problem(err)
		}
		before = id
	}
	who := identity(ctx)
	out := &listOutput{Body: JobPage{Jobs: []Job{}}}
	err := s.centre.View(ctx, func(st *control.State) {
		id := min(before-1, job.ID(st.Jobs()))
		for examined := 0; id > 0; id-- {
			// A look at the state is short: a page may be less than full.
			if examined++; len(out.Body.Jobs) == in.Limit || examined > maxExamined {
				out.Body.Next = (id + 1).String()
				return
			}
			j, _ := st.Summary(id)
			if !who.maySee(j.Spec.Tenant) || in.Tenant != "" && string(j.Spec.Tenant) != in.Tenant || in.Phase != "" && j.Phase.String() != in.Phase ||
				in.Queue != "" && string(j.Spec.Queue) != in.Queue || in.Name != "" && !named(j.Spec.Name, in.Name) {
				continue
			}
			out.Body.Jobs = append(out.Body.Jobs, s.jobOf(st, who, &j))
		}
	})
	if err == nil {
		out.ETag = tagOf(out.Body)
		return out, in.unchanged(out.ETag)
	}
	return nil, problem(err)
}

// named tells whether a job's name is what is looked for.
func named(name, want string) bool {
	if prefix, open := strings.CutSuffix(want, "*"); open {
		return strings.HasPrefix(name, prefix)
	}
	return name == want
}

// tagOf returns the entity tag of a reply: replies alike have tags alike.
func tagOf(body any) string {
	text, err := json.Marshal(body)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}

// maxExamined bounds the jobs that one page looks at.
const maxExamined = 20_000
