package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"runtime"
	"strings"
	"text/template"
	"time"

	"tianfu/engine"
	"tianfu/fault"
	"tianfu/fleet"
)

// firstWorldText is the world file of a first run: this machine, and settings
// that are there to be taken up.
//
//go:embed world_first.yaml
var firstWorldText string

// machine is what the first world file says of this machine.
type machine struct {
	Name, Zone, Node string
	CPUs             int
	Memory           int64 // MiB
	Accelerator      string
	Watts            int // a limit that it surely stays below
}

// thisMachine writes a world file of this machine: its CPUs, nine tenths of its
// memory, and the accelerators the engine found.
func thisMachine(ctx context.Context, eng engine.Engine, node string) ([]byte, error) {
	memory, err := machineMemory()
	if err != nil {
		return nil, err
	}
	m := machine{Name: node, Node: node, Zone: time.Local.String(), CPUs: runtime.NumCPU(), Memory: memory * 9 / 10}
	found := 0
	if probe, err := eng.Probe(ctx); err == nil && len(probe.Found) > 0 {
		found = min(len(probe.Found), fleet.MaxDevices)
		m.Accelerator = fmt.Sprintf(", accelerator: %sx%d", probe.Found[0].Model, found)
	}
	if !fleet.KnownZone(m.Zone) {
		m.Zone = "UTC"
	}
	m.Watts = 1000 * (1 + m.CPUs/64 + found)
	return m.world()
}

func (m *machine) world() ([]byte, error) {
	var out bytes.Buffer
	err := template.Must(template.New("world").Parse(firstWorldText)).Execute(&out, m)
	return out.Bytes(), err
}

// machineMemory returns the memory of this machine in MiB.
func machineMemory() (int64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, &fault.Error{Kind: fault.Unavailable, Where: "/proc/meminfo", What: "read the size of memory", Err: err}
	}
	var kib int64
	for line := range strings.Lines(string(text)) {
		if n, _ := fmt.Sscanf(line, "MemTotal: %d kB", &kib); n == 1 {
			return kib / 1024, nil
		}
	}
	return 0, fault.New(fault.Unavailable, "/proc/meminfo", "does not say MemTotal", "")
}
