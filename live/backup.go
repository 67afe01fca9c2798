package live

import (
	"context"

	"tianfu/store"
)

// Backup writes the snapshot and the records there are now into an archive. The
// centre goes on: appends are not held up, only forgetting old records waits.
func (c *Centre) Backup(ctx context.Context, a *store.Archive) error {
	c.snapshots.trimming.Lock()
	defer c.snapshots.trimming.Unlock()
	return a.Store(ctx, c.o.Store)
}
