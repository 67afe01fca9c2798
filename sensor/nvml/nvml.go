//go:build linux && cgo

package nvml

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"tianfu/fault"
	"tianfu/sensor"
	"tianfu/unit"
)

// maxDevices bounds what one machine is believed to have.
const maxDevices = 256

// Source reads the devices of one machine.
type Source struct {
	node   string
	lib    nvml.Interface
	loaded bool
	closed bool
}

// New makes a source for the node's own devices. The driver's library is loaded
// at the first Read.
func New(node string) *Source { return &Source{node: node, lib: nvml.New()} }

// Read returns a channel for each device, named by its UUID: the energy counter
// in mJ, which Volta and newer have, or the power of older ones. Which of both is
// the driver's to say and stays as it is.
func (s *Source) Read(ctx context.Context) ([]sensor.Sample, error) {
	if s.closed {
		return nil, fault.New(fault.Unavailable, "nvml", "is closed", "")
	}
	if err := ctx.Err(); err != nil {
		return nil, fault.New(fault.Unavailable, "nvml", err.Error(), "")
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	n, ret := s.lib.DeviceGetCount()
	if ret != nvml.SUCCESS {
		s.unload() // a driver that was exchanged is loaded anew
		return nil, s.failed("count the devices", ret)
	}
	if n == 0 || n > maxDevices {
		return nil, fault.New(fault.Unavailable, "nvml", fmt.Sprintf("the driver shows %d devices", n), "")
	}
	var out []sensor.Sample
	var failed error
	for i := range n {
		if ctx.Err() != nil {
			return out, fault.New(fault.Unavailable, "nvml", ctx.Err().Error(), "")
		}
		sample, err := s.device(i)
		if err != nil {
			failed = err
			continue
		}
		out = append(out, sample)
	}
	slices.SortFunc(out, func(a, b sensor.Sample) int { return cmp.Compare(a.Channel, b.Channel) })
	return out, failed
}

func (s *Source) device(i int) (sensor.Sample, error) {
	d, ret := s.lib.DeviceGetHandleByIndex(i)
	if ret != nvml.SUCCESS {
		return sensor.Sample{}, s.failed(fmt.Sprintf("find device %d", i), ret)
	}
	uuid, ret := d.GetUUID()
	if ret != nvml.SUCCESS {
		return sensor.Sample{}, s.failed(fmt.Sprintf("name device %d", i), ret)
	}
	out := sensor.Sample{Channel: uuid, Covers: sensor.Covers{Level: sensor.Device, Path: s.node, Part: uuid, Device: i}}
	mJ, ret := d.GetTotalEnergyConsumption()
	out.At = unit.Instant(time.Now().UnixNano())
	if ret == nvml.SUCCESS {
		out.Kind, out.Count, out.Tick = sensor.Counter, mJ, 1000
		return out, nil
	}
	if ret != nvml.ERROR_NOT_SUPPORTED {
		return sensor.Sample{}, s.failed("read "+uuid, ret)
	}
	mW, ret := d.GetPowerUsage()
	out.At = unit.Instant(time.Now().UnixNano())
	if ret != nvml.SUCCESS {
		return sensor.Sample{}, s.failed("read "+uuid, ret)
	}
	out.Kind, out.Power = sensor.Gauge, sensor.Milliwatts(mW)
	return out, nil
}

func (s *Source) load() error {
	if s.loaded {
		return nil
	}
	if ret := s.lib.Init(); ret != nvml.SUCCESS {
		return s.failed("load the driver's library", ret)
	}
	s.loaded = true
	return nil
}

func (s *Source) unload() {
	if s.loaded {
		s.lib.Shutdown()
		s.loaded = false
	}
}

// failed says what the driver answered. Its own texts need the library that may
// be missing, so the commonest answers have words of ours.
func (s *Source) failed(what string, ret nvml.Return) error {
	switch ret {
	case nvml.ERROR_LIBRARY_NOT_FOUND, nvml.ERROR_DRIVER_NOT_LOADED:
		return fault.New(fault.Unavailable, "nvml", what+": no NVIDIA driver is loaded on this machine", "")
	case nvml.ERROR_NO_PERMISSION:
		return fault.New(fault.Denied, "nvml", what+": not permitted", "the server needs /dev/nvidiactl")
	}
	return fault.New(fault.Unavailable, "nvml", what+": "+s.lib.ErrorString(ret), "")
}

// Close lets the driver's library go.
func (s *Source) Close() error {
	s.closed = true
	s.unload()
	return nil
}
