package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tianfu/control"
	"tianfu/fleet"
	"tianfu/live"
)

// metrics are the series that the process itself counts; what the centre holds
// is read when somebody asks. docs/metrics.md lists every name.
type metrics struct {
	process  *prometheus.Registry // for who sees all
	requests *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{process: prometheus.NewRegistry()}
	m.requests = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "tianfu_http_request_duration_seconds", Help: "Time from a request to the end of its answer, by route and status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5},
	}, []string{"route", "code"})
	m.process.MustRegister(m.requests, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// serveMetrics shows a caller its series: everything to operators and auditors;
// to a tenant the series of its own and totals that name nobody.
func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) {
	who := identity(r.Context())
	own := prometheus.NewRegistry()
	own.MustRegister(&collector{centre: s.centre, who: who, ctx: r.Context()})
	all := prometheus.Gatherers{own}
	if who.seesAll() {
		meters := prometheus.NewRegistry()
		meters.MustRegister(&meterCollector{s.centre})
		all = append(all, meters, s.metrics.process)
	}
	promhttp.HandlerFor(all, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}).ServeHTTP(w, r)
}

// collector reads the state of the centre for one caller.
type collector struct {
	centre *live.Centre
	who    Caller
	ctx    context.Context // of the request
}

// resources are the parts of a capacity, each in its base unit.
var resources = [...]struct {
	name, help string
	scale      float64
}{
	{"cpus", "logical CPUs", 1e-3},
	{"memory_bytes", "memory in bytes", 1 << 20},
	{"accelerators", "accelerators; a share counts as its part", 1e-3},
}

var (
	submittedDesc = prometheus.NewDesc("tianfu_jobs_submitted_total", "Jobs ever accepted.", nil, nil)
	pendingDesc   = prometheus.NewDesc("tianfu_jobs_pending", "Jobs in the line.", nil, nil)
	nodesDesc     = prometheus.NewDesc("tianfu_nodes", "Nodes by what they take: open, cordoned or failed.", []string{"state"}, nil)
	eventsDesc    = prometheus.NewDesc("tianfu_events_total", "Changes of jobs since the process began.", nil, nil)
	capacityDescs = describeResources("tianfu_capacity_", "Capacity of the fleet: ", nil)
	usedDescs     = describeResources("tianfu_allocated_", "Held by tasks of all tenants: ", nil)
	tenantDescs   = describeResources("tianfu_tenant_allocated_", "Held by tasks of a tenant: ", []string{"tenant"})
)

func describeResources(prefix, help string, labels []string) (out [len(resources)]*prometheus.Desc) {
	for i := range out {
		out[i] = prometheus.NewDesc(prefix+resources[i].name, help+resources[i].help+".", labels, nil)
	}
	return out
}

// Describe serves prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{energyDesc, carbonDesc, costDesc, siteDesc, submittedDesc, pendingDesc, nodesDesc, eventsDesc} {
		ch <- d
	}
	for _, d := range queueDescs {
		ch <- d
	}
	for _, group := range [][len(resources)]*prometheus.Desc{capacityDescs, usedDescs, tenantDescs} {
		for _, d := range group {
			ch <- d
		}
	}
}

// Collect serves prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(c.ctx, 5*time.Second)
	defer cancel()
	var out []prometheus.Metric // sent when the centre goes on, for it waits while it is looked at
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out = append(out, prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...))
	}
	send := func(descs [len(resources)]*prometheus.Desc, v [len(resources)]int64, labels ...string) {
		for i, d := range descs {
			gauge(d, float64(v[i])*resources[i].scale, labels...)
		}
	}
	err := c.centre.View(ctx, func(s *control.State) {
		out = append(out, prometheus.MustNewConstMetric(submittedDesc, prometheus.CounterValue, float64(s.Jobs())))
		gauge(pendingDesc, float64(s.Pending()))
		total, used := s.Capacity().Total(), s.Capacity().Used()
		send(capacityDescs, [...]int64{total.CPU, total.Memory, total.Milli})
		send(usedDescs, [...]int64{used.CPU, used.Memory, used.Milli})
		for _, t := range s.Tenants() {
			if t.Name != "" && c.who.maySee(t.Name) {
				send(tenantDescs, [...]int64{t.Used.CPU, t.Used.Memory, t.Used.Milli}, string(t.Name))
			}
		}
		for _, q := range s.Queues() {
			if c.who.maySeeQueue(&q) {
				sendQueue(gauge, &q)
			}
		}
		sendReserved(gauge, &c.who, s)
		ledgerMetrics(s, &c.who, func(d *prometheus.Desc, v float64, labels ...string) {
			out = append(out, prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...))
		})
		for state, n := range nodeStates(s) {
			gauge(nodesDesc, float64(n), state)
		}
		sendBudgets(gauge, &c.who, s)
		if c.who.seesAll() {
			sendPower(gauge, s)
		}
	})
	if err != nil {
		ch <- prometheus.NewInvalidMetric(submittedDesc, err)
		return
	}
	for _, m := range out {
		ch <- m
	}
	ch <- prometheus.MustNewConstMetric(eventsDesc, prometheus.CounterValue, float64(c.centre.EventsTold()))
}

// nodeStates counts nodes by what they take.
func nodeStates(s *control.State) map[string]int {
	out := map[string]int{"open": 0, "cordoned": 0, "failed": 0}
	capacity := s.Capacity()
	for n := range int32(capacity.Nodes()) {
		switch d := capacity.Node(n); {
		case d.Health == fleet.Failed:
			out["failed"]++
		case d.Cordoned:
			out["cordoned"]++
		default:
			out["open"]++
		}
	}
	return out
}
