package job

import (
	"encoding/json"
	"time"
)

// Work says what a task of a job runs. It travels with the job as bytes that
// the scheduling core never looks into; an engine turns it into a process.
type Work struct {
	Command    []string          `json:"command"`
	Image      string            `json:"image,omitempty"`
	Env        map[string]string `json:"env,omitempty"`
	Files      []WorkFile        `json:"files,omitempty"`
	Mounts     []Mount           `json:"mounts,omitempty"`
	Network    bool              `json:"network,omitempty"`
	Processes  int               `json:"processes,omitempty"` // limit; 0 = the engine's
	TimeLimit  time.Duration     `json:"time_limit_ns,omitempty"`
	StopSignal string            `json:"stop_signal,omitempty"` // sent first, e.g. "SIGUSR1" to write a checkpoint
	Grace      time.Duration     `json:"grace_ns,omitempty"`    // between that and SIGKILL
	Array      *Array            `json:"array,omitempty"`
	Checkpoint *Checkpoint       `json:"checkpoint,omitempty"`
}

// Array says which index each element of an array has: task i has First + i*Step.
type Array struct {
	First int `json:"first"`
	Step  int `json:"step"`
	Last  int `json:"last"`
}

// Index returns the index of a task.
func (a *Array) Index(task int) int { return a.First + task*a.Step }

// Checkpoint says how a task saves its progress: a directory of its own outlives
// its attempts, and the signal is sent first when it has to leave.
type Checkpoint struct {
	Signal string        `json:"signal,omitempty"`
	Grace  time.Duration `json:"grace_ns,omitempty"`
	Every  time.Duration `json:"every_ns,omitempty"` // told to the program, which saves by itself
}

// LeaveGrace is how long a task has from the first signal to SIGKILL; 0 = not
// said.
func (w *Work) LeaveGrace() time.Duration {
	if w.Checkpoint != nil && w.Checkpoint.Grace > 0 {
		return w.Checkpoint.Grace
	}
	return w.Grace
}

// WorkFile is a small file that is written into the working directory.
type WorkFile struct {
	Path       string `json:"path"`
	Data       []byte `json:"data"`
	Executable bool   `json:"executable,omitempty"`
}

// Mount shows a directory of the site inside the task.
type Mount struct {
	Source   string `json:"source"`
	Target   string `json:"target"`
	Writable bool   `json:"writable,omitempty"`
}

// Encode renders the work as the bytes of a Spec.
func (w *Work) Encode() ([]byte, error) { return json.Marshal(w) }

// DecodeWork reads the bytes of a Spec; none are no work.
func DecodeWork(b []byte) (*Work, error) {
	w := &Work{}
	if len(b) == 0 {
		return w, nil
	}
	return w, json.Unmarshal(b, w)
}
