// Package rapl reads the energy counters of processors that Linux shows under
// /sys/class/powercap (RAPL of Intel and AMD): one channel for each package and
// one for each package's memory. It owns which zones add up and which are part
// of another; it changes no limit. Read this file first; it is the room.
package rapl

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs/sysfs"

	"tianfu/fault"
	"tianfu/sensor"
	"tianfu/unit"
)

// Source reads the zones of one machine.
type Source struct {
	root   string
	node   string
	closed bool
}

// New makes a source for the node's own processors. Root is where sysfs is
// mounted; empty is /sys.
func New(root, node string) *Source {
	if root == "" {
		root = sysfs.DefaultMountPoint
	}
	return &Source{root: root, node: node}
}

// Read returns the counters in µJ. They wrap after max_energy_range_uj.
func (s *Source) Read(ctx context.Context) ([]sensor.Sample, error) {
	if s.closed {
		return nil, fault.New(fault.Unavailable, "rapl", "is closed", "")
	}
	if err := ctx.Err(); err != nil {
		return nil, fault.New(fault.Unavailable, "rapl", err.Error(), "")
	}
	zones, err := s.zones()
	if err != nil {
		return nil, err
	}
	var out []sensor.Sample
	var failed error
	for _, z := range zones {
		n, err := z.zone.GetEnergyMicrojoules()
		if err != nil {
			failed = readFault(z.zone.Path, err)
			continue
		}
		modulus := z.zone.MaxMicrojoules + 1
		if z.zone.MaxMicrojoules == 0 {
			modulus = 0 // it does not say
		}
		out = append(out, sensor.Sample{
			Channel: z.name, Covers: sensor.Covers{Level: sensor.Package, Path: s.node, Part: z.name},
			At: unit.Instant(time.Now().UnixNano()), Kind: sensor.Counter, Count: n, Tick: 1, Modulus: modulus,
		})
	}
	return out, failed
}

// Close serves sensor.Source.
func (s *Source) Close() error {
	s.closed = true
	return nil
}

// named is a zone with the name of its channel, such as package-0 or
// package-0-dram.
type named struct {
	name string
	zone sysfs.RaplZone
}

// zones finds packages and their memory. A package's core and uncore are part of
// it, psys is a sum of unknown parts, and intel-rapl-mmio shows packages a
// second time: none of them is read.
func (s *Source) zones() ([]named, error) {
	dir, err := sysfs.NewFS(s.root)
	if err != nil {
		return nil, fault.New(fault.Unavailable, s.root, "no sysfs here: "+err.Error(), "")
	}
	all, err := sysfs.GetRaplZones(dir)
	if err != nil {
		return nil, readFault(filepath.Join(s.root, "class/powercap"), err)
	}
	packages := map[string]string{} // by zone, such as intel-rapl:0
	var out []named
	for _, z := range all {
		zone := filepath.Base(z.Path)
		if z.Name == "package" && strings.Count(zone, ":") == 1 && !strings.HasPrefix(zone, "intel-rapl-mmio") {
			// The library cuts "package-0" into name and index; a die has a longer
			// name and keeps it.
			packages[zone] = "package-" + strconv.Itoa(z.Index)
		} else if strings.HasPrefix(z.Name, "package-") && strings.Count(zone, ":") == 1 && !strings.HasPrefix(zone, "intel-rapl-mmio") {
			packages[zone] = z.Name
		}
		if name := packages[zone]; name != "" {
			out = append(out, named{name, z})
		}
	}
	for _, z := range all {
		zone := filepath.Base(z.Path)
		if i := strings.LastIndexByte(zone, ':'); i > 0 && z.Name == "dram" && packages[zone[:i]] != "" {
			out = append(out, named{packages[zone[:i]] + "-dram", z})
		}
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Unavailable, filepath.Join(s.root, "class/powercap"), "no RAPL package is shown", "load the module intel_rapl_msr, or read the node by another meter")
	}
	slices.SortFunc(out, func(a, b named) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

func readFault(where string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Denied, where, "may not be read", "run the server as root, or let its group read energy_uj")
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.Unavailable, where, "does not exist", "this kernel shows no RAPL; virtual machines often do not")
	}
	return &fault.Error{Kind: fault.Unavailable, Where: where, What: "read", Err: err}
}
