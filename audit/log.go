package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"tianfu/fault"
)

// Bounds of the log.
const (
	segmentBytes = 64 << 20 // a file larger than this is followed by another
	maxLine      = 64 << 10 // escapes make a bounded text up to six times as long
	maxBatch     = 4096
	maxSegments  = 1 << 20
)

// Log is an open audit log: files of JSON lines in a directory, each named by
// the sequence number it begins with. One process has it at a time.
type Log struct {
	dir  string
	asks chan ask
	quit chan struct{} // closed to end the writer
	done chan struct{} // closed when it has ended
	full int64         // size at which a file is followed by another

	mu       sync.Mutex // guards what is below, which the writer changes
	segments []uint64   // first sequence of each file
	next     uint64     // sequence of the next record
	size     int64      // durable bytes of the last file
	last     string     // hash of the last record
	file     *os.File
}

type ask struct {
	record Record
	reply  chan error
}

// Open opens the log in a directory, or begins one. A record that was only
// written in part when the power or the process ended is cut, and the notice
// says so; it was acknowledged to nobody.
func Open(dir string) (l *Log, notice string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", &fault.Error{Kind: fault.Unavailable, Where: dir, What: "make the audit directory", Err: err}
	}
	l = &Log{dir: dir, asks: make(chan ask, maxBatch), quit: make(chan struct{}), done: make(chan struct{}), next: 1, full: segmentBytes}
	if l.segments, err = listSegments(dir); err != nil {
		return nil, "", err
	}
	for i := len(l.segments) - 1; i >= 0; i-- {
		cut, err := l.recoverTail(i)
		if err != nil {
			return nil, "", err
		}
		if cut > 0 {
			notice = fmt.Sprintf("audit log %s ended in the middle of a record: %d bytes were cut", l.name(l.segments[i]), cut)
		}
		if l.last != "" {
			break // an empty file leaves the end to the one before
		}
	}
	if len(l.segments) == 0 || l.file == nil {
		if err := l.rotate(); err != nil {
			return nil, "", err
		}
	}
	go l.write()
	return l, notice, nil
}

func listSegments(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Where: dir, What: "list the audit log", Err: err}
	}
	var out []uint64
	for _, e := range entries {
		var first uint64
		if n, _ := fmt.Sscanf(e.Name(), "%d.jsonl", &first); n == 1 && e.Name() == fmt.Sprintf("%016d.jsonl", first) {
			out = append(out, first)
		}
	}
	if len(out) > maxSegments {
		return nil, fault.New(fault.Exhausted, dir, "holds more than a million files", "move the oldest away")
	}
	slices.Sort(out)
	return out, nil
}

func (l *Log) name(first uint64) string {
	return filepath.Join(l.dir, fmt.Sprintf("%016d.jsonl", first))
}

// recoverTail reads the end of a file: it cuts a partial line and takes over
// sequence and hash of the last whole one. Damage elsewhere is for Verify.
func (l *Log) recoverTail(i int) (cut int64, err error) {
	name := l.name(l.segments[i])
	fail := func(what string, err error) (int64, error) {
		return 0, &fault.Error{Kind: fault.Unavailable, Where: name, What: what, Err: err}
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0o600)
	if err != nil {
		return fail("open the audit log", err)
	}
	st, err := f.Stat()
	if err != nil {
		return fail("look at the audit log", err)
	}
	tail := make([]byte, min(st.Size(), 4*maxLine))
	if _, err := f.ReadAt(tail, st.Size()-int64(len(tail))); err != nil && len(tail) > 0 {
		return fail("read the audit log", err)
	}
	whole := bytes.LastIndexByte(tail, '\n') + 1
	if cut = int64(len(tail) - whole); cut > 0 {
		if whole == 0 && int64(len(tail)) < st.Size() {
			return 0, fault.New(fault.Invalid, name, fmt.Sprintf("has no end of line in its last %d bytes", len(tail)), "see: tianfu audit verify; move the directory away to begin a new chain")
		}
		if err := errors.Join(f.Truncate(st.Size()-cut), f.Sync()); err != nil {
			return fail("cut a partial record", err)
		}
	}
	if whole > 0 {
		line := tail[bytes.LastIndexByte(tail[:whole-1], '\n')+1 : whole-1]
		var r Record
		if json.Unmarshal(line, &r) != nil || r.Sum() != r.Hash {
			return 0, fault.New(fault.Invalid, name, "the last record is damaged or was changed", "see: tianfu audit verify; move the directory away to begin a new chain")
		}
		l.next, l.last = r.Sequence+1, r.Hash
	}
	if i == len(l.segments)-1 {
		l.file, l.size = f, st.Size()-cut
		return cut, nil
	}
	return cut, f.Close()
}

