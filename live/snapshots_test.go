package live

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"tianfu/engine"
	"tianfu/store/memory"
)

// TestNothingToForgetIsNoFailure makes snapshots of a centre whose records must all be
// kept yet: each is made, and none is called a failure. Then all but what the older
// snapshot needs is forgotten.
func TestNothingToForgetIsNoFailure(t *testing.T) {
	s, c := ran(t)
	c.o.KeepRecords = time.Hour
	first, _ := s.Bounds()
	for at := c.last - 2; at <= c.last; at++ {
		if err := c.saveSnapshot(t.Context(), at, c.state.Freeze()); err != nil {
			t.Errorf("the snapshot of record %d: %v", at, err)
		}
	}
	if now, _ := s.Bounds(); now != first {
		t.Errorf("records from %d on are kept, and were from %d on: they are not an hour old", now, first)
	}
	if at, err := c.KeptFrom(t.Context()); at != 0 || err != nil {
		t.Errorf("records are kept from %v on, %v: none was forgotten", at, err)
	}
	c.o.KeepRecords = time.Nanosecond
	if err := c.saveSnapshot(t.Context(), c.last, c.state.Freeze()); err != nil {
		t.Error(err)
	}
	if now, _ := s.Bounds(); now == first {
		t.Error("nothing was forgotten")
	}
	if at, err := c.KeptFrom(t.Context()); at <= 0 || err != nil {
		t.Errorf("records are kept from %v on, %v", at, err)
	}
}

// junk saves a snapshot that nobody can read.
func junk(t *testing.T, s *memory.Store, at uint64) {
	t.Helper()
	if err := s.SaveSnapshot(t.Context(), at, func(w io.Writer) error { _, err := io.WriteString(w, "junk"); return err }); err != nil {
		t.Fatal(err)
	}
}

// ran is a store with the records of a centre that took three jobs, and its last record.
func ran(t *testing.T) (s *memory.Store, c *Centre) {
	t.Helper()
	s = memory.New()
	c = small(t, s, &stuck{started: make(chan engine.Key, 100), reports: make(chan engine.Report)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	for range 3 {
		one(t, c)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return s, c
}

// TestADamagedSnapshotPushesNoneOut: what the start fell back to stays until two that
// can be read are newer, and the damaged one goes with it. One that takes the damaged
// one's place counts.
func TestADamagedSnapshotPushesNoneOut(t *testing.T) {
	s, c := ran(t)
	if err := c.saveSnapshot(t.Context(), c.last-2, c.state.Freeze()); err != nil {
		t.Fatal(err)
	}
	junk(t, s, c.last-1)
	kept := func(c *Centre, at uint64, want ...uint64) {
		t.Helper()
		if err := c.saveSnapshot(t.Context(), at, c.state.Freeze()); err != nil {
			t.Fatal(err)
		}
		if list, err := s.Snapshots(t.Context()); err != nil || !slices.Equal(list, want) {
			t.Errorf("snapshots %d, %v; want %d", list, err, want)
		}
	}
	last := c.last
	again := small(t, s, &stuck{started: make(chan engine.Key, 100), reports: make(chan engine.Report)})
	kept(again, last, last-2, last-1, last)
	kept(again, last-1, last-1, last)
	junk(t, s, last-1)
	junk(t, s, last)
	again = small(t, s, &stuck{started: make(chan engine.Key, 100), reports: make(chan engine.Report)})
	kept(again, last, last-1, last)
}

// TestALostEndStopsTheStart: a snapshot of what the log has not would be taken for the
// state as soon as other records have its number.
func TestALostEndStopsTheStart(t *testing.T) {
	full, c := ran(t)
	junk(t, full, c.last)
	var cut [][]byte
	if err := full.Read(t.Context(), 1, func(_ uint64, r []byte) error { cut = append(cut, r); return nil }); err != nil {
		t.Fatal(err)
	}
	lost := memory.New()
	if err := lost.Append(t.Context(), 1, cut[:len(cut)-1]); err != nil {
		t.Fatal(err)
	}
	o := c.o
	o.Store = ahead{lost, c.last}
	if _, _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "its end is lost") {
		t.Errorf("a log that ends before a snapshot: %v", err)
	}
	o.Store = full
	if _, _, err := Open(t.Context(), o); err != nil {
		t.Errorf("a whole log with a damaged snapshot: %v", err)
	}
}

// ahead is a store with a snapshot of a record that it lost.
type ahead struct {
	*memory.Store
	at uint64
}

func (a ahead) Snapshots(context.Context) ([]uint64, error) { return []uint64{a.at}, nil }
