package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tianfu/httpapi"
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
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.checkFormat(); err != nil {
				return err
			}
			client, err := r.client()
			if err != nil {
				return err
			}
			w, err := client.Why(c.Context(), args[0])
			if err != nil {
				return err
			}
			t := whyTable(w)
			if p.format == "table" {
				fmt.Fprintln(p.out, whyHead(w))
				fmt.Fprintln(p.out, "Asks for", w.Asks+".")
			}
			return p.print(w, t)
		},
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
	return head + ". " + strings.ToUpper(w.Says[:1]) + w.Says[1:] + "."
}

// whyTable is the rest of the answer, a line for each thing.
func whyTable(w *httpapi.Why) *table {
	t := &table{header: []string{"WHAT", "ANSWER", "DETAIL"}}
	if !w.Waits {
		t.add("runs", w.Says, "")
		return t
	}
	reasonRows(t, w.Reason)
	if f := w.Free; f != nil {
		t.add("free", strconv.FormatFloat(f.Accelerators, 'f', -1, 64)+" accelerators, "+strconv.FormatFloat(f.CPU, 'f', -1, 64)+" CPU",
			fmt.Sprintf("of nodes that could take a task; %d of %d nodes have any, the best %s", f.OverNodes, f.Nodes, strconv.FormatFloat(f.BestNode, 'f', -1, 64)))
	}
	if q := w.Queue; q != nil {
		for _, r := range q.Resources {
			t.add("quota of "+q.Name, fmt.Sprintf("%s: %s of %s used", r.Resource, r.Used, r.Guaranteed), r.Borrowable+" more may be used, loans included")
		}
	}
	if d := w.Deferral; d != nil && d.HeldUntil != "" {
		t.add("held back until", seconds(d.HeldUntil), "on purpose, as planned")
	}
	if a := w.Power; a != nil {
		t.add("power of "+a.Area, fmt.Sprintf("%.1f of %.1f kW", a.Draw, a.Budget), a.Band)
	}
	aheadRow(t, w.Ahead)
	startRow(t, w.Start, w.StartState, w.Asked)
	alternativeRows(t, w.Alternatives)
	return t
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
	t.add("blocks", r.Cause, fmt.Sprintf("%d nodes considered", r.Considered))
	if p := r.Power; p != nil && !p.Behind {
		t.add("lacks power", p.Area, fmt.Sprintf("%g W more where %g of %g W are drawn", p.Need, p.Draw, p.Budget))
	} else if p != nil {
		t.add("lacks power", p.Area, "work suspended for its sake goes first")
	}
	for _, c := range causes {
		t.add("excluded", c, fmt.Sprintf("%d nodes", r.Excluded[c]))
	}
}

func aheadRow(t *table, a *httpapi.Ahead) {
	if a != nil {
		t.add("ahead of it", fmt.Sprintf("%d jobs", a.Jobs), fmt.Sprintf("%d tasks, %s accelerators, %s CPU", a.Tasks,
			strconv.FormatFloat(a.Accelerators, 'f', -1, 64), strconv.FormatFloat(a.CPU, 'f', -1, 64)))
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
		t.add("starts", "later than was looked at", fmt.Sprintf("%d runs forward", s.Draws))
	default:
		late, middle := "open end", "more"
		if at, ok := parseTime(s.Late); ok {
			late = "to " + rough(at.Sub(now))
		}
		if at, ok := parseTime(s.Middle); ok {
			middle = rough(at.Sub(now))
		}
		early, _ := parseTime(s.Early)
		t.add("starts", fmt.Sprintf("in %s %s (80 %%), about %s", rough(early.Sub(now)), late, middle),
			fmt.Sprintf("%d runs forward, run times from %d ended attempts", s.Draws, s.Learned))
	}
}

// shownAlternatives bounds the changes that people are shown; JSON has all.
const shownAlternatives = 6

func alternativeRows(t *table, list []httpapi.Alternative) {
	for i := range list {
		a := &list[i]
		if i == shownAlternatives {
			t.add("", fmt.Sprintf("and %d more changes", len(list)-i), "see -o json")
			break
		}
		detail := "tried: it would start"
		if a.Preempts > 0 {
			detail = fmt.Sprintf("tried: it would start once %d tasks of others have left", a.Preempts)
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
		t.add("starts", "now", "on "+strings.Join(s.Nodes, " "))
		return p.print(s, t)
	}
	t.add("waits", s.Says, "")
	reasonRows(t, s.Reason)
	aheadRow(t, s.Ahead)
	startRow(t, s.Start, "", s.Asked)
	alternativeRows(t, s.Alternatives)
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
