package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bbolt "go.etcd.io/bbolt"

	"tianfu/fault"
	"tianfu/store/bolt"
)

func all(t testing.TB, l *bolt.Log) [][]byte {
	t.Helper()
	var out [][]byte
	if err := l.Each(context.Background(), func(b []byte) error { out = append(out, b); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

func open(t testing.TB, dir string) *bolt.Log {
	t.Helper()
	l, err := bolt.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func batch(from, n int) [][]byte {
	var out [][]byte
	for i := range n {
		out = append(out, fmt.Appendf(nil, "record %d", from+i))
	}
	return out
}

// TestRecordsComeBackInOrder appends, closes, opens again and appends on.
func TestRecordsComeBackInOrder(t *testing.T) {
	dir := t.TempDir()
	want := 0
	for range 5 {
		l := open(t, dir)
		for n := range 4 {
			if err := l.Append(context.Background(), batch(want, n)); err != nil {
				t.Fatal(err)
			}
			want += n
		}
		l.Close()
	}
	l := open(t, dir)
	defer l.Close()
	got := all(t, l)
	if len(got) != want || l.Len() != uint64(want) {
		t.Fatalf("%d records, want %d", len(got), want)
	}
	for i, b := range got {
		if string(b) != fmt.Sprintf("record %d", i) {
			t.Errorf("record %d is %q", i, b)
		}
	}
}

// TestDamageIsFound changes one byte of a record in the file.
func TestDamageIsFound(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	if err := l.Append(context.Background(), batch(0, 50)); err != nil {
		t.Fatal(err)
	}
	l.Close()
	file := filepath.Join(dir, "records.db")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(text, []byte("record 17"))
	if at < 0 {
		t.Fatal("the record is not in the file")
	}
	for ; at >= 0; at = bytes.Index(text, []byte("record 17")) { // older pages may hold it too
		text[at] ^= 1
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir)
	defer l.Close()
	err = l.Each(context.Background(), func([]byte) error { return nil })
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "record 18 is damaged") {
		t.Errorf("got %v", err)
	}
}

// TestOneProcessHasTheLog opens a log that is open.
func TestOneProcessHasTheLog(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	defer l.Close()
	if _, err := bolt.Open(dir); fault.KindOf(err) != fault.Conflict {
		t.Errorf("got %v, want a conflict", err)
	}
}

// TestNewerFormatIsRefused opens what a later version wrote.
func TestNewerFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, dir).Close()
	db, err := bbolt.Open(filepath.Join(dir, "records.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("meta")).Put([]byte("format"), []byte{bolt.Format + 1})
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.Open(dir); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "format") {
		t.Errorf("got %v", err)
	}
}

// TestBatchIsAllOrNothing appends a batch with a record that is too large.
func TestBatchIsAllOrNothing(t *testing.T) {
	l := open(t, t.TempDir())
	defer l.Close()
	if err := l.Append(context.Background(), [][]byte{[]byte("kept")}); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(context.Background(), [][]byte{[]byte("lost"), make([]byte, bolt.MaxRecord+1)}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("got %v", err)
	}
	if got := all(t, l); len(got) != 1 || string(got[0]) != "kept" {
		t.Errorf("the log holds %q", got)
	}
}

// BenchmarkAppend makes batches of 32 records durable, one after another.
func BenchmarkAppend(b *testing.B) {
	l := open(b, b.TempDir())
	defer l.Close()
	records := batch(0, 32)
	for b.Loop() {
		if err := l.Append(context.Background(), records); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*32/b.Elapsed().Seconds(), "records/s")
}
