package sim

import (
	"slices"

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

// Bars renders the causes for a report.
func (c Causes) Bars(name string) Bars {
	return Bars{
		Name:   name,
		Labels: []string{"rests of shared devices", "no CPU or memory left beside them", "usable, no task arrived for them"},
		Values: []float64{c.Residue, c.Stranded, c.Free},
	}
}

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

// WaitCurves returns, for the tenants with most jobs and for all together, the
// share of jobs that waited at most so many seconds.
func (t *Timed) WaitCurves(name string) []Curve {
	by := map[job.Tenant][]float64{}
	var all []float64
	for _, i := range t.order {
		if r := &t.Results[i]; r.First >= 0 {
			w := r.First.Sub(r.Submit).Seconds()
			all = append(all, w)
			tenant := t.p.Workload.Jobs[i].Spec.Tenant
			by[tenant] = append(by[tenant], w)
		}
	}
	curves := []Curve{ecdf(name, all)}
	var tenants []job.Tenant
	for k := range by {
		tenants = append(tenants, k)
	}
	slices.SortFunc(tenants, func(a, b job.Tenant) int {
		if d := len(by[b]) - len(by[a]); d != 0 {
			return d
		}
		if a < b {
			return -1
		}
		return 1
	})
	for _, k := range tenants[:min(len(tenants), 3)] {
		if len(tenants) > 1 {
			curves = append(curves, ecdf(name+", "+string(k), by[k]))
		}
	}
	return curves
}

// ecdf thins an empirical distribution to at most 200 points.
func ecdf(name string, w []float64) Curve {
	slices.Sort(w)
	c := Curve{Name: name}
	step := max(len(w)/200, 1)
	for i := 0; i < len(w); i += step {
		c.X, c.Y = append(c.X, w[i]), append(c.Y, 100*float64(i+1)/float64(len(w)))
	}
	if n := len(w); n > 0 {
		c.X, c.Y = append(c.X, w[n-1]), append(c.Y, 100)
	}
	return c
}

// level at which gangs of whole accelerators are looked for.
const gangLevel = fleet.LevelSegment
