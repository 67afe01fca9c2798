package local

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tianfu/fault"
)

// powercap limits the packages of processors through the files that Linux shows
// (RAPL): the long-term limit, which bounds the mean over some seconds. The
// short-term one stays: it bounds peaks that a feed carries.
type powercap struct{ root string }

const (
	powercapName  = "constraint_0_name"
	powercapLimit = "constraint_0_power_limit_uw"
	powercapMost  = "constraint_0_max_power_uw"
	longTerm      = "long_term"
)

// list returns the packages. Zones within a package are part of it, and
// intel-rapl-mmio shows packages a second time: the tighter of both holds, so one
// is enough.
func (p *powercap) list() ([]Limited, error) {
	base := filepath.Join(p.root, "class/powercap")
	zones, err := filepath.Glob(filepath.Join(base, "*-rapl:*"))
	if err != nil {
		return nil, err
	}
	var out []Limited
	var failed error
	for _, zone := range zones {
		name := filepath.Base(zone)
		if strings.Count(name, ":") != 1 || p.text(name, "name") == "psys" || p.text(name, powercapName) != longTerm {
			continue
		}
		now, err := p.number(name, powercapLimit)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		most, _ := p.number(name, powercapMost) // 0 or no file: it does not tell
		out = append(out, Limited{Name: name, Now: now, Most: most})
	}
	if len(out) == 0 && failed == nil {
		failed = fault.New(fault.Unavailable, base, "no processor package shows a limit of power", "virtual machines show none; else load the module intel_rapl_msr")
	}
	slices.SortFunc(out, func(a, b Limited) int { return cmp.Compare(a.Name, b.Name) })
	return out, failed
}

// set writes a limit and reads it back: firmware may have locked it, and the kernel
// then takes the write all the same.
func (p *powercap) set(name string, milliwatts int64) error {
	if name != filepath.Base(name) || !strings.Contains(name, "-rapl:") {
		return fault.Invalidf(name, "is no package")
	}
	path := filepath.Join(p.root, "class/powercap", name, powercapLimit)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0) // never makes the file
	if err == nil {
		_, err = f.WriteString(strconv.FormatInt(milliwatts*1000, 10) + "\n")
		err = errors.Join(err, f.Close())
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Denied, path, "may not be written", "run the server as root")
	case err != nil:
		return &fault.Error{Kind: fault.Unavailable, Where: path, What: "limit the power", Err: err}
	}
	got, err := p.number(name, powercapLimit)
	if err != nil {
		return err
	}
	// Hardware has steps of an eighth of a watt and the like.
	if got > milliwatts+max(1000, milliwatts/50) {
		return fault.New(fault.Denied, path, "was set to "+watts(milliwatts)+" W and holds at "+watts(got)+" W", "the firmware keeps it: unlock power limits there")
	}
	return nil
}

func (p *powercap) close() {}

func (p *powercap) text(zone, file string) string {
	b, err := os.ReadFile(filepath.Join(p.root, "class/powercap", zone, file))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// number reads microwatts as milliwatts.
func (p *powercap) number(zone, file string) (int64, error) {
	path := filepath.Join(p.root, "class/powercap", zone, file)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrPermission) {
		return 0, fault.New(fault.Denied, path, "may not be read", "run the server as root")
	}
	if err != nil {
		return 0, &fault.Error{Kind: fault.Unavailable, Where: path, What: "read the limit", Err: err}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil || n < 0 {
		return 0, fault.New(fault.Unavailable, path, strconv.Quote(strings.TrimSpace(string(b)))+" is no limit of power", "")
	}
	return n / 1000, nil
}
