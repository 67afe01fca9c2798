// Package meter owns the ledger: it divides what was measured or modelled at a
// node over an interval among those who held it, adds the facility's overhead,
// carbon, water and money of the hour, and keeps every part an integer so that
// parts sum to the meter exactly. It never reads a meter and keeps no state of
// its own but the remainders handed to it. Read this file first.
package meter

import (
	"tianfu/job"
	"tianfu/unit"
)

// Line says what an entry stands for. Every millijoule of a meter is on exactly
// one line.
type Line uint8

// The lines of the ledger. Numbers are persisted: never reuse one.
const (
	TaskLine        Line = 1 // used by an attempt of a task
	IdleLine        Line = 2 // drawn by a node while, or where, nobody held it
	LossLine        Line = 3 // between the site's meter and its nodes, beyond the modelled overhead
	UnexplainedLine Line = 4 // measured above what model and holders explain, or bridged over a gap
	ServiceLine     Line = 5 // used by calls of a data service
)

// Basis says where an entry's energy comes from.
type Basis uint8

// The bases, from the best on.
const (
	Measured  Basis = 1 // a meter of the node or device
	Estimated Basis = 2 // bridged between readings of a meter
	Modelled  Basis = 3 // the node's power model
	Unmetered Basis = 4 // no meter and no model: nothing is known of it, and its energy is zero
)

// Entry is one line of the ledger: what one holder used at one node from From
// to To. Its figures add up with those of its neighbours to the node's meter.
type Entry struct {
	From, To unit.Instant
	Site     string
	Node     int32 // rank; -1 = of the site as a whole
	Line     Line
	Basis    Basis
	Tenant   job.Tenant
	Queue    job.Queue
	Job      job.ID
	Task     int32
	Attempt  int32
	Service  string // of a service line

	CPUMicros    int64 // CPU time, µs
	MemorySecs   int64 // MiB-seconds held
	DeviceMillis int64 // thousandths of a device, times seconds

	Idle    unit.Millijoules // the holder's part of the node's idle draw
	Dynamic unit.Millijoules // what its work drew beyond that
	// Facility is cooling, conversion and light: (PUE of the hour - 1) of the
	// two above.
	Facility unit.Millijoules
	// CarbonLocation counts the grid's average, CarbonMarket contracts and
	// certificates; neither replaces the other.
	CarbonLocation unit.Micrograms
	CarbonMarket   unit.Micrograms
	Water          unit.Microlitres
	// Cost is of the energy at the tariff of the hour; IdleCost is the part of
	// it that Idle with its overhead causes.
	Cost     unit.NanoYuan
	IdleCost unit.NanoYuan
}
