package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tianfu/fault"
	"tianfu/store"
	"tianfu/store/bolt"
)

func (p *program) backup() *cobra.Command {
	r := &remote{}
	var data, to string
	c := &cobra.Command{
		Use: "backup", Short: "Take a backup of a centre while it runs", Args: cobra.NoArgs,
		Long: `Take a backup: the latest snapshot, all records kept, tokens (only their hashes), the world file and the
audit log, with a manifest of checksums. Without --data it is taken from the running centre through the API,
by an operator; with --data from a directory whose centre is stopped. The file is verified before it takes its
name. What tasks wrote, and their working files, are not in it.`,
		Example: "  tianfu backup --to centre.backup\n  tianfu backup --data /var/lib/tianfu --to centre.backup",
		RunE: func(c *cobra.Command, _ []string) error {
			take := func(w io.Writer) error { return backupDirectory(c.Context(), w, data) }
			if data == "" {
				client, err := r.client()
				if err != nil {
					return err
				}
				take = func(w io.Writer) error { return client.Backup(c.Context(), w) }
			}
			m, err := keepBackup(to, take)
			if err != nil {
				return err
			}
			return p.print(m, backupTable(to, m))
		},
	}
	r.register(c)
	c.Flags().StringVar(&data, "data", "", "data directory of a centre that is stopped (default: use the API)")
	c.Flags().StringVar(&to, "to", "", "file to write; must not exist")
	c.MarkFlagRequired("to")
	return c
}

func backupTable(file string, m *store.Manifest) *table {
	t := &table{header: []string{"BACKUP", "CENTRE", "TAKEN", "RECORDS", "SNAPSHOT AT", "ENTRIES"}}
	at := "none"
	if m.Snapshot != nil {
		at = strconv.FormatUint(*m.Snapshot, 10)
	}
	t.add(file, m.Centre, m.Taken, fmt.Sprintf("%d to %d", m.First, m.Last), at, strconv.Itoa(len(m.Entries)))
	return t
}

// keepBackup writes a backup under another name, reads it back, and only then
// gives it its own.
func keepBackup(to string, take func(io.Writer) error) (*store.Manifest, error) {
	if _, err := os.Lstat(to); err == nil {
		return nil, fault.New(fault.Conflict, to, "exists already", "choose another name")
	}
	f, err := os.CreateTemp(filepath.Dir(to), ".tianfu-*") // made with mode 0600: it holds the work of all tenants
	if err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Where: to, What: "write", Err: err}
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := take(f); err != nil {
		return nil, err
	}
	if _, err = f.Seek(0, io.SeekStart); err == nil {
		err = f.Sync()
	}
	if err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Where: to, What: "write", Err: err}
	}
	m, err := store.VerifyBackup(f)
	if err != nil {
		return nil, fault.Wrap(err, to, "read the backup back")
	}
	if err := os.Rename(f.Name(), to); err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Where: to, What: "write", Err: err}
	}
	return m, nil
}

// backupDirectory takes a backup from a data directory that nobody else has.
func backupDirectory(ctx context.Context, w io.Writer, data string) error {
	if _, err := os.Stat(filepath.Join(data, "records.db")); err != nil {
		return &fault.Error{Kind: fault.NotFound, Where: data, What: "find a centre", Err: err, Fix: "name its data directory"}
	}
	log, err := bolt.Open(data)
	if fault.KindOf(err) == fault.Conflict {
		return fault.New(fault.Conflict, data, "a running centre has this data directory", "take the backup through it: tianfu backup --server ADDRESS --to FILE")
	}
	if err != nil {
		return err
	}
	defer log.Close()
	return writeBackup(w, data, filepath.Join(data, "world.yaml"), func(a *store.Archive) error { return a.Store(ctx, log) })
}

// besides are the files of a data directory that a backup takes beside the
// store, where they are there.
var besides = []string{"tokens.json", filepath.Join("engine", "uids.json")}

