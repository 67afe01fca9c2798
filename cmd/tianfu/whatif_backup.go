package main

import (
	"context"
	"io"
	"os"
	"strings"
	"time"

	"tianfu/fault"
	"tianfu/live"
	"tianfu/sim"
	"tianfu/store"
	"tianfu/store/bolt"
)

// backupPeriod tells a backup of a centre from a workload in a file: FILE, or
// FILE:PERIOD for the end of it. span is 0 for all of it.
func backupPeriod(against string) (name string, span time.Duration, is bool) {
	name = against
	if i := strings.LastIndexByte(against, ':'); i > 0 {
		if _, err := os.Stat(against); err != nil {
			if d, err := live.Period(against[i+1:]); err == nil {
				name, span = against[:i], d
			}
		}
	}
	f, err := os.Open(name)
	if err != nil {
		return name, span, false
	}
	defer f.Close()
	var magic [2]byte // of gzip (RFC 1952), which a workload never is
	_, err = io.ReadFull(f, magic[:])
	return name, span, err == nil && magic == [2]byte{0x1f, 0x8b}
}

// compareBackup runs a period of a backup. Its records are unpacked into a
// directory that is removed afterwards; no tokens and no other files are.
func compareBackup(ctx context.Context, name string, q live.Question) (*sim.WhatIf, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, &fault.Error{Kind: fault.NotFound, Where: name, What: "open", Err: err}
	}
	defer f.Close()
	m, err := store.VerifyBackup(f)
	if err != nil {
		return nil, fault.Wrap(err, name, "verify")
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fault.Wrap(err, name, "read again")
	}
	dir, err := os.MkdirTemp("", "tianfu-whatif-")
	if err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Where: "what-if", What: "make a directory", Err: err}
	}
	defer os.RemoveAll(dir)
	log, err := bolt.Open(dir)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if err := store.Restore(ctx, f, m, log, func(string, []byte) error { return nil }); err != nil {
		return nil, fault.Wrap(err, name, "unpack")
	}
	return live.WhatIfOf(ctx, log, q)
}
