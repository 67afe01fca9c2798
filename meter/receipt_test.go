package meter

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

// filled sets every figure within a value to another one.
func filled(v reflect.Value, next *int64) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		filled(v.Elem(), next)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			filled(v.Index(i), next)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			filled(v.Field(i), next)
		}
	case reflect.Bool:
		v.SetBool(true)
	default:
		if *next++; v.CanInt() {
			v.SetInt(*next % 100)
		} else {
			v.SetUint(uint64(*next % 100))
		}
	}
}

// TestOldReceiptsAreReadWhole writes a receipt of version 1 that has something of
// everything, and reads it.
func TestOldReceiptsAreReadWhole(t *testing.T) {
	r := &Receipt{Version: oldReceipt, Job: "j-7", Name: `a","Energy":"b`, Tenant: "lab", Entries: []ReceiptEntry{{Site: "here", Node: "n1", From: "x", To: "y"}}}
	next := int64(0)
	filled(reflect.ValueOf(&r.Entries[0].Interval).Elem(), &next)
	filled(reflect.ValueOf(&r.Entries[0].Parts).Elem(), &next)
	filled(reflect.ValueOf(&r.Totals).Elem(), &next)
	text, err := r.oldText()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"interval":{"From":1,`, `"CoresPerPackage":`, `"Still":[{"From":`, `"Reading":{"Basis":`, `"parts":[{"Line":`, `"DeviceMillis":`, `"totals":{"cpu_held_us":`} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	back, err := ReadReceipt(text)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, r) {
		t.Errorf("read %+v\nof %+v", back, r)
	}
}

// TestReceiptShowsNothingUnverified adds to a receipt of either version a key that
// nothing verifies, and gives one twice.
func TestReceiptShowsNothingUnverified(t *testing.T) {
	r := &Receipt{Version: ReceiptVersion, Job: "j-7", Tenant: "lab", Entries: []ReceiptEntry{{Site: "here", Node: "n1"}}}
	next := int64(0)
	filled(reflect.ValueOf(&r.Entries[0].Interval).Elem(), &next)
	filled(reflect.ValueOf(&r.Entries[0].Parts).Elem(), &next)
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	r.Version = oldReceipt
	old, err := r.oldText()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{text, old} {
		if _, err := ReadWholeReceipt(text); err != nil {
			t.Errorf("%v: %s", err, text)
		}
		for from, to := range map[string]string{
			`{"version":`:      `{"paid":true,"version":`,
			`"job":"j-7"`:      `"job":"j-8","job":"j-7"`,
			`"totals":{`:       `"totals":{"Cost":1,`,
			`"node":"n1"`:      `"node":"n1","Node":"n1"`,
			`"tenant":"lab"`:   `"tenant":"lab","TENANT":"lab"`,
			`"parts":[{`:       `"parts":[{"note":[{}],`,
			`"site":"here"`:    `"site":"there","site":"here"`,
			`"interval":{`:     `"interval":{"energy":{},`,
			`,"totals":{"cpu_`: `,"totals":{},"totals":{"cpu_`,
		} {
			bad := bytes.Replace(text, []byte(from), []byte(to), 1)
			if bytes.Equal(bad, text) {
				t.Fatalf("no %s in %s", from, text)
			}
			if _, err := ReadWholeReceipt(bad); err == nil {
				t.Errorf("taken: %s", to)
			}
		}
	}
}
