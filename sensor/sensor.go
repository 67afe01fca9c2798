// Package sensor owns the readings of nodes, racks and sites: the port through
// which an instrument is read, the rules that turn what it says into energies of
// intervals that add up, and the poller that reads instruments for as long as a
// centre runs. It divides nothing among jobs and never models what it cannot
// read. Read this file first, then track.go, counter.go and gauge.go, then
// poller.go. Instruments are in its children.
package sensor

import (
	"context"
	"strings"

	"tianfu/unit"
)

// Microjoules is energy as instruments count it. 1 kWh = 3.6e12 µJ.
type Microjoules int64

// Milliwatts is power as instruments show it.
type Milliwatts int64

// Level says how much of a centre an instrument sees.
type Level string

// The levels, from the smallest on. Package and Device lie within a node.
const (
	Package  Level = "package" // a processor or its memory
	Device   Level = "device"  // an accelerator
	Node     Level = "node"
	Rack     Level = "rack"
	Row      Level = "row"
	Hall     Level = "hall"
	Building Level = "building"
	Site     Level = "site"
)

// Covers says what an instrument sees. Two of the same Level and Path with
// different Parts add up; a larger Level includes the smaller ones in it.
type Covers struct {
	Level Level `json:"level"`
	// Path is a node's name, or site/building/hall/row/rack without the levels
	// that the site has not.
	Path string `json:"path"`
	// Part tells several apart: a package, a device's UUID, one of two feeds.
	Part string `json:"part,omitempty"`
	// Device is the number of a device on its node, from 0.
	Device int `json:"-"`
}

// String renders "node n1", "device n1 GPU-1b6c".
func (c Covers) String() string {
	return strings.TrimSpace(string(c.Level) + " " + c.Path + " " + c.Part)
}

// Kind tells counters from gauges.
type Kind uint8

// The kinds of sample.
const (
	Counter Kind = iota // energy since some beginning
	Gauge               // power at the instant
)

// String returns the kind's name.
func (k Kind) String() string { return [...]string{"counter", "gauge"}[k] }

// Sample is what one channel of an instrument says at an instant. A counter is
// kept as counts and their size, so that the arithmetic stays exact whether it
// counts microjoules or hundredths of a kWh.
type Sample struct {
	Channel string // name within the source
	Covers  Covers
	At      unit.Instant
	Kind    Kind

	Count   uint64      // of a counter
	Tick    Microjoules // energy of one count, above 0
	Modulus uint64      // at this count it begins again at 0; 0 = it never does

	Power Milliwatts // of a gauge
}

// Source reads one instrument. Its promise, which Conform holds it to:
//
// Read returns one sample of every channel, in the order of their names. Names
// are unique and stay the same from call to call; so do Covers, Kind, Tick and
// Modulus. Instants are when the instrument was asked, or what it said itself,
// and never go back. A counter's Count is below its Modulus.
//
// Read ends soon after its context does, and is bounded in what it reads. When
// some channels can be read and others cannot, it returns those samples and an
// error. An error has a kind: Unavailable for an instrument that does not
// answer, Denied for one that refuses the credentials, NotFound for a channel it
// does not have, Invalid for an answer that makes no sense. No error shows a
// secret.
//
// An instrument that was lost is found again by the next Read that can; nobody
// opens a source twice. Calls do not overlap. After Close, Read is Unavailable;
// Close may be called again.
type Source interface {
	Read(ctx context.Context) ([]Sample, error)
	Close() error
}

// Quality says how well the energy of an interval is known.
type Quality string

// The qualities, from the best on.
const (
	// Measured: counted, or integrated over samples without a gap.
	Measured Quality = "measured"
	// Bridged: counted exactly over a gap; when in it is not known.
	Bridged Quality = "bridged"
	// Estimated: less than the truth, or interpolated; Note says why.
	Estimated Quality = "estimated"
	// Missing: not known; the energy is 0 and whoever needs one models it.
	Missing Quality = "missing"
)

// Reading is the energy that a channel saw in an interval. The intervals of a
// channel follow each other without a hole or an overlap, and their energies
// add up to the rise of its counter.
type Reading struct {
	Meter   string           `json:"meter"`
	Channel string           `json:"channel"`
	Covers  Covers           `json:"covers"`
	From    unit.Instant     `json:"-"`
	To      unit.Instant     `json:"-"`
	Energy  unit.Millijoules `json:"millijoules"`
	Quality Quality          `json:"quality"`
	Note    string           `json:"note,omitempty"` // why it is not Measured
}

// Power returns the mean power of the interval.
func (r *Reading) Power() unit.Watts {
	if r.To <= r.From {
		return 0
	}
	return unit.Watts(float64(r.Energy) / 1e3 / r.To.Sub(r.From).Seconds())
}
