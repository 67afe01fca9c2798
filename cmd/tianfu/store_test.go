package main

import (
	"context"
	"testing"

	"tianfu/store/bolt"
)

// checkTrimmed stops a server and holds its store to what its flags asked:
// snapshots are there, and records before them are gone.
func checkTrimmed(t *testing.T, s *server) {
	t.Helper()
	s.kill()
	log, err := bolt.Open(s.data)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	list, err := log.Snapshots(context.Background())
	if err != nil || len(list) == 0 || len(list) > 3 {
		t.Errorf("snapshots %v, %v", list, err)
	}
	if first, last := log.Bounds(); first == 1 {
		t.Errorf("records %d to %d: nothing was trimmed", first, last)
	}
}
