package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tianfu/control"
	"tianfu/httpapi"
	"tianfu/unit"
)

func (p *program) why() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{
		Use: "why JOB", Short: "Say why a job waits, when it may start and what would help", Args: cobra.ExactArgs(1),
		Long: `Say why a job waits: what is in its way and on how many nodes, what stands before it, when it is expected
to start, and with which changes it would start now. The reason and every change come from the cycle that
places jobs, run on a copy of the centre; the start comes from running the centre forward in virtual time.
Of a job that runs or has ended it says where and how.`,
		Example: "  tianfu why j-42\n  tianfu why j-42 -o json",
		RunE: p.asking(r, func(c *cobra.Command, client *httpapi.Client, args []string) error {
			w, err := client.Why(c.Context(), args[0])
			if err != nil {
				return err
			}
			t := whyTable(w)
			if p.format == "table" {
				fmt.Fprintln(p.out, whyHead(w))
				fmt.Fprintln(p.out, "Asks for", w.Asks+".")
				if !w.Waits {
					return nil // the head says it all
				}
			}
			return p.print(w, t)
		}),
	}
	r.register(c)
	c.ValidArgsFunction = r.completeJobs("pending")
	return c
}

// whyHead is the first line: the job, its phase and the answer in a sentence.
func whyHead(w *httpapi.Why) string {
	head := fmt.Sprintf("%s %q of %s: %s", w.Job.ID, w.Job.Name, w.Job.Tenant, strings.ToUpper(w.Job.Phase))
	if at, ok := parseTime(w.Job.Submitted); ok && w.Job.Phase == "pending" {
		if now, ok := parseTime(w.Asked); ok {
			head += " for " + rough(now.Sub(at))
		}
	}
	head += ". " + strings.ToUpper(w.Says[:1]) + w.Says[1:] + "."
	if w.Warning != "" {
		head += "\nWarning: " + w.Warning + "."
	}
	return head
}

// whyTable is the rest of the answer, a line for each thing.
func whyTable(w *httpapi.Why) *table {
	t := &table{header: []string{"WHAT", "ANSWER", "DETAIL"}}
	if !w.Waits {
		t.add(w.Job.Phase, w.Says, "")
		warningRow(t, w.Warning)
		return t
	}
	reasonRows(t, w.Reason)
	tryRow(t, &w.Job)
	freeRow(t, w.Free)
	if q := w.Queue; q != nil {
		for _, r := range q.Resources {
			t.add("quota of "+q.Name, fmt.Sprintf("%s: %s of %s used", r.Resource, r.Used, r.Guaranteed), r.Borrowable+" more may be used, loans included")
		}
	}
	heldRow(t, w.Deferral)
	aheadRow(t, w.Ahead)
	startRow(t, w.Start, w.StartState, w.Asked)
	if w.Job.Phase == "pending" { // of a job that runs in part nothing is tried
		alternativeRows(t, w.Reason, w.Alternatives)
	}
	return t
}

// freeRow says what lies free on the open nodes with an accepted model, each
// thing wherever it is.
func freeRow(t *table, f *httpapi.Free) {
	if f == nil {
		return
	}
	if f.Nodes == 0 {
		t.add("free", "nothing", "no open node could take a task, were it empty")
		return
	}
	t.add("free", amount(f.Accelerators, "accelerator")+", "+amount(f.CPU, "CPU"),
		fmt.Sprintf("in all, on %s that could take a task if empty; at most %s on one", unit.Count(f.Nodes, "node"), amount(f.BestNode, "accelerator")))
}

// amount renders what may be a part of a thing; CPU has no plural.
func amount(v float64, thing string) string {
	if v != 1 && thing != "CPU" {
		thing += "s"
	}
	return strconv.FormatFloat(v, 'f', -1, 64) + " " + thing
}

