package audit

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"tianfu/fault"
)

// Read returns durable records after a sequence number, at most limit. Records
// whose files were moved away are passed over.
func (l *Log) Read(after uint64, limit int) ([]Record, error) {
	l.mu.Lock()
	segments, end := l.segments, l.next
	l.mu.Unlock()
	out := []Record{}
	for i, first := range segments {
		until := end
		if i+1 < len(segments) {
			until = segments[i+1]
		}
		if until <= after+1 {
			continue
		}
		want := min(until-max(first, after+1), uint64(limit-len(out)))
		more, err := readSegment(l.name(first), max(first, after+1)-first, int(want))
		if err != nil {
			return nil, err
		}
		if out = append(out, more...); len(out) >= limit {
			break
		}
	}
	return out, nil
}

// readSegment decodes lines of a file after skipping some: sequence numbers
// have no gaps, so a line's number is its place.
func readSegment(name string, skip uint64, count int) ([]Record, error) {
	f, err := os.Open(name)
	if os.IsNotExist(err) {
		return nil, nil // moved away while the centre runs
	}
	if err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Where: name, What: "read the audit log", Err: err}
	}
	defer f.Close()
	b := bufio.NewReaderSize(f, 256<<10)
	var out []Record
	for line := uint64(0); len(out) < count; line++ {
		text, err := b.ReadSlice('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, &fault.Error{Kind: fault.Invalid, Where: fmt.Sprintf("%s:%d", name, line+1), What: "read the audit log", Err: err}
		}
		if line < skip {
			continue
		}
		var r Record
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, &fault.Error{Kind: fault.Invalid, Where: fmt.Sprintf("%s:%d", name, line+1), What: "is no audit record", Err: err, Fix: "see: tianfu audit verify"}
		}
		out = append(out, r)
	}
	return out, nil
}
