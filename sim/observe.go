package sim

import (
	"slices"
	"time"

	"tianfu/control"
	"tianfu/drawing"
	"tianfu/fleet"
	"tianfu/sched"
	"tianfu/unit"
)

// Interval is the state of a replay at one time.
type Interval struct {
	Hours      float64 `parquet:"hours"`               // since the start
	Used       float64 `parquet:"accelerator_percent"` // accelerators held
	CPU        float64 `parquet:"cpu_percent"`
	Pending    int64   `parquet:"pending_jobs"`
	Kilowatts  float64 `parquet:"it_power_kw"`
	IdleWhole  float64 `parquet:"idle_whole_percent"`   // whole devices free, % of all
	IdlePartly float64 `parquet:"idle_partial_percent"` // rests of shared devices, % of all
	Down       float64 `parquet:"down_percent"`         // devices that take no work, % of all
}

// Observe reads the state of a replay at an instant.
func Observe(at unit.Instant, s *control.State, t *Timed) Interval {
	c := s.Capacity()
	total, used := c.Total(), c.Used()
	free := c.Free()
	percent := func(a, b int64) float64 {
		if b == 0 {
			return 0
		}
		return 100 * float64(a) / float64(b)
	}
	return Interval{
		Hours: at.Sub(t.Totals.Start).Hours(), Used: percent(used.Milli, total.Milli), CPU: percent(used.CPU, total.CPU),
		Pending: int64(s.Pending()), Kilowatts: t.Power() / 1000, IdleWhole: percent(free.Whole, total.Milli),
		IdlePartly: percent(free.Partial, total.Milli), Down: percent(total.Milli-used.Milli-free.Whole-free.Partial, total.Milli),
	}
}

// heatCells bounds the cells of a heat map; a larger fleet is thinned evenly.
const heatCells = 20_000

// HeatOf draws how full every node is, by site and accelerator model.
func HeatOf(c *sched.Capacity, name string) drawing.HeatMap {
	h := drawing.HeatMap{Name: name}
	step := max((c.Nodes()+heatCells-1)/heatCells, 1)
	index := map[string]int{}
	for n := 0; n < c.Nodes(); n += step {
		node := c.Node(int32(n))
		group := groupName(node)
		i, ok := index[group]
		if !ok {
			i = len(h.Groups)
			index[group] = i
			h.Groups = append(h.Groups, drawing.HeatGroup{Name: group})
		}
		g := &h.Groups[i]
		g.Nodes = append(g.Nodes, string(node.ID))
		g.Used = append(g.Used, float32(c.Fullness(int32(n))))
	}
	slices.SortFunc(h.Groups, func(a, b drawing.HeatGroup) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return h
}

// groupName is the site and the accelerator model of a node.
func groupName(node *fleet.Node) string {
	group := string(node.Model)
	if group == "" {
		group = "CPU only"
	}
	if node.Place.Site != "" {
		group = node.Place.Site + " / " + group
	}
	return group
}

// gangSizes are the sizes of the fragmentation curve.
var gangSizes = []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}

// GangFits returns, for gangs of 1 to 1,024 whole accelerators of one model
// inside one topology domain, how many more fit now, and how many would if
// every free device of the fleet could be used together.
func GangFits(c *sched.Capacity, level fleet.Level) (fit, packed drawing.Curve) {
	free := c.FreeByDomain(level)
	var all int64
	for _, n := range free {
		all += n
	}
	for _, size := range gangSizes {
		var k int64
		for _, n := range free {
			k += n / int64(size)
		}
		fit.X, fit.Y = append(fit.X, float64(size)), append(fit.Y, float64(k))
		packed.X, packed.Y = append(packed.X, float64(size)), append(packed.Y, float64(all/int64(size)))
	}
	return fit, packed
}

// Span returns the time from the first to the last arrival, at least a second.
func (w *Workload) Span() time.Duration {
	first, last := unit.Never, unit.Instant(0)
	for i := range w.Jobs {
		first, last = min(first, w.Jobs[i].Submit), max(last, w.Jobs[i].Submit)
	}
	return max(last.Sub(first), time.Second)
}

// Length is from the first arrival to the end of the last job if none waited; at
// least a second. Jobs of unknown run time count as their arrival.
func (w *Workload) Length() time.Duration {
	first, last := unit.Never, unit.Instant(0)
	for i := range w.Jobs {
		a := &w.Jobs[i]
		first, last = min(first, a.Submit), max(last, a.Submit.Add(max(a.Run, 0)))
	}
	return max(last.Sub(first), time.Second)
}

// CountSkipped counts the jobs a replay in time leaves out.
func (w *Workload) CountSkipped() {
	if w.Skipped == nil {
		w.Skipped = map[string]int{}
	}
	for i := range w.Jobs {
		if w.Jobs[i].Run < 0 {
			w.Skipped["never scheduled"]++
		}
	}
}
