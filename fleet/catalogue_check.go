package fleet

import (
	"reflect"
	"slices"
	"strings"

	"tianfu/unit"
)

func valueOf(p any) reflect.Value { return reflect.ValueOf(p).Elem() }

// formats returns the number formats of an accelerator, sorted.
func (a *Accelerator) formats() []string {
	all := slices.Clone(a.Precisions)
	for p := range a.Peak {
		all = append(all, p)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

var (
	stacks = []string{"cuda", "cann", "neuware", "dtk", "ppu", "rocm", "gaudi", "oneapi", "supa", "corex", "maca", "musa", "xre", "topsrider", "other"}
	forms  = []string{"sxm", "oam", "pcie"}
	kinds  = []string{"dimm", "nic", "disk", "psu"}
)

// maxSlices bounds what one device divides into, and its profiles.
const maxSlices = 64

// check finds entries that contradict themselves or name what is not there. It
// looks at those of the file being read; the built-in ones were checked before.
func (c *Catalogue) check(d *decoder) {
	for i := range c.Accelerators {
		if c.Accelerators[i].line > 0 {
			c.Accelerators[i].check(d)
		}
	}
	c.checkParts(d)
	for i := range c.SKUs {
		s := &c.SKUs[i]
		if s.line > 0 {
			c.checkSKU(d, s.line, s)
		}
	}
}

func (c *Catalogue) checkSKU(d *decoder, line int, s *SKU) {
	if _, err := c.Node(s); err != nil {
		d.fail(line, "", "%s", err)
		return
	}
	for _, p := range c.Problems(s) {
		d.fail(line, p.Fix, "SKU %s: %s", s.Name, p.What)
	}
}

func (c *Catalogue) checkParts(d *decoder) {
	for i := range c.CPUs {
		p := &c.CPUs[i]
		if p.line == 0 {
			continue
		}
		checkDraw(d, p.line, "CPU "+p.Name, p.Idle, p.Full)
		if p.Cores < 1 || p.Cores > 4096 || p.Threads < 1 || p.Threads > 16 {
			d.fail(p.line, "give cores: and threads: (logical CPUs per core)", "CPU %s has %d cores of %d threads", p.Name, p.Cores, p.Threads)
		}
	}
	for i := range c.Chassis {
		f := &c.Chassis[i]
		if f.line == 0 {
			continue
		}
		checkDraw(d, f.line, "chassis "+f.Name, f.Idle, f.Full)
		if f.Height < 1 || f.Height > maxRackUnits {
			d.fail(f.line, "give height: in rack units", "chassis %s is %d rack units high", f.Name, f.Height)
		}
		if f.AcceleratorForm != "" {
			checkWord(d, f.line, "accelerator_form", f.AcceleratorForm, forms)
		}
	}
	for i := range c.Parts {
		p := &c.Parts[i]
		if p.line == 0 {
			continue
		}
		checkWord(d, p.line, "kind", p.Kind, kinds)
		checkDraw(d, p.line, "part "+p.Name, p.Idle, p.Full)
		if p.Efficiency < 0 || p.Efficiency > 1 {
			d.fail(p.line, "give a part of 1, like 0.94", "part %s: efficiency %v", p.Name, p.Efficiency)
		}
	}
}

func (a *Accelerator) check(d *decoder) {
	checkDraw(d, a.line, "accelerator "+string(a.Name), a.Idle, a.Full)
	checkWord(d, a.line, "stack", a.Stack, stacks)
	if a.Form != "" {
		checkWord(d, a.line, "form", a.Form, forms)
	}
	for _, p := range a.formats() {
		if p == "" || strings.ToLower(p) != p {
			d.fail(a.line, "write it like fp16", "accelerator %s: precision %q", a.Name, p)
		}
	}
	if a.ComputeSlices > maxSlices || a.MemorySlices > maxSlices || len(a.Profiles) > maxSlices {
		d.fail(a.line, "", "accelerator %s: more than %d slices or profiles", a.Name, maxSlices)
	}
	seen := map[string]bool{}
	for _, p := range a.Profiles {
		switch {
		case p.Name == "" || seen[p.Name]:
			d.fail(a.line, "give each profile a name of its own", "accelerator %s: profile %q", a.Name, p.Name)
		case p.Compute < 1 || p.Compute > a.ComputeSlices || p.Memory < 0 || p.Memory > a.MemorySlices:
			d.fail(a.line, "compare compute_slices: and memory_slices:", "accelerator %s: profile %s asks %d of %d compute and %d of %d memory slices",
				a.Name, p.Name, p.Compute, a.ComputeSlices, p.Memory, a.MemorySlices)
		}
		seen[p.Name] = true
	}
}

func checkDraw(d *decoder, line int, what string, idle, full Figure[unit.Watts]) {
	if idle.Known() && full.Known() && full.Value < idle.Value {
		d.fail(line, "correct one of them", "%s draws %s idle but %s at full load", what, idle.Value, full.Value)
	}
}

func checkWord(d *decoder, line int, what, word string, known []string) {
	if !slices.Contains(known, word) {
		d.fail(line, "use one of: "+strings.Join(known, ", "), "%s: %q is not known", what, word)
	}
}
