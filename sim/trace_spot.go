package sim

import (
	"math"
	"time"

	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// Priorities of the two kinds of job of the spot-GPU trace.
const (
	spotPriority = 0
	highPriority = 10
)

// spotJob reads a row of the Alibaba spot-GPU 2026 trace. cpu_request (vCPU)
// and gpu_request are per worker; several workers are a gang; high-priority
// jobs stand above spot jobs and are not preemptible; the organisation is the
// tenant; memory is not in the trace and never binds.
func spotJob(t *table, p *specPool) (Arrival, string) {
	gpu := t.number("gpu_request", 0, fleet.MaxDevices)
	q := job.Request{CPU: unit.MilliCPU(math.Round(1000 * t.number("cpu_request", 0, 2_000_000))), Models: p.split(t.text("gpu_model"))}
	switch {
	case gpu == 0:
		q.Models = nil
	case gpu < 1:
		q.Accelerators, q.Share = 1, unit.Milli(max(math.Round(1000*gpu), 1))
	case gpu == math.Trunc(gpu):
		q.Accelerators, q.Share = int(gpu), unit.Whole
	default:
		t.fail("gpu_request", t.text("gpu_request")+" is neither a share of one device nor a whole number", "")
	}
	workers := int(t.integer("worker_num", 1, 10_000))
	s := &job.Spec{
		Name: t.ident("job_name"), Tenant: job.Tenant(t.ident("organization")), Gang: workers > 1,
		Groups: []job.Group{{Count: workers, Request: q}},
	}
	switch kind := t.text("job_type"); kind {
	case "HP":
		s.Priority = highPriority
	case "Spot":
		s.Priority, s.Preemptible = spotPriority, true
	default:
		t.fail("job_type", kind+" is not HP or Spot", "")
	}
	run := t.number("duration", 0, maxRun)
	s.ExpectedRun = seconds(run)
	return Arrival{Spec: s, Submit: unit.Instant(seconds(t.number("submit_time", 0, maxTime))), Run: seconds(run), Models: t.text("gpu_model")}, ""
}

func seconds(s float64) time.Duration { return time.Duration(math.Round(s*1e3)) * time.Millisecond }