func reasonRows(t *table, r *httpapi.Reason) {
	if r == nil {
		return
	}
	causes := slices.SortedFunc(maps.Keys(r.Excluded), func(a, b string) int {
		if d := r.Excluded[b] - r.Excluded[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	considered := "before any node was looked at"
	if r.Considered > 0 {
		considered = unit.Count(int(r.Considered), "node") + " considered"
	}
	t.add("blocks", r.Cause, considered)
	if p := r.Power; p != nil && !p.Behind {
		t.add("lacks power", p.Area, fmt.Sprintf("%.0f W more where %.0f of %.0f W are drawn", p.Need, p.Draw, p.Budget))
	} else if p != nil {
		t.add("lacks power", p.Area, "work suspended for its sake goes first")
	}
	if p := r.Power; p != nil && p.Cap != nil {
		capRow(t, p.Cap)
	}
	budgetRow(t, r.Budget)
	if k := r.Reserved; k != nil {
		who := "another queue"
		if k.Reservation != "" {
			who = fmt.Sprintf("queue %s by %s", k.Queue, k.Reservation)
		}
		t.add("reserved for", who, httpapi.WholeSeconds(k.From)+" to "+httpapi.WholeSeconds(k.To))
	}
	for _, c := range causes {
		t.add("excluded", c, unit.Count(r.Excluded[c], "node"))
	}
}

// tryRow says when work that failed is tried again.
func tryRow(t *table, j *httpapi.Job) {
	switch failed := unit.Count(j.Failures, "attempt") + " failed so far"; {
	case j.NextTry == "":
	case j.Resting > 0:
		t.add("in backoff", unit.Count(j.Resting, "task")+", the first until "+httpapi.WholeSeconds(j.NextTry), failed)
	case j.Reason != nil && j.Reason.Cause == control.CauseBackoff.String():
		t.add("in backoff", "until "+httpapi.WholeSeconds(j.NextTry), failed)
	}
}

func capRow(t *table, c *httpapi.CapNow) {
	t.add(fmt.Sprintf("cap %d", c.ID), fmt.Sprintf("%s %s: %s", c.Level, c.Area, c.Limit),
		fmt.Sprintf("%.0f of %.0f W drawn, from %s %s", c.Draw, c.Watts, httpapi.WholeSeconds(c.From), c.Until()))
}

// warningRow says that a job will miss its deadline.
func warningRow(t *table, text string) {
	if text != "" {
		t.add("warning", text, "")
	}
}

func heldRow(t *table, d *httpapi.Planned) {
	switch {
	case d == nil || d.HeldUntil == "":
	case d.Planned && d.SavesKG == 0 && d.SavesYuan == 0:
		t.add("held back until", httpapi.WholeSeconds(d.HeldUntil), "as planned, though no hour that is known of is better")
	case d.Planned:
		t.add("held back until", httpapi.WholeSeconds(d.HeldUntil), fmt.Sprintf("as planned; expected to save %.3g kgCO2e and %.3g yuan", d.SavesKG, d.SavesYuan))
	default:
		t.add("held back until", httpapi.WholeSeconds(d.HeldUntil), "at the latest, for the first plan")
	}
}

func aheadRow(t *table, a *httpapi.Ahead) {
	if a != nil {
		t.add("ahead of it", unit.Count(a.Jobs, "job"), unit.Count(a.Tasks, "task")+", "+amount(a.Accelerators, "accelerator")+", "+amount(a.CPU, "CPU"))
	}
}

func startRow(t *table, s *httpapi.Start, state, asked string) {
	now, _ := parseTime(asked)
	switch {
	case s == nil && state == "computing":
		t.add("starts", "being worked out", "ask again in a few seconds")
	case s == nil:
		t.add("starts", "not known", "no estimate could be made in time")
	case s.Early == "":
		t.add("starts", "later than was looked at", unit.Count(s.Draws, "run")+" forward, each of 30 days or as far as its time went")
	default:
		late, middle := "open end", "more"
		if at, ok := parseTime(s.Late); ok {
			late = "to " + rough(at.Sub(now))
		}
		if at, ok := parseTime(s.Middle); ok {
			middle = rough(at.Sub(now))
		}
		early := "in "
		if at, ok := parseTime(s.Early); ok {
			early += rough(at.Sub(now))
		}
		if late == strings.Replace(early, "in ", "to ", 1) {
			late = ""
		} else {
			late = " " + late
		}
		t.add("starts", fmt.Sprintf("%s%s (80 %%), about %s", early, late, middle), startFrom(s))
	}
}

// startFrom says what an estimate was made of.
func startFrom(s *httpapi.Start) string {
	text := unit.Count(s.Draws, "run") + " forward"
	if s.Learned == 0 {
		return text + "; no attempt has ended yet that run times could be learned from"
	}
	return text + ", run times from " + unit.Count(s.Learned, "ended attempt")
}

// shownAlternatives bounds the changes that people are shown; JSON has all.
const shownAlternatives = 6

func alternativeRows(t *table, why *httpapi.Reason, list []httpapi.Alternative) {
	if why != nil && (why.Cause == control.CauseDependency.String() || why.Cause == control.CauseBackoff.String()) {
		return // nothing was tried
	}
	for i := range list {
		a := &list[i]
		if i == shownAlternatives {
			t.add("", fmt.Sprintf("and %d more changes", len(list)-i), "see -o json")
			break
		}
		detail := "tried: it would start"
		if a.Preempts > 0 {
			detail = "tried: it would start once " + unit.Count(a.Preempts, "task") + " of others left"
		}
		t.add("starts now if", a.Text, detail)
	}
	if len(list) == 0 {
		t.add("starts now if", "no single change was found", "")
	}
}

func (p *program) printDryRun(s *httpapi.Submitted) error {
	t := &table{header: []string{"WHAT", "ANSWER", "DETAIL"}}
	if s.Starts {
		when := "now"
		if s.Leave > 0 {
			when = "once " + unit.Count(s.Leave, "task") + " of others left, told so at once"
		}
		t.add("starts", when, "on "+strings.Join(s.Nodes, " "))
		warningRow(t, s.Warning)
		return p.print(s, t)
	}
	if s.Reason == nil {
		t.add("never starts", s.Says, "")
		return p.print(s, t)
	}
	t.add("waits", s.Says, "")
	warningRow(t, s.Warning)
	reasonRows(t, s.Reason)
	heldRow(t, s.Deferral)
	aheadRow(t, s.Ahead)
	startRow(t, s.Start, "", s.Asked)
	alternativeRows(t, s.Reason, s.Alternatives)
	return p.print(s, t)
}

func parseTime(text string) (time.Time, bool) {
	at, err := time.Parse(time.RFC3339Nano, text)
	return at, err == nil
}

// rough renders a time to two figures or so, as people say it.
func rough(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.0fs", max(d.Seconds(), 0))
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%.1f h", d.Hours())
	}
	return fmt.Sprintf("%.1f days", d.Hours()/24)
}
