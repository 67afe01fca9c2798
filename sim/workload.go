// Package sim drives the core in virtual time: it owns the virtual clock,
// traces and generated workloads, the three kinds of replay, injected faults
// and what a report says of a run (report_*.go; drawing makes the page). It holds
// no rule of scheduling: every decision is control.Step's. Read this file first,
// then engine.go.
package sim

import (
	"time"

	"tianfu/job"
	"tianfu/unit"
)

// Arrival is one job of a workload.
type Arrival struct {
	Spec   *job.Spec
	Submit unit.Instant
	Run    time.Duration // true run time; negative when the source has none
	Age    time.Duration // what it has run by then, of a job that is under way at the beginning
	// Models is the accepted-model field as the source spells it. The peers'
	// typical-task classes compare this text, not the parsed set.
	Models string
	Line   int    // in the source, for messages; 0 = generated
	Number int64  // job number of a Standard Workload Format log
	QoS    string // class of service as the source spells it; empty = none
}

// Workload is an ordered list of jobs with where it came from.
type Workload struct {
	Name    string // file name without directory
	Path    string // as given, for messages
	Jobs    []Arrival
	Timed   bool           // submit and run times are real
	Skipped map[string]int // rows left out, by cause
	// Present is how many of the first jobs are under way at the beginning of a
	// warm draw: they run for the rest of their time, and what planning is told was
	// said of their whole time.
	Present int
	// Past is what ended before the beginning, the latest last, of a warm draw that
	// was asked for it: what the records of such a centre would tell of run times.
	Past []Past
}
