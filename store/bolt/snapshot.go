package bolt

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tianfu/fault"
	"tianfu/store"
)

// A snapshot is a file of its own: writing one must not hold up a commit. It is
// a head (a magic, the version of this frame, the record it stands after), the
// content, and a tail (its length and the checksum of all before).

const (
	snapshotMagic   = "tianfu snapshot\n"
	snapshotVersion = 1
	snapshotHead    = len(snapshotMagic) + 12
	snapshotTail    = 12
)

func (s *Store) snapshots() string { return filepath.Join(s.dir, "snapshots") }

func (s *Store) snapshotFile(at uint64) string {
	return filepath.Join(s.snapshots(), fmt.Sprintf("%020d.snap", at))
}

// sweepSnapshots removes what a crash left half written.
func (s *Store) sweepSnapshots() error {
	names, _ := filepath.Glob(filepath.Join(s.snapshots(), "*.part"))
	for _, n := range names {
		if err := os.Remove(n); err != nil {
			return &fault.Error{Kind: fault.Unavailable, Where: n, What: "remove a snapshot that was left half written", Err: err}
		}
	}
	return nil
}

// SaveSnapshot writes a snapshot under another name first.
func (s *Store) SaveSnapshot(_ context.Context, at uint64, write func(io.Writer) error) error {
	first, last := s.Bounds()
	if err := store.CheckSnapshot(first, last, at); err != nil {
		return err
	}
	name := s.snapshotFile(at)
	if err := os.MkdirAll(s.snapshots(), 0o700); err != nil {
		return diskError(err, s.snapshots(), "make the directory of snapshots")
	}
	part := name + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return diskError(err, part, "begin a snapshot")
	}
	if err = writeSnapshot(f, at, write); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(part)
		return diskError(err, part, "write a snapshot")
	}
	return publish(part, name)
}

// summed counts and sums what is written.
type summed struct {
	w   io.Writer
	sum hash.Hash32
	n   uint64
}

func (s *summed) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	s.sum.Write(b[:n])
	s.n += uint64(n)
	return n, err
}

func snapshotHeader(at uint64) []byte {
	b := binary.BigEndian.AppendUint32([]byte(snapshotMagic), snapshotVersion)
	return binary.BigEndian.AppendUint64(b, at)
}

func writeSnapshot(f *os.File, at uint64, write func(io.Writer) error) error {
	buffered := bufio.NewWriterSize(f, 1<<20)
	out := &summed{w: buffered, sum: crc32.New(castagnoli)}
	if _, err := out.Write(snapshotHeader(at)); err != nil {
		return err
	}
	if err := write(out); err != nil {
		return err
	}
	if _, err := out.Write(binary.BigEndian.AppendUint64(nil, out.n-uint64(snapshotHead))); err != nil {
		return err
	}
	buffered.Write(binary.BigEndian.AppendUint32(nil, out.sum.Sum32()))
	return buffered.Flush()
}

// Snapshots lists the snapshots, oldest first.
func (s *Store) Snapshots(context.Context) ([]uint64, error) {
	list, err := os.ReadDir(s.snapshots())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, &fault.Error{Kind: fault.Unavailable, Where: s.snapshots(), What: "list the snapshots", Err: err}
	}
	var out []uint64
	for _, e := range list {
		var at uint64
		if n, _ := fmt.Sscanf(e.Name(), "%d.snap", &at); n == 1 && s.snapshotFile(at) == filepath.Join(s.snapshots(), e.Name()) {
			out = append(out, at)
		}
	}
	slices.Sort(out)
	return out, nil
}

// LoadSnapshot reads a snapshot and holds it to its checksum.
func (s *Store) LoadSnapshot(_ context.Context, at uint64, read func(io.Reader) error) error {
	f, err := os.Open(s.snapshotFile(at))
	if errors.Is(err, os.ErrNotExist) {
		return store.NoSnapshot(at)
	}
	if err != nil {
		return &fault.Error{Kind: fault.Unavailable, Where: s.snapshotFile(at), What: "open", Err: err}
	}
	defer f.Close()
	return readSnapshot(f, at, read)
}

// readSnapshot sums the file before anybody believes a byte of it: what reads
// it need not be proof against damage.
func readSnapshot(f *os.File, at uint64, read func(io.Reader) error) error {
	bad := func(what string) error {
		return fault.New(fault.Invalid, f.Name(), "is damaged: "+what, "the start falls back to an older one or to the records; see tianfu store verify DIR")
	}
	st, err := f.Stat()
	if err != nil {
		return &fault.Error{Kind: fault.Unavailable, Where: f.Name(), What: "look at the snapshot", Err: err}
	}
	content := st.Size() - int64(snapshotHead+snapshotTail)
	if content < 0 {
		return bad("it is cut short")
	}
	sum := crc32.New(castagnoli)
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, st.Size()-4)); err != nil {
		return bad(err.Error())
	}
	head, tail := make([]byte, snapshotHead), make([]byte, snapshotTail)
	_, err = f.ReadAt(head, 0)
	_, err2 := f.ReadAt(tail, st.Size()-int64(snapshotTail))
	switch {
	case errors.Join(err, err2) != nil:
		return bad(errors.Join(err, err2).Error())
	case binary.BigEndian.Uint32(tail[8:]) != sum.Sum32():
		return bad("its checksum does not fit")
	case !strings.HasPrefix(string(head), snapshotMagic) || binary.BigEndian.Uint64(tail) != uint64(content):
		return bad("it is not a snapshot")
	case binary.BigEndian.Uint32(head[len(snapshotMagic):]) != snapshotVersion:
		return fault.New(fault.Invalid, f.Name(), "was written in a newer format", "use the version that wrote it, or a newer one")
	case binary.BigEndian.Uint64(head[len(snapshotMagic)+4:]) != at:
		return bad("it stands after another record than its name says")
	}
	return read(bufio.NewReaderSize(io.NewSectionReader(f, int64(snapshotHead), content), 1<<20))
}

// DropSnapshot forgets a snapshot.
func (s *Store) DropSnapshot(_ context.Context, at uint64) error {
	if err := os.Remove(s.snapshotFile(at)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return &fault.Error{Kind: fault.Unavailable, Where: s.snapshotFile(at), What: "remove a snapshot", Err: err}
	}
	return nil
}
