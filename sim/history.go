package sim

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"tianfu/control"
	"tianfu/drawing"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// Bounds of a history: whatever the run, a report stays a small page.
const (
	historySamples = 480 // a fifth beyond the last arrival, at 400 samples before it
	historyTenants = 6   // tenants named; the rest are one
	historyRows    = 84  // rows of the map of nodes by time
	historyGroups  = 24  // groups of that map
	historyColumns = 160 // columns of it
)

// History is what a report needs to know of a replay in time as it goes on. A
// replay without a report keeps none, and loses no time to it.
type History struct {
	Rows    []Interval
	Use     []float64                // % of the resource held, mean since the sample before
	Waiting [][sched.NumCauses]int32 // jobs waiting, by what was in their way
	Held    [][]float64              // of each class, then of each tenant: % of the resource held
	Idle    []IdleShare
	Maps    []drawing.HeatMap
	GangFit drawing.Curve // when a quarter of the arrivals' time had passed
	Packed  drawing.Curve

	sum      float64 // resource held times seconds, up to the last sample
	cpu      bool    // the fleet has no accelerators: CPU is what is counted
	tenants  []job.Tenant
	slots    map[job.Tenant]int
	holding  []int64
	pending  []job.ID // perhaps pending; looked through at every sample
	groups   []drawing.GridGroup
	rows     []string
	rowOf    []int32
	shares   [][]float32 // by sample and row
	leastCPU unit.MilliCPU
	leastMiB unit.MiB
}

// IdleShare says what keeps accelerators idle at one time, each in percent of
// the fleet's accelerators.
type IdleShare struct {
	Causes
	Down float64 // of nodes that take no work
}

// classNames are the classes as a page names them.
var classNames = [...]string{"batch", "interactive", "long-running"}

// NewHistory prepares a history of a replay of w on f.
func NewHistory(f *fleet.Fleet, w *Workload) *History {
	h := &History{cpu: f.Devices() == 0, leastCPU: 1<<31 - 1, leastMiB: 1<<31 - 1}
	asked := map[job.Tenant]float64{}
	for i := range w.Jobs {
		a := &w.Jobs[i]
		if a.Run < 0 {
			continue
		}
		for g := range a.Spec.Groups {
			q := &a.Spec.Groups[g].Request
			asked[a.Spec.Tenant] += float64(a.Spec.Groups[g].Count) * float64(h.amount(q)) * a.Run.Hours()
			if q.Accelerators > 0 {
				h.leastCPU, h.leastMiB = min(h.leastCPU, q.CPU), min(h.leastMiB, q.Memory)
			}
		}
	}
	for t := range asked {
		h.tenants = append(h.tenants, t)
	}
	slices.SortFunc(h.tenants, func(a, b job.Tenant) int {
		return cmp.Or(cmp.Compare(asked[b], asked[a]), strings.Compare(string(a), string(b)))
	})
	rest := len(h.tenants) > historyTenants
	h.tenants = h.tenants[:min(len(h.tenants), historyTenants)]
	h.slots = map[job.Tenant]int{}
	for i, t := range h.tenants {
		h.slots[t] = len(classNames) + i
	}
	h.holding = make([]int64, len(classNames)+len(h.tenants)+1)
	if rest {
		h.tenants = append(h.tenants, drawing.Others)
	}
	return h
}

// amount is what a task holds of the resource that is counted, in milli.
func (h *History) amount(q *job.Request) int64 {
	if h.cpu {
		return int64(q.CPU)
	}
	return int64(q.Accelerators) * int64(q.Share)
}

// see follows one record of the run.
func (h *History) see(t *Timed, r *control.Record) {
	sign := int64(1)
	switch r.Kind {
	case control.Submitted:
		h.pending = append(h.pending, r.Job)
		return
	case control.Ended:
		sign = -1
		if r.Ending != control.Succeeded {
			h.pending = append(h.pending, r.Job)
		}
	case control.Allocated:
	default:
		return
	}
	spec := t.specOf(r.Job)
	held := sign * h.amount(spec.Request(r.Task))
	h.holding[min(int(spec.Class), len(classNames)-1)] += held
	slot, named := h.slots[spec.Tenant]
	if !named {
		slot = len(h.holding) - 1
	}
	h.holding[slot] += held
}