// writeBackup writes the store, then what lies beside it. The audit log comes
// last: it has at least what led to the records.
func writeBackup(w io.Writer, data, world string, records func(*store.Archive) error) error {
	centre := ""
	if parsed, _, err := parseWorldFile(world); err == nil {
		centre = parsed.Fleet().Name
	}
	a := store.NewArchive(w, store.Manifest{Taken: time.Now().UTC().Format(time.RFC3339), Version: version, Centre: centre})
	if err := records(a); err != nil {
		return err
	}
	add := func(name, file string) error {
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return &fault.Error{Kind: fault.Unavailable, Where: file, What: "read", Err: err}
		}
		if filepath.Ext(name) == ".jsonl" { // the line being written is not the backup's
			text = text[:bytes.LastIndexByte(text, '\n')+1]
		}
		return a.File(filepath.ToSlash(name), text)
	}
	if err := add("world.yaml", world); err != nil {
		return err
	}
	for _, name := range besides {
		if err := add(name, filepath.Join(data, name)); err != nil {
			return err
		}
	}
	segments, _ := filepath.Glob(filepath.Join(data, "audit", "*.jsonl"))
	slices.Sort(segments)
	for _, s := range segments {
		if err := add(filepath.Join("audit", filepath.Base(s)), s); err != nil {
			return err
		}
	}
	return a.Close()
}

func (p *program) restore() *cobra.Command {
	var data string
	var check bool
	c := &cobra.Command{
		Use: "restore FILE", Short: "Make a data directory from a backup", Args: cobra.ExactArgs(1),
		Long: `Make a data directory from a backup. The whole file is held to its checksums first; a directory that holds
anything is refused. Then start the centre: tianfu serve --data DIR. Tasks that ran when the backup was taken
are started again, under the same attempt: make sure that the old centre runs no more.`,
		Example: "  tianfu restore centre.backup --check\n  tianfu restore centre.backup --data /var/lib/tianfu-new",
		RunE: func(c *cobra.Command, args []string) error {
			if check == (data != "") {
				return &usageError{errors.New("give --data DIR, or --check to verify only")}
			}
			f, err := os.Open(args[0])
			if err != nil {
				return &fault.Error{Kind: fault.NotFound, Where: args[0], What: "open", Err: err}
			}
			defer f.Close()
			m, err := store.VerifyBackup(f)
			if err != nil {
				return fault.Wrap(err, args[0], "verify")
			}
			if !check {
				if err := restoreTo(c.Context(), f, m, data); err != nil {
					return err
				}
				fmt.Fprintf(p.err, "restored to %s; start it: tianfu serve --data %s\n", data, data)
			}
			return p.print(m, backupTable(args[0], m))
		},
	}
	c.Flags().StringVar(&data, "data", "", "new data directory; must be empty or not there")
	c.Flags().BoolVar(&check, "check", false, "only verify the backup")
	return c
}

// restoreTo fills a directory beside its place first: it is there whole or not
// at all.
func restoreTo(ctx context.Context, f io.ReadSeeker, m *store.Manifest, data string) error {
	if list, err := os.ReadDir(data); err == nil && len(list) > 0 {
		return fault.New(fault.Conflict, data, "is not empty", "restore into a new directory")
	}
	data = filepath.Clean(data)
	part := data + ".restoring"
	if err := os.MkdirAll(filepath.Dir(part), 0o755); err != nil {
		return &fault.Error{Kind: fault.Unavailable, Where: part, What: "make the directory", Err: err}
	}
	if err := os.Mkdir(part, 0o700); err != nil {
		return &fault.Error{Kind: fault.Conflict, Where: part, What: "make the directory", Err: err, Fix: "another restore runs, or one was broken off: remove it"}
	}
	err := fillFrom(ctx, f, m, part)
	if err == nil {
		os.Remove(data) // empty, or not there
		if err = os.Rename(part, data); err != nil {
			err = &fault.Error{Kind: fault.Unavailable, Where: data, What: "put in place", Err: err}
		}
	}
	if err != nil {
		os.RemoveAll(part)
	}
	return err
}

func fillFrom(ctx context.Context, f io.ReadSeeker, m *store.Manifest, dir string) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	log, err := bolt.Open(dir)
	if err != nil {
		return err
	}
	err = store.Restore(ctx, f, m, log, func(name string, content []byte) error {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return &fault.Error{Kind: fault.Unavailable, Where: file, What: "make the directory", Err: err}
		}
		return writePrivate(file, content)
	})
	return errors.Join(err, log.Close())
}
