package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"tianfu/fault"
)

// Conform holds an implementation to the promises of the port. For each of its
// tests it asks for a site of its own; the function it gets back opens the
// store over that site, again and again after Close. forgets is true of one
// that keeps nothing over a Close.
func Conform(t *testing.T, forgets bool, site func(t *testing.T) (open func() Store)) {
	tests := []struct {
		name string
		run  func(*harness)
	}{
		{"records come back in order", testOrder},
		{"a batch is all or nothing", testWhole},
		{"whoever is not at the end is refused", testFence},
		{"reading from a number", testRead},
		{"trim", testTrim},
		{"an empty store begins anywhere", testBegin},
		{"snapshots", testSnapshots},
		{"a snapshot that fails is not there", testHalfSnapshot},
		{"readers and a writer", testConcurrent},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := &harness{T: t, ctx: context.Background(), open: site(t), forgets: forgets}
			h.s = h.open()
			t.Cleanup(func() { h.s.Close() })
			test.run(h)
		})
	}
}

type harness struct {
	*testing.T
	ctx     context.Context
	open    func() Store
	forgets bool
	s       Store
}

// reopen closes the store and opens it again, where it remembers.
func (h *harness) reopen() {
	h.Helper()
	if h.forgets {
		return
	}
	h.ok(h.s.Close())
	h.s = h.open()
}

func (h *harness) ok(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *harness) kind(err error, want fault.Kind) {
	h.Helper()
	if err == nil || fault.KindOf(err) != want {
		h.Fatalf("got %v, want the kind %v", err, want)
	}
}

func (h *harness) bounds(first, last uint64) {
	h.Helper()
	if a, b := h.s.Bounds(); a != first || b != last {
		h.Fatalf("holds %d to %d, want %d to %d", a, b, first, last)
	}
}

func text(seq uint64) []byte { return fmt.Appendf(nil, "record %d", seq) }

func (h *harness) append(first uint64, n int) {
	h.Helper()
	var batch [][]byte
	for i := range n {
		batch = append(batch, text(first+uint64(i)))
	}
	h.ok(h.s.Append(h.ctx, first, batch))
}

// holds reads from a number to the end and compares.
func (h *harness) holds(from, last uint64) {
	h.Helper()
	want := from
	h.ok(h.s.Read(h.ctx, from, func(seq uint64, b []byte) error {
		if seq != want || string(b) != string(text(seq)) {
			return fmt.Errorf("record %d is %q where %d was due", seq, b, want)
		}
		want++
		return nil
	}))
	if want != last+1 {
		h.Fatalf("read up to %d, want %d", want-1, last)
	}
}

func testOrder(h *harness) {
	h.bounds(1, 0)
	h.holds(1, 0)
	next := uint64(1)
	for n := range 7 {
		h.append(next, n)
		next += uint64(n)
		h.reopen()
	}
	h.append(next, 10_000)
	h.reopen()
	h.bounds(1, next+9999)
	h.holds(1, next+9999)
	h.ok(h.s.Append(h.ctx, next+10_000, [][]byte{nil}))
	h.reopen()
	h.ok(h.s.Read(h.ctx, next+10_000, func(_ uint64, b []byte) error {
		if len(b) != 0 {
			return fmt.Errorf("an empty record came back as %q", b)
		}
		return nil
	}))
}

func testWhole(h *harness) {
	h.append(1, 3)
	h.kind(h.s.Append(h.ctx, 4, [][]byte{text(4), make([]byte, MaxRecord+1)}), fault.Invalid)
	h.bounds(1, 3)
	h.append(4, 2)
	h.reopen()
	h.holds(1, 5)
	large := bytes.Repeat([]byte("large "), 1<<20)
	h.ok(h.s.Append(h.ctx, 6, [][]byte{large}))
	h.reopen()
	h.ok(h.s.Read(h.ctx, 6, func(_ uint64, b []byte) error {
		if !bytes.Equal(b, large) {
			return errors.New("a large record is not what it was")
		}
		return nil
	}))
}

func testFence(h *harness) {
	h.kind(h.s.Append(h.ctx, 0, [][]byte{text(0)}), fault.Conflict)
	h.append(1, 5)
	for _, at := range []uint64{0, 1, 5, 7, 1 << 63} {
		h.kind(h.s.Append(h.ctx, at, [][]byte{text(at)}), fault.Conflict)
	}
	h.reopen()
	h.holds(1, 5)
}

func testRead(h *harness) {
	h.append(1, 50)
	h.holds(50, 50)
	h.holds(51, 50)
	h.kind(h.s.Read(h.ctx, 0, nil), fault.NotFound)
	stop := errors.New("enough")
	n := 0
	if err := h.s.Read(h.ctx, 10, func(uint64, []byte) error { n++; return stop }); !errors.Is(err, stop) || n != 1 {
		h.Fatalf("stopped after %d records with %v", n, err)
	}
	last := uint64(0)
	h.ok(h.s.Read(h.ctx, 1, func(seq uint64, b []byte) error {
		if seq == 1 {
			h.append(51, 1) // f may call the store
		}
		clear(b) // and the bytes are its own
		last = seq
		return nil
	}))
	if last != 50 {
		h.Fatalf("read up to %d: what came later is another call's", last)
	}
	h.holds(1, 51)
	over, cancel := context.WithCancel(h.ctx)
	cancel()
	h.kind(h.s.Read(over, 1, func(uint64, []byte) error { return nil }), fault.Unavailable)
}

