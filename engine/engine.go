// Package engine owns the port to whatever runs tasks: the promise that every
// engine keeps, the words of orders and reports, and the conformance suite that
// holds an engine to them. It never decides what runs where and never bills;
// its children run things. Read this file first, then order.go and report.go.
package engine

import (
	"context"
	"io"
	"time"
)

// Engine runs tasks at one site. One engine serves one site, and one server
// drives one engine.
//
// The promise, in full:
//
// A task is named by its Key: job, task and generation. A key starts at most
// once in the life of the engine, whatever fails: the caller, the engine's own
// process, the machine. Start with a key that the engine knows does nothing and
// returns nil, so a caller that does not know whether its order arrived repeats
// it. A caller that wants another try uses the next generation.
//
// A nil from Start says that the order is kept, not that a process exists: that
// is said by a report. Of every key whose Start returned nil there comes, in
// this order: at most one Started, any number of Used, and exactly one end,
// Exited or Lost. The end is kept until Ack. A caller that dies before Ack gets
// it again from the engine opened next, and so the Started of a task that still
// runs; a caller that remembers keys therefore sees every end exactly once.
//
// Tasks outlive the caller. Closing the engine, or killing the process it lives
// in, stops no task. An engine opened again over the same state knows every key
// not forgotten.
//
// Errors have kinds: Invalid for an order that can never run, Denied for one
// that this engine refuses to run (no runtime for its image, isolation below
// what is required), NotFound for a key not known, Conflict for Forget of a key
// still in use, Exhausted when the disk is full, Unavailable when the engine is
// closed or its site cannot be reached.
//
// All methods may be called at the same time from several goroutines.
type Engine interface {
	// Start keeps the order and carries it out. It is idempotent by key.
	Start(ctx context.Context, o Order) error

	// Stop asks a task to end: its stop signal now, SIGKILL to all of it after
	// grace. A second Stop can only shorten the grace. A task that ended already
	// is no error; the end is reported either way.
	Stop(ctx context.Context, k Key, grace time.Duration) error

	// Ack says that the end of k is safe with the caller: it is never reported
	// again. The task's logs stay. Ack of a key that still runs is a Conflict;
	// Ack twice is no error.
	Ack(ctx context.Context, k Key) error

	// Forget removes all that is kept of an acknowledged key, logs too. A key not
	// known is no error. A forgotten key must never be started again: the engine
	// cannot know it any more.
	Forget(ctx context.Context, k Key) error

	// Tasks lists every key not forgotten with its state, in the order of keys.
	// A caller that recovers compares it with its own records: what it has
	// allocated and is not listed never started.
	Tasks(ctx context.Context) ([]Status, error)

	// Reports is where all reports arrive. Started and ends are never dropped:
	// they wait for the reader. Used may be dropped when nobody reads; its
	// numbers count from the start, so nothing is missed. Closed by Close.
	Reports() <-chan Report

	// Logs reads what a task wrote.
	Logs(ctx context.Context, q LogQuery) (Log, error)

	// Probe says how tasks are isolated and measured here and what that leaves
	// open. It changes nothing.
	Probe(ctx context.Context) (Probe, error)

	// Close stops the engine and no task.
	Close() error
}

// Stream is one of the two outputs of a task.
type Stream string

// The streams.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

// LogQuery asks for a stream of a task from an offset on.
type LogQuery struct {
	Key    Key
	Stream Stream
	Offset int64 // bytes since the task's start; negative counts from the end
	Follow bool  // wait for more until the task has ended
}

// Log reads a stream. Read returns io.EOF at the end of what there is; when the
// query follows, only after the task has ended and all is read, or with the
// context's error. Logs are bounded, the oldest bytes go first: Offset is where
// in the whole stream the next Read begins, so a reader sees what it missed.
type Log interface {
	io.ReadCloser
	Offset() int64
}
