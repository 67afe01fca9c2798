package energy

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"

	"tianfu/fault"
)

// eachRow gives every row below the heading to f, with the line that it stands in;
// more rows than most are an error.
func eachRow(name string, r *csv.Reader, most int, f func(line int, row []string) error) error {
	for n := 0; ; n++ {
		row, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return csvFault(name, err, "")
		}
		line, _ := r.FieldPos(0)
		if n == most {
			return fault.Invalidf(lineOf(name, line), "more than %d rows", most)
		}
		if err := f(line, row); err != nil {
			return err
		}
	}
}

// lineOf names a line of a file for messages.
func lineOf(name string, line int) string { return fmt.Sprintf("%s:%d", name, line) }

// csvFault gives what encoding/csv says a kind and a place.
func csvFault(name string, err error, columns string) error {
	if err == io.EOF {
		return fault.New(fault.Invalid, name, "the file is empty", "the first line names the columns: "+columns)
	}
	if e, ok := errors.AsType[*csv.ParseError](err); ok {
		return fault.Invalidf(lineOf(name, e.Line), "%v", e.Err)
	}
	return &fault.Error{Kind: fault.Unavailable, Where: name, What: "read", Err: err}
}
