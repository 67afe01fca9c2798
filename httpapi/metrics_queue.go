package httpapi

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"tianfu/control"
	"tianfu/fleet"
	"tianfu/job"
)

// queueDescs are the series of a queue: those of a resource first.
var queueDescs = [...]*prometheus.Desc{
	queueDesc("guaranteed", "What a queue has whenever it asks", "resource"),
	queueDesc("used", "What a queue uses", "resource"),
	queueDesc("borrowed", "What a queue uses beyond its guarantee", "resource"),
	queueDesc("lent", "What others use of the guarantee of a queue", "resource"),
	queueDesc("borrowable", "What a queue may still use, of guarantee and loans together", "resource"),
	queueDesc("share", "Dominant part of the fleet that a queue holds, 0 to 1"),
	queueDesc("running_tasks", "Tasks of a queue that hold something"),
	queueDesc("pending_jobs", "Jobs of a queue in the line, by why they wait", "cause"),
	queueDesc("reserved", "What reservations keep for a queue now", "resource"),
}

// sendReserved sends what reservations keep for queues in the windows that are open.
func sendReserved(gauge func(*prometheus.Desc, float64, ...string), who *Caller, s *control.State) {
	kept := map[string]*[3]float64{}
	for _, b := range s.Bookings() {
		if !slices.ContainsFunc(b.Spans, func(w fleet.Window) bool { return w.From <= s.Now() && w.To > s.Now() }) {
			continue
		}
		sum := kept[b.Queue]
		if sum == nil {
			sum = &[3]float64{}
			kept[b.Queue] = sum
		}
		for k, id := range b.Nodes {
			if n, ok := s.NodeRank(id); ok {
				p := b.PortionOf(k, s.Capacity().Node(n))
				sum[0] += float64(p.CPU) * 1e-3
				sum[1] += float64(p.Memory) * (1 << 20)
				sum[2] += float64(p.Accelerators)
			}
		}
	}
	mine := who.queues(s)
	for queue, sum := range kept {
		for i, resource := range [...]string{fleet.CPUs, fleet.Memory, fleet.Accelerators} {
			if mine[job.Queue(queue)] {
				gauge(queueDescs[8], sum[i], queue, resource)
			}
		}
	}
}

func queueDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("tianfu_queue_"+name, help+".", append([]string{"queue"}, labels...), nil)
}

// sendQueue sends the series of a queue, each amount in the base unit of its
// resource: CPUs, bytes, accelerators.
func sendQueue(gauge func(*prometheus.Desc, float64, ...string), q *control.QueueView) {
	name := string(q.Name)
	for _, r := range q.Resources {
		scale := 1e-3
		if r.Resource == fleet.Memory {
			scale = 1 << 20
		}
		for i, v := range []int64{r.Guaranteed, r.Used, r.Borrowed, r.Lent, r.Borrowable} {
			gauge(queueDescs[i], float64(v)*scale, name, r.Resource)
		}
	}
	gauge(queueDescs[5], q.Share, name)
	gauge(queueDescs[6], float64(q.Running), name)
	for _, t := range q.Reasons {
		gauge(queueDescs[7], float64(t.Jobs), name, t.Cause.String())
	}
}
