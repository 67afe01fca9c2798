package control

import (
	"fmt"
	"math"
	"time"

	"tianfu/energy"
	"tianfu/fleet"
	"tianfu/sched"
	"tianfu/unit"
)

// powerOutlook tells what the sites may draw in the hours ahead: with the caps
// that are known, on every area of the tree, and with the overhead that is
// expected. What batteries and panels will give is not counted on.
type powerOutlook struct {
	s      *State
	areas  []Area
	inside [][]int32 // the areas right inside each
	sample map[samplePool]int32
}

// samplePool is nodes that draw alike, as far as a plan can tell.
type samplePool struct {
	site  string
	model fleet.Model // "" = the first node of the site
}

func (s *State) powerOutlook() *powerOutlook {
	o := &powerOutlook{s: s, areas: s.Areas(), sample: map[samplePool]int32{}}
	o.inside = make([][]int32, len(o.areas))
	byPath := map[string]int{}
	for i := range o.areas {
		byPath[o.areas[i].Declared.Path] = i
		if p := o.areas[i].Declared.Parent; p >= 0 {
			o.inside[p] = append(o.inside[p], int32(i))
		}
	}
	for n := range int32(s.cap.Nodes()) {
		node := s.cap.Node(n)
		for _, at := range [2]samplePool{{node.Place.Site, node.Model}, {node.Place.Site, ""}} {
			if _, ok := o.sample[at]; !ok {
				o.sample[at] = n
			}
		}
	}
	return o
}

// site returns the area of a site; -1 when the tree has none.
func (o *powerOutlook) site(name string) int32 {
	for i := range o.areas {
		if d := o.areas[i].Declared; d.Parent == -1 && d.Path == name {
			return int32(i)
		}
	}
	return -1
}

// budget returns the IT power that an area may be brought to at an instant, and
// when that next changes: at most its own, and at most what those inside it may
// draw together, where they hold all its nodes.
func (o *powerOutlook) budget(i int32, at unit.Instant) (budget int64, next unit.Instant) {
	a := &o.areas[i]
	f := sched.PowerFacts{Overhead: a.Facts.Overhead}
	f.Limit, next = o.s.cfg.Tree.InForce(a.Declared, o.s.power.caps, at)
	if a.Declared.Parent == -1 {
		hour := at - at%unit.Instant(time.Hour) + unit.Instant(time.Hour)
		if h, ok := o.s.SiteHour(a.Declared.Path, at); ok {
			hour = min(hour, h.To)
			if h.PUE != energy.NoData {
				f.Overhead = h.PUE
			}
		}
		next = min(next, hour)
	}
	budget = a.Declared.Budget(&f)
	sum, nodes := int64(0), int32(0)
	for _, k := range o.inside[i] {
		b, change := o.budget(k, at)
		next = min(next, change)
		nodes += o.areas[k].Nodes
		if b == sched.Unlimited || sum == sched.Unlimited {
			sum = sched.Unlimited
			continue
		}
		sum += b
	}
	if nodes == a.Nodes && nodes > 0 {
		budget = min(budget, sum)
	}
	return budget, next
}

// adds tells how much power a load adds at a site, in milliwatts, from the model
// of one of its nodes; 0 where power is not modelled.
func (o *powerOutlook) adds(l *sched.Load, tasks int64, site string, model fleet.Model) int64 {
	n, ok := o.sample[samplePool{site, model}]
	if !ok || o.s.cfg.Power == nil || tasks == 0 {
		return 0
	}
	w := &o.s.cap.Kind(n).Power
	cpu := min(unit.MilliCPU(l.CPU/tasks), w.CPU)
	one := float64(w.CPUWatts(cpu) - w.CPUWatts(0))
	if l.Milli > 0 {
		devices := max(l.Milli/tasks/int64(unit.Whole), 1)
		share := unit.Milli(min(l.Milli/tasks/devices, int64(unit.Whole)))
		one += float64(devices) * float64(w.DeviceWatts(share)-w.DeviceIdle)
	}
	return int64(math.Round(one * 1000 * float64(tasks)))
}

// base is what an area draws beside work that runs: its idle nodes.
func (o *powerOutlook) base(i int32) int64 {
	base := o.areas[i].Draw
	for _, u := range o.rated(o.s.running(nil)) {
		if u.Site == o.areas[i].Declared.Path {
			base -= u.Power
		}
	}
	return max(base, 0)
}

// rated fills in what occupations draw.
func (o *powerOutlook) rated(uses []sched.Occupation) []sched.Occupation {
	for k := range uses {
		u := &uses[k]
		u.Power = o.adds(&u.Load, u.Tasks, u.Site, u.Model)
	}
	return uses
}

// verifyPower holds what is new in a plan to the power of the sites: at no instant
// may all together draw more than the tree allows then.
func (s *State) verifyPower(uses []sched.Occupation) error {
	if s.cfg.Tree == nil {
		return nil
	}
	o := s.powerOutlook()
	o.rated(uses)
	for _, name := range s.sites() {
		i := o.site(name)
		if i < 0 {
			continue
		}
		base := o.base(i)
		at, drawn, over := sched.FirstOver(uses, name, s.now, func(at unit.Instant) (int64, unit.Instant) {
			budget, next := o.budget(i, at)
			return budget - base, next
		})
		if over {
			budget, _ := o.budget(i, at)
			return fmt.Errorf("at %s work at site %q would draw %v of %v", at, name, unit.Watts(drawn+base)/1000, unit.Watts(budget)/1000)
		}
	}
	return nil
}

// power fills the headroom of sites with limits, with the caps that are known to
// come on any area: of each slot the least that holds within it.
func (b *shiftBuilder) power(uses []sched.Occupation) {
	p, o := &b.problem, b.outlook
	o.rated(uses)
	for k, name := range b.names {
		i := o.site(name)
		if i < 0 {
			continue
		}
		base, left := o.base(i), make([]int64, p.Slots)
		budget, next, limited := int64(0), b.s.now, false
		for t := range left {
			end := p.Span(sched.SlotSpan{From: t, To: t + 1}).To
			least := int64(sched.Unlimited)
			if t > 0 {
				least = budget
			}
			for next < end {
				budget, next = o.budget(i, next)
				least = min(least, budget)
			}
			limited = limited || least < sched.Unlimited
			left[t] = least - base
		}
		for u := range uses {
			if uses[u].Site == name {
				from, to := b.slots(&uses[u])
				for t := from; t < to; t++ {
					left[t] -= uses[u].Power
				}
			}
		}
		if limited {
			p.Sites[k].Power = left
		}
	}
}
