package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"tianfu/fault"
)

// WhatIf is a period run twice through the same core: as it was, and changed.
type WhatIf struct {
	ID      string       `json:"id"`
	Change  string       `json:"change"`
	Against string       `json:"against"` // what the period is
	Jobs    int          `json:"jobs"`
	Hours   float64      `json:"hours"` // first to last arrival of the base
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
	Open    int    `json:"jobs_not_finished"`
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

// CompareChange runs a period as it was and as changed. apply gives the second
// its changes beyond those of the language; nil = none.
func CompareChange(base TimedParams, text, against string, apply func(*TimedParams) error) (*WhatIf, error) {
	changes, err := ParseChanges(text)
	if err != nil && apply == nil {
		return nil, err
	}
	changed := base
	var said []string
	for i := range changes {
		if err := changes[i].Apply(&changed); err != nil {
			return nil, err
		}
		said = append(said, changes[i].Text)
	}
	if apply != nil {
		if err := apply(&changed); err != nil {
			return nil, err
		}
	}
	if err := possibleStill(&changed); err != nil {
		return nil, err
	}
	a, err := runWhole(base)
	if err != nil {
		return nil, err
	}
	b, err := runWhole(changed)
	if err != nil {
		return nil, err
	}
	x, y := a.Summarise(), b.Summarise()
	w := &WhatIf{Change: strings.Join(said, "; "), Against: against, Jobs: x.Jobs, Hours: Tell(x.Window.Hours()), Policy: base.Policy, Base: seal(a, x), Changed: seal(b, y)}
	w.Figures = figures(a, b, x, y)
	for _, t := range []*Timed{a, b} {
		for why, n := range t.Refused {
			w.Notes = append(w.Notes, fmt.Sprintf("%d jobs were refused: %s", n, why))
		}
	}
	slices.Sort(w.Notes)
	w.Notes = slices.Compact(w.Notes)
	w.ID = w.address()
	return w, nil
}

// possibleStill refuses a change under which work of the period could never run:
// a replay would wait for it for ever.
func possibleStill(p *TimedParams) error {
	i, err := FirstImpossible(p.Workload, p.Fleet)
	if err != nil {
		return fault.Wrap(err, fmt.Sprintf("job %q of the period", p.Workload.Jobs[i].Spec.Name), "run it under the change")
	}
	return nil
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

func seal(t *Timed, s *Summary) Sealed {
	sum := t.Sum()
	return Sealed{Hash: hex.EncodeToString(sum[:]), Records: s.Steps, Open: s.Jobs - s.Finished}
}

// address names a what-if by what it says: the same question about the same
// period has the same name.
func (w *WhatIf) address() string {
	text, _ := json.Marshal(w)
	sum := sha256.Sum256(text)
	return "w-" + hex.EncodeToString(sum[:6])
}

// figures are what differs, at most eight numbers, all from the first to the
// last arrival of the period; what only drains afterwards is left out.
func figures(a, b *Timed, x, y *Summary) []Difference {
	wa, wb := a.window(), b.window()
	out := []Difference{
		figure("finished", "GPU-h", wa.GoodMilliHours/1000, wb.GoodMilliHours/1000),
		figure("wait p50", "s", x.P50.Seconds(), y.P50.Seconds()),
		figure("wait p90", "s", x.P90.Seconds(), y.P90.Seconds()),
	}
	if dated(a.p.Workload) {
		out = append(out, figure("late", "jobs", float64(a.late()), float64(b.late())))
	}
	out = append(out, figure("preemptions", "", float64(wa.Preemptions), float64(wb.Preemptions)))
	switch la, lb := a.Ledger, b.Ledger; {
	case la != nil && lb != nil:
		ba, bb := la.period(), lb.period()
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

func (t *Timed) window() *Integrals {
	if t.Totals.Window != nil {
		return t.Totals.Window
	}
	return &t.Totals
}

func (l *Ledger) period() *Books {
	if l.Window != nil {
		return l.Window
	}
	return &l.Books
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