// Sample takes down the state of a replay at an instant; iv is what Observe
// says of it. Beyond its bound it takes nothing more.
func (h *History) Sample(at unit.Instant, t *Timed, iv Interval) {
	if len(h.Rows) >= historySamples {
		return
	}
	s := t.state
	total := s.Capacity().Total()
	whole := total.Milli
	if h.cpu {
		whole = total.CPU
	}
	h.use(t, iv, float64(max(whole, 1)))
	h.Rows = append(h.Rows, iv)
	held := make([]float64, len(h.holding))
	for i, v := range h.holding {
		held[i] = 100 * float64(v) / float64(max(whole, 1))
	}
	h.Held = append(h.Held, held)
	h.Waiting = append(h.Waiting, h.reasons(s))
	h.nodes(s.Capacity())
	n := len(h.Rows)
	if n == historySamples/5 || n == historySamples/2 || n == historySamples*4/5 {
		h.Maps = append(h.Maps, HeatOf(s.Capacity(), "after "+drawing.Span(iv.Hours*3600)))
	}
	if n == historySamples/5 {
		h.GangFit, h.Packed = GangFits(s.Capacity(), gangLevel)
	}
}

// use averages what was held since the sample before.
func (h *History) use(t *Timed, iv Interval, whole float64) {
	sum, now := t.Totals.MilliSeconds, iv.Used
	if h.cpu {
		sum, now = t.Totals.CPUSeconds, iv.CPU
	}
	if n := len(h.Rows); n > 0 && iv.Hours > h.Rows[n-1].Hours {
		now = 100 * (sum - h.sum) / (3600 * (iv.Hours - h.Rows[n-1].Hours)) / whole
	}
	h.Use, h.sum = append(h.Use, now), sum
}

// reasons counts the jobs that wait, by what was in their way when they were
// last looked at.
func (h *History) reasons(s *control.State) (out [sched.NumCauses]int32) {
	slices.Sort(h.pending)
	h.pending = slices.Compact(h.pending)
	still := h.pending[:0]
	for _, id := range h.pending {
		why, waits := s.Why(id)
		if !waits {
			continue
		}
		still = append(still, id)
		if why.Dominant == sched.None {
			why.Dominant = sched.BehindHead // no cycle came as far as the job
		}
		out[why.Dominant]++
	}
	h.pending = still
	return out
}

// nodes takes down how full the nodes are, in rows, and what idles in them.
func (h *History) nodes(c *sched.Capacity) {
	if h.rowOf == nil {
		h.layOut(c)
	}
	sum, open := make([]float64, len(h.rows)), make([]float64, len(h.rows))
	var idle IdleShare
	total := float64(max(c.Total().Milli, 1))
	for n := range int32(c.Nodes()) {
		left := c.Left(n)
		full := c.Fullness(n)
		whole := float64(left.Whole) * float64(unit.Whole)
		switch {
		case full < 0:
		case left.CPU < h.leastCPU || left.Memory < h.leastMiB:
			idle.Stranded += whole
			idle.Residue += float64(left.Milli) - whole
		default:
			idle.Free += whole
			idle.Residue += float64(left.Milli) - whole
		}
		if row := h.rowOf[n]; full >= 0 {
			sum[row] += full
			open[row]++
		}
	}
	idle.Down = max(total-float64(c.Used().Milli)-idle.Stranded-idle.Residue-idle.Free, 0)
	for _, v := range []*float64{&idle.Stranded, &idle.Residue, &idle.Free, &idle.Down} {
		*v *= 100 / total
	}
	h.Idle = append(h.Idle, idle)
	shares := make([]float32, len(h.rows))
	for r := range shares {
		shares[r] = -1
		if open[r] > 0 {
			shares[r] = float32(sum[r] / open[r])
		}
	}
	h.shares = append(h.shares, shares)
}

