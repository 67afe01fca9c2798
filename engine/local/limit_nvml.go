//go:build linux && cgo

package local

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"tianfu/fault"
)

// maxLimitedDevices bounds what one machine is believed to have.
const maxLimitedDevices = 256

// nvmlKnob limits the power of NVIDIA devices through the driver's own
// library, within what each device says it can keep.
type nvmlKnob struct {
	lib    nvml.Interface
	mu     sync.Mutex
	loaded bool
}

func newNVML() knob { return &nvmlKnob{lib: nvml.New()} }

func (a *nvmlKnob) load() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.loaded {
		return nil
	}
	if ret := a.lib.Init(); ret != nvml.SUCCESS {
		return a.failed("load the driver's library", ret)
	}
	a.loaded = true
	return nil
}

// list returns the devices by UUID. One that has no power management is passed
// over.
func (a *nvmlKnob) list() ([]Limited, error) {
	if err := a.load(); err != nil {
		return nil, err
	}
	n, ret := a.lib.DeviceGetCount()
	if ret != nvml.SUCCESS {
		a.close() // a driver that was exchanged is loaded anew
		return nil, a.failed("count the devices", ret)
	}
	var out []Limited
	var failed error
	for i := range min(n, maxLimitedDevices) {
		x, ret := a.device(i)
		switch ret {
		case nvml.SUCCESS:
			out = append(out, x)
		case nvml.ERROR_NOT_SUPPORTED:
		default:
			failed = errors.Join(failed, a.failed(fmt.Sprintf("read the limit of device %d", i), ret))
		}
	}
	if len(out) == 0 && failed == nil {
		failed = fault.New(fault.Unavailable, "nvml", "no device here keeps a limit of power", "")
	}
	return out, failed
}

func (a *nvmlKnob) device(i int) (x Limited, ret nvml.Return) {
	d, ret := a.lib.DeviceGetHandleByIndex(i)
	if ret != nvml.SUCCESS {
		return x, ret
	}
	if x.Name, ret = d.GetUUID(); ret != nvml.SUCCESS {
		return x, ret
	}
	now, ret := d.GetPowerManagementLimit()
	if ret != nvml.SUCCESS {
		return x, ret
	}
	least, most, ret := d.GetPowerManagementLimitConstraints()
	if ret != nvml.SUCCESS {
		return x, ret
	}
	x.Now, x.Least, x.Most = int64(now), int64(least), int64(most)
	return x, nvml.SUCCESS
}

func (a *nvmlKnob) set(uuid string, milliwatts int64) error {
	if err := a.load(); err != nil {
		return err
	}
	d, ret := a.lib.DeviceGetHandleByUUID(uuid)
	if ret != nvml.SUCCESS {
		return a.failed("find "+uuid, ret)
	}
	if milliwatts <= 0 || milliwatts > 1<<31 {
		return fault.Invalidf(uuid, "%d mW is no limit of power", milliwatts)
	}
	if ret := d.SetPowerManagementLimit(uint32(milliwatts)); ret != nvml.SUCCESS {
		return a.failed("limit "+uuid+" to "+watts(milliwatts)+" W", ret)
	}
	return nil
}

func (a *nvmlKnob) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.loaded {
		a.lib.Shutdown()
		a.loaded = false
	}
}

// failed says what the driver answered. Its own texts need the library that may
// be missing.
func (a *nvmlKnob) failed(what string, ret nvml.Return) error {
	switch ret {
	case nvml.ERROR_LIBRARY_NOT_FOUND, nvml.ERROR_DRIVER_NOT_LOADED, nvml.ERROR_UNINITIALIZED:
		return fault.New(fault.Unavailable, "nvml", what+": no NVIDIA driver is loaded on this machine", "")
	case nvml.ERROR_NO_PERMISSION:
		return fault.New(fault.Denied, "nvml", what+": not permitted", "run the server as root")
	}
	return fault.New(fault.Unavailable, "nvml", what+": "+strings.TrimSpace(a.lib.ErrorString(ret)), "")
}
