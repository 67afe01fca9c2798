package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"tianfu/fault"
	"tianfu/unit"
)

// maxErrors bounds how many faults of one file are reported at once.
const maxErrors = 20

// at remembers the line something was declared on.
type at struct{ line int }

func (a *at) setLine(n int) { a.line = n }

// Line returns the line of the file this was declared on; 0 when it was not.
func (a at) Line() int { return a.line }

// decoder reads YAML nodes into structs. Keys are the field names in snake
// case; an unknown key, a repeated key and a quantity without its unit are
// errors that name the line. Anchors are refused: a small file that unfolds
// into a large one is not worth the risk. The YAML library's own strict mode
// is not used because it forgets lines once it has decoded.
type decoder struct {
	file    string
	errs    []error
	dropped int // faults beyond maxErrors
}

// nodeDecoder is what reads itself: figures, counts.
type nodeDecoder interface {
	decodeNode(d *decoder, n *yaml.Node)
}

func (d *decoder) fail(line int, fix, format string, args ...any) {
	if len(d.errs) >= maxErrors {
		d.dropped++
		return
	}
	d.errs = append(d.errs, fault.New(fault.Invalid, d.where(line), fmt.Sprintf(format, args...), fix))
}

func (d *decoder) where(line int) string {
	if line == 0 {
		return d.file
	}
	return d.file + ":" + strconv.Itoa(line)
}

// err returns all faults as one, each on its own line.
func (d *decoder) err() error {
	if d.dropped > 0 {
		return errors.Join(append(d.errs[:len(d.errs):len(d.errs)],
			fault.Invalidf(d.file, "%d more faults are not shown", d.dropped))...)
	}
	return errors.Join(d.errs...)
}

// parse reads one YAML document into v, a pointer to a struct.
func (d *decoder) parse(data []byte, v any) {
	var doc, more yaml.Node
	in := yaml.NewDecoder(bytes.NewReader(data))
	err := in.Decode(&doc)
	if errors.Is(err, io.EOF) || err == nil && (doc.Kind == 0 || len(doc.Content) == 0) {
		d.fail(0, "", "the file is empty")
		return
	}
	if err == nil {
		if err = in.Decode(&more); err == nil {
			d.fail(more.Line, "put everything into one", "a second document begins here")
			return
		}
	}
	if !errors.Is(err, io.EOF) {
		line, what := yamlFault(err)
		d.fail(line, "", "this is not YAML: %s", what)
		return
	}
	d.decode(doc.Content[0], reflect.ValueOf(v).Elem())
}

// yamlFault takes the line out of the library's message, "yaml: line 3: ...".
func yamlFault(err error) (int, string) {
	what := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(what, "line "); ok {
		if digits, text, ok := strings.Cut(rest, ": "); ok {
			if n, err := strconv.Atoi(digits); err == nil {
				return n, text
			}
		}
	}
	return 0, what
}

func (d *decoder) decode(n *yaml.Node, v reflect.Value) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		d.fail(n.Line, "write the value out", "anchors and aliases are not read")
		return
	}
	if l, ok := v.Addr().Interface().(interface{ setLine(int) }); ok {
		l.setLine(n.Line)
	}
	if own, ok := v.Addr().Interface().(nodeDecoder); ok {
		own.decodeNode(d, n)
		return
	}
	if raw, ok := v.Addr().Interface().(**yaml.Node); ok {
		*raw = n
		return
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // "key:" without a value is the same as no key
	}
	switch v.Kind() {
	case reflect.Struct:
		d.decodeStruct(n, v)
	case reflect.Slice:
		d.decodeSlice(n, v)
	case reflect.Map:
		d.decodeMap(n, v)
	default:
		d.decodeScalar(n, v)
	}
}

func (d *decoder) decodeStruct(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.fail(n.Line, "write keys and values", "expected %s", fieldList(v.Type()))
		return
	}
	d.eachKey(n, func(key, value *yaml.Node) {
		f, ok := fieldNamed(v.Type(), key.Value)
		if !ok {
			d.fail(key.Line, "known here: "+fieldList(v.Type()), "unknown key %q", key.Value)
			return
		}
		d.decode(value, v.Field(f))
	})
}

