package sim

import (
	"time"

	"tianfu/fleet"
	"tianfu/job"
	"tianfu/unit"
)

// openbTask reads a row of an openb pod list (Alibaba cluster-trace-gpu-v2023).
// The run time is deletion minus scheduled; a row never scheduled has none.
func openbTask(t *table, p *specPool) (Arrival, string) {
	q := job.Request{
		CPU: unit.MilliCPU(t.integer("cpu_milli", 0, 1<<31-1)), Memory: unit.MiB(t.integer("memory_mib", 0, 1<<31-1)),
		Accelerators: int(t.integer("num_gpu", 0, fleet.MaxDevices)), Share: unit.Milli(t.integer("gpu_milli", 0, int64(unit.Whole))),
		Models: p.split(t.text("gpu_spec")),
	}
	a := Arrival{Models: t.text("gpu_spec"), Run: -1}
	switch {
	case q.Accelerators == 0 && q.Share != 0:
		t.fail("gpu_milli", "asks a share of no device", "set num_gpu to 1, or gpu_milli to 0")
	case q.Accelerators > 0 && q.Share == 0:
		t.fail("gpu_milli", "is 0 although devices are asked for", "1000 is a whole device")
	case q.Accelerators > 1 && q.Share != unit.Whole:
		t.fail("gpu_milli", "asks shares of several devices", "below 1000 only with num_gpu 1")
	}
	if q.Accelerators == 0 {
		q.Models = nil
	}
	if t.has("qos") {
		a.QoS = t.text("qos")
	}
	a.Spec = &job.Spec{Name: t.ident("name"), Tenant: "openb", Groups: []job.Group{{Count: 1, Request: q}}}
	if t.text("scheduled_time") != "" {
		created, scheduled := t.integer("creation_time", 0, maxTime), t.integer("scheduled_time", 0, maxTime)
		deleted := t.integer("deletion_time", 0, maxTime)
		if deleted < scheduled {
			t.fail("deletion_time", "is before scheduled_time", "")
		}
		a.Submit = unit.At(created)
		a.Run = time.Duration(min(deleted-scheduled, maxRun)) * time.Second
	}
	return a, ""
}
