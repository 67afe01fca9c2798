package engine

import "context"

// Suspender is an engine that can make tasks stand still. A task that stands
// still keeps what it holds, its memory and devices, and uses no CPU; doing it
// twice is no error. Denied says that the engine has no means for it here,
// NotFound that the key is not known. A stop must reach a suspended task: the
// caller lets it go on first.
type Suspender interface {
	Suspend(ctx context.Context, k Key, still bool) error
}
