package energy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"tianfu/fault"
)

// MaxPlantBytes bounds a plant file.
const MaxPlantBytes = 1 << 20

// ParsePlant reads a plant from JSON:
//
//	{"name": ..., "source": ..., "kind": ..., "as_published": true,
//	 "chiller_cop_grid": FILE, "parameters": {"ups_efficiency": 0.945, ...}}
//
// Only parameters is required; its keys end with their units. Kind is
// waterside-economiser unless said, as_published is true for that kind. The
// parameters that the kind needs must all be there, and no others. Liquid
// cooling is five parameters that come together. Errors name file, line and key.
//
// The plant returned has the built-in chiller; where ChillerFile is set, the
// caller reads that file and puts its chiller in.
func ParsePlant(name string, text []byte) (*Plant, error) {
	if len(text) > MaxPlantBytes {
		return nil, fault.Invalidf(name, "larger than %d bytes", MaxPlantBytes)
	}
	f := plantFile{name: name, text: text, dec: json.NewDecoder(bytes.NewReader(text))}
	f.dec.UseNumber()
	p, err := f.read()
	if err != nil {
		return nil, err
	}
	p.Chiller = BuiltInChiller(p.ChillerKind())
	return p, nil
}

// plantFile walks over the tokens of a plant file, so that errors know a line
// and repeated keys are seen.
type plantFile struct {
	name string
	text []byte
	dec  *json.Decoder
}

// where returns file:line of the token read last.
func (f *plantFile) where() string {
	at := min(int(f.dec.InputOffset()), len(f.text))
	return fmt.Sprintf("%s:%d", f.name, 1+bytes.Count(f.text[:at], []byte("\n")))
}

func (f *plantFile) token() (json.Token, error) {
	t, err := f.dec.Token()
	if err == nil {
		return t, nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fault.New(fault.Invalid, f.where(), "the file ends too early", "close every brace and quote")
	}
	return nil, fault.Invalidf(f.where(), "not JSON: %v", err)
}

// object calls each for every key of the object that comes next.
func (f *plantFile) object(what string, each func(key string) error) error {
	if t, err := f.token(); err != nil {
		return err
	} else if t != json.Delim('{') {
		return fault.Invalidf(f.where(), "%s must be an object in braces", what)
	}
	seen := map[string]bool{}
	for {
		t, err := f.token()
		if err != nil {
			return err
		}
		key, ok := t.(string)
		if !ok {
			return nil // the closing brace: the decoder lets nothing else through
		}
		if seen[key] {
			return fault.Invalidf(f.where(), "key %q is given twice", key)
		}
		seen[key] = true
		if err := each(key); err != nil {
			return err
		}
	}
}

// value reads a scalar of type T: string, bool or json.Number.
func value[T any](f *plantFile, key string) (T, error) {
	t, err := f.token()
	v, ok := t.(T)
	if err == nil && !ok {
		wanted := map[any]string{"": "a text in quotes", false: "true or false", json.Number(""): "a number without quotes"}[any(v)]
		err = fault.Invalidf(f.where(), "%s is of the wrong type: %v; write %s", key, t, wanted)
	}
	return v, err
}

// given is a parameter with its place.
type given struct {
	where string
	value float64
}

func (f *plantFile) read() (*Plant, error) {
	p := &Plant{Name: f.name, Kind: WatersideEconomiser}
	var published *bool
	parameters := map[string]given{}
	err := f.object("a plant file", func(key string) (err error) {
		switch key {
		case "name":
			p.Name, err = value[string](f, key)
		case "source":
			p.Source, err = value[string](f, key)
		case "kind":
			var k string
			k, err = value[string](f, key)
			p.Kind = PlantKind(k)
			if err == nil && p.Kind.parts() == nil {
				err = fault.New(fault.Invalid, f.where(), fmt.Sprintf("kind %q", k), fmt.Sprintf("use %s, %s or %s", WatersideEconomiser, DryCooler, Expansion))
			}
		case "as_published":
			var b bool
			b, err = value[bool](f, key)
			published = &b
		case "chiller_cop_grid":
			p.ChillerFile, err = value[string](f, key)
		case "parameters":
			err = f.parameters(parameters)
		default:
			err = fault.New(fault.Invalid, f.where(), fmt.Sprintf("unknown key %q", key), "use name, source, kind, as_published, chiller_cop_grid, parameters")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if _, err := f.dec.Token(); err != io.EOF {
		return nil, fault.Invalidf(f.where(), "something follows the closing brace")
	}
	p.AsPublished = p.Kind == WatersideEconomiser
	if published != nil {
		p.AsPublished = *published
	}
	if err := f.fill(p, parameters); err != nil {
		return nil, err
	}
	return p, f.check(p, parameters)
}

// parameters collects the numbers of the inner object.
func (f *plantFile) parameters(into map[string]given) error {
	known := map[string]figure{}
	for _, g := range figures() {
		known[g.key] = g
	}
	return f.object("parameters", func(key string) error {
		g, ok := known[key]
		if !ok {
			return fault.New(fault.Invalid, f.where(), fmt.Sprintf("unknown parameter %q", key), "names carry their unit; \"tianfu green plants\" lists those of each kind")
		}
		n, err := value[json.Number](f, key)
		if err != nil {
			return err
		}
		v, err := bounded(f.where(), key, n.String(), g.low, g.high)
		into[key] = given{f.where(), v}
		return err
	})
}

// fill sets the plant's numbers: all that its kind needs, and no others.
func (f *plantFile) fill(p *Plant, parameters map[string]given) error {
	needs := p.Kind.parts()
	_, liquid := parameters["liquid_heat_share"]
	if liquid {
		needs = append(needs, liquidCooling)
	}
	var missing []string
	for _, g := range figures() {
		v, ok := parameters[g.key]
		wanted := slices.Contains(needs, g.part)
		switch {
		case ok && !wanted && g.part == liquidCooling:
			return fault.New(fault.Invalid, v.where, g.key+" without liquid_heat_share", "say which share of the IT heat the liquid takes")
		case ok && !wanted:
			return fault.Invalidf(v.where, "%s has no meaning for a plant of the kind %s", g.key, p.Kind)
		case !ok && wanted:
			missing = append(missing, g.key)
		case ok:
			*g.at(p) = v.value
		}
	}
	if missing != nil {
		return fault.Invalidf(f.name, "parameters lack %s", strings.Join(missing, ", "))
	}
	return nil
}

// check holds the numbers against each other.
func (f *plantFile) check(p *Plant, parameters map[string]given) error {
	pairs := [...]struct{ low, high string }{
		{"supply_temperature_min_c", "supply_temperature_max_c"},
		{"dew_point_min_c", "dew_point_max_c"},
		{"relative_humidity_min_pct", "relative_humidity_max_pct"},
	}
	for _, c := range pairs {
		if low, high := parameters[c.low], parameters[c.high]; low.value > high.value {
			return fault.Invalidf(low.where, "%s %g is above %s %g", c.low, low.value, c.high, high.value)
		}
	}
	if p.AsPublished && p.Kind != WatersideEconomiser {
		return fault.Invalidf(f.name, "as_published has a meaning only for the kind %s", WatersideEconomiser)
	}
	if p.LiquidHeatShare > 0 && p.Kind == Expansion {
		return fault.Invalidf(parameters["liquid_heat_share"].where, "a plant of the kind %s has no water for a liquid loop", Expansion)
	}
	return nil
}
