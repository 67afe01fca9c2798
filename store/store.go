// Package store is the port to where a centre keeps its history: a log of
// records, numbered from 1, and snapshots of the state that their fold gave. It
// owns the promises that every implementation keeps, the suite that holds them
// to it (Conform), and what can be done to any of them alike: backup and
// restore. It never looks into a record. Read this file first.
package store

import (
	"context"
	"fmt"
	"io"

	"tianfu/fault"
)

// MaxRecord is the most bytes of one record.
const MaxRecord = 64 << 20

// Store is one log of records with the snapshots taken of it.
//
// One process writes it. An implementation on one machine locks it and gives
// the second process a Conflict when it opens; one on a shared database cannot
// always do so, and there the sequence numbers do: an Append names the number
// its first record is to have, and whoever is not at the end any more is
// refused.
//
// Every error is a *fault.Error. Damage is Invalid: what was kept is not what
// was written, and nothing that follows may be trusted. It names the record and
// the command that mends it. An implementation finds damage when it is opened
// or read; it never passes over it and never panics of it.
//
// Opening a store of the format before upgrades it, in place and all or
// nothing; a newer one, or one older still, is Invalid and names the versions.
//
// Methods may be called from several goroutines. A Read or a snapshot that is
// being written holds up no Append.
type Store interface {
	// Append makes records durable under the numbers from first on, all or
	// none: when it returns nil they survive the end of the process and the
	// loss of power. A batch costs one flush however many records it has; that
	// is the group commit of whoever gathers batches.
	//
	// first must be one more than the last record, else it is a Conflict and
	// nothing happened; an empty store takes any first from 1 on, so that a
	// trimmed history can be restored. A full disk is Exhausted: nothing
	// happened, and the same Append may be tried again. After any other error
	// it is not known whether the batch is there; the store must be opened
	// again to find out. No records are nothing to do.
	Append(ctx context.Context, first uint64, records [][]byte) error

	// Bounds returns the numbers of the first and the last record kept; an
	// empty store has 1 and 0.
	Bounds() (first, last uint64)

	// Read calls f with the records from a number on, in order, as far as they
	// go when the call begins, and returns what f returns where it is not nil.
	// The bytes are f's to keep. Records before the first kept are NotFound.
	// f may take its time, and may call the store.
	Read(ctx context.Context, from uint64, f func(seq uint64, record []byte) error) error

	// Trim forgets the records before a number, which must be at most the
	// last: one record always stays, so that the count goes on. What was cut
	// off by a crash halfway is a shorter trim, never a gap.
	Trim(ctx context.Context, before uint64) error

	// SaveSnapshot keeps what write writes as the snapshot after record at,
	// durably and whole or not at all. at lies between the record before the
	// first and the last. A snapshot that is there already is replaced.
	SaveSnapshot(ctx context.Context, at uint64, write func(io.Writer) error) error

	// Snapshots lists the snapshots by their record, oldest first.
	Snapshots(ctx context.Context) ([]uint64, error)

	// LoadSnapshot calls read with a snapshot, and returns nil only when all of
	// it was as it was written: what read made of it must be thrown away when
	// the answer is an error. None is NotFound, damage Invalid.
	LoadSnapshot(ctx context.Context, at uint64, read func(io.Reader) error) error

	// DropSnapshot forgets a snapshot; none is no error.
	DropSnapshot(ctx context.Context, at uint64) error

	// Room is nil while new work may be taken, and Exhausted when there is
	// little room left: what runs can then still be recorded.
	Room() error

	// Close gives the store back. Nothing may be called afterwards.
	Close() error
}

// CheckAppend refuses a batch that no implementation takes, for a store that
// holds first to last.
func CheckAppend(first, last, at uint64, records [][]byte) error {
	switch {
	case at == 0 || last >= first && at != last+1:
		return fault.New(fault.Conflict, fmt.Sprintf("record %d", at), fmt.Sprintf("cannot be written: the last record is %d", last), "another process may write this store; stop one of them")
	case at > 1<<62:
		return fault.New(fault.Exhausted, fmt.Sprintf("record %d", at), "is past the last number there can be", "")
	}
	for i, r := range records {
		if len(r) > MaxRecord {
			return fault.New(fault.Invalid, fmt.Sprintf("record %d", at+uint64(i)), fmt.Sprintf("has %d bytes", len(r)), "64 MiB is the most")
		}
	}
	return nil
}

// CheckRead refuses to read what is not kept any more.
func CheckRead(first, from uint64) error {
	if from < first {
		return fault.New(fault.NotFound, fmt.Sprintf("record %d", from), fmt.Sprintf("is not kept any more; the first is %d", first), "restore a backup that holds it")
	}
	return nil
}

// CheckTrim refuses to forget the last record.
func CheckTrim(last, before uint64) error {
	if before > last {
		return fault.New(fault.Invalid, fmt.Sprintf("record %d", before), fmt.Sprintf("is past the last, %d: one record stays", last), "")
	}
	return nil
}

// CheckSnapshot refuses a snapshot of what is not there.
func CheckSnapshot(first, last, at uint64) error {
	if at+1 < first || at > last || last < first {
		return fault.New(fault.Invalid, fmt.Sprintf("snapshot at record %d", at), fmt.Sprintf("lies outside the records %d to %d", first, last), "")
	}
	return nil
}

// NoSnapshot says that there is none.
func NoSnapshot(at uint64) error {
	return fault.New(fault.NotFound, fmt.Sprintf("snapshot at record %d", at), "is not there", "")
}
