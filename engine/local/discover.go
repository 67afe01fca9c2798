package local

import (
	"context"
	"encoding/csv"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"tianfu/engine"
	"tianfu/fleet"
	"tianfu/unit"
)

// Accelerators finds the devices of this machine. NVIDIA's come from NVML by
// way of nvidia-smi, its own front end; the library itself could only be called
// through cgo. Without it the driver's files name them, without memory size.
// AMD's come from the kernel's topology, Ascend's from their device files.
func (e *Engine) Accelerators(ctx context.Context) []engine.Accelerator { return accelerators(ctx) }

func accelerators(ctx context.Context) []engine.Accelerator {
	out := nvidia(ctx)
	out = append(out, amd("/sys/class/kfd/kfd/topology/nodes")...)
	return append(out, ascend("/dev")...)
}

func nvidia(ctx context.Context) []engine.Accelerator {
	if _, err := os.Stat("/proc/driver/nvidia/version"); err != nil {
		if _, err := os.Stat("/dev/nvidiactl"); err != nil {
			return nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second) // a driver that hangs must not hang us
	defer cancel()
	text, err := exec.CommandContext(ctx, "nvidia-smi", "--query-gpu=index,uuid,name,memory.total", "--format=csv,noheader,nounits").Output()
	if err == nil {
		if found := parseSMI(string(text)); len(found) > 0 {
			return found
		}
	}
	return nvidiaFiles("/proc/driver/nvidia/gpus")
}

// parseSMI reads "0, GPU-uuid, NVIDIA H100 80GB HBM3, 81559" lines; memory in
// MiB. Lines that say something else are left out.
func parseSMI(text string) []engine.Accelerator {
	r := csv.NewReader(strings.NewReader(text))
	r.TrimLeadingSpace, r.FieldsPerRecord = true, -1
	rows, err := r.ReadAll()
	if err != nil {
		return nil
	}
	var out []engine.Accelerator
	for _, f := range rows {
		if len(f) != 4 {
			continue
		}
		i, err := strconv.Atoi(f[0])
		if err != nil || i < 0 || !strings.HasPrefix(f[1], "GPU-") {
			continue
		}
		m, err := strconv.ParseInt(f[3], 10, 32)
		if err != nil {
			m = 0 // "[N/A]" on boards that share the machine's memory
		}
		out = append(out, engine.Accelerator{Index: i, UUID: f[1], Model: fleet.Model(f[2]), Memory: unit.MiB(m), Stack: "cuda", By: "NVML (nvidia-smi)"})
	}
	return out
}

// nvidiaFiles reads /proc/driver/nvidia/gpus/BUS/information. The driver counts
// devices in the order of their bus addresses.
func nvidiaFiles(dir string) []engine.Accelerator {
	files, _ := filepath.Glob(filepath.Join(dir, "*", "information"))
	slices.Sort(files)
	var out []engine.Accelerator
	for i, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		a := engine.Accelerator{Index: i, Stack: "cuda", By: dir}
		for line := range strings.Lines(string(text)) {
			k, v, _ := strings.Cut(line, ":")
			switch v = strings.TrimSpace(v); strings.TrimSpace(k) {
			case "Model":
				a.Model = fleet.Model(v)
			case "GPU UUID":
				if !strings.Contains(v, "?") { // the driver has not opened the device yet
					a.UUID = v
				}
			}
		}
		out = append(out, a)
	}
	return out
}

// amd reads the kernel's list of compute nodes; those without SIMDs are CPUs.
func amd(dir string) []engine.Accelerator {
	files, _ := filepath.Glob(filepath.Join(dir, "*", "properties"))
	slices.SortFunc(files, func(a, b string) int { return number(a) - number(b) })
	var out []engine.Accelerator
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		simds, version := 0, ""
		for line := range strings.Lines(string(text)) {
			k, v, _ := strings.Cut(strings.TrimSpace(line), " ")
			switch k {
			case "simd_count":
				simds, _ = strconv.Atoi(v)
			case "gfx_target_version":
				version = v
			}
		}
		if simds == 0 {
			continue
		}
		out = append(out, engine.Accelerator{Index: len(out), Model: fleet.Model("gfx" + version), Memory: amdMemory(filepath.Dir(f)), Stack: "rocm", By: dir})
	}
	return out
}

func amdMemory(node string) unit.MiB {
	banks, _ := filepath.Glob(filepath.Join(node, "mem_banks", "*", "properties"))
	total := int64(0)
	for _, b := range banks {
		text, _ := os.ReadFile(b)
		for line := range strings.Lines(string(text)) {
			if v, ok := strings.CutPrefix(strings.TrimSpace(line), "size_in_bytes "); ok {
				n, _ := strconv.ParseInt(v, 10, 64)
				total += n
			}
		}
	}
	return unit.MiB(total >> 20)
}

func ascend(dir string) []engine.Accelerator {
	files, _ := filepath.Glob(filepath.Join(dir, "davinci[0-9]*"))
	var out []engine.Accelerator
	for _, f := range files {
		i, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(f), "davinci"))
		if err == nil {
			out = append(out, engine.Accelerator{Index: i, Model: "Ascend", Stack: "cann", By: f})
		}
	}
	slices.SortFunc(out, func(a, b engine.Accelerator) int { return a.Index - b.Index })
	return out
}

// number is the numeric name of the directory a file lies in.
func number(file string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
	return n
}
