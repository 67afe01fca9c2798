// Package bolt keeps the record log of a centre in one file of bbolt, a
// copy-on-write B+tree with one fsync discipline: a commit is there whole after
// a crash, or not at all. bbolt sums neither pages nor values and trusts what it
// reads, so every record carries a checksum of its own and a file is looked at
// page by page before bbolt may open it. Snapshots lie in files beside it. It
// never looks into a record. Read this file first, then format.go and
// inspect.go; repair.go mends what is damaged.
package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	bbolt "go.etcd.io/bbolt"

	"tianfu/fault"
	"tianfu/store"
)

const (
	lowRoom   = 64 << 20 // free bytes below which no new work is taken
	readBytes = 4 << 20  // of records taken in one look at the file
	readCount = 4096
	trimCount = 10_000 // records forgotten in one commit: it holds up an append
)

// Store is an open record log. One process has it at a time.
type Store struct {
	dir     string
	db      *bbolt.DB
	lock    *os.File
	notices []string

	writing sync.Mutex // one writer
	mu      sync.Mutex // guards what is below
	span    span
	broken  error // a commit of which it is not known whether it is there
}

var _ store.Store = (*Store)(nil)

// Open opens the log in a directory, or begins one. A directory that another
// process has is a Conflict; damage, a newer format or one too old is Invalid.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Where: dir, What: "make the data directory", Err: err}
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir, lock: lock}
	if err := s.open(); err != nil {
		lock.Close()
		return nil, err
	}
	return s, nil
}

func fileOf(dir string) string { return filepath.Join(dir, "records.db") }

func (s *Store) open() error {
	name := fileOf(s.dir)
	if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
		if err := s.begin(name); err != nil {
			return err
		}
	}
	x, torn, err := look(name)
	if err != nil {
		return err
	}
	if x.format == 1 && len(x.damage) == 0 {
		if err := s.upgrade(name, x.after); err != nil {
			return err
		}
		s.notices = append(s.notices, fmt.Sprintf("the record log was upgraded from format 1 to %d: %d records", Format, x.records))
		if x, torn, err = look(name); err != nil {
			return err
		}
	}
	if len(x.damage) > 0 {
		return damaged(name, x.damage[0])
	}
	if s.db, err = openBolt(name); err != nil {
		return err
	}
	if x.empty { // bbolt made the file and the process ended
		x.span = span{first: 1}
		err = s.db.Update(prepare)
	}
	s.span = x.span
	if err == nil && torn {
		err = s.takeUp(x.after)
	}
	if err != nil {
		s.db.Close()
		return fault.Wrap(err, name, "open")
	}
	return s.sweepSnapshots()
}

// look inspects a file; a format that this version cannot read is an error.
func look(name string) (x *inspection, torn bool, err error) {
	p, err := openPages(name)
	if err != nil {
		if p != nil {
			p.Close()
		}
		return nil, false, err
	}
	defer p.Close()
	if x, err = p.inspect(nil); err != nil {
		return nil, false, err
	}
	if x.format > Format {
		return nil, false, newerFormat(name, x.format)
	}
	return x, p.torn, nil
}

func openBolt(name string) (*bbolt.DB, error) {
	// The list of free pages is not kept but found again by looking at those in
	// use: a damaged list would give out pages that hold records.
	db, err := bbolt.Open(name, 0o600, &bbolt.Options{Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType, NoFreelistSync: true})
	if err != nil {
		return nil, &fault.Error{Kind: fault.Invalid, Where: name, What: "open the record log", Err: err, Fix: "restore a backup"}
	}
	return db, nil
}

// begin makes the log of a new centre. Snapshots without a log are what is left of
// an old one: beside a new log they would be taken for its state as soon as it is
// as long.
func (s *Store) begin(name string) error {
	list, err := s.Snapshots(context.Background())
	if err != nil {
		return err
	}
	if len(list) > 0 {
		return Missing(s.dir, "snapshots")
	}
	return create(name)
}

// Missing says that a directory holds what a centre left, and not its record log.
func Missing(dir, left string) error {
	return fault.New(fault.Invalid, fileOf(dir), "is missing, and "+left+" of a centre that ran here are not", "put it back, or restore a backup: tianfu restore FILE --data NEWDIR; a new centre begins in an empty directory")
}

// Exists tells whether a directory has a record log.
func Exists(dir string) bool {
	_, err := os.Stat(fileOf(dir))
	return !errors.Is(err, os.ErrNotExist)
}

// create makes an empty log under another name first, so that it is there whole
// or not at all.
func create(name string) error {
	fresh := name + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return &fault.Error{Kind: fault.Unavailable, Where: fresh, What: "remove what was left half made", Err: err}
	}
	db, err := openBolt(fresh)
	if err != nil {
		return err
	}
	if err := errors.Join(db.Update(prepare), db.Close()); err != nil {
		return diskError(err, fresh, "begin the record log")
	}
	return publish(fresh, name)
}

func prepare(tx *bbolt.Tx) error {
	m, err := tx.CreateBucketIfNotExists(metaBucket)
	if err != nil {
		return err
	}
	if _, err := tx.CreateBucketIfNotExists(recordBucket); err != nil {
		return err
	}
	return errors.Join(m.Put(formatKey, formatValue()), m.Put(spanKey, span{first: 1}.bytes()))
}

