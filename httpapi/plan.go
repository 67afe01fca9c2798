package httpapi

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/job"
	"tianfu/live"
	"tianfu/unit"
)

// Plan is what is planned for the jobs that may wait for a better hour, as far as
// the caller may see them.
type Plan struct {
	Policy  string    `json:"policy"`
	Looked  string    `json:"looked_at,omitempty" doc:"When better hours were last looked for, since the centre was started"`
	Age     float64   `json:"age_seconds" doc:"Since then; 0 when nothing has been looked for"`
	Refused string    `json:"refused,omitempty" doc:"For operators and auditors: why the core did not take the last plan; jobs keep what was planned before"`
	Jobs    []PlanJob `json:"jobs" doc:"Jobs with a wish that have not ended, the one that starts or pauses next first"`
	Total   int       `json:"jobs_total" doc:"How many there are, shown or not"`
	SavesKG float64   `json:"saves_kgco2e" doc:"Expected of all of them, against no wait"`
	SavesY  float64   `json:"saves_yuan"`
	Misses  []Miss    `json:"misses" doc:"The latest missed deadlines, newest first"`
}

// PlanJob is what is planned for one job.
type PlanJob struct {
	Job     string    `json:"job"`
	Name    string    `json:"name"`
	Tenant  string    `json:"tenant"`
	State   string    `json:"state" enum:"unplanned,held,waiting,running,pausing,paused" doc:"unplanned: nothing is planned yet; held: until its plan has it start; waiting: it may start and stands in its line; paused: it has run and goes on later"`
	Wish    string    `json:"wish"`
	Next    string    `json:"next,omitempty" doc:"When it starts, pauses or ends by its plan"`
	Runs    []RunSpan `json:"runs,omitempty" doc:"When it runs by its plan; between two it pauses"`
	Site    string    `json:"site,omitempty"`
	Due     string    `json:"due,omitempty" doc:"When its work should have ended"`
	Planned string    `json:"planned_at,omitempty"`
	Carbon  *float64  `json:"expected_g_per_kwh,omitempty" doc:"Carbon intensity of its hours as known now, the mean over its runs; none when nothing is known of them"`
	Price   *float64  `json:"expected_yuan_per_kwh,omitempty"`
	Ahead   bool      `json:"forecast,omitempty" doc:"Some of these hours are forecast, not observed or published"`
	SavesKG float64   `json:"saves_kgco2e" doc:"Expected when it was planned, against a start then"`
	SavesY  float64   `json:"saves_yuan"`
	Reason  *Reason   `json:"reason,omitempty" doc:"Why it waits"`
	AtRisk  string    `json:"at_risk,omitempty" doc:"Why it had not started when it had to"`
}

// Miss is a deadline that was missed.
type Miss struct {
	Job    string `json:"job"`
	Name   string `json:"name"`
	Tenant string `json:"tenant"`
	Due    string `json:"due"`
	Reason Reason `json:"reason"`
}

type planInput struct {
	Limit int `query:"limit" minimum:"1" maximum:"10000" default:"1000" doc:"The most jobs to show"`
}

type planOutput struct{ Body Plan }

func (s *Server) routePlan() {
	huma.Register(s.api, huma.Operation{OperationID: "get-plan", Method: http.MethodGet, Path: "/v1/plan", Summary: "Show when the jobs that may wait are planned to run",
		Description: "Where and when each job with a wish starts and pauses, what its hours are expected to cost, what that saves against no wait, and which deadlines were missed and why. A tenant sees its own jobs.",
		Errors:      []int{401, 403, 422, 503}}, s.getPlan)
}

func (s *Server) getPlan(ctx context.Context, in *planInput) (*planOutput, error) {
	out := &planOutput{}
	who := identity(ctx)
	last := s.centre.LastPlan()
	err := s.centre.View(ctx, func(st *control.State) { out.Body = planOf(st, who, in.Limit) })
	p := &out.Body
	p.Policy, p.Looked, p.Age = live.DefaultShiftPolicy, instant(last.At), last.Age.Seconds()
	if who.seesAll() { // it names jobs of whomever
		p.Refused = last.Refused
	}
	return out, problem(err)
}

