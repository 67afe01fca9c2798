package live

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"tianfu/control"
	"tianfu/fault"
)

// DefaultSnapshotEvery is how many records lie between two snapshots.
const DefaultSnapshotEvery = 200_000

// keptSnapshots is how many are kept: the one before is what a damaged latest
// one falls back to.
const keptSnapshots = 2

// snapshots is what the centre knows of its own.
type snapshots struct {
	at      uint64   // record of the latest, or of the latest that was tried; the loop's
	unread  []uint64 // those that the start could not read; they do not count as kept; the writer's
	writing sync.WaitGroup
	busy    chan struct{} // holds one token while one is written
	// trimming is held while records are forgotten, and while a backup reads
	// them.
	trimming sync.Mutex
}

// recover returns the state: the latest snapshot that is whole, and the records
// after it; or all records, where there is none.
func (c *Centre) recover(ctx context.Context) (*control.State, error) {
	first, last := c.o.Store.Bounds()
	list, err := c.o.Store.Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	for _, at := range slices.Backward(list) {
		if at > last {
			return nil, fault.New(fault.Invalid, "record log", fmt.Sprintf("ends with record %d, and there is a snapshot of record %d: its end is lost", last, at), "restore a backup; or go on without what is lost: tianfu store repair DIR")
		}
		if at+1 < first {
			c.o.Logger.Warn("a snapshot does not fit the records and is left aside", "snapshot", at, "first", first, "last", last)
			continue
		}
		var s *control.State
		err := c.o.Store.LoadSnapshot(ctx, at, func(r io.Reader) (err error) { s, err = control.DecodeSnapshot(r); return err })
		if err != nil {
			c.o.Logger.Warn("a snapshot cannot be read and is left aside", "snapshot", at, "error", err)
			c.snapshots.unread = append(c.snapshots.unread, at)
			continue
		}
		c.snapshots.at = at
		return c.fold(ctx, s, at+1)
	}
	if first > 1 {
		return nil, fault.New(fault.Invalid, "record log", fmt.Sprintf("begins with record %d, and no snapshot from before it can be read", first), "restore a backup; see tianfu store verify DIR")
	}
	return c.fold(ctx, nil, 1)
}

// fold adds the records from a number on to a state; nil before the first.
func (c *Centre) fold(ctx context.Context, s *control.State, from uint64) (*control.State, error) {
	v := control.RecoverFrom(s)
	err := c.o.Store.Read(ctx, from, func(seq uint64, b []byte) error {
		r, err := control.DecodeRecord(b)
		if err == nil {
			err = v.Add(&r)
		}
		if err != nil {
			return fault.Wrap(err, fmt.Sprintf("record %d", seq), "recover")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return v.State()
}

// snapshotIfDue freezes the state when enough records have come since the last
// time, and writes it beside the loop. What waits is held up for the copy only.
func (c *Centre) snapshotIfDue(ctx context.Context) {
	if c.last-c.snapshots.at < c.o.SnapshotEvery {
		return
	}
	select {
	case c.snapshots.busy <- struct{}{}:
	default:
		return // the one before is still being written
	}
	began := time.Now()
	at, frozen := c.last, c.state.Freeze()
	pause := time.Since(began)
	c.snapshots.at = at
	c.snapshots.writing.Go(func() {
		defer func() { <-c.snapshots.busy }()
		if err := c.saveSnapshot(ctx, at, frozen); err != nil {
			c.o.Logger.Warn("no snapshot was made; the records are all there", "record", at, "error", err)
			return
		}
		c.o.Logger.Info("snapshot", "record", at, "pause", pause, "written_in", time.Since(began)-pause)
	})
}

func (c *Centre) saveSnapshot(ctx context.Context, at uint64, frozen *control.Frozen) error {
	if err := c.o.Store.Room(); err != nil {
		return err // what room there is belongs to the ends of running tasks
	}
	if err := c.o.Store.SaveSnapshot(ctx, at, frozen.Encode); err != nil {
		return err
	}
	c.snapshots.unread = slices.DeleteFunc(c.snapshots.unread, func(old uint64) bool { return old == at }) // it was replaced
	list, err := c.o.Store.Snapshots(ctx)
	if err != nil {
		return err
	}
	// One that cannot be read stays until two that can are newer: it must not push
	// out the one that the start fell back to.
	whole := slices.DeleteFunc(slices.Clone(list), func(at uint64) bool { return slices.Contains(c.snapshots.unread, at) })
	if len(whole) < keptSnapshots {
		return nil
	}
	oldest := whole[len(whole)-keptSnapshots]
	for ; list[0] < oldest; list = list[1:] {
		if err := c.o.Store.DropSnapshot(ctx, list[0]); err != nil {
			return err
		}
	}
	if c.o.KeepRecords <= 0 {
		return nil
	}
	return c.trim(ctx, oldest, frozen)
}

// trim forgets the records that are older than they must be kept and that the
// older of the snapshots has in it, once that one was read back whole.
func (c *Centre) trim(ctx context.Context, older uint64, frozen *control.Frozen) error {
	if !c.snapshots.trimming.TryLock() {
		return nil // a backup reads them; the next snapshot comes back to it
	}
	defer c.snapshots.trimming.Unlock()
	err := c.o.Store.LoadSnapshot(ctx, older, func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err })
	if err != nil {
		return err
	}
	first, _ := c.o.Store.Bounds()
	until := frozen.Now().Add(-c.o.KeepRecords)
	before := first
	err = c.o.Store.Read(ctx, first, func(seq uint64, b []byte) error {
		at, err := control.InstantOf(b)
		switch {
		case err != nil:
			return err
		case seq > older || at >= until:
			return errEnough
		}
		before = seq + 1
		return nil
	})
	if err != nil && err != errEnough {
		return err
	}
	if before == first {
		return nil // none is old enough
	}
	if err := c.o.Store.Trim(ctx, before); err != nil {
		return err
	}
	c.o.Logger.Info("records were trimmed", "from", first, "to", before-1, "kept_for", c.o.KeepRecords)
	return nil
}

var errEnough = fault.New(fault.Internal, "records", "enough were read", "")
