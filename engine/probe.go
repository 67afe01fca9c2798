package engine

import (
	"tianfu/fleet"
	"tianfu/unit"
)

// Level names how far a task is kept from the machine and from other tasks,
// weakest first.
type Level string

// The levels. What each covers is said by Probe, not by its name.
const (
	LevelProcess  Level = "process"  // own process group and limits; nothing is hidden
	LevelLandlock Level = "landlock" // files and TCP by the kernel's Landlock
	LevelSandbox  Level = "sandbox"  // own mount, process, IPC and network namespaces
)

// AtLeast tells whether l isolates as much as other or more.
func (l Level) AtLeast(other Level) bool { return l.rank() >= other.rank() }

func (l Level) rank() int {
	switch l {
	case LevelSandbox:
		return 2
	case LevelLandlock:
		return 1
	}
	return 0
}

// Finding is one line of a probe: what was looked at, whether it is as it should
// be, what was seen, and what to do where it is not.
type Finding struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

// Probe is how an engine runs tasks: the isolation and measuring in force.
type Probe struct {
	Engine   string        `json:"engine"`
	Level    Level         `json:"level"`
	By       string        `json:"by"`     // what isolates, with its version
	Covers   []string      `json:"covers"` // what a task cannot do
	Gaps     []string      `json:"gaps"`   // what is not covered at this level
	Findings []Finding     `json:"findings"`
	Found    []Accelerator `json:"accelerators"`
}

// Accelerator is a device found on the machine.
type Accelerator struct {
	Index  int         `json:"index"`
	UUID   string      `json:"uuid,omitempty"`
	Model  fleet.Model `json:"model"` // as the vendor spells it
	Memory unit.MiB    `json:"memory_mib"`
	Stack  string      `json:"stack"` // "cuda", "cann", "rocm"
	By     string      `json:"by"`    // where it was read from
}
