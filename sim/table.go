package sim

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"tianfu/fault"
)

// Bounds of what is read from outside.
const (
	maxLine = 1 << 20               // bytes of one line
	maxRows = 20_000_000            // rows of one file
	maxName = 128                   // bytes of a name
	maxTime = 1 << 32               // seconds: what fits into nanoseconds
	maxRun  = 100 * 366 * 24 * 3600 // seconds: a century
)

// table reads a CSV file with a header, one row at a time, and remembers where
// it is for messages.
type table struct {
	name   string
	lines  *lineGuard
	csv    *csv.Reader
	header []string
	column map[string]int
	row    []string
	line   int
	rows   int
	err    error
}

// newTable reads the header. A missing one is an error.
func newTable(name string, r io.Reader) (*table, error) {
	t := &table{name: name, lines: &lineGuard{r: bufio.NewReaderSize(r, 1<<16)}, column: map[string]int{}}
	const mark = "\ufeff" // of the order of bytes; before a quote it is none of the name's
	if first, _ := t.lines.r.Peek(len(mark)); string(first) == mark {
		t.lines.r.Discard(len(mark))
	}
	t.csv = csv.NewReader(t.lines)
	t.csv.ReuseRecord = true
	t.csv.FieldsPerRecord = -1
	head, err := t.csv.Read()
	if err != nil {
		return nil, t.wrap(err, "read the header")
	}
	t.line = 1
	t.header = slices.Clone(head)
	for i := range t.header {
		if _, twice := t.column[t.header[i]]; twice {
			return nil, fault.New(fault.Invalid, t.where(""), fmt.Sprintf("column %q appears twice", t.header[i]), "remove one")
		}
		t.column[t.header[i]] = i
	}
	return t, nil
}

func (t *table) wrap(err error, doing string) error {
	if errors.Is(err, io.EOF) {
		return fault.New(fault.Invalid, t.name, "is empty", "give a file with a header and rows")
	}
	if errors.Is(err, errLongLine) {
		return fault.New(fault.Invalid, fmt.Sprintf("%s:%d", t.name, t.lines.line), err.Error(), "check that the file is text with line ends")
	}
	var p *csv.ParseError
	if errors.As(err, &p) {
		return fault.New(fault.Invalid, fmt.Sprintf("%s:%d", t.name, p.Line), doing+": "+p.Err.Error(), "")
	}
	return &fault.Error{Kind: fault.Unavailable, Where: t.name, What: doing, Err: err}
}

// where names the present line and, if given, a column.
func (t *table) where(column string) string {
	s := fmt.Sprintf("%s:%d", t.name, t.line)
	if column != "" {
		s += ": " + column
	}
	return s
}

// has reports whether all columns are there.
func (t *table) has(columns ...string) bool {
	for _, c := range columns {
		if _, ok := t.column[c]; !ok {
			return false
		}
	}
	return true
}

// next reads a row; false at the end or on an error, which err then holds.
func (t *table) next() bool {
	if t.err != nil {
		return false
	}
	row, err := t.csv.Read()
	if errors.Is(err, io.EOF) {
		if t.rows == 0 {
			t.err = fault.New(fault.Invalid, t.name, "has a header and no rows", "")
		}
		return false
	}
	if err != nil {
		t.err = t.wrap(err, "read a row")
		return false
	}
	t.line, _ = t.csv.FieldPos(0)
	if len(row) != len(t.header) {
		t.err = fault.New(fault.Invalid, t.where(""), fmt.Sprintf("has %d fields, the header %d", len(row), len(t.header)), "")
		return false
	}
	if t.rows++; t.rows > maxRows {
		t.err = fault.New(fault.Invalid, t.where(""), fmt.Sprintf("more than %d rows", maxRows), "split the file")
		return false
	}
	t.row = row
	return true
}

// fail keeps the first error.
func (t *table) fail(column, what, fix string) {
	if t.err == nil {
		t.err = fault.New(fault.Invalid, t.where(column), what, fix)
	}
}

// text returns a field, or "" when the column is absent.
func (t *table) text(column string) string {
	i, ok := t.column[column]
	if !ok {
		return ""
	}
	if len(t.row[i]) > 1<<12 {
		t.fail(column, fmt.Sprintf("%d bytes long", len(t.row[i])), "4,096 is the most")
		return ""
	}
	if !utf8.ValidString(t.row[i]) {
		t.fail(column, "is not UTF-8 text", "convert the file")
		return ""
	}
	return t.row[i]
}

// ident returns a field that names something.
func (t *table) ident(column string) string {
	s := t.text(column)
	if s == "" || len(s) > maxName {
		t.fail(column, fmt.Sprintf("%q is not a name of 1 to %d bytes", s, maxName), "")
	}
	return s
}

// integer returns a whole number from lo to hi.
func (t *table) integer(column string, lo, hi int64) int64 {
	s := t.text(column)
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		// 12.0 and 1e3 are whole numbers too; NaN, Inf and "4GiB" are not.
		f, ferr := strconv.ParseFloat(s, 64)
		if ferr != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			t.fail(column, strconv.Quote(s)+" is not a whole number", "write it without a unit")
			return lo
		}
		v = int64(f)
	}
	if v < lo || v > hi {
		t.fail(column, fmt.Sprintf("%d is out of range", v), fmt.Sprintf("%d to %d is allowed", lo, hi))
		return lo
	}
	return v
}

// number returns a finite number from lo to hi.
func (t *table) number(column string, lo, hi float64) float64 {
	s := t.text(column)
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		t.fail(column, strconv.Quote(s)+" is not a number", "write a finite number without a unit")
		return lo
	}
	if f < lo || f > hi {
		t.fail(column, s+" is out of range", fmt.Sprintf("%g to %g is allowed", lo, hi))
		return lo
	}
	return f
}

var errLongLine = fmt.Errorf("line longer than %d bytes", maxLine)

// lineGuard passes text on and stops at a line that is too long, so that a
// broken file cannot fill the memory.
type lineGuard struct {
	r    *bufio.Reader
	line int // lines begun
	run  int // bytes since the last line end
}

// Read serves io.Reader.
func (g *lineGuard) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	for rest := p[:n]; ; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			if g.run += len(rest); g.run > maxLine {
				g.line++
				return 0, errLongLine
			}
			return n, err
		}
		if g.run+i > maxLine {
			g.line++
			return 0, errLongLine
		}
		g.line++
		g.run = 0
		rest = rest[i+1:]
	}
}
