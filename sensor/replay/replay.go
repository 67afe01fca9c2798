// Package replay reads a recorded meter from a CSV file, at the speed of the
// calls or of a clock: it stands in for an instrument in tests, exercises and
// where a gateway writes files. It owns the layout of that file; docs/meters.md
// shows it. Read this file first; it is the room.
package replay

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"tianfu/fault"
	"tianfu/sensor"
	"tianfu/unit"
)

// Bounds of a file.
const (
	MaxBytes = 256 << 20
	maxRows  = 5_000_000
)

// Options say how to read a file.
type Options struct {
	Name   string // of the file, for messages
	Covers sensor.Covers
	// Channels are the value columns with their units; empty takes every column
	// but the time, which then end with a unit: total_kwh, feed1_w.
	Channels []Channel
	// Now, if set, plays by the clock: Read returns the newest row that is not
	// after it. Otherwise every Read returns the next row.
	Now func() unit.Instant
}

// Channel is a column with its scale.
type Channel struct {
	Name   string
	Column string
	Part   string
	Scale  sensor.Scale
	Wraps  uint64
}

// Source is a file that is read from row to row.
type Source struct {
	o      Options
	rows   [][]sensor.Sample
	next   int
	closed bool
}

// Open reads a whole file. The time column comes first (RFC 3339 with its
// offset) and must rise; an empty cell is no sample. Errors name the line.
func Open(path string, o Options) (*Source, error) {
	f, err := os.Open(path)
	if err != nil {
		kind := fault.Unavailable
		if errors.Is(err, os.ErrNotExist) {
			kind = fault.NotFound
		}
		return nil, &fault.Error{Kind: kind, Where: path, What: "open the recorded meter", Err: err}
	}
	defer f.Close()
	if o.Name == "" {
		o.Name = path
	}
	return Parse(f, o)
}

// Parse reads the text of a file.
func Parse(text io.Reader, o Options) (*Source, error) {
	bounded := &io.LimitedReader{R: text, N: MaxBytes + 1}
	r := csv.NewReader(bounded)
	r.ReuseRecord = true
	header, err := r.Read()
	if err != nil {
		return nil, fault.Invalidf(o.Name, "no header: %v", err)
	}
	columns, err := o.columns(header)
	if err != nil {
		return nil, err
	}
	s := &Source{o: o}
	for {
		row, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fault.Invalidf(o.Name, "%v", err)
		}
		line, _ := r.FieldPos(0)
		if len(s.rows) == maxRows {
			return nil, fault.Invalidf(o.Name, "more than %d rows", maxRows)
		}
		samples, err := o.read(row, columns)
		if err == nil && len(s.rows) > 0 && samples[0].At <= s.rows[len(s.rows)-1][0].At {
			err = fault.New(fault.Invalid, "", "is not after the row before", "sort by time and remove repeated rows")
		}
		if err != nil {
			return nil, fault.Wrap(err, fmt.Sprintf("%s:%d", o.Name, line), "row")
		}
		s.rows = append(s.rows, samples)
	}
	if bounded.N <= 0 {
		return nil, fault.Invalidf(o.Name, "larger than %d bytes", MaxBytes)
	}
	if len(s.rows) == 0 {
		return nil, fault.Invalidf(o.Name, "no rows")
	}
	return s, nil
}

// columns returns the channel of every column, nil for those that are not read.
func (o *Options) columns(header []string) ([]*Channel, error) {
	where := o.Name + ":1"
	header[0] = strings.TrimPrefix(header[0], "\ufeff")
	if len(header) < 2 || header[0] != "time" {
		return nil, fault.New(fault.Invalid, where, "the columns are "+strings.Join(header, ","), "begin with time, then the channels: time,total_kwh")
	}
	out := make([]*Channel, len(header))
	if len(o.Channels) == 0 {
		for i, h := range header[1:] {
			name, scale, ok := scaleOf(h)
			if !ok {
				return nil, fault.New(fault.Invalid, where, fmt.Sprintf("column %q does not end with its unit", h), "such as total_kwh, feed1_w or package-0_uj")
			}
			out[i+1] = &Channel{Name: name, Column: h, Part: name, Scale: scale}
		}
		return out, o.unique(where, out)
	}
	for i := range o.Channels {
		c := &o.Channels[i]
		k := slices.Index(header[1:], c.Column)
		if k < 0 {
			return nil, fault.New(fault.NotFound, where, fmt.Sprintf("no column %q", c.Column), "columns are "+strings.Join(header, ", "))
		}
		out[k+1] = c
	}
	return out, o.unique(where, out)
}

