package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"tianfu/unit"
)

// WhatIf is a period run twice through the same core: as it was, and changed.
type WhatIf struct {
	ID      string       `json:"id"`
	Change  string       `json:"change"`
	Against string       `json:"against"` // what the period is
	Jobs    int          `json:"jobs"`
	Hours   float64      `json:"hours"` // length of the period, the same for both runs
	Policy  string       `json:"policy"`
	Figures []Difference `json:"figures"`
	Notes   []string     `json:"notes,omitempty"`
	Base    Sealed       `json:"base"`
	Changed Sealed       `json:"changed"`
}

// Sealed names a run by the hash of its record log.
type Sealed struct {
	Hash    string `json:"record_log_sha256"`
	Records int    `json:"steps"`
	Left    int    `json:"jobs_left_at_end"`  // not finished when the period ended
	Open    int    `json:"jobs_not_finished"` // nor ever after
	Never   int    `json:"jobs_never_started"`
}

// Difference is one number of a difference. A figure that would be better larger
// says so; Unit is empty for counts.
type Difference struct {
	Name    string  `json:"name"`
	Unit    string  `json:"unit,omitempty"`
	Base    float64 `json:"base"`
	Changed float64 `json:"changed"`
	// Change is the difference in percent of the base; nil when the base is 0.
	Change *float64 `json:"change_percent,omitempty"`
}

// CompareChange runs a period as it was and as changed, and compares what both did
// until base.PeriodEnd or, where none is stated, until all that can finish as it
// was has. aids are what the change names beyond the period; nil = nothing.
func CompareChange(base TimedParams, text, against string, aids *Aids) (*WhatIf, error) {
	changes, err := ParseChanges(text)
	if err != nil {
		return nil, err
	}
	changed := base
	var said []string
	for i := range changes {
		changes[i].aids = aids
		if err := changes[i].Apply(&changed); err != nil {
			return nil, err
		}
		said = append(said, changes[i].Text)
	}
	if err := possibleStill(&base, &changed); err != nil {
		return nil, err
	}
	stated := base.PeriodEnd != 0
	if !stated {
		base.PeriodEnd = unit.Never
	}
	a, err := runWhole(base)
	if err != nil {
		return nil, err
	}
	if !stated { // it is as long as the work took as it was
		base.PeriodEnd = max(a.lastEnd(), a.Totals.Start+1)
		if a.Totals.End == base.PeriodEnd {
			a.wholePeriod()
		} else if a, err = runWhole(base); err != nil { // it waited for what never came
			return nil, err
		}
	}
	changed.PeriodEnd = base.PeriodEnd
	b, err := runWhole(changed)
	if err != nil {
		return nil, err
	}
	w := &WhatIf{Change: strings.Join(said, "; "), Against: against, Jobs: len(a.order), Hours: Tell(base.PeriodEnd.Sub(a.Totals.Start).Hours()), Policy: base.Policy,
		Base: seal(a, base.PeriodEnd), Changed: seal(b, base.PeriodEnd)}
	w.Figures, w.Notes = figures(a, b), notes(a, b, w)
	w.ID = w.address()
	return w, nil
}

func runWhole(p TimedParams) (*Timed, error) {
	p.Hash = true
	t, err := NewTimed(p)
	if err != nil {
		return nil, err
	}
	t.Run()
	return t, nil
}

func seal(t *Timed, end unit.Instant) Sealed {
	sum := t.Sum()
	stuck, never, _ := t.stuck()
	return Sealed{Hash: hex.EncodeToString(sum[:]), Records: t.Totals.Steps, Left: t.unfinished(end), Open: len(stuck), Never: never}
}

// notes say what the figures do not: work that is left over at the end of the
// period, and work that never starts or ends.
func notes(a, b *Timed, w *WhatIf) (out []string) {
	if w.Base.Left+w.Changed.Left > 0 {
		out = append(out, fmt.Sprintf("at the end of the period %s unfinished as it was, %d under the change", were(w.Base.Left), w.Changed.Left))
	}
	for _, x := range []struct {
		t    *Timed
		s    *Sealed
		when string
	}{{a, &w.Base, "as it was"}, {b, &w.Changed, "under the change"}} {
		if x.s.Open > 0 {
			names, _, why := x.t.stuck()
			text := fmt.Sprintf("%s %s can never finish, %d of them never start, such as %q", x.when, unit.Count(x.s.Open, "job"), x.s.Never, names[0])
			if why != "" {
				text += ": " + why
			}
			out = append(out, text)
		}
		for _, why := range slices.Sorted(maps.Keys(x.t.Refused)) {
			out = append(out, fmt.Sprintf("%s %s refused: %s", x.when, were(x.t.Refused[why]), why))
		}
	}
	if w.Base.Never+w.Changed.Never > 0 {
		out = append(out, "a job that never starts counts as waiting until the later of both runs ends")
	}
	return out
}