// publish gives a file that is whole its name, durably.
func publish(from, to string) error {
	err := os.Rename(from, to)
	if err == nil {
		err = syncDir(filepath.Dir(to))
	}
	if err != nil {
		return diskError(err, to, "put in place")
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// takeUp enters the records of a commit whose mark is torn: the mark before it
// holds, and a commit's pages are durable before its mark is written.
func (s *Store) takeUp(after []found) error {
	what := "nothing came after it"
	if n := len(after); n > 0 {
		what = fmt.Sprintf("records %d to %d were taken up again", after[0].seq, after[n-1].seq)
	}
	s.notices = append(s.notices, "the record log ended in a torn commit mark, and the one before it holds: "+what)
	for len(after) > 0 {
		n := 1 + int(after[0].left)
		batch := make([][]byte, n)
		for i := range batch {
			batch[i] = after[i].record
		}
		if err := s.Append(context.Background(), after[0].seq, batch); err != nil {
			return err
		}
		after = after[n:]
	}
	return s.db.Update(func(tx *bbolt.Tx) error { // both marks are whole from here on
		return tx.Bucket(metaBucket).Put(formatKey, formatValue())
	})
}

// Notices says what opening the store found and set right.
func (s *Store) Notices() []string { return s.notices }

// Bounds returns the first and the last record.
func (s *Store) Bounds() (first, last uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.span.first, s.span.last
}

// Append makes records durable, all or none.
func (s *Store) Append(_ context.Context, first uint64, records [][]byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	now, broken := s.span, s.broken
	s.mu.Unlock()
	if broken != nil {
		return broken
	}
	if err := store.CheckAppend(now.first, now.last, first, records); err != nil || len(records) == 0 {
		return err
	}
	if now.last < now.first {
		now.first = first
	}
	now.last = first + uint64(len(records)) - 1
	return s.commit(now, func(b *bbolt.Bucket) error {
		b.FillPercent = 0.95 // keys only grow
		for i, r := range records {
			seq := first + uint64(i)
			value := appendRecord(make([]byte, 0, len(r)+recordHead), seq, uint32(len(records)-1-i), r)
			if err := b.Put(keyOf(seq), value); err != nil {
				return err
			}
		}
		return nil
	})
}

// commit changes the records and the span in one transaction; the caller has
// the right to write.
func (s *Store) commit(to span, change func(*bbolt.Bucket) error) error {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		if err := change(tx.Bucket(recordBucket)); err != nil {
			return err
		}
		return tx.Bucket(metaBucket).Put(spanKey, to.bytes())
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.span = to
		return nil
	case isFull(err):
		return diskError(err, s.dir, "append")
	}
	s.broken = fault.Wrap(err, s.dir, "append")
	return s.broken
}

// isFull tells whether an error says that the disk or a quota is full. bbolt
// turns some of them into text.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || strings.Contains(err.Error(), syscall.ENOSPC.Error())
}

func diskError(err error, where, what string) error {
	if isFull(err) {
		return &fault.Error{Kind: fault.Exhausted, Where: where, What: what + ": the disk is full", Fix: "make room; nothing was recorded"}
	}
	return &fault.Error{Kind: fault.Unavailable, Where: where, What: what, Err: err}
}

// Read calls f with the records from a number on. It looks at the file in
// pieces, for a long look would hold up an append that makes the file grow.
func (s *Store) Read(ctx context.Context, from uint64, f func(uint64, []byte) error) error {
	first, last := s.Bounds()
	if err := store.CheckRead(first, from); err != nil {
		return err
	}
	for from <= last {
		if ctx.Err() != nil {
			return fault.New(fault.Unavailable, s.dir, "interrupted", "")
		}
		list, err := s.piece(from, last)
		if err != nil {
			return err
		}
		for i, r := range list {
			if err := f(from+uint64(i), r); err != nil {
				return err
			}
		}
		from += uint64(len(list))
	}
	return nil
}

func (s *Store) piece(from, last uint64) (list [][]byte, err error) {
	size := 0
	err = s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(recordBucket).Cursor()
		want := from
		for k, v := c.Seek(keyOf(from)); want <= last && size < readBytes && len(list) < readCount; k, v = c.Next() {
			if string(k) != string(keyOf(want)) {
				if first, _ := s.Bounds(); want < first {
					return store.CheckRead(first, want) // trimmed meanwhile
				}
				return damaged(fileOf(s.dir), Damage{Record: want, Offset: -1, What: "it is missing"})
			}
			r, _, ok := readRecord(k, v, Format)
			if !ok {
				return damaged(fileOf(s.dir), Damage{Record: want, Offset: -1, What: "its checksum does not fit"})
			}
			list = append(list, append([]byte(nil), r...))
			size += len(r)
			want++
		}
		return nil
	})
	return list, err
}

// Trim forgets the records before a number, some thousands a commit.
func (s *Store) Trim(ctx context.Context, before uint64) error {
	_, last := s.Bounds()
	if err := store.CheckTrim(last, before); err != nil {
		return err
	}
	for {
		first, _ := s.Bounds()
		if first >= before {
			return nil
		}
		if ctx.Err() != nil {
			return fault.New(fault.Unavailable, s.dir, "interrupted", "")
		}
		if err := s.trim(min(before, first+trimCount)); err != nil {
			return err
		}
	}
}

func (s *Store) trim(before uint64) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	now := s.span
	s.mu.Unlock()
	from := now.first
	now.first = before
	return s.commit(now, func(b *bbolt.Bucket) error {
		for seq := from; seq < before; seq++ {
			if err := b.Delete(keyOf(seq)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Room is nil while new work may be taken, and Exhausted when the disk is
// nearly full.
func (s *Store) Room() error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(s.dir, &st); err != nil {
		return nil // a file system that does not say is taken at its word when it writes
	}
	if free := st.Bavail * uint64(st.Bsize); free < lowRoom {
		return fault.New(fault.Exhausted, s.dir, fmt.Sprintf("only %d MiB of disk are left", free>>20), "make room; running tasks go on")
	}
	return nil
}

// Close gives the log back.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return errors.Join(s.db.Close(), s.lock.Close())
}

const lockTimeout = 2 * time.Second
