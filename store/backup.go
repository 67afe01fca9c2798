package store

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"tianfu/fault"
)

// A backup is a gzipped tar: pieces of the snapshot, pieces of the record log,
// files beside them, and at the end a manifest with the length and SHA-256 of
// every entry, followed by the manifest's own sum. What was cut short has no
// manifest. Records go into pieces because a tar wants to know lengths first.

// BackupFormat is the version of what Archive writes; Restore reads it and
// those before.
const BackupFormat = 1

const (
	pieceBytes    = 4 << 20
	maxPiece      = MaxRecord + pieceBytes + 16
	maxEntries    = 1 << 20
	manifestEntry = "manifest.json"
	sumEntry      = "manifest.sha256"
	snapshotDir   = "snapshot/"
	recordsDir    = "records/"
	filesDir      = "files/"
)

// Manifest says what a backup holds.
type Manifest struct {
	Format   int     `json:"format"`
	Taken    string  `json:"taken"` // RFC 3339
	Version  string  `json:"version"`
	Centre   string  `json:"centre"`
	First    uint64  `json:"first_record"`
	Last     uint64  `json:"last_record"`
	Snapshot *uint64 `json:"snapshot,omitempty"` // the record it stands after
	Entries  []Entry `json:"entries"`
}

// Entry is one piece of a backup.
type Entry struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	Sum   string `json:"sha256"`
}

// Archive writes a backup.
type Archive struct {
	gz       *gzip.Writer
	tar      *tar.Writer
	manifest Manifest
}

// NewArchive begins a backup. The manifest has its words for people; what it
// holds is filled in.
func NewArchive(w io.Writer, m Manifest) *Archive {
	gz, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is a valid one
	m.Format, m.First, m.Last, m.Entries = BackupFormat, 1, 0, nil
	return &Archive{gz: gz, tar: tar.NewWriter(gz), manifest: m}
}

func (a *Archive) put(name string, content []byte, listed bool) error {
	sum := sha256.Sum256(content)
	if listed {
		a.manifest.Entries = append(a.manifest.Entries, Entry{name, int64(len(content)), hex.EncodeToString(sum[:])})
	}
	err := a.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: int64(len(content))})
	if err == nil {
		_, err = a.tar.Write(content)
	}
	if err != nil {
		return &fault.Error{Kind: fault.Unavailable, Where: "backup", What: "write " + name, Err: err}
	}
	return nil
}

// Store writes the latest whole snapshot and the records there are now. Nothing
// may be trimmed meanwhile; appending goes on.
func (a *Archive) Store(ctx context.Context, s Store) error {
	first, last := s.Bounds()
	a.manifest.First, a.manifest.Last = first, last
	if last < first {
		return nil
	}
	list, err := s.Snapshots(ctx)
	if err != nil {
		return err
	}
	for i := len(list) - 1; i >= 0 && a.manifest.Snapshot == nil; i-- {
		if at := list[i]; at <= last && at+1 >= first {
			if err := a.snapshot(ctx, s, at); err != nil {
				return err
			}
		}
	}
	if first > 1 && a.manifest.Snapshot == nil {
		return fault.New(fault.Invalid, "backup", "the record log was trimmed and no snapshot of it can be read: nothing could be restored", "see: tianfu store verify DIR")
	}
	return a.records(ctx, s, first, last)
}