func (d *decoder) eachKey(n *yaml.Node, f func(key, value *yaml.Node)) {
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		switch {
		case key.Kind != yaml.ScalarNode:
			d.fail(key.Line, "", "a key must be a word")
		case seen[key.Value]:
			d.fail(key.Line, "remove one of them", "key %q is given twice", key.Value)
		default:
			seen[key.Value] = true
			f(key, n.Content[i+1])
		}
	}
}

func (d *decoder) decodeSlice(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.fail(n.Line, `start each item with "-"`, "expected a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.decode(item, v.Index(i))
	}
}

// decodeMap merges into what is there, so that an override may name one key.
func (d *decoder) decodeMap(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.fail(n.Line, "write keys and values", "expected a mapping")
		return
	}
	merged := reflect.MakeMap(v.Type())
	for it := v.MapRange(); it.Next(); {
		merged.SetMapIndex(it.Key(), it.Value())
	}
	d.eachKey(n, func(key, value *yaml.Node) {
		item := reflect.New(v.Type().Elem()).Elem()
		d.decode(value, item)
		merged.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), item)
	})
	v.Set(merged)
}

func (d *decoder) decodeScalar(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		d.fail(n.Line, "", "expected one value")
		return
	}
	var err error
	switch p := v.Addr().Interface().(type) {
	case *unit.Watts:
		*p, err = unit.ParseWatts(n.Value)
	case *unit.MilliCPU:
		*p, err = unit.ParseMilliCPU(n.Value)
	case *unit.MiB:
		*p, err = unit.ParseMiB(n.Value)
	case *unit.TFLOPS:
		*p, err = unit.ParseTFLOPS(n.Value)
	case *unit.GBps:
		*p, err = unit.ParseGBps(n.Value)
	case *unit.Yuan:
		*p, err = unit.ParseYuan(n.Value)
	case *unit.YuanPerKWh:
		*p, err = unit.ParseYuanPerKWh(n.Value)
	case *unit.KgPerKWh:
		*p, err = unit.ParseKgPerKWh(n.Value)
	case *unit.KWhPerDay:
		*p, err = unit.ParseKWhPerDay(n.Value)
	case *unit.KgPerDay:
		*p, err = unit.ParseKgPerDay(n.Value)
	case *unit.Instant:
		*p, err = unit.ParseInstant(n.Value)
	case *time.Duration:
		*p, err = unit.ParseDuration(n.Value)
	case *Health:
		*p, err = parseHealth(n.Value)
	case *Confidence:
		*p, err = parseConfidence(n.Value)
	default:
		err = decodePlain(n.Value, v)
	}
	if err != nil {
		d.fail(n.Line, "", "%s", err)
	}
}

func decodePlain(s string, v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Int:
		n, err := strconv.ParseInt(s, 10, 32)
		if err != nil || n < 0 {
			return fault.Invalidf("", "%q is no whole number of 0 or more", s)
		}
		v.SetInt(n)
	case reflect.Float64:
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || f != f || f > 1e300 || f < -1e300 {
			return fault.Invalidf("", "%q is no number", s)
		}
		v.SetFloat(f)
	case reflect.Bool:
		if s != "true" && s != "false" {
			return fault.Invalidf("", "%q is neither true nor false", s)
		}
		v.SetBool(s == "true")
	default:
		return fault.New(fault.Internal, "", "no rule reads a "+v.Type().String(), "")
	}
	return nil
}

func fieldNamed(t reflect.Type, key string) (int, bool) {
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() && snake(f.Name) == key {
			return i, true
		}
	}
	return 0, false
}

func fieldList(t reflect.Type) string {
	var names []string
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() {
			names = append(names, snake(f.Name))
		}
	}
	return strings.Join(names, ", ")
}

// snake turns MemoryKind into memory_kind and SKU into sku.
func snake(name string) string {
	var b strings.Builder
	lower := false
	for _, r := range name {
		if unicode.IsUpper(r) && lower {
			b.WriteByte('_')
		}
		lower = !unicode.IsUpper(r)
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
