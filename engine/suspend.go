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

// Throttler is an engine that can hold its machine to a part of the power that
// its tasks may draw beyond idle. Part is in thousandths, from 1; 1000 ends it.
// It holds for tasks that run and for those that start later, until the engine is
// closed: who opens it again says it again. Denied says that there is no means
// for it here.
type Throttler interface {
	Throttle(ctx context.Context, part int) error
}
