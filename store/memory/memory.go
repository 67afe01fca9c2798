// Package memory keeps a record log and its snapshots in memory: for tests,
// simulation and what-if, where nothing needs to outlive the process. It makes
// nothing durable. Read this file; it is the room.
package memory

import (
	"bytes"
	"context"
	"io"
	"maps"
	"slices"
	"sync"

	"tianfu/fault"
	"tianfu/store"
)

// Store is a store.Store in memory.
type Store struct {
	mu        sync.Mutex
	first     uint64
	records   [][]byte
	snapshots map[uint64][]byte
}

var _ store.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store { return &Store{first: 1, snapshots: map[uint64][]byte{}} }

func (s *Store) last() uint64 { return s.first + uint64(len(s.records)) - 1 }

// Append keeps records.
func (s *Store) Append(_ context.Context, first uint64, records [][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := store.CheckAppend(s.first, s.last(), first, records); err != nil || len(records) == 0 {
		return err
	}
	if len(s.records) == 0 {
		s.first = first
	}
	for _, r := range records {
		s.records = append(s.records, bytes.Clone(r))
	}
	return nil
}

// Bounds returns the first and the last record.
func (s *Store) Bounds() (first, last uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first, s.last()
}

// Read calls f with the records from a number on.
func (s *Store) Read(ctx context.Context, from uint64, f func(uint64, []byte) error) error {
	s.mu.Lock()
	err := store.CheckRead(s.first, from)
	var list [][]byte
	if err == nil && from <= s.last() {
		list = slices.Clone(s.records[from-s.first:])
	}
	s.mu.Unlock()
	for i, r := range list {
		if ctx.Err() != nil {
			return fault.New(fault.Unavailable, "records", "interrupted", "")
		}
		if err := f(from+uint64(i), bytes.Clone(r)); err != nil {
			return err
		}
	}
	return err
}

// Trim forgets the records before a number.
func (s *Store) Trim(_ context.Context, before uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := store.CheckTrim(s.last(), before); err != nil || before <= s.first {
		return err
	}
	s.records = slices.Clone(s.records[before-s.first:])
	s.first = before
	return nil
}

// SaveSnapshot keeps a snapshot.
func (s *Store) SaveSnapshot(_ context.Context, at uint64, write func(io.Writer) error) error {
	first, last := s.Bounds()
	if err := store.CheckSnapshot(first, last, at); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.snapshots[at] = b.Bytes()
	return nil
}

// Snapshots lists the snapshots.
func (s *Store) Snapshots(context.Context) ([]uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.snapshots)), nil
}

// LoadSnapshot reads a snapshot.
func (s *Store) LoadSnapshot(_ context.Context, at uint64, read func(io.Reader) error) error {
	s.mu.Lock()
	b, ok := s.snapshots[at]
	s.mu.Unlock()
	if !ok {
		return store.NoSnapshot(at)
	}
	return read(bytes.NewReader(b))
}

// DropSnapshot forgets a snapshot.
func (s *Store) DropSnapshot(_ context.Context, at uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.snapshots, at)
	return nil
}

// Room is always there.
func (s *Store) Room() error { return nil }

// Close does nothing.
func (s *Store) Close() error { return nil }
