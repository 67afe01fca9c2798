//go:build linux && cgo

package nvml

import (
	"testing"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"

	"tianfu/fault"
	"tianfu/sensor"
)

// machine answers as a driver would; the types are the library's own.
type machine struct {
	mock.Interface
	energy [2]uint64
	gone   bool
	loads  int
}

func newMachine() *machine {
	m := &machine{energy: [2]uint64{5_000_000, 7_000_000}}
	m.InitFunc = func() nvml.Return {
		if m.loads++; m.gone {
			return nvml.ERROR_DRIVER_NOT_LOADED
		}
		return nvml.SUCCESS
	}
	m.ShutdownFunc = func() nvml.Return { return nvml.SUCCESS }
	m.ErrorStringFunc = func(nvml.Return) string { return "the driver says no" }
	m.DeviceGetCountFunc = func() (int, nvml.Return) {
		if m.gone {
			return 0, nvml.ERROR_UNINITIALIZED
		}
		return len(m.energy), nvml.SUCCESS
	}
	m.DeviceGetHandleByIndexFunc = func(i int) (nvml.Device, nvml.Return) {
		d := &mock.Device{GetUUIDFunc: func() (string, nvml.Return) { return [...]string{"GPU-b", "GPU-a"}[i], nvml.SUCCESS }}
		d.GetTotalEnergyConsumptionFunc = func() (uint64, nvml.Return) { return m.energy[i], nvml.SUCCESS }
		return d, nvml.SUCCESS
	}
	return m
}

func TestConformance(t *testing.T) {
	sensor.Conform(t, func(t *testing.T) *sensor.Bench {
		m := newMachine()
		return &sensor.Bench{
			Draw: func() { m.energy[0] += 300; m.energy[1]++ },
			Cut:  func() { m.gone = true },
			Mend: func() { m.gone = false },
			Open: func(*testing.T) sensor.Source { return &Source{node: "n1", lib: m} },
		}
	})
}

func TestOlderAndLostDevices(t *testing.T) {
	m := newMachine()
	find := m.DeviceGetHandleByIndexFunc
	m.DeviceGetHandleByIndexFunc = func(i int) (nvml.Device, nvml.Return) {
		d, ret := find(i)
		if i == 0 {
			return d, nvml.ERROR_GPU_IS_LOST
		}
		old := d.(*mock.Device)
		old.GetTotalEnergyConsumptionFunc = func() (uint64, nvml.Return) { return 0, nvml.ERROR_NOT_SUPPORTED }
		old.GetPowerUsageFunc = func() (uint32, nvml.Return) { return 31_415, nvml.SUCCESS }
		return old, ret
	}
	s := &Source{node: "n1", lib: m}
	defer s.Close()
	out, err := s.Read(t.Context())
	if len(out) != 1 || out[0].Kind != sensor.Gauge || out[0].Power != 31_415 || out[0].Covers.Part != "GPU-a" || fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%+v %v", out, err)
	}
}

// TestDriver reads the devices of this machine.
func TestDriver(t *testing.T) {
	s := New("here")
	defer s.Close()
	first, err := s.Read(t.Context())
	if fault.KindOf(err) == fault.Unavailable && len(first) == 0 {
		t.Skip("notice: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		out, err := s.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if out[0].Kind == sensor.Gauge || out[0].Count > first[0].Count {
			t.Logf("%+v", out)
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a device drew nothing in half a minute: %+v", out)
		}
	}
}
