package audit

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"tianfu/fault"
)

// Finding is what a look at a chain found.
type Finding struct {
	Records uint64 `json:"records"`
	First   uint64 `json:"first"` // sequence numbers
	Last    uint64 `json:"last"`
	Before  string `json:"before"` // hash of the record before the first; empty at the beginning of the chain
	Head    string `json:"head"`   // hash of the last record
}

// Chain checks records as they come.
type Chain struct{ Finding }

// Add checks that a record follows the one before and says what it said when it
// was written.
func (c *Chain) Add(r *Record) error {
	switch {
	case r.Sum() != r.Hash:
		return fault.Invalidf("", "record %d is not what was recorded: its hash does not match", r.Sequence)
	case c.Records == 0 && r.Sequence == 1 && r.Previous != "":
		return fault.Invalidf("", "record 1 claims a record before it")
	case c.Records > 0 && r.Sequence != c.Last+1:
		return fault.Invalidf("", "record %d follows record %d: records are missing or out of order", r.Sequence, c.Last)
	case c.Records > 0 && r.Previous != c.Head:
		return fault.Invalidf("", "record %d does not carry the hash of record %d", r.Sequence, c.Last)
	}
	if c.Records == 0 {
		c.First, c.Before = r.Sequence, r.Previous
	}
	c.Records, c.Last, c.Head = c.Records+1, r.Sequence, r.Hash
	return nil
}

// Verify reads an export (JSON or CSV) or a file of the log itself, recomputes
// the chain and returns what it found. Invalid names the first line that
// breaks. A chain continues over several calls.
func (c *Chain) Verify(name string, in io.Reader) error {
	b := bufio.NewReaderSize(in, 64<<10)
	start, err := b.Peek(len(csvHeader[0]))
	if err == nil && string(start) == csvHeader[0] {
		return c.verifyCSV(name, b)
	}
	return c.verifyLines(name, b)
}

// verifyLines reads records line by line; the frame that an export puts around
// them is passed over.
func (c *Chain) verifyLines(name string, b *bufio.Reader) error {
	sc := bufio.NewScanner(b)
	sc.Buffer(nil, maxLine)
	for n := 1; sc.Scan(); n++ {
		text := bytes.TrimSuffix(bytes.TrimSpace(sc.Bytes()), []byte(","))
		if len(text) == 0 || string(text) == `{"records":[` || string(text) == "]}" {
			continue
		}
		at := name + ":" + strconv.Itoa(n)
		var r Record
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&r); err != nil {
			return &fault.Error{Kind: fault.Invalid, Where: at, What: "is no audit record", Err: err}
		}
		if _, err := d.Token(); err != io.EOF {
			return fault.New(fault.Invalid, at, "holds more than one record", "")
		}
		if err := c.Add(&r); err != nil {
			return fault.Wrap(err, at, "the chain breaks here")
		}
	}
	if err := sc.Err(); err != nil {
		return &fault.Error{Kind: fault.Invalid, Where: name, What: "cannot be read", Err: err}
	}
	return nil
}

var csvHeader = []string{"sequence", "at", "request_id", "who", "name", "role", "tenant", "from", "action", "target", "outcome", "status", "more", "previous", "hash"}

// texts are the text columns of a record, in the order of the header.
func (r *Record) texts() []*string {
	return []*string{nil, &r.At, &r.Request, &r.Who, &r.Name, &r.Role, &r.Tenant, &r.From, &r.Action, &r.Target, &r.Outcome, nil, nil, &r.Previous, &r.Hash}
}

// CSVHeader names the columns of an export.
func CSVHeader() []string { return csvHeader }

// CSV renders a record as a row of an export. A cell that a spreadsheet would
// take for a formula begins with an apostrophe, which reading takes away.
func (r *Record) CSV() []string {
	row := make([]string, len(csvHeader))
	for i, text := range r.texts() {
		if text != nil {
			row[i] = *text
			if row[i] != "" && strings.ContainsAny(row[i][:1], "=+-@'") {
				row[i] = "'" + row[i]
			}
		}
	}
	row[0], row[11], row[12] = strconv.FormatUint(r.Sequence, 10), strconv.Itoa(r.Status), strconv.FormatUint(r.More, 10)
	return row
}

func parseCSV(row []string) (r Record, err error) {
	for i, text := range r.texts() {
		if text != nil {
			*text = strings.TrimPrefix(row[i], "'")
		}
	}
	if r.Sequence, err = strconv.ParseUint(row[0], 10, 64); err == nil {
		r.Status, err = strconv.Atoi(row[11])
	}
	if err == nil {
		r.More, err = strconv.ParseUint(row[12], 10, 64)
	}
	return r, err
}

func (c *Chain) verifyCSV(name string, b *bufio.Reader) error {
	rows := csv.NewReader(b)
	rows.FieldsPerRecord, rows.ReuseRecord = len(csvHeader), true
	for {
		row, err := rows.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil { // which says the line
			return &fault.Error{Kind: fault.Invalid, Where: name, What: "is no CSV of audit records", Err: err}
		}
		line, _ := rows.FieldPos(0)
		at := fmt.Sprintf("%s:%d", name, line)
		if line == 1 {
			continue
		}
		r, err := parseCSV(row)
		if err != nil {
			return &fault.Error{Kind: fault.Invalid, Where: at, What: "is no audit record", Err: err}
		}
		if err := c.Add(&r); err != nil {
			return fault.Wrap(err, at, "the chain breaks here")
		}
	}
}