func (o *Options) unique(where string, channels []*Channel) error {
	seen := map[string]bool{}
	for _, c := range channels {
		if c != nil && (c.Name == "" || seen[c.Name]) {
			return fault.Invalidf(where, "channel %q is there twice or has no name", c.Name)
		}
		if c != nil {
			seen[c.Name] = true
		}
	}
	return nil
}

// scaleOf cuts the unit off a column's name.
func scaleOf(column string) (string, sensor.Scale, bool) {
	i := strings.LastIndexByte(column, '_')
	if i < 1 {
		return "", sensor.Scale{}, false
	}
	for _, u := range [...]string{"uJ", "mJ", "J", "kJ", "Wh", "kWh", "MWh", "mW", "W", "kW"} {
		// Of mJ and MJ, mW and MW the column means the smaller: write the other in k.
		if strings.EqualFold(column[i+1:], u) {
			s, err := sensor.ParseScale(u)
			return column[:i], s, err == nil
		}
	}
	return "", sensor.Scale{}, false
}

// read returns the samples of a row, by channel; empty cells are left out.
func (o *Options) read(row []string, columns []*Channel) ([]sensor.Sample, error) {
	at, err := unit.ParseInstant(row[0])
	if err != nil {
		return nil, err
	}
	if at <= 0 {
		return nil, fault.Invalidf("", "%s is before 1970", row[0])
	}
	var out []sensor.Sample
	for i, c := range columns {
		if c == nil || strings.TrimSpace(row[i]) == "" {
			continue
		}
		value := sensor.Channel{Name: c.Name, Part: c.Part, Scale: c.Scale, Wraps: c.Wraps}
		s, err := value.Decimal(row[i], o.Covers, at)
		if err != nil {
			return nil, fault.Wrap(err, "", c.Column)
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, fault.Invalidf("", "no value")
	}
	slices.SortFunc(out, func(a, b sensor.Sample) int { return strings.Compare(a.Channel, b.Channel) })
	return out, nil
}

// Read returns a row. After the last one the meter is Unavailable.
func (s *Source) Read(ctx context.Context) ([]sensor.Sample, error) {
	switch {
	case s.closed:
		return nil, fault.New(fault.Unavailable, s.o.Name, "is closed", "")
	case ctx.Err() != nil:
		return nil, fault.New(fault.Unavailable, s.o.Name, ctx.Err().Error(), "")
	}
	if s.o.Now == nil {
		if s.next == len(s.rows) {
			return nil, fault.New(fault.Unavailable, s.o.Name, "is at its end", "")
		}
		s.next++
		return slices.Clone(s.rows[s.next-1]), nil
	}
	now := s.o.Now()
	for s.next < len(s.rows) && s.rows[s.next][0].At <= now {
		s.next++
	}
	if s.next == 0 {
		return nil, fault.New(fault.Unavailable, s.o.Name, "begins at "+s.rows[0][0].At.String(), "")
	}
	last := s.rows[s.next-1]
	if s.next == len(s.rows) && now.Sub(last[0].At) > time.Hour {
		return nil, fault.New(fault.Unavailable, s.o.Name, "ended at "+last[0].At.String(), "")
	}
	return slices.Clone(last), nil
}

// Close serves sensor.Source.
func (s *Source) Close() error {
	s.closed = true
	return nil
}
