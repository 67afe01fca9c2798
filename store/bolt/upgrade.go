package bolt

import (
	"errors"
	"os"

	bbolt "go.etcd.io/bbolt"

	"tianfu/fault"
)

// upgradeBatch is how many records are written in one commit of an upgrade.
const upgradeBatch = 10_000

// upgrade rewrites a file of format 1 beside itself and puts it in its place
// when it is whole: a crash before that leaves the old one as it was.
func (s *Store) upgrade(name string, after []found) error {
	fresh := name + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return &fault.Error{Kind: fault.Unavailable, Where: fresh, What: "remove what was left half made", Err: err}
	}
	also := finds{}
	for _, r := range after {
		also[r.seq] = r
	}
	if err := rewrite(name, fresh, func(uint64) bool { return true }, also); err != nil {
		return err
	}
	return publish(fresh, name)
}

// rewrite copies the whole records of a file of any format that keep wants,
// with those in also between them, into a new file.
func rewrite(from, to string, keep func(seq uint64) bool, also finds) error {
	p, err := openPages(from)
	if err != nil {
		if p == nil || len(also) == 0 {
			return err
		}
		p.meta.high = 0 // nothing can be walked, but records were found
	}
	defer p.Close()
	db, err := openBolt(to)
	if err != nil {
		return err
	}
	w := &writer{db: db, span: span{first: 1}}
	err = db.Update(prepare)
	extra := also.sorted()
	more := func(before uint64) error {
		for len(extra) > 0 && extra[0] < before {
			if seq := extra[0]; keep(seq) && !also[seq].twice {
				if err := w.add(seq, also[seq].record); err != nil {
					return err
				}
			}
			extra = extra[1:]
		}
		return nil
	}
	if err == nil && p.meta.high > 0 {
		_, err = p.inspect(func(seq uint64, record []byte) error {
			if err := more(seq); err != nil || !keep(seq) {
				return err
			}
			return w.add(seq, record)
		})
	}
	if err == nil {
		err = more(^uint64(0))
	}
	if err == nil {
		err = w.flush()
	}
	if err = errors.Join(err, db.Close()); err != nil {
		os.Remove(to)
		return diskError(err, to, "write the record log anew")
	}
	return nil
}

// writer appends records of known numbers to a new file.
type writer struct {
	db    *bbolt.DB
	span  span
	batch []found
}

func (w *writer) add(seq uint64, record []byte) error {
	w.batch = append(w.batch, found{seq: seq, record: record})
	if len(w.batch) < upgradeBatch {
		return nil
	}
	return w.flush()
}

func (w *writer) flush() error {
	if len(w.batch) == 0 {
		return nil
	}
	if w.span.last == 0 {
		w.span.first = w.batch[0].seq
	}
	w.span.last = w.batch[len(w.batch)-1].seq
	err := w.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(recordBucket)
		b.FillPercent = 0.95
		for _, r := range w.batch {
			if err := b.Put(keyOf(r.seq), appendRecord(nil, r.seq, 0, r.record)); err != nil {
				return err
			}
		}
		return tx.Bucket(metaBucket).Put(spanKey, w.span.bytes())
	})
	w.batch = w.batch[:0]
	return err
}
