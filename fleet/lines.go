package fleet

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"tianfu/unit"
)

// Line is one figure of a catalogue entry as it is shown to people.
type Line struct{ Name, Value, Confidence, Source string }

// Lines lists what an entry says of itself, each figure with its source. The
// precisions include those that only a peak names.
func (a *Accelerator) Lines() []Line {
	shown := *a
	shown.Precisions, shown.Profiles, shown.PartitionSource = a.formats(), nil, ""
	lines := linesOf(reflect.ValueOf(&shown).Elem())
	source, mark := a.Source, a.Confidence.String()
	if a.PartitionSource != "" {
		source, mark = a.PartitionSource, lower(Known, a.Confidence).String()
		for i := range lines {
			if lines[i].Name == "compute_slices" || lines[i].Name == "memory_slices" {
				lines[i].Source, lines[i].Confidence = source, mark
			}
		}
	}
	for _, p := range a.Profiles {
		lines = append(lines, Line{"profile." + p.Name, fmt.Sprintf("%d of %d compute, %d of %d memory", p.Compute, a.ComputeSlices, p.Memory, a.MemorySlices), mark, source})
	}
	return lines
}

// Lines lists what an entry says of itself, each figure with its source.
func (a *CPU) Lines() []Line { return linesOf(reflect.ValueOf(a).Elem()) }

// Lines lists what an entry says of itself, each figure with its source.
func (a *Chassis) Lines() []Line { return linesOf(reflect.ValueOf(a).Elem()) }

// Lines lists what an entry says of itself, each figure with its source.
func (a *Part) Lines() []Line { return linesOf(reflect.ValueOf(a).Elem()) }

// Lines lists what an entry says of itself, each figure with its source.
func (a *SKU) Lines() []Line { return linesOf(reflect.ValueOf(a).Elem()) }

// MarshalJSON renders the entry as a world file would.
func (a Accelerator) MarshalJSON() ([]byte, error) { return encode(a) }

// MarshalJSON renders the entry as a world file would.
func (a CPU) MarshalJSON() ([]byte, error) { return encode(a) }

// MarshalJSON renders the entry as a world file would.
func (a Chassis) MarshalJSON() ([]byte, error) { return encode(a) }

// MarshalJSON renders the entry as a world file would.
func (a Part) MarshalJSON() ([]byte, error) { return encode(a) }

// MarshalJSON renders the entry as a world file would.
func (a SKU) MarshalJSON() ([]byte, error) { return encode(a) }

// MarshalJSON renders the whole catalogue as the catalogue: part of a world
// file.
func (c *Catalogue) MarshalJSON() ([]byte, error) { return encode(*c) }

// Trust returns the lowest confidence among the named figures of an entry, as
// "idle", or "peak" for all that are in it; NoConfidence when it has none of them.
// What the world file declares counts as the best.
func Trust(lines []Line, names ...string) Confidence {
	worst := NoConfidence
	for _, l := range lines {
		if c, err := parseConfidence(l.Confidence); err == nil && slices.ContainsFunc(names, func(n string) bool { return l.Name == n || strings.HasPrefix(l.Name, n+".") }) {
			worst = lower(worst, c)
		}
	}
	return worst
}

// lower returns the lower of two confidences.
func lower(a, b Confidence) Confidence {
	if a == NoConfidence || a == Declared && b != NoConfidence {
		return b
	}
	if b == Declared {
		return a
	}
	return max(a, b)
}

// PowerTrust returns how far the power of a server can be trusted: as measured
// for the whole box, or else the lowest of its parts.
func (c *Catalogue) PowerTrust(s *SKU) Confidence {
	if s.Idle.Known() && s.Full.Known() {
		return lower(s.Idle.Confidence, s.Full.Confidence)
	}
	worst := NoConfidence
	with := func(idle, full Figure[unit.Watts]) {
		worst = lower(worst, lower(idle.Confidence, full.Confidence))
	}
	if a := c.Accelerator(Model(s.Accelerator.Name)); a != nil {
		with(a.Idle, a.Full)
	}
	name := s.CPU.Name
	if name == "" {
		name = GenericCPU
	}
	if p := c.CPU(name); p != nil {
		with(p.Idle, p.Full)
	}
	name = s.Chassis
	if name == "" {
		name = GenericChassis
	}
	if f := c.ChassisNamed(name); f != nil {
		with(f.Idle, f.Full)
	}
	for _, some := range []Some{s.DIMM, s.NIC, s.Disk} {
		if p := c.Part(some.Name); p != nil {
			with(p.Idle, p.Full)
		}
	}
	return worst
}

// linesOf lists the fields of an entry. A field that is no figure, like a
// number of slots or slices, is as good as the entry's own source.
func linesOf(v reflect.Value) []Line {
	source, mark := v.FieldByName("Source").String(), Confidence(v.FieldByName("Confidence").Uint()).String()
	var out []Line
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || empty(v.Field(i)) || f.Name == "Source" || f.Name == "Confidence" {
			continue
		}
		lines := linesOfField(v.Field(i), snake(f.Name))
		switch f.Name {
		case "Name", "Aliases", "Assumed", "Note":
		default:
			for j := range lines {
				if lines[j].Confidence == "" {
					lines[j].Confidence, lines[j].Source = mark, source
				}
			}
		}
		out = append(out, lines...)
	}
	return out
}

func linesOfField(v reflect.Value, name string) []Line {
	switch {
	case v.Kind() == reflect.Struct && strings.HasPrefix(v.Type().Name(), "Figure["):
		return []Line{{name, plainText(v.FieldByName("Value"), name), Confidence(v.FieldByName("Confidence").Uint()).String(), v.FieldByName("Source").String()}}
	case v.Kind() == reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
		var out []Line
		for _, k := range keys {
			out = append(out, linesOfField(v.MapIndex(k), name+"."+k.String())...)
		}
		return out
	}
	return []Line{{Name: name, Value: plainText(v, name)}}
}

func plainText(v reflect.Value, name string) string {
	if v.Kind() == reflect.String {
		return v.String()
	}
	if list, ok := v.Interface().([]string); ok {
		return strings.Join(list, ", ")
	}
	b, err := encode(v.Interface())
	if err != nil {
		return err.Error()
	}
	if strings.HasPrefix(name, "peak.int") {
		b = []byte(strings.Replace(string(b), "TFLOPS", "TOPS", 1))
	}
	return strings.NewReplacer(`"`, "", ",", ", ", ":", " ").Replace(string(b))
}
