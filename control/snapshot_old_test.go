package control_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tianfu/control"
)

// TestSnapshotsOfVersionsBefore starts from snapshots that versions before have
// written, and the records around them: one centre with a power tree, one with
// queues. The start gives the state that the records alone give, the next snapshot
// is of today's version and reads back the same, and both go on alike. What ended
// before such a snapshot is not known by attempts, nor what failed by tasks: that came
// with version 5.
func TestSnapshotsOfVersionsBefore(t *testing.T) {
	files, err := filepath.Glob("testdata/version*.snapshot")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are none: %v", err)
	}
	for _, file := range files {
		image, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if image[0] >= control.SnapshotVersion {
			t.Fatalf("%s is of version %d, which is no version before %d", file, image[0], control.SnapshotVersion)
		}
		old, err := control.DecodeSnapshot(bytes.NewReader(image))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		records, kept := oldRecords(t, strings.TrimSuffix(file, ".snapshot")+".records")
		v := control.RecoverFrom(old)
		for i := range records[kept:] {
			if err := v.Add(&records[kept+i]); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		}
		upgraded, err := v.State()
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		folded, err := control.Recover(records)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if a, b := upgraded.DescribeBefore(), folded.DescribeBefore(); a != b {
			t.Fatalf("%s: from the snapshot\n%s\nfrom the records\n%s", file, a, b)
		}
		now := snapshot(t, upgraded)
		if now[0] != control.SnapshotVersion {
			t.Fatalf("%s: the next snapshot is of version %d", file, now[0])
		}
		again, err := control.DecodeSnapshot(bytes.NewReader(now))
		if err != nil || again.DescribeBefore() != folded.DescribeBefore() {
			t.Fatalf("%s: the next snapshot reads back otherwise: %v", file, err)
		}
		at := records[len(records)-1].At.Add(1e9)
		tick := func(s *control.State) string {
			return render(s.Step(at, []control.Input{{Kind: control.Tick}}).Records)
		}
		if a, b := tick(again), tick(folded); a != b {
			t.Fatalf("%s: the upgraded centre goes on with\n%s\nthe one from the records with\n%s", file, a, b)
		}
	}
}

// oldRecords reads records as they were kept, and how many of them the snapshot
// holds.
func oldRecords(t *testing.T, file string) (records []control.Record, kept int) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	next := func() int {
		n, used := binary.Uvarint(text)
		text = text[max(used, 0):]
		if used <= 0 || n > 1<<20 {
			t.Fatalf("%s is damaged", file)
		}
		return int(n)
	}
	for kept = next(); len(text) > 0; {
		n := next()
		r, err := control.DecodeRecord(text[:n])
		if err != nil {
			t.Fatalf("%s: record %d: %v", file, len(records), err)
		}
		records, text = append(records, r), text[n:]
	}
	return records, kept
}
