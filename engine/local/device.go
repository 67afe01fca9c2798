package local

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"tianfu/engine"
	"tianfu/fault"
)

// deviceVariables names the granted devices to the maker's software. UUIDs are
// used where all are known: they mean the same device whatever else is visible.
// An order without devices gets empty lists, which every stack reads as "none".
func deviceVariables(o *engine.Order) ([]string, error) {
	if len(o.Devices) == 0 {
		return []string{"ASCEND_RT_VISIBLE_DEVICES=", "CUDA_VISIBLE_DEVICES=", "HIP_VISIBLE_DEVICES="}, nil
	}
	index, uuid := make([]string, len(o.Devices)), make([]string, len(o.Devices))
	known := true
	for i, d := range o.Devices {
		index[i], uuid[i] = strconv.Itoa(d.Index), d.UUID
		known = known && d.UUID != ""
	}
	indices := strings.Join(index, ",")
	switch o.Stack {
	case "cuda":
		if known {
			return []string{"CUDA_VISIBLE_DEVICES=" + strings.Join(uuid, ",")}, nil
		}
		return []string{"CUDA_DEVICE_ORDER=PCI_BUS_ID", "CUDA_VISIBLE_DEVICES=" + indices}, nil
	case "cann":
		return []string{"ASCEND_RT_VISIBLE_DEVICES=" + indices}, nil
	case "rocm", "dtk":
		return []string{"HIP_VISIBLE_DEVICES=" + indices}, nil
	case "neuware":
		return []string{"MLU_VISIBLE_DEVICES=" + indices}, nil
	}
	return nil, fault.New(fault.Denied, "start "+o.Key.String()+": stack", fmt.Sprintf("no variable is known that gives devices of stack %q to a task", o.Stack), "known are cuda, cann, rocm, dtk and neuware")
}

// deviceFiles returns the device files of the order's stack that exist. They
// are all of the machine's: which of them a task uses is said by the variable,
// and Probe says so.
func deviceFiles(o *engine.Order) []string {
	if len(o.Devices) == 0 {
		return nil
	}
	patterns := map[string][]string{
		"cuda":    {"/dev/nvidia[0-9]*", "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset", "/dev/nvidia-caps/*"},
		"cann":    {"/dev/davinci[0-9]*", "/dev/davinci_manager", "/dev/devmm_svm", "/dev/hisi_hdc"},
		"rocm":    {"/dev/kfd", "/dev/dri/*"},
		"dtk":     {"/dev/kfd", "/dev/mkfd", "/dev/dri/*"},
		"neuware": {"/dev/cambricon_dev[0-9]*", "/dev/cambricon_ctl", "/dev/cambricon_ipcm[0-9]*"},
	}
	var out []string
	for _, pattern := range patterns[o.Stack] {
		found, _ := filepath.Glob(pattern)
		for _, f := range found {
			if info, err := os.Stat(f); err == nil && info.Mode()&os.ModeDevice != 0 {
				out = append(out, f)
			}
		}
	}
	return out
}

// deviceNodes returns bubblewrap's arguments that let these files in, and what
// the makers' libraries read about them.
func deviceNodes(o *engine.Order) []string {
	if len(o.Devices) == 0 {
		return nil
	}
	a := []string{"--ro-bind", "/sys", "/sys"}
	if _, err := os.Stat("/sys/fs/cgroup"); err == nil {
		a = append(a, "--tmpfs", "/sys/fs/cgroup")
	}
	for _, f := range deviceFiles(o) {
		a = append(a, "--dev-bind", f, f)
	}
	return a
}
