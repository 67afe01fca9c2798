package bolt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"tianfu/fault"
)

// Range is a run of records.
type Range struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

// SnapshotFile is one snapshot as Verify saw it.
type SnapshotFile struct {
	At    uint64 `json:"at"`
	Bytes int64  `json:"bytes"`
	Fault string `json:"fault,omitempty"` // empty = whole, and it fits the records
}

// Finding is what a look at a record log gave.
type Finding struct {
	File      string         `json:"file"`
	Format    int            `json:"format"` // 0 = it cannot be read
	First     uint64         `json:"first"`  // as the file says
	Last      uint64         `json:"last"`
	Whole     uint64         `json:"whole"` // records that are as they were written
	Torn      bool           `json:"torn"`  // the last commit mark is; opening the log mends it
	Damage    []Damage       `json:"damage"`
	Snapshots []SnapshotFile `json:"snapshots"`
	// Of a damaged file: what a repair keeps, whether the state then begins with
	// a snapshot, and what is lost. Saved is nil when nothing can be kept.
	Saved *Range  `json:"saved,omitempty"`
	From  uint64  `json:"from_snapshot,omitempty"`
	Lost  []Range `json:"lost,omitempty"`

	extra finds // records that only a scan of the whole file found
}

// OK tells whether a centre starts from the log without a repair.
func (f *Finding) OK() bool {
	return len(f.Damage) == 0 && !slices.ContainsFunc(f.Snapshots, func(s SnapshotFile) bool { return s.Fault != "" })
}

// Verify looks at every page and snapshot of a data directory and changes
// nothing. each, where given, gets the whole records in order. A directory that
// a running centre has is a Conflict, a file of a newer format Invalid; damage
// is what the finding tells of, and no error.
func Verify(dir string, each func(seq uint64, record []byte) error) (*Finding, error) {
	lock, err := lockLog(dir)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	return verify(dir, each)
}

// lockLog takes a directory that holds a record log.
func lockLog(dir string) (*os.File, error) {
	if _, err := os.Stat(fileOf(dir)); err != nil {
		return nil, &fault.Error{Kind: fault.NotFound, Where: dir, What: "find a record log", Err: err, Fix: "name the data directory of a centre"}
	}
	lock, err := lockDir(dir)
	if fault.KindOf(err) == fault.Conflict {
		return nil, fault.New(fault.Conflict, dir, "a running centre has this data directory", "stop it first, or copy it as it runs: tianfu backup --to FILE")
	}
	return lock, err
}

func verify(dir string, each func(seq uint64, record []byte) error) (*Finding, error) {
	f := &Finding{File: fileOf(dir)}
	p, err := openPages(f.File)
	if p == nil {
		return nil, err
	}
	defer p.Close()
	x := &inspection{}
	if err != nil {
		x.found(Damage{What: "neither commit mark is whole"})
	} else if x, err = p.inspect(each); err != nil {
		return nil, err
	}
	if x.format > Format {
		return nil, newerFormat(f.File, x.format)
	}
	f.Format, f.First, f.Last, f.Whole, f.Torn, f.Damage = x.format, x.span.first, x.span.last, x.records, p.torn, x.damage
	if f.Torn && len(x.after) > 0 {
		f.Last, f.Whole = x.after[len(x.after)-1].seq, f.Whole+uint64(len(x.after))
	}
	if f.Snapshots, err = checkSnapshots(dir); err != nil {
		return nil, err
	}
	if len(f.Damage) == 0 && f.First > 1 && !f.begins() {
		f.Damage = append(f.Damage, Damage{Record: f.First, Offset: -1, What: "the log begins with it, and no snapshot that a state could begin with can be read"})
	}
	runs := x.runs
	if len(f.Damage) > 0 {
		f.extra = p.scan(1, cmp.Or(x.format, Format))
		for seq := range f.extra {
			// What a commit without its mark left behind was promised to nobody.
			unpromised := x.span.last > 0 && !p.torn && (seq > x.span.last || seq < x.span.first)
			if _, known := slices.BinarySearchFunc(runs, seq, span.compare); known || unpromised {
				delete(f.extra, seq)
			}
		}
		runs = f.extra.join(runs)
		f.choose(runs)
	}
	f.fit(runs)
	return f, nil
}

// begins tells whether a state can begin with a snapshot among the records.
func (f *Finding) begins() bool {
	return slices.ContainsFunc(f.Snapshots, func(s SnapshotFile) bool { return s.Fault == "" && s.At+1 >= f.First && s.At <= f.Last })
}

func newerFormat(name string, format int) error {
	return fault.New(fault.Invalid, name, fmt.Sprintf("was written in format %d, this version reads up to %d", format, Format), "use the version that wrote it, or a newer one")
}

// compare places a record before, in or after a run.
func (s span) compare(seq uint64) int {
	switch {
	case s.last < seq:
		return -1
	case s.first > seq:
		return 1
	}
	return 0
}

// join adds the records of a scan to runs.
func (f finds) join(runs []span) []span {
	all := slices.Clone(runs)
	for _, seq := range f.sorted() {
		if !f[seq].twice {
			all = append(all, span{seq, seq})
		}
	}
	slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	var out []span
	for _, r := range all {
		if n := len(out); n > 0 && r.first <= out[n-1].last+1 {
			out[n-1].last = max(out[n-1].last, r.last)
			continue
		}
		out = append(out, r)
	}
	return out
}

