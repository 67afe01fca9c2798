package sim

import (
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	"tianfu/drawing"
)

// About says what a report was run on.
type About struct {
	Ran    []drawing.Fact // workload, fleet, seeds ...
	Repeat string         // the command
}

// InflateRun is a policy with its results, one for each seed. Only the first
// needs to hold what is drawn (InflateParams.Draw).
type InflateRun struct {
	Policy  string
	Seeds   []int64
	Results []*InflateResult
}

// Bounds of a page: further policies are in the table only.
const (
	drawnPolicies    = 12 // curves of one chart
	detailedPolicies = 4  // policies with maps of their own
)

// drawn keeps so many of what a page draws.
func drawn[T any](all []T, n int) []T { return all[:min(len(all), n)] }

// baselinePolicy is what savings are counted against.
const baselinePolicy = "fgd"

// InflateReport makes the page of runs of the inflation protocol. The first run
// is the one the page speaks of.
func InflateReport(about About, runs []InflateRun) *drawing.Report {
	b := &inflateBook{runs: runs, all: runs}
	for i := range runs {
		if runs[i].Policy == baselinePolicy {
			b.base = &runs[i]
		}
	}
	b.runs = drawn(runs, drawnPolicies)
	r := &drawing.Report{
		Kind: "placement by load (inflation protocol)", Title: b.headline(), Ran: about.Ran, Repeat: about.Repeat,
		Lead: "Tasks arrive one by one until 130 % of the accelerators are asked for, and never leave. Lines are means over the seeds; bands reach from the least seed to the greatest.",
	}
	r.Tiles, r.Colours = b.tiles(), fixedColours()
	r.Add("How much of the fleet gets allocated", b.allocation(), b.seeds(), b.compare())
	r.Add("Power and fragments", b.power(), b.saving(), b.fragmentation(), b.unallocated(), b.gangs())
	r.Sections = append(r.Sections, drawing.Section{Name: "The fleet, node by node", Note: "How full every node was as the load grew; the first seed.", Figures: b.maps()})
	for i := range runs {
		for k, res := range drawn(runs[i].Results, 20) {
			r.Records = append(r.Records, drawing.Fact{Label: fmt.Sprintf("%s, seed %d", runs[i].Policy, runs[i].Seeds[k]), Value: hex.EncodeToString(res.Hash[:])})
		}
	}
	return r
}

// inflateBook holds the runs that a page is made from.
type inflateBook struct {
	runs, all []InflateRun
	base      *InflateRun
}

// mean is a figure over the seeds; NaN when no seed has it.
func (r *InflateRun) mean(of func(*InflateResult) float64) float64 {
	sum, n := 0.0, 0.0
	for _, s := range r.Results {
		if v := of(s); !math.IsNaN(v) {
			sum += v
			n++
		}
	}
	if n == 0 {
		return math.NaN()
	}
	return sum / n
}

func (r *InflateRun) allocated(column int) float64 {
	return r.mean(func(s *InflateResult) float64 { return s.Allocation[column] })
}

// curve is a figure by load column, with the band of the seeds.
func (r *InflateRun) curve(of func(*InflateResult, int) float64) drawing.Curve {
	c := drawing.Curve{Name: r.Policy}
	for col := range InflateColumns {
		low, high := math.Inf(1), math.Inf(-1)
		for _, s := range r.Results {
			if v := of(s, col); !math.IsNaN(v) {
				low, high = min(low, v), max(high, v)
			}
		}
		c.X, c.Y = append(c.X, float64(col)), append(c.Y, r.mean(func(s *InflateResult) float64 { return of(s, col) }))
		c.Low, c.High = append(c.Low, low), append(c.High, high)
	}
	if len(r.Results) == 1 {
		c.Low, c.High = nil, nil
	}
	return c
}

// saved is the power saved against the baseline on one seed and column, %.
func (b *inflateBook) saved(r *InflateRun, seed, column int) float64 {
	return 100 * (1 - r.Results[seed].Kilowatts[column]/b.base.Results[seed].Kilowatts[column])
}

