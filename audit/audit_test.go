package audit

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func open(t *testing.T, dir string) (*Log, string) {
	t.Helper()
	l, notice, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return l, notice
}

func fill(t *testing.T, l *Log, n int) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			err := l.Append(Record{Request: fmt.Sprint(i), Who: "w", Action: "POST /v1/jobs", Target: "=1+1\n\"<ü\xff", Outcome: Allowed, Status: 201})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// files verifies every file of a directory as one chain.
func files(t *testing.T, dir string) (Finding, error) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var c Chain
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Verify(name, bytes.NewReader(text)); err != nil {
			return c.Finding, err
		}
	}
	return c.Finding, nil
}

// TestChainGoesOn appends from many sides, over restarts and files, and reads
// it all back.
func TestChainGoesOn(t *testing.T) {
	dir := t.TempDir()
	for round := range 4 {
		l, notice := open(t, dir)
		if notice != "" || l.Last() != uint64(round*50) {
			t.Fatalf("round %d opens at %d: %q", round, l.Last(), notice)
		}
		l.full = 3000 // some ten records
		fill(t, l, 50)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := l.Append(Record{}); err == nil {
			t.Error("a closed log takes a record")
		}
	}
	found, err := files(t, dir)
	if err != nil || found.Records != 200 || found.First != 1 || found.Last != 200 || found.Before != "" {
		t.Fatalf("%+v, %v", found, err)
	}
	l, _ := open(t, dir)
	defer l.Close()
	if len(l.segments) < 3 {
		t.Errorf("only %d files: the test does not cross any", len(l.segments))
	}
	seen := uint64(0)
	for {
		page, err := l.Read(seen, 7)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page {
			if page[i].Sequence != seen+1 || page[i].Sum() != page[i].Hash {
				t.Fatalf("after %d comes %+v", seen, page[i])
			}
			seen++
		}
		if len(page) == 0 {
			break
		}
	}
	if seen != 200 {
		t.Errorf("%d records were read back", seen)
	}
}

// TestTornTail cuts the file at every byte of its last record: what is whole
// stays, and the chain goes on.
func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	l, _ := open(t, dir)
	fill(t, l, 3)
	l.Close()
	name := l.name(1)
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	last := bytes.LastIndexByte(text[:len(text)-1], '\n') + 1
	for end := last; end < len(text); end++ {
		if err := os.WriteFile(name, text[:end], 0o600); err != nil {
			t.Fatal(err)
		}
		l, notice := open(t, dir)
		if l.Last() != 2 || (notice != "") != (end > last) {
			t.Fatalf("cut at %d: opens at %d, %q", end, l.Last(), notice)
		}
		fill(t, l, 1)
		l.Close()
		if found, err := files(t, dir); err != nil || found.Records != 3 {
			t.Fatalf("cut at %d: %+v, %v", end, found, err)
		}
	}
	if err := os.WriteFile(name, bytes.Replace(text, []byte(`"status":201`), []byte(`"status":500`), 3), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "damaged or was changed") {
		t.Errorf("a changed last record opens with %v", err)
	}
}

// TestVerifyNamesTheFirstBrokenLine changes an export in every way one may try.
func TestVerifyNamesTheFirstBrokenLine(t *testing.T) {
	l, _ := open(t, t.TempDir())
	fill(t, l, 20)
	records, err := l.Read(0, 100)
	if err != nil || len(records) != 20 {
		t.Fatal(len(records), err)
	}
	l.Close()
	forms := map[string]func([]Record) string{
		"json": func(rs []Record) string {
			lines := make([]string, len(rs))
			for i := range rs {
				text, _ := json.Marshal(rs[i])
				lines[i] = string(text)
			}
			return "{\"records\":[\n" + strings.Join(lines, ",\n") + "\n]}\n"
		},
		"csv": func(rs []Record) string {
			var b strings.Builder
			w := csv.NewWriter(&b)
			w.Write(CSVHeader())
			for i := range rs {
				w.Write(rs[i].CSV())
			}
			w.Flush()
			return b.String()
		},
	}
	changes := map[string]struct {
		change func([]Record) []Record
		line   int // in both forms the first record is in line 2; 0 = nothing broken
	}{
		"nothing":        {func(rs []Record) []Record { return rs }, 0},
		"from the tenth": {func(rs []Record) []Record { return rs[9:] }, 0},
		"a word":         {func(rs []Record) []Record { rs[4].Outcome = Denied; return rs }, 6},
		"a status":       {func(rs []Record) []Record { rs[5].Status = 200; return rs }, 7},
		"a count":        {func(rs []Record) []Record { rs[5].More = 1; return rs }, 7},
		"dropped":        {func(rs []Record) []Record { return append(rs[:7], rs[8:]...) }, 9},
		"swapped":        {func(rs []Record) []Record { rs[2], rs[3] = rs[3], rs[2]; return rs }, 4},
		"twice":          {func(rs []Record) []Record { return append(rs[:3:3], rs[2:]...) }, 5},
		"hashed anew":    {func(rs []Record) []Record { rs[9].Who = "x"; rs[9].Hash = rs[9].Sum(); return rs }, 12},
		"a beginning":    {func(rs []Record) []Record { rs[0].Previous = "00"; rs[0].Hash = rs[0].Sum(); return rs }, 2},
	}
	for form, write := range forms {
		for what, x := range changes {
			var c Chain
			err := c.Verify("export", strings.NewReader(write(x.change(append([]Record(nil), records...)))))
			if x.line == 0 {
				if err != nil || c.Head != records[19].Hash {
					t.Errorf("%s, %s: %+v, %v", form, what, c.Finding, err)
				}
			} else if want := fmt.Sprintf("export:%d: ", x.line); err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s, %s changed: got %v, want it at %s", form, what, err, want)
			}
		}
	}
}

// FuzzVerify feeds anything to Verify, which must neither panic nor accept a
// record whose hash is wrong.
func FuzzVerify(f *testing.F) {
	r := Record{Action: "x", Outcome: Allowed}
	r.seal(1, "", time.Unix(0, 0))
	line, _ := json.Marshal(r)
	f.Add(string(line))
	f.Add(strings.Join(csvHeader, ",") + "\n" + strings.Join(r.CSV(), ",") + "\n")
	f.Add("{\"records\":[\n]}")
	f.Fuzz(func(t *testing.T, text string) {
		var c Chain
		if err := c.Verify("fuzz", strings.NewReader(text)); err == nil && c.Records > 0 && len(c.Head) != 64 {
			t.Errorf("accepted a record with hash %q", c.Head)
		}
	})
}
