package engine

import (
	"tianfu/unit"
)

// Kind says what a report tells.
type Kind string

// The kinds of report.
const (
	Started Kind = "started"
	Used    Kind = "used"
	Exited  Kind = "exited"
	Lost    Kind = "lost" // it does not run any more and nobody saw how it ended
)

// Report is what an engine says about one task at one instant.
type Report struct {
	Key   Key          `json:"key"`
	Kind  Kind         `json:"kind"`
	At    unit.Instant `json:"at"`             // when it happened, by the site's clock
	Exit  Exit         `json:"exit,omitzero"`  // Exited and Lost
	Usage Usage        `json:"usage,omitzero"` // Used, Exited and Lost
}

// Cause says why a task ended.
type Cause string

// The causes. Where several hold, the first of this order is named:
// out-of-memory, time-limit, stopped, signal, exit.
const (
	CauseExit       Cause = "exit"          // by itself, with Code
	CauseSignal     Cause = "signal"        // by Signal, which the engine did not send
	CauseStopped    Cause = "stopped"       // Stop was asked for; Code or Signal say how it took it
	CauseTimeLimit  Cause = "time-limit"    // it ran longer than its limit
	CauseMemory     Cause = "out-of-memory" // the kernel killed in it at its memory limit
	CauseNotStarted Cause = "not-started"   // no process of it ever ran; Detail says why
	CauseNoRoom     Cause = "no-room"       // no process of it ever ran, for the engine's disk was full; another start may
	CauseLost       Cause = "lost"          // of a Lost report; Detail says what is known
)

// Exit is how a task ended.
type Exit struct {
	Cause  Cause  `json:"cause"`
	Code   int    `json:"code"`             // exit code; -1 when a signal ended it or nobody knows
	Signal string `json:"signal,omitempty"` // e.g. "SIGKILL"; empty when it exited by itself
	Detail string `json:"detail,omitempty"`
}

// OK tells whether the task did its work: it exited by itself with code 0.
func (e Exit) OK() bool { return e.Cause == CauseExit && e.Code == 0 }

// Usage counts from the start of the task to the instant of its report.
type Usage struct {
	CPUMicros   int64 `json:"cpu_micros"`   // CPU time, user and system, microseconds
	MemoryPeak  int64 `json:"memory_peak"`  // bytes
	ByteSeconds int64 `json:"byte_seconds"` // memory over time; Probe says how it is sampled
	WallMicros  int64 `json:"wall_micros"`  // time since the start, microseconds
	OOMKills    int64 `json:"oom_kills,omitempty"`
}

// State is where a key stands.
type State string

// The states, in the order a key walks through them.
const (
	Starting State = "starting"
	Running  State = "running"
	Ended    State = "ended" // exited or lost, not acknowledged
	Acked    State = "acknowledged"
)

// Status is what an engine knows of one key.
type Status struct {
	Key     Key          `json:"key"`
	State   State        `json:"state"`
	Started unit.Instant `json:"started,omitempty"` // 0 when it never did
	Ended   unit.Instant `json:"ended,omitempty"`
	Exit    Exit         `json:"exit,omitzero"`
	Usage   Usage        `json:"usage,omitzero"`
}
