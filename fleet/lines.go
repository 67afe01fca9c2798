package fleet

import (
	"reflect"
	"slices"
	"strings"
)

// Line is one figure of a catalogue entry as it is shown to people.
type Line struct{ Name, Value, Confidence, Source string }

// Lines lists what an entry says of itself, each figure with its source.
func (a *Accelerator) Lines() []Line { return linesOf(reflect.ValueOf(a).Elem(), "") }

// Lines lists what an entry says of itself, each figure with its source.
func (a *CPU) Lines() []Line { return linesOf(reflect.ValueOf(a).Elem(), "") }

// Lines lists what an entry says of itself, each figure with its source.
func (a *Chassis) Lines() []Line { return linesOf(reflect.ValueOf(a).Elem(), "") }

// Lines lists what an entry says of itself, each figure with its source.
func (a *Part) Lines() []Line { return linesOf(reflect.ValueOf(a).Elem(), "") }

// Lines lists what an entry says of itself, each figure with its source.
func (a *SKU) Lines() []Line { return linesOf(reflect.ValueOf(a).Elem(), "") }

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

// Trust returns the lowest confidence among an entry's figures.
func Trust(lines []Line) Confidence {
	worst := Verified
	for _, l := range lines {
		c, err := parseConfidence(l.Confidence)
		if err == nil && c != Declared && c > worst {
			worst = c
		}
	}
	return worst
}

func linesOf(v reflect.Value, prefix string) []Line {
	var out []Line
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || empty(v.Field(i)) || f.Name == "Source" || f.Name == "Confidence" {
			continue
		}
		out = append(out, linesOfField(v.Field(i), prefix+snake(f.Name))...)
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
	b, err := encode(v.Interface())
	if err != nil {
		return err.Error()
	}
	if strings.HasPrefix(name, "peak.int") {
		b = []byte(strings.Replace(string(b), "TFLOPS", "TOPS", 1))
	}
	return strings.NewReplacer(`"`, "", ",", ", ", ":", " ").Replace(string(b))
}
