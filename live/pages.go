package live

import (
	"context"
	"fmt"
	"sync"

	"tianfu/control"
	"tianfu/fault"
	"tianfu/meter"
	"tianfu/unit"
)

// pageIndex says which records are pages of the ledger, so that a question
// about a week does not read a year. It is filled as far as somebody asks.
type pageIndex struct {
	mu    sync.Mutex
	until uint64 // the last record that was looked at
	pages []pageAt
}

type pageAt struct {
	seq uint64
	at  unit.Instant // when the page was written: not before its interval ended
}

// Pages calls f with every page of the ledger whose interval begins in
// [from, to), oldest first. Pages of records that were forgotten are gone.
func (c *Centre) Pages(ctx context.Context, from, to unit.Instant, f func(*meter.Page) error) error {
	list, err := c.pageList(ctx)
	if err != nil {
		return err
	}
	first, _ := c.o.Store.Bounds()
	for _, p := range list {
		if p.at <= from || p.seq < first {
			continue
		}
		var page *meter.Page
		err := c.o.Store.Read(ctx, p.seq, func(_ uint64, b []byte) error {
			r, err := control.DecodeRecord(b)
			if err == nil {
				page, err = r.Page, errEnough
			}
			return err
		})
		switch {
		case err != nil && err != errEnough:
			return fault.Wrap(err, fmt.Sprintf("record %d", p.seq), "read the ledger")
		case page == nil || page.From < from:
			continue
		case page.From >= to && p.at >= to.Add(2*maxPageDelay):
			return nil
		case page.From >= to:
			continue
		}
		if err := f(page); err != nil {
			return err
		}
	}
	return nil
}

// KeptFrom returns when the first record that is kept was written, where those before
// it are gone, and the ledger's pages with them; 0 = none are.
func (c *Centre) KeptFrom(ctx context.Context) (at unit.Instant, err error) {
	for range 3 { // records may be forgotten between the two looks
		first, last := c.o.Store.Bounds()
		if first <= 1 || last < first {
			return 0, nil
		}
		err = c.o.Store.Read(ctx, first, func(_ uint64, b []byte) (err error) {
			if at, err = control.InstantOf(b); err == nil {
				err = errEnough
			}
			return err
		})
		if fault.KindOf(err) != fault.NotFound {
			break
		}
	}
	if err == errEnough {
		err = nil
	}
	return at, err
}

// maxPageDelay is how long after its interval a page is written at the most,
// but for a centre that was not running.
const maxPageDelay = control.MaxMetering

// pageList brings the index up to date.
func (c *Centre) pageList(ctx context.Context) ([]pageAt, error) {
	x := &c.index
	x.mu.Lock()
	defer x.mu.Unlock()
	first, last := c.o.Store.Bounds()
	if last <= x.until || last < first {
		return x.pages, nil
	}
	err := c.o.Store.Read(ctx, max(x.until+1, first), func(seq uint64, b []byte) error {
		x.until = seq
		if len(b) > 0 && control.RecordKind(b[0]) == control.Metered {
			at, err := control.InstantOf(b)
			if err != nil {
				return err
			}
			x.pages = append(x.pages, pageAt{seq, at})
		}
		return nil
	})
	return x.pages, err
}

// History calls f with every record, oldest first, until f returns an error.
func (c *Centre) History(ctx context.Context, f func(*control.Record) error) error {
	first, _ := c.o.Store.Bounds()
	return c.o.Store.Read(ctx, first, func(seq uint64, b []byte) error {
		r, err := control.DecodeRecord(b)
		if err == nil {
			err = f(&r)
		}
		return err
	})
}