func testTrim(h *harness) {
	h.kind(h.s.Trim(h.ctx, 1), fault.Invalid)
	h.append(1, 25_000)
	h.ok(h.s.Trim(h.ctx, 1))
	h.holds(1, 25_000)
	h.ok(h.s.Trim(h.ctx, 24_001))
	h.kind(h.s.Read(h.ctx, 24_000, nil), fault.NotFound)
	h.ok(h.s.Trim(h.ctx, 7)) // already forgotten
	h.reopen()
	h.bounds(24_001, 25_000)
	h.holds(24_001, 25_000)
	h.kind(h.s.Trim(h.ctx, 25_001), fault.Invalid)
	h.ok(h.s.Trim(h.ctx, 25_000))
	h.reopen()
	h.append(25_001, 2)
	h.holds(25_000, 25_002)
}

func testBegin(h *harness) {
	h.append(1000, 3)
	h.reopen()
	h.bounds(1000, 1002)
	h.append(1003, 1)
	h.holds(1000, 1003)
}

func (h *harness) save(at uint64, what string) error {
	return h.s.SaveSnapshot(h.ctx, at, func(w io.Writer) error {
		for i := range len(what) { // in small pieces
			if _, err := w.Write([]byte{what[i]}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (h *harness) load(at uint64) (string, error) {
	var b []byte
	err := h.s.LoadSnapshot(h.ctx, at, func(r io.Reader) (err error) { b, err = io.ReadAll(r); return err })
	return string(b), err
}

func testSnapshots(h *harness) {
	h.kind(h.save(1, "of nothing"), fault.Invalid)
	h.append(1, 30)
	_, err := h.load(7)
	h.kind(err, fault.NotFound)
	h.ok(h.save(20, "twenty"))
	h.ok(h.save(7, "seven"))
	h.ok(h.save(30, ""))
	h.kind(h.save(31, "later"), fault.Invalid)
	h.ok(h.save(20, "twenty again"))
	h.reopen()
	list, err := h.s.Snapshots(h.ctx)
	h.ok(err)
	if fmt.Sprint(list) != "[7 20 30]" {
		h.Fatalf("snapshots %v", list)
	}
	for at, want := range map[uint64]string{7: "seven", 20: "twenty again", 30: ""} {
		if got, err := h.load(at); err != nil || got != want {
			h.Fatalf("snapshot %d is %q, %v", at, got, err)
		}
	}
	h.ok(h.s.DropSnapshot(h.ctx, 7))
	h.ok(h.s.DropSnapshot(h.ctx, 7))
	h.ok(h.s.Trim(h.ctx, 21))
	h.ok(h.save(20, "before the first record")) // what a trimmed log stands on
	h.kind(h.save(19, "gone"), fault.Invalid)
	h.reopen()
	if got, err := h.load(20); err != nil || got != "before the first record" {
		h.Fatalf("%q, %v", got, err)
	}
	stop := errors.New("enough")
	if err := h.s.LoadSnapshot(h.ctx, 20, func(io.Reader) error { return stop }); !errors.Is(err, stop) {
		h.Fatalf("got %v", err)
	}
}

func testHalfSnapshot(h *harness) {
	h.append(1, 5)
	h.ok(h.save(5, "whole"))
	stop := errors.New("the state cannot be written")
	half := func(w io.Writer) error { w.Write([]byte("half")); return stop }
	if err := h.s.SaveSnapshot(h.ctx, 5, half); !errors.Is(err, stop) {
		h.Fatalf("got %v", err)
	}
	if err := h.s.SaveSnapshot(h.ctx, 4, half); !errors.Is(err, stop) {
		h.Fatalf("got %v", err)
	}
	h.reopen()
	if got, err := h.load(5); err != nil || got != "whole" {
		h.Fatalf("%q, %v", got, err)
	}
	_, err := h.load(4)
	h.kind(err, fault.NotFound)
}

func testConcurrent(h *harness) {
	var wg sync.WaitGroup
	const batches, size = 40, 50
	h.append(1, size)
	for range 3 {
		wg.Go(func() {
			for range batches {
				first, last := h.s.Bounds()
				next := first
				err := h.s.Read(h.ctx, first, func(seq uint64, b []byte) error {
					if seq != next || string(b) != string(text(seq)) {
						return fmt.Errorf("record %d is %q", seq, b)
					}
					next++
					return nil
				})
				if err == nil && next <= last {
					err = fmt.Errorf("read up to %d of %d", next-1, last)
				}
				if err != nil && fault.KindOf(err) != fault.NotFound { // trimmed meanwhile
					h.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for range batches / 4 {
			_, last := h.s.Bounds()
			if err := h.save(last, "state"); err != nil {
				h.Error(err)
			}
		}
	})
	for i := 1; i < batches; i++ {
		h.append(uint64(i*size+1), size)
		if i%10 == 0 {
			h.ok(h.s.Trim(h.ctx, uint64(i*size/2)))
		}
	}
	wg.Wait()
	h.reopen()
	first, _ := h.s.Bounds()
	h.holds(first, batches*size)
}