// choose finds what a repair keeps: of the runs that a state can begin with -
// from the first record, or from a whole snapshot in or just before the run -
// the one that reaches furthest.
func (f *Finding) choose(runs []span) {
	for _, r := range runs {
		from, begins := uint64(0), r.first == 1
		for _, s := range f.Snapshots {
			if s.Fault == "" && s.At+1 >= r.first && s.At <= r.last {
				from, begins = s.At, true
			}
		}
		if begins && (f.Saved == nil || r.last > f.Saved.Last) {
			f.Saved, f.From = &Range{r.first, r.last}, from
			if r.first == 1 {
				f.From = 0
			}
		}
	}
	last := f.Last
	for _, r := range runs {
		last = max(last, r.last)
	}
	first := max(f.First, 1)
	if f.Saved == nil {
		if last >= first {
			f.Lost = []Range{{first, last}}
		}
		return
	}
	if f.Saved.First > first {
		f.Lost = append(f.Lost, Range{first, f.Saved.First - 1})
	}
	if f.Saved.Last < last {
		f.Lost = append(f.Lost, Range{f.Saved.Last + 1, last})
	}
}

// fit marks the snapshots that do not stand among the records: one after the
// last would be taken for the future of what is recorded next.
func (f *Finding) fit(runs []span) {
	kept := Range{f.First, f.Last}
	if len(f.Damage) > 0 {
		if f.Saved == nil {
			return
		}
		kept = *f.Saved
	}
	if len(runs) == 0 && f.Last == 0 {
		return
	}
	for i := range f.Snapshots {
		if s := &f.Snapshots[i]; s.Fault == "" && (s.At > kept.Last || s.At+1 < kept.First) {
			s.Fault = fmt.Sprintf("does not stand among the records %d to %d", kept.First, kept.Last)
		}
	}
}

func checkSnapshots(dir string) ([]SnapshotFile, error) {
	s := &Store{dir: dir}
	list, err := s.Snapshots(context.Background())
	if err != nil {
		return nil, err
	}
	var out []SnapshotFile
	for _, at := range list {
		file, err := os.Open(s.snapshotFile(at))
		if err != nil {
			return nil, &fault.Error{Kind: fault.Unavailable, Where: s.snapshotFile(at), What: "open", Err: err}
		}
		x := SnapshotFile{At: at}
		if st, err := file.Stat(); err == nil {
			x.Bytes = st.Size()
		}
		err = readSnapshot(file, at, func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err })
		file.Close()
		if err != nil {
			x.Fault = err.Error()
			if e, ok := errors.AsType[*fault.Error](err); ok {
				x.Fault = e.What
			}
		}
		out = append(out, x)
	}
	return out, nil
}

// Repair mends the log of a data directory: what can be kept is written anew,
// and every file that is replaced stays beside the new one under its name with
// ".damaged" added. It returns what Verify saw before, and the files it kept.
func Repair(dir string) (*Finding, []string, error) {
	lock, err := lockLog(dir)
	if err != nil {
		return nil, nil, err
	}
	defer lock.Close()
	f, err := verify(dir, nil)
	if err != nil {
		return nil, nil, err
	}
	if len(f.Damage) > 0 && f.Saved == nil {
		return f, nil, fault.New(fault.Invalid, f.File, "holds nothing that a centre can begin with: neither the first record nor a snapshot with the records after it", "restore a backup: tianfu restore FILE --data NEWDIR")
	}
	s := &Store{dir: dir}
	var kept []string
	for _, x := range f.Snapshots {
		if x.Fault == "" {
			continue
		}
		name := s.snapshotFile(x.At)
		aside, err := freeName(name + ".damaged")
		if err == nil {
			err = os.Rename(name, aside)
		}
		if err != nil {
			return f, kept, diskError(err, name, "put the snapshot aside")
		}
		kept = append(kept, aside)
	}
	if len(f.Damage) == 0 {
		return f, kept, nil
	}
	aside, err := freeName(f.File + ".damaged")
	if err != nil {
		return f, kept, err
	}
	fresh := f.File + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return f, kept, diskError(err, fresh, "remove what was left half made")
	}
	inside := func(seq uint64) bool { return seq >= f.Saved.First && seq <= f.Saved.Last }
	if err := rewrite(f.File, fresh, inside, f.extra); err != nil {
		return f, kept, err
	}
	if x, _, err := look(fresh); err != nil || len(x.damage) > 0 || x.span != (span{f.Saved.First, f.Saved.Last}) {
		os.Remove(fresh)
		return f, kept, fault.New(fault.Internal, fresh, "is not what was to be kept", "nothing was changed; restore a backup")
	}
	// The damaged file keeps a second name before the new one takes its first.
	if err := os.Link(f.File, aside); err != nil {
		return f, kept, diskError(err, aside, "keep the damaged file")
	}
	return f, append(kept, aside), publish(fresh, f.File)
}

// freeName returns a name that no file has, with a number added where needed.
func freeName(name string) (string, error) {
	for n := 1; n < 1000; n++ {
		try := name
		if n > 1 {
			try = fmt.Sprintf("%s-%d", name, n)
		}
		if _, err := os.Lstat(try); errors.Is(err, os.ErrNotExist) {
			return try, nil
		}
	}
	return "", fault.New(fault.Conflict, filepath.Base(name), "was kept a thousand times already", "move the old ones away")
}
