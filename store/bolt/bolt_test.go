package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bbolt "go.etcd.io/bbolt"

	"tianfu/fault"
	"tianfu/store"
	"tianfu/store/bolt"
)

func TestConforms(t *testing.T) {
	store.Conform(t, false, func(t *testing.T) func() store.Store {
		dir := t.TempDir()
		return func() store.Store { return open(t, dir) }
	})
}

func open(t testing.TB, dir string) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func batch(from uint64, n int) [][]byte {
	var out [][]byte
	for i := range n {
		out = append(out, fmt.Appendf(nil, "record %d", from+uint64(i)))
	}
	return out
}

func fill(t testing.TB, s *bolt.Store, n, size int) {
	t.Helper()
	for next := uint64(1); next <= uint64(n); next += uint64(size) {
		if err := s.Append(context.Background(), next, batch(next, size)); err != nil {
			t.Fatal(err)
		}
	}
}

// readAll reads the records and says how many are as they were written.
func readAll(s *bolt.Store) (uint64, error) {
	first, _ := s.Bounds()
	n := uint64(0)
	err := s.Read(context.Background(), first, func(seq uint64, b []byte) error {
		if string(b) != fmt.Sprintf("record %d", seq) {
			return fmt.Errorf("record %d is %q", seq, b)
		}
		n++
		return nil
	})
	return n, err
}

