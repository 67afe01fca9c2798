// Package fault owns the seven kinds of error that Tianfu reports and the one
// table that maps a kind to an exit code and an HTTP status. It never logs and
// never decides what to do about an error. Read this file first; it is the room.
package fault

import (
	"errors"
	"fmt"
)

// Kind says what sort of failure an error is; every error a user sees has one.
type Kind uint8

// The seven kinds. Internal is the zero value, so an error without a kind is a
// defect of ours until somebody says otherwise.
const (
	Internal Kind = iota
	Invalid
	NotFound
	Denied
	Conflict
	Exhausted
	Unavailable
)

var kinds = [...]struct {
	name string
	exit int
	http int
}{
	Internal:    {"internal", 1, 500},
	Invalid:     {"invalid", 2, 422},
	NotFound:    {"not found", 3, 404},
	Denied:      {"denied", 4, 403},
	Conflict:    {"conflict", 5, 409},
	Exhausted:   {"exhausted", 6, 429},
	Unavailable: {"unavailable", 7, 503},
}

// String returns the kind's name, as it is printed before a message.
func (k Kind) String() string { return kinds[k].name }

// ExitCode returns the exit code of a command that ends with this kind.
func (k Kind) ExitCode() int { return kinds[k].exit }

// HTTPStatus returns the status of a reply that carries this kind.
func (k Kind) HTTPStatus() int { return kinds[k].http }

// Error is a failure with a kind, the place it was found at and a way out.
type Error struct {
	Kind  Kind
	Where string // file:line, field or object; empty when the message names it
	What  string // what is wrong
	Fix   string // what to do about it; may be empty
	Err   error  // the cause, if any
}

// Error renders "where: what: cause; fix".
func (e *Error) Error() string {
	s := e.What
	if e.Where != "" {
		s = e.Where + ": " + s
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Fix != "" {
		s += "; " + e.Fix
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New returns an error of kind k at where. The fix may be empty.
func New(k Kind, where, what, fix string) *Error {
	return &Error{Kind: k, Where: where, What: what, Fix: fix}
}

// Invalidf returns an Invalid error found at where, without a separate fix.
func Invalidf(where, format string, args ...any) *Error {
	return &Error{Kind: Invalid, Where: where, What: fmt.Sprintf(format, args...)}
}

// Wrap adds what was being done to err and keeps err's kind.
func Wrap(err error, where, what string) *Error {
	return &Error{Kind: KindOf(err), Where: where, What: what, Err: err}
}

// KindOf returns the kind of the outermost *Error in err's chain, or Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}
