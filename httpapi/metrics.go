package httpapi

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tianfu/control"
	"tianfu/job"
	"tianfu/live"
)

// collector reads the state of the centre when Prometheus asks.
type collector struct{ centre *live.Centre }

var (
	jobsDesc    = prometheus.NewDesc("tianfu_jobs_total", "Jobs ever accepted.", nil, nil)
	pendingDesc = prometheus.NewDesc("tianfu_jobs_pending", "Jobs in the line.", nil, nil)
	capDesc     = prometheus.NewDesc("tianfu_capacity", "Capacity of the fleet: CPUs, memory bytes, accelerators.", []string{"resource"}, nil)
	usedDesc    = prometheus.NewDesc("tianfu_allocated", "Capacity held by tasks.", []string{"resource"}, nil)
	tenantDesc  = prometheus.NewDesc("tianfu_tenant_allocated", "Capacity held by tasks of a tenant.", []string{"tenant", "resource"}, nil)
	eventDesc   = prometheus.NewDesc("tianfu_events_total", "Changes of jobs since the process began.", nil, nil)
)

// Describe serves prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{jobsDesc, pendingDesc, capDesc, usedDesc, tenantDesc, eventDesc} {
		ch <- d
	}
}

// Collect serves prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c.centre.View(ctx, func(s *control.State) {
		ch <- prometheus.MustNewConstMetric(jobsDesc, prometheus.CounterValue, float64(s.Jobs()))
		ch <- prometheus.MustNewConstMetric(pendingDesc, prometheus.GaugeValue, float64(s.Pending()))
		total, used := s.Capacity().Total(), s.Capacity().Used()
		send := func(d *prometheus.Desc, v [3]int64, labels ...string) {
			for i, name := range []string{"cpus", "memory_bytes", "accelerators"} {
				ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v[i])*[3]float64{1e-3, 1 << 20, 1e-3}[i], append(labels, name)...)
			}
		}
		send(capDesc, [3]int64{total.CPU, total.Memory, total.Milli})
		send(usedDesc, [3]int64{used.CPU, used.Memory, used.Milli})
		for _, t := range s.Tenants() {
			if t.Name != job.Tenant("") {
				send(tenantDesc, [3]int64{t.Used.CPU, t.Used.Memory, t.Used.Milli}, string(t.Name))
			}
		}
	})
	ch <- prometheus.MustNewConstMetric(eventDesc, prometheus.CounterValue, float64(c.centre.LastEvent()))
}