// meanSaving is the saving of the means over the load columns 5 to 90, as the
// protocol counts it; NaN without a baseline or a power model.
func (b *inflateBook) meanSaving(r *InflateRun) float64 {
	if b.base == nil || !b.powered() {
		return math.NaN()
	}
	sum, n := 0.0, 0.0
	for c := 5; c <= 90; c++ {
		kw := func(s *InflateResult) float64 { return s.Kilowatts[c] }
		if base := b.base.mean(kw); base > 0 {
			sum += 100 * (1 - r.mean(kw)/base)
			n++
		}
	}
	return sum / max(n, 1)
}

func (b *inflateBook) powered() bool {
	for _, kw := range b.runs[0].Results[0].Kilowatts {
		if kw > 0 {
			return true
		}
	}
	return false
}

// rival is the other run that allocates most; nil with one run.
func (b *inflateBook) rival() *InflateRun {
	var best *InflateRun
	for i := 1; i < len(b.all); i++ {
		if best == nil || b.all[i].allocated(100) > best.allocated(100) {
			best = &b.all[i]
		}
	}
	return best
}

func (b *inflateBook) headline() string {
	first := &b.runs[0]
	text := fmt.Sprintf("%s allocates %s %% of the accelerators when all have been asked for", first.Policy, drawing.Digits(first.allocated(100), 2))
	if o := b.rival(); o != nil {
		text += ", " + against(first.allocated(100)-o.allocated(100), "points") + " than " + o.Policy
	}
	if s := b.meanSaving(first); !math.IsNaN(s) && first.Policy != baselinePolicy {
		more := "less"
		if s < 0 {
			more = "more"
		}
		text += fmt.Sprintf(", and draws %s %% %s power than %s", drawing.Digits(math.Abs(s), 1), more, baselinePolicy)
	}
	return text
}

// against words a difference: "0.89 points more".
func against(d float64, what string) string {
	if d < 0 {
		return drawing.Digits(-d, 2) + " " + what + " less"
	}
	return drawing.Digits(d, 2) + " " + what + " more"
}

func (b *inflateBook) tiles() []drawing.Tile {
	first := &b.runs[0]
	frag := func(s *InflateResult) float64 { return s.Fragmentation[100] }
	tiles := []drawing.Tile{
		{Label: "Allocated at 100 % load", Value: drawing.Digits(first.allocated(100), 2), Unit: "%", Note: b.others(func(r *InflateRun) float64 { return r.allocated(100) }, 2)},
		{Label: "Allocated at 90 % load", Value: drawing.Digits(first.allocated(90), 2), Unit: "%", Note: b.others(func(r *InflateRun) float64 { return r.allocated(90) }, 2)},
		{Label: "Fragments at 100 % load", Value: drawing.Digits(first.mean(frag), 2), Unit: "%", Note: b.others(func(r *InflateRun) float64 { return r.mean(frag) }, 2)},
	}
	if b.powered() {
		if s := b.meanSaving(first); !math.IsNaN(s) && first.Policy != baselinePolicy {
			tiles = append(tiles, drawing.Tile{Label: "Power saved against fgd", Value: drawing.Digits(s, 1), Unit: "%", Note: "mean of 5–90 % load"})
		}
		half := func(s *InflateResult) float64 { return s.Kilowatts[50] }
		tiles = append(tiles, drawing.Tile{Label: "IT power at half load", Value: drawing.Digits(first.mean(half), 0), Unit: "kW", Note: b.others(func(r *InflateRun) float64 { return r.mean(half) }, 0)})
	}
	return append(tiles, drawing.Tile{Label: "Tasks a seed", Value: drawing.Digits(first.mean(func(s *InflateResult) float64 { return float64(s.Arrivals) }), 0),
		Note: drawing.Digits(first.mean(func(s *InflateResult) float64 { return float64(s.Dropped) }), 0) + " dropped by 130 % load"})
}

// others says a figure of the next two runs.
func (b *inflateBook) others(of func(*InflateRun) float64, n int) string {
	var said []string
	for i := 1; i < len(b.runs) && len(said) < 2; i++ {
		said = append(said, b.runs[i].Policy+" "+drawing.Digits(of(&b.runs[i]), n))
	}
	return strings.Join(said, ", ")
}

// says lists a figure of the first three runs for a title.
func (b *inflateBook) says(of func(*InflateRun) float64, n int, unitName string) string {
	var said []string
	for i := range drawn(b.runs, 3) {
		said = append(said, b.runs[i].Policy+" "+drawing.Digits(of(&b.runs[i]), n)+unitName)
	}
	return strings.Join(said, ", ")
}
