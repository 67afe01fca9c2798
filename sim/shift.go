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
	Clock time.Time // Start as the series writes it, its offset left out
}

// ReadIntensity reads a series from CSV: instants in the column with a time's name, or
// in the first, and values in the named one, or in the first other; g/kWh where its
// name does not end with a unit. The rules are those of energy.ParseSeries.
func ReadIntensity(name string, text []byte, column string) (*Intensity, error) {
	r, err := energy.ParseSeries(name, text, energy.SeriesOptions{Column: column, Unit: "g_per_kwh", Positional: true})
	if err != nil {
		return nil, err
	}
	s := &Intensity{Start: time.Unix(0, int64(r.Start)).UTC(), Step: r.Step, Value: make([]float64, len(r.Values))}
	s.Clock = s.Start.Add(r.Offset)
	for i, v := range r.Values {
		s.Value[i] = v * 1000
	}
	return s, nil
}

// In returns the series in steps of another length: the means of shorter steps, and
// longer ones repeated. A step that is not whole at the end is left out.
func (s *Intensity) In(step time.Duration) (*Intensity, error) {
	if s.Step%step != 0 && step%s.Step != 0 || s.Start.Truncate(step) != s.Start {
		return nil, fault.New(fault.Invalid, "the series of intensity", fmt.Sprintf("has steps of %v from %s, which make no steps of %v", s.Step, s.Start.Format(time.RFC3339), step), "give whole hours or parts of them, from a full hour on")
	}
	out := &Intensity{Start: s.Start, Clock: s.Clock, Step: step}
	join, repeat := max(int(step/s.Step), 1), max(int(s.Step/step), 1)
	for i := 0; i+join <= len(s.Value); i += join {
		mean := 0.0
		for _, v := range s.Value[i : i+join] {
			mean += v / float64(join)
		}
		for range repeat {
			out.Value = append(out.Value, mean)
		}
	}
	return out, nil
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
