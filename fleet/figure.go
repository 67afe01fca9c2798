package fleet

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"tianfu/fault"

	"reflect"
)

// Confidence says how far a figure may be trusted.
type Confidence uint8

// The marks. Verified: read in the source named. Known: from a maker's public
// page, not read again for this table. Low: sources disagree, or an estimate of
// ours. Declared: the operator's world file says so.
const (
	NoConfidence Confidence = iota
	Verified
	Known
	Low
	Declared
)

var confidences = [...]string{NoConfidence: "", Verified: "verified", Known: "known", Low: "low", Declared: "declared"}

// String returns the mark's name.
func (c Confidence) String() string { return confidences[c] }

func parseConfidence(s string) (Confidence, error) {
	for c, name := range confidences {
		if name == s && name != "" {
			return Confidence(c), nil
		}
	}
	return 0, fault.Invalidf("", "%q is no confidence; use verified, known, low or declared", s)
}

// Figure is a quantity with its source and how far to trust it. The zero
// Figure means that nothing is known.
type Figure[Q any] struct {
	Value      Q
	Source     string // a URL, or the file and line that declared it
	Confidence Confidence
}

// Known says whether there is a figure at all.
func (f *Figure[Q]) Known() bool { return f.Confidence != NoConfidence }

// decodeNode reads a bare quantity, which takes the source and confidence of
// the entry around it, or a mapping with value, source and confidence.
func (f *Figure[Q]) decodeNode(d *decoder, n *yaml.Node) {
	*f = Figure[Q]{}
	if n.Kind == yaml.MappingNode {
		d.decodeStruct(n, reflect.ValueOf(f).Elem())
	} else {
		d.decodeScalar(n, reflect.ValueOf(&f.Value).Elem())
	}
	if f.Confidence == NoConfidence {
		f.Confidence = inherited
	}
}

// inherited marks a figure whose confidence its entry still has to give.
const inherited Confidence = 255

// settle gives every figure of an entry, a pointer to a struct, the entry's
// own source and confidence where it has none of its own.
func settle(entry any, source string, c Confidence) {
	settleValue(reflect.ValueOf(entry).Elem(), source, c)
}

func settleValue(v reflect.Value, source string, c Confidence) {
	switch {
	case v.Kind() == reflect.Map && strings.HasPrefix(v.Type().Elem().Name(), "Figure["):
		for _, k := range v.MapKeys() {
			item := reflect.New(v.Type().Elem()).Elem()
			item.Set(v.MapIndex(k))
			settleValue(item, source, c)
			v.SetMapIndex(k, item)
		}
	case v.Kind() == reflect.Struct && strings.HasPrefix(v.Type().Name(), "Figure["):
		mark, from := v.FieldByName("Confidence"), v.FieldByName("Source")
		if mark.Uint() == uint64(inherited) {
			mark.SetUint(uint64(c))
		}
		if mark.Uint() != uint64(NoConfidence) && from.String() == "" {
			from.SetString(source)
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				settleValue(v.Field(i), source, c)
			}
		}
	}
}

// Some is a number of equal parts, written NAMExN: "A100x8". Without a count it
// is one.
type Some struct {
	Name string
	N    int
}

// MaxParts bounds the count of one kind of part in a server.
const MaxParts = 1024

// ParseSome reads NAMExN. The count follows the last lower-case x; "MLU370-X8"
// is one MLU370-X8.
func ParseSome(s string) (Some, error) {
	s = strings.TrimSpace(s)
	some := Some{Name: s, N: 1}
	if i := strings.LastIndexByte(s, 'x'); i > 0 && i < len(s)-1 && strings.Trim(s[i+1:], "0123456789") == "" {
		n, err := strconv.Atoi(s[i+1:])
		if err != nil || n < 1 || n > MaxParts {
			return Some{}, fault.Invalidf("", "%q: the count must be 1 to %d", s, MaxParts)
		}
		some = Some{Name: s[:i], N: n}
	}
	if some.Name == "" {
		return Some{}, fault.Invalidf("", "no part named; write it like A100x8")
	}
	return some, nil
}

// String renders "A100x8".
func (s Some) String() string {
	if s.N == 0 {
		return s.Name
	}
	return s.Name + "x" + strconv.Itoa(s.N)
}

func (s *Some) decodeNode(d *decoder, n *yaml.Node) {
	some, err := ParseSome(n.Value)
	if err != nil || n.Kind != yaml.ScalarNode {
		d.fail(n.Line, "write it like A100x8", "expected a part and its count")
		return
	}
	*s = some
}
