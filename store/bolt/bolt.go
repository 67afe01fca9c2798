// Package bolt keeps the record log of a centre in one file of bbolt, a
// copy-on-write B+tree with one fsync discipline: a transaction is there whole
// after a crash, or not at all. Every record carries a checksum of its own, for
// bbolt does not sum its data pages. It never looks into a record. Read this
// file; it is the room.
package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"syscall"
	"time"

	bbolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"tianfu/fault"
)

// Format is the version of what is in the file.
const Format = 1

// Limits of the log.
const (
	MaxRecord   = 64 << 20
	lowRoom     = 64 << 20 // free bytes below which no new work is taken
	lockTimeout = 2 * time.Second
)

var (
	metaBucket   = []byte("meta")
	recordBucket = []byte("records")
	formatKey    = []byte("format")
	castagnoli   = crc32.MakeTable(crc32.Castagnoli)
)

// Log is an open record log. One process has it at a time.
type Log struct {
	db   *bbolt.DB
	dir  string
	next uint64
}

// Open opens the log in a directory, or begins one. A directory that another
// process has is a Conflict; a newer format is Invalid.
func Open(dir string) (*Log, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Where: dir, What: "make the data directory", Err: err}
	}
	file := filepath.Join(dir, "records.db")
	db, err := bbolt.Open(file, 0o600, &bbolt.Options{Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fault.New(fault.Conflict, dir, "another process has this data directory", "stop it, or choose another with --data")
	case err != nil:
		return nil, &fault.Error{Kind: fault.Invalid, Where: file, What: "open the record log", Err: err, Fix: "restore a backup"}
	}
	l := &Log{db: db, dir: dir, next: 1}
	if err := db.Update(l.prepare); err != nil {
		db.Close()
		return nil, err
	}
	return l, nil
}

func (l *Log) prepare(tx *bbolt.Tx) error {
	meta, err := tx.CreateBucketIfNotExists(metaBucket)
	if err != nil {
		return err
	}
	records, err := tx.CreateBucketIfNotExists(recordBucket)
	if err != nil {
		return err
	}
	switch have := meta.Get(formatKey); {
	case have == nil:
		if err := meta.Put(formatKey, []byte{Format}); err != nil {
			return err
		}
	case have[0] > Format:
		return fault.New(fault.Invalid, l.dir, fmt.Sprintf("was written in format %d, this version reads up to %d", have[0], Format), "use the version that wrote it, or a newer one")
	}
	if k, _ := records.Cursor().Last(); k != nil {
		l.next = binary.BigEndian.Uint64(k) + 1
	}
	return nil
}

// Append makes records durable, all or none. A full disk is Exhausted, and the
// log stays as it was.
func (l *Log) Append(_ context.Context, records [][]byte) error {
	next := l.next
	err := l.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(recordBucket)
		b.FillPercent = 0.95 // keys only grow
		for _, r := range records {
			if len(r) > MaxRecord {
				return fault.New(fault.Invalid, "record", fmt.Sprintf("of %d bytes", len(r)), "64 MiB is the most")
			}
			var key [8]byte
			binary.BigEndian.PutUint64(key[:], next)
			value := binary.BigEndian.AppendUint32(make([]byte, 0, len(r)+4), crc32.Checksum(r, castagnoli))
			if err := b.Put(key[:], append(value, r...)); err != nil {
				return err
			}
			next++
		}
		return nil
	})
	if errors.Is(err, syscall.ENOSPC) {
		return fault.New(fault.Exhausted, l.dir, "the disk is full", "make room; nothing was recorded")
	}
	if err != nil {
		return fault.Wrap(err, l.dir, "append")
	}
	l.next = next
	return nil
}

// Each calls f with every record in order. Damage is Invalid and names the
// record.
func (l *Log) Each(ctx context.Context, f func([]byte) error) error {
	return l.db.View(func(tx *bbolt.Tx) error {
		want := uint64(1)
		c := tx.Bucket(recordBucket).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if ctx.Err() != nil {
				return fault.New(fault.Unavailable, l.dir, "interrupted", "")
			}
			if len(k) != 8 || binary.BigEndian.Uint64(k) != want {
				return fault.New(fault.Invalid, l.dir, fmt.Sprintf("record %d is missing", want), "restore a backup")
			}
			if len(v) < 4 || binary.BigEndian.Uint32(v) != crc32.Checksum(v[4:], castagnoli) {
				return fault.New(fault.Invalid, l.dir, fmt.Sprintf("record %d is damaged", want), "restore a backup")
			}
			if err := f(append([]byte(nil), v[4:]...)); err != nil {
				return err
			}
			want++
		}
		return nil
	})
}

// Len returns the number of records.
func (l *Log) Len() uint64 { return l.next - 1 }

// Room is nil while new work may be taken, and Exhausted when the disk is
// nearly full: what runs can then still be recorded.
func (l *Log) Room() error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(l.dir, &s); err != nil {
		return nil // a file system that does not say is taken at its word when it writes
	}
	if free := s.Bavail * uint64(s.Bsize); free < lowRoom {
		return fault.New(fault.Exhausted, l.dir, fmt.Sprintf("only %d MiB of disk are left", free>>20), "make room; running tasks go on")
	}
	return nil
}

// Close gives the log back.
func (l *Log) Close() error { return l.db.Close() }