func were(n int) string {
	if n == 1 {
		return "1 job was"
	}
	return unit.Count(n, "job") + " were"
}

// address names a what-if by what it says: the same question about the same
// period has the same name.
func (w *WhatIf) address() string {
	text, _ := json.Marshal(w)
	sum := sha256.Sum256(text)
	return "w-" + hex.EncodeToString(sum[:6])
}

// figures are what differs, at most eight numbers. Waits and deadlines are of all
// jobs of the period, for both runs go on after it; the rest is what happened
// within it.
func figures(a, b *Timed) []Difference {
	wa, wb := a.Totals.Window, b.Totals.Window
	end := max(a.Totals.End, b.Totals.End)
	x, y := a.waits(end), b.waits(end)
	out := []Difference{
		figure("finished", "GPU-h", wa.GoodMilliHours/1000, wb.GoodMilliHours/1000),
		figure("wait p50", "s", share(x, 50).Seconds(), share(y, 50).Seconds()),
		figure("wait p90", "s", share(x, 90).Seconds(), share(y, 90).Seconds()),
	}
	if dated(a.p.Workload) {
		out = append(out, figure("late", "jobs", float64(a.late()), float64(b.late())))
	}
	out = append(out, figure("preemptions", "", float64(wa.Preemptions), float64(wb.Preemptions)))
	switch la, lb := a.Ledger, b.Ledger; {
	case la != nil && lb != nil:
		ba, bb := la.Window, lb.Window
		out = append(out, figure("site energy", "kWh", float64(ba.Total.Energy().KWh()), float64(bb.Total.Energy().KWh())),
			figure("carbon", "kgCO2e", ba.Total.CarbonLocation.Kilograms(), bb.Total.CarbonLocation.Kilograms()),
			figure("cost", "yuan", float64(ba.Total.Cost.Yuan()), float64(bb.Total.Cost.Yuan())))
	case a.p.Power != nil && b.p.Power != nil:
		out = append(out, figure("IT energy", "kWh", wa.KWh, wb.KWh))
	}
	if b.Shedding != nil {
		out = append(out, figure("time to comply", "s", a.comply().Seconds(), b.comply().Seconds()))
	}
	if len(out) > maxFigures {
		out = slices.Delete(out, 1, 2) // of the two waits the longer one says more
	}
	return out
}

// maxFigures is how many numbers people take in at once.
const maxFigures = 8

// comply is the longest time that a lowered limit took to be kept.
func (t *Timed) comply() (longest time.Duration) {
	if t.Shedding == nil {
		return 0
	}
	for i := range t.Shedding.Sheds {
		s := &t.Shedding.Sheds[i]
		longest = max(longest, s.Comply(t.Totals.End))
	}
	return longest
}

func figure(name, unit string, a, b float64) Difference {
	f := Difference{Name: name, Unit: unit, Base: Tell(a), Changed: Tell(b)}
	if a != 0 {
		change := math.Round(1000*(b-a)/a) / 10
		f.Change = &change
	}
	return f
}

// Tell rounds a figure to a tenth, below a hundred to three digits, so that small
// centres see something too: what is printed is what is stored.
func Tell(v float64) float64 {
	if v < 0 {
		return -Tell(-v)
	}
	if v < 100 {
		short, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
		return short
	}
	return float64(int64(v*10+0.5)) / 10
}

func dated(w *Workload) bool {
	return slices.ContainsFunc(w.Jobs, func(a Arrival) bool { return a.Spec.Deadline != 0 })
}

// late counts the jobs that ended after their deadline, or not at all.
func (t *Timed) late() (n int) {
	for _, i := range t.order {
		if d := t.p.Workload.Jobs[i].Spec.Deadline; d != 0 && (!t.Results[i].Done || t.Results[i].End > d) {
			n++
		}
	}
	return n
}
