package job

import (
	"fmt"
	"time"
	"unicode/utf8"

	"tianfu/fault"
	"tianfu/fleet"
	"tianfu/unit"
)

// Bounds of a submission.
const (
	MaxTasks    = 10_000
	MaxGroups   = 64
	MaxName     = 128
	MaxModels   = 64
	MinPriority = -1_000_000
	MaxPriority = 1_000_000
	MaxRun      = 100 * 366 * 24 * time.Hour
	MaxRetries  = 1000
	MaxBackoff  = time.Hour
	MaxAfter    = 64
	MaxWork     = 8 << 20 // bytes
)

// String names the class as job files write it.
func (c Class) String() string {
	switch c {
	case Interactive:
		return "interactive"
	case LongRun:
		return "longrun"
	}
	return "batch"
}

// Check returns an error that names the first field that is not acceptable. It
// allocates nothing when all is well: every submission passes it.
func (s *Spec) Check() error {
	switch {
	case s.Name == "":
		return bad("name", "is missing: 1 to 128 printable bytes")
	case !nameOK(s.Name):
		return bad("name", "must be 1 to 128 printable bytes")
	case !nameOK(string(s.Tenant)):
		return bad("tenant", "must be 1 to 128 printable bytes")
	case s.Queue != "" && !nameOK(string(s.Queue)):
		return bad("queue", "must be at most 128 printable bytes")
	case s.Class > LongRun:
		return bad("class", "is not batch, interactive or longrun")
	case s.Priority < MinPriority || s.Priority > MaxPriority:
		return bad("priority", "must be from -1,000,000 to 1,000,000")
	case len(s.Groups) == 0 || len(s.Groups) > MaxGroups:
		return bad("groups", "must be 1 to 64")
	case s.ExpectedRun < 0 || s.ExpectedRun > MaxRun:
		return bad("expected_run", "must be from 0 to 100 years")
	case s.StartBy < 0:
		return bad("start_by", "must not be negative")
	case s.Deadline < 0 || s.Deadline == unit.Never:
		return bad("deadline", "must be an instant")
	case s.Deadline != 0 && s.StartBy >= s.Deadline:
		return bad("start_by", "is not before the deadline")
	case s.Site != "":
		return bad("site", "is for plans, not for submissions")
	case s.Wish > WishWeights:
		return bad("wish", "is not none, carbon, price or weights")
	case s.CarbonPrice < 0 || s.CarbonPrice > MaxCarbonPrice:
		return bad("carbon_price", "must be 0 to 1,000,000 yuan a tonne")
	case s.CarbonPrice != 0 && s.Wish != WishWeights:
		return bad("carbon_price", "is of the wish weights alone")
	case s.Topology.Mode > Must:
		return bad("topology.mode", "is not anywhere, prefer or must")
	case s.Topology.Mode != Anywhere && !s.Gang:
		return bad("topology", "needs a gang: set gang")
	case s.Topology.Level >= fleet.LevelFleet:
		return bad("topology.level", "is not host, rack, segment, pod or site")
	case s.Retries < 0 || s.Retries > MaxRetries:
		return bad("retries", "must be 0 to 1,000")
	case s.Backoff < 0 || s.Backoff > MaxBackoff:
		return bad("backoff", "must be 0 to 1 hour")
	case len(s.After) > MaxAfter:
		return bad("after", "are more than 64 jobs")
	case s.Key != "" && !nameOK(s.Key):
		return bad("key", "must be at most 128 printable bytes")
	case len(s.Work) > MaxWork:
		return bad("work", "is larger than 8 MiB: mount a data set instead of sending files")
	}
	for m, d := range s.ExpectedRunOn {
		if d <= 0 || d > MaxRun {
			return bad("expected_run_on."+string(m), "must be above 0 and at most 100 years")
		}
	}
	return s.checkGroups()
}

func (s *Spec) checkGroups() error {
	tasks := 0
	for i := range s.Groups {
		g := &s.Groups[i]
		if g.Count < 1 || g.Count > MaxTasks {
			return bad(fmt.Sprintf("groups[%d].count", i), "must be 1 to 10,000")
		}
		if g.Name != "" && !nameOK(g.Name) {
			return bad(fmt.Sprintf("groups[%d].name", i), "must be at most 128 printable bytes")
		}
		if field, what := g.Request.check(); field != "" {
			return bad(fmt.Sprintf("groups[%d].request.%s", i, field), what)
		}
		if tasks += g.Count; tasks > MaxTasks {
			return bad("groups", "ask for more than 10,000 tasks in all")
		}
	}
	return s.checkArray()
}

func (s *Spec) checkArray() error {
	switch {
	case s.Parallel < 0 || s.Parallel > MaxTasks:
		return bad("array", "may run 1 to 10,000 elements at one time")
	case s.Array && (len(s.Groups) != 1 || s.Gang):
		return bad("array", "is of one group of tasks, and no gang: its elements start one by one")
	case s.Parallel > 0 && !s.Array:
		return bad("parallel", "is of an array")
	}
	return nil
}

func (r *Request) check() (field, what string) {
	switch {
	case r.CPU < 0:
		return "cpu", "must not be negative"
	case r.Memory < 0:
		return "memory", "must not be negative"
	case r.Accelerators < 0 || r.Accelerators > fleet.MaxDevices:
		return "accelerators", "must be 0 to 16: no node has more; ask for several tasks in a gang"
	case r.Accelerators == 0 && (r.Share != 0 || r.Partition != "" || len(r.Models) > 0):
		return "accelerators", "is 0, but a share, partition or model is asked for"
	case r.Accelerators > 0 && (r.Share < 1 || r.Share > unit.Whole):
		return "share", "must be 1 to 1000 thousandths of a device"
	case r.Share < unit.Whole && r.Accelerators > 1:
		return "share", "below 1000 is for one device only"
	case r.Partition != "" && (r.Accelerators != 1 || r.Share != unit.Whole):
		return "partition", "is of one device and takes no share"
	case r.CPU == 0 && r.Memory == 0 && r.Accelerators == 0:
		return "cpu", "is 0, and so is everything else: ask for something"
	case len(r.Models) > MaxModels:
		return "models", "are more than 64"
	case r.Capability.MinMemory < 0:
		return "capability.min_memory", "must not be negative"
	case len(r.Capability.Precisions) > 16:
		return "capability.precisions", "are more than 16"
	case r.Partition != "" && !nameOK(r.Partition):
		return "partition", "must be a name of at most 128 printable bytes"
	case r.Capability.Stack != "" && !nameOK(r.Capability.Stack):
		return "capability.stack", "must be a name of at most 128 printable bytes"
	}
	for i := range r.Models {
		if !nameOK(string(r.Models[i])) {
			return "models", "must be names of 1 to 128 printable bytes"
		}
	}
	for i := range r.Capability.Precisions {
		if !nameOK(r.Capability.Precisions[i]) {
			return "capability.precisions", "must be names of 1 to 128 printable bytes"
		}
	}
	return "", ""
}

func bad(field, what string) error {
	return fault.New(fault.Invalid, field, what, "")
}

// nameOK accepts 1 to MaxName bytes of UTF-8 without control characters.
func nameOK(s string) bool {
	if len(s) == 0 || len(s) > MaxName || !utf8.ValidString(s) {
		return false
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return false
		}
	}
	return true
}
