package control_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"tianfu/control"
	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// scriptHours reads "hours s1 0-3600=400 3600-7200=100:300": the carbon of each
// step in g/kWh, and after a colon the price in thousandths of a yuan.
func scriptHours(w []string) (control.Input, error) {
	in := control.Input{Kind: control.SiteHours, Site: w[0]}
	if w[0] == "-" {
		in.Site = ""
	}
	for _, step := range w[1:] {
		h := energy.SiteHour{CarbonMarket: energy.NoData, CarbonMarginal: energy.NoData, Price: energy.NoData, PUE: energy.NoData, Water: energy.NoData}
		var from, to int64
		span, value, _ := strings.Cut(step, "=")
		if _, err := fmt.Sscanf(span, "%d-%d", &from, &to); err != nil {
			return in, err
		}
		carbon, price, priced := strings.Cut(value, ":")
		g, err := strconv.ParseInt(carbon, 10, 64)
		if err != nil {
			return in, err
		}
		h.From, h.To, h.CarbonLocation = unit.At(from), unit.At(to), g*1000
		if priced {
			if h.Price, err = strconv.ParseInt(price, 10, 64); err != nil {
				return in, err
			}
			h.Price *= 1_000_000
		}
		in.Hours = append(in.Hours, h)
	}
	return in, nil
}

// scriptDeferral reads "defer j-1 200-300 500-600 site=s1 model=A100 saves=12".
func scriptDeferral(w []string) (control.Input, error) {
	id, _, err := parseTask(w[0])
	d := sched.Deferral{Job: id}
	for _, s := range w[1:] {
		if err != nil {
			break
		}
		k, v, named := strings.Cut(s, "=")
		switch {
		case !named:
			var from, to int64
			_, err = fmt.Sscanf(s, "%d-%d", &from, &to)
			d.Runs = append(d.Runs, sched.RunSpan{From: unit.At(from), To: unit.At(to)})
		case k == "site":
			d.Site = v
		case k == "model":
			d.Model = fleet.Model(v)
		case k == "saves":
			d.Saves.Carbon, err = strconv.ParseInt(v, 10, 64)
		default:
			err = fmt.Errorf("unknown key %s", k)
		}
	}
	return control.Input{Kind: control.Planned, Deferrals: []sched.Deferral{d}}, err
}

// plan has the planner plan everything anew on a frozen state, as a driver does,
// and hands the core what comes out: "plan at=20".
func (c *scriptCentre) plan(t *testing.T, d *datadriven.TestData) string {
	var at int64
	d.ScanArgs(t, "at", &at)
	plan := c.state.Freeze().PlanShifts(unit.At(at), &sched.SlotPlanner{}, "tianfu", &control.Replan{Anew: true})
	return c.run(t, at, []control.Input{{Kind: control.Planned, Deferrals: plan}})
}

// joinDeferrals makes the plans of one step one.
func joinDeferrals(batch []control.Input) []control.Input {
	var out []control.Input
	at := -1
	for _, in := range batch {
		switch {
		case in.Kind != control.Planned:
			out = append(out, in)
		case at < 0:
			at = len(out)
			out = append(out, in)
		default:
			out[at].Deferrals = append(out[at].Deferrals, in.Deferrals...)
		}
	}
	return out
}

func (c *scriptCentre) describeDeferral(b *strings.Builder, r *control.Record) {
	switch r.Kind {
	case control.ShiftPlanned:
		for i := range r.Deferrals {
			d := &r.Deferrals[i]
			fmt.Fprintf(b, "planned %s:", c.name(d.Job))
			for _, s := range d.Runs {
				fmt.Fprintf(b, " %s-%s", atSecond(s.From), atSecond(s.To))
			}
			fmt.Fprintf(b, " at %s", d.Site)
			if d.Saves.Carbon != 0 {
				fmt.Fprintf(b, " saves %d mg", d.Saves.Carbon)
			}
			fmt.Fprintln(b)
		}
	case control.DeadlineAtRisk:
		fmt.Fprintf(b, "at risk %s: %s\n", c.name(r.Job), r.Reason.String())
	case control.DeadlineMissed:
		fmt.Fprintf(b, "missed deadline %s: %s\n", c.name(r.Job), r.Reason.String())
	case control.SiteHoursKnown:
		fmt.Fprintf(b, "hours of %q: %d\n", r.Site, len(r.Hours))
	}
}

// held lists the jobs that wait for a plan or by one.
func (c *scriptCentre) held(b *strings.Builder) {
	for id := job.ID(1); int(id) <= c.state.Jobs(); id++ {
		if d, ok := c.state.Deferral(id); ok && d.Held != 0 {
			if why, waits := c.state.Why(id); waits {
				fmt.Fprintf(b, "held %s until %s: %s\n", c.name(id), atSecond(d.Held), why.String())
			}
		}
	}
}

func setShift(s *job.Spec, k, v string) (err error) {
	switch k {
	case "deadline":
		n, e := strconv.Atoi(v)
		s.Deadline, err = unit.At(int64(n)), e
	case "wish":
		s.Wish, err = job.ParseWish(v)
	case "pausable":
		s.Pausable = true
	case "class":
		s.Class = map[string]job.Class{"batch": job.Batch, "interactive": job.Interactive, "longrun": job.LongRun}[v]
	default:
		err = fmt.Errorf("unknown key %s", k)
	}
	return err
}

func setAllowance(cfg *control.Config, v string) error {
	n, err := strconv.Atoi(v)
	cfg.Deferring.Allowance[job.Batch] = time.Duration(n) * time.Second
	return err
}
