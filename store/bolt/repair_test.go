package bolt_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tianfu/fault"
	"tianfu/store/bolt"
)

// damage changes the one place in the log that holds a record's text.
func damage(t *testing.T, dir, record string) {
	t.Helper()
	name := filepath.Join(dir, "records.db")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for at := 0; ; n++ { // older copies of a page hold it too
		i := bytes.Index(text[at:], []byte(record))
		if i < 0 {
			break
		}
		text[at+i+len(record)-1] ^= 0x40
		at += i + len(record)
	}
	if n == 0 {
		t.Fatalf("%q is not in the log", record)
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRepair damages one record in the middle. The start is refused with the
// offset, verify says what can be saved, repair saves it and keeps the damaged
// file, and the log goes on from there.
func TestRepair(t *testing.T) {
	for _, c := range []struct {
		name           string
		snapshot       uint64
		first, last    uint64
		lost           string
		from, recordAt uint64
	}{
		{"without a snapshot the head is kept", 0, 1, 299, "[{300 600}]", 0, 300},
		{"with one after the damage its tail is", 400, 301, 600, "[{1 300}]", 400, 300},
		{"one before the damage saves nothing more", 100, 1, 299, "[{300 600}]", 0, 300},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			fill(t, s, 600, 5)
			if c.snapshot > 0 {
				snapshotAt(t, s, c.snapshot)
			}
			s.Close()
			damage(t, dir, fmt.Sprintf("record %d", c.recordAt))
			if _, err := bolt.Open(dir); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "record 300, byte ") || !strings.Contains(err.Error(), "tianfu store repair") {
				t.Fatalf("open: %v", err)
			}
			f, err := bolt.Verify(dir, nil)
			if err != nil || f.OK() || f.Saved == nil || f.Saved.First != c.first || f.Saved.Last != c.last || f.From != c.from || fmt.Sprint(f.Lost) != c.lost || f.Whole != 599 {
				t.Fatalf("verify: %+v, saved %+v, %v", f, f.Saved, err)
			}
			before, _ := os.ReadFile(filepath.Join(dir, "records.db"))
			_, kept, err := bolt.Repair(dir)
			if err != nil || len(kept) == 0 {
				t.Fatalf("repair: %v, kept %v", err, kept)
			}
			if old, err := os.ReadFile(filepath.Join(dir, "records.db.damaged")); err != nil || !bytes.Equal(old, before) {
				t.Errorf("the damaged file was not kept as it was: %v", err)
			}
			if f, err = bolt.Verify(dir, nil); err != nil || !f.OK() {
				t.Fatalf("after the repair: %+v, %v", f, err)
			}
			s = open(t, dir)
			defer s.Close()
			if n, err := readAll(s); err != nil || n != c.last-c.first+1 {
				t.Errorf("%d records, %v", n, err)
			}
			if err := s.Append(context.Background(), c.last+1, batch(c.last+1, 3)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRepairPutsSnapshotsOfALostFutureAside: a snapshot that stands after the
// last record kept would later be taken for what was recorded since.
func TestRepairPutsSnapshotsOfALostFutureAside(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	fill(t, s, 600, 5)
	for _, at := range []uint64{250, 300} {
		snapshotAt(t, s, at)
	}
	s.Close()
	damage(t, dir, "record 290")
	damage(t, dir, "record 310")
	if _, _, err := bolt.Repair(dir); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	defer s.Close()
	first, last := s.Bounds()
	if list, err := s.Snapshots(context.Background()); err != nil || fmt.Sprint(list) != "[300]" || first != 291 || last != 309 {
		t.Errorf("records %d to %d, snapshots %v, %v", first, last, list, err)
	}
}

// snapshotAt saves a snapshot of a record.
func snapshotAt(t *testing.T, s *bolt.Store, at uint64) {
	t.Helper()
	if err := s.SaveSnapshot(t.Context(), at, func(w io.Writer) error { _, err := io.WriteString(w, "state"); return err }); err != nil {
		t.Fatal(err)
	}
}

// TestATrimmedLogNeedsASnapshot: of a log whose first records are forgotten nothing can
// be made without a snapshot, and repair does not pretend.
func TestATrimmedLogNeedsASnapshot(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	fill(t, s, 600, 5)
	snapshotAt(t, s, 250)
	if err := s.Trim(t.Context(), 200); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if f, err := bolt.Verify(dir, nil); err != nil || !f.OK() {
		t.Errorf("with its snapshot: %+v, %v", f, err)
	}
	name := filepath.Join(dir, "snapshots", fmt.Sprintf("%020d.snap", 250))
	if err := os.Truncate(name, 20); err != nil {
		t.Fatal(err)
	}
	if f, err := bolt.Verify(dir, nil); err != nil || f.OK() || len(f.Damage) != 1 || f.Saved != nil {
		t.Errorf("without: %+v, %v", f, err)
	}
	if _, _, err := bolt.Repair(dir); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "restore a backup") {
		t.Errorf("repair: %v", err)
	}
	if _, err := os.Stat(name); err != nil {
		t.Errorf("the snapshot: %v", err)
	}
}

// TestALostLogIsNotBegunAnew: snapshots without a log would be taken for the state of
// whatever is recorded next.
func TestALostLogIsNotBegunAnew(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	fill(t, s, 600, 5)
	snapshotAt(t, s, 250)
	s.Close()
	if err := os.Remove(filepath.Join(dir, "records.db")); err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.Open(dir); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("opened beside a snapshot: %v", err)
	}
	if bolt.Exists(dir) {
		t.Error("a log was made")
	}
}

// TestNothingToRepair leaves a whole log as it is, and refuses one in use.
func TestNothingToRepair(t *testing.T) {
	dir := t.TempDir()
	if _, err := bolt.Verify(dir, nil); fault.KindOf(err) != fault.NotFound {
		t.Errorf("an empty directory: %v", err)
	}
	s := open(t, dir)
	fill(t, s, 50, 5)
	if _, err := bolt.Verify(dir, nil); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a log in use: %v", err)
	}
	s.Close()
	n := 0
	f, err := bolt.Verify(dir, func(uint64, []byte) error { n++; return nil })
	if err != nil || !f.OK() || n != 50 || f.Whole != 50 {
		t.Errorf("%+v, %d records, %v", f, n, err)
	}
	if f, kept, err := bolt.Repair(dir); err != nil || len(kept) != 0 || !f.OK() {
		t.Errorf("%v, %v", kept, err)
	}
}
