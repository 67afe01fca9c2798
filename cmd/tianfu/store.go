package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tianfu/control"
	"tianfu/engine"
	"tianfu/engine/local"
	"tianfu/fault"
	"tianfu/store/bolt"
)

func (p *program) store() *cobra.Command {
	c := &cobra.Command{Use: "store", Short: "Verify and repair the record log of a stopped centre", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(p.storeVerify(), p.storeRepair())
	return c
}

func (p *program) storeVerify() *cobra.Command {
	return &cobra.Command{
		Use: "verify DIR", Short: "Look at every page, record and snapshot, and change nothing", Args: cobra.ExactArgs(1),
		Long: `Look at every page, record and snapshot of a data directory whose centre is stopped, fold all records into
a state, and change nothing. Each damage is named with its record and byte offset, with what a repair would keep
and lose. The exit code is 2 when there is any.`,
		Example: "  tianfu store verify /var/lib/tianfu",
		RunE: func(_ *cobra.Command, args []string) error {
			var v control.Recovery
			var unfit error
			f, err := bolt.Verify(args[0], func(seq uint64, b []byte) error {
				if unfit != nil || seq > 1 && v.Empty() {
					return nil // the log was trimmed: the state begins with a snapshot
				}
				r, err := control.DecodeRecord(b)
				if err == nil {
					err = fold(&v, &r)
				}
				if err != nil {
					unfit = fault.Wrap(err, fmt.Sprintf("record %d", seq), "cannot be folded")
				}
				return nil
			})
			if err != nil {
				return err
			}
			if err := p.print(f, findingTable(f)); err != nil {
				return err
			}
			switch {
			case len(f.Damage) > 0:
				return fault.New(fault.Invalid, f.File, fmt.Sprintf("is damaged in %d places", len(f.Damage)), "tianfu store repair "+args[0]+" keeps what can be saved, and the damaged file; or restore a backup")
			case !f.OK():
				return fault.New(fault.Invalid, args[0], "a snapshot cannot be used; the records are whole", "tianfu store repair "+args[0]+" puts it aside")
			}
			return unfit
		},
	}
}

// fold adds a record; one that is whole and yet of no history breaks an
// invariant of the core.
func fold(v *control.Recovery, r *control.Record) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.New(fault.Invalid, "state", fmt.Sprint(p), "this version cannot have written it")
		}
	}()
	return v.Add(r)
}

func findingTable(f *bolt.Finding) *table {
	t := &table{header: []string{"WHERE", "SEEN"}}
	t.add("records", fmt.Sprintf("%d whole, %d to %d, format %d", f.Whole, f.First, f.Last, f.Format))
	for _, d := range f.Damage {
		where := fmt.Sprintf("byte %d", d.Offset)
		if d.Offset < 0 {
			where = "file"
		}
		if d.Record > 0 {
			where += fmt.Sprintf(", record %d", d.Record)
		}
		t.add(where, "damaged: "+d.What)
	}
	if f.Torn {
		t.add("end", "the last commit mark is torn; the start mends it and says so")
	}
	for _, s := range f.Snapshots {
		state := "whole"
		if s.Fault != "" {
			state = s.Fault
		}
		t.add(fmt.Sprintf("snapshot at %d", s.At), state)
	}
	switch {
	case f.OK():
		t.foot = "nothing is damaged"
	case len(f.Damage) == 0:
		t.foot = "the records are whole"
	case f.Saved == nil:
		t.foot = "nothing can be saved: restore a backup"
	default:
		t.foot = fmt.Sprintf("can be saved: records %d to %d%s; lost: %s", f.Saved.First, f.Saved.Last, onSnapshot(f), rangesOf(f.Lost))
	}
	return t
}

func onSnapshot(f *bolt.Finding) string {
	if f.From == 0 {
		return ""
	}
	return fmt.Sprintf(", from the snapshot at %d on", f.From)
}