func planOf(st *control.State, who Caller, limit int) Plan {
	out := Plan{Jobs: []PlanJob{}, Misses: []Miss{}}
	type entry struct {
		id   job.ID
		next unit.Instant
	}
	var all []entry
	for _, id := range st.Deferrable() {
		j, _ := st.Summary(id)
		if !who.maySee(j.Spec.Tenant) {
			continue
		}
		d, _ := st.Deferral(id)
		out.SavesKG += float64(d.Plan.Saves.Carbon) / 1e6
		out.SavesY += float64(d.Plan.Saves.Money) / 1e9
		all = append(all, entry{id, nextOf(&d, st.Now())})
	}
	out.Total = len(all)
	slices.SortFunc(all, func(a, b entry) int { return cmp.Or(cmp.Compare(a.next, b.next), cmp.Compare(a.id, b.id)) })
	for _, e := range all[:min(len(all), limit)] {
		out.Jobs = append(out.Jobs, planJobOf(st, who, e.id, e.next))
	}
	misses := st.Misses()
	for i := len(misses) - 1; i >= 0; i-- {
		m := &misses[i]
		if j, _ := st.Summary(m.Job); who.maySee(j.Spec.Tenant) {
			out.Misses = append(out.Misses, Miss{m.Job.String(), j.Spec.Name, string(j.Spec.Tenant), instant(m.At), *reasonOf(st, who, &m.Reason)})
		}
	}
	return out
}

// nextOf is the next instant at which a plan has a job start, pause or end; Never
// when nothing is to come.
func nextOf(d *control.Deferral, now unit.Instant) unit.Instant {
	for _, r := range d.Plan.Runs {
		for _, at := range [2]unit.Instant{r.From, r.To} {
			if at > now {
				return at
			}
		}
	}
	return unit.Never
}

func planJobOf(st *control.State, who Caller, id job.ID, next unit.Instant) PlanJob {
	j, _ := st.Summary(id)
	d, _ := st.Deferral(id)
	shown := deferralOf(st, id, j.Spec)
	out := PlanJob{
		Job: id.String(), Name: j.Spec.Name, Tenant: string(j.Spec.Tenant), State: planState(&j, &d), Wish: shown.Wish, Next: instant(next), Runs: shown.Runs,
		Site: shown.Site, Due: shown.Due, SavesKG: shown.SavesKG, SavesY: shown.SavesY, AtRisk: shown.AtRisk,
	}
	if d.Planned {
		out.Planned = instant(d.PlannedAt)
		e := st.Expect(d.Plan.Site, d.Plan.Runs)
		out.Carbon, out.Price, out.Ahead = known(e.Carbon, 1e3), known(e.Price, 1e9), e.Forecast
	}
	if why, waits := st.Why(id); waits {
		out.Reason = reasonOf(st, who, &why)
	}
	return out
}

func planState(j *control.Job, d *control.Deferral) string {
	switch {
	case j.Running > 0 && d.Pausing:
		return "pausing"
	case j.Running > 0:
		return "running"
	case d.Planned && d.Done > 0 && d.Held > 0:
		return "paused"
	case d.Planned && d.Held > 0:
		return "held"
	case d.Held > 0:
		return "unplanned"
	}
	return "waiting"
}

// known is a figure in larger units; nil where there is none.
func known(v int64, units float64) *float64 {
	if v == energy.NoData {
		return nil
	}
	f := float64(v) / units
	return &f
}

// Plan returns what is planned for the jobs that may wait, at most so many; 0 =
// as many as the centre shows when not asked.
func (c *Client) Plan(ctx context.Context, limit int) (*Plan, error) {
	path := "/v1/plan"
	if limit > 0 {
		path += "?" + url.Values{"limit": {strconv.Itoa(limit)}}.Encode()
	}
	out := &Plan{}
	return out, c.call(ctx, request{method: http.MethodGet, path: path}, out)
}