// rotate begins the next file; the directory knows it before it is used.
func (l *Log) rotate() error {
	f, err := os.OpenFile(l.name(l.next), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return &fault.Error{Kind: fault.Unavailable, Where: l.name(l.next), What: "begin a file of the audit log", Err: err}
	}
	d, err := os.Open(l.dir)
	if err == nil {
		err = errors.Join(d.Sync(), d.Close())
	}
	if err != nil {
		f.Close()
		os.Remove(f.Name())
		return &fault.Error{Kind: fault.Unavailable, Where: l.dir, What: "begin a file of the audit log", Err: err}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.Close()
	}
	l.file, l.size, l.segments = f, 0, append(l.segments, l.next)
	return nil
}

// Append records something and returns once it is durable. Records that come
// while others are made durable share the next fsync.
func (l *Log) Append(r Record) error {
	a := ask{record: r, reply: make(chan error, 1)}
	select {
	case l.asks <- a:
	case <-l.done:
		return errClosed
	}
	select {
	case err := <-a.reply:
		return err
	case <-l.done:
		select {
		case err := <-a.reply: // the last batch was answered
			return err
		default:
			return errClosed
		}
	}
}

var errClosed = fault.New(fault.Unavailable, "audit log", "is closed", "")

// Close makes what waits durable and gives the log back.
func (l *Log) Close() error {
	close(l.quit)
	<-l.done
	return l.file.Close()
}

// write is the one writer.
func (l *Log) write() {
	defer close(l.done)
	var batch []ask
	for ended := false; !ended; {
		batch = batch[:0]
		select {
		case a := <-l.asks:
			batch = append(batch, a)
		case <-l.quit:
			ended = true
		}
		// The first of several that a commit has just answered wakes this writer
		// before the others have run: let them come, or each batch holds one.
		runtime.Gosched()
		for more := true; more && len(batch) < maxBatch; {
			select {
			case a := <-l.asks:
				batch = append(batch, a)
			default:
				more = false
			}
		}
		if len(batch) == 0 {
			continue
		}
		err := l.commit(batch)
		for _, a := range batch {
			a.reply <- err
		}
	}
}

// commit makes a batch durable, all or none.
func (l *Log) commit(batch []ask) error {
	if l.size >= l.full {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	var out bytes.Buffer
	next, last, now := l.next, l.last, time.Now()
	for i := range batch {
		r := &batch[i].record
		out.Write(r.seal(next, last, now))
		next, last = next+1, r.Hash
	}
	_, err := l.file.WriteAt(out.Bytes(), l.size)
	if err == nil {
		err = syscall.Fdatasync(int(l.file.Fd()))
	}
	if err != nil {
		// What was written in part must not stand between this and what comes next.
		err = errors.Join(err, l.file.Truncate(l.size))
		kind := fault.Unavailable
		if errors.Is(err, syscall.ENOSPC) {
			kind = fault.Exhausted
		}
		return &fault.Error{Kind: kind, Where: "audit log", What: "write", Err: err, Fix: "make room or mend the disk"}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next, l.last, l.size = next, last, l.size+int64(out.Len())
	return nil
}

// Last returns the sequence number of the latest record; 0 = none.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next - 1
}
