package store_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"tianfu/fault"
	"tianfu/store"
	"tianfu/store/memory"
)

// sample returns a store with a snapshot and trimmed records, some large.
func sample(t *testing.T, size int) store.Store {
	t.Helper()
	s, ctx := memory.New(), context.Background()
	var list [][]byte
	for i := range 300 {
		list = append(list, bytes.Repeat([]byte{byte(i)}, 1+i*size/20000))
	}
	if err := s.Append(ctx, 11, list); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveSnapshot(ctx, 100, func(w io.Writer) error { _, err := w.Write(bytes.Repeat([]byte("state"), size)); return err }); err != nil {
		t.Fatal(err)
	}
	return s
}

func backup(t *testing.T, s store.Store) []byte {
	t.Helper()
	var b bytes.Buffer
	a := store.NewArchive(&b, store.Manifest{Centre: "c", Taken: "2026-01-01T00:00:00Z"})
	if err := a.Store(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	if err := a.File("audit/1.jsonl", []byte("line\n")); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// contents lists all that a store holds.
func contents(t *testing.T, s store.Store) string {
	t.Helper()
	var out bytes.Buffer
	first, last := s.Bounds()
	fmt.Fprintln(&out, first, last)
	if err := s.Read(context.Background(), first, func(seq uint64, r []byte) error { fmt.Fprintf(&out, "%d %x\n", seq, r); return nil }); err != nil {
		t.Fatal(err)
	}
	list, err := s.Snapshots(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range list {
		fmt.Fprintln(&out, "snapshot", at)
		if err := s.LoadSnapshot(context.Background(), at, func(r io.Reader) error { _, err := io.Copy(&out, r); return err }); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

func TestBackupComesBackWhole(t *testing.T) {
	s := sample(t, 2<<20)
	text := backup(t, s)
	m, err := store.VerifyBackup(bytes.NewReader(text))
	if err != nil || m.First != 11 || m.Last != 310 || *m.Snapshot != 100 {
		t.Fatalf("%+v, %v", m, err)
	}
	fresh, files := memory.New(), ""
	err = store.Restore(context.Background(), bytes.NewReader(text), m, fresh, func(name string, b []byte) error { files += name + "=" + string(b); return nil })
	if err != nil || files != "audit/1.jsonl=line\n" {
		t.Fatalf("%q, %v", files, err)
	}
	if contents(t, s) != contents(t, fresh) {
		t.Error("the restored store holds something else")
	}
	if err := store.Restore(context.Background(), bytes.NewReader(text), m, fresh, nil); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a store that holds records was written over: %v", err)
	}
}

// TestDamagedBackupsAreRefused cuts a backup and changes bytes all over it.
func TestDamagedBackupsAreRefused(t *testing.T) {
	s := sample(t, 1000)
	text := backup(t, s)
	for n := 0; n < len(text); n += 1 + len(text)/50 {
		if _, err := store.VerifyBackup(bytes.NewReader(text[:n])); fault.KindOf(err) != fault.Invalid {
			t.Errorf("cut to %d of %d bytes: %v", n, len(text), err)
		}
	}
	for at := 10; at < len(text); at += 1 + len(text)/200 { // the head of gzip holds a time and a system
		changed := bytes.Clone(text)
		changed[at] ^= 1 << (at % 8)
		m, err := store.VerifyBackup(bytes.NewReader(changed))
		if err == nil { // a bit that pads the compressed stream
			fresh := memory.New()
			if err := store.Restore(context.Background(), bytes.NewReader(changed), m, fresh, func(string, []byte) error { return nil }); err != nil || contents(t, fresh) != contents(t, s) {
				t.Errorf("byte %d changed and was not noticed: %v", at, err)
			}
		} else if fault.KindOf(err) != fault.Invalid {
			t.Errorf("byte %d changed: %v", at, err)
		}
	}
}
