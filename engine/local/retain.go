package local

import (
	"cmp"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tianfu/engine"
)

// Limits say how much of what acknowledged tasks left is kept.
type Limits struct {
	Age   time.Duration // older ones are forgotten; 0 = never
	Bytes int64         // of all together, the oldest first; 0 = no bound
}

// Retain forgets acknowledged tasks beyond the limits and returns how many.
// What keep names stays: another attempt of it may go on from its files.
func (e *Engine) Retain(ctx context.Context, l Limits, now time.Time, keep func(engine.Key) bool) (int, error) {
	list, err := os.ReadDir(filepath.Join(e.opts.Dir, dirDone))
	if err != nil {
		return 0, disk(err, e.opts.Dir)
	}
	type left struct {
		key   engine.Key
		at    time.Time
		bytes int64
	}
	var all []left
	total := int64(0)
	for _, d := range list {
		k, ok := keyOf(d.Name())
		if !ok {
			continue
		}
		x := left{key: k, bytes: 0}
		_ = filepath.WalkDir(filepath.Join(e.opts.Dir, dirDone, d.Name()), func(_ string, f fs.DirEntry, err error) error {
			if err != nil {
				return nil // it is going
			}
			if info, err := f.Info(); err == nil && info.Mode().IsRegular() {
				x.bytes += info.Size()
				if info.ModTime().After(x.at) {
					x.at = info.ModTime()
				}
			}
			return nil
		})
		total += x.bytes
		all = append(all, x)
	}
	slices.SortFunc(all, func(a, b left) int { return cmp.Or(a.at.Compare(b.at), a.key.Compare(b.key)) })
	n := 0
	for _, x := range all {
		old := l.Age > 0 && now.Sub(x.at) > l.Age
		if ctx.Err() != nil || !old && (l.Bytes == 0 || total <= l.Bytes) {
			break
		}
		if keep(x.key) {
			continue
		}
		if err := e.Forget(ctx, x.key); err != nil {
			return n, err
		}
		total -= x.bytes
		n++
	}
	return n, nil
}