func rangesOf(list []bolt.Range) string {
	var parts []string
	for _, r := range list {
		parts = append(parts, fmt.Sprintf("%d to %d", r.First, r.Last))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func (p *program) storeRepair() *cobra.Command {
	var stop bool
	c := &cobra.Command{
		Use: "repair DIR", Short: "Save what can be saved of a damaged record log", Args: cobra.ExactArgs(1),
		Long: `Save what can be saved of the record log of a stopped centre: the run of whole records that a state can begin
with, from the first record or from a snapshot. Every file that is replaced stays beside the new one with
".damaged" added to its name. When records at the end are lost, what was promised in them did not happen: the
directory of the engine is put aside too, so that no job gets the results of another. Tasks that still run
then have to be ended: --stop.`,
		Example: "  tianfu store verify /var/lib/tianfu\n  tianfu store repair /var/lib/tianfu",
		RunE: func(c *cobra.Command, args []string) error {
			f, err := bolt.Verify(args[0], nil)
			if err != nil {
				return err
			}
			if f.OK() && !f.Torn {
				fmt.Fprintln(p.err, "nothing is damaged; nothing was changed")
				return p.print(f, findingTable(f))
			}
			aside, err := p.putEngineAside(c.Context(), args[0], f, stop)
			if err != nil {
				return err
			}
			f, kept, err := bolt.Repair(args[0])
			for _, name := range append(kept, aside...) {
				fmt.Fprintln(p.err, "kept:", name)
			}
			if err != nil {
				return err
			}
			if len(f.Damage) > 0 {
				fmt.Fprintf(p.err, "repaired: records %d to %d%s are kept; lost: %s\n", f.Saved.First, f.Saved.Last, onSnapshot(f), rangesOf(f.Lost))
			}
			return p.print(f, findingTable(f))
		},
	}
	c.Flags().BoolVar(&stop, "stop", false, "end tasks that still run")
	return c
}

// putEngineAside renames the engine's directory when the end of the log is
// lost: job IDs will be given out again, and the engine must not take a new job
// for one it ran before.
func (p *program) putEngineAside(ctx context.Context, data string, f *bolt.Finding, stop bool) ([]string, error) {
	dir := filepath.Join(data, "engine")
	tail := f.Saved != nil && len(f.Lost) > 0 && f.Lost[len(f.Lost)-1].Last > f.Saved.Last
	for _, s := range f.Snapshots {
		tail = tail || len(f.Damage) == 0 && s.At > f.Last // whole or not, it was made of records that were there
	}
	if _, err := os.Stat(dir); err != nil || !tail {
		return nil, nil
	}
	if err := endTasks(ctx, dir, stop); err != nil {
		return nil, err
	}
	aside := dir + ".damaged"
	for n := 2; ; n++ {
		if _, err := os.Lstat(aside); errors.Is(err, os.ErrNotExist) {
			break
		}
		aside = fmt.Sprintf("%s.damaged-%d", dir, n)
	}
	if err := os.Rename(dir, aside); err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Where: dir, What: "put the engine's directory aside", Err: err}
	}
	return []string{aside}, nil
}

// endTasks waits until no task of an engine runs; it ends them where it may.
func endTasks(ctx context.Context, dir string, stop bool) error {
	e, err := local.Open(local.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer e.Close()
	go func() {
		for range e.Reports() { // ends wait for a reader
		}
	}()
	// An engine that has just been opened takes a moment to find out which of its
	// tasks have ended.
	settled := time.Now().Add(3 * time.Second)
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		list, err := e.Tasks(ctx)
		if err != nil {
			return err
		}
		var alive []string
		for i := range list {
			if list[i].State != engine.Running && list[i].State != engine.Starting {
				continue
			}
			alive = append(alive, list[i].Key.String())
			if stop {
				if err := e.Stop(ctx, list[i].Key, 10*time.Second); err != nil {
					return err
				}
			}
		}
		switch {
		case len(alive) == 0:
			return nil
		case !stop && time.Now().After(settled):
			return fault.New(fault.Conflict, "repair", "tasks still run that the saved records may not know: "+strings.Join(alive[:min(len(alive), 10)], " "), "end them: tianfu store repair DIR --stop")
		case stop && time.Now().After(limit):
			return fault.New(fault.Unavailable, "repair", "tasks do not end: "+strings.Join(alive[:min(len(alive), 10)], " "), "end their processes, then try again")
		}
	}
}
