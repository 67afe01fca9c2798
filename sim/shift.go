package sim

import (
	"fmt"
	"io"
	"time"

	"tianfu/fault"
)

// Intensity is a carbon intensity in g/kWh in equal steps from Start.
type Intensity struct {
	Start time.Time
	Step  time.Duration
	Value []float64
}

// maxIntensity is the largest intensity that is believed, g/kWh: a value above
// it was written in another unit.
const maxIntensity = 5000

// ReadIntensity reads a series from CSV: instants in the first column, g/kWh in
// the named one, or in the second. Steps must be equal: a gap, a repetition and
// a step back are errors with their line.
func ReadIntensity(name string, r io.Reader, column string) (*Intensity, error) {
	t, err := newTable(name, r)
	if err != nil {
		return nil, err
	}
	if column == "" && len(t.header) > 1 {
		column = t.header[1]
	}
	if !t.has(column) || column == t.header[0] {
		return nil, fault.New(fault.Invalid, t.where(""), fmt.Sprintf("has no column %q of values", column), "name one with --column")
	}
	s := &Intensity{}
	var last time.Time
	for t.next() {
		at, err := parseStamp(t.text(t.header[0]))
		if err != nil {
			t.fail(t.header[0], err.Error(), "write it like 2022-10-19T16:00:00Z")
			break
		}
		switch {
		case len(s.Value) == 0:
			s.Start = at
		case len(s.Value) == 1:
			if s.Step = at.Sub(last); s.Step <= 0 {
				t.fail(t.header[0], "does not follow the line before", "sort the series and remove repetitions")
			}
		case at.Sub(last) != s.Step:
			t.fail(t.header[0], fmt.Sprintf("is %v after the line before, the steps are %v", at.Sub(last), s.Step), "fill gaps and remove repetitions")
		}
		last = at
		s.Value = append(s.Value, t.number(column, 0, maxIntensity))
		if t.err != nil {
			break
		}
	}
	if t.err == nil && len(s.Value) < 2 {
		return nil, fault.New(fault.Invalid, name, "has fewer than two rows", "")
	}
	return s, t.err
}

// parseStamp reads an instant; one without a zone is taken as UTC.
func parseStamp(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not an instant", text)
}

// From returns the values from an instant on.
func (s *Intensity) From(at time.Time) ([]float64, error) {
	d := at.Sub(s.Start)
	if d < 0 || d%s.Step != 0 || int(d/s.Step) >= len(s.Value) {
		return nil, fault.New(fault.Invalid, "--start", fmt.Sprintf("%s is not a step of the series, which runs from %s by %v for %d steps", at.Format(time.RFC3339), s.Start.Format(time.RFC3339), s.Step, len(s.Value)), "choose one of its instants")
	}
	return s.Value[d/s.Step:], nil
}

// ShiftJob is a job of the shifting protocols, in seconds.
type ShiftJob struct {
	Arrival, Length float64
	CPUs            int
}

// ReadShiftJobs reads arrival_time, length (s) and cpus.
func ReadShiftJobs(name string, r io.Reader) ([]ShiftJob, error) {
	t, err := newTable(name, r)
	if err != nil {
		return nil, err
	}
	if !t.has("arrival_time", "length", "cpus") {
		return nil, unknownHeader(t, "a list of jobs", "arrival_time,length,cpus")
	}
	var out []ShiftJob
	for t.next() {
		out = append(out, ShiftJob{t.number("arrival_time", 0, maxTime), t.number("length", 0, maxRun), int(t.integer("cpus", 1, 1<<20))})
	}
	return out, t.err
}