// TestFlippedBytes changes bytes all over the file, one copy after another. The
// log opens with every record as it was, or is refused with a message that
// names the commands; never anything else.
func TestFlippedBytes(t *testing.T) {
	base := t.TempDir()
	s := open(t, base)
	const records = 600
	fill(t, s, records, 5)
	s.Close()
	text, err := os.ReadFile(filepath.Join(base, "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	dir := t.TempDir()
	tries, refused := 3000, 0
	if testing.Short() {
		tries = 600
	}
	flip := func(at int, with byte) {
		broken := append([]byte(nil), text...)
		broken[at] ^= with
		if err := os.WriteFile(filepath.Join(dir, "records.db"), broken, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := bolt.Open(dir)
		if err != nil {
			refused++
			if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "tianfu store verify") && !strings.Contains(err.Error(), "format") {
				t.Fatalf("byte %d ^ %#x: %v", at, with, err)
			}
			return
		}
		defer s.Close()
		if n, err := readAll(s); err != nil || n != records {
			t.Fatalf("byte %d ^ %#x: opened with %d of %d records, %v; notices %q", at, with, n, records, err, s.Notices())
		}
	}
	for at := range 96 { // both marks, byte by byte
		flip(at, 1<<rng.IntN(8))
		flip(os.Getpagesize()+at, 1<<rng.IntN(8))
	}
	for range tries {
		at := rng.IntN(len(text))
		if rng.IntN(3) == 0 { // heads of pages and their first entries
			at = at/os.Getpagesize()*os.Getpagesize() + rng.IntN(64)
		}
		flip(min(at, len(text)-1), byte(1+rng.IntN(255)))
	}
	t.Logf("%d of %d flips were refused, all others kept every record", refused, tries+192)
	if refused == 0 {
		t.Error("no flip was refused: the test does not reach the records")
	}
}

// TestCutFile ends the file early.
func TestCutFile(t *testing.T) {
	base := t.TempDir()
	s := open(t, base)
	fill(t, s, 600, 5)
	s.Close()
	text, err := os.ReadFile(filepath.Join(base, "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for n := len(text); n >= 0; n -= 1 + len(text)/97 {
		if err := os.WriteFile(filepath.Join(dir, "records.db"), text[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := bolt.Open(dir)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("cut to %d bytes: %v", n, err)
			}
			continue
		}
		if n, err := readAll(s); err != nil || n != 600 {
			t.Fatalf("opened with %d records, %v", n, err)
		}
		s.Close()
	}
}

// TestTornMark damages the latest commit mark: the commit is taken up again
// with a notice.
func TestTornMark(t *testing.T) {
	for mark := range 2 {
		dir := t.TempDir()
		s := open(t, dir)
		fill(t, s, 100+5*mark, 5)
		s.Close()
		name := filepath.Join(dir, "records.db")
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		clear(text[mark*os.Getpagesize()+32 : mark*os.Getpagesize()+80])
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir)
		if n, err := readAll(s); err != nil || n != uint64(100+5*mark) {
			t.Errorf("%d records, %v", n, err)
		}
		if len(s.Notices()) != 1 || !strings.Contains(s.Notices()[0], "torn commit mark") {
			t.Errorf("notices %q", s.Notices())
		}
		s.Close()
		s = open(t, dir)
		if len(s.Notices()) != 0 {
			t.Errorf("a second time: %q", s.Notices())
		}
		s.Close()
	}
}

// TestOneProcessHasTheLog opens a log that is open.
func TestOneProcessHasTheLog(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	defer s.Close()
	if _, err := bolt.Open(dir); fault.KindOf(err) != fault.Conflict {
		t.Errorf("got %v, want a conflict", err)
	}
}

// TestFormats upgrades a log of the format before, and refuses a newer one.
func TestFormats(t *testing.T) {
	dir := t.TempDir()
	writeFormat1(t, dir, 25_003)
	s := open(t, dir)
	if n, err := readAll(s); err != nil || n != 25_003 {
		t.Fatalf("%d records, %v", n, err)
	}
	if len(s.Notices()) != 1 || !strings.Contains(s.Notices()[0], "from format 1 to 2") {
		t.Errorf("notices %q", s.Notices())
	}
	if err := s.Append(context.Background(), 25_004, batch(25_004, 1)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, dir)
	if n, err := readAll(s); err != nil || n != 25_004 || len(s.Notices()) != 0 {
		t.Fatalf("%d records, %v, %q", n, err, s.Notices())
	}
	s.Close()
	putFormat(t, dir, bolt.SealedFormat(bolt.Format+1))
	if _, err := bolt.Open(dir); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "format 3") {
		t.Errorf("got %v", err)
	}
	dir = t.TempDir()
	writeFormat1(t, dir, 0)
	open(t, dir).Close()
}

// TestFormat1IsUpgradedWholeOrNotAtAll leaves a half-made file beside the old.
func TestFormat1IsUpgradedWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	writeFormat1(t, dir, 50)
	if err := os.WriteFile(filepath.Join(dir, "records.db.new"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	defer s.Close()
	if n, err := readAll(s); err != nil || n != 50 {
		t.Fatalf("%d records, %v", n, err)
	}
}

// TestUnsyncedSnapshotIsSwept leaves a half-written snapshot.
func TestUnsyncedSnapshotIsSwept(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "snapshots"), 0o700); err != nil {
		t.Fatal(err)
	}
	part := filepath.Join(dir, "snapshots", "00000000000000000007.snap.part")
	if err := os.WriteFile(part, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, dir).Close()
	if _, err := os.Stat(part); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func putFormat(t *testing.T, dir string, value []byte) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, "records.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("format"), value) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// writeFormat1 writes a log as version 0.1 of the product did.
func writeFormat1(t *testing.T, dir string, n int) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, "records.db"), 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		m, err := tx.CreateBucket([]byte("meta"))
		if err != nil {
			return err
		}
		_, err = tx.CreateBucket([]byte("records"))
		return errors.Join(err, m.Put([]byte("format"), []byte{1}))
	})
	for at := 1; err == nil && at <= n; at += 1000 {
		err = db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("records"))
			b.FillPercent = 0.95
			for seq := at; seq <= min(n, at+999); seq++ {
				if err := b.Put(bolt.Format1Record(uint64(seq), fmt.Appendf(nil, "record %d", seq))); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkAppend makes batches of 32 records durable, one after another.
func BenchmarkAppend(b *testing.B) {
	s := open(b, b.TempDir())
	defer s.Close()
	records := batch(0, 32)
	for next := uint64(1); b.Loop(); next += 32 {
		if err := s.Append(context.Background(), next, records); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*32/b.Elapsed().Seconds(), "records/s")
}
