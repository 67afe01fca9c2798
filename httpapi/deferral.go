package httpapi

import (
	"time"

	"tianfu/control"
	"tianfu/job"
	"tianfu/unit"
)

// Deferral is when a job that may wait is planned to run, and how it stands with
// its deadline.
type Deferral struct {
	Wish    string    `json:"wish"`
	Due     string    `json:"due,omitempty" doc:"When its work should have ended"`
	Held    string    `json:"held_until,omitempty" doc:"It is held back until then"`
	Runs    []RunSpan `json:"runs,omitempty" doc:"When it runs by its plan; between two it pauses"`
	Site    string    `json:"site,omitempty"`
	SavesKG float64   `json:"saves_kgco2e,omitempty" doc:"Expected, against a start when it was planned"`
	SavesY  float64   `json:"saves_yuan,omitempty"`
	Done    string    `json:"work_kept,omitempty" doc:"Work that pauses have kept"`
	AtRisk  string    `json:"at_risk,omitempty" doc:"Why it had not started when it had to"`
	Missed  bool      `json:"missed,omitempty" doc:"Its deadline has passed"`
}

// RunSpan is a time in which a job is to run.
type RunSpan struct {
	From string `json:"from"`
	To   string `json:"to"`
}

func deferralOf(st *control.State, id job.ID, spec *job.Spec) *Deferral {
	d, ok := st.Deferral(id)
	if !ok {
		return nil
	}
	out := &Deferral{Wish: spec.Wish.String(), Missed: d.Missed, Held: instant(d.Held)}
	if d.Due != unit.Never {
		out.Due = instant(d.Due)
	}
	if d.Planned {
		out.Site, out.SavesKG, out.SavesY = d.Plan.Site, float64(d.Plan.Saves.Carbon)/1e6, float64(d.Plan.Saves.Money)/1e9
		for _, r := range d.Plan.Runs {
			out.Runs = append(out.Runs, RunSpan{instant(r.From), instant(r.To)})
		}
	}
	if d.Done > 0 {
		out.Done = d.Done.Round(time.Second).String()
	}
	if d.AtRisk {
		out.AtRisk = d.Risk.Dominant.String()
	}
	return out
}
