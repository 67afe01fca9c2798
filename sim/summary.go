package sim

import (
	"slices"
	"strings"
	"time"

	"tianfu/job"
)

// Summary holds the figures of a replay in time.
type Summary struct {
	Jobs, Finished, Unfinished int
	MeanWait                   time.Duration // until the first start
	P50, P90, P99, MaxWait     time.Duration
	MeanBoundedSlowdown        float64
	Utilisation                float64       // % of accelerator time held, first to last arrival
	CPUUtilisation             float64       // % of CPU time held, first to last arrival
	KWh                        float64       // IT energy, first to last arrival
	Window                     time.Duration // first to last arrival
	Span                       time.Duration // first arrival to last end
	Preemptions, NodeFailures  int
	Goodput                    float64 // % of accelerator time held that finished attempts held
	LostGPUHours               float64 // held by attempts that did not finish, where no pause kept their work
	MeanSegments               float64 // spanned by a gang of several tasks
	Gangs                      int
	Jain                       float64 // Jain's index over tenants
	PFLOPSHours                map[string]float64
	PeakPending, Steps         int
}

// Summarise works out the figures of a finished replay.
func (t *Timed) Summarise() *Summary {
	s := &Summary{
		Jobs: len(t.order), Preemptions: t.Totals.Preemptions, NodeFailures: t.Totals.NodeFailures,
		Span: t.Totals.End.Sub(t.Totals.Start), PFLOPSHours: t.Totals.PFLOPSHours, PeakPending: t.Totals.PeakPending,
		Steps: t.Totals.Steps, LostGPUHours: t.Totals.LostMilliHours / 1000,
	}
	var waits []time.Duration
	for _, i := range t.order {
		r, a := &t.Results[i], &t.p.Workload.Jobs[i]
		if r.Done {
			s.Finished++
		}
		if r.First < 0 {
			s.Unfinished++
			continue
		}
		wait := r.First.Sub(r.Submit)
		waits = append(waits, wait)
		s.MeanBoundedSlowdown += max(1, (wait+a.Run).Seconds()/max(a.Run, slowdownFloor).Seconds())
		if r.Segments > 0 {
			s.Gangs++
			s.MeanSegments += float64(r.Segments)
		}
	}
	s.waits(waits)
	if s.Gangs > 0 {
		s.MeanSegments /= float64(s.Gangs)
	}
	total, window := t.state.Capacity().Total(), t.Totals.Window
	if window == nil {
		window = &t.Totals
	}
	s.Window, s.KWh = window.End.Sub(window.Start), window.KWh
	if span := s.Window.Seconds(); span > 0 {
		if total.Milli > 0 {
			s.Utilisation = 100 * window.MilliSeconds / span / float64(total.Milli)
		}
		if total.CPU > 0 {
			s.CPUUtilisation = 100 * window.CPUSeconds / span / float64(total.CPU)
		}
	}
	if held := t.Totals.GoodMilliHours + t.Totals.LostMilliHours; held > 0 {
		s.Goodput = 100 * t.Totals.GoodMilliHours / held
	}
	s.Jain = t.jain()
	return s
}

func (s *Summary) waits(w []time.Duration) {
	if len(w) == 0 {
		return
	}
	slices.Sort(w)
	var sum float64
	for _, d := range w {
		sum += d.Seconds()
	}
	n := len(w)
	s.MeanWait = time.Duration(sum / float64(n) * float64(time.Second))
	s.MeanBoundedSlowdown /= float64(n)
	s.P50, s.P90, s.P99, s.MaxWait = w[(n-1)*50/100], w[(n-1)*90/100], w[(n-1)*99/100], w[n-1]
}

// jain returns Jain's fairness index (DEC-TR-301, 1984) over tenants. A
// tenant's service is its run time over its wait and run time, weighed by the
// devices asked for: 1 when nothing ever waits.
func (t *Timed) jain() float64 {
	var sum, square, n float64
	for _, s := range t.served() {
		if s.all > 0 {
			v := s.run / s.all
			sum += v
			square += v * v
			n++
		}
	}
	if square == 0 {
		return 1
	}
	return sum * sum / (n * square)
}

// served sums up what every tenant's started jobs got, by name.
func (t *Timed) served() []tenantService {
	index := map[job.Tenant]int{}
	var out []tenantService
	for _, i := range t.order {
		r, a := &t.Results[i], &t.p.Workload.Jobs[i]
		if r.First < 0 {
			continue
		}
		k, ok := index[a.Spec.Tenant]
		if !ok {
			k = len(out)
			index[a.Spec.Tenant] = k
			out = append(out, tenantService{name: a.Spec.Tenant})
		}
		weight := max(deviceMilli(a), 1)
		out[k].run += weight * a.Run.Seconds()
		out[k].all += weight * (r.First.Sub(r.Submit) + a.Run).Seconds()
	}
	slices.SortFunc(out, func(a, b tenantService) int { return strings.Compare(string(a.name), string(b.name)) })
	return out
}
