package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// encode renders what decode reads: keys in declaration order, quantities with
// their units, zero values left out. JSON is also YAML, so one encoder serves
// both; the encoding/json rules alone would print bare numbers.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	err := encodeValue(&b, reflect.ValueOf(v))
	return b.Bytes(), err
}

func encodeValue(b *bytes.Buffer, v reflect.Value) error {
	switch v.Kind() {
	case reflect.Pointer:
		return encodeValue(b, v.Elem())
	case reflect.Struct:
		if s, ok := v.Interface().(fmt.Stringer); ok {
			return encodePlain(b, s.String())
		}
		return encodeStruct(b, v)
	case reflect.Slice:
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := encodeValue(b, v.Index(i)); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	case reflect.Map:
		return encodeMap(b, v)
	}
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return encodePlain(b, s.String())
	}
	return encodePlain(b, v.Interface())
}

func encodeStruct(b *bytes.Buffer, v reflect.Value) error {
	b.WriteByte('{')
	comma := false
	for i := range v.NumField() {
		f := v.Type().Field(i)
		// A figure's value is printed even when it is 0: it is known to be 0.
		keep := strings.HasPrefix(v.Type().Name(), "Figure[") && f.Name == "Value"
		if !f.IsExported() || empty(v.Field(i)) && !keep {
			continue
		}
		if comma {
			b.WriteByte(',')
		}
		comma = true
		if err := encodePlain(b, snake(f.Name)); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := encodeValue(b, v.Field(i)); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

func empty(v reflect.Value) bool {
	if v.Kind() == reflect.Slice || v.Kind() == reflect.Map {
		return v.Len() == 0
	}
	return v.IsZero()
}

func encodeMap(b *bytes.Buffer, v reflect.Value) error {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
	b.WriteByte('{')
	for i, k := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := encodePlain(b, k.String()); err != nil {
			return err
		}
		b.WriteByte(':')
		start := b.Len()
		if err := encodeValue(b, v.MapIndex(k)); err != nil {
			return err
		}
		if strings.HasPrefix(k.String(), "int") { // integers have operations, not floating point ones
			item := bytes.ReplaceAll(bytes.Clone(b.Bytes()[start:]), []byte("TFLOPS"), []byte("TOPS"))
			b.Truncate(start)
			b.Write(item)
		}
	}
	b.WriteByte('}')
	return nil
}

func encodePlain(b *bytes.Buffer, v any) error {
	data, err := json.Marshal(v)
	b.Write(data)
	return err
}
