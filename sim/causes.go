package sim

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"tianfu/drawing"
	"tianfu/fleet"
	"tianfu/job"
	"tianfu/sched"
	"tianfu/unit"
)

// Causes says why accelerators are not allocated at 100 % load, each in
// percent of the fleet's accelerators.
type Causes struct {
	Residue  float64 // rests of shared devices
	Stranded float64 // whole devices without the CPU or memory for any task seen
	Free     float64 // whole devices that some task seen could use
}

// causeLabels name the causes in the order of values.
var causeLabels = [...]string{"rests of shared devices", "whole, but no CPU or memory left beside them", "whole, with CPU and memory beside them"}

func (c Causes) values() []float64 { return []float64{c.Residue, c.Stranded, c.Free} }

// causes splits the free accelerators of a fleet by what keeps them idle.
func causes(c *sched.Capacity, requests []*job.Request) Causes {
	var out Causes
	total := float64(c.Total().Milli)
	leastCPU, leastMemory := unit.MilliCPU(1<<31-1), unit.MiB(1<<31-1)
	for _, q := range requests {
		if q.Accelerators > 0 {
			leastCPU, leastMemory = min(leastCPU, q.CPU), min(leastMemory, q.Memory)
		}
	}
	for n := range int32(c.Nodes()) {
		left := c.Left(n)
		whole := float64(left.Whole) * float64(unit.Whole)
		out.Residue += 100 * (float64(left.Milli) - whole) / total
		if left.CPU < leastCPU || left.Memory < leastMemory {
			out.Stranded += 100 * whole / total
		} else {
			out.Free += 100 * whole / total
		}
	}
	return out
}

// WaitCurves returns the share of jobs that waited at most so many seconds: of
// all jobs, and of the tenants with most of them.
func (t *Timed) WaitCurves() (all drawing.Curve, tenants []drawing.Curve) {
	by := map[job.Tenant][]float64{}
	var waits []float64
	for _, i := range t.order {
		if r := &t.Results[i]; r.First >= 0 {
			w := r.First.Sub(r.Submit).Seconds()
			waits = append(waits, w)
			tenant := t.p.Workload.Jobs[i].Spec.Tenant
			by[tenant] = append(by[tenant], w)
		}
	}
	var names []job.Tenant
	for k := range by {
		names = append(names, k)
	}
	slices.SortFunc(names, func(a, b job.Tenant) int {
		return cmp.Or(len(by[b])-len(by[a]), strings.Compare(string(a), string(b)))
	})
	for _, k := range names[:min(len(names), historyTenants)] {
		tenants = append(tenants, ecdf(string(k), by[k]))
	}
	return ecdf("", waits), tenants
}

// ecdf thins an empirical distribution to at most 200 points.
func ecdf(name string, w []float64) drawing.Curve {
	slices.Sort(w)
	c := drawing.Curve{Name: name}
	step := max(len(w)/200, 1)
	add := func(x, y float64) {
		if n := len(c.X); n > 0 && c.X[n-1] == x {
			c.Y[n-1] = y
			return
		}
		c.X, c.Y = append(c.X, x), append(c.Y, y)
	}
	for i := 0; i < len(w); i += step {
		// All that waited equally long have waited at most that long.
		last := i + sort.Search(len(w)-i, func(k int) bool { return w[i+k] > w[i] })
		add(w[i], 100*float64(last)/float64(len(w)))
	}
	if n := len(w); n > 0 {
		add(w[n-1], 100)
	}
	return c
}

// level at which gangs of whole accelerators are looked for.
const gangLevel = fleet.LevelSegment
