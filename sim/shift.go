package sim

import (
	"fmt"
	"io"
	"time"

	"tianfu/energy"
	"tianfu/fault"
)

// Intensity is a carbon intensity in g/kWh in equal steps from Start.
type Intensity struct {
	Start time.Time
	Step  time.Duration
	Value []float64
}

// ReadIntensity reads a series from CSV: instants in the first column, g/kWh in
// the named one, or in the second. The rules are those of energy.ParseSeries.
func ReadIntensity(name string, text []byte, column string) (*Intensity, error) {
	r, err := energy.ParseSeries(name, text, energy.SeriesOptions{Column: column, Unit: "g_per_kwh", Positional: true})
	if err != nil {
		return nil, err
	}
	s := &Intensity{Start: time.Unix(0, int64(r.Start)).UTC(), Step: r.Step, Value: make([]float64, len(r.Values))}
	for i, v := range r.Values {
		s.Value[i] = v * 1000
	}
	return s, nil
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