// snapshot writes a snapshot in pieces; one that is damaged is passed over.
func (a *Archive) snapshot(ctx context.Context, s Store, at uint64) error {
	whole := func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }
	if err := s.LoadSnapshot(ctx, at, whole); err != nil {
		return nil // an older one, or the records, do as well
	}
	a.manifest.Snapshot = &at
	return s.LoadSnapshot(ctx, at, func(r io.Reader) error {
		piece := make([]byte, pieceBytes)
		for n := 0; ; n++ {
			k, err := io.ReadFull(r, piece)
			if k > 0 || n == 0 {
				if err := a.put(fmt.Sprintf("%s%08d", snapshotDir, n), piece[:k], true); err != nil {
					return err
				}
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
}

// records writes the records in pieces, each record behind its length.
func (a *Archive) records(ctx context.Context, s Store, first, last uint64) error {
	var piece []byte
	begins := first
	flush := func(next uint64) error {
		if len(piece) == 0 {
			return nil
		}
		err := a.put(fmt.Sprintf("%s%020d", recordsDir, begins), piece, true)
		piece, begins = piece[:0], next
		return err
	}
	err := s.Read(ctx, first, func(seq uint64, record []byte) error {
		if seq > last {
			return errLast
		}
		piece = append(binary.AppendUvarint(piece, uint64(len(record))), record...)
		if len(piece) < pieceBytes {
			return nil
		}
		return flush(seq + 1)
	})
	if err != nil && err != errLast {
		return err
	}
	return flush(last + 1)
}

var errLast = fault.New(fault.Internal, "backup", "the last record was read", "")

// File adds a file that is not of the store.
func (a *Archive) File(name string, content []byte) error { return a.put(filesDir+name, content, true) }

// Close writes the manifest: without it a backup is not one.
func (a *Archive) Close() error {
	text, err := json.MarshalIndent(&a.manifest, "", " ")
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	if err := a.put(manifestEntry, text, false); err != nil {
		return err
	}
	if err := a.put(sumEntry, []byte(hex.EncodeToString(sum[:])), false); err != nil {
		return err
	}
	if err := errors.Join(a.tar.Close(), a.gz.Close()); err != nil {
		return &fault.Error{Kind: fault.Unavailable, Where: "backup", What: "write its end", Err: err}
	}
	return nil
}

// Manifest returns what has been written so far.
func (a *Archive) Manifest() Manifest { return a.manifest }

func badBackup(what string) error {
	return fault.New(fault.Invalid, "backup", what, "use another one; nothing was restored from this one")
}

// eachEntry calls f with every entry of a backup.
func eachEntry(r io.Reader, f func(name string, size int64, content io.Reader) error) error {
	gz, err := gzip.NewReader(bufio.NewReaderSize(r, 1<<16))
	if err != nil {
		return badBackup("is not a backup: " + err.Error())
	}
	t := tar.NewReader(gz)
	for n := 0; ; n++ {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			// The sum of the compressed stream stands at its very end.
			if _, err := io.Copy(io.Discard, gz); err != nil {
				return badBackup("its end is damaged: " + err.Error())
			}
			return nil
		case err != nil:
			return badBackup("is damaged or cut short: " + err.Error())
		case n > maxEntries || h.Typeflag != tar.TypeReg || h.Size > maxPiece:
			return badBackup("holds an entry that no backup has: " + h.Name)
		}
		if err := f(h.Name, h.Size, t); err != nil {
			return err
		}
	}
}

// VerifyBackup reads a backup and holds every entry to the manifest.
func VerifyBackup(r io.Reader) (*Manifest, error) {
	var seen []Entry
	var manifest, sum []byte
	err := eachEntry(r, func(name string, size int64, content io.Reader) error {
		h := sha256.New()
		var keep bytes.Buffer
		into := io.Writer(h)
		if name == manifestEntry || name == sumEntry {
			into = io.MultiWriter(h, &keep)
		}
		if n, err := io.Copy(into, content); err != nil || n != size {
			return badBackup("is damaged or cut short in " + name)
		}
		switch name {
		case manifestEntry:
			manifest = keep.Bytes()
		case sumEntry:
			sum = keep.Bytes()
		default:
			seen = append(seen, Entry{name, size, hex.EncodeToString(h.Sum(nil))})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return checkManifest(manifest, sum, seen)
}

// checkManifest reads a manifest and holds it and the entries to their sums.
func checkManifest(manifest, sum []byte, seen []Entry) (*Manifest, error) {
	if manifest == nil || sum == nil {
		return nil, badBackup("has no manifest: it was cut short when it was taken")
	}
	if got := sha256.Sum256(manifest); hex.EncodeToString(got[:]) != string(sum) {
		return nil, badBackup("its manifest is not what was written")
	}
	m := &Manifest{}
	if err := json.Unmarshal(manifest, m); err != nil {
		return nil, badBackup("its manifest cannot be read: " + err.Error())
	}
	if m.Format > BackupFormat || m.Format < 1 {
		return nil, fault.New(fault.Invalid, "backup", fmt.Sprintf("was written in format %d, this version reads up to %d", m.Format, BackupFormat), "use the version that wrote it, or a newer one")
	}
	if len(seen) != len(m.Entries) {
		return nil, badBackup(fmt.Sprintf("holds %d entries, and its manifest lists %d", len(seen), len(m.Entries)))
	}
	for i := range seen {
		if seen[i] != m.Entries[i] {
			return nil, badBackup("the entry " + seen[i].Name + " is not what was written")
		}
	}
	return m, nil
}

// Restore fills an empty store from a backup that was verified, and gives the
// other files to file, whose names are plain and relative.
func Restore(ctx context.Context, r io.Reader, m *Manifest, s Store, file func(name string, content []byte) error) error {
	if first, last := s.Bounds(); last >= first {
		return fault.New(fault.Conflict, "restore", "the store holds records already", "restore into a new directory")
	}
	next := m.First
	var snapshot bytes.Buffer
	err := eachEntry(r, func(name string, size int64, content io.Reader) error {
		b := make([]byte, size)
		if _, err := io.ReadFull(content, b); err != nil {
			return badBackup("is cut short in " + name)
		}
		switch rest, isFile := strings.CutPrefix(name, filesDir); {
		case isFile:
			if !path.IsAbs(rest) && path.Clean(rest) == rest && !strings.HasPrefix(rest, "..") {
				return file(rest, b)
			}
			return badBackup("names a file outside: " + name)
		case strings.HasPrefix(name, snapshotDir):
			snapshot.Write(b)
		case strings.HasPrefix(name, recordsDir):
			list, err := unpack(b)
			if err != nil {
				return err
			}
			if err := s.Append(ctx, next, list); err != nil {
				return err
			}
			next += uint64(len(list))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if next != m.Last+1 {
		return badBackup(fmt.Sprintf("holds records to %d, and its manifest says %d", next-1, m.Last))
	}
	if m.Snapshot == nil {
		return nil
	}
	return s.SaveSnapshot(ctx, *m.Snapshot, func(w io.Writer) error { _, err := snapshot.WriteTo(w); return err })
}

func unpack(b []byte) ([][]byte, error) {
	var out [][]byte
	for len(b) > 0 {
		n, k := binary.Uvarint(b)
		if k <= 0 || n > uint64(len(b)-k) {
			return nil, badBackup("a piece of its records cannot be taken apart")
		}
		out = append(out, b[k:k+int(n)])
		b = b[k+int(n):]
	}
	return out, nil
}
