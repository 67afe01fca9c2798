// Package job owns what tenants submit: jobs, their tasks and gangs, what a
// task asks of a node, and the checks that make a submission acceptable. It
// never decides where anything runs. Read this file first, then check.go.
package job

import (
	"strconv"
	"time"

	"tianfu/fleet"
	"tianfu/unit"
)

// ID identifies a job; IDs are counters given out by the control core.
type ID uint64

// String renders "j-42".
func (id ID) String() string { return "j-" + strconv.FormatUint(uint64(id), 10) }

// Tenant names who owns jobs and pays for them.
type Tenant string

// Queue names an ordered waiting line.
type Queue string

// Class says how a job wants to be treated.
type Class uint8

// The classes.
const (
	Batch Class = iota
	Interactive
	LongRun
)

// Capability asks for accelerators by what they can do rather than by name.
type Capability struct {
	MinMemory  unit.MiB // memory of one accelerator; 0 = any
	Precisions []string // e.g. "bf16", "fp8": all must be supported
	Stack      string   // software stack, e.g. "cuda", "cann"; empty = any
}

// Request is what one task asks of one node.
type Request struct {
	CPU          unit.MilliCPU
	Memory       unit.MiB
	Accelerators int           // number of devices; 0 = none
	Share        unit.Milli    // of each device; 1000 = whole; below 1000 only with one device
	Partition    string        // hardware partition profile, e.g. "1g.10gb"; empty = none
	Models       []fleet.Model // accepted models, any of; empty = any
	Capability   Capability
}

// Group is a number of equal tasks of a job.
type Group struct {
	Name    string
	Count   int
	Request Request
}

// TopologyMode says how strongly a job wants its tasks near each other.
type TopologyMode uint8

// The modes.
const (
	Anywhere TopologyMode = iota
	Prefer
	Must
)

// Topology is the wish of a gang: all tasks within one domain of a level.
type Topology struct {
	Mode  TopologyMode
	Level fleet.Level // host, rack, segment, pod or site
}

// Spec is a job as submitted. It is immutable once accepted.
type Spec struct {
	Name        string
	Tenant      Tenant
	Queue       Queue
	Class       Class
	Priority    int32
	Groups      []Group
	Gang        bool // all tasks start together or not at all
	Topology    Topology
	Preemptible bool
	// Suspendable work may be made to stand still for a while, where it is and
	// with what it holds: when power is short, or until a better hour.
	Suspendable bool
	// ExpectedRun is the run time that planning may assume; 0 = unknown.
	ExpectedRun time.Duration
	// ExpectedRunOn overrides ExpectedRun on named accelerator models.
	ExpectedRunOn map[fleet.Model]time.Duration
	// StartBy is the latest start; when it passes unplaced, the job ends with
	// its reason. 0 = no limit.
	StartBy unit.Instant
	// Deadline is when the work should have ended; planning may move the start
	// within it. 0 = none. A job that misses it runs on.
	Deadline unit.Instant
	// Wish says what planning may wait for within the deadline, or within the
	// allowance of the class; CarbonPrice is what WishWeights takes a tonne of
	// CO2e to cost, in yuan.
	Wish        Wish
	CarbonPrice int32
	// Pausable promises that work done before an eviction is not lost: the job
	// saves its progress when told to leave and goes on from there.
	Pausable bool
	// Site is where a plan in time has the job run. Only the line's copy of a job
	// has one; nobody submits it.
	Site string
	// Retries is how often a task that failed is tried again, Backoff the wait
	// before the first of these tries; it doubles with each, up to MaxBackoff. A
	// task waits its own, while others of its job go on; a gang waits as one.
	Retries int
	Backoff time.Duration
	// Array says that the tasks are elements of an array: each has the retries of
	// its own, and one that fails for good ends no other. Parallel is how many of
	// the tasks may hold a node at one time; 0 = all.
	Array    bool
	Parallel int32
	// After names jobs that must end before this one enters the line.
	After []Dependency
	// Key makes a submission idempotent: a second one of the same job with the
	// same tenant and key is the first, and of another job a conflict. Empty = none.
	Key string
	// Work says what to run. It is the engine's business: the core keeps it and
	// never looks inside.
	Work []byte
}

// Dependency is a job to wait for. AnyEnd waits until it ends in whatever way;
// otherwise it must complete, and this job is cancelled when it cannot.
type Dependency struct {
	Job    ID
	AnyEnd bool
}

// Tasks returns the number of tasks of the job.
func (s *Spec) Tasks() int {
	n := 0
	for i := range s.Groups {
		n += s.Groups[i].Count
	}
	return n
}

// ExpectedOn returns the run time that planning may assume on an accelerator
// model; 0 = unknown.
func (s *Spec) ExpectedOn(m fleet.Model) time.Duration {
	if d, ok := s.ExpectedRunOn[m]; ok {
		return d
	}
	return s.ExpectedRun
}

// Request returns what a task of the job asks of a node; nil when the job has
// no such task.
func (s *Spec) Request(task int32) *Request {
	if task < 0 {
		return nil
	}
	for g := range s.Groups {
		if task -= int32(s.Groups[g].Count); task < 0 {
			return &s.Groups[g].Request
		}
	}
	return nil
}
