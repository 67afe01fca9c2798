package main

import (
	"context"
	"strings"
	"testing"

	"tianfu/store/bolt"
)

// checkTrimmed stops a server and holds its store to what its flags asked:
// snapshots are there, records before them are gone, and what is made from records says
// so.
func checkTrimmed(t *testing.T, s *server) {
	t.Helper()
	t.Setenv("TIANFU_TOKEN", s.token)
	for _, sums := range []string{"usage", "bill"} {
		if code, out, errs := execute(sums, "--server=http://"+s.address); code != 0 || !strings.Contains(out, "are forgotten") {
			t.Errorf("%s does not say that a part is gone: code %d, %s%s", sums, code, out, errs)
		}
	}
	if code, out, errs := execute("receipt", "j-1", "--server=http://"+s.address); code != 3 || !strings.Contains(errs, "are forgotten") {
		t.Errorf("a receipt: code %d, %s%s", code, out, errs)
	}
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