// layOut gives every node a row: nodes stand by site and model, and each group
// gets rows by the square root of its size, so that a small one is not lost
// beside a large one.
func (h *History) layOut(c *sched.Capacity) {
	byName := map[string][]int32{}
	var names []string
	for n := range int32(c.Nodes()) {
		name := groupName(c.Node(n))
		if byName[name] == nil {
			names = append(names, name)
		}
		byName[name] = append(byName[name], n)
	}
	names, byName = fewer(names, byName)
	h.rowOf = make([]int32, c.Nodes())
	weight := 0.0
	for _, name := range names {
		weight += math.Sqrt(float64(len(byName[name])))
	}
	for _, name := range names {
		nodes := byName[name]
		rows := min(max(int(historyRows*math.Sqrt(float64(len(nodes)))/weight), 2), len(nodes))
		h.groups = append(h.groups, drawing.GridGroup{Name: name, Rows: rows, Nodes: len(nodes), CPU: c.Node(nodes[0]).Model == ""})
		for r := range rows {
			from, to := len(nodes)*r/rows, len(nodes)*(r+1)/rows
			text := name + ": " + string(c.Node(nodes[from]).ID)
			if to-from > 1 {
				text += " … " + string(c.Node(nodes[to-1]).ID) + ", mean of " + drawing.Commas(float64(to-from)) + " nodes"
			}
			for _, n := range nodes[from:to] {
				h.rowOf[n] = int32(len(h.rows))
			}
			h.rows = append(h.rows, text)
		}
	}
}

// fewer sorts group names and joins the smallest groups where there are too
// many.
func fewer(names []string, nodes map[string][]int32) ([]string, map[string][]int32) {
	if len(names) > historyGroups {
		slices.SortStableFunc(names, func(a, b string) int {
			return cmp.Or(len(nodes[b])-len(nodes[a]), strings.Compare(a, b))
		})
		for _, name := range names[historyGroups-1:] {
			nodes[drawing.Others] = append(nodes[drawing.Others], nodes[name]...)
		}
		names = append(names[:historyGroups-1], drawing.Others)
		slices.Sort(nodes[drawing.Others])
	}
	slices.SortFunc(names, func(a, b string) int {
		if a == drawing.Others || b == drawing.Others {
			return cmp.Compare(boolInt(a == drawing.Others), boolInt(b == drawing.Others))
		}
		return strings.Compare(a, b)
	})
	return names, nodes
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// grid joins samples to columns and turns them to rows.
func (h *History) grid() *drawing.HeatGrid {
	step := max((len(h.shares)+historyColumns-1)/historyColumns, 1)
	g := &drawing.HeatGrid{Rows: h.rows, Groups: h.groups, Share: make([][]float32, len(h.rows))}
	unitName, scale := h.clock()
	g.XName, g.XUnit = unitName+" since the first arrival", unitName
	for from := 0; from < len(h.shares); from += step {
		to := min(from+step, len(h.shares))
		g.Times = append(g.Times, h.Rows[to-1].Hours/scale)
		for r := range h.rows {
			sum, n := float32(0), 0
			for _, shares := range h.shares[from:to] {
				if shares[r] >= 0 {
					sum += shares[r]
					n++
				}
			}
			if n > 0 {
				sum /= float32(n)
			} else {
				sum = -1
			}
			g.Share[r] = append(g.Share[r], sum)
		}
	}
	return g
}

// clock chooses the unit of the time axis: its name and its hours.
func (h *History) clock() (name string, hoursEach float64) {
	switch end := h.end(); {
	case end > 96:
		return "days", 24
	case end > 3:
		return "hours", 1
	}
	return "minutes", 1.0 / 60
}

func (h *History) end() float64 {
	if len(h.Rows) == 0 {
		return 0
	}
	return h.Rows[len(h.Rows)-1].Hours
}
