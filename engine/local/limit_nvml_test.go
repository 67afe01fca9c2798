//go:build linux && cgo

package local

import (
	"maps"
	"strings"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"

	"tianfu/fault"
)

// cards answers as a driver would: limits in mW by UUID. GPU-old has no power
// management.
type cards struct {
	mock.Interface
	limit map[string]uint32
	deny  nvml.Return // of setting; SUCCESS = it is taken
	gone  bool
}

func newCards() *cards {
	c := &cards{limit: map[string]uint32{"GPU-a": 700_000, "GPU-b": 650_000, "GPU-old": 0}}
	names := []string{"GPU-a", "GPU-b", "GPU-old"}
	c.InitFunc = func() nvml.Return {
		if c.gone {
			return nvml.ERROR_LIBRARY_NOT_FOUND
		}
		return nvml.SUCCESS
	}
	c.ShutdownFunc = func() nvml.Return { return nvml.SUCCESS }
	c.ErrorStringFunc = func(nvml.Return) string { return "the driver says no" }
	c.DeviceGetCountFunc = func() (int, nvml.Return) { return len(names), nvml.SUCCESS }
	c.DeviceGetHandleByIndexFunc = func(i int) (nvml.Device, nvml.Return) { return c.card(names[i]), nvml.SUCCESS }
	c.DeviceGetHandleByUUIDFunc = func(uuid string) (nvml.Device, nvml.Return) {
		if _, there := c.limit[uuid]; !there {
			return nil, nvml.ERROR_NOT_FOUND
		}
		return c.card(uuid), nvml.SUCCESS
	}
	return c
}

func (c *cards) card(uuid string) nvml.Device {
	return &mock.Device{
		GetUUIDFunc: func() (string, nvml.Return) { return uuid, nvml.SUCCESS },
		GetPowerManagementLimitFunc: func() (uint32, nvml.Return) {
			if c.limit[uuid] == 0 {
				return 0, nvml.ERROR_NOT_SUPPORTED
			}
			return c.limit[uuid], nvml.SUCCESS
		},
		GetPowerManagementLimitConstraintsFunc: func() (uint32, uint32, nvml.Return) { return 200_000, 700_000, nvml.SUCCESS },
		SetPowerManagementLimitFunc: func(mW uint32) nvml.Return {
			if c.deny != nvml.SUCCESS {
				return c.deny
			}
			if mW < 200_000 || mW > 700_000 {
				return nvml.ERROR_INVALID_ARGUMENT
			}
			c.limit[uuid] = mW
			return nvml.SUCCESS
		},
	}
}

func (c *cards) knobs() map[string]knob {
	return map[string]knob{Accelerators: &nvmlKnob{lib: c}, Processors: &powercap{root: "/nowhere"}}
}

// TestLimitsOfAccelerators lowers devices within what they can keep, from what they
// had, and puts that back, for a server that was killed too.
func TestLimitsOfAccelerators(t *testing.T) {
	c, dir := newCards(), t.TempDir()
	l := openedLimits(t, dir, c.knobs(), Accelerators)
	if held := mustHold(t, l, 500); !held[Accelerators] || held[Processors] {
		t.Errorf("held: %v", held)
	}
	if want := map[string]uint32{"GPU-a": 350_000, "GPU-b": 325_000, "GPU-old": 0}; !maps.Equal(c.limit, want) {
		t.Errorf("at half: %v", c.limit)
	}
	l = openedLimits(t, dir, c.knobs(), Accelerators) // the one before was killed
	held, err := l.hold(200)
	if err == nil || !strings.Contains(err.Error(), "200 W at the least, and 140 W are wanted") || held[Accelerators] {
		t.Errorf("lower than the devices can: %v, held %v", err, held)
	}
	if want := map[string]uint32{"GPU-a": 200_000, "GPU-b": 200_000, "GPU-old": 0}; !maps.Equal(c.limit, want) {
		t.Errorf("as low as they can: %v", c.limit)
	}
	// A driver that refuses to put back: it stays remembered, and goes when it can.
	c.deny = nvml.ERROR_NO_PERMISSION
	if err := l.close(); fault.KindOf(err) != fault.Denied || len(HeldBefore(dir)) != 2 {
		t.Errorf("not permitted: %v, held %v", err, HeldBefore(dir))
	}
	c.deny = nvml.SUCCESS
	if err := openedLimits(t, dir, c.knobs(), Accelerators).close(); err != nil {
		t.Fatal(err)
	}
	if want := map[string]uint32{"GPU-a": 700_000, "GPU-b": 650_000, "GPU-old": 0}; !maps.Equal(c.limit, want) || HeldBefore(dir) != nil {
		t.Errorf("put back: %v, held %v", c.limit, HeldBefore(dir))
	}
	c.gone = true
	if _, err := openedLimits(t, dir, c.knobs(), Accelerators).hold(500); fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "no NVIDIA driver") {
		t.Errorf("no driver: %v", err)
	}
}
