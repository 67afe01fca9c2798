package meter

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"strings"

	"tianfu/job"
)

// oldReceipt is the version of receipts whose intervals and parts have the names of
// the program's own fields ("CarbonLocation") where later ones have
// "carbon_location". Their hash is of that text.
const oldReceipt = 1

// oldText is such a receipt, with its intervals and parts as they are written.
type oldText struct {
	Version int        `json:"version"`
	Job     string     `json:"job"`
	Name    string     `json:"name"`
	Tenant  job.Tenant `json:"tenant"`
	Entries []oldEntry `json:"entries"`
	Totals  Totals     `json:"totals"`
	Hash    string     `json:"sha256,omitempty"`
}

type oldEntry struct {
	ReceiptEntry
	Interval json.RawMessage `json:"interval"`
	Parts    json.RawMessage `json:"parts"`
}

// ReadReceipt reads a receipt of any version.
func ReadReceipt(text []byte) (*Receipt, error) {
	r := &Receipt{}
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, err
	}
	if head.Version != oldReceipt {
		return r, json.Unmarshal(text, r)
	}
	var old oldText
	if err := json.Unmarshal(text, &old); err != nil {
		return nil, err
	}
	*r = Receipt{Version: old.Version, Job: old.Job, Name: old.Name, Tenant: old.Tenant, Entries: []ReceiptEntry{}, Totals: old.Totals, Hash: old.Hash}
	for _, o := range old.Entries {
		e := o.ReceiptEntry
		if err := readOld(o.Interval, &e.Interval); err != nil {
			return nil, err
		}
		if err := readOld(o.Parts, &e.Parts); err != nil {
			return nil, err
		}
		r.Entries = append(r.Entries, e)
	}
	return r, nil
}

// oldText renders a receipt as version 1 did.
func (r *Receipt) oldText() ([]byte, error) {
	old := oldText{Version: r.Version, Job: r.Job, Name: r.Name, Tenant: r.Tenant, Entries: []oldEntry{}, Totals: r.Totals, Hash: r.Hash}
	for i := range r.Entries {
		e := &r.Entries[i]
		interval, err := writeOld(&e.Interval)
		if err != nil {
			return nil, err
		}
		parts, err := writeOld(&e.Parts)
		if err != nil {
			return nil, err
		}
		old.Entries = append(old.Entries, oldEntry{*e, interval, parts})
	}
	return json.Marshal(&old)
}

// key is a key of an object in JSON without spaces. Nothing else looks like one: the
// intervals and parts of a receipt hold no text.
var key = regexp.MustCompile(`[{,]"\w+":`)

func readOld(text []byte, out any) error {
	var plain bytes.Buffer
	if err := json.Compact(&plain, text); err != nil {
		return err
	}
	names := map[string]string{}
	fieldNames(reflect.TypeOf(out), func(field, key string) { names[field] = key })
	return json.Unmarshal(renamed(plain.Bytes(), names), out)
}

func writeOld(in any) ([]byte, error) {
	text, err := json.Marshal(in)
	names := map[string]string{}
	fieldNames(reflect.TypeOf(in), func(field, key string) { names[key] = field })
	return renamed(text, names), err
}

func renamed(text []byte, names map[string]string) []byte {
	return key.ReplaceAllFunc(text, func(k []byte) []byte {
		name := string(k[2 : len(k)-2])
		if other, known := names[name]; known {
			name = other
		}
		return append(append(k[:2:2], name...), `":`...)
	})
}

// fieldNames calls f with the name of every field of a type, and of those within it,
// and the key that it is written under.
func fieldNames(t reflect.Type, f func(field, key string)) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		fieldNames(t.Elem(), f)
	case reflect.Struct:
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			f(t.Field(i).Name, name)
			fieldNames(t.Field(i).Type, f)
		}
	}
}
